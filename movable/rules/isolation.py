"""Letting go of a page: D6, D8 to D11, D30, D41 and V1 to V6, V23 to V26 at isolation."""

from __future__ import annotations

from movable.eras import Era
from movable.events import Event
from movable.mm.page import ISOLATED, LOCKED, PAGE_MAPPING_MOVABLE, PG_head, PG_reserved, PG_slab
from movable.rules.check import Check, Report, who
from movable.rules.history import ATTEMPT, CALLBACKS, ISOLATE, MIGRATE, PUTBACK, Call, Lives, marked, unmarked
from movable.rules.marking import MISLEADING, misleading

EXTRAORDINARY = 1 << PG_slab | 1 << PG_reserved | 1 << PG_head


class Isolation(Check):
    """Watches isolation from the attempt to the flag."""

    def __init__(self, lives: Lives, era: Era, broken: Report) -> None:
        super().__init__(lives, era, broken)
        self.asked = self.yes = self.no = self.nodes = self.flags = 0
        self.attempts = self.successes = self.failures = 0

    def tally(self) -> dict[str, int]:
        """How often each rule was exercised."""
        asked = dict.fromkeys(("V1", "V2", "V23", "V24", "V25", "V26"), self.asked)
        flags = dict.fromkeys(("D5", "D6", "D12", "D30"), self.flags)
        return {
            **asked,
            **flags,
            "D8": self.yes + self.no,
            "D9": self.nodes,
            "D10": self.no,
            "D11": self.yes + self.no,
            "D47": self.yes + self.no,
            "V3": self.failures,
            "V5": self.attempts,
            "V6": self.successes,
        }

    # the callback

    def isolate_page(self, event: Event) -> None:
        """In which state the core calls."""
        self.asked += 1
        flags, mapping, refs = event.flags, event.mapping, event.refs
        if not flags & LOCKED:
            self.broken("V1", event, f"isolate_page was called for page {event.pfn} without the page lock")
        if flags >= 0 and flags & ISOLATED:
            self.broken("V1", event, f"isolate_page was called for page {event.pfn}, which is isolated already")
        if refs >= 0 and refs < 2:
            text = f"isolate_page was called for page {event.pfn} with {refs} references, not the owner's and the core's"
            self.broken("V1", event, text)
        if self.lives.at.isolated is True:
            self.broken("V2", event, f"{who(event)} was asked to isolate page {event.pfn} while an isolation of it has not ended")
        self.callable(event, mapping)
        if flags >= 0 and flags & EXTRAORDINARY:
            self.broken("V24", event, f"isolate_page was called for page {event.pfn}, which is slab, reserved or compound")

    def callable(self, event: Event, mapping: int) -> None:
        """Whether any callback may be made for the page at all."""
        if (mapping == PAGE_MAPPING_MOVABLE or unmarked(mapping)) and not self.era.sticky_mark:
            id = "V26" if mapping == PAGE_MAPPING_MOVABLE else "V23"
            self.broken(id, event, f"{event.kind} was called for page {event.pfn}, which is not marked movable")
        if event.refs == 0:
            self.broken("V26", event, f"{event.kind} was called for page {event.pfn}, which is free")
        if len(self.calls) == 1:
            return
        others = self.lives.others(event, CALLBACKS)
        if others:
            self.broken("V25", event, f"{event.kind} for page {event.pfn} overlaps {others[0].kind} of {others[0].event.task}")

    def isolate_page_ret(self, event: Event) -> None:
        """What the driver answered, and what it left."""
        ret = event.args.get("ret")
        if ret is True:
            self.yes += 1
        elif ret is False:
            self.no += 1
        else:
            self.broken("D8", event, f"{who(event)} answered {ret!r} to isolate page {event.pfn}; only True and False are answers")
        on = event.args.get("list")
        if on is not None:
            self.nodes += 1
            if ret is True and on:
                self.broken("D9", event, f"{who(event)} let go of page {event.pfn}, which is still on its list {on!r}")
        if event.flags >= 0 and event.flags & ISOLATED:
            self.broken("D30", event, f"{who(event)} set PG_isolated of page {event.pfn} in isolate_page")
        if event.flags & MISLEADING and misleading(event.flags) and marked(event.mapping):
            self.broken("D7", event, f"{who(event)} left flags on page {event.pfn} that make page_mapping look elsewhere")
        call = self.lives.call
        if call is not None:
            if call.locks or call.strange:
                self.left_behind(event, call)
            self._left_alone(event, call, ret, on)

    def _left_alone(self, event: Event, call: Call, ret: object, on: object) -> None:
        if call.old_refs:
            what = "took" if call.old_refs > 0 else "dropped"
            self.broken("D11", event, f"{who(event)} {what} references on page {event.pfn} in isolate_page")
        if call.old_mark is not None:
            self.broken("D11", event, f"{who(event)} changed the mark of page {event.pfn} in isolate_page")
        if not event.flags & LOCKED:
            self.broken("D11", event, f"{who(event)} came back from isolate_page with page {event.pfn} unlocked")
        was = call.event.args.get("list")
        if ret is False and call.touched and not call.foreign and was is not None and on is not None and on != was:
            self.broken("D10", event, f"{who(event)} refused page {event.pfn} and moved it from list {was!r} to {on!r}")

    # the flag

    def set_page_isolated(self, event: Event) -> None:
        """Only the core sets PG_isolated, after the driver said yes."""
        self.flags += 1
        call = self.lives.top(event.task)
        if call is not None and call.callback and _inside(call, event):
            self.broken("D30", event, f"PG_isolated of page {event.pfn} was set inside {call.kind}")
            return
        life = self.lives.at
        if life.born_at >= 0 and (life.last is None or life.last[1] != ISOLATE):
            self.broken("D6", event, f"{event.task} set PG_isolated of page {event.pfn}, and no isolation was under way")

    def clear_page_isolated(self, event: Event) -> None:
        """Only the core clears PG_isolated, when the isolation ends."""
        call = self.lives.top(event.task)
        if call is not None and call.callback and _inside(call, event):
            self.broken("D30", event, f"PG_isolated of page {event.pfn} was cleared inside {call.kind}")
            return
        life = self.pages.get(event.pfn)
        if life is None or life.gone >= 0 or life.born_at < 0 or not marked(event.mapping):
            return
        if life.last is None or life.last[1] not in (PUTBACK, MIGRATE):
            self.broken("D6", event, f"{event.task} cleared PG_isolated of page {event.pfn}, whose isolation had not ended")

    # the attempt

    def isolate_movable_page_ret(self, event: Event) -> None:
        """What the attempt left behind."""
        self.attempts += 1
        ret = event.args.get("ret")
        call = self.lives.call
        if call is None or not self.lives.sees_refs:
            return
        if ret == 0:
            self.successes += 1
            if call.old_refs != 1:
                self.broken("V6", event, f"the isolation of page {event.pfn} holds {call.old_refs} references instead of one")
        else:
            self.failures += 1
            if call.old_refs:
                self.broken("V3", event, f"a failed attempt to isolate page {event.pfn} changed its references by {call.old_refs}")

    def lock_page(self, event: Event) -> None:
        """An isolation only tries the lock."""
        call = self.lives.top(event.task)
        if call is not None and call.kind == ATTEMPT and call.pfn == event.pfn:
            self.broken("V5", event, f"the core waited for the lock of page {event.pfn} to isolate it")


def _inside(call: Call, event: Event) -> bool:
    """Whether the page is one that the running callback of this task was called for."""
    return event.pfn in (call.pfn, call.newpfn)
