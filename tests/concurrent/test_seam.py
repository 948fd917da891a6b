"""Every look at the machine is a step: reduction reaches what brute force reaches, and buffers and views raise no false alarm."""

from __future__ import annotations

import struct
import zlib
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, NamedTuple

import pytest

from docs.drivers.ring import TRIES, Ring, RingWorkload
from movable import (
    GFP_HIGHUSER_MOVABLE,
    VM,
    ListHead,
    Page,
    Work,
    copy_highpage,
    get_page,
    list_add,
    list_del,
    list_empty,
    list_first,
    lock_page,
    put_page,
    trylock_page,
    unlock_page,
)
from movable.concurrent.seam import DriverHooks, ScenarioSeam
from movable.concurrent.search import Interleavings, interleavings
from movable.concurrent.stage import Subject
from movable.contract import Workload, migrate, op, operation, scenario
from movable.errors import VMBug
from movable.explore import Scene
from movable.explore.schedulers.dfs import Dfs
from movable.explore.schedulers.dpor import Dpor
from tests.explore.harness import reach

# --- what tasks can see of the machine ---


class Peek:
    """Two tasks: ``a`` changes something, ``b`` looks at it and keeps what it saw."""

    def __init__(self, vm: VM) -> None:
        self.vm = vm
        self.seen: list[object] = []
        self.done = 0
        self.lock, self.rw, self.queue, self.works = vm.spinlock("l"), vm.rwlock("rw"), vm.wait_queue("q"), vm.workqueue("w")
        self.page: Any = vm.alloc_page(GFP_HIGHUSER_MOVABLE)
        self.other: Any = vm.alloc_page(GFP_HIGHUSER_MOVABLE)
        self.work = Work(self.do)
        self.head = ListHead("head")
        self.setup()

    def setup(self) -> None:
        pass

    def do(self) -> None:
        self.done = 1

    def end(self) -> object:
        return (self.done, repr(self.seen))

    def a(self) -> None:
        list_add(self.page.lru, self.head)

    def b(self) -> None:
        raise NotImplementedError


class Heads(NamedTuple):
    idle: ListHead


@dataclass(frozen=True)
class FrozenHeads:
    idle: ListHead


class InAttribute(Peek):
    def b(self) -> None:
        self.seen.append(list_empty(self.head))


class InContainer(Peek):
    def setup(self) -> None:
        self.heads: Any = [self.head]
        del self.head

    def get(self) -> ListHead:
        head: ListHead = self.heads[0]
        return head

    def a(self) -> None:
        list_add(self.page.lru, self.get())

    def b(self) -> None:
        self.seen.append(list_first(self.get()) is None)


class InDict(InContainer):
    def setup(self) -> None:
        self.heads = {"idle": self.head}
        del self.head

    def get(self) -> ListHead:
        head: ListHead = self.heads["idle"]
        return head


class InNamedTuple(InContainer):
    def setup(self) -> None:
        self.heads = Heads(self.head)
        del self.head


class InFrozen(InContainer):
    def setup(self) -> None:
        self.heads = FrozenHeads(self.head)
        del self.head

    def get(self) -> ListHead:
        head: ListHead = self.heads.idle
        return head


class InClosure(InContainer):
    def setup(self) -> None:
        head = self.head
        self.get = lambda: head  # type: ignore[method-assign]
        del self.head


class Late(Peek):
    """A list that a task makes."""

    def setup(self) -> None:
        self.late: ListHead | None = None

    def a(self) -> None:
        self.late = ListHead("late")
        list_add(self.page.lru, self.late)

    def b(self) -> None:
        head = self.late
        self.seen.append(None if head is None else list_empty(head))


class LateObject(Late):
    """An object with a list that a task makes."""

    def a(self) -> None:
        self.late = Holder()  # type: ignore[assignment]
        list_add(self.page.lru, self.late.idle)  # type: ignore[union-attr]

    def b(self) -> None:
        holder: Any = self.late
        self.seen.append(None if holder is None else bool(holder.idle))


class Holder:
    def __init__(self) -> None:
        self.idle = ListHead("idle")


class Moves(Peek):
    """From one list to another: who looks may see the page on neither."""

    def setup(self) -> None:
        self.heads = [ListHead("first"), ListHead("second")]
        list_add(self.page.lru, self.heads[0])

    def a(self) -> None:
        list_del(self.page.lru)
        list_add(self.page.lru, self.heads[1])

    def b(self) -> None:
        first, second = self.heads
        self.seen.append((list_empty(first), list_empty(second)))


class Node(Peek):
    def b(self) -> None:
        self.seen.append(list_empty(self.page.lru))


class NodeList(Peek):
    def b(self) -> None:
        self.seen.append(self.page.lru.list is self.head)


class KeptNode(Peek):
    """A node that was taken before anybody watched."""

    def setup(self) -> None:
        self.node = self.page.lru

    def b(self) -> None:
        self.seen.append(self.node.list is self.head)


