"""Letting go of a page, from the attempt to the flag."""

from __future__ import annotations

from movable.eras import Era
from movable.events import Event
from movable.mm.page_flags import (
    HEAD,
    ISOLATED,
    LOCKED,
    PAGE_MAPPING_MOVABLE,
    RESERVED,
    PG_slab,
)
from movable.rules.marking import D6, D7, MISLEADING, misleading
from movable.rules.rule import CLEARED, MUST, SHOULD, Check, Report, Words, rule, who
from movable.rules.stream.history import ATTEMPT, CALLBACKS, ISOLATE, MIGRATE, PUTBACK, Call, Lives, marked, unmarked

D8 = rule(
    "D8", MUST, "a clear answer to isolate",
    "isolate_page returns True or False and nothing else, and True only when the page cannot be handed out any more.",
    why="After True the core and the driver must not both believe that the page is theirs to give.",
    kernel="include/linux/migrate.h, mm/zsmalloc.c: zs_page_isolate",
    bugs="F11 F09", exercised_by="isolate_answers", trace="isolate_page_ret.ret", one_line=True,
)  # fmt: skip

D9 = rule(
    "D9", MUST, "unlinked when let go",
    "When isolate_page returns True, page.lru is on none of the driver's lists.",
    why="The core links the page to its own list with that node at once.",
    kernel="mm/balloon_compaction.c: balloon_page_isolate",
    bugs="B12", exercised_by="nodes_seen",
)  # fmt: skip

D10 = rule(
    "D10", MUST, "a refusal changes nothing",
    "When isolate_page returns False, the page is as it was: lists, counters, private and flags.",
    why="The core forgets a refused page; what was taken apart stays apart.",
    kernel="mm/migrate.c: isolate_movable_page",
    bugs="F09", exercised_by="refusals",
)  # fmt: skip

D11 = rule(
    "D11", MUST, "isolate leaves lock, references and mark alone",
    "isolate_page neither locks nor unlocks the page, nor takes or drops references, nor marks or un-marks it.",
    why="The core holds the lock and counts on its own reference across the call.",
    kernel="include/linux/migrate.h: struct movable_operations, mm/migrate.c: isolate_movable_page",
    exercised_by="isolate_answers", trace="isolate_page isolate_page_ret", ends="isolate_page", breaks_only=True,
    two_tasks=True,
)  # fmt: skip

D30 = rule(
    "D30", SHOULD, "PG_isolated inside callbacks",
    "No callback sets or clears PG_isolated, not even on success.",
    why="The core warns, and what it counts as isolated no longer matches.",
    kernel="mm/migrate.c: move_to_new_page, mm/migrate.c: isolate_movable_page",
    exercised_by="flags_set", ends="migratepage", breaks_only=True,
)  # fmt: skip

V1 = rule(
    "V1", MUST, "when isolate is called",
    "isolate_page is called with the page locked, marked, not isolated, and with a reference of the core's on it.",
    why="The driver may rely on this state without looking.",
    kernel="mm/migrate.c: isolate_movable_page",
    exercised_by="asked_to_isolate", trace="isolate_page.flags isolate_page.refs bits", one_line=True, two_tasks=True,
    sticky=Words(
        sentence="isolate_page is called with the page locked, of a type that is moved, marked, not isolated, and "
        "with a reference of the core's on it.",
        why="The driver may rely on this state without looking; whether the page still has an owner it must find out "
        "itself.",
    ),
)  # fmt: skip

V2 = rule(
    "V2", MUST, "isolated once",
    "Until an isolation has ended no other succeeds, and the driver is not asked.",
    why="Two lists cannot hold one page.",
    kernel="mm/migrate.c: isolate_movable_page",
    bugs="B02", exercised_by="asked_to_isolate",
    trace="isolate_page.flags isolate_page.mapping isolate_page_ret isolate_movable_page_ret.ret putback_page",
    ends="migratepage putback_page", two_tasks=True,
)  # fmt: skip

V3 = rule(
    "V3", MUST, "a failed isolate changes nothing",
    "A failed attempt leaves references and lock as they were; at most it completes a free that raced with it.",
    why="Scanners fail all the time.",
    kernel="mm/migrate.c: isolate_movable_page",
    exercised_by="failed_attempts",
)  # fmt: skip

V5 = rule(
    "V5", SHOULD, "isolate does not wait",
    "isolate_movable_page only tries the page lock.",
    why="It is called from scanners that look at thousands of pages.",
    kernel="mm/migrate.c: isolate_movable_page, mm/compaction.c: isolate_migratepages_block",
    exercised_by="attempts",
)  # fmt: skip

