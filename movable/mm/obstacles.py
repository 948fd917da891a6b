"""Which frames were in the way of the last request that failed, and whose they are.

A customer of migration notes only where it failed (``note_failure``); who is there is looked up when somebody asks
(``vm.obstacles``), as the machine is then. A frame is certainly in the way where nothing could move it now; pages that would move,
and were only not asked or refused by their owner, are listed when there is no other.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, NamedTuple

from movable.mm.movable_ops import MOVABLE_OPS, TYPE_SHIFT
from movable.mm.page_flags import (
    PAGE_MAPPING_ANON,
    PAGE_MAPPING_FLAGS,
    PAGE_MAPPING_MOVABLE,
    PG_head,
    PG_hwpoison,
    PG_isolated,
    PG_locked,
    PG_lru,
    PG_reserved,
    PG_slab,
    PG_swapcache,
    PG_unevictable,
    PG_writeback,
)
from movable.mm.page_isolation import is_offline
from movable.shown import many

if TYPE_CHECKING:
    from movable.mm.mmzone import Zone
    from movable.mm.page import Page
    from movable.mm.vm import VM

MAX_OBSTACLES = 1000
"""Obstacles listed at most."""


class Failure(NamedTuple):
    """A request that failed: what asked, the frames that it wanted (``order`` of a block, or a range), and its answer."""

    what: str
    start: int
    end: int
    order: int
    ret: int


@dataclass(frozen=True, slots=True)
class Obstacle:
    """One frame in the way.

    ``owner`` names who has it, "" where nobody said; ``kind`` is what it is. ``refs`` are the references it has, ``expected`` those
    that migration counts on while it is at rest (None where nothing moves such a page). ``remedy`` is what could help: "wait",
    "retry", "owner" (who would have to give it up) or "none". ``certain`` says that nothing could move it now.
    """

    pfn: int
    owner: str
    kind: str
    refs: int
    expected: int | None
    reason: str
    remedy: str
    certain: bool

    def __str__(self) -> str:
        whose = f" of {self.owner}" if self.owner else ""
        counted = "" if self.expected is None else f" ({self.refs} references, {self.expected} expected)"
        return f"frame {self.pfn}: {self.kind}{whose}{counted}: {self.reason}; {REMEDIES[self.remedy]}"

    def message(self) -> str:
        """What a kernel prints of it: the line before a dump of the page."""
        return f"page dumped because: {'unmovable page' if self.expected is None else 'migration failure'} (pfn:{self.pfn:#x})"


REMEDIES = {
    "wait": "waiting could help",
    "retry": "trying again could help",
    "owner": "its owner would have to let it go",
    "none": "nothing can move it",
}


def note_failure(vm: VM, what: str, start: int, end: int, ret: int, order: int = -1) -> int:
    """Remember where a request failed; returns ``ret``."""
    vm.last_failure = Failure(what, start, end, order, ret)
    return ret


def obstacles(vm: VM) -> list[Obstacle]:
    """Who was in the way of the last request that failed; empty where none did. The frames of an offline block are nobody's."""
    failure: Failure | None = vm.last_failure
    if failure is None:
        return []
    if failure.order >= 0:
        return _cheapest_block(vm, failure.order)
    return _listed(in_range(vm, failure.start, failure.end))


def _listed(found: Iterator[Obstacle]) -> list[Obstacle]:
    every = [obstacle for obstacle, _ in zip(found, range(1 << 20), strict=False)]
    certain = [obstacle for obstacle in every if obstacle.certain]
    return (certain or every)[:MAX_OBSTACLES]


def in_range(vm: VM, start: int, end: int) -> Iterator[Obstacle]:
    """Every frame in a range that is neither free nor offline, as an obstacle."""
    pfn = max(start, 0)
    while pfn < min(end, vm.nr_frames):
        zone = vm.zone_of(pfn)
        order = zone.buddy_order(pfn)
        if order >= 0:
            pfn += 1 << order
            continue
        page = vm.pages.get(pfn)
        if page is not None and page._refcount > 0 and not is_offline(zone, pfn):
            yield obstacle_of(page)
        pfn += 1


def _cheapest_block(vm: VM, order: int) -> list[Obstacle]:
    """The obstacles of the block that would come free most easily: the one where the fewest are certain."""
    best: list[Obstacle] = []
    for zone in vm.zones:
        for block in _blocks(zone, order):
            found = _listed(in_range(vm, block, block + (1 << order)))
            certain = bool(found) and found[0].certain
            if found and (not best or (certain, len(found)) < (best[0].certain, len(best))):
                best = found
    return best


def _blocks(zone: Zone, order: int) -> range:
    size = 1 << order
    return range(-(-zone.start_pfn // size) * size, zone.end_pfn - size + 1, size)


def obstacle_of(page: Page) -> Obstacle:
    """What one allocated page is, whose, and whether it could move now. Quiet: no scheduling points."""
    kind, owner, expected = _kind(page)
    reason, remedy, certain = _reason(page, expected)
    return Obstacle(page.pfn, owner, kind, page._refcount, expected, reason, remedy, certain)


def _kind(page: Page) -> tuple[str, str, int | None]:
    """(kind, owner, references at rest); None for a page that nothing moves."""
    flags, word, vm = page._flags, page._mapping, page.vm
    if flags >> PG_reserved & 1:
        return "reserved", "", None
    if flags >> PG_slab & 1:
        return "slab", "", None
    if vm.types_stay and flags & MOVABLE_OPS:
        owner = vm.movable_ops.get(page._mapcount >> TYPE_SHIFT)
        return "page of a driver", "" if owner is None else owner.name, 1
    if word == PAGE_MAPPING_MOVABLE:
        return "page that its owner gave up", "", 0
    if word & PAGE_MAPPING_FLAGS == PAGE_MAPPING_MOVABLE:
        owner = vm.address_spaces.get(word & ~PAGE_MAPPING_FLAGS)
        return "page of a driver", "" if owner is None else owner.name, 1
    maps = 0 if page._mapcount < 0 else page._mapcount + 1
    if word & PAGE_MAPPING_ANON:
        return "anonymous", _processes(page), maps + (flags >> PG_swapcache & 1)
    space = vm.address_spaces.get(word) if word else None
    if space is not None:
        return "page cache", space.name, maps + 1
    if flags >> PG_lru & 1:
        return "anonymous, on no mapping", "", 1
    return (f"block of order {page.order}" if flags >> PG_head & 1 else "unmarked"), "", None


def _processes(page: Page) -> str:
    from movable.mm.rmap import mappings

    user = page.vm.userspace
    if user is None:
        return ""
    names = {vma.mm.name for vma, _ in mappings(user, page)}
    return ", ".join(sorted(names))


def _reason(page: Page, expected: int | None) -> tuple[str, str, bool]:
    """(reason, remedy, certain) for a page that is not free."""
    flags = page._flags
    if flags >> PG_hwpoison & 1:
        return "its memory is faulty", "none", True
    if expected is None:
        return "nobody marked it as movable", "owner", True
    if flags >> PG_isolated & 1:
        return "somebody else is moving it", "wait", True
    if flags >> PG_writeback & 1:
        return "it is being written out", "wait", True
    if flags >> PG_locked & 1:
        return "its lock is held", "retry", True
    if page._refcount > expected:
        more = page._refcount - expected
        return f"somebody holds {many(more, 'reference')} more", "owner", True
    if flags >> PG_unevictable & 1:
        return "it is locked in memory; it moves all the same", "retry", False
    return "it would move: it was not asked, or its owner refused", "retry", False
