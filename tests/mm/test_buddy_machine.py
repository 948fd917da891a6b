"""Random work for the allocator, and after every step a census that trusts nothing the allocator says about itself."""

from __future__ import annotations

from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from movable.mm.buddy import free_one_page, move_freepages_block, pageblock_range, take_free_block
from movable.mm.gfp import (
    GFP_ATOMIC,
    GFP_COMP,
    GFP_DMA,
    GFP_HIGHUSER_MOVABLE,
    GFP_KERNEL,
    GFP_NOMEMALLOC,
    GFP_NORETRY,
    GFP_NOWAIT,
    GFP_RECLAIMABLE,
    GFP_THISNODE,
    GFP_ZERO,
    MAX_ORDER,
    MIGRATE_CMA,
    MIGRATE_HIGHATOMIC,
    MIGRATE_ISOLATE,
    MIGRATE_MOVABLE,
    MIGRATE_RECLAIMABLE,
    MIGRATE_UNMOVABLE,
)
from movable.mm.mmzone import WMARK_MIN, Zone
from movable.mm.page import Page, put_page
from movable.mm.page_alloc_watermarks import zone_watermark_ok
from movable.mm.page_flags import PG_private
from movable.mm.page_isolation import start_isolate_page_range, undo_isolate_page_range
from movable.mm.proc import kpageflags
from movable.mm.validate import validate_vm
from movable.mm.vm import VM

LAYOUTS = [
    ([(0, "Normal", 64)], 3),
    ([(0, "DMA", 8), (0, "Normal", 40), (1, "Normal", 64), (1, "Movable", 24)], 3),
    ([(0, "Normal", 96), (1, "Movable", 32)], 4),
    ([(0, "Normal", 32)], 0),
    ([(0, "Normal", 2048)], 10),
]
REQUESTS = [
    GFP_KERNEL,
    GFP_KERNEL | GFP_NORETRY,
    GFP_KERNEL | GFP_RECLAIMABLE,
    GFP_KERNEL | GFP_DMA,
    GFP_KERNEL | GFP_COMP | GFP_ZERO,
    GFP_HIGHUSER_MOVABLE,
    GFP_HIGHUSER_MOVABLE | GFP_THISNODE,
    GFP_NOWAIT,
    GFP_ATOMIC,
    GFP_ATOMIC | GFP_NOMEMALLOC,
]
ORDINARY = (MIGRATE_UNMOVABLE, MIGRATE_MOVABLE, MIGRATE_RECLAIMABLE)
number = st.integers(0, 10_000)


def covers(zone: Zone, order: int, pfn: int) -> set[int]:
    """The types of the pageblocks that a block lies in."""
    return {zone.pageblock_type(frame) for frame in range(pfn, pfn + (1 << order), 1 << min(order, zone.pageblock_order))}


def check_zone(zone: Zone) -> None:
    """Lists, ``buddy``, counters, alignment, and that everything that could merge has merged."""
    seen: dict[int, int] = {}
    for area in zone.free_area:
        for kind, blocks in enumerate(area.free_list):
            assert blocks is zone.free_lists[area.order << 3 | kind]
            for pfn in blocks:
                assert pfn not in seen and not pfn % (1 << area.order)
                assert zone.start_pfn <= pfn and pfn + (1 << area.order) <= zone.end_pfn
                seen[pfn] = area.order << 3 | kind
        assert area.nr_free == sum(map(len, area.free_list))
    assert seen == zone.buddy
    for pfn, code in seen.items():
        check_merged(zone, pfn, code >> 3)
        check_list(zone, pfn, code >> 3, code & 7)
    assert zone.nr_isolate_pageblock == zone.pageblocks.count(MIGRATE_ISOLATE)
    assert zone.nr_cma_blocks == zone.pageblocks.count(MIGRATE_CMA)


def check_merged(zone: Zone, pfn: int, order: int) -> None:
    other = pfn ^ 1 << order
    if order < MAX_ORDER - 1 and zone.buddy_order(other) == order:
        kinds = {zone.pageblock_type(pfn), zone.pageblock_type(other)}
        assert order >= zone.pageblock_order and len(kinds) == 2 and MIGRATE_ISOLATE in kinds


def check_list(zone: Zone, pfn: int, order: int, kind: int) -> None:
    """What is free in an isolated pageblock is on its list, and nothing else is. Other types may mix on purpose."""
    if order <= zone.pageblock_order:
        assert (zone.pageblock_type(pfn) == MIGRATE_ISOLATE) == (kind == MIGRATE_ISOLATE)
    else:
        kinds = covers(zone, order, pfn)
        assert kinds == {MIGRATE_ISOLATE} or MIGRATE_ISOLATE not in kinds


