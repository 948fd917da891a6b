"""The states that scenarios start from."""

from __future__ import annotations

from errno import EAGAIN

import pytest
from hypothesis import strategies as st

from docs.drivers.ring import Ring, RingWorkload
from movable import MIGRATE_ASYNC, VM, AddressSpace, Page
from movable.concurrent.plan.derive import derive
from movable.concurrent.plan.states import States
from movable.concurrent.search import interleavings
from movable.concurrent.stage import Subject
from movable.contract import Workload, handle, operation
from movable.contract.museum import exhibits
from movable.contract.show.replay import replay
from movable.museum.races.handles import HEADERS


class Quota(Ring):
    """Takes five pages at most, and asks for the room before it takes the lock that counts."""

    def write(self, slot: int, data: bytes) -> bool:
        with self.lock:
            full = self.slots[slot] is None and sum(page is not None for page in self.slots) >= 5
        return not full and super().write(slot, data)


class QuotaWorkload(RingWorkload):
    factory = Quota


def test_two_want_the_last_place() -> None:
    states = States(Subject(QuotaWorkload, Quota))
    states.states()
    (state, one, two) = next(states.limits())
    assert len(state.prefix) == 4
    assert one.made and two.made and one.action != two.action
    assert one.action[2]["slot"] != two.action[2]["slot"]
    assert any("at a limit" in planned.name for planned in derive(Subject(QuotaWorkload, Quota), 40))


class Pinned(Ring):
    """A slot that is pinned is not dropped, and one that is gone is not pinned."""

    def __init__(self, vm: VM) -> None:
        super().__init__(vm)
        self.pins: dict[int, int] = {}

    def pin(self, slot: int) -> bool:
        with self.lock:
            there = self.slots[slot] is not None
            self.pins[slot] = self.pins.get(slot, 0) + there
            return there

    def drop_unpinned(self, slot: int) -> bool:
        with self.lock:
            free = not self.pins.get(slot) and self.slots[slot] is not None
        if free:
            self.drop(slot)  # and it may have been pinned meanwhile
        return free


class PinnedWorkload(Workload):
    factory = Pinned
    driver: Pinned

    @operation(slot=st.integers(0, 7), data=st.binary(min_size=1, max_size=4))
    def write(self, slot: int, data: bytes) -> bool:
        self.model[slot] = data
        return self.driver.write(slot, data)

    @operation(slot=handle())
    def pin(self, slot: int) -> bool:
        return self.driver.pin(slot)

    @operation(slot=handle())
    def drop(self, slot: int) -> bool:
        done = self.driver.drop_unpinned(slot)
        if done:
            del self.model[slot]
        return done

    def read(self, key: int) -> bytes | None:
        return self.driver.read(key, len(self.model[key]))


def test_a_handle_that_one_gives_up_where_who_comes_late_is_refused() -> None:
    plan = derive(Subject(PinnedWorkload, Pinned), 60)
    beside = {str(planned) for planned in plan if "drop(slot=0) || pin(slot=0)" in str(planned)}
    assert beside, [str(planned) for planned in plan]
    silent = derive(Subject(RingWorkload, Ring), 60)
    assert not [planned for planned in silent if "drop(slot=0) || overwrite(slot=0)" in str(planned)]


def test_two_operations_meet_on_one_page_whatever_their_arguments_are_called() -> None:
    plan = derive(Subject(RingWorkload, Ring), 60)
    found = [planned for planned in plan if planned.name.startswith("drop || write, a few pages")]
    first = [planned.prefix[0][2]["slot"] for planned in found]  # handle 0 is what was written first
    assert any(planned.tasks[1][0][2]["slot"] == slot for planned, slot in zip(found, first, strict=True)), list(map(str, found))


class ReadsLate(Ring):
    """Looks the page up under the lock, and reads it afterwards."""

    def read(self, slot: int, length: int) -> bytes | None:
        with self.lock:
            page = self.slots[slot]
        return None if page is None else bytes(page.data[:length])


