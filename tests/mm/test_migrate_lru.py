"""Pages of processes on their way: the twenty steps, what stops them, and every customer of the loop beside a driver's pages."""

from __future__ import annotations

import pytest

from movable import VM
from movable.mm.compaction import compact_memory
from movable.mm.filemap import lock_page, unlock_page
from movable.mm.list import ListHead, list_add_tail
from movable.mm.memory_failure import soft_offline_page
from movable.mm.memory_hotplug import offline_pages
from movable.mm.migrate import MIGRATE_ASYNC, MIGRATE_SYNC, MR_SYSCALL, migrate_pages, putback_movable_pages
from movable.mm.mlock_calls import do_mlock
from movable.mm.mm_types import VM_READ, VM_SHARED, VM_WRITE
from movable.mm.mmap import do_mmap
from movable.mm.move_pages import UserArray, sys_move_pages
from movable.mm.page import Page, get_page, put_page
from movable.mm.page_alloc_contig import alloc_contig_range, free_contig_range
from movable.mm.page_flags import PG_hwpoison, PG_writeback
from movable.mm.pgtable import PTE_DIRTY, PTE_MIGRATION, PTE_RW, PTE_SHIFT
from movable.mm.process import Process
from movable.mm.swap import lru_add_drain_all
from movable.mm.userspace import userspace
from movable.mm.validate import validate_vm
from movable.mm.vmscan_isolate import count_isolated, isolate_lru_page
from movable.mm.workqueue import Work
from tests.drivers_for_tests.keeper import Keeper

ERAS = ("4.19", "6.1", "6.17", "7.3")
START = 0x100000
RW = VM_READ | VM_WRITE


def started(era: str = "6.1", pages: int = 4, nodes: int = 2, flags: int = RW) -> Process:
    """A process with some pages, each with its number in it, on node 0."""
    vm = VM((128 * nodes) << 12, nodes=nodes, era=era)
    task = userspace(vm).spawn("demo")
    assert do_mmap(task, START, pages * 4096, flags) == 0
    for n in range(pages):
        task.write(START + n * 4096, content(n))
    lru_add_drain_all(task.user)
    return task


def content(n: int) -> bytes:
    return f"page {n} ".encode().ljust(64, b".") * 64


def page_of(task: Process, n: int = 0) -> Page:
    assert task.mm is not None
    return task.user.vm.pages[task.mm.pgtable[(START >> 12) + n] >> PTE_SHIFT]


def entry(task: Process, n: int = 0) -> int:
    assert task.mm is not None
    return task.mm.pgtable[(START >> 12) + n]


def check(task: Process, pages: int = 4) -> None:
    for n in range(pages):
        assert task.read(START + n * 4096, 4096) == content(n)
    validate_vm(task.user.vm)


def move(task: Process, node: int, pages: int = 4) -> tuple[int, list[int]]:
    status = UserArray([-99] * pages)
    addresses = UserArray([START + n * 4096 for n in range(pages)])
    return sys_move_pages(task, 0, pages, addresses, UserArray([node] * pages), status, 4), list(status)


def isolated(task: Process, *numbers: int) -> ListHead:
    pages = ListHead("test")
    for n in numbers:
        page = page_of(task, n)
        assert isolate_lru_page(page) == 0
        count_isolated(page, 1)
        list_add_tail(page._lru, pages)
    return pages


def target(page: Page, private: object) -> Page | None:
    return page.vm.alloc_page(nid=1)


@pytest.mark.parametrize("era", ERAS)
def test_pages_move_with_their_content(era: str) -> None:
    task = started(era)
    before = [page_of(task, n) for n in range(4)]
    assert move(task, 1) == (0, [1, 1, 1, 1])
    assert [page_of(task, n).node for n in range(4)] == [1] * 4
    assert all(page._refcount == 0 for page in before)
    check(task)


@pytest.mark.parametrize("era", ERAS)
def test_shared_pages_move_for_all_who_map_them(era: str) -> None:
    task = started(era, flags=RW | VM_SHARED)
    child = task.fork("child")
    for n in range(4):
        child.read(START + n * 4096, 1)
    assert move(task, 1)[0] == 0
    assert entry(task) >> PTE_SHIFT == entry(child) >> PTE_SHIFT
    child.write(START, b"seen by both")
    assert task.read(START, 12) == b"seen by both"
    validate_vm(task.user.vm)


