"""The supervisor: starts workers one after another, takes what they tell, and ends those that do not end by themselves."""

from __future__ import annotations

import os
import secrets
import select
import signal
import socket
import sys
import time
import warnings
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from types import TracebackType

from movable.errors import UsageError
from movable.shown import shown, visible
from movable.supervise import forks
from movable.supervise.board import IDLE, PREPARE, Board, Place
from movable.supervise.channel import Receiver, Record
from movable.supervise.interrupt import deferred
from movable.supervise.keeper import KEEPER, Keeper, receive, send
from movable.supervise.limits import Load, called, has_ended, load_of
from movable.supervise.worker import CANNOT_TELL, OUT_OF_MEMORY, Terms, Work

DONE, EXITED, KILLED, MEMORY, HUNG, STILL, FLOODED, BRED, CLOSED, TAMPERED, TIME, INTERRUPTED, FAILED = (
    "done", "exited", "killed", "out of memory", "hung", "still", "flooded", "bred", "closed", "tampered", "time", "interrupted",
    "failed",
)  # fmt: skip
"""How a worker ends: with its work done; by an exit or a signal that nobody asked for; without memory; ended here because it
used the processor or stood still for too long in the middle of one thing, wrote too much, made too many others, or closed its
channel; with parts of the kit replaced; because time
was over or somebody interrupted; and with an error of its own that it told."""
MEMORY_LIMIT = 2 << 30
"""Bytes that a worker may have beside what the kit itself has."""
PATIENCE_SECONDS = 3.0
"""Seconds of the processor that one thing may take, and seconds for which it may stand still."""
PREPARATION_TIMES = 10
"""How many times as long preparations may take: an import reads large libraries, or waits for a compiler."""
NAP_TIMES = 3
"""How many times as long as it may stand still something may sleep that wakes up in between: on a busy machine others sleep too."""
TICK_SECONDS = 0.05
"""Between two looks at a worker."""
MAX_MISSED_SECONDS = 0.25
"""Seconds that are counted at most between two looks at a worker."""
GRACE_SECONDS = 0.4
"""Seconds that a worker has to leave by itself once it has said that it is done, or was asked to stop."""
SECONDS_TO_BURY = 3.0
"""Seconds that a keeper has to end what its workers left, before it is killed itself."""
GARBAGE_BYTES = 64 << 10
"""Bytes on the channel that are no record."""
OUTPUT_BYTES = 64 << 10
"""Bytes of what a worker prints that are passed on."""
FLOOD_BYTES = 16 << 20
"""Bytes that it may print in the middle of one thing."""
FLOODS_BYTES = 16 * FLOOD_BYTES
"""Bytes that it may print in all: a thread beside the search floods too."""
READ_BYTES = 1 << 16


Take = Callable[[Record], "str | None"]
"""What is done with a record; a text is the answer that the worker waits for."""


@dataclass(slots=True)
class Ending:
    """How one worker ended: ``how`` is a word from above, ``number`` the exit code or the signal, ``place`` where it was.

    Of an error, ``text`` is a line about it, ``code`` the exit code that goes with that, and ``trace`` the traceback; of one about
    standard output ``number`` is its number. ``lasted`` is how long the last thing took, by the processor's clock or still.
    """

    how: str
    place: Place
    number: int = 0
    text: str = ""
    code: int = 0
    trace: str = ""
    lasted: float = 0.0

    @property
    def words(self) -> str:
        """What became of the process, in words."""
        if self.how == EXITED:
            return f"the process ended itself with exit status {self.number}"
        if self.how == KILLED:
            return f"the process was ended by signal {self.number} ({_signal_name(self.number)})"
        if self.how == MEMORY:
            return f"the process wanted more than {MEMORY_LIMIT >> 30} GiB of memory"
        if self.how == HUNG:
            return f"it did not end in {self.lasted:.1f} seconds of processor time, and had to be killed"
        if self.how == STILL:
            return f"it stood still for {self.lasted:.1f} seconds, and had to be killed"
        if self.how == TIME:
            return f"it had not ended after {self.lasted:.1f} seconds, when the time was over, and had to be killed"
        if self.how == BRED:
            return f"the process was ended because {self.number} others came of it"
        if self.how == TAMPERED:
            return f"{self.text} was replaced while the driver ran, and nothing that the kit says after that can be trusted"
        if self.how == FLOODED:
            return "the process was ended because its output had no end"
        return "the process closed the descriptors of the kit" if self.how == CLOSED else self.how


