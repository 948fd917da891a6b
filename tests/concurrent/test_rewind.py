"""Executions from a machine that was put back are those of a machine built anew: same steps, same events, same end."""

from __future__ import annotations

from typing import Any, ClassVar

import pytest

from docs.drivers.ring import Ring, RingWorkload
from movable.concurrent.execution import EXECUTIONS_BUILT_ANEW, Trial
from movable.concurrent.search import planned
from movable.concurrent.stage import Subject, subject
from movable.contract import migrate, op, scenario
from movable.contract.museum import exhibits
from movable.explore.runner import Options, tidy
from movable.explore.schedulers.replay import Choices
from movable.explore.schedulers.shared_locations import Reduced
from movable.explore.schedulers.urw import Sampler
from movable.registry import find
from movable.workload.workload import workload_for

OPTIONS = Options(limit=2000)
RACES = {id: one for id, one in exhibits().items() if one.depth[0] > 1}


def ran(trial: Trial, strategy: Any) -> Any:
    """One execution: what it did, and how it ended."""
    trial._right.clear()  # so that the end is always judged
    run = Reduced(trial, strategy, limit=OPTIONS.limit)
    strategy.begin(run)
    run.run()
    last = trial.last
    assert last is not None
    return run, (run.steps, str(run.failure), list(last.journal), last.ended, repr(last.answers))


def compared(trial: Trial, executions: int) -> int:
    """Run schedules on a machine put back and on one built anew; how many machines were put back."""
    strategy, back = Sampler(1), 0
    trial.sharing.everything = True
    with tidy():
        for _ in range(executions):
            run, first = ran(trial, strategy)
            back += trial._rewind is not None
            trial.anew = True
            _, second = ran(trial, Choices([step[0] for step in run.steps]))
            trial.anew = False
            assert first == second
    return back


def test_the_ring_is_put_back() -> None:
    made = scenario("s", op("write", slot=0, data=b"new"), migrate(0), prefix=[op("write", slot=0, data=b"old")])
    trial = Trial(Subject(RingWorkload, Ring), made)
    assert compared(trial, 60) >= 60 - EXECUTIONS_BUILT_ANEW


@pytest.mark.parametrize("name", ["zsmalloc", "balloon"])
def test_bundled_drivers_are_put_back(name: str) -> None:
    factory = find(name)
    chosen = Subject(workload_for(factory), factory)
    for made in planned(chosen, None)[:3]:
        assert compared(Trial(chosen, made), 6)


@pytest.mark.unmeasured
@pytest.mark.parametrize("id", sorted(RACES))
def test_racy_drivers_are_put_back(id: str) -> None:
    """Where failures end executions anywhere."""
    one = RACES[id]
    with one.shown(False):
        chosen = subject(one.workload, one.broken, era=one.era, features=one.features)
        for made in planned(chosen, None)[::12]:
            compared(Trial(chosen, made), 6)


class Counting(Ring):
    """With state in the class."""

    counted: ClassVar[list[int]] = []

    def write(self, slot: int, data: bytes) -> Any:
        self.counted.append(slot)
        return super().write(slot, data)


def test_state_in_classes_is_put_back_too() -> None:
    made = scenario("s", op("write", slot=0, data=b"new"), migrate(0), prefix=[op("write", slot=1, data=b"old")])
    trial = Trial(Subject(RingWorkload, Counting), made)
    assert compared(trial, 20) >= 20 - EXECUTIONS_BUILT_ANEW
    assert not Counting.counted