@pytest.mark.parametrize("era", ERAS)
def test_a_reference_that_is_not_expected_keeps_a_page_where_it_is(era: str) -> None:
    task = started(era)
    page = page_of(task, 1)
    get_page(page)
    ret, status = move(task, 1)
    assert (ret, status) == (1, [-99] * 4)
    assert page_of(task, 1) is page
    assert [page_of(task, n).node for n in range(4)] == [1, 0, 1, 1]
    put_page(page)
    check(task)
    assert move(task, 1) == (0, [1, 1, 1, 1])
    check(task)


@pytest.mark.parametrize("era", ERAS)
def test_a_failure_gives_every_entry_back_as_it_was(era: str) -> None:
    task = started(era)
    child = task.fork("child")
    before = [(entry(task, n), entry(child, n)) for n in range(4)]
    for n in range(4):
        get_page(page_of(task, n))
    assert move(task, 1)[0] == 4
    assert [(entry(task, n), entry(child, n)) for n in range(4)] == before
    for n in range(4):
        put_page(page_of(task, n))
    check(task)


@pytest.mark.parametrize("era", ERAS)
@pytest.mark.parametrize("mode", [MIGRATE_ASYNC, MIGRATE_SYNC])
def test_a_page_under_writeback_is_waited_for_only_where_the_mode_allows(era: str, mode: int) -> None:
    task = started(era)
    user = task.user
    page = page_of(task)
    page._flags |= 1 << PG_writeback

    def end_writeback() -> None:
        page._flags &= ~(1 << PG_writeback)

    queue = user.vm.workqueue("disk")
    queue.queue_work(Work(end_writeback))
    pages = isolated(task, 0)
    left = migrate_pages(pages, target, None, None, mode, MR_SYSCALL)
    assert left == (1 if mode == MIGRATE_ASYNC else 0)
    putback_movable_pages(pages)
    user.vm.run_work()
    assert page_of(task).node == (0 if mode == MIGRATE_ASYNC else 1)
    check(task)


@pytest.mark.parametrize("era", ERAS)
def test_who_must_not_wait_leaves_a_locked_page(era: str) -> None:
    task = started(era)
    pages = isolated(task, 0, 1)
    page = page_of(task)
    lock_page(page)
    assert migrate_pages(pages, target, None, None, MIGRATE_ASYNC, MR_SYSCALL) == 1
    unlock_page(page)
    putback_movable_pages(pages)
    check(task)


@pytest.mark.parametrize("era", ERAS)
def test_a_page_that_its_process_gave_up_is_done_with(era: str) -> None:
    task = started(era)
    pages = isolated(task, 0, 1, 2, 3)
    task.exit()
    assert migrate_pages(pages, target, None, None, MIGRATE_SYNC, MR_SYSCALL) == 0
    validate_vm(task.user.vm)


def test_a_page_in_a_batch_cannot_be_isolated() -> None:
    task = started()
    do_mmap(task, START + (1 << 20), 4096, RW)
    task.write(START + (1 << 20), b"x")
    assert task.mm is not None
    page = task.user.vm.pages[task.mm.pgtable[(START >> 12) + 256] >> PTE_SHIFT]
    assert isolate_lru_page(page) < 0
    lru_add_drain_all(task.user)
    assert isolate_lru_page(page) == 0


def test_the_steps_of_one_page_in_their_order() -> None:
    task = started("4.19", pages=1, flags=RW | VM_SHARED)
    kinds: list[tuple[str, int]] = []
    vm = task.user.vm
    pfn = page_of(task).pfn

    vm.observe(lambda event: kinds.append((event.kind, event.pfn)))
    assert move(task, 1, 1) == (0, [1])
    old = "isolate_lru_page trylock_page set_migration_pte move_mapping move_lru_page_ret unlock_page".split()
    new = "alloc_page trylock_page copy_page remove_migration_pte unlock_page".split()
    assert [kind for kind, here in kinds if here == pfn and kind in old] == old
    assert [kind for kind, here in kinds if here == page_of(task).pfn and kind in new] == new
    steps = [kind for kind, _ in kinds]
    assert steps.index("set_migration_pte") < steps.index("copy_page") < steps.index("remove_migration_pte")
    validate_vm(vm)


