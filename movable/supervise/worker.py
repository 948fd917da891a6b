"""A worker: the process that runs the driver, from its fork to its exit code.

Before it begins it closes what is not its own, takes the signals it is to have, and accepts its limits.
"""

from __future__ import annotations

import os
import signal
import sys
from collections.abc import Callable
from os import _exit
from types import FrameType
from typing import NamedTuple, NoReturn

from movable import errors
from movable.boundary import OWN_FAULT, complaint
from movable.errors import by_hand
from movable.shown import STANDARD_OUTPUT, said
from movable.supervise import board as boards
from movable.supervise import forks, landlock, tampering
from movable.supervise.board import Board
from movable.supervise.channel import Closed, Record, Sender
from movable.supervise.limits import (
    call_this,
    close_all_but,
    die_with_parent,
    limit_files,
    limit_memory,
    limit_processes,
    usual_signals,
)

Work = Callable[[Sender, Record], None]
"""What a worker does: it gets the way to tell what it finds, and what the supervisor gives it to begin with."""
OUT_OF_MEMORY, CANNOT_TELL = 112, 113
"""Exit codes of a worker that had no memory left, and of one whose channel was closed."""
WORKER = "movable worker"
"""The name of its process."""
MOST_IN_ALL = 1000
"""Processes that it, those that it made, and those with keepers of their own may have made together."""
FILE_SHARE = 4
"""What its memory may have is so many times what a file may have that a worker writes."""
MOST_OPEN = 4096
"""Files that it may have open at once."""
MOST_STRAYS = 10
"""Different lines about exceptions that nobody takes."""


class Terms(NamedTuple):
    """Under what a worker works: ``memory`` is how many bytes it may have beside what the keeper has."""

    work: Work
    board: Board
    key: str
    memory: int


def become_worker(terms: Terms, given: Record, parent: int, descriptors: list[int], parts: tampering.Parts) -> NoReturn:
    """The rest of a worker's life, after the fork. ``parts`` are those of the kit, as they were before it."""
    channel, output = descriptors
    code = 1
    try:
        os.setsid()
        call_this(WORKER)
        die_with_parent(parent)
        usual_signals()
        signal.signal(signal.SIGINT, _interrupted)
        os.dup2(output, 1)
        os.dup2(output, 2)
        close_all_but(channel)
        sys.stdin = open(0, closefd=False)  # noqa: SIM115  (it is the empty device, until the process ends)
        sys.stdout = open(1, "w", buffering=1, errors="backslashreplace", closefd=False)  # noqa: SIM115
        sys.stderr = open(2, "w", buffering=1, errors="backslashreplace", closefd=False)  # noqa: SIM115
        tell_strays_in_a_line()
        boards.current = terms.board
        terms.board.keep_from_children()
        errors.interrupted_from_outside = terms.board.asked
        forks.watch(terms.board)
        landlock.keep_signals()
        limit_memory(terms.memory)
        limit_files(terms.memory // FILE_SHARE, MOST_OPEN)
        limit_processes(MOST_IN_ALL)
        code = _do(terms.work, Sender(channel, terms.key), given, parts)
    except BaseException:  # nothing may come back to where the keeper was forked
        pass
    finally:
        _exit(code)


def _interrupted(number: int, frame: FrameType | None) -> None:
    """The handler of a worker. A signal that its supervisor did not send does what it does to any process."""
    if errors.interrupted_from_outside is None or errors.interrupted_from_outside():
        raise KeyboardInterrupt
    signal.signal(number, signal.SIG_DFL)
    os.kill(os.getpid(), number)


def tell_strays_in_a_line() -> None:
    """What a finalizer or a thread of the driver's raises is a line, as all that a driver does."""
    import threading

    told: set[str] = set()

    def stray(what: str, error: BaseException | None) -> None:
        if error is None or isinstance(error, SystemExit) or len(told) > MOST_STRAYS:  # which ends a thread, and nothing else
            return
        line = complaint(error)[0].removesuffix(OWN_FAULT)
        if line not in told:
            told.add(line)
            more = "; there are more, which are not shown" if len(told) > MOST_STRAYS else ""
            print(f"an exception that nobody takes, {what}: {line}{more}", file=sys.stderr)

    sys.unraisablehook = lambda found: stray("as of a finalizer", found.exc_value)
    threading.excepthook = lambda found: stray("in a thread", found.exc_value)


def _do(work: Work, tell: Sender, given: Record, parts: tampering.Parts) -> int:
    """Do the work and say how it went; the exit code. ``parts`` are those of the kit before."""
    try:
        try:
            work(tell, given)
            tell("end", replaced=tampering.replaced(parts, library=False))
        except MemoryError:
            return OUT_OF_MEMORY
        except Closed:
            raise
        except BaseException as error:
            if by_hand(error):
                tell("interrupted", text=said(error))
            else:
                tell_error(tell, error, tampering.replaced(parts, library=True))
        return 0
    except Closed:
        return CANNOT_TELL


def tell_error(tell: Sender, error: BaseException, replaced: str = "") -> None:
    """The work ended with an exception: its class, what it says, and where it was; ``replaced`` is what is the kit's no more."""
    import traceback

    try:
        trace = "".join(traceback.format_exception(error))
    except BaseException:  # an exception may fail to say what it is
        trace = ""
    line, code = complaint(error)
    if replaced and line.endswith(OWN_FAULT):
        line = f"{line.removesuffix(OWN_FAULT)}; before that {replaced} was replaced"
    number = error.errno or 0 if isinstance(error, OSError) and error.filename == STANDARD_OUTPUT else 0
    tell("error", text=line, code=code, trace=trace[-8000:], number=number, replaced=replaced)
