"""Offlining and onlining of memory blocks: what moves, what forbids it, where it gives up, and that the census adds up."""

from __future__ import annotations

from errno import EAGAIN, EBUSY, EINTR, EINVAL, ENODEV, ENOMEM

import pytest

from movable import (
    GFP_HIGHUSER_MOVABLE,
    MIGRATE_MOVABLE,
    MIGRATE_RECLAIMABLE,
    VM,
    Page,
    UsageError,
    lock_page,
    put_page,
    unlock_page,
)
from movable.mm.cpuset import Cpuset
from movable.mm.memory_failure import soft_offline_page
from movable.mm.memory_hotplug import MAX_PASSES, do_migrate_range, offline_pages, online_pages, scan_movable_pages
from movable.mm.mempolicy import MPOL_BIND
from movable.mm.mempolicy_calls import UserMask, sys_migrate_pages, sys_set_mempolicy
from movable.mm.mm_types import VM_READ, VM_WRITE
from movable.mm.mmap import do_mmap
from movable.mm.move_pages import UserArray, sys_move_pages
from movable.mm.page_isolation import change_pageblock_type, start_isolate_page_range
from movable.mm.userspace import userspace
from movable.mm.validate import validate_vm
from tests.drivers_for_tests.keeper import free_frames, machine, settle

FRAMES = 256


def test_a_block_with_movable_pages_goes_offline() -> None:
    vm = machine(FRAMES)
    keeper = settle(vm, range(1, FRAMES, 2))
    zone = vm.zones[0]
    assert offline_pages(vm, 64, 32) == 0
    keeper.check()
    assert not {page.pfn for page in keeper.pages} & set(range(64, 96))
    assert free_frames(vm).isdisjoint(range(64, 96))
    assert zone.present_pages == zone.managed_pages == FRAMES - 32
    assert list(zone.offline_ranges()) == [(64, 80), (80, 96)]
    assert zone.nr_isolate_pageblock == 0
    assert zone.nr_free == FRAMES - 32 - len(keeper.pages)


def test_and_comes_back() -> None:
    vm = machine(FRAMES)
    keeper = settle(vm, range(1, FRAMES, 2))
    zone = vm.zones[0]
    marks = zone.watermark
    assert offline_pages(vm, 64, 32) == 0
    assert zone.watermark < marks
    assert online_pages(vm, 64, 32) == 0
    keeper.check()
    assert zone.watermark == marks
    assert zone.present_pages == zone.managed_pages == FRAMES
    assert free_frames(vm) >= set(range(64, 96))
    assert not list(zone.offline_ranges())
    assert zone.pageblock_type(64) == MIGRATE_MOVABLE


def test_pages_go_to_another_node() -> None:
    vm = machine(128, zones=2)
    keeper = settle(vm, range(0, 128, 4))
    assert offline_pages(vm, 0, 128) == 0
    assert {page.node for page in keeper.pages} == {1}
    assert vm.nodes[0].present_pages == 0
    keeper.check()
    page = vm.alloc_page(GFP_HIGHUSER_MOVABLE, nid=0)
    assert page is not None
    assert page.node == 1


def test_ascending_order_and_256_at_once() -> None:
    vm = VM(layout=[(0, "Normal", 2048)], pageblock_order=9)
    keeper = settle(vm, range(512))
    sizes: list[int] = []
    vm.observe(lambda event: sizes.append(event.args["nr"]) if event.kind == "migrate_pages" else None)
    assert offline_pages(vm, 0, 512) == 0
    assert sizes == [256, 256]
    assert [pfn for name, pfn in keeper.calls if name == "migrate"] == list(range(512))


def test_an_unmovable_page_forbids_it() -> None:
    vm = machine(FRAMES)
    keeper = settle(vm, range(65, 96, 2), [64])
    before = free_frames(vm)
    assert offline_pages(vm, 64, 32) == -EBUSY
    assert not keeper.calls
    assert free_frames(vm) == before
    keeper.check()


