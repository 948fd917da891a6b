"""The verb ``movable trace``: its parts, exit codes, outputs and refusals."""

from __future__ import annotations

import argparse
import io
import json
import sys
import xml.etree.ElementTree as ET
from pathlib import Path

import pytest

from movable.errors import UsageError
from movable.events import read_events
from movable.trace.cli import add_arguments
from movable.trace.show.progress import Progress
from tests.trace.recordings import TRACES, life


def run(*words: str) -> int:
    parser = argparse.ArgumentParser()
    add_arguments(parser.add_subparsers(required=True))
    arguments = parser.parse_args(["trace", *words])
    code: int = arguments.run(arguments)
    return code


def trace(name: str) -> str:
    return str(TRACES / name / "trace.txt.gz")


def test_probes(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    assert run("probes", "zsmalloc", "--definitions") == 0
    assert capsys.readouterr().out == (TRACES / "probes" / "zsmalloc").read_text()
    out = tmp_path / "record.sh"
    assert run("probes", "mine", "--isolate", "m:i", "--migrate", "m:m", "--putback", "m:p", "-o", str(out)) == 0
    assert out.read_text().startswith("#!/bin/sh\n") and "mine_migrate" in out.read_text()
    with pytest.raises(UsageError):
        run("probes", "nosuch")
    with pytest.raises(UsageError):
        run("probes", "balloon", "--era", "2.6")


@pytest.mark.parametrize(("name", "code"), [("soft", 0), ("bad/mode_09", 0), ("bad/mode_11", 1)])
def test_check_exit_codes(name: str, code: int, capsys: pytest.CaptureFixture[str]) -> None:
    assert run("check", trace(name)) == code
    assert ("NOT passed" in capsys.readouterr().out) == bool(code)


def test_check_outputs(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    html = tmp_path / "out.html"
    assert run("check", trace("bad/mode_05"), "--json", "-", "--html", str(html)) == 1
    assert json.loads(capsys.readouterr().out)["counts"]["broken"] == 1
    assert "D2" in html.read_text()


def test_standard_input(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    class Stdin:
        buffer = io.BytesIO((TRACES / "bad/mode_11/trace.txt.gz").read_bytes())

    monkeypatch.setattr(sys, "stdin", Stdin)
    assert run("check", "-", "--driver", "bad") == 1
    assert "> " in capsys.readouterr().out  # the lines were read a second time


def test_summary(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    svg, numbers = tmp_path / "a.svg", tmp_path / "a.json"
    assert run("summary", trace("soft"), "--svg", str(svg), "--json", str(numbers)) == 0
    assert "soft offline" in capsys.readouterr().out
    assert ET.parse(svg).getroot().tag.endswith("svg")
    assert json.loads(numbers.read_text())["counts"]["migrated"] == 40


def test_exports(tmp_path: Path) -> None:
    chrome, events, text = (tmp_path / name for name in ("a.json", "a.jsonl", "a.txt"))
    assert run("export", trace("soft"), "--chrome", str(chrome)) == 0
    assert len(json.loads(chrome.read_text())["traceEvents"]) > 1000
    assert run("export", trace("soft"), "--events", str(events)) == 0
    with events.open() as stream:
        assert sum(1 for _ in read_events(stream)) > 1000
    assert run("export", str(events), "--ftrace", str(text)) == 0
    assert run("check", str(text)) == 0


def test_bad_places_and_numbers(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="there is no directory"):
        run("summary", trace("soft"), "--svg", str(tmp_path / "no" / "a.svg"))
    with pytest.raises(UsageError, match="cannot be read"):
        run("check", str(tmp_path / "nosuch"))
    with pytest.raises(SystemExit):
        run("check", trace("soft"), "--vmemmap-base", "12monkeys")
    with pytest.raises(SystemExit):
        run("export", trace("soft"))


@pytest.mark.parametrize(
    "words",
    [
        ("check", "--json"), ("check", "--html"), ("summary", "--json"), ("summary", "--svg"),
        ("export", "--chrome"), ("export", "--events"), ("export", "--ftrace"),
    ],
)  # fmt: skip
def test_the_trace_is_never_written_over(words: tuple[str, str], tmp_path: Path) -> None:
    path = life().write(tmp_path)
    text = path.read_text()
    other = tmp_path / "link"
    other.symlink_to(path)
    for place in (path, other):
        with pytest.raises(UsageError, match="would write over FILE"):
            run(words[0], str(path), words[1], str(place))
    assert path.read_text() == text


def test_two_outputs_in_one_place(tmp_path: Path) -> None:
    path, place = str(life().write(tmp_path)), str(tmp_path / "out")
    with pytest.raises(UsageError, match="would write over --json"):
        run("check", path, "--json", place, "--html", place)
    with pytest.raises(UsageError, match="both mean standard output"):
        run("summary", path, "--json", "-", "--svg", "-")


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="needs /dev/full")
@pytest.mark.parametrize("words", [("check", "--html"), ("summary", "--svg"), ("export", "--chrome")])
def test_a_full_disk_is_named(words: tuple[str, str], tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="/dev/full: cannot be written"):
        run(words[0], str(life().write(tmp_path)), words[1], "/dev/full")


def test_progress_only_on_a_terminal(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    class Terminal(io.StringIO):
        def isatty(self) -> bool:
            return True

    monkeypatch.setattr("movable.trace.show.progress.SECONDS_BETWEEN_LINES", 0.0)
    for stream, shown in ((Terminal(), True), (io.StringIO(), False)):
        with Progress("x", stream) as progress:
            progress(50, 100)
            progress(1 << 21, 0)
        assert ("50 %" in stream.getvalue()) == shown == ("2 MiB" in stream.getvalue())
        assert stream.getvalue().endswith("\x1b[K") == shown
    assert run("summary", str(life().write(tmp_path))) == 0


def test_an_interrupted_export_leaves_what_was_there(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path, out = str(life().write(tmp_path)), tmp_path / "out.json"
    out.write_text("of the last export")

    def interrupted(self: object, reader: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr("movable.trace.show.export.ChromeTrace.write", interrupted)
    with pytest.raises(KeyboardInterrupt):
        run("export", path, "--chrome", str(out))
    assert out.read_text() == "of the last export" and not list(tmp_path.glob("*.part"))


def test_a_place_is_looked_at_before_the_trace(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("movable.trace.judge.conformance.check_trace", None)
    with pytest.raises(UsageError, match="there is no directory"):
        run("check", trace("soft"), "--json", str(tmp_path / "no" / "a.json"))
