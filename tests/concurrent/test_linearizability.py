"""What an execution is compared with: the orders of what was done, and only of that."""

from __future__ import annotations

from collections.abc import Iterator
from errno import ENOMEM
from typing import Any

import pytest
from hypothesis import strategies as st

from docs.drivers.ring import Ring, RingWorkload
from movable import GFP_KERNEL, VM, AddressSpace, Page, PageIsolated, adjust_managed_page_count, put_page
from movable.concurrent.execution import Trial
from movable.concurrent.linearizability import _same, invariant
from movable.concurrent.parts import LEFT_OUT
from movable.concurrent.search import interleavings
from movable.concurrent.stage import HandleAnswer, Stage, subject
from movable.contract import contig, handle, migrate, op, operation, scenario, teardown
from movable.explore import explore
from movable.explore.failure import Failure
from movable.workload.scenario import Scenario
from movable.workload.workload import Workload
from tests.drivers_for_tests import just_drivers as just
from tests.sequential import away_drivers as away


def failure(workload: type[Workload], one: Scenario, executions: int = 800) -> Failure | None:
    trial = Trial(subject(workload, workload.factory), one)
    return explore(trial, executions=executions, strategy="dpor").failure


@pytest.mark.parametrize("workload", [just.BusyWorkload, just.SilentWorkload, just.HowManyWorkload])
@pytest.mark.parametrize("one", just.BusyWorkload.scenarios, ids=str)
def test_an_operation_that_was_busy_was_not_done(workload: type[Workload], one: Scenario) -> None:
    found = failure(workload, one)
    assert found is None, found


@pytest.mark.parametrize("workload", [just.BusyWorkload, just.HowManyWorkload])
def test_who_forgot_to_declare_that_an_operation_may_be_busy_is_told_so(workload: type[Workload]) -> None:
    undeclared: Any = type("Undeclared", (workload,), {"busy": ()})
    found = failure(undeclared, just.BusyWorkload.scenarios[0])
    assert found is not None
    assert "If that means busy, and nothing was changed, say so: Workload.busy names 'wipe'" in str(found.error)


class ZeroWorkload(just.BusyWorkload):
    """The same operation, which answers 0 whether it was done or not."""

    @operation(slot=handle())
    def wipe(self, slot: int) -> int:
        super().wipe(slot)
        return 0


def test_a_zero_of_what_never_counts_is_no_refusal() -> None:
    found = failure(ZeroWorkload, just.BusyWorkload.scenarios[0])
    assert found is not None and "D15" in str(found)


def test_the_books_of_a_device_are_looked_at_in_scenarios_too() -> None:
    one = scenario("move", op("write", slot=0, data=b"b"), migrate(), prefix=[op("write", slot=0, data=b"A")])
    for driver, found in ((just.DeviceRing, ""), (just.TellsNobody, "D43: the driver has given away")):
        stage = Stage(subject(just.DeviceWorkload, driver), one)
        stage.do(stage.users[1], migrate())
        assert invariant(stage).startswith(found) and bool(invariant(stage)) == bool(found)


def test_counters_are_compared_after_scenarios_too() -> None:
    one = scenario("move", migrate(), migrate(), prefix=[op("write", slot=0, data=b"A")])
    trial = Trial(subject(just.DeviceWorkload, MovesTheCount), one)
    found = explore(trial, executions=200, strategy="dpor").failure
    assert found is not None and "D61" in str(found)


class MovesTheCount(just.DeviceRing):
    """Counts each move as a page less."""

    def migratepage(self, mapping: AddressSpace, newpage: Page, page: Page, mode: int) -> int:
        answer = super().migratepage(mapping, newpage, page, mode)
        if answer == 0:
            adjust_managed_page_count(newpage, -1)
        return answer


class Forgets(just.BusyRing):
    """Says that it was busy, and has wiped."""

    def wipe(self, slot: int) -> bool:
        done = super().wipe(slot)
        if not done:
            page = self.slots[slot]
            if page is not None:
                page.data[:1] = b"\0"
        return done