def test_a_page_that_is_never_ready_is_tried_until_the_limit() -> None:
    vm = machine(FRAMES)
    keeper = settle(vm, range(64, 96))
    keeper.answer = lambda page: -EAGAIN if page.pfn == 70 else 0
    assert offline_pages(vm, 64, 32, max_passes=7) == -EINTR
    assert keeper.count("migrate", 70) == 10 * (7 + 1)  # the first pass moved the others
    assert {page.pfn for page in keeper.pages} & set(range(64, 96)) == {70}
    keeper.check()
    assert vm.zones[0].nr_isolate_pageblock == 0
    assert vm.zones[0].present_pages == FRAMES


def test_the_default_limit() -> None:
    vm = machine(FRAMES)
    keeper = settle(vm, [70])
    keeper.answer = lambda page: -EBUSY
    assert offline_pages(vm, 64, 16) == -EINTR
    assert keeper.count("migrate") == MAX_PASSES
    keeper.check()


def test_a_range_that_stays_becomes_movable() -> None:
    """As in the kernel, which does not remember what the pageblocks were."""
    vm = machine(FRAMES)
    keeper = settle(vm, [70])
    keeper.answer = lambda page: -EBUSY
    change_pageblock_type(vm.zones[0], 64, MIGRATE_RECLAIMABLE)
    assert offline_pages(vm, 64, 16, max_passes=1) == -EINTR
    assert vm.zones[0].pageblock_type(64) == MIGRATE_MOVABLE


def test_progress_does_not_use_up_the_limit() -> None:
    vm = machine(FRAMES)
    keeper = settle(vm, range(64, 96))
    keeper.answer = lambda page: -EBUSY if page.pfn > min(page.pfn for page in keeper.isolated) else 0
    assert offline_pages(vm, 64, 32, max_passes=1) == 0
    keeper.check()


def test_no_room_elsewhere() -> None:
    vm = machine(64)
    keeper = settle(vm, range(60))
    assert offline_pages(vm, 0, 32, max_passes=3) == -EINTR
    assert not keeper.count("migrate")
    keeper.check()


def test_out_of_memory_in_the_driver_is_tried_again() -> None:
    vm = machine(FRAMES)
    keeper = settle(vm, range(64, 96))
    keeper.answer = lambda page: -ENOMEM if keeper.count("migrate", page.pfn) < 3 else 0
    assert offline_pages(vm, 64, 32) == 0
    keeper.check()


def test_a_page_released_while_isolated_is_as_good_as_moved() -> None:
    vm = machine(FRAMES)
    keeper = settle(vm, range(64, 80))

    def on_isolate(page: object) -> None:
        if len(keeper.isolated) == 5:
            keeper.release(next(iter(keeper.isolated)))

    keeper.on_isolate = on_isolate
    assert offline_pages(vm, 64, 16) == 0
    assert vm.vmstat["movable_released_isolated"] > 0
    keeper.check()


def test_a_page_that_will_not_be_isolated_ends_the_pass() -> None:
    vm = machine(FRAMES)
    keeper = settle(vm, range(64, 70))
    assert start_isolate_page_range(vm.zones[0], 64, 80, MIGRATE_MOVABLE) is not None
    assert scan_movable_pages(vm, 64, 80) == 64
    page = vm.page(66)
    page._flags |= 1  # somebody holds the page lock
    assert do_migrate_range(vm, 64, 80) == 0
    assert keeper.count("isolate") == keeper.count("putback") == 2
    page._flags &= ~1
    assert do_migrate_range(vm, 64, 80) == 6
    assert scan_movable_pages(vm, 64, 80) == -1
    keeper.check()


def test_a_page_that_goes_while_it_is_looked_at_does_not_end_the_pass() -> None:
    """Its owner gave it up, and the reference of the failed isolation was the last."""
    vm = machine(FRAMES)
    keeper = settle(vm, range(64, 70))
    assert start_isolate_page_range(vm.zones[0], 64, 80, MIGRATE_MOVABLE) is not None
    isolate_page = keeper.mapping.a_ops.isolate_page

    def isolate_or_release(page: Page, mode: int) -> bool:
        if page.pfn != 66:
            assert isolate_page is not None
            return isolate_page(page, mode)
        unlock_page(page)
        keeper.release(page)
        lock_page(page)
        return False

    keeper.mapping.a_ops = keeper.mapping.a_ops._replace(isolate_page=isolate_or_release)
    assert do_migrate_range(vm, 64, 80) == 5
    assert scan_movable_pages(vm, 64, 80) == -1
    keeper.check()


