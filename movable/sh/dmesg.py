"""What a kernel would have said of the request that failed last: dumps of the pages in the way, in the words of a kernel's log."""

from __future__ import annotations

import errno
from collections.abc import Iterator
from typing import TYPE_CHECKING

from movable.mm.memory_hotplug import OFFLINE
from movable.mm.page import PAGE_SHIFT
from movable.mm.page_alloc_contig import CONTIG
from movable.mm.page_flags import PG_NAMES

if TYPE_CHECKING:
    from movable.mm.obstacles import Failure, Obstacle
    from movable.mm.page import Page
    from movable.mm.vm import VM

MAX_DUMPED = 10


def dmesg(vm: VM) -> str:
    """The lines, as they are when somebody asks; "" where nothing has failed."""
    failure = vm.last_failure
    if failure is None:
        return ""
    if failure.order >= 0:
        lines = [*_says(failure), *_free_blocks(vm)]
    else:
        dumped = (line for one in vm.obstacles[:MAX_DUMPED] for line in _dump(vm.pages[one.pfn], one))
        lines = [*dumped, *_says(failure)]
    return "".join(f"{line}\n" for line in lines)


def _says(failure: Failure) -> Iterator[str]:
    """The line about the request itself; an area of contiguous memory keeps its own (``Cma.log``)."""
    if failure.what == OFFLINE:
        why = "signal backoff" if failure.ret == -errno.EINTR else "failure to isolate range"
        first, end = failure.start << PAGE_SHIFT, (failure.end << PAGE_SHIFT) - 1
        yield f"memory offlining [mem {first:#010x}-{end:#010x}] failed due to {why}"
    elif failure.what == CONTIG:
        yield f"alloc_contig_range: [{failure.start:x}, {failure.end:x}) PFNs busy"
    elif failure.order >= 0:
        yield f"sh: page allocation failure: order:{failure.order}, mode:0x1400ca(GFP_HIGHUSER_MOVABLE|__GFP_COMP), nodemask=(null)"


def _free_blocks(vm: VM) -> Iterator[str]:
    """The rows of Mem-Info that say what was free, and the watermarks beside it."""
    unit = 1 << PAGE_SHIFT >> 10
    for node in vm.nodes:
        for zone in node.zones:
            counts = [area.nr_free for area in zone.free_area]
            named = zip(("min", "low", "high", "managed"), (*zone.watermark, zone.managed_pages), strict=True)
            marks = " ".join(f"{name}:{pages * unit}kB" for name, pages in named)
            yield f"Node {node.nid} {zone.name} free:{zone.nr_free * unit}kB {marks}"
            row = " ".join(f"{count}*{unit << order}kB" for order, count in enumerate(counts))
            total = sum(count << order for order, count in enumerate(counts)) * unit
            yield f"Node {node.nid} {zone.name}: {row} = {total}kB"


def _dump(page: Page, obstacle: Obstacle) -> Iterator[str]:
    """A page as a kernel dumps it: references, flags by name, and why."""
    maps = max(page._mapcount + 1, 0)
    mapping, index = page._mapping, page._index if isinstance(page._index, int) else 0
    yield f"page: refcount:{page._refcount} mapcount:{maps} mapping:{mapping:016x} index:{index:#x} pfn:{page.pfn:#x}"
    names = "|".join(name for bit, name in enumerate(PG_NAMES) if page._flags >> bit & 1)
    yield f"flags: {page._flags:#x}({names})"
    yield obstacle.message().partition(" (pfn")[0]
