"""A page's way back to the allocator, and out of it; and no use of it after it was freed."""

from __future__ import annotations

from movable.eras import Era
from movable.events import Event
from movable.mm.page_flags import (
    HWPOISON,
    PRIVATE,
    RESERVED,
    WRITEBACK,
    PG_private_2,
    PG_slab,
)
from movable.rules.rule import CLEARED, MUST, Check, Report, Words, rule
from movable.rules.stream.history import UNSEEN, Lives, marked, tagged

D20 = rule(
    "D20", MUST, "free pages clean",
    "A page is given up without PG_private, PG_writeback, a page type or a map count.",
    why="The allocator refuses such a page, and it is lost until the next boot.",
    kernel="mm/page_alloc.c: free_pages_check, mm/zsmalloc.c: reset_page",
    bugs="S01 S04", exercised_by="pages_freed", trace="free_page.flags free_page.mapping bits", one_line=True,
    sticky=Words(
        sentence="A page is given up without PG_private and without PG_writeback, unlocked and unmapped; type and "
        "mark it keeps.",
        why="The allocator takes type and mark away itself, and refuses a page that somebody still uses.",
    ),
)  # fmt: skip

D21 = rule(
    "D21", MUST, "the release protocol",
    "To release a page the owner locks it, un-marks it, unlocks it, and then drops its reference.",
    why="The core re-checks the mark under the lock; that is how it learns that the owner has gone.",
    kernel="mm/compaction.c: __ClearPageMovable, mm/zsmalloc.c: free_zspage",
    bugs="Z06 B17", eras=CLEARED, exercised_by="pages_freed", trace="clear_page_movable.flags free_page.mapping", one_line=True,
)  # fmt: skip

D22 = rule(
    "D22", MUST, "released while isolated",
    "An owner that releases an isolated page drops its own reference only, and leaves PG_isolated to the core.",
    why="The core still holds the page on a list and ends the isolation itself.",
    kernel="mm/compaction.c: __ClearPageMovable",
    bugs="F11", exercised_by="released_pages let_go_isolated",
    sticky=Words(
        sentence="An owner that releases an isolated page drops its own reference only: it is not freed before the isolation ends.",
        why="The core still holds the page on a list, and asks about it or gives it back.",
        kernel="mm/zsmalloc.c: reset_zpdesc",
    ),
)  # fmt: skip

D41 = rule(
    "D41", MUST, "the owner outlives its pages",
    "A driver goes only after its isolated pages have come back, its work is done, and no page names it.",
    why="A page that names a dead owner is a call into freed memory.",
    kernel="mm/zsmalloc.c: zs_unregister_migration",
    bugs="Z04 F06 C13", exercised_by="owners_gone",
    sticky=Words(
        why="Nobody waits: where operations are taken away while a page is isolated, the next callback is a call into "
        "nothing.",
    ),
)  # fmt: skip

D46 = rule(
    "D46", MUST, "no use after free",
    "Nothing of a page is read or written after its last reference has gone.",
    why="The frame belongs to somebody else by then.",
    kernel="mm/page_alloc.c: free_pages_prepare",
    bugs="F13 Z06 Z04 B17 C14", exercised_by="pages_freed",
)  # fmt: skip

V27 = rule(
    "V27", MUST, "frames come back clean",
    "A page that the allocator hands out carries neither flags nor a mark of its last life.",
    why="A frame that is born isolated could never be isolated.",
    kernel="mm/page_alloc.c: free_pages_prepare",
    exercised_by="pages_born",
    sticky=Words(
        sentence="A page that the allocator hands out carries neither flags nor a type of its last life.",
    ),
)  # fmt: skip


REFUSED = PRIVATE | 1 << PG_private_2 | WRITEBACK | 1 << PG_slab | RESERVED
KEPT_FLAGS = HWPOISON


class Release(Check):
    """Watches pages on their way back to the allocator, and out of it."""

    occasions = {
        "pages_freed": "free_page",
        "owners_gone": "driver_remove",
        "pages_born": "alloc_page",
    }

    def __init__(self, lives: Lives, era: Era, report: Report) -> None:
        super().__init__(lives, era, report)
        self.pages_freed = self.pages_born = self.owners_gone = 0

    def alloc_page(self, event: Event) -> None:
        """A frame leaves the allocator as it lay there."""
        self.pages_born += 1
        if event.flags > 0 and event.flags & ~KEPT_FLAGS:
            self.broken(V27, event, f"page {event.pfn} is handed out with flags {event.flags:#x} of its last life")
        if event.mapping > 0:
            self.broken(V27, event, f"page {event.pfn} is handed out with mapping {event.mapping:#x} of its last life")

    def free_page(self, event: Event) -> None:
        """The last reference is gone."""
        if self.lives.freed == (event.task, event.pfn):
            return  # a trace may show it twice
        life = self.lives.pages.get(event.pfn)
        mapping = event.mapping
        was_marked = tagged(mapping)
        if was_marked:
            self.pages_freed += 1
        if marked(mapping) and not self.era.sticky_mark and not (life is not None and life.blamed):
            self.broken(D21, event, f"page {event.pfn} is freed while still marked movable")
        if was_marked and event.flags >= 0 and event.flags & REFUSED:
            self.broken(D20, event, f"page {event.pfn} is freed with flags that the allocator refuses ({event.flags:#x})")
        if life is not None and life.flagged and life.isolated is True:
            self.broken(D22, event, f"page {event.pfn} is freed while the core holds it isolated: one drop too many")

    def bad_page(self, event: Event) -> None:
        """The allocator refused the page."""
        self.broken(D20, event, f"page {event.pfn} is lost to the allocator: {event.args.get('reason')}")

    def driver_remove(self, event: Event) -> None:
        """An owner goes."""
        self.owners_gone += 1
        ops = event.args.get("ops", UNSEEN)
        if ops <= 0:
            return
        for life in self.lives.pages.values():
            if life.ops == ops and not (life.released and life.isolated is False):
                what = f"{event.args.get('driver')} went away and page {life.pfn} still names it"
                self.broken(D41, event._replace(pfn=life.pfn), what)


USES = {
    "copy_page": "content was copied to page {pfn}",
    "get_page": "a reference was taken on page {pfn}",
    "lock_page": "the lock of page {pfn} was asked for",
    "set_page_movable": "page {pfn} was marked movable",
    "touch": "{field} of page {pfn} was used",
    "trylock_page": "the lock of page {pfn} was asked for",
    "write_data": "the content of page {pfn} was written",
}
"""What needs a reference of somebody's, by kind of event, in words."""


class AfterFree(Check):
    """Watches for whatever is done with a page that nobody holds any more."""

    def touch(self, event: Event) -> None:
        """A driver used the page."""
        if event.refs == 0:
            done = USES[event.kind].format(pfn=event.pfn, field=event.args.get("field", ""))
            self.broken(D46, event, f"{done} after the page had been freed")

    copy_page = get_page = lock_page = set_page_movable = trylock_page = write_data = touch
