"""Moving a page: what the core brings, and what the driver answers."""

from __future__ import annotations

from errno import EAGAIN, ENOENT, ENOMEM
from typing import Any

from movable.eras import Era
from movable.events import Event
from movable.mm.page_flags import (
    ISOLATED,
    LOCKED,
    PAGE_MAPPING_MOVABLE,
    WRITEBACK,
)
from movable.rules.isolation import D30, may_be_called
from movable.rules.locking import D29
from movable.rules.marking import D7, D19, MISLEADING, misleading
from movable.rules.putback import V12
from movable.rules.references import D27, given_up
from movable.rules.rule import CLEARED, MAY, MUST, SHOULD, STOCHASTIC, Check, Report, Words, rule, who
from movable.rules.stream.history import UNSEEN, Call, Lives, marked

D16 = rule(
    "D16", SHOULD, "mark the new page",
    "A successful migratepage marks the new page movable, under its lock and for the same owner, unless it gave the page up.",
    why="An unmarked page never moves again and blocks its pageblock; one marked for another owner is asked of the wrong one.",
    kernel="mm/zsmalloc.c: replace_sub_page, mm/balloon_compaction.c: balloon_page_insert",
    bugs="Z11", exercised_by="moves", trace="set_page_movable migratepage.newpage migratepage_ret.ret",
    sticky=Words(
        sentence="A successful migratepage gives the new page its type and then the mark, under its lock, unless the "
        "old page was released or given up.",
        why="A page that has only one of the two never moves again and blocks its pageblock.",
        kernel="mm/zsmalloc.c: zs_page_migrate, mm/balloon.c: balloon_page_insert",
    ),
)  # fmt: skip

D23 = rule(
    "D23", MUST, "0 or a negative errno",
    "migratepage returns 0 or a negative errno.",
    why="A positive number counts as a failure although the driver may have moved the page.",
    kernel="include/linux/migrate.h, mm/migrate.c: move_to_new_page",
    exercised_by="answers", trace="migratepage_ret.ret", one_line=True,
)  # fmt: skip

D24 = rule(
    "D24", MAY, "-EAGAIN means again",
    "-EAGAIN is for conditions that may clear by themselves; a lasting obstacle gets another errno.",
    why="The core tries ten times at once and every caller may try again for ever.",
    kernel="mm/migrate.c: migrate_pages",
    bugs="F02 S03", kind=STOCHASTIC, exercised_by="answers", trace="migratepage_ret.ret",
)  # fmt: skip

D25 = rule(
    "D25", MAY, "-ENOMEM stops everybody",
    "migratepage does not return -ENOMEM, unless ending the caller's whole run is acceptable.",
    why="In these kernels the core takes it for its own lack of memory and tries no further page.",
    kernel="mm/migrate.c: migrate_pages",
    eras=CLEARED, exercised_by="answers", trace="migratepage_ret.ret", one_line=True,
)  # fmt: skip

D28 = rule(
    "D28", MUST, "refuse to move without copying",
    "migratepage refuses MIGRATE_SYNC_NO_COPY with -EINVAL.",
    why="In this mode somebody else copies later, after the driver's locks have dropped.",
    kernel="mm/zsmalloc.c: zs_page_migrate, mm/balloon_compaction.c: balloon_page_migrate",
    eras=CLEARED, exercised_by="no_copy_calls", trace="migratepage.mode migratepage_ret.ret",
)  # fmt: skip

V7 = rule(
    "V7", MUST, "when migrate is called",
    "migratepage gets both pages locked, the old one isolated and marked, the new one fresh with one reference.",
    why="The driver fills in the new page without looking.",
    kernel="mm/migrate.c: move_to_new_page",
    bugs="C12 B01", exercised_by="asked_to_move", trace="migratepage.flags migratepage.nflags bits", one_line=True,
    sticky=Words(
        why="The driver fills in the new page without looking; the old one may have been released.",
    ),
)  # fmt: skip

V8 = rule(
    "V8", SHOULD, "the mode is the caller's",
    "The mode of migratepage is the one that migrate_pages got; kernels since 6.3 may weaken it.",
    why="A driver decides by it whether it may wait.",
    kernel="mm/migrate.c: move_to_new_page, mm/migrate.c: migrate_pages",
    exercised_by="asked_in_run", trace="migrate_pages.mode migratepage.mode",
    sticky=Words(
        sentence="The mode of migratepage is MIGRATE_ASYNC in the first part of a run, and in the second the one that "
        "migrate_pages got.",
    ),
)  # fmt: skip


