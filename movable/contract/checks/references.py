"""Who holds a page after a callback: D17, D18, D26, D27, D33, D21 in put-back, and leaks at the end."""

from __future__ import annotations

from movable.contract.checks.check import Check, Report, who
from movable.contract.life import MIGRATE, UNSEEN, Call, Life, Lives, marked, unmarked
from movable.eras import Era
from movable.mm.events import Event
from movable.mm.page import ISOLATED, LOCKED, WAITERS, PG_referenced

IGNORED = LOCKED | WAITERS | ISOLATED | 1 << PG_referenced
"""Flags that others may change meanwhile."""


class References(Check):
    """Counts what a driver takes and drops inside its callbacks; where a trace shows no counting, looks at the unlock."""

    def __init__(self, lives: Lives, era: Era, broken: Report) -> None:
        super().__init__(lives, era, broken)
        self.moved = self.failed = self.back = self.settled = 0

    def tally(self) -> dict[str, int]:
        """How often each rule was exercised."""
        moved = self.moved if self.lives.sees_refs else self.settled
        return {"D17": moved, "D18": moved, "D26": self.failed, "D27": self.failed, "D32": self.back, "D33": self.back}

    def migratepage_ret(self, event: Event) -> None:
        """References after the callback."""
        ret = event.args.get("ret")
        call = self.lives.call
        if call is None:
            return
        if ret == 0 and ret is not False:
            self.moved += 1
            if self.lives.sees_refs:
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

    def unlock_page(self, event: Event) -> None:
        """What a trace shows of the references: the count as the core unlocks after the callback."""
        if self.lives.sees_refs or event.refs < 0:
            return
        life = self.lives.pages.get(event.pfn)
        if life is None or life.last is None or life.last[0] != event.task:
            return
        _, kind, ret = life.last
        if kind == "target":
            self._new_unlocked(event)
        elif kind == MIGRATE and ret == 0:
            self._old_unlocked(event, life)
        elif kind == MIGRATE and event.mapping >= 0 and unmarked(event.mapping) and event.refs > 1:
            text = f"the driver answered {ret!r} for page {event.pfn} and un-marked it without giving it up"
            self.broken("D26", event, text)

    def _new_unlocked(self, event: Event) -> None:
        self.settled += 1
        if event.refs < 2:
            self.broken("D17", event, f"page {event.pfn} was moved to and has no reference of its owner, only the core's")

    def _old_unlocked(self, event: Event, life: Life) -> None:
        if event.refs < 1:
            self.broken("D18", event, f"page {event.pfn} was moved away and has lost the core's reference too")
        elif event.refs == 1:
            life.gone = UNSEEN  # only the isolation's is left: nothing can leak

    def finish(self, last: Event, quiescent: bool) -> None:
        """An old page that is still there when all is quiet has a reference that nobody drops."""
        if not quiescent:
            return
        for life in self.lives.pages.values():
            if life.gone != UNSEEN and life.isolated is False:
                event = last._replace(pfn=life.pfn)
                self.broken("D18", event, f"page {life.pfn} was moved to {life.moved_to} and is never freed: a reference is left")
