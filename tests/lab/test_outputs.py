"""The files that a run writes: whole or not at all, each by itself, beside nobody's feet."""

from __future__ import annotations

import json
import os
import resource
import stat
import subprocess
import sys
from pathlib import Path

import pytest

from movable.errors import MovableError
from movable.files import whole
from movable.lab.options import Options
from movable.lab.run import main

LIMIT = 100_000


def test_a_disk_that_fills_up_in_the_middle_costs_the_events_and_not_the_run(tmp_path: Path) -> None:
    """The events are far longer than a file may be here; the record is not."""
    (tmp_path / "e.jsonl").write_text("of the last run")
    command = [sys.executable, "-m", "movable.cli", "run", "--memory", "16M", "--nodes", "1"]
    limit = lambda: resource.setrlimit(resource.RLIMIT_FSIZE, (LIMIT, LIMIT))  # noqa: E731
    named = ["--events", "e.jsonl", "--json", "r.json"]
    own = {name: value for name, value in os.environ.items() if not name.startswith("COVERAGE")}  # its data is a long file too
    done = subprocess.run([*command, *named], cwd=tmp_path, capture_output=True, text=True, timeout=120, preexec_fn=limit, env=own)
    assert (done.returncode, done.stderr) == (1, "movable: --events e.jsonl: File too large\n")
    assert "  frames not given back          0\n" in done.stdout
    found = json.loads((tmp_path / "r.json").read_text())
    assert found["ok"] is False and found["error"] == "--events e.jsonl: File too large"
    assert found["not_returned"] == 0
    assert (tmp_path / "e.jsonl").read_text() == "of the last run" and sorted(os.listdir(tmp_path)) == ["e.jsonl", "r.json"]


def test_an_output_whose_folder_goes_is_named_as_it_was_given(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The folder is there when the run begins, and gone when it ends."""
    folder = tmp_path / "folder"
    folder.mkdir()
    monkeypatch.setattr("movable.lab.run.plan", lambda run: folder.rmdir())
    monkeypatch.setattr("movable.lab.run.STEPS", ())
    monkeypatch.setattr("movable.lab.report.summary", lambda run: [])
    monkeypatch.setattr("movable.lab.report.opening", lambda run: [])
    with pytest.raises(MovableError) as caught:
        main(Options(memory="8M", nodes=1, json=str(folder / "r.json")))
    assert str(caught.value) == f"--json {folder / 'r.json'}: No such file or directory"


def test_what_is_written_has_no_name_before_it_is_whole(tmp_path: Path) -> None:
    path = tmp_path / ("x" * 250)
    with whole(path) as place:
        place.write_text("all of it")
        assert not os.listdir(tmp_path)
    assert path.read_text() == "all of it" and os.listdir(tmp_path) == [path.name]


def test_where_there_are_no_files_without_a_name_one_beside_has_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("movable.files._unnamed_beside", lambda path: None)
    path = tmp_path / ("x" * 250)
    with whole(path) as place:
        assert place.parent == tmp_path.resolve() and place.name.startswith(".")
        place.write_text("all of it")
    assert path.read_text() == "all of it" and os.listdir(tmp_path) == [path.name]
    with pytest.raises(IsADirectoryError) as caught, whole(path) as place:
        place.unlink()
        place.mkdir()
        try:
            place.write_text("no")
        finally:
            place.rmdir()
    assert caught.value.filename == str(path) and path.read_text() == "all of it"


def test_who_may_read_a_file_stays_as_it_was(tmp_path: Path) -> None:
    path = tmp_path / "private"
    path.touch(0o600)
    with whole(path) as place:
        assert stat.S_IMODE(place.stat().st_mode) == 0o600
        place.write_text("new")
    assert stat.S_IMODE(path.stat().st_mode) == 0o600 and path.read_text() == "new"
