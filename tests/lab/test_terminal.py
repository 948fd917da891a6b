"""What is printed where: text into a pipe, progress and colours on a terminal only."""

from __future__ import annotations

import io
import sys
from typing import Any

import pytest

from movable import VM
from movable.lab.draw import kinds_for, take_map
from movable.lab.terminal import Terminal


class Tty(io.StringIO):
    def isatty(self) -> bool:
        return True


def use(quiet: bool = False) -> None:
    frame_map = take_map(VM(64 << 12), "now", kinds_for([]), {}, set())
    with Terminal(2, quiet) as terminal:
        terminal.step("one")
        terminal.say("a line")
        terminal.show(frame_map)
        terminal.step("two")
        terminal.say()


def test_a_pipe_gets_plain_text_and_no_progress(capsys: pytest.CaptureFixture[str]) -> None:
    use()
    out, err = capsys.readouterr()
    assert err == ""
    assert "\x1b" not in out
    assert out.splitlines()[:3] == ["a line", "memory now", f"{'node 0':<8}{0:>8}  {'-' * 64}"]


def test_quiet_prints_nothing(capsys: pytest.CaptureFixture[str]) -> None:
    use(quiet=True)
    assert capsys.readouterr() == ("", "")


def test_a_terminal_gets_progress_and_colours(monkeypatch: pytest.MonkeyPatch) -> None:
    out, err = Tty(), Tty()
    for name, value in (("TERM", "xterm-256color"), ("COLUMNS", "120")):
        monkeypatch.setenv(name, value)
    monkeypatch.delenv("NO_COLOR", raising=False)
    monkeypatch.setattr(sys, "stdout", out)
    monkeypatch.setattr(sys, "stderr", err)
    bars: list[float] = []

    def render(column: object, task: Any) -> str:
        bars.append(task.completed)
        return ""

    monkeypatch.setattr("rich.progress.BarColumn.render", render)
    use()
    assert bars[0] == 0 and bars[-1] == 1  # the second of two steps has begun, and is not done
    assert "1/2 one" in err.getvalue() and "2/2 two" in err.getvalue()
    assert "a line\n" in out.getvalue() and "\x1b[" in out.getvalue()
    assert "a line" not in err.getvalue()


class Gone(io.StringIO):
    """A stream whose reader left, or that cannot take more."""

    def __init__(self, error: OSError) -> None:
        super().__init__()
        self.error = error
        self.tries = 0

    def write(self, text: str) -> int:
        self.tries += 1
        raise self.error


@pytest.mark.parametrize("error", [BrokenPipeError(32, "Broken pipe"), OSError(28, "No space left on device")])
def test_a_stream_that_takes_no_more_is_tried_once(error: OSError, monkeypatch: pytest.MonkeyPatch) -> None:
    gone = Gone(error)
    monkeypatch.setattr(sys, "stdout", gone)
    frame_map = take_map(VM(64 << 12), "now", kinds_for([]), {}, set())
    with Terminal(2) as terminal:
        terminal.show(frame_map)
        terminal.say("a line")
    assert terminal.error is error and gone.tries == 1
