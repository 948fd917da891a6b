"""Marking and un-marking a page, and fields that are not the driver's."""

from __future__ import annotations

from movable.eras import Era
from movable.events import Event
from movable.mm.page_flags import (
    ACTIVE,
    ISOLATED,
    LOCKED,
    LRU,
    MOVABLE_OPS,
    PAGE_MAPPING_FLAGS,
    SWAPBACKED,
    SWAPCACHE,
    UNEVICTABLE,
    PG_slab,
)
from movable.rules.freeing import D21
from movable.rules.rule import CLEARED, MUST, SHOULD, STICKY, UNTESTED, Check, Report, Words, rule
from movable.rules.stream.history import CALLBACKS, PUTBACK, RUN, UNSEEN, Life, Lives, marked, tagged, unmarked

D2 = rule(
    "D2", MUST, "mark under the page lock",
    "A page is marked movable only by whoever holds its lock.",
    why="The lock keeps the mark still while the core looks at it; without it a half-made page can be isolated.",
    kernel="mm/compaction.c: __SetPageMovable",
    bugs="F01", exercised_by="marks", trace="set_page_movable.flags", one_line=True,
    sticky=Words(
        sentence="A page is marked movable by whoever holds its lock, or before anybody else knows the page.",
        why="Type and mark come one after the other; only so does nobody see a page that has half of them.",
        kernel="include/linux/page-flags.h: SetPageMovableOps, mm/balloon.c: balloon_page_enqueue",
    ),
)  # fmt: skip

D3 = rule(
    "D3", MUST, "mark late",
    "A page is marked only when everything that the callbacks read of it is in place.",
    why="The first callback may come the moment the lock drops.",
    kernel="mm/zsmalloc.c: zs_malloc, mm/balloon_compaction.c: balloon_page_insert",
    bugs="F01 B15 B17", kind=UNTESTED,
    sticky=Words(
        sentence="A page has its type before its mark, and is marked only when everything that the callbacks read of "
        "it is in place, or kept by a lock that isolate_page takes.",
    ),
)  # fmt: skip

D4 = rule(
    "D4", MUST, "an untagged mapping",
    "The mapping that a page is marked with has both low bits clear.",
    why="They carry the tag: bit 0 would turn the page into an anonymous one.",
    kernel="mm/compaction.c: __SetPageMovable",
    eras=CLEARED, exercised_by="marks", trace="set_page_movable.mops", one_line=True,
)  # fmt: skip

D5 = rule(
    "D5", SHOULD, "the mapping word is not the driver's",
    "A driver never reads or writes page->mapping itself; it asks page_mapping under the page lock.",
    why="The word is tagged, changes under the reader, and means something else in other kernels.",
    kernel="mm/util.c: page_mapping",
    bugs="C14 C15 B02", exercised_by="flags_set",
    sticky=Words(
        sentence="A driver neither reads nor writes page->mapping, and stores nothing there.",
        why="The word says nothing about movable pages any more, and is the core's.",
    ),
)  # fmt: skip

D6 = rule(
    "D6", SHOULD, "PG_isolated is the core's",
    "A driver uses neither PG_isolated nor PG_reclaim, its other name, for anything.",
    why="The core answers from this bit whether a page is taken.",
    kernel="mm/migrate.c: isolate_movable_page",
    bugs="C01", exercised_by="flags_set",
    sticky=Words(
        sentence="A driver uses neither PG_isolated nor PG_reclaim, its other name, for anything; PG_movable_ops, "
        "which is PG_uptodate, it sets by SetPageMovableOps alone.",
        why="The core answers from these bits whether a page can be taken, and whether it is.",
        kernel="include/linux/page-flags.h: SetPageMovableOps",
    ),
)  # fmt: skip

D7 = rule(
    "D7", MUST, "flags that do not mislead",
    "A movable page carries neither PG_slab nor PG_lru, nor PG_swapbacked together with PG_owner_priv_1.",
    why="With these flags page_mapping decodes another field, and the core takes the page for something else.",
    kernel="mm/util.c: page_mapping",
    bugs="C02", exercised_by="marks", trace="set_page_movable.flags bits", one_line=True,
    sticky=Words(
        sentence="A movable page carries neither PG_slab nor PG_lru, has no type but one that is moved, and "
        "PG_uptodate was not set before it was marked.",
        why="PG_uptodate and the type together are the mark: the core would ask about a half-made page.",
        kernel="include/linux/page-flags.h: page_has_movable_ops",
    ),
)  # fmt: skip

