"""Ambient state of a driver: it is as it was before each execution, tasks are interrupted between two uses of it."""

from __future__ import annotations

from typing import Any

import pytest

from docs.drivers.aio_ring import AioRing, AioRingWorkload
from docs.drivers.ring import Ring, RingWorkload
from docs.drivers.slab import SlabCache, SlabWorkload
from movable.concurrent.search import Interleavings, interleavings
from movable.concurrent.stage import Subject
from movable.contract import op, scenario
from movable.contract.report import Report, text
from movable.contract.show.replay import replay
from movable.explore.coverage import Explored
from movable.registry import find
from movable.workload.workload import workload_for
from tests.drivers_for_tests import ambient_drivers as ambient

WRITES = scenario("writes", op("write", slot=0, data=b"new!"), op("write", slot=1, data=b"x"))


def explored(driver: type, workload: Any = ambient.AmbientWorkload, **more: Any) -> Interleavings:
    return interleavings(Subject(workload, driver), executions=400, scenarios=[WRITES], **more)


@pytest.mark.parametrize(
    ("driver", "where"),
    [
        (ambient.InModule, "ambient_drivers.COUNT"),
        (ambient.NeverBegun, "ambient_drivers.COUNT"),
        (ambient.InClass, "InClass.total"),
        (ambient.ByType, "InClass.total"),
        (ambient.ByClassMethod, "InClass.total"),
        (ambient.InClosure, "number of InClosure.__init__"),
        (ambient.InDict, "ambient_drivers.CACHE['count']"),
        (ambient.InObject, "ambient_drivers.BOOKS.number"),
        (ambient.InFunction, "total.number"),
    ],
)
def test_an_update_that_is_lost_is_found_wherever_it_is_kept(driver: type, where: str) -> None:
    found = explored(driver)
    assert not found.refused
    assert found.broken.keys() == {"D53", "D15"}, {id: told.what for id, told in found.broken.items()}
    assert where in found.broken["D53"].what
    assert "reads 1; after the operations one by one it reads 2" in found.broken["D15"].what
    again = replay(driver, found.broken["D15"].token, workload=ambient.AmbientWorkload)
    assert again.broken == ["D15"]
    assert any(f" w {where}" in line for line in again.lines())
    if "COUNT" in where:
        assert any("* read 0" in line for line in again.lines())


def test_under_a_lock_nothing_is_lost_and_all_is_covered() -> None:
    found = explored(ambient.Locked)
    assert not found.broken and not found.refused
    assert found.scenarios[0].covered == "all interleavings"
    assert not found.scenarios[0].unwatched


def test_the_module_is_left_as_it_was() -> None:
    ambient.COUNT, ambient.BOOKS.number = 7, 8
    ambient.CACHE["count"] = 9
    before = ambient.CACHE, ambient.BOOKS
    try:
        for driver in (ambient.NeverBegun, ambient.InDict, ambient.InObject):
            explored(driver, type("Fresh", (ambient.AmbientWorkload,), {}))
        assert (ambient.COUNT, ambient.BOOKS.number, ambient.CACHE) == (7, 8, {"count": 9})
        assert before[0] is ambient.CACHE and before[1] is ambient.BOOKS
        assert (type(ambient.CACHE), type(ambient.BOOKS)) == (dict, ambient.Books)
    finally:
        ambient.COUNT = ambient.BOOKS.number = 0
        ambient.CACHE.clear()


def test_a_counter_of_the_module_begins_anew_with_each_machine() -> None:
    found = explored(ambient.Numbered, RingWorkload)
    assert not found.refused and not found.broken
    assert found.scenarios[0].covered == "all interleavings"


def test_what_cannot_be_put_back_is_told_in_one_line() -> None:
    found = explored(ambient.Keeps, RingWorkload)
    assert found.refused == (
        "Keeps: interleavings were not explored: ambient_drivers.HOLDER lives longer than a machine, and cannot be copied"
        " (TypeError: there is one only); keep it in the driver, which is made anew for each"
    )


@pytest.mark.parametrize(
    ("driver", "workload"),
    [(Ring, RingWorkload), (SlabCache, SlabWorkload), (AioRing, AioRingWorkload), ("zsmalloc", None), ("balloon", None)],
)
def test_a_driver_without_such_state_costs_nothing(driver: Any, workload: Any) -> None:
    factory = find(driver) if isinstance(driver, str) else driver
    assert not Subject(workload or workload_for(factory), factory).ambient


def test_a_table_that_is_only_read_is_no_state() -> None:
    assert [slot.key for slot in Subject(ambient.AmbientWorkload, ambient.InModule).ambient.slots] == ["ambient_drivers.COUNT"]


def test_nothing_is_claimed_of_what_is_not_watched() -> None:
    one = Explored("writes", "x", 10, 10, "all interleavings", True, unwatched=["Ring.ids (generator)"], tasks=["write", "write"])
    report = Report("x", "x", "x", "4.19", 0, scenarios=[one])
    assert "a write  some" in text(report)
    assert "not watched, so that no task was interrupted between two uses of it: Ring.ids (generator)" in text(report)


def test_what_the_hooks_do_not_watch_reaches_the_report() -> None:
    class Generates(Ring):
        def __init__(self, vm: Any) -> None:
            super().__init__(vm)
            self.ids = (number for number in range(100))

    found = explored(Generates, RingWorkload)
    assert found.scenarios[0].unwatched == ["Generates.ids (generator)"]
    assert not found.broken
