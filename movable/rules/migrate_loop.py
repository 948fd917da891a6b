"""The core's loop over a list of pages, its tries of each, and compaction's runs."""

from __future__ import annotations

from errno import EAGAIN, ENOMEM

from movable.eras import Era
from movable.events import Event
from movable.mm.migrate import MIGRATE_ASYNC
from movable.rules.rule import MAY, MUST, SHOULD, UNTESTED, Check, Report, Words, rule
from movable.rules.stream.history import RUN, UNSEEN, Lives, Run

V9 = rule(
    "V9", SHOULD, "at most ten tries",
    "One migrate_pages call asks the driver about a page at most ten times, again only after -EAGAIN.",
    why="Retries must end.",
    kernel="mm/migrate.c: migrate_pages",
    exercised_by="tries", trace="migrate_pages migratepage_ret.ret",
    sticky=Words(
        sentence="One migrate_pages call asks the driver about a page at most ten times, in both parts together; "
        "within a part again only after -EAGAIN.",
    ),
)  # fmt: skip

V10 = rule(
    "V10", SHOULD, "other errors are final",
    "An error other than -EAGAIN ends the page's run; -ENOMEM ends everybody's, in kernels before 6.3.",
    why="The driver said that trying again is no use.",
    kernel="mm/migrate.c: migrate_pages",
    exercised_by="tries", trace="migrate_pages migratepage_ret.ret",
    sticky=Words(
        sentence="An error other than -EAGAIN, -ENOMEM too, ends the page's part of a run, and no other page's.",
        why="The driver said that trying again at once is no use.",
    ),
)  # fmt: skip

V15 = rule(
    "V15", MUST, "targets are returned once",
    "An unused target goes back exactly once, a used one never, and none is forgotten.",
    why="Targets come from the caller's own stock.",
    kernel="mm/migrate.c: unmap_and_move",
    exercised_by="targets_offered",
)  # fmt: skip

V17 = rule(
    "V17", SHOULD, "one target for each attempt",
    "Every attempt asks for a target once and moves to that one; without a target the page is left as it is.",
    why="The caller decides where pages go.",
    kernel="mm/migrate.c: unmap_and_move",
    exercised_by="targets_used targets_offered",
    sticky=Words(
        sentence="Each part of a run asks for a target once for a page, and moves to that one; without a target the "
        "page is left as it is.",
    ),
)  # fmt: skip

V18 = rule(
    "V18", SHOULD, "the counts add up",
    "Moved, failed and untried pages add up to the pages given, and the return value says how many failed.",
    why="Callers and statistics go by these numbers.",
    kernel="mm/migrate.c: migrate_pages",
    bugs="C04", exercised_by="runs",
)  # fmt: skip

V22 = rule(
    "V22", SHOULD, "ASYNC never waits for a page",
    "In MIGRATE_ASYNC the lock of a page to move is only tried.",
    why="Such a caller must not be held up.",
    kernel="mm/migrate.c: __unmap_and_move",
    bugs="C10", exercised_by="both_locked",
)  # fmt: skip

V33 = rule(
    "V33", MUST, "compaction cleans up",
    "A compaction run ends with nothing isolated, however early it stops.",
    why="Nobody else knows its lists.",
    kernel="mm/compaction.c: compact_zone",
    bugs="C07", exercised_by="compactions",
)  # fmt: skip

V34 = rule(
    "V34", MAY, "small batches",
    "Compaction isolates at most 32 pages before it migrates them.",
    why="What is isolated is missing elsewhere.",
    kernel="include/linux/swap.h: COMPACT_CLUSTER_MAX",
    bugs="C07", eras=("4.19",), exercised_by="isolated_by_compaction",
)  # fmt: skip

V35 = rule(
    "V35", MAY, "put-back without an attempt",
    "Compaction may put pages back without trying to move them; a driver sees isolate and put-back in pairs.",
    why="A run that gives up early is ordinary.",
    kernel="mm/compaction.c: isolate_migratepages_block",
    kind=UNTESTED,
)  # fmt: skip


BATCH_PAGES = 32
MAX_ATTEMPTS = 10


