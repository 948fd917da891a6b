"""The VMware-like balloon before the contract kit."""

from __future__ import annotations

import pytest

from movable import VM
from movable.workload.workload import workload_for
from movable_vmballoon import VmBalloon
from movable_vmballoon.workload import VmBalloonWorkload


def test_the_kit_finds_the_workload() -> None:
    assert workload_for(VmBalloon) is VmBalloonWorkload
    assert {"refuse_locks", "refuse_unlocks"} == set(VmBalloonWorkload.hostile)


def test_books_that_disagree() -> None:
    workload = VmBalloonWorkload(VM(128 << 12))
    workload.run("inflate", {"count": 3})
    workload.invariant()
    workload.driver.size -= 1
    with pytest.raises(AssertionError, match="lost"):
        workload.invariant()
    workload.driver.size += 1
    workload.driver.host.locked.pop()
    with pytest.raises(AssertionError, match="disagree"):
        workload.invariant()
