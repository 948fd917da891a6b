"""Transparency: an operation that refuses for ever because the core moved a page, or gave it back, has lost something."""

from __future__ import annotations

from typing import Any, ClassVar

import pytest
from hypothesis import strategies as st

from docs.drivers.ring import Ring, RingWorkload
from movable import AddressSpace, Page
from movable.concurrent.plan.transparency import stuck
from movable.concurrent.search import interleavings
from movable.concurrent.stage import Subject
from movable.contract import compact, finish, give_back, handle, isolate, migrate, op, operation, put_back, scenario
from movable.contract.show.replay import replay


class Lends(Ring):
    """A slot can be lent while its page is at home, and is given back; clean slots need no sync; users map a slot to use it."""

    forgets_on_move = forgets_on_putback = False
    ends_mappings = syncs = cools = False

    def __init__(self, vm: Any) -> None:
        super().__init__(vm)
        self.away, self.lent, self.mapped, self.dirty, self.hot, self.moved = (set[int]() for _ in range(6))

    def lend(self, slot: int) -> bool:
        with self.lock:
            if slot in self.lent or slot in self.away:
                return False
            self.lent.add(slot)
            return True

    def take_back(self, slot: int) -> bool:
        with self.lock:
            if slot not in self.lent:
                return False
            self.lent.remove(slot)
            return True

    def map(self, slot: int) -> None:
        with self.lock:
            self.mapped.add(slot)

    def use(self, slot: int) -> bool:
        with self.lock:
            if slot in self.mapped:
                self.dirty.add(slot)
            return slot in self.mapped

    def sync(self, slot: int) -> bool:
        with self.lock:
            done = slot in self.dirty
            self.dirty.discard(slot)
            return done

    def is_where_it_was(self, slot: int) -> bool:
        with self.lock:
            return slot not in self.moved

    def isolate_page(self, page: Page, mode: int) -> bool:
        with self.lock:
            self.away.add(page.private)
        return super().isolate_page(page, mode)

    def migratepage(self, mapping: AddressSpace, newpage: Page, page: Page, mode: int) -> int:
        slot, rc = page.private, super().migratepage(mapping, newpage, page, mode)
        with self.lock:
            if rc == 0:
                self.moved.add(slot)
                self.away -= set() if self.forgets_on_move else {slot}
                self.mapped -= {slot} if self.ends_mappings else set()
                self.dirty -= {slot} if self.syncs else set()
        return rc

    def putback_page(self, page: Page) -> None:
        super().putback_page(page)
        with self.lock:
            self.away -= set() if self.forgets_on_putback else {page.private}


class LendsWorkload(RingWorkload):
    factory = Lends  # type: ignore[assignment]
    driver: Lends
    busy: ClassVar[tuple[str, ...]] = ("lend",)

    @operation(slot=handle())
    def lend(self, slot: int) -> bool:
        return self.driver.lend(slot)

    @operation(slot=handle())
    def take_back(self, slot: int) -> bool:
        return self.driver.take_back(slot)

    @operation(slot=handle())
    def map(self, slot: int) -> None:
        self.driver.map(slot)

    @operation(slot=handle())
    def use(self, slot: int) -> bool:
        return self.driver.use(slot)

    @operation(slot=handle())
    def sync(self, slot: int) -> bool:
        return self.driver.sync(slot)

    @operation(slot=handle())
    def is_where_it_was(self, slot: int) -> bool:
        return self.driver.is_where_it_was(slot)


class Undeclared(LendsWorkload):
    busy = ()


class Silent(RingWorkload):
    """An operation that answers nothing, whether it was done or not."""

    driver: Any

    @operation(slot=handle(), byte=st.integers(1, 9))
    def store(self, slot: int, byte: int) -> None:
        if self.driver.store(slot, bytes([byte])):
            self.model[slot] = bytes([byte])


class StoresAtHome(Lends):
    """Stores only into pages that are at home."""

    def store(self, slot: int, data: bytes) -> bool:
        with self.lock:
            if slot in self.away:
                return False
        return self.write(slot, data)


