"""Taking a page back, how isolations end, and what the core does right after a callback."""

from __future__ import annotations

from errno import EAGAIN
from typing import Any

from movable.eras import Era
from movable.events import Event
from movable.mm.page_flags import ISOLATED, LOCKED, PAGE_MAPPING_MOVABLE, WAITERS
from movable.rules.isolation import D11, may_be_called
from movable.rules.locking import D29
from movable.rules.references import D17, D18, D26
from movable.rules.rule import CLEARED, MUST, SHOULD, Check, Report, Words, rule
from movable.rules.stream.history import ATTEMPT, ISOLATE, MIGRATE, PUTBACK, UNSEEN, Life, Lives, marked, unmarked

D32 = rule(
    "D32", MUST, "put-back cannot fail",
    "putback_page copes with whatever happened since the isolation, however long ago, and does not raise.",
    why="There is no way to tell the core that a page could not be taken back.",
    kernel="mm/migrate.c: putback_movable_page",
    exercised_by="put_backs", judged_by="mm.migrate:_putback",
)  # fmt: skip

V4 = rule(
    "V4", SHOULD, "the flag before the unlock",
    "After a True the core sets PG_isolated before it unlocks the page.",
    why="Whoever takes the lock next must see that the page is gone.",
    kernel="mm/migrate.c: isolate_movable_page",
    exercised_by="yes_settled", trace="isolate_movable_page isolate_page_ret.ret unlock_page.flags bits",
)  # fmt: skip

V11 = rule(
    "V11", MUST, "after a success",
    "After a success the core clears PG_isolated, unlocks both pages, and drops one reference on each.",
    why="From then on the new page is the driver's alone and the old one is nobody's.",
    kernel="mm/migrate.c: __unmap_and_move",
    exercised_by="moves_settled", trace="migratepage_ret.ret unlock_page.flags bits",
)  # fmt: skip

V12 = rule(
    "V12", MUST, "one end for every isolation",
    "Every isolation ends exactly once: moved, put back, or released by its owner.",
    why="A driver counts its isolated pages by these ends.",
    kernel="mm/migrate.c: unmap_and_move, mm/migrate.c: putback_movable_pages, mm/migrate.c: putback_movable_page",
    bugs="C09 B01", exercised_by="ends", trace="migratepage_ret.ret putback_page isolate_movable_page_ret.ret",
    breaks_only=True, two_tasks=True,
    sticky=Words(
        why="A driver counts its isolated pages by these ends; one that its owner released comes to them too.",
    ),
)  # fmt: skip

V13 = rule(
    "V13", MUST, "when put-back is called",
    "putback_page gets the page locked, isolated and off the core's list; PG_isolated goes after the callback.",
    why="The driver links the page to its own list right away.",
    kernel="mm/migrate.c: putback_movable_pages, mm/migrate.c: putback_movable_page",
    bugs="B01", exercised_by="put_backs", trace="putback_page.flags bits",
)  # fmt: skip

V14 = rule(
    "V14", SHOULD, "-EAGAIN keeps everything",
    "After -EAGAIN the old page keeps its isolation and the core's reference.",
    why="The next try starts from the same state.",
    kernel="mm/migrate.c: unmap_and_move",
    bugs="C12", exercised_by="agains_settled", trace="migratepage_ret.ret unlock_page.flags unlock_page.mapping bits",
)  # fmt: skip

V16 = rule(
    "V16", MUST, "a released page is a success",
    "A page that its owner released is completed without a callback, and freed.",
    why="The frame is free, which is all the caller wanted.",
    kernel="mm/migrate.c: unmap_and_move",
    eras=CLEARED, exercised_by="released_pages",
)  # fmt: skip

V19 = rule(
    "V19", MUST, "the rest is put back",
    "What migrate_pages leaves on the list stays isolated, and the caller puts it back.",
    why="A forgotten page is lost to its owner.",
    kernel="mm/migrate.c: migrate_pages, mm/compaction.c: compact_zone",
    bugs="C09", exercised_by="ends_at_rest",
)  # fmt: skip


