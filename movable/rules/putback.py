"""Taking a page back, and the end of every isolation: V12, V13, V16, V19, D22, D32 and D47."""

from __future__ import annotations

from movable.eras import Era
from movable.events import Event
from movable.mm.page import ISOLATED, LOCKED
from movable.rules.check import Check, Report
from movable.rules.history import Lives, marked
from movable.rules.isolation import Isolation


class PutBack(Check):
    """Watches how isolations end, and what the core does right after a callback."""

    def __init__(self, lives: Lives, era: Era, broken: Report, isolation: Isolation) -> None:
        super().__init__(lives, era, broken)
        self.isolation = isolation
        self.backs = self.ends = self.released = self.quiet = 0

    def tally(self) -> dict[str, int]:
        """How often each rule was exercised."""
        return {
            "V12": self.ends,
            "V13": self.backs,
            "D32": self.backs,
            "D47": self.backs,
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
        if self.lives.at.isolated is False:
            self.broken("V12", event, f"putback_page was called for page {event.pfn}, whose isolation has ended")
        self.isolation.callable(event, event.mapping)

    def putback_page_ret(self, event: Event) -> None:
        """What the callback left."""
        call = self.lives.call
        if call is not None and (call.locks or call.strange):
            self.left_behind(event, call)

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

    def finish(self, last: Event, quiescent: bool) -> None:
        """What is still isolated when all is quiet was forgotten."""
        if not quiescent:
            return
        self.quiet = self.ends
        for life in self.lives.pages.values():
            if life.isolated is True:
                event = last._replace(pfn=life.pfn)
                self.broken("V19", event, f"page {life.pfn} is isolated and nobody has put it back")