def test_a_frame_that_nobody_owns_and_that_is_not_free_is_waited_for() -> None:
    """A page refused at free is neither movable nor free: the range can never be complete."""
    vm = machine(FRAMES)
    settle(vm, [], [66])
    page = vm.page(66)
    page._flags |= 1 << 12
    put_page(page)
    assert offline_pages(vm, 64, 16, max_passes=4) == -EINTR
    validate_vm(vm)


@pytest.mark.parametrize(
    ("start", "count"), [(8, 16), (64, 8), (64, 0), (64, -16), (240, 32), (112, 32)], ids=lambda value: str(value)
)
def test_ranges_that_cannot_go(start: int, count: int) -> None:
    vm = machine(128, zones=2)
    assert offline_pages(vm, start, count) == -EINVAL
    assert online_pages(vm, start, count) == -EINVAL
    assert vm.zones[0].nr_free == vm.zones[1].nr_free == 128


def test_what_is_offline_cannot_go_and_what_is_online_cannot_come() -> None:
    vm = machine(FRAMES)
    assert online_pages(vm, 32, 16) == -EINVAL
    assert offline_pages(vm, 32, 16) == 0
    assert offline_pages(vm, 32, 16) == -EINVAL
    assert offline_pages(vm, 16, 32) == -EINVAL
    assert online_pages(vm, 16, 32) == -EINVAL
    with pytest.raises(UsageError, match="frame 256"):
        offline_pages(vm, FRAMES, 16)
    assert online_pages(vm, 32, 16) == 0
    assert list(vm.zones[0].free_blocks()) == [(0, 8)]


def test_a_poisoned_frame_does_not_keep_its_block_and_stays_poisoned() -> None:
    vm = machine(FRAMES)
    keeper = settle(vm, range(64, 96, 2))
    assert soft_offline_page(vm, 65) == 0
    assert soft_offline_page(vm, 70) == 0
    lost = list(vm.bad_pages)
    assert offline_pages(vm, 64, 32) == 0
    assert not vm.bad_pages
    keeper.check()
    assert online_pages(vm, 64, 32) == 0
    assert sorted(vm.bad_pages) == lost
    assert free_frames(vm).isdisjoint({65, 70})
    keeper.check()


def test_a_node_without_memory_is_none_to_calls_until_some_comes_back() -> None:
    vm = VM(1 << 20, nodes=2, era="6.1")
    task = userspace(vm).spawn("work")
    do_mmap(task, 1 << 20, 4096, VM_READ | VM_WRITE)
    task.write(1 << 20, b"x")
    zone = vm.nodes[1].zones[0]
    assert offline_pages(vm, zone.start_pfn, zone.spanned_pages) == 0

    def answers() -> list[int]:
        status = UserArray([0])
        ret = sys_move_pages(task, 0, 1, UserArray([1 << 20]), UserArray([1]), status, 2)
        return [ret, sys_set_mempolicy(task, MPOL_BIND, UserMask(2), 64), sys_migrate_pages(task, 0, 64, UserMask(1), UserMask(2))]

    assert answers() == [-ENODEV, -EINVAL, -EINVAL]
    assert online_pages(vm, zone.start_pfn, zone.spanned_pages) == 0
    assert answers() == [0, 0, 0]


def test_groups_have_the_nodes_with_memory() -> None:
    vm = VM(1 << 20, nodes=2, era="6.1")
    user = userspace(vm)
    group = Cpuset(user, "a", user.top_cpuset)
    assert group.write_mems("1") == 0
    outside, inside = user.spawn("outside"), user.spawn("inside", cpuset=group)
    zone = vm.nodes[1].zones[0]

    def nodes() -> list[int]:
        return [user.top_cpuset.effective_mems, outside.mems_allowed, group.effective_mems, inside.mems_allowed]

    assert nodes() == [3, 3, 2, 2]
    assert offline_pages(vm, zone.start_pfn, zone.spanned_pages) == 0
    assert nodes() == [1, 1, 1, 1] and group.mems_allowed == 2
    assert online_pages(vm, zone.start_pfn, zone.spanned_pages) == 0
    assert nodes() == [3, 3, 2, 2]
