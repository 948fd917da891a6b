"""Marking, un-marking, and fields that are not the driver's: D2, D4 to D7, D12, D19, D19b, D21, D42, D46, V21."""

from __future__ import annotations

from movable.eras import Era
from movable.events import Event
from movable.mm.page import (
    ISOLATED,
    LOCKED,
    PAGE_MAPPING_FLAGS,
    PG_active,
    PG_lru,
    PG_owner_priv_1,
    PG_slab,
    PG_swapbacked,
    PG_unevictable,
)
from movable.rules.check import Check, Report
from movable.rules.history import CALLBACKS, PUTBACK, RUN, UNSEEN, Life, Lives, marked, unmarked

SWAP = 1 << PG_swapbacked | 1 << PG_owner_priv_1
STRANGE = 1 << PG_slab | 1 << PG_lru
MISLEADING = STRANGE | SWAP
LRU_FLAGS = frozenset(("flag lru", "flag active", "flag unevictable"))
LRU_BITS = 1 << PG_lru | 1 << PG_active | 1 << PG_unevictable


def misleading(flags: int) -> bool:
    """Whether flags that were seen make ``page_mapping`` look elsewhere."""
    return flags >= 0 and (bool(flags & STRANGE) or flags & SWAP == SWAP)


class Marks(Check):
    """Watches marks, and every touch of a field by a driver."""

    def __init__(self, lives: Lives, era: Era, broken: Report) -> None:
        super().__init__(lives, era, broken)
        self.sets = 0
        self.clears = 0
        self.orders = 0

    def tally(self) -> dict[str, int]:
        """How often each rule was exercised."""
        return {"D2": self.sets, "D4": self.sets, "D7": self.sets, "D42": self.orders}

    def set_page_movable(self, event: Event) -> None:
        """The page must be locked, single and ordinary, the mapping untagged."""
        self.sets += 1
        if not event.flags & LOCKED:
            self.broken("D2", event, f"page {event.pfn} was marked movable without its lock")
        ops = event.args.get("ops", UNSEEN)
        if ops >= 0 and ops & PAGE_MAPPING_FLAGS:
            self.broken("D4", event, f"page {event.pfn} was marked with a mapping at {ops:#x}, which has low bits set")
        if event.flags & MISLEADING and misleading(event.flags):
            self.broken("D7", event, f"page {event.pfn} was marked while its flags make page_mapping look elsewhere")
        order = self.lives.at.alloc_order
        if order >= 0:
            self.orders += 1
            if order:
                self.broken("D42", event, f"page {event.pfn} was marked; it heads a block of order {order}")
        if event.refs == 0:
            self.broken("D46", event, f"page {event.pfn} was marked movable after it had been freed")

    def clear_page_movable(self, event: Event) -> None:
        """Under the lock, and only what is marked; never in kernels where the mark is sticky."""
        self.clears += 1
        if self.era.sticky_mark:
            self.broken("D19b", event, f"page {event.pfn} was un-marked; the mark must stay until the page is freed")
            return
        if not event.flags & LOCKED:
            self.broken("D21", event, f"page {event.pfn} was un-marked without its lock")
        if unmarked(event.mapping):
            self.broken("D19", event, f"page {event.pfn} was un-marked, and was not marked")

    def touch(self, event: Event) -> None:
        """A driver used a field of the page itself."""
        field = event.args.get("field", "")
        if event.args.get("write"):
            self._filled(event)
        if event.refs == 0:
            self.broken("D46", event, f"{field} of page {event.pfn} was used after the page had been freed")
        if field == "lru":
            life = self.pages.get(event.pfn)
            if self.calls or (life is not None and life.lent):
                self._touch_lru(event, life)
        elif field == "mapping":
            self.broken("D5", event, f"page->mapping of page {event.pfn} was used directly; page_mapping answers under the lock")
        elif field == "flag reclaim" or (field == "flags" and event.args.get("changed", 0) & ISOLATED):
            self.broken("D6", event, f"PG_isolated of page {event.pfn} was written by a driver")
        elif event.args.get("write"):
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
        self.broken("D12", event, f"lru of page {event.pfn} was used by {event.task} while the page {why}: it is the core's")

    def _filled(self, event: Event) -> None:
        """A callback that writes to its target means to use it."""
        stack = self.calls.get(event.task)
        if stack is not None and stack[-1].newpfn == event.pfn:
            stack[-1].filled = True

    def _touch_flags(self, event: Event, field: str) -> None:
        if not marked(event.mapping):
            return
        changed = event.args.get("changed", 0)
        if field in LRU_FLAGS or (field == "flags" and changed & LRU_BITS):
            call = self.lives.top(event.task)
            if call is not None and call.kind == RUN:
                self.broken("V21", event, f"the core set an LRU flag on page {event.pfn}, which is a driver's")
            else:
                self.broken("D7", event, f"a driver set an LRU flag ({field}) on movable page {event.pfn}")
        elif field == "flag slab" or (field == "flags" and changed & STRANGE):
            self.broken("D7", event, f"a driver changed {field} of movable page {event.pfn}, which misleads page_mapping")

    def write_data(self, event: Event) -> None:
        """The content of a page is written."""
        self._filled(event)
        if event.refs == 0:
            self.broken("D46", event, f"the content of page {event.pfn} was written after the page had been freed")

    def copy_page(self, event: Event) -> None:
        """The content of a page is overwritten by another's."""
        self._filled(event)
        if event.refs == 0:
            self.broken("D46", event, f"content was copied to page {event.pfn} after the page had been freed")

    def lock_page(self, event: Event) -> None:
        """The lock of a page is taken or tried: by somebody who must hold a reference."""
        if event.refs == 0:
            self.broken("D46", event, f"the lock of page {event.pfn} was asked for after the page had been freed")

    trylock_page = lock_page
