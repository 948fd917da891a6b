"""Who holds a page after a callback: D17, D18, D26, D27, D33, D21 in put-back, and leaks at the end."""

from __future__ import annotations

from movable.eras import Era
from movable.events import Event
from movable.mm.page import ISOLATED, LOCKED, WAITERS, PG_referenced
from movable.rules.check import Check, Report, who
from movable.rules.history import UNSEEN, Call, Lives, marked, unmarked

IGNORED = LOCKED | WAITERS | ISOLATED | 1 << PG_referenced
"""Flags that others may change meanwhile."""


def nothing_done(call: Call) -> bool:
    """Whether a driver touched neither page: where the mark is sticky, so it says that the owner had released the old one."""
    return not call.new_refs and not call.old_refs and call.new_mark is None


class References(Check):
    """Counts what a driver takes and drops inside its callbacks."""

    def __init__(self, lives: Lives, era: Era, broken: Report) -> None:
        super().__init__(lives, era, broken)
        self.moved = self.failed = self.back = 0

    def tally(self) -> dict[str, int]:
        """How often each rule was exercised."""
        seen = self.lives.sees_refs
        moved, back = (self.moved, self.back) if seen else (0, 0)
        return {"D17": moved, "D18": moved, "D26": self.failed, "D27": self.failed, "D33": back}

    def get_page(self, event: Event) -> None:
        """A reference was taken."""
        self.lives.sees_refs = True
        stack = self.calls.get(event.task)
        if stack is not None:
            call = stack[-1]
            if call.pfn == event.pfn:
                call.old_refs += 1
            elif call.newpfn == event.pfn:
                call.new_refs += 1
        if not event.refs:
            self.broken("D46", event, f"a reference was taken on page {event.pfn} after it had been freed")

    def put_page(self, event: Event) -> None:
        """A reference is dropped."""
        stack = self.calls.get(event.task)
        if stack is not None:
            call = stack[-1]
            if call.pfn == event.pfn:
                call.old_refs -= 1
            elif call.newpfn == event.pfn:
                call.new_refs -= 1
        if not event.refs and self.lives.sees_refs:
            self.broken("D18", event, f"a reference of page {event.pfn} was dropped that nobody held")

    def migratepage_ret(self, event: Event) -> None:
        """References after the callback."""
        ret = event.args.get("ret")
        call = self.lives.call
        if call is None:
            return
        if ret == 0 and ret is not False:
            self.moved += 1
            if self.lives.sees_refs and not (self.era.sticky_mark and nothing_done(call)):
                self._moved(event, call)
            self._same_list(event, call)
        else:
            self.failed += 1
            self._failed_old(event, call, ret)
            self._failed_new(event, call, ret)

    def _moved(self, event: Event, call: Call) -> None:
        if call.new_refs != 1:
            took = f"{call.new_refs} references" if call.new_refs >= 0 else f"{-call.new_refs} references too few"
            text = f"{who(event)} moved page {event.pfn} to {call.newpfn} and took {took} on the new page, not one"
            self.broken("D17", event, text)
        if call.old_refs < -1 or call.old_refs > 0:
            did = f"dropped {-call.old_refs}" if call.old_refs < 0 else f"took {call.old_refs} more"
            self.broken("D18", event, f"{who(event)} moved page {event.pfn} and {did} references on it instead of dropping one")

    def _same_list(self, event: Event, call: Call) -> None:
        was, now = call.event.args.get("list"), event.args.get("list")
        if was is not None and now is not None and was != now:
            self.broken("D12", event, f"{who(event)} moved lru of page {event.pfn} from list {was!r} to {now!r} in migratepage")

    def _failed_old(self, event: Event, call: Call, ret: object) -> None:
        self._same_list(event, call)
        gone = unmarked(event.mapping) if event.mapping >= 0 else call.old_mark is False
        if not gone:
            if call.old_refs:
                text = f"{who(event)} answered {ret!r} for page {event.pfn} and changed its references by {call.old_refs}"
                self.broken("D26", event, text)
        elif self.lives.sees_refs and call.old_refs != -1 and marked(call.event.mapping):
            text = f"{who(event)} answered {ret!r} for page {event.pfn} and un-marked it without giving it up"
            self.broken("D26", event, text)

    def _failed_new(self, event: Event, call: Call, ret: object) -> None:
        args, before = event.args, call.event.args
        newpfn = call.newpfn
        wrong = ""
        if call.new_refs:
            wrong = f"its references changed by {call.new_refs}"
        elif args.get("new_mapping", 0) > 0 or (args.get("new_mapping", UNSEEN) < 0 and call.new_mark):
            wrong = "marked movable"
        elif args.get("new_list"):
            wrong = f"on list {args['new_list']!r}"
        elif args.get("new_private"):
            wrong = "with its private set"
        elif (args.get("new_flags", 0) ^ before.get("new_flags", args.get("new_flags", 0))) & ~IGNORED:
            wrong = "with other flags than it came with"
        if wrong:
            self.broken("D27", event, f"{who(event)} answered {ret!r} for page {event.pfn} and left target {newpfn} {wrong}")

    def putback_page_ret(self, event: Event) -> None:
        """References after put-back."""
        self.back += 1
        call = self.lives.call
        if call is None or not self.lives.sees_refs:
            return
        refs = call.old_refs
        if refs < -1 or refs > 0:
            self.broken("D33", event, f"{who(event)} changed the references of page {event.pfn} by {refs} in putback_page")
        elif refs == -1 and marked(event.mapping):
            self.broken("D33", event, f"{who(event)} dropped its reference on page {event.pfn} in putback_page and left it marked")

    def finish(self, last: Event, quiescent: bool) -> None:
        """An old page that is still there when all is quiet has a reference that nobody drops."""
        if not quiescent:
            return
        for life in self.lives.pages.values():
            if life.gone != UNSEEN and not life.settled and life.isolated is False:
                event = last._replace(pfn=life.pfn)
                self.broken("D18", event, f"page {life.pfn} was moved to {life.moved_to} and is never freed: a reference is left")
