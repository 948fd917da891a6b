"""``movable sh`` as a user meets it: a script, standard input, a prompt, and bad input."""

from __future__ import annotations

import io
import os
import pty
import select
import sys
import time
from pathlib import Path

import pytest

from movable.cli import main
from tests.processes import started

LINES = "cat /proc/buddyinfo\necho 1 > /proc/sys/vm/compact_memory\nverify\n"


def test_a_script(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    script = tmp_path / "lesson.sh"
    script.write_text(LINES)
    assert main(["sh", str(script), "--memory", "32M"]) == 0
    first = capsys.readouterr().out
    assert first.startswith("# cat /proc/buddyinfo\nNode 0, zone   Normal") and first.endswith("as they were written\n")
    assert main(["sh", str(script), "--memory", "32M"]) == 0
    assert capsys.readouterr().out == first


def test_standard_input(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    monkeypatch.setattr("sys.stdin", io.TextIOWrapper(io.BytesIO(LINES.encode())))
    assert main(["sh", "-", "--memory", "16M", "--empty"]) == 0
    assert capsys.readouterr().out.count("\n") == 5


@pytest.mark.parametrize(
    ("text", "what"),
    [
        (b"cat /proc/vmstat\nformat c:\n", "bad.sh:2: there is no command 'format'"),
        (b"\xff\xfe", "is no text"),
        (b"cat 'x", "bad.sh:1: no closing quotation"),
    ],
)
def test_bad_scripts_are_one_line(text: bytes, what: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    script = tmp_path / "bad.sh"
    script.write_bytes(text)
    assert main(["sh", str(script), "--memory", "16M", "--empty"]) == 2
    error = capsys.readouterr().err
    assert what in error and error.count("\n") == 1


def test_bad_usage(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["sh", str(tmp_path / "missing")]) == 2
    assert "No such file" in capsys.readouterr().err
    assert main(["sh", "-", "--memory", "1M"]) == 2


def test_a_person_at_a_terminal() -> None:
    """A prompt, an answer, a mistake in one line, and the end."""
    ours, theirs = pty.openpty()
    command = [sys.executable, "-m", "movable.cli", "sh", "--memory", "16M", "--empty"]
    environment = {**os.environ, "TERM": "dumb"}
    with started(command, stdin=theirs, stdout=theirs, stderr=theirs, env=environment, close_fds=True) as process:
        os.close(theirs)
        seen = b""
        for text in (b"cat /proc/buddyinfo\r", b"oops\r", b"exit\r"):
            seen += _until(ours, b"# ")
            os.write(ours, text)
        seen += _until(ours, b"\0never\0")
        try:
            assert process.wait(100) == 0
        finally:
            process.kill()
    os.close(ours)
    assert b"Node 0, zone   Normal" in seen and b"there is no command 'oops'" in seen and b"Traceback" not in seen


def _until(terminal: int, mark: bytes, seconds: float = 100) -> bytes:
    seen, end = b"", time.monotonic() + seconds
    while mark not in seen and time.monotonic() < end:
        if not select.select([terminal], [], [], 0.2)[0]:
            continue
        try:
            part = os.read(terminal, 4096)
        except OSError:  # the other side is gone
            break
        seen += part
        if not part:
            break
    return seen


def test_a_driver_of_a_script_runs_in_a_worker(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    ends = "import os\nfrom docs.drivers.ring import Ring\nclass Ends(Ring):\n    def __init__(self, vm): os._exit(0)\n"
    (tmp_path / "ends.py").write_text(ends)
    (tmp_path / "script").write_text("cat /proc/buddyinfo\n")
    command = ["sh", str(tmp_path / "script"), "--memory", "16M", "--empty", "--drivers"]
    assert main([*command, f"{tmp_path / 'ends.py'}:Ends"]) in (1, 2)
    error = capsys.readouterr().err
    assert "exit status 0" in error and error.count("\n") == 1


def test_a_script_from_a_closed_input(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    monkeypatch.setattr("sys.stdin", None)
    assert main(["sh", "--memory", "16M", "--empty"]) == 2
    assert "standard input is closed" in capsys.readouterr().err
