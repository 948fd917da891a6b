"""What the core does right after a callback, seen as it unlocks: V4, V11, V13, V14; there a trace shows D17, D18 and D26."""

from __future__ import annotations

from errno import EAGAIN
from typing import Any

from movable.eras import Era
from movable.events import Event
from movable.mm.page import ISOLATED
from movable.rules.check import Check, Report
from movable.rules.history import ATTEMPT, ISOLATE, MIGRATE, PUTBACK, UNSEEN, Life, Lives, marked, unmarked


class Settling(Check):
    """Watches the unlock that follows a callback. A stream that shows no reference being taken still shows their number here."""

    def __init__(self, lives: Lives, era: Era, broken: Report) -> None:
        super().__init__(lives, era, broken)
        self.said_yes = self.moved = self.targets = self.again = 0

    def tally(self) -> dict[str, int]:
        """How often each rule was exercised."""
        counted = 0 if self.lives.sees_refs else 1
        return {
            "V4": self.said_yes,
            "V11": self.moved,
            "V14": self.again,
            "D17": self.targets * counted,
            "D18": self.moved * counted,
        }

    def unlock_page(self, event: Event) -> None:
        """A page lock is released."""
        life = self.pages.get(event.pfn)
        if life is not None and life.last is not None:
            task, kind, ret = life.last
            life.last = None
            if task == event.task:
                self._settle(event, life, kind, ret)
        stack = self.calls.get(event.task)
        if stack is not None:
            call = stack[-1]
            if call.callback and (call.pfn == event.pfn or call.newpfn == event.pfn):
                id = "D11" if call.kind == ISOLATE else "D29"
                self.broken(id, event, f"{call.kind} for page {call.pfn} unlocked page {event.pfn}, whose lock is the core's")

    def _settle(self, event: Event, life: Life, kind: str, ret: Any) -> None:
        flags = event.flags
        if kind == ISOLATE:
            self._after_yes(event)
        elif kind == MIGRATE:
            if ret == 0:
                self.moved += 1
                if flags >= 0 and flags & ISOLATED:
                    self.broken("V11", event, f"page {event.pfn} was moved, and unlocked with PG_isolated still set")
            elif ret == -EAGAIN:
                self.again += 1
                if not flags & ISOLATED and marked(event.mapping):
                    self.broken("V14", event, f"page {event.pfn} lost PG_isolated after its driver had answered -EAGAIN")
        elif kind == PUTBACK and flags >= 0 and flags & ISOLATED:
            self.broken("V13", event, f"page {event.pfn} was put back, and unlocked with PG_isolated still set")
        if event.refs >= 0 and not self.lives.sees_refs:
            self._count(event, life, kind, ret)

    def _after_yes(self, event: Event) -> None:
        call = self.lives.top(event.task)
        if call is None or call.kind != ATTEMPT or call.pfn != event.pfn:
            return
        self.said_yes += 1
        if not event.flags & ISOLATED:
            self.broken("V4", event, f"the core unlocked page {event.pfn} without PG_isolated after the driver had let go of it")

    def _count(self, event: Event, life: Life, kind: str, ret: Any) -> None:
        pfn, refs = event.pfn, event.refs
        if kind == "target":
            self.targets += 1
            if refs < 2 and life.marked_at != UNSEEN:  # an unmarked target of an owner that gave up goes back to the core
                self.broken("D17", event, f"page {pfn} was moved to and has no reference of its owner, only the core's")
        elif kind != MIGRATE:
            return
        elif ret == 0 and refs < 1:
            self.broken("D18", event, f"page {pfn} was moved away and has lost the core's reference too")
        elif ret == 0:
            life.settled = refs == 1  # only the isolation's is left: nothing can leak
        elif unmarked(event.mapping) and refs > 1:
            self.broken("D26", event, f"the driver answered {ret!r} for page {pfn} and un-marked it without giving it up")
