"""``movable drivers``: what is installed, and whether it can be used."""

from __future__ import annotations

import json
import subprocess
import sys
from importlib import metadata
from pathlib import Path

import pytest

from movable.cli import main


def offer(monkeypatch: pytest.MonkeyPatch, **points: str) -> None:
    """Let these be the installed drivers, by name and object path."""
    found = tuple(metadata.EntryPoint(name, value, "movable.drivers") for name, value in points.items())
    monkeypatch.setattr(metadata, "entry_points", lambda group: found)


def test_the_bundled_drivers_are_listed(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["drivers"]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert lines[0].split() == ["NAME", "DISTRIBUTION", "VERSION", "FROM", "STATE"]
    rows = {line.split()[0]: line.split()[1:] for line in lines[1:]}
    assert rows["balloon"][0] == rows["zsmalloc"][0] == "movable"
    assert rows["balloon"][2:] == ["movable_balloon:Balloon", "valid"]
    assert rows["zsmalloc"][2:] == ["movable_zsmalloc:Zsmalloc", "valid"]
    assert list(rows) == sorted(rows)


def test_json(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    assert main(["drivers", "--json", "-"]) == 0
    shown = json.loads(capsys.readouterr().out)
    assert shown["schema"] == "movable.drivers/1"
    first = shown["drivers"][0]
    assert {"name", "distribution", "version", "where", "valid", "problem"} == set(first)
    assert first["valid"] is True and first["problem"] == ""
    assert main(["drivers", "--json", str(tmp_path / "d.json")]) == 0
    assert json.loads((tmp_path / "d.json").read_text()) == shown
    assert capsys.readouterr().out == ""


def test_a_broken_driver_is_one_line_and_stops_nobody(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    good = {"idle": "tests.lab.broken:Idle", "zz": "movable_balloon:Balloon"}
    offer(monkeypatch, absent="no_such_module:X", wrong="collections:OrderedDict", **good)
    assert main(["drivers"]) == 1
    out, err = capsys.readouterr()
    lines = out.splitlines()
    assert err == "" and len(lines) == 5
    assert "cannot be imported: ModuleNotFoundError: No module named 'no_such_module'" in lines[1]
    assert lines[2].endswith("valid") and lines[4].endswith("valid")
    assert "has no isolate_page()" in lines[3]
    assert main(["drivers", "--json", "-"]) == 1
    shown = {driver["name"]: driver["valid"] for driver in json.loads(capsys.readouterr().out)["drivers"]}
    assert shown == {"absent": False, "idle": True, "wrong": False, "zz": True}


def test_a_name_that_is_offered_twice_is_marked(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    values = ("tests.lab.broken:Idle", "movable_balloon:Balloon")
    points = [metadata.EntryPoint("twice", value, "movable.drivers") for value in values]
    monkeypatch.setattr(metadata, "entry_points", lambda group: points)
    assert main(["drivers"]) == 1
    lines = capsys.readouterr().out.splitlines()[1:]
    assert len(lines) == 2 and all("offered by - too; name it as " in line for line in lines)
    assert main(["run", "--drivers", "twice"]) == 2
    err = capsys.readouterr().err
    assert err.startswith("movable: driver 'twice' is offered by ") and err.count("\n") == 1


def test_none_installed(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    offer(monkeypatch)
    assert main(["drivers"]) == 0
    assert "entry-point group 'movable.drivers'" in capsys.readouterr().out


def test_a_target_that_cannot_be_written_is_one_line(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    assert main(["drivers", "--json", str(tmp_path / "none" / "d.json")]) == 2
    err = capsys.readouterr().err
    assert err.startswith(f"movable: {tmp_path / 'none' / 'd.json'}: there is no directory ") and err.count("\n") == 1


@pytest.mark.parametrize("arguments", [[], ["nonesuch"], ["drivers", "--nonesuch"]])
def test_bad_usage_is_exit_code_2(arguments: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as caught:
        main(arguments)
    assert caught.value.code == 2
    assert "Traceback" not in capsys.readouterr().err


def test_interruption_is_exit_code_130(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    def interrupted(target: str | None) -> int:
        raise KeyboardInterrupt

    monkeypatch.setattr("movable.cli.drivers.show", interrupted)
    assert main(["drivers"]) == 130
    assert capsys.readouterr().err == "movable: interrupted\n"


def test_the_package_can_be_run_as_a_module() -> None:
    done = subprocess.run([sys.executable, "-m", "movable", "--version"], capture_output=True, text=True, timeout=120)
    assert done.returncode == 0 and done.stdout.startswith("movable ")
    done = subprocess.run([sys.executable, "-m", "movable", "nosuch"], capture_output=True, text=True, timeout=120)
    assert done.returncode == 2 and done.stderr.startswith("movable") and done.stderr.count("\n") == 1


def test_version(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as caught:
        main(["--version"])
    assert caught.value.code == 0
    assert capsys.readouterr().out.startswith("movable ")
