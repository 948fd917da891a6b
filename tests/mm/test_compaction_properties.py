"""Whatever lies where and whatever drivers answer: frames, content and references are conserved, and nothing stays isolated."""

from __future__ import annotations

from collections.abc import Callable
from errno import EAGAIN, EBUSY, EINVAL, ENOMEM

from hypothesis import given, settings
from hypothesis import strategies as st

from movable import GFP_HIGHUSER_MOVABLE, GFP_KERNEL, VM, Page, put_page
from movable.mm.compaction import CompactControl, compact_memory, compact_zone, try_to_compact_pages
from movable.mm.memory_failure import soft_offline_page
from movable.mm.memory_hotplug import offline_pages, online_pages
from movable.mm.page_alloc_contig import alloc_contig_range, free_contig_range
from tests.drivers_for_tests.keeper import Keeper, free_frames, machine, settle

FRAMES = 128
PAGEBLOCK_ORDER = 3
ANSWERS = st.sampled_from([0, 0, 0, 0, 0, -EAGAIN, -EBUSY, -ENOMEM, -EINVAL])

frames = st.lists(st.sampled_from("mmmm....p"), min_size=FRAMES, max_size=FRAMES)
pfns = st.integers(0, FRAMES - 1)
blocks = st.integers(0, FRAMES // 8 - 1)


def laid_out(plan: list[str], zones: int = 1) -> tuple[VM, Keeper]:
    vm = machine(FRAMES // zones, PAGEBLOCK_ORDER, zones)
    chosen: dict[str, list[int]] = {"m": [], "p": [], ".": []}
    for pfn, what in enumerate(plan):
        chosen[what].append(pfn)
    return vm, settle(vm, chosen["m"], chosen["p"])


@settings(deadline=None)
@given(frames, st.sampled_from([1, 2]))
def test_compaction_of_any_pattern(plan: list[str], zones: int) -> None:
    vm, keeper = laid_out(plan, zones)
    before = len(free_frames(vm)), len(keeper.pages)
    compact_memory(vm)
    keeper.check(content=True)
    assert (len(free_frames(vm)), len(keeper.pages)) == before
    assert vm.vmstat["movable_migrated"] == keeper.count("migrate") == vm.vmstat["pgmigrate_success"]


@settings(deadline=None)
@given(frames)
def test_pages_only_ever_move_up(plan: list[str]) -> None:
    vm, keeper = laid_out(plan)
    where = {number: page.pfn for page, number in keeper.pages.items()}
    compact_memory(vm)
    assert all(page.pfn >= where[number] for page, number in keeper.pages.items())


@settings(deadline=None)
@given(frames, st.data())
def test_any_answers_and_any_control(plan: list[str], data: st.DataObject) -> None:
    vm, keeper = laid_out(plan)
    keeper.answer = lambda page: data.draw(ANSWERS)

    def on_isolate(page: Page) -> None:
        if keeper.isolated and data.draw(st.integers(0, 7)) == 0:
            keeper.release(next(iter(keeper.isolated)))

    keeper.on_isolate = on_isolate
    zone = vm.zones[0]
    for _ in range(data.draw(st.integers(1, 3))):
        cc = CompactControl(
            zone,
            data.draw(st.integers(-1, 5)),
            data.draw(st.sampled_from([GFP_KERNEL, GFP_HIGHUSER_MOVABLE])),
            data.draw(st.integers(0, 2)),
            ignore_skip_hint=data.draw(st.booleans()),
            ignore_block_suitable=data.draw(st.booleans()),
            whole_zone=data.draw(st.booleans()),
            direct_compaction=data.draw(st.booleans()),
        )
        cc.direct_compaction = cc.direct_compaction and cc.order >= 0
        used = len(keeper.pages)
        compact_zone(zone, cc)
        keeper.check(content=True)
        assert len(keeper.pages) <= used


Operation = Callable[[VM, Keeper, st.DataObject], object]


def op_contig(vm: VM, keeper: Keeper, data: st.DataObject) -> None:
    start = data.draw(pfns)
    end = min(FRAMES, start + data.draw(st.integers(1, 24)))
    if alloc_contig_range(vm, start, end) == 0:
        keeper.check(content=True)
        free_contig_range(vm, start, end - start)


def op_offline(vm: VM, keeper: Keeper, data: st.DataObject) -> None:
    offline_pages(vm, 8 * data.draw(blocks), 8 * data.draw(st.integers(1, 3)), max_passes=3)


def op_online(vm: VM, keeper: Keeper, data: st.DataObject) -> None:
    online_pages(vm, 8 * data.draw(blocks), 8)


def op_soft_offline(vm: VM, keeper: Keeper, data: st.DataObject) -> None:
    soft_offline_page(vm, data.draw(pfns))


def op_direct(vm: VM, keeper: Keeper, data: st.DataObject) -> None:
    try_to_compact_pages(vm, GFP_HIGHUSER_MOVABLE, data.draw(st.integers(1, 4)), data.draw(st.integers(0, 2)))


def op_allocate(vm: VM, keeper: Keeper, data: st.DataObject) -> None:
    page = vm.alloc_pages(GFP_HIGHUSER_MOVABLE, data.draw(st.integers(0, 4)))
    if page is not None and page.order == 0 and data.draw(st.booleans()):
        keeper.adopt(page)
    elif page is not None:
        put_page(page)


def op_release(vm: VM, keeper: Keeper, data: st.DataObject) -> None:
    if keeper.pages:
        keeper.release(data.draw(st.sampled_from(sorted(keeper.pages, key=lambda page: page.pfn))))


OPERATIONS: list[Operation] = [op_contig, op_offline, op_online, op_soft_offline, op_direct, op_allocate, op_release]


@settings(max_examples=150, deadline=None)
@given(frames, st.data())
def test_any_sequence_of_customers(plan: list[str], data: st.DataObject) -> None:
    """The census of ``check`` counts free, used, offline and lost frames after every step."""
    vm, keeper = laid_out(plan)
    keeper.answer = lambda page: data.draw(ANSWERS)
    for _ in range(data.draw(st.integers(1, 8))):
        used = len(keeper.pages)
        operation = data.draw(st.sampled_from(OPERATIONS))
        operation(vm, keeper, data)
        keeper.check(content=True)
        assert abs(len(keeper.pages) - used) <= (operation in (op_allocate, op_release))
        zone = vm.zones[0]
        assert zone.present_pages == FRAMES - 8 * len(zone.offline)
        assert zone.nr_isolate_pageblock == 0
