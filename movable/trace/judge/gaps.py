"""What only a trace is asked: whether it agrees with itself, and whose mark a page gets.

A mark or a flag that changed although no line says so means that a line is missing. It can also mean that somebody
wrote the field directly, which no probe sees. So it is said, and no verdict rests on it.
"""

from __future__ import annotations

from itertools import chain

from movable.eras import Era
from movable.events import Event
from movable.mm.page_flags import ISOLATED, PAGE_MAPPING_FLAGS, PAGE_MAPPING_MOVABLE
from movable.rules.migration import D16
from movable.rules.rule import Check, Report
from movable.rules.stream.history import MIGRATE, UNSEEN, Call, Lives, marked
from movable.trace.judge.nesting import CALLS, WITHIN, Nesting

MAX_GAPS_KEPT = 20
"""Disagreements that are kept; further ones are counted."""
TOUCHED_LIMIT = 100_000
"""Lines of disagreements that are remembered."""
AGREED_LIMIT = 4096
"""Moves without a mark that are remembered until it is known whether the trace shows marks; further ones are counted."""
FREED_LIMIT = 4096
"""Frames that were freed last, and not marked since, that are remembered."""


class Consistency:
    """Compares what each event shows of its page with what the events before it left. ``holes`` counts disagreements.

    ``found`` keeps the first of them as (line, page, task, words); ``touched`` has the lines of both sides, of which nobody can say
    which one is wrong. ``sees_marks`` says that some page was marked in a line. Pages are known from their first event on, and
    forgotten when they are freed.
    """

    def __init__(self, sticky: bool = False) -> None:
        self.sticky = sticky  # where marks stay, an owner lets go of a page without a word
        self.holes = 0
        self.found: list[tuple[int, int, str, str]] = []
        self.touched: set[int] = set()
        self.nesting = Nesting(self._disagree)
        self._last: dict[int, int] = {}
        self._mapping: dict[int, int] = {}
        self._isolated: dict[int, bool] = {}
        self._answers: dict[str, tuple[bool, Event]] = {}
        self._freed: dict[int, None] = {}
        self.sees_marks = False

    def feed(self, event: Event) -> None:
        """Take in one event. Every one comes through here, so most of it is in one piece."""
        seq, _, kind, pfn, flags, mapping, _, _ = event
        look = _LOOKS.get(kind, 0)
        if look & _WITHIN:
            self.nesting.change(event)
        elif look & _CALL:
            self._nested(event)
        if mapping > 0 and self.sticky:
            mapping = PAGE_MAPPING_MOVABLE
        if look & _FLAG_CHANGE:  # they show the flag as it was before
            self._isolated[pfn] = kind == "set_page_isolated"
        elif mapping >= 0:
            left = self._mapping
            if left.get(pfn, mapping) != mapping and not (kind == "set_page_movable" and mapping == 0):
                self._hole(event, f"has mapping {mapping:#x}; the lines before leave it with {left[pfn]:#x}")
            if flags >= 0:
                now = flags & ISOLATED != 0
                if self._isolated.get(pfn, now) is not now and kind != "unlock_page":  # the rules judge unlocks
                    self._changed(event, now)
                self._isolated[pfn] = now
            if look & _CHANGE:
                if kind == "free_page":
                    self._free(event, left.pop(pfn, UNSEEN))
                    return
                mapping = self._left_by(event)
            left[pfn] = mapping
            self._last[pfn] = seq
        elif look & _RETURN:
            self._returned(event)

    def _left_by(self, event: Event) -> int:
        """The mapping with which a mark or its end leaves a page."""
        if event.kind == "set_page_movable":
            self.sees_marks = True
            self._freed.pop(event.pfn, None)
        return (0 if self.sticky else event.args.get("ops", 0)) + PAGE_MAPPING_MOVABLE  # no ops: only the tag stays

    def _nested(self, event: Event) -> None:
        self.nesting.feed(event)
        if event.kind == "migratepage" and self.sees_marks and event.args.get("newpage", UNSEEN) >= 0:
            target = event.args["newpage"]
            self._mapping.setdefault(target, 0)  # the core gives fresh pages
            self._last[target] = event.seq

    def _free(self, event: Event, left: int) -> None:
        """A page with a mark, or what is left of one, is freed; between two such releases a mark must lie."""
        pfn, freed = event.pfn, self._freed
        self._isolated.pop(pfn, None)
        self._last.pop(pfn, None)
        if event.mapping & PAGE_MAPPING_FLAGS != PAGE_MAPPING_MOVABLE:
            freed.pop(pfn, None)  # a frame that was somebody else's meanwhile
        elif pfn in freed and self.sees_marks:
            self._hole(event, "is freed again; the lines before tell of no mark since it was freed")
        elif left in (event.mapping, UNSEEN):  # else the mark of its next life was printed before this release
            if len(freed) >= FREED_LIMIT:
                del freed[next(iter(freed))]
            freed[pfn] = None

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
            if ret is not None:
                self._answers[event.task] = bool(ret), event
        elif kind == "isolate_movable_page_ret":
            yes, answer = self._answers.pop(event.task, (None, event))
            if yes is not None and (yes and answer.pfn == pfn) is not (ret == 0):
                self._disagree(event, answer.seq, f"was {'' if ret == 0 else 'not '}isolated; its driver had answered otherwise")
        elif ret == 0 or kind == "putback_page_ret":
            self._isolated[pfn] = False

    def marked_already(self, event: Event) -> None:
        """The target of a move is marked for the first time, and bears a mark: the core gives fresh pages only."""
        if event.seq not in self.touched:
            self._hole(event, "is the target of a move and marked already; the lines before tell of no mark in this call")

    def unmarked(self, event: Event) -> None:
        """A hook has agreed to a move, and the balloon core has moved the page without a mark for its target: it never does."""
        self._hole(event, "was moved; the lines before tell of no mark that the balloon core gave to its target")

    def _disagree(self, event: Event, other: int, words: str) -> None:
        """An event says something else than the one in line ``other``."""
        if len(self.touched) < TOUCHED_LIMIT:
            self.touched.add(other)
        self._hole(event, words)

    def _hole(self, event: Event, words: str) -> None:
        self.holes += 1
        if len(self.touched) < TOUCHED_LIMIT:
            self.touched |= {event.seq, self._last.get(event.pfn, event.seq)}
        if len(self.found) < MAX_GAPS_KEPT:
            self.found.append((event.seq, event.pfn, event.task, f"line {event.seq}: page {event.pfn} {words}"))


