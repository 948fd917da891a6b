"""A whole command in a worker: what it prints is passed on, and so is its exit code, if it came to one."""

from __future__ import annotations

import errno
import io
import os
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from movable.errors import MovableError, UsageError
from movable.files import abandon_stdout
from movable.shown import STANDARD_OUTPUT
from movable.supervise.board import PREPARE
from movable.supervise.channel import Record, Sender
from movable.supervise.interrupt import of_this_command
from movable.supervise.supervisor import (
    DONE,
    FAILED,
    HUNG,
    INTERRUPTED,
    MEMORY_LIMIT,
    PATIENCE_SECONDS,
    STILL,
    TIME,
    Ending,
    Supervisor,
)

CHARACTERS_AT_ONCE = 12_000
"""Characters that one record carries."""
MACHINE_MEMORY_BYTES = 64 << 30
"""Bytes that a worker with a whole machine may have: the largest one four times."""
MACHINE_PATIENCE_SECONDS = 60.0
"""Seconds that one step of such a worker may take, or stand still."""


class DriverEnded(MovableError):
    """A driver ended the process it ran in; ``rule`` is the rule that says it may not."""

    def __init__(self, rule: str, what: str) -> None:
        self.rule = rule
        super().__init__(f"{rule}: {what}")


class _Out(io.TextIOBase):
    """Standard output of a worker: text goes to the supervisor, and comes back as an error where nobody takes it."""

    def __init__(self, tell: Sender, terminal: bool) -> None:
        self._tell = tell
        self._terminal = terminal
        self._parts: list[str] = []

    encoding = "utf-8"
    errors = "backslashreplace"

    def isatty(self) -> bool:
        """Whether the command's own standard output is a terminal."""
        return self._terminal

    def writable(self) -> bool:
        """It is."""
        return True

    def write(self, text: str) -> int:
        """As in a text file."""
        self._parts.append(text)
        if sum(map(len, self._parts)) > CHARACTERS_AT_ONCE:
            self.flush()
        return len(text)

    def flush(self) -> None:
        """Pass on what was written. Raises OSError where standard output takes no more."""
        text, self._parts = "".join(self._parts), []
        for at in range(0, len(text), CHARACTERS_AT_ONCE):
            answer = self._tell.ask("out", text=text[at : at + CHARACTERS_AT_ONCE])
            if answer:
                raise OSError(int(answer), os.strerror(int(answer)), STANDARD_OUTPUT)


status: Callable[[str], None] | None = None
"""In the worker of a relayed command: shows a line where a person sees it, if one looks."""


def relayed(  # both ends of the pipe stand here, what the worker does and what its supervisor takes
    verb: Callable[[], int],
    what: str,
    *,
    memory: int = MEMORY_LIMIT,
    patience: float = PATIENCE_SECONDS,
    show: Callable[[str], None] | None = None,
) -> int:
    """Run ``verb`` in a worker; returns its exit code.

    ``what`` names it in words; ``show`` takes each line of status. Raises what the verb raised, as far as it can be told from
    here; UsageError for a driver that ends its process while it is imported, and DriverEnded for one that does later.
    """
    terminal = sys.stdout.isatty()

    def work(tell: Sender, given: Record) -> None:
        global status
        status = None if show is None else lambda text: tell("status", text=text)
        sys.stdout = out = _Out(tell, terminal)
        code = verb()
        out.flush()
        tell("code", code=code)

    codes: list[int] = []

    def take(record: Record) -> str | None:
        if record["kind"] == "out":
            if show is not None:
                show("")
            return _write(str(record.get("text")))
        if record["kind"] == "status" and show is not None:
            show(str(record.get("text"))[:200])
        if record["kind"] == "code" and type(record.get("code")) is int:
            codes.append(record["code"])
        return None

    with Supervisor(work, memory=memory, patience=patience) as supervisor:
        ending = supervisor.run({}, take)
    if ending.how == INTERRUPTED:
        raise of_this_command(ending.text)
    complain(ending, what)
    if ending.how == DONE and codes:
        return codes[-1]
    raise DriverEnded("D51" if ending.how in (HUNG, STILL) else "D52", f"{what}: {_where(ending)}{ending.words}")


def _where(ending: Ending) -> str:
    return f"{ending.place.where}: " if ending.place.where else ""


def complain(ending: Ending, what: str) -> None:
    """Raise what a worker told of an error of its own, and a UsageError where it ended in preparations."""
    if ending.how == FAILED:
        raise error_of(ending)
    if ending.how not in (DONE, TIME, INTERRUPTED) and ending.place.phase == PREPARE:
        raise UsageError(f"{ending.place.where or what}: {ending.words}")


def error_of(ending: Ending) -> BaseException:
    """The exception that a worker told, as one of this process."""
    if ending.number:
        return OSError(ending.number, os.strerror(ending.number), STANDARD_OUTPUT)
    error = UsageError(ending.text) if ending.code == 2 else MovableError(ending.text)
    error.add_note(ending.trace)
    return error


def _write(text: str) -> str:
    """Write to standard output; the number of the error, if there is one."""
    try:
        sys.stdout.write(text)
        sys.stdout.flush()
    except OSError as error:
        abandon_stdout()
        return str(error.errno or errno.EIO)
    except ValueError:  # it is closed
        return str(errno.EBADF)
    return ""


@contextmanager
def status_line() -> Iterator[Callable[[str], None] | None]:
    """A line on the terminal that says what goes on; nothing in a pipe. It comes with the first text, and "" takes it away."""
    if not sys.stderr.isatty():
        yield None
        return
    from rich.console import Console
    from rich.text import Text

    from movable.shown import below

    line = Console(file=below(sys.stderr)).status("")
    shown = False

    def show(text: str) -> None:
        nonlocal shown
        if text:
            line.update(Text(text))  # in a str, rich would find markup and emoji
        if bool(text) != shown:
            shown = bool(text)
            (line.start if shown else line.stop)()

    try:
        yield show
    finally:
        show("")