D12 = rule(
    "D12", MUST, "lru is lent",
    "From a True of isolate_page until putback_page begins, or for ever after a move, the driver leaves page.lru alone.",
    why="The node is linked to a list of the core; two users of one node corrupt both lists.",
    kernel="mm/balloon_compaction.c: balloon_page_dequeue",
    bugs="F03 B01", exercised_by="flags_set",
)  # fmt: skip

D13 = rule(
    "D13", SHOULD, "lru is not kept",
    "A driver does not rely on what page.lru held before the isolation.",
    why="The core used the node in between. Seen together with D12, which forbids to touch it at all.",
    kernel="mm/migrate.c: move_to_new_page",
    kind=UNTESTED,
)  # fmt: skip

D19 = rule(
    "D19", MUST, "un-mark the old page",
    "A successful migratepage un-marks the old page, under its lock, once.",
    why="A mark that stays lets the core ask the owner about a page that is no longer its own.",
    kernel="mm/compaction.c: __ClearPageMovable",
    bugs="Z04", eras=CLEARED, exercised_by="moves", trace="clear_page_movable migratepage.mapping migratepage_ret.ret",
)  # fmt: skip

D19b = rule(
    "D19b", MUST, "the mark is sticky",
    "A driver never takes the mark or the page type back before the page is freed.",
    why="In these kernels the core no longer checks again under the lock.",
    kernel="include/linux/page-flags.h: page_has_movable_ops",
    eras=STICKY, exercised_by="moves",
)  # fmt: skip

D42 = rule(
    "D42", SHOULD, "single pages only",
    "Only single pages are marked movable, never a block of higher order.",
    why="The core isolates, moves and frees one frame.",
    kernel="mm/migrate.c: isolate_movable_page",
    exercised_by="single_pages",
)  # fmt: skip

V21 = rule(
    "V21", SHOULD, "no LRU flags from the core",
    "The core gives a movable page none of PG_lru, PG_active and PG_unevictable.",
    why="Reclaim would take the page for one of its own.",
    kernel="mm/migrate.c: __unmap_and_move",
    bugs="B01", exercised_by="moves",
)  # fmt: skip


SWAP = SWAPBACKED | SWAPCACHE
STRANGE = 1 << PG_slab | LRU
MISLEADING = STRANGE | SWAP
LRU_FLAGS = frozenset(("flag lru", "flag active", "flag unevictable"))
LRU_BITS = LRU | ACTIVE | UNEVICTABLE


def misleading(flags: int, sticky: bool) -> bool:
    """Whether flags that were seen make the core take the page for something else.

    The pair of the swap cache makes page_mapping look elsewhere, which nobody asks where marks are sticky.
    """
    return flags >= 0 and (bool(flags & STRANGE) or (not sticky and flags & SWAP == SWAP))