V6 = rule(
    "V6", MUST, "one reference for an isolation",
    "A successful isolation holds exactly one reference.",
    why="It is what keeps the page while its owner may drop its own.",
    kernel="mm/migrate.c: isolate_movable_page",
    exercised_by="isolations",
)  # fmt: skip

V23 = rule(
    "V23", MUST, "peeks are only hints",
    "No callback is made for a page that turns out not to be marked under its lock.",
    why="The unlocked test is wrong now and then.",
    kernel="include/linux/page-flags.h: __PageMovable, mm/migrate.c: isolate_movable_page",
    bugs="C02 B02", exercised_by="asked_to_isolate", trace="isolate_page.mapping", one_line=True,
    sticky=Words(
        sentence="No callback is made for a page without the mark, or of a type that nobody moves.",
    ),
)  # fmt: skip

V24 = rule(
    "V24", MUST, "only ordinary pages",
    "Free, slab, reserved and compound pages reach no callback.",
    why="Their fields mean something else.",
    kernel="mm/compaction.c: isolate_migratepages_block",
    bugs="C02", exercised_by="asked_to_isolate", trace="isolate_page.flags bits", one_line=True,
)  # fmt: skip

V25 = rule(
    "V25", SHOULD, "one callback at a time",
    "Callbacks for one page never overlap.",
    why="The page lock is all that a driver needs to protect a page's own fields.",
    kernel="mm/migrate.c: isolate_movable_page, mm/migrate.c: __unmap_and_move",
    exercised_by="asked_to_isolate", ends="isolate_page migratepage putback_page", breaks_only=True, two_tasks=True,
)  # fmt: skip

V26 = rule(
    "V26", MUST, "no callback after the mark is gone",
    "No callback is made for a page that its owner has un-marked or freed.",
    why="The owner may be gone too.",
    kernel=(
        "mm/migrate.c: isolate_movable_page, mm/migrate.c: move_to_new_page, mm/migrate.c: putback_movable_pages, "
        "mm/migrate.c: putback_movable_page"
    ),
    bugs="C13", eras=CLEARED, exercised_by="asked_to_isolate asked_to_move", trace="isolate_page.mapping migratepage.mapping",
    one_line=True,
)  # fmt: skip


EXTRAORDINARY = 1 << PG_slab | RESERVED | HEAD


