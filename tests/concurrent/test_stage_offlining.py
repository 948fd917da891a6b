"""Memory offlining as an action of scenarios: an operation and a removal beside it."""

from __future__ import annotations

import pytest

from docs.drivers.ring import Ring, RingWorkload
from movable.concurrent.plan.derive import derive
from movable.concurrent.search import interleavings
from movable.concurrent.stage import Subject
from movable.contract import offline, op, scenario, teardown
from movable.workload.scenario import Scenario, decode, encode
from tests.drivers_for_tests import racy_drivers as racy

OLD = op("write", slot=0, data=b"old")
WRITE = scenario("write", op("write", slot=0, data=b"new"), offline(), prefix=[OLD])
REMOVE = scenario("remove", teardown(), offline(), prefix=[OLD])


@pytest.mark.parametrize(
    ("driver", "one", "rule"),
    [
        (Ring, WRITE, ""),
        (Ring, REMOVE, ""),
        (racy.CopiesOutsideTheLock, WRITE, "D53"),
        (racy.CopiesUnderAnotherLock, WRITE, "D15"),
    ],
)
def test_what_offlining_meets_is_found(driver: type, one: Scenario, rule: str) -> None:
    found = interleavings(Subject(RingWorkload, driver), executions=60, scenarios=[one])
    assert not found.refused
    assert (rule in found.broken) if rule else not found.broken


def test_it_is_planned_and_fits_into_a_token() -> None:
    assert "drop || offlining, a few pages" in {one.name for one in derive(Subject(RingWorkload, Ring), size=60)}
    assert decode(encode(WRITE), RingWorkload)[0] == WRITE