class Allocator(RuleBasedStateMachine):
    """Blocks are taken, given back, kept by compaction, isolated and spoiled, in any order."""

    @initialize(layout=st.sampled_from(LAYOUTS), watched=st.booleans())
    def boot(self, layout: tuple[list[tuple[int, str, int]], int], watched: bool) -> None:
        self.vm = VM(layout=layout[0], pageblock_order=layout[1])
        if watched:
            self.vm.observe(lambda event: None)
        self.held: list[Page] = []
        self.taken: list[tuple[Zone, int, int]] = []
        self.isolated: list[tuple[Zone, dict[int, int]]] = []

    def zone(self, choice: int) -> Zone:
        return self.vm.zones[choice % len(self.vm.zones)]

    def block(self, zone: Zone, choice: int) -> int:
        """The first frame of some pageblock."""
        start, end = zone.start_pfn, zone.end_pfn
        return start + (choice << zone.pageblock_order) % (end - start)

    # blocks come and go

    @rule(gfp=st.sampled_from(REQUESTS), order=st.sampled_from([0, 0, 0, 1, 2, 3, 4, 10]), choice=number)
    def alloc(self, gfp: int, order: int, choice: int) -> None:
        nid = choice % len(self.vm.nodes)
        page = self.vm.alloc_pages(gfp, order, nid)
        context = self.vm.nodes[nid].context(gfp)
        if page is None:
            assert order or not any(
                zone_watermark_ok(zone, 0, zone.watermark[WMARK_MIN], context.classzone) for zone in context.zones
            )
            return
        assert page.order == order and not page.pfn % (1 << order) and page._refcount == 1
        assert page.zone in context.zones and page.zone.start_pfn <= page.pfn < page.zone.end_pfn
        assert not page.zone.is_isolate(page.pfn)
        if gfp & GFP_KERNEL == GFP_KERNEL:
            assert page.zone.nr_free >= page.zone.watermark[WMARK_MIN]
        self.held.append(page)

    @rule(choice=number, count=st.integers(1, 24))
    def alloc_many(self, choice: int, count: int) -> None:
        for _ in range(count):
            self.alloc(GFP_HIGHUSER_MOVABLE, 0, choice)

    @precondition(lambda self: self.held)
    @rule(choice=number)
    def free(self, choice: int) -> None:
        put_page(self.held.pop(choice % len(self.held)))

    @precondition(lambda self: self.held)
    @rule(choice=number, step=st.integers(1, 3))
    def free_many(self, choice: int, step: int) -> None:
        """Every second or third page, as fragmentation does."""
        going = self.held[choice % len(self.held) :: step]
        self.held = [page for page in self.held if page not in going]
        for page in going:
            put_page(page)

    @precondition(lambda self: self.held)
    @rule(choice=number)
    def free_spoiled(self, choice: int) -> None:
        page = self.held.pop(choice % len(self.held))
        page._flags |= 1 << PG_private
        free = page.zone.nr_free
        put_page(page)
        assert page.zone.nr_free == free
        assert self.vm.bad_pages[-1][0] == page.pfn + (1 << page.order) - 1

    @rule(choice=number)
    def touch(self, choice: int) -> None:
        page = self.vm.page(choice % self.vm.nr_frames)
        assert page._data is None or len(page._data) == 4096

    # what compaction and isolation do

    @precondition(lambda self: any(zone.buddy for zone in self.vm.zones))
    @rule(choice=number)
    def take(self, choice: int) -> None:
        zone = self.zone(choice)
        if not zone.buddy:
            return
        pfn = sorted(zone.buddy)[choice % len(zone.buddy)]
        free, isolated = zone.nr_free, zone.is_isolate(pfn)
        order = take_free_block(zone, pfn)
        if order < 0:
            assert zone.nr_free == free and pfn in zone.buddy
            return
        assert zone.nr_free == free - (0 if isolated else 1 << order)
        assert isolated or zone.nr_free >= zone.watermark[WMARK_MIN]
        self.taken.append((zone, pfn, order))

    @precondition(lambda self: self.taken)
    @rule(choice=number, split=st.booleans())
    def give_back(self, choice: int, split: bool) -> None:
        zone, pfn, order = self.taken.pop(choice % len(self.taken))
        if split:
            for frame in range(pfn, pfn + (1 << order)):
                free_one_page(zone, frame, 0)
        else:
            free_one_page(zone, pfn, order)

    @rule(choice=number)
    def isolate(self, choice: int) -> None:
        zone = self.zone(choice)
        pfn = self.block(zone, choice)
        end = min(pfn + (1 << zone.pageblock_order), zone.end_pfn)
        before = zone.nr_free
        saved = start_isolate_page_range(zone, pfn, end, MIGRATE_MOVABLE)
        if saved is None:
            assert zone.nr_free == before
        else:
            assert zone.nr_free <= before
            self.isolated.append((zone, saved))

    @precondition(lambda self: self.isolated)
    @rule(choice=number)
    def open(self, choice: int) -> None:
        zone, saved = self.isolated.pop(choice % len(self.isolated))
        undo_isolate_page_range(zone, saved)

    @rule(choice=number, kind=st.sampled_from([*ORDINARY, MIGRATE_CMA]), move=st.booleans())
    def retype(self, choice: int, kind: int, move: bool) -> None:
        zone = self.zone(choice)
        pfn = self.block(zone, choice)
        if zone.pageblock_type(pfn) not in ORDINARY:
            return
        if kind == MIGRATE_CMA and any(covered(zone, pfn, order) for order in range(zone.pageblock_order + 1, MAX_ORDER)):
            return  # CMA areas are aligned to the largest block, so that no block straddles their edge
        free = zone.nr_free
        zone.set_pageblock_migratetype(pfn, kind)
        if move or kind == MIGRATE_CMA:
            start, end = pageblock_range(zone, pfn)
            assert move_freepages_block(zone, pfn, kind) <= max(end - start, 1 << MAX_ORDER)
        assert zone.nr_free == free

    # the census

    @invariant()
    def census(self) -> None:
        if not hasattr(self, "vm"):
            return
        for zone in self.vm.zones:
            check_zone(zone)
        place: dict[int, str] = {}
        for what, pfn, frames in self.places():
            for frame in range(pfn, pfn + frames):
                assert frame not in place, f"frame {frame} is {place[frame]} and {what}"
                place[frame] = what
        assert sorted(place) == list(range(self.vm.nr_frames))
        flags = memoryview(kpageflags(self.vm)).cast("Q")
        assert {pfn for pfn, word in enumerate(flags) if word >> 10 & 1} == {p for p, what in place.items() if what == "free"}
        if not self.taken:
            validate_vm(self.vm)

    def places(self) -> list[tuple[str, int, int]]:
        found = [("free", pfn, 1 << order) for zone in self.vm.zones for pfn, order in zone.free_blocks()]
        found += [("held", page.pfn, 1 << page.order) for page in self.held]
        found += [("taken", pfn, 1 << order) for _, pfn, order in self.taken]
        return found + [("bad", pfn, 1) for pfn, _ in self.vm.bad_pages]

    @invariant()
    def counters(self) -> None:
        if not hasattr(self, "vm"):
            return
        for zone in self.vm.zones:
            counted = 0
            for pfn, order in zone.free_blocks():
                step = 1 << min(order, zone.pageblock_order)
                parts = range(pfn, pfn + (1 << order), step)
                counted += sum(step for part in parts if not zone.is_isolate(part))
            assert zone.nr_free == counted
            size = 1 << zone.pageblock_order
            assert zone.nr_reserved_highatomic <= zone.managed_pages // 100 + 2 * size
            assert zone.nr_reserved_highatomic >= 0
            if not zone.nr_reserved_highatomic:
                assert MIGRATE_HIGHATOMIC not in zone.pageblocks
        for node in self.vm.nodes:
            for context in node.contexts.values():
                for zone, floor in context.fast[0]:
                    reserve = zone.lowmem_reserve[context.classzone] + zone.nr_reserved_highatomic
                    assert floor == zone.watermark[1] + reserve

    def teardown(self) -> None:
        """Everything back: the machine is as free as after boot, but for what was spoiled."""
        if not hasattr(self, "vm"):
            return
        for zone, saved in self.isolated:
            undo_isolate_page_range(zone, saved)
        for page in self.held:
            put_page(page)
        for zone, pfn, order in self.taken:
            free_one_page(zone, pfn, order)
        self.held, self.taken, self.isolated = [], [], []
        self.census()
        if not self.vm.bad_pages:
            for zone in self.vm.zones:
                assert sorted(zone.free_blocks()) == sorted(fresh(zone).free_blocks())


def covered(zone: Zone, pfn: int, order: int) -> bool:
    """Whether a free block of ``order`` lies over ``pfn``."""
    return zone.buddy_order(pfn >> order << order) == order


def fresh(zone: Zone) -> Zone:
    """The zone as it was at boot."""
    again = Zone(zone.vm, zone.node, zone.name, zone.start_pfn, zone.spanned_pages)
    again.init_free()
    return again


TestAllocator = Allocator.TestCase
TestAllocator.settings = settings(
    max_examples=60, stateful_step_count=40, deadline=None, suppress_health_check=[HealthCheck.too_slow]
)
