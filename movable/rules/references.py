"""Who holds a page after a callback, and what is left in the end."""

from __future__ import annotations

from movable.eras import Era
from movable.events import Event
from movable.mm.page_flags import (
    ISOLATED,
    LOCKED,
    PAGE_MAPPING_MOVABLE,
    REFERENCED,
    WAITERS,
)
from movable.rules.marking import D12
from movable.rules.rule import MUST, Check, Report, Words, rule, who
from movable.rules.stream.history import UNSEEN, Call, Lives, marked, unmarked

D17 = rule(
    "D17", MUST, "the owner's references on the new page",
    "A successful migratepage takes as many references on the new page as the owner held on the old one, most often one.",
    why="The core drops its own: with fewer the page is freed in use, with more it never goes.",
    kernel="mm/migrate.c: unmap_and_move, mm/migrate.c: __unmap_and_move",
    bugs="S03", exercised_by="moves_counted targets_settled", trace="unlock_page.refs migratepage.newpage migratepage_ret.ret",
)  # fmt: skip

D18 = rule(
    "D18", MUST, "the owner's references off the old page",
    "A successful migratepage drops the references that the owner held on the old page and no other.",
    why="Kept, the old page leaks; dropped twice, it is freed while the core still holds it.",
    kernel="mm/migrate.c: unmap_and_move, mm/migrate.c: __unmap_and_move",
    bugs="S03", exercised_by="moves_counted old_pages_settled", trace="unlock_page.refs free_page migratepage_ret.ret",
)  # fmt: skip

D26 = rule(
    "D26", MUST, "failure leaves the old page",
    "After an error the old page is as before: same references, still marked; or the owner really released it.",
    why="The core keeps the page for another try, or gives it back.",
    kernel="mm/migrate.c: unmap_and_move, mm/migrate.c: __unmap_and_move",
    exercised_by="failures", trace="unlock_page.mapping unlock_page.refs migratepage_ret.ret",
)  # fmt: skip

D27 = rule(
    "D27", MUST, "failure leaves the new page fresh",
    "After an error the new page is as it came: no reference, mark, flag, list or private of the driver's.",
    why="It goes straight back to the list of free targets.",
    kernel="mm/compaction.c: compaction_free",
    exercised_by="failures", trace="set_page_movable migratepage.newpage migratepage_ret.ret",
)  # fmt: skip

D33 = rule(
    "D33", MUST, "put-back may release",
    "putback_page drops either no reference, or the owner's after un-marking the page.",
    why="The core drops the isolation's reference itself.",
    kernel="mm/z3fold.c: z3fold_page_putback",
    exercised_by="put_backs_counted",
    sticky=Words(
        sentence="putback_page drops either no reference, or the owner's after clearing the back pointer.",
    ),
)  # fmt: skip


IGNORED = LOCKED | WAITERS | ISOLATED | REFERENCED
"""Flags that others may change meanwhile."""


def given_up(event: Event, call: Call, sticky: bool) -> bool:
    """Whether a driver that answered 0 released the old page and left the target as it came, which the core then takes back.

    The owner has un-marked the page; where marks are sticky, only the page itself is without an owner.
    """
    untouched = not call.new_refs and not call.new_mark and not call.filled
    args = event.args
    untouched = untouched and not args.get("new_list") and not args.get("new_private")
    gone = sticky or (unmarked(event.mapping) if event.mapping >= 0 else call.old_mark is False)
    return untouched and gone


def others_than_the_core(call: Call) -> int:
    """References on the page beside the isolation's when a callback was called: the owner's, and short-lived ones."""
    return max(1, call.event.refs - 1)