class ForgetsWorkload(just.BusyWorkload):
    factory = Forgets


def test_an_operation_that_says_busy_and_does_something_is_found() -> None:
    found = failure(ForgetsWorkload, just.BusyWorkload.scenarios[0])
    assert found is not None


def test_false_is_not_handle_0_and_true_not_handle_1() -> None:
    prefix = [op("write", slot=0, data=b"a"), op("write", slot=1, data=b"b")]
    one = scenario("two handles", op("drop", slot=0), migrate(), prefix=prefix)
    stage = Stage(subject(RingWorkload, Ring), one)
    assert stage.label(0, 0) == ("before", 0)
    assert stage.label(0, 1) == ("before", 1)
    assert stage.plain(0, False) is False
    assert stage.plain(0, True) is True
    assert stage.plain(0, (0, False)) == (HandleAnswer(("before", 0), 0), False)


def test_a_number_that_looks_like_a_handle_is_compared_as_both() -> None:
    handle = HandleAnswer(("before", 0), 3)
    assert _same(handle, HandleAnswer(("before", 0), 4))
    assert _same(handle, HandleAnswer((0, 1), 3))
    assert _same(handle, 3) and _same(3, handle)
    assert not _same(handle, 4)
    assert not _same(handle, HandleAnswer((0, 1), 4))


def test_who_was_left_out_must_have_refused() -> None:
    assert all(_same(LEFT_OUT, answer) for answer in (False, None, -16, 0))  # 0: of one that counts what it did
    assert not _same(LEFT_OUT, True) and not _same(LEFT_OUT, 1)


FILLED = [op("write", slot=slot, data=b"a") for slot in range(3)]


def test_what_a_worker_does_is_a_row_of_steps() -> None:
    """In the middle of them an operation may answer what no order of whole parts gives."""
    found = failure(just.PurgingWorkload, scenario("purge", op("held"), op("purge"), prefix=FILLED), 300)
    assert found is None, found


class LosesAWrite(just.PurgingRing):
    """Says that it has stored what it throws away, while the worker empties a slot."""

    emptying = False

    def drop(self, slot: int) -> None:
        with self.lock:
            self.emptying = True
        super().drop(slot)
        with self.lock:
            self.emptying = False

    def write(self, slot: int, data: bytes) -> bool:
        with self.lock:
            lost = self.emptying
        return lost or super().write(slot, data)


class LosesWorkload(just.PurgingWorkload):
    factory = LosesAWrite


BOTH: list[type[Workload]] = [just.PurgingWorkload, LosesWorkload]


def test_what_can_be_read_in_the_end_counts_beside_a_worker_too() -> None:
    made = scenario("purge", op("write", slot=5, data=b"b"), op("purge"), prefix=FILLED[:1])
    found = [interleavings(subject(chosen, chosen.factory), executions=200, scenarios=[made]) for chosen in BOTH]
    assert [list(one.broken) for one in found] == [[], ["D15"]]


class Reserve(Ring):
    """Takes pages that nobody can move: all that it was asked for, or none; or, half-heartedly, what there is."""

    halves = False

    def take(self, wanted: int) -> int:
        pages = [page for _ in range(wanted) if (page := self.vm.alloc_page(GFP_KERNEL)) is not None]
        if len(pages) < wanted and not self.halves:
            while pages:
                put_page(pages.pop())
        with self.lock:
            self.reserved = [*getattr(self, "reserved", []), *pages]
        return len(pages) or -ENOMEM

    def remove(self) -> None:
        for page in getattr(self, "reserved", []):
            put_page(page)
        super().remove()


class Halves(Reserve):
    halves = True


