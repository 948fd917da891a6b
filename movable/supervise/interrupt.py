"""Interruptions: which signal came, once, and the exit code that says so."""

from __future__ import annotations

import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType

from movable.early import SIGNALS


class Interrupted(KeyboardInterrupt):
    """One of SIGNALS came; ``number`` says which, and ``where`` in the middle of what, if somebody knows."""

    def __init__(self, number: int, where: str = "") -> None:
        self.number = number
        super().__init__(where)


def code_of(error: KeyboardInterrupt) -> int:
    """The exit code: 130 for Ctrl-C, 143 for SIGTERM, 129 for SIGHUP."""
    return 128 + int(getattr(error, "number", signal.SIGINT))


class Desk:
    """Where signals are taken in: inside ``deferred`` they are only noted in ``came``, elsewhere they are raised."""

    def __init__(self) -> None:
        self.came = 0
        self.holding = 0

    def take(self, number: int, frame: FrameType | None) -> None:
        """The handler. Only the first signal counts: what it began takes a second at most."""
        if self.came:
            return
        self.came = number
        if not self.holding:
            raise Interrupted(number)


_desk: Desk | None = None


@contextmanager
def raised() -> Iterator[None]:
    """Inside the block each of SIGNALS raises Interrupted, unless it was ignored before (nohup, a shell's background)."""
    global _desk
    if _desk is not None or threading.current_thread() is not threading.main_thread():
        yield
        return
    _desk = Desk()
    before = {}
    try:
        for number in SIGNALS:
            if signal.getsignal(number) is not signal.SIG_IGN:
                before[number] = signal.signal(number, _desk.take)
        yield
    finally:
        _desk = None
        for number, handler in before.items():
            signal.signal(number, handler)


@contextmanager
def deferred() -> Iterator[Desk]:
    """Inside the block a signal is noted and not raised; the block asks ``came``. Whoever opened it decides what follows."""
    with raised():
        desk = _desk if _desk is not None and threading.current_thread() is threading.main_thread() else Desk()
        desk.holding += 1
        try:
            yield desk
        finally:
            desk.holding -= 1


def came() -> int:
    """The signal that came in this command, 0 for none."""
    return 0 if _desk is None else _desk.came


def under(error: BaseException) -> Interrupted | None:
    """The interruption that an exception comes of: an interpreter makes a RuntimeError of what ends the making of a class."""
    seen: set[int] = set()
    below: BaseException | None = error
    while below is not None and id(below) not in seen:
        if isinstance(below, Interrupted):
            return below
        seen.add(id(below))
        below = below.__cause__ or below.__context__
    return None


def of_this_command(where: str = "") -> Interrupted:
    """What to raise where a worker of this command ended by an interruption: by the signal that came here, or Ctrl-C."""
    return Interrupted(came() or signal.SIGINT, where)
