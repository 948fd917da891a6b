"""A machine of the model with the layout of a real one: the same zones, holes, free blocks and frames in use.

Frames that the flags call movable are pages of one driver, which always lets go: what is on an LRU list, a huge page or a balloon
in the real machine moves here by the same loop. Every other frame in use stays where it is. Nothing is known of contents, and so
nothing is copied. Pages are made when somebody looks at them: a machine of 16 GiB has four million.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from movable.errors import UsageError
from movable.frames.pageblocks import mark_zspages, pageblock_types
from movable.frames.snapshot import HOLE_CODE, MOVABLE_CODE, Snapshot, Span, free_blocks
from movable.mm.gfp import MIGRATE_ISOLATE, ZONE_NAMES
from movable.mm.page import Page, get_page, put_page
from movable.mm.page_alloc_watermarks import setup_per_zone_wmarks
from movable.mm.page_flags import MOVABLE_OPS, PAGE_MAPPING_MOVABLE, ClearPageMovable, SetPageMovable
from movable.mm.vm import VM

if TYPE_CHECKING:
    from movable.mm.address_space import AddressSpace
    from movable.mm.mmzone import Zone


class Imported:
    """Whoever has the movable pages of an imported machine: lets go of each, and takes it back anywhere."""

    def __init__(self, vm: VM) -> None:
        self.mapping = vm.address_space(self, "imported")

    def isolate_page(self, page: Page, mode: int) -> bool:
        """Always."""
        return True

    def migratepage(self, mapping: AddressSpace, newpage: Page, page: Page, mode: int) -> int:
        """The owner's reference and the mark move on."""
        get_page(newpage)
        SetPageMovable(newpage, mapping)
        ClearPageMovable(page)
        put_page(page)
        return 0

    def migrate_page(self, newpage: Page, page: Page, mode: int) -> int:
        """The same in the form of later kernels, where an old page's mark stays."""
        get_page(newpage)
        SetPageMovable(newpage, self.mapping)
        put_page(page)
        return 0

    def putback_page(self, page: Page) -> None:
        """Nothing was taken apart."""


_get = dict.get


class FrameTable(dict[int, Page]):
    """The pages of an imported machine by frame number. A movable one is made when it is first looked at.

    ``codes`` says of each frame what it was when the machine was saved.
    """

    def __init__(self, vm: VM, codes: bytes, mapping: AddressSpace) -> None:
        super().__init__()
        self.vm, self.codes, self.word = vm, codes, mapping.addr | PAGE_MAPPING_MOVABLE
        self.page_type, self.end = mapping.page_type, len(codes)
        self.zone = vm.zones[0]

    def get(self, pfn: int, default: Any = None) -> Any:
        """The page of a frame; ``default`` for a frame that is free, a hole, or in use by who never lets go."""
        page = _get(self, pfn, default)
        if page is None and pfn < self.end and self.codes[pfn] == MOVABLE_CODE:
            return self[pfn]
        return page

    def __missing__(self, pfn: int) -> Page:
        if not 0 <= pfn < len(self.codes) or self.codes[pfn] != MOVABLE_CODE:
            raise KeyError(pfn)
        vm, zone = self.vm, self.zone
        if not zone.start_pfn <= pfn < zone.end_pfn:
            zone = self.zone = vm.zone_of(pfn)
        page = self[pfn] = vm.page_class(pfn, zone, vm, vm.seam)
        page._refcount = 1
        page._mapping = self.word
        if self.page_type:
            page._mapcount = self.page_type
            page._flags |= MOVABLE_OPS
        return page


class ImportedVM(VM):
    """A machine whose pages come from a table of frames."""

    pages: FrameTable


def machine_of(snapshot: Snapshot, era: str = "6.1") -> ImportedVM:
    """The machine: zones lie where they lay, pageblocks between them are offline. Raises UsageError for what it cannot have."""
    spans = _placed(snapshot)
    end = spans[-1][2]
    layout = [(span.node, span.zone, stop - start) for span, start, stop in spans]
    vm = ImportedVM(layout=layout, pageblock_order=snapshot.pageblock_order, era=era)
    codes = bytearray(snapshot.codes[:end])
    codes += bytes([HOLE_CODE]) * (end - len(codes))
    for zone, (span, _, _) in zip(vm.zones, spans, strict=True):
        zone.pageblocks[:] = pageblock_types(snapshot, span, zone, codes)
        mark_zspages(zone, codes, snapshot.zspages.get(span, 0))
        _close_holes(zone, codes)
        _free(zone, bytes(codes))
    vm.pages = FrameTable(vm, bytes(codes), Imported(vm).mapping)
    setup_per_zone_wmarks(vm)
    for zone, (span, _, _) in zip(vm.zones, spans, strict=True):
        if snapshot.watermarks.get(span):
            zone.watermark = snapshot.watermarks[span]
    return vm


def _placed(snapshot: Snapshot) -> list[tuple[Span, int, int]]:
    """Each zone with its first frame and its end here, where no zones overlap and none leaves a gap."""
    block = 1 << snapshot.pageblock_order
    spans = sorted((span for span in snapshot.zones if span.start < span.end), key=lambda span: span.start)
    for span in spans:
        if span.zone not in ZONE_NAMES:
            raise UsageError(f"zone {span.zone} of node {span.node}: the model has zones {', '.join(ZONE_NAMES)}")
    starts = [0] + [span.start & -block for span in spans[1:]]
    ends = [*starts[1:], (spans[-1].end + block - 1) & -block]
    return [(span, start, end) for span, start, end in zip(spans, starts, ends, strict=True) if start < end]


def _close_holes(zone: Zone, codes: bytearray) -> None:
    """Pageblocks without any memory are offline; a hole inside a block is a frame that nobody can have."""
    size = 1 << zone.pageblock_order
    hole = bytes([HOLE_CODE]) * size
    for number in range(len(zone.pageblocks)):
        start = (zone.base + number) * size
        if codes[start : start + size] == hole:
            zone.offline.add(number)
            zone.pageblocks[number] = MIGRATE_ISOLATE
    zone.nr_isolate_pageblock = len(zone.offline)
    zone.present_pages = zone.managed_pages = zone.end_pfn - zone.start_pfn - codes.count(HOLE_CODE, zone.start_pfn, zone.end_pfn)


def _free(zone: Zone, codes: bytes) -> None:
    """Put the free frames on the lists, merged as far as they align, and nothing else."""
    zone.buddy.clear()
    for blocks in zone.free_lists:
        blocks.clear()
    zone.nr_free = 0
    shift, base = zone.pageblock_order, zone.base
    for pfn, order in free_blocks(codes, zone.start_pfn, zone.end_pfn):
        code = order << 3 | zone.pageblocks[(pfn >> shift) - base]
        zone.buddy[pfn] = code
        zone.free_lists[code][pfn] = None
        zone.nr_free += 1 << order