class References(Check):
    """Counts what a driver takes and drops inside its callbacks."""

    occasions = {
        "moves_counted": "migratepage_ret",
        "failures": "migratepage_ret",
        "put_backs_counted": "putback_page_ret",
    }

    def __init__(self, lives: Lives, era: Era, report: Report) -> None:
        super().__init__(lives, era, report)
        self.moves = self.failures = self.put_backs = 0

    @property
    def moves_counted(self) -> int:
        """Moves of which the references are known."""
        return self.moves if self.lives.sees_refs else 0

    @property
    def put_backs_counted(self) -> int:
        """Put-backs of which the references are known."""
        return self.put_backs if self.lives.sees_refs else 0

    def get_page(self, event: Event) -> None:
        """A reference was taken."""
        self.lives.sees_refs = True
        self._changed(event, 1)

    def put_page(self, event: Event) -> None:
        """A reference is dropped."""
        self._changed(event, -1)
        if not event.refs and self.lives.sees_refs:
            self.broken(D18, event, f"a reference of page {event.pfn} was dropped that nobody held")

    def _changed(self, event: Event, by: int) -> None:
        """Count a reference for the call that a task is inside of, and for the task."""
        task, pfn = event.task, event.pfn
        stack = self.calls.get(task)
        if stack is not None:
            call = stack[-1]
            if call.pfn == pfn:
                call.old_refs += by
            elif call.newpfn == pfn:
                call.new_refs += by
            if call.callback and pfn in (call.pfn, call.newpfn):
                return
        life = self.pages.get(pfn)
        if life is None:
            return
        taken = life.taken
        if taken is None:
            taken = life.taken = {}
        now = taken.get(task, 0) + by
        if now >= 0:
            taken[task] = now
        elif life.held:
            life.held -= 1

    def migratepage_ret(self, event: Event) -> None:
        """References after the callback."""
        ret = event.args.get("ret")
        call = self.lives.call
        if call is None:
            return
        if ret == 0 and ret is not False:
            self.moves += 1
            if self.lives.sees_refs and not (self.era.sticky_mark and call.event.mapping == PAGE_MAPPING_MOVABLE):
                self._moved(event, call)  # a page that nobody has is D56's
            self._same_list(event, call)
        else:
            self.failures += 1
            self._failed_old(event, call, ret)
            self._failed_new(event, call, ret)

    def _moved(self, event: Event, call: Call) -> None:
        most = others_than_the_core(call)
        least = min(most, max(1, self.lives.at.held))
        own = str(most) if least == most else f"{least} to {most}"
        if not least <= call.new_refs <= most and not given_up(event, call, self.era.sticky_mark):
            took = f"took {call.new_refs} references" if call.new_refs >= 0 else f"dropped {-call.new_refs} references"
            what = f"{who(event)} moved page {event.pfn} to {call.newpfn} and {took} on the new page"
            self.broken(D17, event, f"{what}; the owner had {own} on the old one")
        if call.old_refs < -most or call.old_refs > 0:
            did = f"dropped {-call.old_refs}" if call.old_refs < 0 else f"took {call.old_refs} more"
            self.broken(D18, event, f"{who(event)} moved page {event.pfn} and {did} references on it; the owner had {own}")

    def _same_list(self, event: Event, call: Call) -> None:
        was, now = call.event.args.get("list"), event.args.get("list")
        if was is not None and now is not None and was != now:
            self.broken(D12, event, f"{who(event)} moved lru of page {event.pfn} from list {was!r} to {now!r} in migratepage")

    def _failed_old(self, event: Event, call: Call, ret: object) -> None:
        self._same_list(event, call)
        gone = unmarked(event.mapping) if event.mapping >= 0 else call.old_mark is False
        if not gone:
            if call.old_refs:
                text = f"{who(event)} answered {ret!r} for page {event.pfn} and changed its references by {call.old_refs}"
                self.broken(D26, event, text)
        elif self.lives.sees_refs and not -others_than_the_core(call) <= call.old_refs < 0 and marked(call.event.mapping):
            text = f"{who(event)} answered {ret!r} for page {event.pfn} and un-marked it without giving it up"
            self.broken(D26, event, text)

    def _failed_new(self, event: Event, call: Call, ret: object) -> None:
        args, before = event.args, call.event.args
        newpfn = call.newpfn
        wrong = ""
        came, left = (where.get("new_flags", UNSEEN) for where in (before, args))
        if call.new_refs:
            wrong = f"its references changed by {call.new_refs}"
        elif args.get("new_mapping", 0) > 0 or (args.get("new_mapping", UNSEEN) < 0 and call.new_mark):
            wrong = "marked movable"
        elif args.get("new_list"):
            wrong = f"on list {args['new_list']!r}"
        elif args.get("new_private"):
            wrong = "with its private set"
        elif came >= 0 <= left and (came ^ left) & ~IGNORED:  # a trace shows them at the beginning alone
            wrong = "with other flags than it came with"
        if wrong:
            self.lives.life(newpfn).spoiled = newpfn >= 0
            self.broken(D27, event, f"{who(event)} answered {ret!r} for page {event.pfn} and left target {newpfn} {wrong}")

    def putback_page_ret(self, event: Event) -> None:
        """References after put-back."""
        self.put_backs += 1
        call = self.lives.call
        if call is None or not self.lives.sees_refs:
            return
        refs = call.old_refs
        if refs < -others_than_the_core(call) or refs > 0:
            self.broken(D33, event, f"{who(event)} changed the references of page {event.pfn} by {refs} in putback_page")
        elif refs and marked(event.mapping):
            self.broken(D33, event, f"{who(event)} dropped its reference on page {event.pfn} in putback_page and left it marked")

    def finish(self, last: Event, quiescent: bool) -> None:
        """An old page that is still there when all is quiet has a reference that nobody drops."""
        if not quiescent:
            return
        for life in self.lives.pages.values():
            if life.gone != UNSEEN and not life.settled and life.isolated is False:
                event = last._replace(pfn=life.pfn)
                self.broken(D18, event, f"page {life.pfn} was moved to {life.moved_to} and is never freed: a reference is left")
