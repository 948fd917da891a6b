"""The core's loop: V11, V15 to V18, V22, V33 and V34."""

from __future__ import annotations

from errno import ENOMEM

from movable.eras import Era
from movable.events import Event
from movable.rules.check import Check, Report
from movable.rules.history import RUN, UNSEEN, Lives, Run

ASYNC = 0
BATCH = 32


class Core(Check):
    """Watches runs of migrate_pages and of compaction as a whole."""

    def __init__(self, lives: Lives, era: Era, broken: Report) -> None:
        super().__init__(lives, era, broken)
        self.runs = self.offered = self.moves = self.zones = self.batches = 0

    def tally(self) -> dict[str, int]:
        """How often each rule was exercised."""
        return {
            "V15": self.offered,
            "V17": self.offered,
            "V18": self.runs,
            "V22": self.moves,
            "V33": self.zones,
            "V34": self.batches,
        }

    # targets

    def get_new_page(self, event: Event) -> None:
        """A target is asked for."""
        run = self.lives.run(event.task)
        if run is None:
            return
        self.offered += 1
        run.offers = True
        run.waited = UNSEEN
        if event.pfn in run.targets:
            self.broken("V17", event, f"a second target was asked for page {event.pfn} before the first was used or returned")
        newpfn = event.args.get("newpage", UNSEEN)
        if newpfn >= 0:
            run.targets[event.pfn] = newpfn

    def put_new_page(self, event: Event) -> None:
        """A target goes back unused."""
        run = self.lives.run(event.task)
        if run is None or not run.offers:
            return
        newpfn = event.args.get("newpage", UNSEEN)
        if run.targets.pop(event.pfn, UNSEEN) != newpfn:
            self.broken("V15", event, f"target {newpfn} of page {event.pfn} was returned although it was not on offer")

    def migrated(self, event: Event) -> None:
        """A target is used."""
        self._used(event, True)

    def released_isolated(self, event: Event) -> None:
        """A released page needs no target: inside the move the core drops it, before the move it goes back to the caller."""
        self._used(event, False)

    def _used(self, event: Event, moved: bool) -> None:
        run = self.lives.run(event.task)
        if run is None:
            return
        if moved:
            run.moved += 1
        else:
            run.released += 1
        if moved or event.pfn in run.moving:
            run.targets.pop(event.pfn, None)
            run.moving.discard(event.pfn)

    # waiting

    def lock_page(self, event: Event) -> None:
        """The core waits for a page."""
        call = self.lives.top(event.task)
        if call is not None and call.kind == RUN and isinstance(call, Run):
            call.waited = event.pfn

    def move_to_new_page(self, event: Event) -> None:
        """Both pages are locked."""
        self.moves += 1
        run = self.lives.run(event.task)
        if run is None:
            return
        run.moving.add(event.pfn)
        if run.waited == event.pfn and run.mode == ASYNC:
            self.broken("V22", event, f"the core waited for the lock of page {event.pfn} in MIGRATE_ASYNC")

    def move_to_new_page_ret(self, event: Event) -> None:
        """The attempt is over."""
        run = self.lives.run(event.task)
        if run is not None:
            run.moving.discard(event.pfn)

    # the sum

    def migrate_pages_ret(self, event: Event) -> None:
        """A run is over."""
        run = self.lives.call
        if not isinstance(run, Run):
            return
        self.runs += 1
        if run.targets:
            pfn, newpfn = next(iter(run.targets.items()))
            self.broken("V15", event, f"migrate_pages forgot target {newpfn}, which it was given for page {pfn}")
        nr = run.event.args.get("nr")
        if nr is not None and "nr_left" in event.args:
            self._adds_up(event, run, nr)
        zone = self.lives.zone_run(event.task)
        if zone is not None:
            zone.batch = 0

    def _adds_up(self, event: Event, run: Run, nr: int) -> None:
        args = event.args
        ret, moved, failed, left = args["ret"], args["nr_succeeded"], args["nr_failed"], args["nr_left"]
        if not self.era.core_puts_back:  # every page that did not move is left on the list
            fine = moved == nr - left and (0 <= failed <= left if ret == -ENOMEM else ret == failed == left)
        elif ret == -ENOMEM:
            fine = 0 <= moved + failed - (nr - left) <= 1
        else:
            fine = moved + failed == nr and ret == failed and left <= failed
        if not fine:
            text = f"migrate_pages got {nr} pages and says: moved {moved}, failed {failed}, {left} left, returned {ret}"
            self.broken("V18", event, text)
        elif not run.moved <= moved <= run.moved + run.released:
            self.broken("V18", event, f"migrate_pages says that it moved {moved} pages; it moved {run.moved}")

    # compaction

    def isolate_movable_page_ret(self, event: Event) -> None:
        """One page more is isolated."""
        if event.args.get("ret") != 0:
            return
        call = self.lives.call
        zone = None if call is None else call.zone
        if zone is None:
            return
        zone.taken.add(event.pfn)
        zone.batch += 1
        self.batches += 1
        if zone.batch > BATCH and not self.era.compaction_overfills:
            self.broken("V34", event, f"compaction has isolated {zone.batch} pages without migrating any")

    def putback_movable_pages(self, event: Event) -> None:
        """A batch is given back."""
        zone = self.lives.zone_run(event.task)
        if zone is not None:
            zone.batch = 0

    def compact_zone_ret(self, event: Event) -> None:
        """A compaction run is over."""
        zone = self.lives.call
        if not isinstance(zone, Run):
            return
        self.zones += 1
        for pfn in zone.taken:
            life = self.lives.pages.get(pfn)
            if life is not None and life.isolated is True and life.isolated_at > zone.event.seq and life.isolator == event.task:
                self.broken("V33", event._replace(pfn=pfn), f"compaction ended and left page {pfn} isolated")
