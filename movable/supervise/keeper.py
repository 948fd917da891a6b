"""The process between the supervisor and its workers: forks them, waits for them, and ends whatever they leave behind.

It has imported the kit and no driver, so that a fresh worker costs a fork. It adopts orphans, so that nothing a worker started
survives it, and it ends with the process that made it: its end of the socket says so, also after a ``kill -9``.
"""

from __future__ import annotations

import gc
import json
import os
import select
import signal
import socket
import sys
from collections.abc import Callable
from contextlib import suppress
from os import _exit
from types import FrameType
from typing import Any, NamedTuple, NoReturn

from movable import errors
from movable.boundary import complaint
from movable.errors import by_hand
from movable.shown import STANDARD_OUTPUT, said
from movable.supervise import board as boards
from movable.supervise import forks, landlock, process, tampering
from movable.supervise.board import Board
from movable.supervise.channel import Closed, Record, Sender
from movable.supervise.process import (
    adopt_orphans,
    close_all_but,
    die_with_parent,
    end_children,
    limit_files,
    limit_memory,
    limit_processes,
    usual_signals,
)

Work = Callable[[Sender, Record], None]
"""What a worker does: it gets the way to tell what it finds, and what the supervisor gives it to begin with."""
OUT_OF_MEMORY, CANNOT_TELL = 112, 113
"""Exit codes of a worker that had no memory left, and of one whose channel was closed."""
KEEPER, WORKER = "movable keeper", "movable worker"
"""Names of processes."""
LOOK_SECONDS, SEEN = 0.2, 4
"""Seconds between two looks at what a worker has made, and at how many of them a fork is seen before it counts as one."""
MOST_PROCESSES = 100
"""Processes that a worker may have made, and they in turn."""
MOST_IN_ALL = 10 * MOST_PROCESSES
"""The same with those that have keepers of their own, or say so."""
FILE_SHARE = 4
"""What its memory may have is so many times what a file may have that a worker writes."""
MOST_OPEN = 4096
"""Files that it may have open at once."""
MOST_STRAYS = 10
"""Different lines about exceptions that nobody takes."""
LONGEST_COMMAND = 64 << 20


class Terms(NamedTuple):
    """Under what a worker works: ``memory`` is how many bytes it may have beside what the keeper has."""

    work: Work
    board: Board
    key: str
    memory: int


