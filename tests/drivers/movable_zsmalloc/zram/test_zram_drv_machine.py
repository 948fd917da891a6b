"""A store that is read, written, moved, isolated and compacted in any order keeps every byte and every count."""

from __future__ import annotations

import random

import hypothesis.strategies as st
from hypothesis import settings
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from movable import (
    MIGRATE_ASYNC,
    MIGRATE_SYNC,
    MIGRATE_SYNC_LIGHT,
    MIGRATE_SYNC_NO_COPY,
    PAGE_SIZE,
    VM,
    ClearPageIsolated,
    ListHead,
    Page,
    list_add_tail,
    list_del,
    list_first,
    lock_page,
    put_page,
    putback_movable_pages,
    unlock_page,
)
from movable_zsmalloc import ZramDevice, Zsmalloc
from tests.drivers.movable_zsmalloc.movers import check, isolate, load, move, pages_of, pattern, store

SLOTS = 24
LIMIT = 60
"""Most objects that live at a time."""
FRAMES = 128


def page_content(kind: str, seed: int) -> bytes:
    """One page: the same word all over, or so many random bytes in front of zeros."""
    if kind == "same":
        return bytes([seed] * PAGE_SIZE)
    noise = random.Random(seed).randbytes(int(kind))
    return noise.ljust(PAGE_SIZE, b"\0")