def _signal_name(number: int) -> str:
    try:
        return signal.Signals(number).name
    except ValueError:
        return "unknown"


class Supervisor:
    """As a context it has a keeper; ``run`` sends one worker after another to work."""

    def __init__(
        self, work: Work, *, memory: int = MEMORY_LIMIT, patience: float = PATIENCE_SECONDS, preload: tuple[str, ...] = ()
    ) -> None:
        self.board = Board()
        self.patience = patience
        self._key = f"~{secrets.token_hex(12)}~"
        self._terms = Terms(work, self.board, self._key, memory)
        self._preload = preload
        self._keeper = 0
        self._control: socket.socket | None = None
        self._passed_on = 0

    def __enter__(self) -> Supervisor:
        self.open()
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self.close()

    def close(self) -> None:
        """End the keeper, and with it every worker and what they left."""
        if self._control is None:
            return
        self.wake()
        self._control.close()
        self._control = None
        end = time.monotonic() + SECONDS_TO_BURY
        while os.waitpid(self._keeper, os.WNOHANG) == (0, 0):
            if time.monotonic() > end:
                os.kill(self._keeper, signal.SIGKILL)
                os.waitpid(self._keeper, 0)
                break
            time.sleep(0.002)
        self._keeper = 0

    def wake(self) -> None:
        """A driver may have stopped the keeper."""
        if self._keeper:
            os.kill(self._keeper, signal.SIGCONT)

    def open(self) -> socket.socket:
        """Fork a keeper, if there is none; returns the way to it. Raises UsageError where processes cannot be looked at."""
        if self._control is not None:
            return self._control
        if load_of(os.getpid()) is None:
            raise UsageError("/proc shows no processes, and those that drivers run in must be looked at; mount it")
        for name in self._preload:
            __import__(name)
        ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_STREAM)
        for stream in (sys.stdout, sys.stderr):
            if stream is not None:
                stream.flush()
        parent = os.getpid()
        with warnings.catch_warnings(), forks.meant(), called(KEEPER):
            warnings.simplefilter("ignore", DeprecationWarning)  # other threads of ours do not exist in the keeper
            pid = os.fork()
        if pid == 0:
            try:
                Keeper(theirs, self._terms).live(parent)
            finally:
                os._exit(1)
        theirs.close()
        self._keeper, self._control = pid, ours
        return ours

    def run(self, given: Record, take: Take, deadline: float | None = None) -> Ending:
        """Let one worker work, and pass each of its records on; returns how it ended.

        ``deadline`` is a moment of the monotonic clock; what still works then is killed.
        """
        with deferred() as desk:
            watch = Watch(self, take, deadline)
            try:
                watch.begin(given)
                while (ending := watch.look(TICK_SECONDS, desk.came)) is None:
                    pass
                return ending
            finally:
                watch.close()

    def pass_on(self, data: bytes) -> None:
        """What the worker printed, up to a limit."""
        left = OUTPUT_BYTES - self._passed_on
        if left <= 0 or sys.stderr is None:
            return
        self._passed_on += len(data)
        text = data[:left].decode("utf-8", "replace")
        if len(data) >= left:
            text += "\n... the rest of what the driver prints is not shown\n"
        try:
            sys.stderr.write(visible(text))
            sys.stderr.flush()
        except (OSError, ValueError):  # nobody reads it
            pass