def test_dirty_write_and_lock_go_with_the_page() -> None:
    task = started()
    do_mlock(task, START, 2 * 4096)
    assert move(task, 1)[0] == 0
    assert all(entry(task, n) & (PTE_RW | PTE_DIRTY) == PTE_RW | PTE_DIRTY for n in range(4))
    assert not any(entry(task, n) & PTE_MIGRATION for n in range(4))
    check(task)


# --- customers ---


class Mixed:
    """One zone with pages of a driver, anonymous pages, pages of files and pages that cannot move, in turns."""

    def __init__(self, era: str, nodes: int = 1) -> None:
        self.vm = VM((256 * nodes) << 12, nodes=nodes, era=era, pageblock_order=4)
        self.keeper = Keeper(self.vm)
        self.task = userspace(self.vm).spawn("demo")
        do_mmap(self.task, START, 40 * 4096, RW)
        do_mmap(self.task, START + (1 << 20), 40 * 4096, RW | VM_SHARED)
        for n in range(40):
            self.task.write(START + n * 4096, content(n))
            page = self.vm.alloc_page()
            assert page is not None
            self.keeper.adopt(page)
            self.task.write(START + (1 << 20) + n * 4096, content(100 + n))
        lru_add_drain_all(self.task.user)

    def release_some(self) -> None:
        """Every other page of each kind goes, so that free memory is in pieces."""
        from movable.mm.madvise import madvise_dontneed

        for n in range(0, 40, 2):
            madvise_dontneed(self.task, START + n * 4096, 4096)
        for page in list(self.keeper.pages)[::2]:
            self.keeper.release(page)

    def check(self, every: int = 1) -> None:
        for n in range(40):
            if every == 1 or n % 2:
                assert self.task.read(START + n * 4096, 4096) == content(n)
            assert self.task.read(START + (1 << 20) + n * 4096, 4096) == content(100 + n)
        for page, number in self.keeper.pages.items():
            assert bytes(page.data[:8]) == number.to_bytes(8, "little")
        validate_vm(self.vm)


@pytest.fixture(params=ERAS)
def mixed(request: pytest.FixtureRequest) -> Mixed:
    if request.param in ("6.17", "7.3"):
        pytest.skip("the driver of this test marks its pages as older kernels do")
    return Mixed(request.param)


def test_compaction_moves_both_kinds(mixed: Mixed) -> None:
    mixed.release_some()
    before = {page.pfn for page in mixed.vm.pages.values() if page._refcount}
    compact_memory(mixed.vm)
    after = {page.pfn for page in mixed.vm.pages.values() if page._refcount}
    assert before != after
    assert mixed.vm.vmstat["pgmigrate_success"] >= 20
    mixed.check(2)


def test_a_range_is_emptied_of_both_kinds(mixed: Mixed) -> None:
    vm = mixed.vm
    used = sorted(page.pfn for page in vm.pages.values() if page._refcount and page is not mixed.task.user.zero_page)
    zero = mixed.task.user.zero_page.pfn
    start = next(pfn for pfn in range(used[0] & ~31, 256, 32) if not pfn <= zero < pfn + 32)
    assert alloc_contig_range(vm, start, start + 16) == 0
    mixed.check()
    free_contig_range(vm, start, 16)
    mixed.check()


def test_a_block_with_both_kinds_goes_offline(mixed: Mixed) -> None:
    vm = mixed.vm
    zero = mixed.task.user.zero_page.pfn
    lru = [page.pfn for page in vm.pages.values() if page._mapcount >= 0]
    block = next(pfn & ~15 for pfn in lru if pfn & ~15 != zero & ~15)
    assert offline_pages(vm, block, 16) == 0
    mixed.check()


def test_frames_of_both_kinds_are_retired(mixed: Mixed) -> None:
    vm = mixed.vm
    frames = [page_of(mixed.task, n).pfn for n in (0, 1)] + [next(iter(mixed.keeper.pages)).pfn]
    for pfn in frames:
        assert soft_offline_page(vm, pfn) == 0
        assert vm.page(pfn)._flags >> PG_hwpoison & 1
    mixed.check()


def test_a_pinned_page_is_not_retired(mixed: Mixed) -> None:
    page = page_of(mixed.task)
    get_page(page)
    assert soft_offline_page(mixed.vm, page.pfn) < 0
    put_page(page)
    mixed.check()