class Leaves(Reserve):
    """Says that it got nothing, and keeps what it got."""

    def take(self, wanted: int) -> int:
        pages = [page for _ in range(wanted) if (page := self.vm.alloc_page(GFP_KERNEL)) is not None]
        with self.lock:
            self.reserved = [*getattr(self, "reserved", []), *pages]
        return len(pages) if len(pages) == wanted else -ENOMEM


class ReserveWorkload(RingWorkload):
    factory = Reserve
    driver: Reserve

    @operation(wanted=st.integers(1, 20))
    def take(self, wanted: int) -> int:
        return self.driver.take(wanted)

    def ledger(self) -> Iterator[tuple[str, str, int, int]]:
        yield from super().ledger()
        yield "D54", "reserved pages", len(getattr(self.driver, "reserved", [])) % 20, 0


@pytest.mark.parametrize("driver", [Reserve, Halves])
def test_two_that_want_more_memory_than_there_is_may_both_get_none(driver: type[Reserve]) -> None:
    one = scenario("take", op("take", wanted=20), op("take", wanted=20))
    trial = Trial(subject(QuietReserve if driver is Halves else ReserveWorkload, driver), one)
    assert explore(trial, executions=400, strategy="dpor").failure is None
    answers = [[one[0] for one in found.answers] for found in trial.orders.outcomes]
    assert [-ENOMEM, -ENOMEM] not in answers


class QuietReserve(ReserveWorkload):
    def ledger(self) -> Iterator[tuple[str, str, int, int]]:
        yield from super(ReserveWorkload, self).ledger()


def test_who_got_no_memory_and_kept_some_is_found() -> None:
    one = scenario("take", op("take", wanted=20), op("take", wanted=20))
    found = explore(Trial(subject(ReserveWorkload, Leaves), one), executions=400, strategy="dpor").failure
    assert found is not None


class AtHome(away.Late):
    """A worker puts back what comes back, which it does only where a compaction is taken apart."""

    def at_home(self, slot: int) -> bool:
        with self.lock:
            page = self.slots[slot]
            return page is not None and not PageIsolated(page) and slot not in self.coming


class AtHomeWorkload(away.LateWorkload):
    factory = AtHome
    driver: AtHome
    busy = ("at_home",)

    @operation(slot=handle())
    def at_home(self, slot: int) -> bool:
        return self.driver.at_home(slot)


def test_orders_are_of_one_kind_where_work_is_queued_in_some_of_them_only() -> None:
    made = scenario("at home", op("at_home", slot=0), contig(), prefix=FILLED[:2])
    found = interleavings(subject(AtHomeWorkload, AtHome), executions=60, scenarios=[made])
    assert not found.broken
    assert found.executions


class Keeps(Ring):
    """Whoever finds a slot taken leaves with the lock."""

    def write(self, slot: int, data: bytes) -> bool:
        with self.lock:
            taken = self.slots[slot] is not None
        done = super().write(slot, data)
        if taken:
            self.lock.lock()
        return done


def test_who_has_the_lock_that_a_reading_waits_for_is_no_reading() -> None:
    made = scenario("keeps", op("write", slot=0, data=b"a"), op("write", slot=0, data=b"a"))
    broken = interleavings(subject(RingWorkload, Keeps), executions=60, scenarios=[made]).broken
    assert broken and "D15" not in broken


class WaitsBusily(Ring):
    """Is removed once nothing is isolated, and looks again and again. With a queue every order is tried twice."""

    def __init__(self, vm: VM, size: int = 8) -> None:
        super().__init__(vm, size)
        self.queue = vm.workqueue("ring")

    def remove(self) -> None:
        away = True
        while away:
            with self.lock:
                away = any(page is not None and PageIsolated(page) for page in self.slots)
        self.queue.destroy()
        super().remove()


def test_an_order_that_was_not_tried_is_no_proof() -> None:
    """A removal that waits busily behind an isolation ends in no order that begins so; the others are tried all the same."""
    made = scenario("remove", teardown(), migrate(0), prefix=FILLED[:1])
    found = interleavings(subject(RingWorkload, WaitsBusily), executions=20, scenarios=[made])
    assert not found.broken and found.executions == 20


