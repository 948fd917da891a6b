"""The end of a page's life: D18 to D22, D41, V26 and V27."""

from __future__ import annotations

from movable.eras import Era
from movable.events import Event
from movable.mm.page import (
    PAGE_MAPPING_FLAGS,
    PAGE_MAPPING_MOVABLE,
    PG_hwpoison,
    PG_private,
    PG_private_2,
    PG_reserved,
    PG_slab,
    PG_writeback,
)
from movable.rules.check import Check, Report
from movable.rules.history import UNSEEN, Lives, marked

REFUSED = 1 << PG_private | 1 << PG_private_2 | 1 << PG_writeback | 1 << PG_slab | 1 << PG_reserved
KEPT = 1 << PG_hwpoison


class Release(Check):
    """Watches pages on their way back to the allocator, and out of it."""

    def __init__(self, lives: Lives, era: Era, broken: Report) -> None:
        super().__init__(lives, era, broken)
        self.freed = self.born = self.removed = 0

    def tally(self) -> dict[str, int]:
        """How often each rule was exercised."""
        return {"D20": self.freed, "D21": self.freed, "D46": self.freed, "D41": self.removed, "V27": self.born}

    def alloc_page(self, event: Event) -> None:
        """A frame leaves the allocator as it lay there."""
        self.born += 1
        if event.flags > 0 and event.flags & ~KEPT:
            self.broken("V27", event, f"page {event.pfn} is handed out with flags {event.flags:#x} of its last life")
        if event.mapping > 0:
            self.broken("V27", event, f"page {event.pfn} is handed out with mapping {event.mapping:#x} of its last life")

    def free_page(self, event: Event) -> None:
        """The last reference is gone."""
        if self.lives.freed == (event.task, event.pfn):
            return  # a trace may show it twice
        life = self.lives.pages.get(event.pfn)
        mapping = event.mapping
        tagged = mapping >= 0 and mapping & PAGE_MAPPING_FLAGS == PAGE_MAPPING_MOVABLE
        if tagged:
            self.freed += 1
        if marked(mapping) and not self.era.sticky_mark and not (life is not None and life.blamed):
            self.broken("D21", event, f"page {event.pfn} is freed while still marked movable")
        if tagged and event.flags >= 0 and event.flags & REFUSED:
            self.broken("D20", event, f"page {event.pfn} is freed with flags that the allocator refuses ({event.flags:#x})")
        if life is not None and life.flagged and life.isolated is True:
            self.broken("D22", event, f"page {event.pfn} is freed while the core holds it isolated: one drop too many")

    def bad_page(self, event: Event) -> None:
        """The allocator refused the page."""
        self.broken("D20", event, f"page {event.pfn} is lost to the allocator: {event.args.get('reason')}")

    def driver_remove(self, event: Event) -> None:
        """An owner goes."""
        self.removed += 1
        ops = event.args.get("ops", UNSEEN)
        if ops <= 0:
            return
        for life in self.lives.pages.values():
            if life.ops == ops:
                what = f"{event.args.get('driver')} went away and page {life.pfn} still names it"
                self.broken("D41", event._replace(pfn=life.pfn), what)