class Marks(Check):
    """Watches marks, and every touch of a field by a driver."""

    occasions = {
        "marks": "set_page_movable",
        "single_pages": "set_page_movable",
    }

    def __init__(self, lives: Lives, era: Era, report: Report) -> None:
        super().__init__(lives, era, report)
        self.marks = 0
        self.clears = 0
        self.single_pages = 0

    def set_page_movable(self, event: Event) -> None:
        """The page must be locked, single and ordinary, the mapping untagged."""
        self.marks += 1
        passing = sum((self.lives.at.taken or {}).values())  # of who only looks at a frame
        if not event.flags & LOCKED and not (self.era.sticky_mark and event.refs - passing == 1):  # or nobody else knows the page
            self.broken(D2, event, f"page {event.pfn} was marked movable without its lock")
        ops = event.args.get("ops", UNSEEN)
        if ops >= 0 and ops & PAGE_MAPPING_FLAGS:
            self.broken(D4, event, f"page {event.pfn} was marked with a mapping at {ops:#x}, which has low bits set")
        if event.flags & MISLEADING and misleading(event.flags, self.era.sticky_mark):
            self.broken(D7, event, f"page {event.pfn} was marked while its flags make the core take it for another kind of page")
        if self.era.sticky_mark and self.lives.sees_refs and event.flags & MOVABLE_OPS and not tagged(event.mapping):
            self.broken(D7, event, f"page {event.pfn} had PG_uptodate, which is PG_movable_ops, before it was marked")
        order = self.lives.at.alloc_order
        if order >= 0:
            self.single_pages += 1
            if order:
                self.broken(D42, event, f"page {event.pfn} was marked; it heads a block of order {order}")

    def clear_page_movable(self, event: Event) -> None:
        """Under the lock, and only what is marked; never in kernels where the mark is sticky."""
        self.clears += 1
        if self.era.sticky_mark:
            self.broken(D19b, event, f"page {event.pfn} was un-marked; the mark must stay until the page is freed")
            return
        if not event.flags & LOCKED:
            self.broken(D21, event, f"page {event.pfn} was un-marked without its lock")
        if unmarked(event.mapping):
            self.broken(D19, event, f"page {event.pfn} was un-marked, and was not marked")

    def touch(self, event: Event) -> None:
        """A driver used a field of the page itself."""
        field = event.args.get("field", "")
        if event.args.get("write"):
            self._filled(event)
        if field == "lru":
            life = self.pages.get(event.pfn)
            if self.calls or (life is not None and life.lent):
                self._touch_lru(event, life)
        elif field == "mapping":
            self.broken(D5, event, f"page->mapping of page {event.pfn} was used directly; page_mapping answers under the lock")
        elif field == "flag reclaim" or (field == "flags" and event.args.get("changed", 0) & ISOLATED):
            self.broken(D6, event, f"PG_isolated of page {event.pfn} was written by a driver")
        elif event.args.get("write"):
            if self.era.sticky_mark and event.args.get("changed", 0) & MOVABLE_OPS:
                self._touch_mark(event)
            self._touch_flags(event, field)

    def _touch_lru(self, event: Event, life: Life | None) -> None:
        lives = self.lives
        call = lives.top(event.task)
        mine = call is not None and call.pfn == event.pfn and call.callback
        if mine and call is not None:
            call.touched = True
        if len(self.calls) > 1:
            for other in lives.others(event, CALLBACKS):
                other.foreign = True
        if life is None or not life.lent or (mine and call is not None and call.kind == PUTBACK):
            return
        core = life.isolator == event.task and not (call is not None and call.callback)
        if core and (life.linked or not event.args.get("list")):
            life.linked = True  # who isolated a page links it to a list of its own, and then uses that list
            return
        why = "was moved away" if life.gone != UNSEEN else "is isolated"
        self.broken(D12, event, f"lru of page {event.pfn} was used by {event.task} while the page {why}: it is the core's")

    def _filled(self, event: Event) -> None:
        """A callback that writes to its target means to use it."""
        stack = self.calls.get(event.task)
        if stack is not None and stack[-1].newpfn == event.pfn:
            stack[-1].filled = True

    def _touch_mark(self, event: Event) -> None:
        """The bit that is the mark, where marks are sticky, was changed by hand."""
        if tagged(event.mapping):
            self.broken(D19b, event, f"PG_movable_ops of page {event.pfn} was cleared; the mark must stay until the page is freed")
        elif not event.mapping:
            self.broken(D6, event, f"PG_uptodate of page {event.pfn}, which is PG_movable_ops, was written by a driver")

    def _touch_flags(self, event: Event, field: str) -> None:
        if not marked(event.mapping):
            return
        changed = event.args.get("changed", 0)
        if field in LRU_FLAGS or (field == "flags" and changed & LRU_BITS):
            call = self.lives.top(event.task)
            if call is not None and call.kind == RUN:
                self.broken(V21, event, f"the core set an LRU flag on page {event.pfn}, which is a driver's")
            else:
                self.broken(D7, event, f"a driver set an LRU flag ({field}) on movable page {event.pfn}")
        elif field == "flag slab" or (field == "flags" and changed & STRANGE):
            self.broken(D7, event, f"a driver changed {field} of movable page {event.pfn}, which misleads page_mapping")

    def write_data(self, event: Event) -> None:
        """The content of a page is written."""
        self._filled(event)

    def copy_page(self, event: Event) -> None:
        """The content of a page is overwritten by another's."""
        self._filled(event)