class Maps(Ring):
    """Users map a slot's page; a move ends the mapping. ``late``: the mapping is made after the lock was dropped once."""

    late = False

    def __init__(self, vm: VM, size: int = 8) -> None:
        super().__init__(vm, size)
        self.mapped: dict[int, Page] = {}

    def map(self, slot: int) -> bool:
        with self.lock:
            page = self.slots[slot]
            if page is not None and not self.late:
                self.mapped[slot] = page
        if page is not None and self.late:
            with self.lock:
                self.mapped[slot] = page
        return page is not None

    def migratepage(self, mapping: AddressSpace, newpage: Page, page: Page, mode: int) -> int:
        slot, answer = page.private, super().migratepage(mapping, newpage, page, mode)
        if answer == 0:
            with self.lock:
                self.mapped.pop(slot, None)
        return answer


class MapsWorkload(RingWorkload):
    factory = Maps
    driver: Maps

    @operation(slot=handle())
    def map(self, slot: int) -> bool:
        return self.driver.map(slot)


def test_a_pointer_to_a_page_that_has_moved_is_left_by_no_order() -> None:
    made = scenario("map", op("map", slot=0), migrate(), prefix=FILLED[:1])
    late = type("Late", (Maps,), {"late": True})
    broken = [interleavings(subject(MapsWorkload, driver), executions=200, scenarios=[made]).broken for driver in (Maps, late)]
    assert [list(found) for found in broken] == [[], ["D14"]]
    assert "names page 0 in the end, which is free" in broken[1]["D14"].what



class Ticket:
    """A place for one number."""

    number = -1


class Tickets(Ring):
    """Gives out a ticket that is being given back, if there is one, rather than a new one."""

    def __init__(self, vm: VM, size: int = 8) -> None:
        super().__init__(vm, size)
        self.on_their_way: list[Ticket] = []

    def hand_out(self, number: int) -> Ticket:
        with self.lock:
            ticket = self.on_their_way.pop() if self.on_their_way else Ticket()
            ticket.number = number
            return ticket

    def give_back(self, ticket: Ticket) -> None:
        with self.lock:
            self.on_their_way.append(ticket)
        with self.lock:
            if ticket in self.on_their_way:
                self.on_their_way.remove(ticket)

    def number_of(self, ticket: Ticket) -> int:
        with self.lock:
            return ticket.number


class Twice(Tickets):
    """Does not look whether the ticket was handed out again meanwhile."""

    def give_back(self, ticket: Ticket) -> None:
        super().give_back(ticket)
        with self.lock:
            ticket.number = -1


class TicketsWorkload(RingWorkload):
    factory = Tickets
    driver: Tickets

    @operation(number=st.integers(0, 3))
    def hand_out(self, number: int) -> None:
        self.model[self.driver.hand_out(number)] = number  # the same object each time: a small number

    @operation(ticket=handle())
    def give_back(self, ticket: Ticket) -> None:
        del self.model[ticket]
        self.driver.give_back(ticket)

    def read(self, key: Any) -> Any:
        return self.driver.number_of(key)


class TwiceWorkload(TicketsWorkload):
    factory = Twice


@pytest.mark.parametrize(("workload", "right"), [(TicketsWorkload, True), (TwiceWorkload, False)])
@pytest.mark.parametrize("numbers", [(1, 1), (1, 2)])
@pytest.mark.parametrize("more", [(), (op("hand_out", number=3),)])
def test_a_handle_that_is_handed_out_again_is_a_new_one(
    workload: type[Workload], right: bool, numbers: tuple[int, int], more: tuple[Any, ...]
) -> None:
    one = scenario(
        "again", op("give_back", ticket=0), [op("hand_out", number=numbers[1]), *more], prefix=[op("hand_out", number=numbers[0])]
    )
    assert (failure(workload, one) is None) is right