BEFORE = [op("write", slot=0, data=b"a")]
MAPPED, DIRTY = op("map", slot=0), op("use", slot=0)
LEND, USE, SYNC = op("lend", slot=0), op("use", slot=0), op("sync", slot=0)


def variant(base: type[Lends], **what: bool) -> type[Lends]:
    """A driver that does these things."""
    return type(base.__name__, (base,), what)


@pytest.mark.parametrize("workload", [LendsWorkload, Undeclared])
@pytest.mark.parametrize(
    ("core", "held", "forgets", "rule"),
    [
        (migrate(), [], "forgets_on_move", "D14"), (finish(), [isolate()], "forgets_on_move", "D14"),
        (put_back(), [], "forgets_on_putback", "D31"), (give_back(), [isolate()], "forgets_on_putback", "D31"),
    ],
)  # fmt: skip
def test_what_refuses_for_ever_is_stuck(workload: Any, core: Any, held: Any, forgets: str, rule: str) -> None:
    lends = scenario("lend", LEND, core, prefix=[*BEFORE, *held])
    found = stuck(Subject(workload, variant(Lends, **{forgets: True})), lends)
    assert found is not None
    assert found.rule == rule
    assert "lend is done as long as the core does nothing" in found.what
    assert stuck(Subject(workload, Lends), lends) is None


def test_an_operation_that_answers_nothing_is_known_by_what_it_does() -> None:
    stores = scenario("store", op("store", slot=0, byte=1), migrate(), prefix=BEFORE)
    assert stuck(Subject(Silent, variant(StoresAtHome, forgets_on_move=True)), stores) is not None
    assert stuck(Subject(Silent, StoresAtHome), stores) is None


@pytest.mark.parametrize(
    ("driver", "task", "prefix"),
    [
        (variant(Lends, ends_mappings=True), USE, [*BEFORE, MAPPED]),  # mapped again it goes on
        (variant(Lends, syncs=True), SYNC, [*BEFORE, MAPPED, DIRTY]),  # the migration has done it
        (Lends, op("is_where_it_was", slot=0), BEFORE),  # a question
        (variant(Lends, forgets_on_move=True), LEND, [*BEFORE, LEND]),  # refused in any case
    ],
)  # fmt: skip
@pytest.mark.parametrize("core", [migrate(), put_back(), compact()])
def test_a_refusal_that_users_can_account_for_is_none(driver: Any, task: Any, prefix: Any, core: Any) -> None:
    assert stuck(Subject(Undeclared, driver), scenario("one", task, core, prefix=prefix)) is None


class Drains(Ring):
    """Gives up a page of one node, if there is one."""

    def drain(self, node: int) -> int | None:
        with self.lock:
            found = [slot for slot, page in enumerate(self.slots) if page is not None and page.node == node]
        if found:
            self.drop(found[0])
        return found[0] if found else None


class DrainsWorkload(RingWorkload):
    factory = Drains
    driver: Any

    @operation(node=st.just(0))
    def drain(self, node: int) -> bool:
        slot = self.driver.drain(node)
        self.model.pop(slot, None)
        return slot is not None


def test_what_lies_on_another_node_is_rightly_not_found_here() -> None:
    drains = scenario("drain", op("drain", node=0), migrate(), prefix=BEFORE)
    assert len(Subject(DrainsWorkload, Drains).machine().zones) == 2
    assert stuck(Subject(DrainsWorkload, Drains), drains) is None


def test_an_interleaving_shows_it_and_can_be_shown_again() -> None:
    lends = scenario("lend", LEND, migrate(), prefix=BEFORE)
    driver = variant(Lends, forgets_on_move=True)
    found = interleavings(Subject(LendsWorkload, driver), executions=300, scenarios=[lends])
    assert list(found.broken) == ["D14"]
    assert replay(driver, found.broken["D14"].token, workload=LendsWorkload).broken == ["D14"]
    assert not interleavings(Subject(LendsWorkload, Lends), executions=300, scenarios=[lends]).broken