class Links(Peek):
    def b(self) -> None:
        self.seen.append(self.head.next is self.head)


class Owner(Peek):
    def a(self) -> None:
        with self.lock:
            self.done = 1

    def b(self) -> None:
        self.seen.append(self.lock.owner is None)


class Readers(Peek):
    def a(self) -> None:
        with self.rw.read():
            self.done = 1

    def b(self) -> None:
        self.seen.append((len(self.rw.readers), self.rw.writer is None))


class Wakes(Peek):
    def a(self) -> None:
        self.queue.wake_up()

    def b(self) -> None:
        self.seen.append(self.queue.wakes)


class Pending(Peek):
    def a(self) -> None:
        self.works.queue_work(self.work)

    def b(self) -> None:
        self.seen.append(self.work.pending)


class Running(Pending):
    def b(self) -> None:
        self.seen.append((self.work.running, self.done))


class TwoQueues(Pending):
    def setup(self) -> None:
        self.more = self.vm.workqueue("more")

    def b(self) -> None:
        self.seen.append((self.work.pending, len(self.more.items)))


class Items(Pending):
    def b(self) -> None:
        self.seen.append(len(self.works.items))


class Slice(Peek):
    """Adds to a byte through a part of the content."""

    def a(self) -> None:
        part = self.page.data[2:6]
        part[1] = part[1] + 1

    b = a

    def end(self) -> object:
        return self.page._data[3]


class EarlyView(Slice):
    """Adds to a byte through a view that was taken before anybody watched."""

    def setup(self) -> None:
        self.view = self.page.data[:]

    def a(self) -> None:
        self.view[3] = self.view[3] + 1

    b = a


class Packs(Slice):
    """Adds to a byte with functions that want a buffer."""

    def a(self) -> None:
        (value,) = struct.unpack_from("B", self.page.data, 3)
        struct.pack_into("B", self.page.data, 3, value + 1)

    b = a


class Copies(Slice):
    """One copies a page while the other changes it."""

    def a(self) -> None:
        copy_highpage(self.other, self.page)

    def b(self) -> None:
        self.page.data[3] = 1
        self.page.data[4] = 2

    def end(self) -> object:
        return bytes(self.other._data[3:5])


class Nothing(Workload):
    pass


def program(kind: type[Any]) -> Callable[[Any], Scene]:
    def build(scheduler: Any) -> Scene:
        vm = VM(layout=[(0, "Normal", 16)], pageblock_order=2)
        driver = kind(vm)
        seam = ScenarioSeam(scheduler)
        vm.install(seam)
        hooks = DriverHooks(scheduler, Nothing, driver)
        hooks.watch(driver, "d")
        seam.hooks = hooks

        def end() -> object:
            vm.install(None)
            return driver.end()

        return Scene([("a", driver.a), ("b", driver.b)], None, end)

    return build


PEEKS: dict[type[Peek], int] = {
    InAttribute: 2, InContainer: 2, InDict: 2, InNamedTuple: 2, InFrozen: 2, InClosure: 2, Late: 3, LateObject: 3, Moves: 4,
    Node: 2, NodeList: 2, KeptNode: 2, Links: 2, Owner: 2, Readers: 2, Wakes: 2, Pending: 2, Running: 4, TwoQueues: 2, Items: 2,
    Slice: 2, EarlyView: 2, Packs: 2, Copies: 3,
}  # fmt: skip
"""Driver -> how many ends there are."""


@pytest.mark.unmeasured
@pytest.mark.parametrize("kind", PEEKS, ids=lambda kind: kind.__name__)
def test_reduction_sees_what_brute_force_sees(kind: type[Any]) -> None:
    reduced, all_of_them = reach(program(kind), Dpor()), reach(program(kind), Dfs(), 20_000)
    assert reduced.ended
    assert all_of_them.ended
    ends = set(reduced.traces.values())
    assert ends == set(all_of_them.traces.values())
    assert len(ends) == PEEKS[kind], ends


# --- buffers and views of content, in whole drivers ---


class Buffers(Ring):
    """Right: whatever wants a buffer gets it under the lock."""

    def write(self, slot: int, data: bytes) -> bool:
        for _ in range(TRIES):
            with self.lock:
                page = self.slots[slot]
                if page is not None:
                    struct.pack_into(f"{len(data)}s", page.data, 0, data)
                    return zlib.crc32(page.data) == zlib.crc32(bytes(page.data))
            if not self._fill(slot):
                return False
        return False

    def read(self, slot: int, length: int) -> bytes | None:
        with self.lock:
            page = self.slots[slot]
            return None if page is None else bytes(memoryview(page.data)[:length])


