"""What an action does alone, and which two meet on a location without a lock in common."""

from __future__ import annotations

from typing import Any

from docs.drivers.ring import Ring, RingWorkload
from movable.concurrent.plan.probe import APART, ORDERED, UNORDERED, meeting, probe
from movable.concurrent.stage import Subject
from movable.contract import migrate, op
from tests.drivers_for_tests import racy_drivers as racy

WRITE = op("write", slot=0, data=b"old")


def alone(driver: type, action: Any, *prefix: Any) -> Any:
    found = probe(Subject(RingWorkload, driver), tuple(prefix), action)
    assert found is not None
    return found


def test_what_an_operation_does_alone() -> None:
    first = alone(Ring, WRITE)
    assert len(first.made) == 1 and first.gained == 1 and first.changed and not first.refused and not first.took
    again = alone(Ring, op("write", slot=0, data=b"x"), WRITE)
    assert again.touched and not again.made
    gone = alone(Ring, op("drop", slot=0), WRITE)
    assert gone.gone and gone.lost == 1
    assert probe(Subject(RingWorkload, Ring), (), op("no such", slot=0)) is None


def test_a_counter_that_no_lock_protects_is_met_without_one() -> None:
    """Its update is found from one run each, wherever it is in the order of names."""
    one = alone(racy.Counts, op("write", slot=0, data=b"x"), WRITE)
    two = alone(racy.Counts, op("write", slot=1, data=b"y"), WRITE)
    assert meeting(one, two) == UNORDERED
    assert one.uses["Counts.writes"] == (True, frozenset(), False)
    right = [alone(Ring, op("write", slot=slot, data=b"x"), WRITE) for slot in (0, 1)]
    assert meeting(*right) == ORDERED
    assert meeting(right[0], alone(Ring, op("write", slot=0, data=b"x"), WRITE)) == ORDERED


def test_two_that_touch_nothing_in_common() -> None:
    empty = alone(Ring, migrate(0))
    assert meeting(empty, empty) == APART