class ReadsLateWorkload(RingWorkload):
    factory = ReadsLate


class CountsReaders(Ring):
    """Counts who reads, and forgets the lock for that."""

    def __init__(self, vm: VM, size: int = 8) -> None:
        super().__init__(vm, size)
        self.readers = 0

    def read(self, slot: int, length: int) -> bytes | None:
        self.readers += 1
        found = super().read(slot, length)
        self.readers -= 1
        return found


class CountsReadersWorkload(RingWorkload):
    factory = CountsReaders


class PeeksWorkload(RingWorkload):
    """Reads what is the driver's without asking it, which is right while nothing else runs."""

    def read(self, key: int) -> bytes | None:
        page = self.driver.slots[key]
        return None if page is None else bytes(page.data[: len(self.model[key])])


def test_what_a_workload_reads_is_read_beside_a_migration_where_the_driver_is_asked() -> None:
    cases: list[tuple[type[RingWorkload], type[Ring], set[str]]] = [
        (RingWorkload, Ring, set()),
        (ReadsLateWorkload, ReadsLate, {"D15", "D46", "D53"}),
    ]
    for workload, driver, broken in cases:
        planned = [one for one in derive(Subject(workload, driver), 200) if one.name.startswith("read || ")]
        assert {one.name for one in planned} >= {"read || migration, one page"}
        assert not [one for one in planned if "read #2" in one.name]
        beside = [one for one in planned if "migration" in one.name]
        found = interleavings(Subject(workload, driver), executions=60, scenarios=beside[:1]).broken
        assert set(found) <= broken and bool(found) == bool(broken)
        for told in found.values():
            assert set(replay(driver, told.token, workload=workload).broken) & broken
    assert not [one for one in derive(Subject(PeeksWorkload, Ring), 60) if one.name.startswith("read || ")]


def test_two_readers_meet_where_nothing_orders_what_they_use() -> None:
    chosen = Subject(CountsReadersWorkload, CountsReaders)
    planned = [one for one in derive(chosen, 40) if one.name == "read || read #2, one page"]
    assert set(interleavings(chosen, executions=10, scenarios=planned).broken) == {"D53"}


class Link:
    def __init__(self, slot: int) -> None:
        self.slot = slot
        self.next: Link | None = None


class Linked(Ring):
    """Slots are found by a list, in the order in which they were filled; who reads walks it without the lock."""

    def __init__(self, vm: VM, size: int = 8) -> None:
        super().__init__(vm, size)
        self.first = Link(-1)

    def _before(self, slot: int) -> Link:
        link = self.first
        while link.next is not None and link.next.slot != slot:
            link = link.next
        return link

    def write(self, slot: int, data: bytes) -> bool:
        with self.lock:
            last = self._before(slot)
            last.next = last.next or Link(slot)
        return super().write(slot, data)

    def read(self, slot: int, length: int) -> bytes | None:
        return super().read(slot, length) if self._before(slot).next else None

    def drop(self, slot: int) -> None:
        with self.lock:
            before = self._before(slot)
            if before.next is not None:
                before.next = before.next.next
        super().drop(slot)


class LinkedWorkload(RingWorkload):
    factory = Linked


class InFront(Linked):
    """The newest slot is found first."""

    def write(self, slot: int, data: bytes) -> bool:
        with self.lock:
            if self._before(slot).next is None:
                link = Link(slot)
                link.next, self.first.next = self.first.next, link
        return Ring.write(self, slot, data)


def test_who_reads_meets_who_makes_another_one() -> None:
    chosen = Subject(LinkedWorkload, InFront)
    planned = [one for one in derive(chosen, 50) if one.name == "read || write, one page"]
    assert planned and "D53" in interleavings(chosen, executions=20, scenarios=planned[:1]).broken


def test_who_looks_for_the_second_handle_meets_who_gives_the_first_one_back() -> None:
    chosen = Subject(LinkedWorkload, Linked)
    planned = [one for one in derive(chosen, 50) if one.name == "read || drop, a few pages"]
    assert planned and "D53" in interleavings(chosen, executions=20, scenarios=planned[:1]).broken


