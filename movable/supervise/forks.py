"""Forks of a worker: two of it would both be the kit, so a child that nobody meant ends before it runs a line."""

from __future__ import annotations

import os
import signal
from collections.abc import Iterator
from contextlib import contextmanager

from movable.supervise.board import Board

_board: Board | None = None
"""Where forks are written down; None in a process that may fork."""
_heard = False


def watch(board: Board) -> None:
    """From now on a fork of this process is written on its board, and the child ends at once."""
    global _board, _heard
    _board = board
    if not _heard:
        os.register_at_fork(before=_before, after_in_child=_after)
        _heard = True


def _before() -> None:
    if _board is not None:
        _board.fork()


def _after() -> None:
    if _board is not None:
        os.kill(os.getpid(), signal.SIGKILL)


def allow() -> None:
    """This process may fork: it is a keeper."""
    global _board
    _board = None


@contextmanager
def meant() -> Iterator[None]:
    """A fork in this block is one of the kit's own."""
    global _board
    before, _board = _board, None
    try:
        yield
    finally:
        _board = before