class PutBack(Check):
    """Watches how isolations end, and what the core does right after a callback."""

    occasions = {
        "put_backs": "putback_page",
        "ends": "migrated putback_page_done released_isolated",
        "released_pages": "released_isolated",
        "ends_at_rest": "migrated putback_page_done released_isolated",
    }

    def __init__(self, lives: Lives, era: Era, report: Report) -> None:
        super().__init__(lives, era, report)
        self.put_backs = self.ends = self.released_pages = self.ends_at_rest = 0

    def putback_page(self, event: Event) -> None:
        """In which state the core calls."""
        self.put_backs += 1
        if not (event.flags & LOCKED and event.flags & ISOLATED):
            lacks = "the page lock" if not event.flags & LOCKED else "PG_isolated"
            self.broken(V13, event, f"putback_page was called for page {event.pfn} without {lacks}")
        if event.args.get("list"):
            on = event.args["list"]
            self.broken(V13, event, f"putback_page was called for page {event.pfn}, which is still on list {on!r}")
        if self.lives.at.isolated is False:
            self.broken(V12, event, f"putback_page was called for page {event.pfn}, whose isolation has ended")
        may_be_called(self, event)

    def putback_page_done(self, event: Event) -> None:
        """A put-back ended the isolation."""
        self.ends += 1
        if self.lives.life(event.pfn).isolated is True:
            self.broken(V12, event, f"the isolation of page {event.pfn} ended as put back without the owner being told")

    def migrated(self, event: Event) -> None:
        """A move ended the isolation."""
        self.ends += 1
        if self.lives.life(event.pfn).isolated is True:
            self.broken(V12, event, f"the isolation of page {event.pfn} ended as moved without the owner being told")

    def released_isolated(self, event: Event) -> None:
        """The owner had released the page."""
        self.ends += 1
        self.released_pages += 1
        if self.lives.twice:
            self.broken(V12, event, f"the isolation of page {event.pfn} ended as released after it had ended already")
        if marked(event.mapping) and event.refs > 1:
            self.broken(V16, event, f"page {event.pfn} was completed as released although its owner still holds it")

    def finish(self, last: Event, quiescent: bool) -> None:
        """What is still isolated when all is quiet was forgotten."""
        if not quiescent:
            return
        self.ends_at_rest = self.ends
        for life in self.lives.pages.values():
            if life.isolated is True:
                event = last._replace(pfn=life.pfn)
                self.broken(V19, event, f"page {life.pfn} is isolated and nobody has put it back")


class Settling(Check):
    """Watches the unlock that follows a callback. A stream that shows no reference being taken still shows their number here."""

    occasions = {
        "yes_settled": "unlock_page",
        "moves_settled": "unlock_page",
        "agains_settled": "unlock_page",
        "targets_settled": "unlock_page",
        "old_pages_settled": "unlock_page",
    }

    def __init__(self, lives: Lives, era: Era, report: Report) -> None:
        super().__init__(lives, era, report)
        self.yes_settled = self.moves_settled = self.targets = self.agains_settled = 0

    @property
    def targets_settled(self) -> int:
        """Targets whose references show only now."""
        return 0 if self.lives.sees_refs else self.targets

    @property
    def old_pages_settled(self) -> int:
        """Old pages whose references show only now."""
        return 0 if self.lives.sees_refs else self.moves_settled

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
                broken = D11 if call.kind == ISOLATE else D29
                self.broken(broken, event, f"{call.kind} for page {call.pfn} unlocked page {event.pfn}, whose lock is the core's")

    def _settle(self, event: Event, life: Life, kind: str, ret: Any) -> None:
        flags = event.flags
        if kind == ISOLATE:
            self._after_yes(event)
        elif kind == MIGRATE:
            if ret == 0:
                self.moves_settled += 1
                if flags >= 0 and flags & ISOLATED:
                    self.broken(V11, event, f"page {event.pfn} was moved, and unlocked with PG_isolated still set")
            elif ret == -EAGAIN:
                self.agains_settled += 1
                if not flags & ISOLATED and marked(event.mapping):
                    self.broken(V14, event, f"page {event.pfn} lost PG_isolated after its driver had answered -EAGAIN")
        elif kind == PUTBACK and flags >= 0 and flags & ISOLATED:
            self.broken(V13, event, f"page {event.pfn} was put back, and unlocked with PG_isolated still set")
        if event.refs >= 0 and not self.lives.sees_refs:
            self._count(event, life, kind, ret)

    def _after_yes(self, event: Event) -> None:
        call = self.lives.top(event.task)
        if call is None or call.kind != ATTEMPT or call.pfn != event.pfn:
            return
        self.yes_settled += 1
        if not event.flags & ISOLATED:
            self.broken(V4, event, f"the core unlocked page {event.pfn} without PG_isolated after the driver had let go of it")

    def _count(self, event: Event, life: Life, kind: str, ret: Any) -> None:
        pfn, refs = event.pfn, event.refs
        if kind == "target":
            self.targets += 1
            gone = self.era.sticky_mark and event.mapping == PAGE_MAPPING_MOVABLE  # its owner has let go of it already
            if refs < 2 and life.marked_at != UNSEEN and not gone:  # an unmarked target goes back to the core
                self.broken(D17, event, f"page {pfn} was moved to and has no reference of its owner, only the core's")
        elif kind != MIGRATE:
            return
        elif ret == 0 and refs < 1:
            self.broken(D18, event, f"page {pfn} was moved away and has lost the core's reference too")
        elif ret == 0:
            waiter = event.flags >= 0 and event.flags & WAITERS != 0  # who waits for the lock holds a reference for a while
            life.settled = refs <= 1 + waiter  # beside that only the isolation's is left: nothing can leak
        elif unmarked(event.mapping) and refs > 1:
            self.broken(D26, event, f"the driver answered {ret!r} for page {pfn} and un-marked it without giving it up")
