"""Pieces of work on workers that may end: each is done, or has the exception that says how it ended."""

from __future__ import annotations

import os
import signal
import time
from concurrent.futures import Future
from dataclasses import dataclass
from typing import Any

import pytest

from movable.errors import MovableError
from movable.supervise import board
from movable.supervise.crew import Crew, Ended, alone
from movable.supervise.supervisor import EXITED, KILLED, STILL


@dataclass(frozen=True)
class Sum:
    """What a piece of work takes."""

    left: int
    right: tuple[int, ...] = ()


def add(one: Sum, more: int) -> dict[str, Any]:
    """What it gives."""
    return {"sum": one.left + sum(one.right) + more, "pid": os.getpid()}


def end(how: str) -> None:
    """What it may do instead."""
    board.enter("work", how)
    exec(how, {"os": os, "time": time, "signal": signal})


def done(crew: Crew, futures: list[Future[Any]]) -> list[Any]:
    left = set(futures)
    while left:
        left -= crew.wait(left)
    return [future.exception() or future.result() for future in futures]


def test_pieces_are_done_by_workers_that_live_on() -> None:
    with Crew(2) as crew:
        found = done(crew, [crew.submit(add, Sum(number, (1, 2)), 10) for number in range(12)])
    assert [one["sum"] for one in found] == [13 + number for number in range(12)]
    assert 1 <= len({one["pid"] for one in found} - {os.getpid()}) <= 2


@pytest.mark.parametrize(("how", "kind"), [("os._exit(0)", EXITED), ("os.abort()", KILLED), ("time.sleep(99)", STILL)])
def test_a_piece_that_ends_its_process_costs_itself_only(how: str, kind: str) -> None:
    with Crew(1, patience=1.5) as crew:
        pieces = [crew.submit(add, Sum(1), 1), crew.submit(end, how), crew.submit(add, Sum(2), 1)]
        first, ended, last = done(crew, pieces)
    assert (first["sum"], last["sum"]) == (2, 3) and first["pid"] != last["pid"]
    assert isinstance(ended, Ended) and (ended.ending.how, ended.ending.place[2:4]) == (kind, ("work", how))


def test_an_error_of_a_piece_is_an_error_here() -> None:
    with Crew(1) as crew:
        (error,) = done(crew, [crew.submit(end, "1 / 0")])
    assert isinstance(error, MovableError) and "ZeroDivisionError" in str(error)


def test_work_that_waits_is_not_done_when_the_crew_goes() -> None:
    crew = Crew(1)
    pieces = [crew.submit(end, "time.sleep(99)") for _ in range(3)]
    crew.wait([])
    crew.shutdown()
    assert all(piece.done() for piece in pieces)


def test_one_piece_alone() -> None:
    assert alone(add, Sum(1), 2)["sum"] == 3
    with pytest.raises(Ended, match="exit status 7"):
        alone(end, "os._exit(7)")