class Isolation(Check):
    """Watches isolation from the attempt to the flag."""

    occasions = {
        "asked_to_isolate": "isolate_page",
        "isolate_answers": "isolate_page_ret",
        "refusals": "isolate_page_ret",
        "nodes_seen": "isolate_page_ret",
        "flags_set": "set_page_isolated",
        "attempts": "isolate_movable_page_ret",
        "isolations": "isolate_movable_page_ret",
        "failed_attempts": "isolate_movable_page_ret",
    }

    def __init__(self, lives: Lives, era: Era, report: Report) -> None:
        super().__init__(lives, era, report)
        self.asked_to_isolate = self.agreements = self.refusals = self.nodes_seen = self.flags_set = 0
        self.attempts = self.isolations = self.failed_attempts = 0

    @property
    def isolate_answers(self) -> int:
        """How often a driver answered, either way."""
        return self.agreements + self.refusals

    # the callback

    def isolate_page(self, event: Event) -> None:
        """In which state the core calls."""
        self.asked_to_isolate += 1
        flags, refs = event.flags, event.refs
        if not flags & LOCKED:
            self.broken(V1, event, f"isolate_page was called for page {event.pfn} without the page lock")
        if flags >= 0 and flags & ISOLATED:
            self.broken(V1, event, f"isolate_page was called for page {event.pfn}, which is isolated already")
        owned = self.lives.at.pointer or not self.lives.sees_refs  # what the core does not ask about, and a recording does not show
        let_go = self.era.sticky_mark and (event.mapping == PAGE_MAPPING_MOVABLE or not owned)
        if 0 <= refs < 2 and not let_go:
            text = f"isolate_page was called for page {event.pfn} with {refs} references, not the owner's and the core's"
            self.broken(V1, event, text)
        if self.lives.at.isolated is True:
            self.broken(V2, event, f"{who(event)} was asked to isolate page {event.pfn} while an isolation of it has not ended")
        may_be_called(self, event)
        if flags >= 0 and flags & EXTRAORDINARY:
            self.broken(V24, event, f"isolate_page was called for page {event.pfn}, which is slab, reserved or compound")

    def isolate_page_ret(self, event: Event) -> None:
        """What the driver answered, and what it left."""
        ret = event.args.get("ret")
        if ret is True:
            self.agreements += 1
        elif ret is False:
            self.refusals += 1
        elif "ret" in event.args:  # a trace may not show it
            self.broken(D8, event, f"{who(event)} answered {ret!r} to isolate page {event.pfn}; only True and False are answers")
        on = event.args.get("list")
        if on is not None:
            self.nodes_seen += 1
            if ret is True and on:
                self.broken(D9, event, f"{who(event)} let go of page {event.pfn}, which is still on its list {on!r}")
        if event.flags >= 0 and event.flags & ISOLATED:
            self.broken(D30, event, f"{who(event)} set PG_isolated of page {event.pfn} in isolate_page")
        if event.flags & MISLEADING and misleading(event.flags, self.era.sticky_mark) and marked(event.mapping):
            text = f"{who(event)} left flags on page {event.pfn} that make the core take it for another kind of page"
            self.broken(D7, event, text)
        call = self.lives.call
        if call is not None:
            self._left_alone(event, call, ret, on)

    def _left_alone(self, event: Event, call: Call, ret: object, on: object) -> None:
        if call.old_refs:
            what = "took" if call.old_refs > 0 else "dropped"
            self.broken(D11, event, f"{who(event)} {what} references on page {event.pfn} in isolate_page")
        if call.old_mark is not None:
            self.broken(D11, event, f"{who(event)} changed the mark of page {event.pfn} in isolate_page")
        if not event.flags & LOCKED:
            self.broken(D11, event, f"{who(event)} came back from isolate_page with page {event.pfn} unlocked")
        was = call.event.args.get("list")
        if ret is False and call.touched and not call.foreign and was is not None and on is not None and on != was:
            self.broken(D10, event, f"{who(event)} refused page {event.pfn} and moved it from list {was!r} to {on!r}")

    # the flag

    def set_page_isolated(self, event: Event) -> None:
        """Only the core sets PG_isolated, after the driver said yes."""
        self.flags_set += 1
        call = self.lives.top(event.task)
        if call is not None and call.callback and _inside(call, event):
            self.broken(D30, event, f"PG_isolated of page {event.pfn} was set inside {call.kind}")
            return
        life = self.lives.at
        if life.born_at >= 0 and (life.last is None or life.last[1] != ISOLATE):
            self.broken(D6, event, f"{event.task} set PG_isolated of page {event.pfn}, and no isolation was under way")

    def clear_page_isolated(self, event: Event) -> None:
        """Only the core clears PG_isolated, when the isolation ends."""
        call = self.lives.top(event.task)
        if call is not None and call.callback and _inside(call, event):
            self.broken(D30, event, f"PG_isolated of page {event.pfn} was cleared inside {call.kind}")
            return
        life = self.pages.get(event.pfn)
        if life is None or life.gone >= 0 or life.born_at < 0 or not marked(event.mapping):
            return
        if life.last is None or life.last[1] not in (PUTBACK, MIGRATE):
            self.broken(D6, event, f"{event.task} cleared PG_isolated of page {event.pfn}, whose isolation had not ended")

    # the attempt

    def isolate_movable_page_ret(self, event: Event) -> None:
        """What the attempt left behind."""
        self.attempts += 1
        ret = event.args.get("ret")
        call = self.lives.call
        if call is None or not self.lives.sees_refs:
            return
        if ret == 0:
            self.isolations += 1
            if call.old_refs != 1:
                self.broken(V6, event, f"the isolation of page {event.pfn} holds {call.old_refs} references instead of one")
        else:
            self.failed_attempts += 1
            if call.old_refs:
                self.broken(V3, event, f"a failed attempt to isolate page {event.pfn} changed its references by {call.old_refs}")

    def lock_page(self, event: Event) -> None:
        """An isolation only tries the lock."""
        call = self.lives.top(event.task)
        if call is not None and call.kind == ATTEMPT and call.pfn == event.pfn:
            self.broken(V5, event, f"the core waited for the lock of page {event.pfn} to isolate it")


def _inside(call: Call, event: Event) -> bool:
    """Whether the page is one that the running callback of this task was called for."""
    return event.pfn in (call.pfn, call.newpfn)


def may_be_called(check: Check, event: Event) -> None:
    """Whether any callback may be made for the page of ``event`` at all."""
    mapping = event.mapping
    if (mapping == PAGE_MAPPING_MOVABLE or unmarked(mapping)) and not check.era.sticky_mark:
        broken = V26 if mapping == PAGE_MAPPING_MOVABLE else V23
        check.broken(broken, event, f"{event.kind} was called for page {event.pfn}, which is not marked movable")
    if event.refs == 0:
        check.broken(V26, event, f"{event.kind} was called for page {event.pfn}, which is free")
    if len(check.calls) == 1:
        return
    others = check.lives.others(event, CALLBACKS)
    if others:
        check.broken(V25, event, f"{event.kind} for page {event.pfn} overlaps {others[0].kind} of {others[0].event.task}")