class NewMark(Check):
    """Whose mark the target of a move gets, inside the callback: the old page's (D16). ``consistency`` hears of surprises."""

    def __init__(self, lives: Lives, era: Era, broken: Report, consistency: Consistency | None) -> None:
        super().__init__(lives, era, broken)
        self._consistency = consistency
        self._marking: dict[str, Call] = {}
        self._agreed: list[Event] = []
        self._more = 0

    def set_page_movable(self, event: Event) -> None:
        """A page is marked; within a callback of this task for this target?"""
        stack = self.calls.get(event.task)
        if stack is None:
            return
        call = stack[-1]
        if call.kind != MIGRATE or call.newpfn != event.pfn:
            return
        again = self._marking.get(event.task) is call
        self._marking[event.task] = call
        if marked(event.mapping) and not again and self._consistency is not None:
            self._consistency.marked_already(event)
        was, ops = call.event.mapping, event.args.get("ops", UNSEEN)
        if marked(was) and ops > 0 and not ops & PAGE_MAPPING_FLAGS and ops + PAGE_MAPPING_MOVABLE != was:
            text = f"page {event.pfn} was marked with operations at {ops:#x}; page {call.pfn}, whose content it gets, has others"
            self.broken(D16, event, f"{text} ({was - PAGE_MAPPING_MOVABLE:#x})")

    def migratepage_ret(self, event: Event) -> None:
        """A move is over; what a hook agreed to, the balloon core marks."""
        call = self.lives.call
        if call is not None and call.hook == 0 and call.new_mark is None and event.args.get("ret") == 0:
            if len(self._agreed) < AGREED_LIMIT:
                self._agreed.append(event)
            else:
                self._more += 1

    def finish(self, last: Event, quiescent: bool) -> None:
        """Only now is it known whether the trace shows marks."""
        found = self._consistency
        if found is not None and found.sees_marks:
            for event in self._agreed:
                found.unmarked(event)
            found.holes += self._more


_EMPTY: dict[str, int] = {}
_WITHIN, _CALL, _FLAG_CHANGE, _CHANGE, _RETURN = 1, 2, 4, 8, 16
_KINDS = {
    _WITHIN: WITHIN,
    _CALL: CALLS,
    _FLAG_CHANGE: ("set_page_isolated", "clear_page_isolated"),
    _CHANGE: ("set_page_movable", "clear_page_movable", "free_page"),
    _RETURN: ("isolate_page_ret", "isolate_movable_page_ret", "putback_page_ret", "migratepage_ret", "move_to_new_page_ret"),
}
_LOOKS = {kind: sum(look for look, kinds in _KINDS.items() if kind in kinds) for kind in chain(*_KINDS.values())}
"""What is looked at in an event, by its kind: one or more of the numbers above."""