class Watch:
    """One worker's time: ``begin``, and then ``look`` until it gives the ending, and ``close``. ``files`` is what to wait for."""

    def __init__(self, supervisor: Supervisor, take: Take, deadline: float | None) -> None:
        self.supervisor = supervisor
        self.board = supervisor.board
        self.take = take
        self.deadline = deadline
        self.receiver = Receiver(supervisor._key)
        self.control = supervisor.open()
        self._channel, channel = socket.socketpair()
        self.channel = self._channel.fileno()
        self.output, output = os.pipe()
        self._theirs = [channel.detach(), output]
        self.files = {self.channel, self.output, self.control.fileno()}
        self.pid = 0
        self.status: int | None = None
        self.end: Record | None = None
        self.came = 0
        self.forked = ""
        self.bred = 0
        self.asked = self.closed = 0.0
        self.printed = self.printed_in_all = 0
        self.moves = -1
        self.used = 0.0
        self.last = self.waited = 0.0
        self.still = self.idle = 0.0
        self.looked = time.monotonic()

    def close(self) -> None:
        """Give the descriptors back."""
        self._channel.close()
        for descriptor in (self.output, *self._theirs):
            os.close(descriptor)
        self._theirs = []

    def begin(self, given: Record) -> None:
        """Send the worker to work."""
        self.board.clear()
        try:
            send(self.control, {"do": "start", "given": given}, self._theirs)
        except OSError:  # the keeper has been killed since
            self.status = -1
        for descriptor in self._theirs:
            os.close(descriptor)
        self._theirs = []

    def look(self, seconds: float, came: int) -> Ending | None:
        """Take what it tells, for which to wait so long; its ending, or None where it goes on. ``came`` is a signal that came."""
        self._read(seconds)
        self.came = came
        if self.status is not None:
            return self._ended()
        reason = self._reason()
        return self._kill(reason) if reason else None

    # reading

    def _read(self, seconds: float) -> bool:
        ready, _, _ = select.select(list(self.files), [], [], seconds)
        if self.channel in ready:
            self._records()
        if self.output in ready:
            self._output()
        if self.control.fileno() in ready:
            self._message()
        return bool(ready)

    def _records(self) -> None:
        try:
            data = self._channel.recv(READ_BYTES)
        except ConnectionError:
            data = b""
        if not data:
            self.files.discard(self.channel)
            self.closed = time.monotonic()
        for record in self.receiver.feed(data):
            if record["kind"] in ("end", "interrupted", "error"):
                self.end = record
                self.asked = self.asked or time.monotonic()
            else:
                self.answer(self.take(record))

    def answer(self, line: str | None) -> None:
        """Send a line to the worker, which waits for it."""
        if line is not None:
            try:
                self._channel.send(f"{line}\n".encode(), socket.MSG_DONTWAIT)
            except OSError:  # it has gone, or does not read
                pass

    def _output(self) -> None:
        data = os.read(self.output, READ_BYTES)
        if not data:
            self.files.discard(self.output)
        self.printed += len(data)
        self.printed_in_all += len(data)
        self.supervisor.pass_on(data)

    def _message(self) -> None:
        message, _ = receive(self.control)
        if message is None:  # the keeper was killed
            self.files.discard(self.control.fileno())
            self.status = -1
        elif "forked" in message:
            self.forked = self.forked or self.board.read().where
        elif "bred" in message:
            self.bred = message["bred"]
        elif "started" in message:
            self.pid = message["started"]
        elif "ended" in message:
            self.status = message["ended"]

    def _drain(self) -> None:
        while {self.channel, self.output} & self.files and self._read(0):
            pass

    # deciding

    def _reason(self) -> str:
        """Why the worker must be ended now, or ""."""
        now = time.monotonic()
        if self.came and not self.asked:
            self.asked = now
            self.board.ask()
            self._order("signal", number=int(signal.SIGINT))
        if self.asked and now > self.asked + GRACE_SECONDS:
            return INTERRUPTED if self.came else DONE
        if self.closed and self.end is None and now > self.closed + 2 * TICK_SECONDS and not (self.pid and has_ended(self.pid)):
            return CLOSED
        if self.receiver.garbage > GARBAGE_BYTES or self.printed > FLOOD_BYTES or self.printed_in_all > FLOODS_BYTES:
            return FLOODED
        stuck = self._stuck(now)
        if stuck:
            return stuck
        return TIME if self.deadline is not None and now > self.deadline else ""

    def _stuck(self, now: float) -> str:
        """Whether one thing has taken too long, by the processor's clock or standing still."""
        moves = self.board.moves
        load = load_of(self.pid) if self.pid else None
        if load is None:  # it has not begun, or cannot be looked at: the clock says how long
            load = Load(0.0, moves == self.moves)
        if moves != self.moves:
            self.moves, self.used, self.still, self.idle, self.printed = moves, load.seconds, 0.0, 0.0, 0
        elif load.still:
            since = min(now - self.looked, MAX_MISSED_SECONDS)  # somebody may have stopped this process, and not that one
            self.still = self.still + since if load.seconds == self.last else 0.0
            self.idle += max(0.0, since - (load.seconds - self.last) - (load.waited - self.waited))
        else:
            self.still = 0.0
        self.looked, self.last, self.waited = now, load.seconds, load.waited
        most, taken = self.supervisor.patience, self._lasted()
        if taken > most and (not self.pid or not moves or self.board.read().phase == PREPARE):
            most *= PREPARATION_TIMES  # what it does before it says where it is is preparation, too
        if taken > most and self.board.read().phase == IDLE:
            self.used, self.still, self.idle = load.seconds, 0.0, 0.0
            return ""
        if load.seconds - self.used > most:
            return HUNG
        return STILL if taken > most else ""

    def _lasted(self) -> float:
        """How long the last thing has taken: at the processor, without a stir, or asleep but for naps, which counts less."""
        return max(self.last - self.used, self.still, self.idle / NAP_TIMES)

    def _order(self, do: str, **more: int) -> None:
        try:
            send(self.control, {"do": do, **more})
        except OSError:  # the keeper has gone, which the next look at it tells
            pass

    def _kill(self, reason: str) -> Ending:
        self.supervisor.wake()
        self._order("end")
        self._await_end(GRACE_SECONDS if reason == CLOSED else GRACE_SECONDS / 2)
        if self.status is None and self.pid:  # the keeper is kept from it, which its worker's end may change
            with suppress(OSError):
                os.kill(self.pid, signal.SIGKILL)
            self._await_end(GRACE_SECONDS / 2)
        self._drain()
        if self.status is None:  # more may come of the worker, which dies with its keeper, and nothing of that one
            self.files.discard(self.control.fileno())
            self.supervisor.close()
        if self.end is not None or self._by_itself():
            return self._ended()
        if self.bred:
            return Ending(BRED, self._place(), self.bred)
        return Ending(reason, self._place(), lasted=self._lasted())

    def _await_end(self, seconds: float) -> None:
        end = time.monotonic() + seconds
        while self.status is None and time.monotonic() < end:
            self._read(TICK_SECONDS)

    def _by_itself(self) -> bool:
        """Whether the worker turns out to have ended before it could be killed."""
        return self.status not in (None, -1) and os.waitstatus_to_exitcode(self.status or 0) != -signal.SIGKILL

    def _ended(self) -> Ending:
        """It ended by itself."""
        self._drain()
        place = self._place()
        if self.status == -1:
            self.supervisor.close()
            return Ending(KILLED, place, signal.SIGKILL)
        if self.bred:
            return Ending(BRED, place, self.bred)
        code = os.waitstatus_to_exitcode(self.status or 0)
        if self.end is not None:
            return self._reported_end()
        if self.came:
            return Ending(INTERRUPTED, place)
        if code == CANNOT_TELL:
            return Ending(CLOSED, place)
        if code == OUT_OF_MEMORY:
            return Ending(MEMORY, place)
        return Ending(KILLED, place, -code) if code < 0 else Ending(EXITED, place, code)

    def _place(self) -> Place:
        """Where it was, and whether it forked, as it says and as the keeper has seen."""
        place = self.board.read()
        return place._replace(forks=1, forked=self.forked) if self.forked and not place.forks else place

    def _reported_end(self) -> Ending:
        end = self.end or {}
        place = self._place()
        if end.get("replaced") and place.phase != PREPARE:
            return Ending(TAMPERED, place, text=shown(str(end["replaced"])))
        if end["kind"] == "error":
            number, code = (end[name] if type(end.get(name)) is int else 0 for name in ("number", "code"))
            return Ending(FAILED, place, number, str(end.get("text", "")), code, str(end.get("trace", "")))
        if end["kind"] == "interrupted":
            return Ending(INTERRUPTED, place, text=str(end.get("text", ""))) if self.came else Ending(EXITED, place)
        return Ending(DONE, place)
