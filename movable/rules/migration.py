"""Moving a page: D16, D19, D23 to D25, D28, D30 and V7 to V10, V14, V17 at the callback."""

from __future__ import annotations

from errno import EAGAIN, ENOMEM
from typing import Any

from movable.eras import Era
from movable.events import Event
from movable.mm.page import ISOLATED, LOCKED, PG_writeback
from movable.rules.check import Check, Report, who
from movable.rules.history import UNSEEN, Call, Lives, Run, marked
from movable.rules.isolation import Isolation
from movable.rules.marking import MISLEADING, misleading
from movable.rules.references import given_up

WRITEBACK = 1 << PG_writeback
TRIES = 10
NO_COPY = 3
LARGEST_ERRNO = 4095
HOPELESS = 100
"""So many times -EAGAIN and never anything else is more than bad luck."""


class Migration(Check):
    """Watches the migrate callback: what the core brings, and what the driver answers."""

    def __init__(self, lives: Lives, era: Era, broken: Report, isolation: Isolation) -> None:
        super().__init__(lives, era, broken)
        self.isolation = isolation
        self.asked = self.in_run = self.targets = self.agains = 0
        self.ok = self.failed = self.no_copy = 0
        self.streaks: dict[str, tuple[int, Event | None]] = {}

    def tally(self) -> dict[str, int]:
        """How often each rule was exercised."""
        answers = self.ok + self.failed
        return {
            "V7": self.asked,
            "V8": self.in_run,
            "V9": self.in_run,
            "V10": self.in_run,
            "V17": self.targets,
            "V21": self.ok,
            "V26": self.asked,
            "D16": self.ok,
            "D19": self.ok,
            "D19b": self.ok,
            "D23": answers,
            "D24": answers,
            "D25": answers,
            "D28": self.no_copy,
            "D29": answers,
            "D47": answers,
            "D37": answers if self.lives.sees_refs else 0,
            "D38": answers if self.lives.sees_refs else 0,
        }

    def migratepage(self, event: Event) -> None:
        """In which state the core calls."""
        self.asked += 1
        if not (event.flags & LOCKED and event.flags & ISOLATED):
            lacks = "the page lock" if not event.flags & LOCKED else "PG_isolated"
            self.broken("V7", event, f"migratepage was called for page {event.pfn} without {lacks}")
        if event.flags >= 0 and event.flags & WRITEBACK:
            self.broken("V7", event, f"migratepage was called for page {event.pfn}, which is being written back")
        self.isolation.callable(event, event.mapping)
        if self.lives.at.isolated is False:
            self.broken("V12", event, f"migratepage was called for page {event.pfn}, whose isolation has ended")
        self._fresh_target(event)
        call = self.lives.call
        if call is not None and call.run is not None:
            self.in_run += 1
            self._in_turn(event, call.run)

    def _fresh_target(self, event: Event) -> None:
        args = event.args
        newpfn = args.get("newpage", UNSEEN)
        refs = args.get("new_refs", UNSEEN)
        fresh = args.get("new_mapping", 0) <= 0 and not args.get("new_list") and refs in (UNSEEN, 1)
        if fresh and args.get("new_flags", UNSEEN) & LOCKED:
            return
        if not args.get("new_flags", UNSEEN) & LOCKED:
            self.broken("V7", event, f"migratepage was called with target {newpfn} unlocked")
        if args.get("new_mapping", 0) > 0:
            self.broken("V7", event, f"migratepage was called with target {newpfn}, which has a mapping already")
        if args.get("new_list"):
            self.broken("V7", event, f"migratepage was called with target {newpfn} on list {args['new_list']!r}")
        if refs == 0 or (refs > 1 and len(self.lives.calls) == 1):
            self.broken("V7", event, f"migratepage was called with target {newpfn} holding {refs} references instead of one")

    def _in_turn(self, event: Event, run: Run) -> None:
        pfn, mode = event.pfn, event.args.get("mode", UNSEEN)
        if mode >= 0 and run.mode >= 0 and mode != run.mode and (mode > run.mode or not self.era.weaker_modes):
            self.broken("V8", event, f"migratepage was called in mode {mode}; migrate_pages was called in mode {run.mode}")
        tries = run.tries.get(pfn, 0)
        if tries > TRIES:
            self.broken("V9", event, f"page {pfn} is tried for the {tries}th time in one migrate_pages call")
        before = run.answers.get(pfn)
        if before is not None and before != -EAGAIN:
            id = "V9" if before == 0 else "V10"
            self.broken(id, event, f"page {pfn} is tried again although the driver answered {before}")
        elif run.ended != UNSEEN and run.ended != pfn:
            self.broken("V10", event, f"page {pfn} is tried although page {run.ended} was answered with -ENOMEM")
        if run.offers:
            self.targets += 1
            offered = run.targets.get(pfn)
            if offered is None or offered != event.args.get("newpage", offered):
                self.broken("V17", event, f"page {pfn} is moved to {event.args.get('newpage')}; the caller gave {offered}")

    def migratepage_ret(self, event: Event) -> None:
        """What the driver answered."""
        ret = event.args.get("ret")
        if type(ret) is not int or not -LARGEST_ERRNO <= ret <= 0:
            self.broken("D23", event, f"{who(event)} answered {ret!r} to migrating page {event.pfn}; answers are 0 and -errno")
        call = self.lives.call
        if call is not None:
            run = call.run
            if run is not None:
                run.answers[event.pfn] = ret
                if ret == -ENOMEM and self.era.enomem_aborts and not self.era.weaker_modes:
                    run.ended = event.pfn
            if call.locks or call.strange:
                self.left_behind(event, call)
        self._flags(event)
        self._streak(event, ret)
        if ret == -ENOMEM and self.era.enomem_aborts:
            self.broken("D25", event, f"{who(event)} answered -ENOMEM for page {event.pfn}, which ends the run of every page")
        if call is not None and call.event.args.get("mode") == NO_COPY:
            self.no_copy += 1
            if ret == 0:
                self.broken("D28", event, f"{who(event)} moved page {event.pfn} in MIGRATE_SYNC_NO_COPY instead of refusing")
        if ret == 0 and ret is not False:
            self.ok += 1
            if call is None or not self.lives.sees_refs or not given_up(event, call, self.era.sticky_mark):
                self._moved(event, call)
        else:
            self.failed += 1

    def _flags(self, event: Event) -> None:
        if event.flags >= 0 and not event.flags & ISOLATED:
            self.broken("D30", event, f"{who(event)} cleared PG_isolated of page {event.pfn} in migratepage")
        if not (event.flags & LOCKED and event.args.get("new_flags", UNSEEN) & LOCKED):
            self.broken("D29", event, f"{who(event)} came back from migratepage with page {event.pfn} or its target unlocked")
        new_flags = event.args.get("new_flags", UNSEEN)
        if new_flags & MISLEADING and misleading(new_flags) and marked(event.args.get("new_mapping", UNSEEN)):
            self.broken("D7", event, f"{who(event)} left flags on page {event.args.get('newpage')} that mislead page_mapping")

    def _moved(self, event: Event, call: Call | None) -> None:
        args = event.args
        newpfn = args.get("newpage", UNSEEN if call is None else call.newpfn)
        new_mapping = args.get("new_mapping", UNSEEN)
        if new_mapping >= 0:
            fine = marked(new_mapping)
        else:
            fine = call is None or call.newpfn == UNSEEN or call.new_mark is True
        if not fine:
            self.broken("D16", event, f"{who(event)} moved page {event.pfn} to {newpfn} and did not mark {newpfn} movable")
        if self.era.sticky_mark:
            return
        if event.mapping >= 0:
            kept = marked(event.mapping)
        else:
            kept = call is not None and marked(call.event.mapping) and call.old_mark is not False
        if kept:
            self.lives.at.blamed = True
            self.broken("D19", event, f"{who(event)} moved page {event.pfn} to {newpfn} and left page {event.pfn} marked movable")
        elif call is not None and call.clears > 1:
            self.broken("D19", event, f"{who(event)} un-marked page {event.pfn} {call.clears} times")

    def _streak(self, event: Event, ret: Any) -> None:
        name = who(event)
        if ret != -EAGAIN:
            self.streaks[name] = (-1, None)
            return
        count, first = self.streaks.get(name, (0, None))
        if count >= 0:
            self.streaks[name] = (count + 1, first or event)

    def finish(self, last: Event, quiescent: bool) -> None:
        """A driver that never answered anything but -EAGAIN."""
        for name, (count, first) in self.streaks.items():
            if count >= HOPELESS and first is not None:
                self.broken("D24", first, f"{name} answered -EAGAIN {count} times and never anything else")
