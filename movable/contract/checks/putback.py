"""Taking a page back, and the end of every isolation: V11 to V14, V16, V19 and V26."""

from __future__ import annotations

from errno import EAGAIN

from movable.contract.checks.check import Check, Report
from movable.contract.checks.isolation import Isolation
from movable.contract.life import ATTEMPT, ISOLATE, MIGRATE, PUTBACK, UNSEEN, Lives, marked
from movable.eras import Era
from movable.mm.events import Event
from movable.mm.page import ISOLATED, LOCKED


class PutBack(Check):
    """Watches how isolations end, and what the core does right after a callback."""

    def __init__(self, lives: Lives, era: Era, broken: Report, isolation: Isolation) -> None:
        super().__init__(lives, era, broken)
        self.isolation = isolation
        self.backs = self.ends = self.released = self.unlocked = self.again = self.said_yes = self.quiet = 0

    def tally(self) -> dict[str, int]:
        """How often each rule was exercised."""
        return {
            "V4": self.said_yes,
            "V11": self.unlocked,
            "V12": self.ends,
            "V13": self.backs,
            "V14": self.again,
            "V16": self.released,
            "V19": self.quiet,
            "D22": self.released,
        }

    def putback_page(self, event: Event) -> None:
        """In which state the core calls."""
        self.backs += 1
        if not (event.flags & LOCKED and event.flags & ISOLATED):
            lacks = "the page lock" if not event.flags & LOCKED else "PG_isolated"
            self.broken("V13", event, f"putback_page was called for page {event.pfn} without {lacks}")
        if event.args.get("list"):
            on = event.args["list"]
            self.broken("V13", event, f"putback_page was called for page {event.pfn}, which is still on list {on!r}")
        if self.lives.life(event.pfn).isolated is False:
            self.broken("V12", event, f"putback_page was called for page {event.pfn}, whose isolation has ended")
        self.isolation.callable(event, event.mapping)

    def putback_page_done(self, event: Event) -> None:
        """A put-back ended the isolation."""
        self.ends += 1
        if self.lives.life(event.pfn).isolated is True:
            self.broken("V12", event, f"the isolation of page {event.pfn} ended as put back without the owner being told")

    def migrated(self, event: Event) -> None:
        """A move ended the isolation."""
        self.ends += 1
        if self.lives.life(event.pfn).isolated is True:
            self.broken("V12", event, f"the isolation of page {event.pfn} ended as moved without the owner being told")

    def released_isolated(self, event: Event) -> None:
        """The owner had released the page."""
        self.ends += 1
        self.released += 1
        if self.lives.twice:
            self.broken("V12", event, f"the isolation of page {event.pfn} ended as released after it had ended already")
        if marked(event.mapping) and event.refs > 1:
            self.broken("V16", event, f"page {event.pfn} was completed as released although its owner still holds it")

    def unlock_page(self, event: Event) -> None:
        """The core unlocks a page after a callback."""
        life = self.lives.pages.get(event.pfn)
        if life is None or life.last is None or life.last[0] != event.task:
            return
        _, kind, ret = life.last
        flags = event.flags
        if kind == ISOLATE:
            self._after_yes(event)
        elif kind == MIGRATE and ret == 0:
            self.unlocked += 1
            if flags >= 0 and flags & ISOLATED:
                self.broken("V11", event, f"page {event.pfn} was moved, and the core unlocked it with PG_isolated still set")
        elif kind == MIGRATE and ret == -EAGAIN:
            self.again += 1
            if not flags & ISOLATED and marked(event.mapping):
                self.broken("V14", event, f"page {event.pfn} lost PG_isolated after its driver had answered -EAGAIN")
        elif kind == PUTBACK and flags >= 0 and flags & ISOLATED:
            self.broken("V13", event, f"page {event.pfn} was put back, and the core unlocked it with PG_isolated still set")

    def _after_yes(self, event: Event) -> None:
        call = self.lives.top(event.task)
        if call is None or call.kind != ATTEMPT or call.pfn != event.pfn:
            return
        self.said_yes += 1
        if not event.flags & ISOLATED:
            self.broken("V4", event, f"the core unlocked page {event.pfn} without PG_isolated after the driver had let go of it")

    def finish(self, last: Event, quiescent: bool) -> None:
        """What is still isolated when all is quiet was forgotten."""
        if not quiescent:
            return
        for life in self.lives.pages.values():
            if life.isolated_at != UNSEEN:
                self.quiet += 1
            if life.isolated is True:
                event = last._replace(pfn=life.pfn)
                self.broken("V19", event, f"page {life.pfn} is isolated and nobody has put it back")