class Core(Check):
    """Watches runs of migrate_pages and of compaction as a whole."""

    occasions = {
        "runs": "migrate_pages_ret",
        "tries": "migratepage",
        "targets_used": "migratepage",
        "targets_offered": "get_new_page",
        "both_locked": "move_to_new_page",
        "compactions": "compact_zone_ret",
        "isolated_by_compaction": "isolate_movable_page_ret",
    }

    def __init__(self, lives: Lives, era: Era, report: Report) -> None:
        super().__init__(lives, era, report)
        self.runs = self.targets_offered = self.both_locked = self.compactions = self.isolated_by_compaction = 0
        self.tries = self.targets_used = 0

    # tries

    def migratepage(self, event: Event) -> None:
        """A page is tried, in its turn and with its target."""
        call = self.lives.call
        if call is None or call.run is None:
            return
        self.tries += 1
        pfn, run = event.pfn, call.run
        self._in_turn(event, run)
        if run.offers:
            self.targets_used += 1
            offered = run.targets.get(pfn)
            if offered is None or offered != event.args.get("newpage", offered):
                self.broken(V17, event, f"page {pfn} is moved to {event.args.get('newpage')}; the caller gave {offered}")

    def _in_turn(self, event: Event, run: Run) -> None:
        pfn, mode = event.pfn, event.args.get("mode", UNSEEN)
        tries = run.tries.get(pfn, 0)
        if tries > MAX_ATTEMPTS:
            self.broken(V9, event, f"page {pfn} is tried for the {tries}th time in one migrate_pages call")
        before = run.answers.get(pfn)
        other_part = self.era.async_first and mode != run.modes.get(pfn, mode)
        run.modes[pfn] = mode
        if before is not None and before != -EAGAIN and not (before and other_part):
            broken = V9 if before == 0 else V10
            self.broken(broken, event, f"page {pfn} is tried again although the driver answered {before}")
        elif run.ended != UNSEEN and run.ended != pfn:
            self.broken(V10, event, f"page {pfn} is tried although page {run.ended} was answered with -ENOMEM")

    def migratepage_ret(self, event: Event) -> None:
        """A try has its answer."""
        call = self.lives.call
        if call is None or call.run is None:
            return
        ret = event.args.get("ret")
        call.run.answers[event.pfn] = ret
        if ret == -ENOMEM and self.era.enomem_aborts and not self.era.weaker_modes:
            call.run.ended = event.pfn

    # targets

    def get_new_page(self, event: Event) -> None:
        """A target is asked for."""
        run = self.lives.run(event.task)
        if run is None:
            return
        self.targets_offered += 1
        run.offers = True
        run.waited = UNSEEN
        if event.pfn in run.targets:
            self.broken(V17, event, f"a second target was asked for page {event.pfn} before the first was used or returned")
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
            self.broken(V15, event, f"target {newpfn} of page {event.pfn} was returned although it was not on offer")

    def migrated(self, event: Event) -> None:
        """A target is used."""
        self._used(event, True)

    def released_isolated(self, event: Event) -> None:
        """A released page needs no target: inside the move the core drops it, before the move it goes back to the caller."""
        self._used(event, False)

    def move_lru_page_ret(self, event: Event) -> None:
        """A target of a page of a process is used, if the move succeeded."""
        if event.args["ret"] == 0:
            self._used(event, True)

    def released_lru_page(self, event: Event) -> None:
        """A page of a process that was given up needs no target."""
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
        self.both_locked += 1
        run = self.lives.run(event.task)
        if run is None:
            return
        run.moving.add(event.pfn)
        if run.waited == event.pfn and run.mode == MIGRATE_ASYNC:
            self.broken(V22, event, f"the core waited for the lock of page {event.pfn} in MIGRATE_ASYNC")

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
            self.broken(V15, event, f"migrate_pages forgot target {newpfn}, which it was given for page {pfn}")
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
            self.broken(V18, event, text)
        elif not run.moved <= moved <= run.moved + run.released:
            self.broken(V18, event, f"migrate_pages says that it moved {moved} pages; it moved {run.moved}")

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
        self.isolated_by_compaction += 1
        if zone.batch > BATCH_PAGES and not self.era.compaction_overfills:
            self.broken(V34, event, f"compaction has isolated {zone.batch} pages without migrating any")

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
        self.compactions += 1
        for pfn in zone.taken:
            life = self.lives.pages.get(pfn)
            if life is not None and life.isolated is True and life.isolated_at > zone.event.seq and life.isolator == event.task:
                self.broken(V33, event._replace(pfn=pfn), f"compaction ended and left page {pfn} isolated")