class TakesTheViewBefore(Ring):
    """Right: a view is only an address, and may be taken without the lock by who holds a reference."""

    def write(self, slot: int, data: bytes) -> bool:
        for _ in range(TRIES):
            page = self.pinned(slot)
            if page is not None:
                room = page.data[: len(data)]
                with self.lock:
                    ours = self.slots[slot] is page and len(room) == len(data)
                    if ours:
                        room[:] = data
                put_page(page)
                if ours:
                    return True
            elif not self._fill(slot):
                return False
        return False

    def pinned(self, slot: int) -> Page | None:
        with self.lock:
            page = self.slots[slot]
            if page is not None:
                get_page(page)
            return page


class WritesThroughAView(Ring):
    """Wrong: the view is taken under the lock and written through after it."""

    def write(self, slot: int, data: bytes) -> bool:
        for _ in range(TRIES):
            with self.lock:
                page = self.slots[slot]
                if page is not None:
                    view = page.data[: len(data)]
            if page is not None:
                view[:] = data
                return True
            if not self._fill(slot):
                return False
        return False


class PacksUnlocked(WritesThroughAView):
    """Wrong in the same way, with a function that wants a buffer."""

    def write(self, slot: int, data: bytes) -> bool:
        with self.lock:
            page = self.slots[slot]
        if page is None:
            return super().write(slot, data)
        struct.pack_into(f"{len(data)}s", page.data, 0, data)
        return True


class LocksWithoutAPin(Ring):
    """Wrong: nothing keeps the page between the look at the table and its lock."""

    def drop(self, slot: int) -> None:
        for _ in range(TRIES):
            with self.lock:
                page = self.slots[slot]
            if page is None:
                return
            lock_page(page)
            ours = self._forget(slot, page)
            unlock_page(page)
            if ours:
                put_page(page)
                return


OLD = op("write", slot=0, data=b"old")
BESIDE = {
    "write": scenario("write", op("write", slot=0, data=b"new"), migrate(0), prefix=[OLD]),
    "drop": scenario("drop", op("drop", slot=0), migrate(0), prefix=[OLD]),
}


def explored(driver: type, name: str) -> Interleavings:
    return interleavings(Subject(RingWorkload, driver), executions=800, scenarios=[BESIDE[name]])


@pytest.mark.parametrize("driver", [Buffers, TakesTheViewBefore])
def test_no_false_alarm_for_views_and_buffers(driver: type) -> None:
    found = explored(driver, "write")
    assert not found.refused
    assert not found.broken, {id: told.what for id, told in found.broken.items()}


@pytest.mark.parametrize("driver", [WritesThroughAView, PacksUnlocked])
def test_a_write_through_a_view_is_a_write(driver: type) -> None:
    found = explored(driver, "write")
    assert "D53" in found.broken, found.broken
    assert {"D15", "D46"} & set(found.broken), "and not only a race: content is lost, or a freed page is used"


# --- free pages ---


def test_locking_a_page_that_is_free_is_a_use_of_it() -> None:
    found = explored(LocksWithoutAPin, "drop")
    assert "its lock is used by drop after it was freed" in found.broken["D46"].what


class Still:
    """A scheduler that never switches."""

    current = "main"

    def point(self, op: str, key: object) -> None:
        pass


@pytest.mark.parametrize("use", [lock_page, trylock_page, unlock_page], ids=lambda use: use.__name__)
def test_nobody_may_lock_or_unlock_a_free_page(use: Callable[[Page], object]) -> None:
    vm = VM()
    page = vm.alloc_page()
    assert page is not None
    if use is unlock_page:
        lock_page(page)
    vm.install(ScenarioSeam(Still()))
    page._refcount = 0
    with pytest.raises(VMBug, match=r"D46.*its lock is used by main after it was freed"):
        use(page)


class Counted(Ring):
    def __init__(self, vm: VM, size: int = 8) -> None:
        super().__init__(vm, size)
        self.drops = 0

    def drop(self, slot: int) -> None:
        super().drop(slot)
        with self.lock:
            self.drops += 1

    def dropped(self) -> bool:
        return self.drops > 0


class PeeksWorkload(RingWorkload):
    """Looks at the driver's counter itself."""

    factory = Counted
    driver: Counted

    @operation()
    def look(self) -> None:
        _ = self.driver.drops > 0 and max(0, self.driver.drops)


class AsksWorkload(PeeksWorkload):
    """Has the driver look, which takes no lock for it."""

    @operation()
    def look(self) -> None:
        self.driver.dropped()


@pytest.mark.parametrize(("workload", "broken"), [(PeeksWorkload, []), (AsksWorkload, ["D53"])])
def test_what_a_workload_looks_at_itself_is_no_race_of_the_driver(workload: type[Workload], broken: list[str]) -> None:
    one = scenario("look", op("drop", slot=0), op("look"), prefix=[op("write", slot=1, data=b"a")])
    assert list(interleavings(Subject(workload, Counted), executions=80, scenarios=[one]).broken) == broken
