"""What is printed where: text into a pipe, progress and colours on a terminal only."""

from __future__ import annotations

import io
import sys

import pytest

from movable import VM
from movable.lab.draw import kinds_for, take_map
from movable.lab.terminal import Terminal
from movable.supervise import relay


class Tty(io.StringIO):
    def isatty(self) -> bool:
        return True


def use(quiet: bool = False) -> None:
    frame_map = take_map(VM(64 << 12), "now", kinds_for([]), lambda page: None, set())
    terminal = Terminal(2, quiet)
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
    told: list[str] = []
    monkeypatch.setattr(relay, "status", told.append)
    use()
    assert told == ["1/2 one", "2/2 two"]
    with relay.status_line() as show:
        assert show is not None
        show("1/2 one")
        show("")
        print("between")
    assert "1/2 one" in err.getvalue() and "between" not in err.getvalue()
    assert "a line\n" in out.getvalue() and "\x1b[" in out.getvalue()


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
    frame_map = take_map(VM(64 << 12), "now", kinds_for([]), lambda page: None, set())
    terminal = Terminal(2)
    terminal.show(frame_map)
    terminal.say("a line")
    assert terminal.error is error and gone.tries == 1