NO_COPY = 3
LARGEST_ERRNO = 4095
HOPELESS_TRIES = 100
HOPELESS_RUNS = 3
"""So many times -EAGAIN, in so many runs of the loop, and never anything else is more than bad luck: in one run somebody may hold a
lock all the time."""


class Migration(Check):
    """Watches the migrate callback: what the core brings, and what the driver answers."""

    occasions = {
        "asked_to_move": "migratepage",
        "asked_in_run": "migratepage",
        "moves": "migratepage_ret",
        "answers": "migratepage_ret",
        "watched_answers": "migratepage_ret",
        "no_copy_calls": "migratepage_ret",
    }

    def __init__(self, lives: Lives, era: Era, report: Report) -> None:
        super().__init__(lives, era, report)
        self.asked_to_move = self.asked_in_run = 0
        self.moves = self.failures = self.no_copy_calls = 0
        self.streaks: dict[str, tuple[int, Event | None]] = {}
        self.unmarked: dict[int, tuple[Event, str]] = {}
        self.streak_runs: dict[str, set[int]] = {}

    @property
    def answers(self) -> int:
        """How often a driver answered."""
        return self.moves + self.failures

    @property
    def watched_answers(self) -> int:
        """Answers of callbacks whose inside is seen."""
        return self.answers if self.lives.sees_refs else 0

    def migratepage(self, event: Event) -> None:
        """In which state the core calls."""
        self.asked_to_move += 1
        if not (event.flags & LOCKED and event.flags & ISOLATED):
            lacks = "the page lock" if not event.flags & LOCKED else "PG_isolated"
            self.broken(V7, event, f"migratepage was called for page {event.pfn} without {lacks}")
        if event.flags >= 0 and event.flags & WRITEBACK:
            self.broken(V7, event, f"migratepage was called for page {event.pfn}, which is being written back")
        may_be_called(self, event)
        if self.lives.at.isolated is False:
            self.broken(V12, event, f"migratepage was called for page {event.pfn}, whose isolation has ended")
        self._fresh_target(event)
        call = self.lives.call
        if call is not None and call.run is not None:
            self.asked_in_run += 1
            mode, wanted = event.args.get("mode", UNSEEN), call.run.mode
            if mode >= 0 and wanted >= 0 and mode != wanted and (mode > wanted or not self.era.weaker_modes):
                self.broken(V8, event, f"migratepage was called in mode {mode}; migrate_pages was called in mode {wanted}")

    def _fresh_target(self, event: Event) -> None:
        args = event.args
        newpfn = args.get("newpage", UNSEEN)
        refs = args.get("new_refs", UNSEEN)
        if refs > 1 and not self.lives.sees_refs:
            refs = 1  # anybody may hold a page for a while, and here nobody shows who does
        fresh = args.get("new_mapping", 0) <= 0 and not args.get("new_list") and refs in (UNSEEN, 1)
        if fresh and args.get("new_flags", UNSEEN) & LOCKED:
            return
        target = self.pages.get(newpfn)
        if target is not None and target.spoiled:  # by the driver, which was told then
            return
        if self._kept(event):
            text = f"target {newpfn} of page {event.pfn} is not as it came, after the driver had answered -EAGAIN"
            self.broken(D27, event, text)
            return
        if not args.get("new_flags", UNSEEN) & LOCKED:
            self.broken(V7, event, f"migratepage was called with target {newpfn} unlocked")
        if args.get("new_mapping", 0) > 0:
            self.broken(V7, event, f"migratepage was called with target {newpfn}, which has a mapping already")
        if args.get("new_list"):
            self.broken(V7, event, f"migratepage was called with target {newpfn} on list {args['new_list']!r}")
        if refs == 0 or (refs > 1 and len(self.lives.calls) == 1):
            self.broken(V7, event, f"migratepage was called with target {newpfn} holding {refs} references instead of one")

    def _kept(self, event: Event) -> bool:
        """Whether the driver has had this target before, in the same part of the run: what is wrong with it is its own doing."""
        run = None if self.lives.call is None else self.lives.call.run
        if run is None or not self.era.async_first or run.answers.get(event.pfn) != -EAGAIN:
            return False
        return bool(run.modes.get(event.pfn) == event.args.get("mode", UNSEEN))

    def migratepage_ret(self, event: Event) -> None:
        """What the driver answered."""
        ret = event.args.get("ret")
        if "ret" in event.args and (type(ret) is not int or not -LARGEST_ERRNO <= ret <= 0):  # a trace may not show it
            self.broken(D23, event, f"{who(event)} answered {ret!r} to migrating page {event.pfn}; answers are 0 and -errno")
        call = self.lives.call
        self._flags(event)
        self._streak(event, ret)
        if ret == -ENOMEM and self.era.enomem_aborts:
            self.broken(D25, event, f"{who(event)} answered -ENOMEM for page {event.pfn}, which ends the run of every page")
        if call is not None and call.event.args.get("mode") == NO_COPY:
            self.no_copy_calls += 1
            if ret == 0:
                self.broken(D28, event, f"{who(event)} moved page {event.pfn} in MIGRATE_SYNC_NO_COPY instead of refusing")
        if ret == 0 and ret is not False:
            self.moves += 1
            if call is None or not self.lives.sees_refs or not given_up(event, call, self.era.sticky_mark):
                self._moved(event, call)
        else:
            self.failures += 1

    def _flags(self, event: Event) -> None:
        if event.flags >= 0 and not event.flags & ISOLATED:
            self.broken(D30, event, f"{who(event)} cleared PG_isolated of page {event.pfn} in migratepage")
        if not (event.flags & LOCKED and event.args.get("new_flags", UNSEEN) & LOCKED):
            self.broken(D29, event, f"{who(event)} came back from migratepage with page {event.pfn} or its target unlocked")
        new_flags = event.args.get("new_flags", UNSEEN)
        if new_flags & MISLEADING and misleading(new_flags, self.era.sticky_mark) and marked(event.args.get("new_mapping", UNSEEN)):
            target = event.args.get("newpage")
            self.broken(D7, event, f"{who(event)} left flags on page {target} that make the core take it for another kind of page")

    def _moved(self, event: Event, call: Call | None) -> None:
        args = event.args
        if self.era.sticky_mark and call is not None and call.new_mark is None and _unwanted(call):
            return
        newpfn = args.get("newpage", UNSEEN if call is None else call.newpfn)
        new_mapping = args.get("new_mapping", UNSEEN)
        if new_mapping >= 0 and not (self.era.sticky_mark and call is not None and call.new_mark):
            fine = marked(new_mapping)
        else:
            fine = call is None or call.newpfn == UNSEEN or call.new_mark is True
        if not fine:
            self._tell_unmarked(newpfn)
            self.unmarked[newpfn] = event, f"{who(event)} moved page {event.pfn} to {newpfn} and did not mark {newpfn} movable"
            if self.lives.sees_refs or newpfn == UNSEEN:
                self._tell_unmarked(newpfn)
        if self.era.sticky_mark:
            return
        owner = UNSEEN if call is None else call.event.mapping
        if fine and marked(new_mapping) and marked(owner) and new_mapping != owner:
            self.broken(D16, event, f"{who(event)} moved page {event.pfn} to {newpfn} and marked {newpfn} for another owner")
        if event.mapping >= 0:
            kept = marked(event.mapping)
        else:
            kept = call is not None and marked(call.event.mapping) and call.old_mark is not False
        if kept:
            self.lives.at.blamed = True
            self.broken(D19, event, f"{who(event)} moved page {event.pfn} to {newpfn} and left page {event.pfn} marked movable")
        elif call is not None and call.clears > 1:
            self.broken(D19, event, f"{who(event)} un-marked page {event.pfn} {call.clears} times")

    def unlock_page(self, event: Event) -> None:
        """The core is done with a target: a stream without references shows only now whether the driver took it."""
        if self.unmarked and event.pfn in self.unmarked:
            if event.refs == 1:
                del self.unmarked[event.pfn]
            else:
                self._tell_unmarked(event.pfn)

    def _tell_unmarked(self, newpfn: int) -> None:
        if newpfn in self.unmarked:
            self.broken(D16, *self.unmarked.pop(newpfn))

    def _streak(self, event: Event, ret: Any) -> None:
        name = who(event)
        if ret != -EAGAIN:
            self.streaks[name] = (-1, None)
            return
        count, first = self.streaks.get(name, (0, None))
        if count >= 0:
            self.streaks[name] = (count + 1, first or event)
            call = self.lives.call
            self.streak_runs.setdefault(name, set()).add(UNSEEN if call is None or call.run is None else call.run.event.seq)

    def finish(self, last: Event, quiescent: bool) -> None:
        """Targets that were never unlocked; a driver that never answered anything but -EAGAIN."""
        for newpfn in list(self.unmarked):
            self._tell_unmarked(newpfn)
        for name, (count, first) in self.streaks.items():
            if count >= HOPELESS_TRIES and first is not None and len(self.streak_runs[name]) >= HOPELESS_RUNS:
                self.broken(D24, first, f"{name} answered -EAGAIN {count} times and never anything else")


def _unwanted(call: Call) -> bool:
    """Whether a target is not wanted: the old page was deflated instead, or its owner had released it before."""
    return bool(call.hook == -ENOENT) or call.event.mapping == PAGE_MAPPING_MOVABLE