class StoreMachine(RuleBasedStateMachine):
    """Objects of any size and a block device share a pool on a machine of two nodes; ``loan`` holds what the core has isolated."""

    def __init__(self) -> None:
        super().__init__()
        self.objects: dict[int, bytes] = {}
        self.blocks: dict[int, bytes] = {}
        self.hoard: list[Page] = []
        self.locked: list[Page] = []
        self.loan = ListHead("on loan")
        self.seed = 0

    @initialize(chain=st.integers(4, 16), by=st.sampled_from(["percent", "least-waste"]), codec=st.sampled_from(["lz4", "zlib"]))
    def boot(self, chain: int, by: str, codec: str) -> None:
        self.vm = VM(FRAMES << 12, nodes=2)
        self.zs = Zsmalloc(self.vm, chain=chain, rule=by)
        self.zram = ZramDevice(self.zs, SLOTS, codec=codec)

    # the users of the pool

    @rule(size=st.one_of(st.sampled_from([24, 40, 504, 1200, 3000, 4096]), st.integers(1, PAGE_SIZE)), count=st.integers(1, 9))
    def allocate(self, size: int, count: int) -> None:
        for _ in range(min(count, LIMIT - len(self.objects))):
            self.seed += 1
            if not (handle := self.zs.zs_malloc(size)):
                return
            content = self.objects[handle] = pattern(self.seed, size)
            self.zs.zs_map_object(handle)[:size] = content
            self.zs.zs_unmap_object(handle)

    @precondition(lambda self: self.objects)
    @rule(data=st.data(), count=st.integers(1, 9))
    def free(self, data: st.DataObject, count: int) -> None:
        for _ in range(min(count, len(self.objects))):
            handle = data.draw(st.sampled_from(list(self.objects)))
            self.zs.zs_free(handle)
            del self.objects[handle]

    @precondition(lambda self: self.objects)
    @rule(data=st.data())
    def rewrite(self, data: st.DataObject) -> None:
        handle = data.draw(st.sampled_from(list(self.objects)))
        size = len(self.objects[handle])
        view = self.zs.zs_map_object(handle)
        assert bytes(view[:size]) == self.objects[handle]
        self.seed += 1
        view[:size] = self.objects[handle] = pattern(self.seed, size)
        self.zs.zs_unmap_object(handle)

    @rule(index=st.integers(0, SLOTS - 1), kind=st.sampled_from(["same", "60", "900", "2500", "4096"]), seed=st.integers(0, 255))
    def write(self, index: int, kind: str, seed: int) -> None:
        content = page_content(kind, seed)
        try:
            self.zram.write(index, content)
        except OSError:
            return
        self.blocks[index] = content

    @rule(index=st.integers(0, SLOTS - 1))
    def discard(self, index: int) -> None:
        self.zram.discard(index)
        self.blocks.pop(index, None)

    # the core

    @rule(picks=st.randoms(use_true_random=False), count=st.integers(1, 12))
    def isolate(self, picks: random.Random, count: int) -> None:
        pages = pages_of(self.zs)
        taken = isolate(picks.sample(pages, min(count, len(pages))))
        while (page := list_first(taken)) is not None:
            list_del(page.lru)
            list_add_tail(page.lru, self.loan)

    @rule()
    def put_back(self) -> None:
        putback_movable_pages(self.loan)

    @rule(nid=st.integers(0, 1), mode=st.sampled_from([MIGRATE_ASYNC, MIGRATE_SYNC_LIGHT, MIGRATE_SYNC, MIGRATE_SYNC_NO_COPY]))
    def migrate(self, nid: int, mode: int) -> None:
        left = move(self.zs, self.loan, nid=nid, mode=mode)
        assert mode != MIGRATE_SYNC_NO_COPY or left != 0 or not self.loan
        putback_movable_pages(self.loan)

    @precondition(lambda self: self.objects)
    @rule(data=st.data())
    def migrate_beside_a_mapping(self, data: st.DataObject) -> None:
        """A mapped object does not move; the callback is asked directly, since its user may not sleep."""
        page = list_first(self.loan)
        target = self.vm.alloc_page()
        if page is None or target is None:
            if target is not None:
                put_page(target)
            return
        handle = data.draw(st.sampled_from(list(self.objects)))
        view = self.zs.zs_map_object(handle)
        before = self.zs.handles[handle].location, bytes(view)
        lock_page(page)
        lock_page(target)
        answer = self.zs.migratepage(self.zs.mapping, target, page, MIGRATE_SYNC)
        assert (self.zs.handles[handle].location, bytes(view)) == before
        unlock_page(target)
        unlock_page(page)
        self.zs.zs_unmap_object(handle)
        if answer == 0:  # what the core would do
            ClearPageIsolated(page)
            self.vm.vmstat["movable_migrated"] += 1
            list_del(page.lru)
            put_page(page)
        put_page(target)

    # the rest of the world

    @rule()
    def compact_objects(self) -> None:
        before = self.zs.zs_get_total_pages()
        freed = self.zs.zs_compact()
        assert before - freed <= self.zs.zs_get_total_pages() <= before

    @rule()
    def work(self) -> None:
        self.vm.run_work()

    @rule(count=st.integers(1, 40))
    def take_memory(self, count: int) -> None:
        for _ in range(count):
            page = self.vm.alloc_page()
            if page is None:
                return
            self.hoard.append(page)

    @rule()
    def give_memory_back(self) -> None:
        for page in self.hoard:
            put_page(page)
        self.hoard.clear()

    @precondition(lambda self: not self.locked)
    @rule(picks=st.randoms(use_true_random=False))
    def lock_somebody(self, picks: random.Random) -> None:
        """Somebody holds page locks while objects are freed and compacted."""
        free = [page for page in pages_of(self.zs) if not page._flags & 1]
        self.locked = picks.sample(free, min(3, len(free)))
        for page in self.locked:
            lock_page(page)
        for handle in list(self.objects)[::3]:
            self.zs.zs_free(handle)
            del self.objects[handle]
        self.zs.zs_compact()
        for page in self.locked:
            unlock_page(page)
        self.locked = []

    # what must hold

    @invariant()
    def counts_agree(self) -> None:
        check(self.zs, quiescent=False)
        assert self.zram.stat.orig_data_size == len(self.blocks) * PAGE_SIZE

    @invariant()
    def bytes_are_there(self) -> None:
        for handle, content in self.objects.items():
            assert load(self.zs, handle, len(content)) == content
        for index in range(SLOTS):
            assert self.zram.read(index) == self.blocks.get(index, bytes(PAGE_SIZE))

    def teardown(self) -> None:
        if not hasattr(self, "zs"):
            return
        putback_movable_pages(self.loan)
        self.give_memory_back()
        self.zs.remove()
        check(self.zs)
        assert sum(zone.nr_free for zone in self.vm.zones) == FRAMES
        assert not self.vm.bad_pages and not self.vm.warnings
        assert sum(zone.vmstat["nr_zspages"] for zone in self.vm.zones) == 0


TestStore = StoreMachine.TestCase
TestStore.settings = settings(max_examples=30, stateful_step_count=25, deadline=None)


def test_the_machine_sees_a_lost_byte() -> None:
    machine = StoreMachine()
    machine.boot(4, "percent", "lz4")
    handle = store(machine.zs, b"abc")
    machine.objects[handle] = b"abc"
    machine.bytes_are_there()
    machine.zs.zs_map_object(handle)[0] = 0
    machine.zs.zs_unmap_object(handle)
    try:
        machine.bytes_are_there()
    except AssertionError:
        return
    raise AssertionError("a lost byte went unseen")