def test_a_page_made_with_other_arguments_may_take_another_path_through_the_driver() -> None:
    """F11: pages of one kind are not claimed. At seed 1 the simplest pages are all of the other kind."""
    one = exhibits()["F11"]
    ring = Subject(one.workload, one.broken, seed=1)
    plan = derive(ring, 50)
    usual = next(planned for planned in plan if planned.name == "drop || reclaim, a few pages")
    assert all(action[2]["slot"] >= HEADERS for action in usual.prefix)
    found = next(planned for planned in plan if planned.name == "drop || reclaim, one page, made otherwise")
    assert found.prefix[0][2]["slot"] < HEADERS
    assert "D54" in interleavings(ring, executions=300, scenarios=[found]).broken


class Names(Ring):
    """A slot may have a second name; who writes under one of two gives it a page of its own, and copies before it has the lock."""

    def __init__(self, vm: VM, size: int = 8) -> None:
        super().__init__(vm, size)
        self.other: dict[int, int] = {}

    def name(self, slot: int, other: int) -> bool:
        with self.lock:
            free = slot not in self.other and other not in self.other.values()
            if free:
                self.other[slot] = other
            return free

    def lookup(self, slot: int, length: int) -> bytes | None:
        with self.lock:
            named = slot in self.other
            page = self.slots[slot]
        if named and page is not None:
            return bytes(page.data[:length])
        return self.read(slot, length)


class NamesWorkload(RingWorkload):
    factory = Names
    driver: Names

    @operation(slot=handle(), other=st.integers(20, 25))
    def name(self, slot: int, other: int) -> bool:
        return self.driver.name(slot, other)

    @operation(slot=handle())
    def lookup(self, slot: int) -> bytes | None:
        return self.driver.lookup(slot, 4)


def test_what_only_another_operation_brings_about_meets_a_migration_too() -> None:
    names = Subject(NamesWorkload, Names)
    planned = [one for one in derive(names, 50) if one.name == "lookup || migration, a few pages, after name"]
    assert planned and planned[0].prefix[-1][1] == "name"
    assert "D46" in interleavings(names, executions=200, scenarios=planned).broken


class Tries(Ring):
    """Must not wait in a hurry: it tries a mutex that writers hold, and does not look whether it has it."""

    looks = False

    def __init__(self, vm: VM, size: int = 8) -> None:
        super().__init__(vm, size)
        self.big = vm.mutex("big")

    def peek(self, slot: int) -> bytes | None:
        self.big.lock()
        found = self.read(slot, 1)
        self.big.unlock()
        return found

    def migratepage(self, mapping: AddressSpace, newpage: Page, page: Page, mode: int) -> int:
        if mode != MIGRATE_ASYNC:
            self.big.lock()
        elif not self.big.trylock() and self.looks:
            return -EAGAIN
        moved = super().migratepage(mapping, newpage, page, mode)
        self.big.unlock()
        return moved


class Looks(Tries):
    looks = True


class TriesWorkload(RingWorkload):
    factory = Tries
    driver: Tries

    @operation(slot=handle())
    def peek(self, slot: int) -> bytes | None:
        return self.driver.peek(slot)


@pytest.mark.parametrize("driver", [Tries, Looks])
def test_a_migration_that_must_not_wait_is_planned_where_it_takes_another_path(driver: type[Tries]) -> None:
    tries = Subject(TriesWorkload, driver)
    hurried = [one for one in derive(tries, 50) if ("migrate_frame", 0, MIGRATE_ASYNC) in one.tasks[-1]]
    beside = [one for one in hurried if one.task_names[0] == "peek"]
    assert beside
    assert bool(interleavings(tries, executions=60, scenarios=beside).broken) == (driver is Tries)
    ring = derive(Subject(RingWorkload, Ring), 50)
    assert not [one for one in ring if any(action[0] == "migrate_frame" and len(action) > 2 for (action,) in one.tasks)]
