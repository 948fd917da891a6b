"""A driver that keeps something for each zone or node is explored on a machine that has two."""

from __future__ import annotations

from typing import Any

import pytest

from docs.drivers.ring import Ring, RingWorkload
from movable import AddressSpace, Page
from movable.concurrent.search import interleavings
from movable.concurrent.stage import Stage, Subject
from movable.contract import migrate, op, scenario

WRITE = scenario("write", op("write", slot=1, data=b"b"), migrate(), prefix=[op("write", slot=0, data=b"a")])


class Pooled(Ring):
    """Counts the pages that ever came to each zone, under a lock for each."""

    def __init__(self, vm: Any) -> None:
        super().__init__(vm)
        self.locks = [vm.spinlock(f"pool {number}") for number in range(len(vm.zones))]
        self.counts = [0] * len(vm.zones)

    def pool(self, page: Page) -> int:
        return self.vm.zones.index(page.zone)

    def count(self, page: Page, lock: int) -> None:
        with self.locks[lock]:
            self.counts[self.pool(page)] += 1

    def write(self, slot: int, data: bytes) -> bool:
        written = super().write(slot, data)
        with self.lock:
            page = self.slots[slot]
        if written and page is not None:
            self.count(page, self.pool(page))
        return written

    def migratepage(self, mapping: AddressSpace, newpage: Page, page: Page, mode: int) -> int:
        self.count(page, self.lock_of(newpage, page))
        return super().migratepage(mapping, newpage, page, mode)

    def lock_of(self, newpage: Page, page: Page) -> int:
        return self.pool(page)


class LocksWhereItGoes(Pooled):
    def lock_of(self, newpage: Page, page: Page) -> int:
        return self.pool(newpage)


@pytest.mark.parametrize(("driver", "broken"), [(Pooled, []), (LocksWhereItGoes, ["D53"])])
def test_what_is_kept_for_one_zone_meets_what_is_kept_for_another(driver: type, broken: list[str]) -> None:
    found = interleavings(Subject(RingWorkload, driver), executions=100, scenarios=[WRITE])
    assert not found.refused
    assert list(found.broken) == broken


def test_only_who_tells_places_apart_gets_two_nodes() -> None:
    assert [zone.node.nid for zone in Subject(RingWorkload, Pooled).machine().zones] == [0, 1]
    assert len(Subject(RingWorkload, Ring).machine().zones) == 1
    small = type("Small", (RingWorkload,), {"scenario_frames": 4})
    assert len(Subject(small, Pooled).machine().zones) == 1


def test_a_page_moves_to_the_other_node_and_back() -> None:
    stage = Stage(Subject(RingWorkload, Pooled), scenario("one", migrate(), migrate(), prefix=WRITE.prefix))
    for node in (1, 0):
        (page,) = stage.workload.pages()
        stage.do(stage.users[0], ("migrate_frame", page.pfn))
        assert [page.node for page in stage.workload.pages()] == [node]


class Keyed(Pooled):
    """The same, in tables whose keys are the zones and nodes themselves."""

    def __init__(self, vm: Any) -> None:
        super().__init__(vm)
        self.of_zone: dict[Any, int] = dict.fromkeys(vm.zones, 0)
        self.of_node: dict[Any, int] = {zone.node: 0 for zone in vm.zones}
        self.of_mapping = {vm.address_space(self, f"of node {zone.node.nid}"): 0 for zone in vm.zones}

    def count(self, page: Page, lock: int) -> None:
        at = self.pool(page)
        with self.locks[lock]:
            self.of_zone[page.zone] += 1
            self.of_node[page.zone.node] += 1
            self.of_mapping[tuple(self.of_mapping)[at]] += 1

    def remove(self) -> None:
        super().remove()
        for mapping in self.of_mapping:
            self.vm.free_address_space(mapping)


@pytest.mark.parametrize(("wrong", "broken"), [(False, []), (True, ["D53"])])
def test_a_zone_that_is_a_key_is_a_place_of_its_own(wrong: bool, broken: list[str]) -> None:
    driver: Any = type("Keyed", (Keyed, *([LocksWhereItGoes] if wrong else [])), {})
    both = scenario("both", migrate(0), migrate(1), prefix=[*WRITE.prefix, op("write", slot=1, data=b"b"), migrate(0)])
    found = interleavings(Subject(RingWorkload, driver), executions=200, scenarios=[both, WRITE])
    assert not found.refused
    assert list(found.broken) == broken
