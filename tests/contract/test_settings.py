"""Options of a check in pyproject.toml."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from movable.cli import main

TARGET = "docs.drivers.ring:Ring"


def certificate(folder: Path, content: str, *options: str) -> dict[str, Any]:
    (folder / "pyproject.toml").write_text(content)
    assert main(["check", TARGET, *options, "--json", str(folder / "c.json")]) in (0, 1)
    found: dict[str, Any] = json.loads((folder / "c.json").read_text())
    return found


def test_options_come_from_the_file_and_the_command_line_goes_first(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    content = "[tool.movable]\nexamples = 2\ninterleavings = 0\nseed = 5\n[tool.movable.excuse]\nballoon = 'x'\n"
    found = certificate(tmp_path, content)
    assert (found["examples"], found["seed"]) == (2, 5)
    found = certificate(tmp_path, content, "--examples", "3", "--seed", "1")
    assert (found["examples"], found["seed"]) == (3, 1)
    several = certificate(tmp_path, "[tool.movable]\nexamples = 1\ninterleavings = 0\nseeds = '1-2'\n")
    assert [one["seed"] for one in several["reports"]] == [1, 2]
    assert certificate(tmp_path, "[tool.movable]\nexamples = 1\nseeds = '1-2'\n", "--seed", "3")["seed"] == 3
    found = certificate(tmp_path, content + "[tool.movable.waive]\nD2 = 'known'\n", "--examples", "4")
    (needless,) = (rule for rule in found["rules"] if rule["id"] == "D2")
    assert "it is waived (known), and held" in needless["what"]


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("[tool.movable]\nexample = 2\n", "has no option 'example'; known are"),
        ("[tool.movable]\nexamples = 'many'\n", "'many' is not a whole number above zero"),
        ("[tool.movable]\nstrict = 1\n", "write true or false"),
        ("[tool.movable]\nwaive = ['D15']\n", "leads from rules to reasons"),
        ("[tool.movable]\nera = '1.0'\n", "unknown era '1.0'"),
        ("[tool]\nmovable = 3\n", "is no table"),
        ("[tool.movable\n", "cannot be read"),
    ],
)
def test_bad_options_are_one_line(
    content: str, message: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "pyproject.toml").write_text(content)
    assert main(["check", TARGET, *([] if "example" in content else ["--examples", "1"])]) == 2
    captured = capsys.readouterr()
    assert captured.out == "" and message in captured.err and captured.err.count("\n") == 1
