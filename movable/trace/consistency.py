"""Whether a trace agrees with itself: a mark or a flag that changed although no line says so means that a line is missing.

It can also mean that somebody wrote the field directly, which no probe sees. So it is said, and no verdict rests on it.
"""

from __future__ import annotations

from movable.mm.events import Event
from movable.mm.page import ISOLATED, PAGE_MAPPING_FLAGS, PAGE_MAPPING_MOVABLE

KEPT = 20
"""Disagreements that are kept; further ones are counted."""


class Consistency:
    """Compares what each event shows of its page with what the events before it left. ``holes`` counts disagreements.

    ``found`` keeps the first of them as (line, page, task, words). Pages are known from their first event on, and forgotten when
    they are freed.
    """

    def __init__(self) -> None:
        self.holes = 0
        self.found: list[tuple[int, int, str, str]] = []
        self._mapping: dict[int, int] = {}
        self._isolated: dict[int, bool] = {}
        self._yes: dict[str, int] = {}

    def feed(self, event: Event) -> None:
        """Take in one event."""
        _, _, kind, pfn, flags, mapping, _, args = event
        if mapping >= 0:
            left = self._mapping
            if left.get(pfn, mapping) != mapping and not (kind == "set_page_movable" and mapping == 0):
                self._hole(event, f"has mapping {mapping:#x}; the lines before leave it with {left[pfn]:#x}")
            if flags >= 0:
                now = flags & ISOLATED != 0
                if self._isolated.get(pfn, now) is not now and kind != "unlock_page":  # the rules judge unlocks
                    self._changed(event, now)
                self._isolated[pfn] = now
            if kind in _CHANGES:
                if kind == "free_page":
                    left.pop(pfn, None)
                    self._isolated.pop(pfn, None)
                    return
                mapping = args.get("ops", 0) + PAGE_MAPPING_MOVABLE  # no ops: only the tag stays
            left[pfn] = mapping
        elif kind in _RETURNS:
            self._returned(event)

    def _changed(self, event: Event, now: bool) -> None:
        """PG_isolated differs. When the owner has let go of the page, the core just clears it."""
        if now:
            self._hole(event, "is isolated; the lines before tell of no isolation")
        elif event.mapping > PAGE_MAPPING_FLAGS:
            self._hole(event, "is not isolated any more; the lines before tell of no end of its isolation")

    def _returned(self, event: Event) -> None:
        pfn, kind, ret = event.pfn, event.kind, event.args.get("ret")
        if kind == "isolate_page_ret":
            self._isolated[pfn] = bool(ret)  # the core asks for no more than that
            self._yes[event.task] = pfn if ret else -1
        elif kind == "isolate_movable_page_ret":
            yes = self._yes.pop(event.task, None)
            if yes is not None and (yes == pfn) is not (ret == 0):
                self._hole(event, f"was {'' if ret == 0 else 'not '}isolated; its driver had answered otherwise")
        elif ret == 0 or kind == "putback_page_ret":
            self._isolated[pfn] = False

    def _hole(self, event: Event, words: str) -> None:
        self.holes += 1
        if len(self.found) < KEPT:
            self.found.append((event.seq, event.pfn, event.task, f"line {event.seq}: page {event.pfn} {words}"))


_CHANGES = frozenset(("set_page_movable", "clear_page_movable", "free_page"))
_RETURNS = frozenset(
    ("isolate_page_ret", "isolate_movable_page_ret", "putback_page_ret", "migratepage_ret", "move_to_new_page_ret")
)
