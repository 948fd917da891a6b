"""What a token holds, run again, and the command that does."""

from __future__ import annotations

import pytest

from docs.drivers.ring import Ring, RingWorkload
from movable import UsageError
from movable.contract.show.replay import replay, replay_command
from movable.workload.program import encode
from movable.workload.workload import GenericWorkload
from tests.drivers_for_tests import bad_drivers as bad


def test_the_replay_line_says_what_is_not_usual(monkeypatch: pytest.MonkeyPatch) -> None:
    assert replay_command("a file.py:X", Ring, RingWorkload, "4.19") == "movable replay 'a file.py:X'"
    assert replay_command("x", Ring, GenericWorkload, "6.17") == (
        "movable replay --era 6.17 --workload movable.workload.workload:GenericWorkload x"
    )
    monkeypatch.setattr(bad.Half, "workload", "nowhere:Workload")
    assert "--workload docs.drivers.ring:RingWorkload" in replay_command("x", bad.Half, RingWorkload, "4.19")
    with pytest.raises(UsageError, match="is no workload"):
        replay("docs.drivers.ring:Ring", encode(()), workload="docs.drivers.ring:Ring")


def test_a_correct_driver_replays_without_a_broken_rule() -> None:
    again = replay("docs.drivers.ring:Ring", encode((("op", "write", {"slot": 1, "data": b"x"}), ("compact",))))
    assert not again.broken
    assert again.lines()[-1] == "no rule was broken in 2 steps"
