"""Forks of a worker."""

from __future__ import annotations

from pathlib import Path

from movable.supervise.supervisor import (
    DONE,
)
from tests.supervise.test_supervisor import ended


def test_a_fork_ends_at_once_and_stands_on_the_board() -> None:
    ending, found = ended("pid = os.fork(); tell('pid', number=pid)")
    assert (ending.how, ending.place.forks, ending.place.forked) == (DONE, 1, "thing 1")
    assert len(found) == 3 and not Path(f"/proc/{found[-1]['number']}").exists()
