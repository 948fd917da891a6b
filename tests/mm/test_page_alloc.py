"""Pages handed out and taken back: which zone, which state, what is refused, and the reserves."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from movable.errors import SleepInAtomic, UsageError
from movable.events import Event
from movable.mm.buddy import move_freepages_block
from movable.mm.gfp import (
    GFP_ATOMIC,
    GFP_COMP,
    GFP_DMA,
    GFP_HIGHUSER_MOVABLE,
    GFP_KERNEL,
    GFP_MOVABLE_MASK,
    GFP_NOMEMALLOC,
    GFP_NOWAIT,
    GFP_THISNODE,
    GFP_ZERO,
    MIGRATE_CMA,
    MIGRATE_HIGHATOMIC,
    MIGRATE_ISOLATE,
    MIGRATE_UNMOVABLE,
)
from movable.mm.list import ListHead, list_add, list_del
from movable.mm.page import (
    FIELD_POISON,
    PAGE_POISON,
    Page,
    put_page,
)
from movable.mm.page_alloc import unreserve_highatomic_pageblock
from movable.mm.page_flags import (
    PAGE_MAPPING_MOVABLE,
    PG_head,
    PG_hwpoison,
    PG_lru,
    PG_private,
    PG_referenced,
    PG_reserved,
    PG_writeback,
)
from movable.mm.validate import validate_vm
from movable.mm.vm import VM
from tests.drivers_for_tests.taking import alloc, take_all

# --- a new page ---


@pytest.mark.parametrize("watched", [False, True])
def test_a_new_page_is_pristine(watched: bool) -> None:
    vm = VM()
    if watched:
        vm.observe(lambda event: None)
    first = alloc(vm)
    first._flags |= 1 << PG_referenced
    first._index = 7
    put_page(first)
    page = alloc(vm)
    assert page is first
    assert (page._flags, page._refcount, page._mapcount, page._mapping, page._private, page._index, page.order) == (
        (0, 1, -1, 0, 0, 0, 0)
    )
    assert page._lru.next is page._lru and page._lru.list is None
    validate_vm(vm)


def test_a_new_page_has_a_fresh_list_node() -> None:
    vm = VM()
    head = ListHead()
    page = alloc(vm)
    list_add(page.lru, head)
    list_del(page.lru)
    put_page(page)
    assert alloc(vm) is page
    list_add(page.lru, head)
    assert list(head) == [page]


def test_a_node_left_on_a_list_is_not_reused() -> None:
    vm = VM()
    head = ListHead()
    page = alloc(vm)
    list_add(page.lru, head)
    stale = page.lru
    put_page(page)
    assert alloc(vm) is page
    assert page.lru is not stale and page.lru.list is None
    assert head.next is stale


def test_zeroed_pages() -> None:
    vm = VM()
    block = alloc(vm, order=2)
    for pfn in range(block.pfn, block.pfn + 4):
        vm.page(pfn).data[:] = b"x" * 4096
    put_page(block)
    assert alloc(vm, order=2) is block and bytes(block.data) == PAGE_POISON
    put_page(block)
    again = alloc(vm, GFP_KERNEL | GFP_ZERO, 2)
    assert again is block
    assert all(not any(vm.page(pfn).data) for pfn in range(block.pfn, block.pfn + 4))
    put_page(again)
    single = alloc(vm, GFP_KERNEL | GFP_ZERO)
    assert single is block and not any(single.data)


def test_compound_pages_have_a_head() -> None:
    vm = VM()
    assert alloc(vm, GFP_KERNEL | GFP_COMP, 2)._flags == 1 << PG_head
    assert alloc(vm, GFP_KERNEL, 2)._flags == 0
    assert alloc(vm, GFP_KERNEL | GFP_COMP)._flags == 0


@pytest.mark.parametrize("order", [-1, 11])
def test_orders_that_do_not_exist(order: int) -> None:
    with pytest.raises(UsageError, match=f"order {order} "):
        VM().alloc_pages(GFP_KERNEL, order)


def test_nodes_that_do_not_exist() -> None:
    vm = VM()
    with pytest.raises(UsageError, match="node 1 "):
        vm.alloc_page(GFP_KERNEL, 1)
    assert vm.alloc_page(GFP_KERNEL, -1) is not None


def test_contradicting_gfp_is_refused() -> None:
    with pytest.raises(UsageError):
        VM().alloc_page(GFP_KERNEL | GFP_MOVABLE_MASK)


# --- which zone ---


def test_zones_are_used_from_the_highest_down_and_then_other_nodes() -> None:
    vm = VM(layout=[(0, "DMA", 32), (0, "Normal", 32), (0, "Movable", 32), (1, "Normal", 32)], pageblock_order=3)
    used: list[str] = []
    for page in take_all(vm, GFP_HIGHUSER_MOVABLE, 0):
        name = f"{page.node}{page.zone.name}"
        if name not in used:
            used.append(name)
    assert used == ["0Movable", "0Normal", "0DMA", "1Normal"]


def test_only_movable_requests_enter_the_movable_zone() -> None:
    vm = VM(layout=[(0, "Normal", 32), (0, "Movable", 32)], pageblock_order=3)
    assert {page.zone.name for page in take_all(vm, GFP_KERNEL)} == {"Normal"}
    assert {page.zone.name for page in take_all(vm, GFP_HIGHUSER_MOVABLE)} == {"Movable"}


def test_this_node_only() -> None:
    vm = VM(64 << 12, nodes=2)
    assert {page.node for page in take_all(vm, GFP_KERNEL | GFP_THISNODE, 1)} == {1}
    assert alloc(vm, GFP_KERNEL, nid=1).node == 0


def test_a_zone_that_is_not_there() -> None:
    assert VM().alloc_page(GFP_KERNEL | GFP_DMA) is None


def test_lower_zones_keep_some_frames_back() -> None:
    vm = VM(layout=[(0, "Normal", 64), (0, "Movable", 512)], pageblock_order=3)
    normal = vm.zones[0]
    take_all(vm, GFP_HIGHUSER_MOVABLE)
    assert normal.nr_free == normal.watermark[0] + 512 // 32
    take_all(vm, GFP_KERNEL)
    assert normal.nr_free == normal.watermark[0]


# --- watermarks ---


def test_who_may_take_how_much() -> None:
    vm = VM()
    zone = vm.zones[0]
    zone.watermark = (16, 20, 24)
    left = {}
    for name, gfp in [
        ("kernel", GFP_KERNEL),
        ("nowait", GFP_NOWAIT),
        ("atomic", GFP_ATOMIC),
        ("atomic, no reserves", GFP_ATOMIC | GFP_NOMEMALLOC),
    ]:
        held = take_all(vm, gfp)
        left[name] = zone.nr_free
        for page in held:
            put_page(page)
    assert left == {"kernel": 16, "nowait": 16, "atomic": 6, "atomic, no reserves": 8}
    assert list(zone.free_blocks()) == [(0, 6)]


def test_who_frees_memory_may_take_all() -> None:
    vm = VM()
    take_all(vm)
    assert vm.zones[0].nr_free == 4
    vm.current.memalloc = True
    assert vm.alloc_page(GFP_KERNEL | GFP_NOMEMALLOC) is None
    assert len(take_all(vm)) == 4
    assert vm.zones[0].nr_free == 0


# --- free ---


def test_a_freed_page_is_wiped_and_poisoned() -> None:
    vm = VM()
    page = alloc(vm)
    page.data[:] = b"secret!!" * 512
    page._flags |= 1 << PG_referenced
    page._mapping = PAGE_MAPPING_MOVABLE
    put_page(page)
    assert (page._flags, page._mapping) == (0, 0)
    assert page._private is FIELD_POISON and page._index is FIELD_POISON
    assert bytes(page.data) == PAGE_POISON
    assert not vm.bad_pages


def test_poisoning_can_be_off() -> None:
    vm = VM(page_poisoning=False)
    page = alloc(vm)
    page.data[:3] = b"abc"
    put_page(page)
    assert bytes(page.data[:3]) == b"abc"


def corrupt(field: str, value: int) -> Callable[[Page], None]:
    return lambda page: setattr(page, field, value)


@pytest.mark.parametrize("watched", [False, True])
@pytest.mark.parametrize(
    ("harm", "reason"),
    [
        (corrupt("_mapcount", 0), "mapcount 0"),
        (corrupt("_mapping", 0x1000), "mapping 0x1000"),
        (corrupt("_flags", 1 << PG_lru), "flag lru"),
        (corrupt("_flags", 1 << PG_private), "flag private"),
        (corrupt("_flags", 1 << PG_writeback | 1 << PG_reserved), "flag writeback set, flag reserved set"),
    ],
)
def test_bad_pages_are_kept_out_of_circulation(harm: Callable[[Page], None], reason: str, watched: bool) -> None:
    vm = VM()
    events: list[Event] = []
    if watched:
        vm.observe(events.append)
    page = alloc(vm)
    harm(page)
    put_page(page)
    [(pfn, why)] = vm.bad_pages
    assert pfn == page.pfn and reason in why
    assert vm.zones[0].nr_free == 63
    assert page.pfn not in {other.pfn for other in take_all(vm)}
    assert [event.args for event in events if event.kind == "bad_page"] == [{"reason": why}] * watched


def test_a_bad_block_is_lost_whole() -> None:
    vm = VM()
    page = alloc(vm, order=2)
    page._mapcount = 3
    put_page(page)
    assert [pfn for pfn, _ in vm.bad_pages] == [0, 1, 2, 3]
    validate_vm(vm)


@pytest.mark.parametrize("order", [0, 2])
def test_poisoned_hardware_is_never_handed_out(order: int) -> None:
    vm = VM()
    page = alloc(vm, order=order)
    last = vm.page(page.pfn + (1 << order) - 1)
    last._flags |= 1 << PG_hwpoison
    put_page(page)
    assert last._flags == 1 << PG_hwpoison and not vm.bad_pages
    validate_vm(vm)
    other = alloc(vm, order=order)
    assert other.pfn != page.pfn
    assert [pfn for pfn, _ in vm.bad_pages] == list(range(page.pfn, page.pfn + (1 << order)))
    validate_vm(vm)


def test_poisoned_hardware_is_not_handed_out_by_the_slow_path() -> None:
    vm = VM()
    page = alloc(vm)
    page._flags |= 1 << PG_hwpoison
    put_page(page)
    vm.zones[0].watermark = (0, 64, 64)
    assert alloc(vm).pfn != page.pfn
    assert [pfn for pfn, _ in vm.bad_pages] == [page.pfn]


@pytest.mark.parametrize("watched", [False, True])
def test_what_is_freed_in_an_isolated_pageblock_does_not_count(watched: bool) -> None:
    vm = VM(layout=[(0, "Normal", 64)], pageblock_order=3)
    zone = vm.zones[0]
    if watched:
        vm.observe(lambda event: None)
    pages = [alloc(vm) for _ in range(3)]
    assert zone.nr_free == 61
    zone.set_pageblock_migratetype(0, MIGRATE_ISOLATE)
    zone.nr_free -= move_freepages_block(zone, 0, MIGRATE_ISOLATE)
    assert zone.nr_free == 56
    for page in pages:
        put_page(page)
    assert zone.nr_free == 56
    assert zone.free_area[3].first(MIGRATE_ISOLATE) == 0


@pytest.mark.parametrize("watched", [False, True])
def test_a_page_that_will_soon_merge_goes_to_the_tail(watched: bool) -> None:
    vm = VM()
    vm.zones[0].watermark = (0, 0, 0)
    if watched:
        vm.observe(lambda event: None)
    pages = {page.pfn: page for page in take_all(vm)}
    for pfn in (8, 2, 3, 0):
        put_page(pages[pfn])
    assert list(vm.zones[0].free_area[0].blocks(MIGRATE_UNMOVABLE)) == [8, 0]


def test_counters() -> None:
    vm = VM()
    pages = [alloc(vm), alloc(vm, order=3)]
    vm.observe(lambda event: None)
    pages.append(alloc(vm))
    assert (vm.zones[0].pgalloc, vm.zones[0].pgfree) == (10, 0)
    for page in pages:
        put_page(page)
    assert (vm.zones[0].pgalloc, vm.zones[0].pgfree) == (10, 10)


# --- events ---


def test_events_tell_the_state_before() -> None:
    vm = VM()
    events: list[Event] = []
    vm.observe(events.append)
    page = alloc(vm, GFP_HIGHUSER_MOVABLE, 1)
    page._flags |= 1 << PG_referenced
    put_page(page)
    told = [(event.kind, event.pfn, event.flags, event.refs, event.args) for event in events]
    assert told == [
        ("alloc_page", 0, 0, 0, {"order": 1, "gfp": GFP_HIGHUSER_MOVABLE, "zone": "Normal"}),
        ("put_page", 0, 1 << PG_referenced, 1, {}),
        ("free_page", 0, 1 << PG_referenced, 0, {"order": 1}),
    ]


def test_waiting_for_memory_under_a_spin_lock_is_caught() -> None:
    vm = VM()
    with vm.spinlock("outer"):
        assert vm.alloc_page(GFP_ATOMIC) is not None
        with pytest.raises(SleepInAtomic, match="outer"):
            vm.alloc_page(GFP_KERNEL)


# --- the atomic reserve ---


def test_atomic_requests_of_higher_order_leave_a_reserve() -> None:
    vm = VM(layout=[(0, "Normal", 1024)], pageblock_order=3)
    zone = vm.zones[0]
    zone.watermark = (40, 1024, 1024)
    page = alloc(vm, GFP_ATOMIC, 1)
    assert zone.pageblock_type(page.pfn) == MIGRATE_HIGHATOMIC
    assert zone.nr_reserved_highatomic == 8
    alloc(vm, GFP_ATOMIC)
    assert zone.nr_reserved_highatomic == 8
    for _ in range(20):
        alloc(vm, GFP_ATOMIC, 3)
    # one per cent of 1024 frames and a pageblock, in steps of a pageblock
    assert zone.nr_reserved_highatomic == 24
    assert list(zone.pageblocks).count(MIGRATE_HIGHATOMIC) == 3
    validate_vm(vm)


def test_special_pageblocks_are_not_reserved() -> None:
    vm = VM(layout=[(0, "Normal", 64)], pageblock_order=3)
    zone = vm.zones[0]
    zone.watermark = (8, 64, 64)
    for pfn in range(0, 64, 8):
        zone.set_pageblock_migratetype(pfn, MIGRATE_CMA)
    alloc(vm, GFP_ATOMIC | 0x08, 1)
    assert zone.nr_reserved_highatomic == 0


def test_the_reserve_is_given_up_under_pressure() -> None:
    vm = VM(layout=[(0, "Normal", 64)], pageblock_order=3)
    zone = vm.zones[0]
    zone.watermark = (8, 64, 64)
    alloc(vm, GFP_ATOMIC, 1)
    assert zone.nr_reserved_highatomic == 8
    node = vm.nodes[0]
    assert not unreserve_highatomic_pageblock(node, GFP_KERNEL, force=False)
    zone.watermark = (0, 0, 0)
    # the whole pageblock is kept back, also the two frames of it that are in use
    assert len(take_all(vm, GFP_NOWAIT)) == 54
    page = alloc(vm, GFP_KERNEL)
    assert zone.pageblock_type(page.pfn) == MIGRATE_UNMOVABLE
    assert zone.nr_reserved_highatomic == 0
    validate_vm(vm)


# --- CMA ---


def test_cma_frames_serve_movable_requests_only() -> None:
    vm = VM(layout=[(0, "Normal", 2048)])
    zone = vm.zones[0]
    put_page(alloc(vm, GFP_KERNEL))  # what is remembered of such requests must be forgotten
    block = alloc(vm, GFP_HIGHUSER_MOVABLE, 10)
    for pfn in range(block.pfn, block.pfn + 1024, 1 << zone.pageblock_order):
        zone.set_pageblock_migratetype(pfn, MIGRATE_CMA)
    put_page(block)
    reserve = zone.watermark[0]
    assert (zone.nr_free, zone.nr_free_cma()) == (2048, 1024)
    assert len(take_all(vm, GFP_KERNEL)) == 1024 - reserve
    assert len(take_all(vm, GFP_HIGHUSER_MOVABLE)) == 1024
    assert (zone.nr_free, zone.nr_free_cma()) == (reserve, 0)
    validate_vm(vm)