class Keeper:
    """The life of a keeper process."""

    def __init__(self, control: socket.socket, terms: Terms) -> None:
        self._control = control
        self._terms = terms
        self._worker = 0
        self._waiting = -1
        self._newest = ""
        self._suspects: dict[int, int] = {}
        self._parts: tampering.Parts = {}

    def live(self, parent: int) -> NoReturn:
        """Until the supervisor's end is closed."""
        try:
            self._begin(parent)
            while self._turn():
                pass
        finally:
            end_children()
            os._exit(0)

    def _begin(self, parent: int) -> None:
        os.setsid()
        process.call_this(KEEPER)
        forks.allow()
        usual_signals()
        signal.signal(signal.SIGINT, signal.SIG_IGN)
        signal.signal(signal.SIGTERM, signal.SIG_IGN)
        signal.signal(signal.SIGHUP, signal.SIG_IGN)
        null = os.open(os.devnull, os.O_RDWR)
        for descriptor in range(3):
            os.dup2(null, descriptor)
        close_all_but(self._control.fileno())
        adopt_orphans()
        gc.freeze()  # a collection would write to every object that was inherited, and so copy the memory that is shared

    def _turn(self) -> bool:
        """Wait for a command or for the worker's end; False when the supervisor has gone."""
        watched = [self._control.fileno(), *([self._waiting] if self._waiting >= 0 else [])]
        ready, _, _ = select.select(watched, [], [], LOOK_SECONDS if self._worker else None)
        if not ready:
            self._look()
            return True
        if self._waiting in ready:
            self._ended()
        if self._control.fileno() not in ready:
            return True
        command, descriptors = receive(self._control)
        if command is None:
            return False
        if command["do"] == "start":
            self._start(command["given"], descriptors)
        elif command["do"] == "end":
            self._end()
        elif command["do"] == "signal" and self._worker:
            os.kill(self._worker, command["number"])
        return True

    def _look(self) -> None:
        """End the forks of the worker that nobody heard of, and all of it if it breeds.

        What a worker executes has another name soon: so a fork is one that is there at several looks.
        """
        newest = process.newest()
        if newest == self._newest and newest and not self._suspects:
            return
        self._newest = newest
        found = [one for one in process.descendants() if one.state != "Z"]
        keepers = {one.pid for one in found if one.name == KEEPER and one.pid != self._worker}
        bred = sum(one.pid not in keepers and one.parent not in keepers for one in found)  # those of --jobs are looked at by theirs
        if bred > MOST_PROCESSES or len(found) > MOST_IN_ALL:
            self._tell(bred=max(bred, len(found) - len(keepers)))
            self._end()
            return
        suspects = {one.pid for one in found if one.name == WORKER and one.pid != self._worker and one.parent not in keepers}
        self._suspects = {pid: self._suspects.get(pid, 0) + 1 for pid in suspects}
        known = [pid for pid, times in self._suspects.items() if times >= SEEN]
        if known:
            self._tell(forked=len(known))
        for pid in known:
            with suppress(OSError):
                os.kill(pid, signal.SIGKILL)

    def _start(self, given: Record, descriptors: list[int]) -> None:
        parent = os.getpid()
        self._parts = self._parts or tampering.parts()
        pid = os.fork()
        if pid == 0:
            become_worker(self._terms, given, parent, descriptors, self._parts)
        for descriptor in descriptors:
            os.close(descriptor)
        self._worker, self._waiting, self._suspects = pid, os.pidfd_open(pid), {}
        self._tell(started=pid)

    def _ended(self) -> None:
        """The worker has ended: what it left behind ends too."""
        _, status = os.waitpid(self._worker, 0)
        os.close(self._waiting)
        self._worker, self._waiting = 0, -1
        end_children()
        self._tell(ended=status)

    def _end(self) -> None:
        if self._worker:
            os.kill(self._worker, signal.SIGKILL)
            self._ended()

    def _tell(self, **what: int) -> None:
        send(self._control, what)


def send(control: socket.socket, what: Any, descriptors: list[int] | None = None) -> None:
    """One message with its length before it, and descriptors with the length."""
    body = json.dumps(what).encode()
    head = len(body).to_bytes(8, "big")
    if descriptors:
        socket.send_fds(control, [head], descriptors)
    else:
        control.sendall(head)
    control.sendall(body)


def receive(control: socket.socket) -> tuple[Any, list[int]]:
    """The next message and its descriptors; None when the other end has gone."""
    head, descriptors, _, _ = socket.recv_fds(control, 8, 4)
    length = int.from_bytes(head, "big")
    if len(head) < 8 or length > LONGEST_COMMAND:
        return None, descriptors
    body = bytearray()
    while len(body) < length:
        data = control.recv(min(1 << 16, length - len(body)))
        if not data:
            return None, descriptors
        body += data
    return json.loads(bytes(body)), descriptors


def become_worker(terms: Terms, given: Record, parent: int, descriptors: list[int], parts: tampering.Parts) -> NoReturn:
    """The rest of a worker's life, after the fork. ``parts`` are those of the kit, as they were before it."""
    channel, output = descriptors
    code = 1
    try:
        os.setsid()
        process.call_this(WORKER)
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
        line = complaint(error)[0].partition("; this is a fault")[0]
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
    number = error.errno or 0 if isinstance(error, OSError) and error.filename == STANDARD_OUTPUT else 0
    tell("error", text=line, code=code, trace=trace[-8000:], number=number, replaced=replaced)
