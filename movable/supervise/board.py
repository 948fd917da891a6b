"""Where a worker is: a few pages of shared memory that the worker writes and its supervisor reads, without a system call.

What stands there survives the worker, so that it tells what a process was doing when it was killed or ended itself.
"""

from __future__ import annotations

import mmap
import struct
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import NamedTuple

PREPARE = "prepare"
"""The phase in which a driver is imported and its workload read: what ends the process then was never run as a driver."""
IDLE = "idle"
"""The phase in which a worker waits for something to do."""
_HEAD = struct.Struct("<QQIIII")
_ASKED_AT = 40
_TEXTS = 64
PHASE, WHERE, FORKED, TOKEN = 128, 2048, 2048, 56 << 10
"""Bytes that each text may have; what is longer is cut."""
_PHASE_AT = _TEXTS
_WHERE_AT = _PHASE_AT + PHASE
_FORKED_AT = _WHERE_AT + WHERE
_TOKEN_AT = _FORKED_AT + FORKED
_TRAIL_AT = _TOKEN_AT + TOKEN
TRAIL_STEPS = 1 << 15
"""Steps of a schedule that are written down; of a longer one it is not known how it went."""
_STEP = struct.Struct("<HHH")
_STEP_SIZE = 4
"""A step is the number of its task, from 1, and how many points were left out before it; a zero after it ends the trail."""
SIZE = _TRAIL_AT + (TRAIL_STEPS + 2) * _STEP_SIZE


class Place(NamedTuple):
    """What a board says: ``moves`` counts changes, ``phase`` and ``where`` are words, ``token`` repeats what runs, if anything
    can. ``forks`` counts how often the worker forked, and ``forked`` says where it did first. ``trail`` is the schedule that was
    followed, as (task number, points left out before the step)."""

    moves: int
    forks: int
    phase: str
    where: str
    token: str
    forked: str
    trail: tuple[tuple[int, int], ...] = ()


class Board:
    """One board, to be made before the fork."""

    def __init__(self) -> None:
        self._memory = mmap.mmap(-1, SIZE)
        self.clear()

    def clear(self) -> None:
        """As new."""
        self._moves = self._forks = 0
        self._lengths = [0, 0, 0, 0]
        self._no_trail()
        self._memory[_ASKED_AT] = 0
        self._stamp()

    def ask(self) -> None:
        """The worker is asked to end: its supervisor writes that here before it sends the signal."""
        self._memory[_ASKED_AT] = 1

    def asked(self) -> bool:
        """Whether it is: any other interruption is its own."""
        return bool(self._memory[_ASKED_AT])

    def keep_from_children(self) -> None:
        """From now on a fork of this process that nobody hears of has no board, and ends at its next step."""
        self._memory.madvise(mmap.MADV_DONTFORK)

    def _no_trail(self) -> None:
        """No step is written down."""
        self._memory[_TRAIL_AT : _TRAIL_AT + _STEP_SIZE] = bytes(_STEP_SIZE)

    def _stamp(self) -> None:
        _HEAD.pack_into(self._memory, 0, self._moves, self._forks, *self._lengths)

    def _text(self, number: int, at: int, most: int, text: str) -> None:
        data = text.encode("utf-8", "replace")[:most]
        self._memory[at : at + len(data)] = data
        self._lengths[number] = len(data)

    def enter(self, phase: str, where: str = "", token: str = "") -> None:
        """Something else begins."""
        self._text(0, _PHASE_AT, PHASE, phase)
        self._text(3, _TOKEN_AT, TOKEN, token if len(token) <= TOKEN else "")
        self._no_trail()
        self.at(where)

    def at(self, where: str) -> None:
        """The next piece of it."""
        self._text(1, _WHERE_AT, WHERE, where[:WHERE])
        self._moves += 1
        self._stamp()

    def tick(self) -> None:
        """Nothing new to say, but it goes on."""
        self._moves += 1
        self._stamp()

    def schedule(self) -> None:
        """A schedule begins, with its first step."""
        self._no_trail()
        self.tick()

    def step(self, number: int, task: int, left_out: int) -> None:
        """Step ``number`` of the schedule, from 0, is that of ``task``."""
        if number < TRAIL_STEPS:
            _STEP.pack_into(self._memory, _TRAIL_AT + number * _STEP_SIZE, task + 1, min(left_out, 0xFFFF), 0)

    def fork(self) -> None:
        """A fork is about to happen."""
        if not self._forks:
            start = self._memory[_WHERE_AT : _WHERE_AT + self._lengths[1]]
            self._memory[_FORKED_AT : _FORKED_AT + len(start)] = start
            self._lengths[2] = len(start)
        self._forks += 1
        self._stamp()

    @property
    def moves(self) -> int:
        """How often something has begun, as the worker wrote it."""
        found: int = struct.unpack_from("<Q", self._memory)[0]
        return found

    def read(self) -> Place:
        """What stands there, from any process."""
        moves, forks, phase, where, forked, token = _HEAD.unpack_from(self._memory)
        return Place(
            moves,
            forks,
            self._read(_PHASE_AT, min(phase, PHASE)),
            self._read(_WHERE_AT, min(where, WHERE)),
            self._read(_TOKEN_AT, min(token, TOKEN)),
            self._read(_FORKED_AT, min(forked, FORKED)),
            self._trail(),
        )

    def _trail(self) -> tuple[tuple[int, int], ...]:
        found: list[tuple[int, int]] = []
        for at in range(_TRAIL_AT, _TRAIL_AT + TRAIL_STEPS * _STEP_SIZE, _STEP_SIZE):
            task, left_out, _ = _STEP.unpack_from(self._memory, at)
            if not task:
                return tuple(found)
            found.append((task - 1, left_out))
        return ()  # longer than what is written down

    def _read(self, at: int, length: int) -> str:
        return self._memory[at : at + length].decode("utf-8", "replace")


current: Board | None = None
"""The board of this process, where it is a worker."""


def enter(phase: str, where: str = "", token: str = "") -> None:
    """Say on the board of this process, if it has one, that something else begins."""
    if current is not None:
        current.enter(phase, where, token)


def at(where: str) -> None:
    """Say on the board of this process, if it has one, which piece of it begins."""
    if current is not None:
        current.at(where)


@contextmanager
def preparing(what: str) -> Iterator[None]:
    """Inside the block something is prepared; ``what`` says in words that it cannot be."""
    if current is None:
        yield
        return
    before = current.read()
    current.enter(PREPARE, what)
    yield  # after an exception the board stays as it is: it is what there is to tell
    current.enter(before.phase, before.where, before.token)


def tick() -> None:
    """Say on the board of this process, if it has one, that it goes on."""
    if current is not None:
        current.tick()


def schedule() -> Callable[[int, int, int], None] | None:
    """A schedule begins; returns what is called with each step of it, see ``Board.step``, or None in a process without a board."""
    if current is None:
        return None
    current.schedule()
    return current.step
