"""Certifies a file system: programs and interleavings of movable.filesystems, and a verdict on every F rule."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Callable, Collection, Mapping
from contextlib import suppress
from dataclasses import dataclass, field, replace
from functools import partial
from typing import Any

from movable.contract.budget import Budget
from movable.contract.checkpoint import stale_waiver
from movable.contract.report import Report, Verdict
from movable.contract.show.replay import replay_command, target_of
from movable.contract.supervised import STUCK_SECONDS, Time, Turn
from movable.contract.verdict import BROKEN, HELD, UNPROVEN, WAIVED
from movable.eras import Era
from movable.eras import era as era_called
from movable.errors import UsageError, by_hand
from movable.explore.coverage import Explored
from movable.filesystems import program, scenarios
from movable.registry import Factory, find
from movable.registry.filesystems import OPERATIONS
from movable.rules.table import FILESYSTEM_RULES
from movable.sequential.faults import Limit, over
from movable.sequential.search import INTERRUPTED as STOPPED_BY_HAND
from movable.sequential.search import Found, Progress
from movable.shown import shown
from movable.supervise import board
from movable.supervise.board import Place
from movable.supervise.channel import Record, Sender
from movable.supervise.relay import complain
from movable.supervise.schema import Misfit, from_record, know, to_record
from movable.supervise.supervisor import DONE, FAILED, HUNG, INTERRUPTED, STILL, TIME, Ending, Supervisor

know(Found, Budget)

MAX_FATAL = 8
"""Programs and scenarios that ended their process, after which the search is over."""
ENDING_SECONDS = 0.1
"""Seconds of a check's time in which it comes to its end."""


@dataclass(slots=True)
class Checkpoint:
    """How far a check has come, for a fresh worker to go on from.

    ``report`` has all but the verdicts; ``program`` is the number of the next one, ``exercised`` counts chances to be broken and
    ``broken`` has the rules that were. ``fatal`` leads from tokens of programs, and names of scenarios, that ended their process to
    what became of it.
    """

    report: Report
    program: int = 0
    exercised: Counter[str] = field(default_factory=Counter)
    broken: dict[str, Verdict] = field(default_factory=dict)
    fatal: dict[str, str] = field(default_factory=dict)

    def verdicts(self, waivers: Mapping[str, str]) -> Report:
        """The certificate of what is known."""
        for id in FILESYSTEM_RULES:
            tries = self.exercised[id]
            found = self.broken.get(id)
            if found is not None:
                found.exercised = max(1, tries)
                found = Verdict(id, WAIVED, tries, waivers[id]) if id in waivers else found
            elif id in waivers and tries:
                found = stale_waiver(id, tries, waivers[id])
            self.report.verdicts[id] = found or Verdict(id, HELD if tries else UNPROVEN, tries)
        return self.report


class Search:
    """One check while it runs."""

    def __init__(
        self, target: str | Factory, era: str, seed: int, budget: Budget,
        features: Mapping[str, Any] | None = None, until: Collection[str] = (),
    ) -> None:  # fmt: skip
        self.factory: Factory = find(target) if isinstance(target, str) else target
        name = target if isinstance(target, str) else target_of(self.factory)
        report = Report(name, getattr(self.factory, "__name__", name), "files", era, seed, budget)
        report.replay = replay_command(name, self.factory, None, era)
        report.called = tuple(one for one in OPERATIONS if hasattr(self.factory, one))
        report.hint, report.scope = "no file was read", "file system"
        self.checkpoint = Checkpoint(report)
        self.era: Era = replace(era_called(era), **(features or {}))
        self.until = frozenset(until)
        self.began = time.monotonic()

    @property
    def seconds(self) -> float:
        """How long the search has taken, workers before this one too."""
        return time.monotonic() - self.began

    @property
    def over(self) -> bool:
        """Whether the time for it is, or everything that was expected to break has."""
        if self.until and self.until <= self.checkpoint.broken.keys():
            return True
        budget = self.checkpoint.report.budget
        return budget.seconds is not None and self.seconds > budget.seconds - ENDING_SECONDS

    def go(self, notice: Callable[[], None]) -> None:
        """Programs first, then interleavings; each broken rule once, made small. ``notice`` is called after each of them."""
        report, budget = self.checkpoint.report, self.checkpoint.report.budget
        limit = None if budget.limit is None else Limit.of(budget.limit)
        try:
            self._programs(limit, notice)
            if not report.cut:
                self._interleavings(limit, notice)
            if budget.by_time and budget.share and not report.executions and not self.until:
                report.cut = True  # the time was over before the first of them
        except KeyboardInterrupt as error:
            if not by_hand(error):
                raise
            report.stopped = STOPPED_BY_HAND
        report.seconds = self.seconds

    def _programs(self, limit: Limit | None, notice: Callable[[], None]) -> None:
        checkpoint, budget = self.checkpoint, self.checkpoint.report.budget
        programs = 1 << 30 if budget.by_time else budget.programs
        while checkpoint.program < programs:
            begun = bool(checkpoint.report.examples or checkpoint.fatal)  # one is run in any case
            if begun and (self.over or over(limit)):
                checkpoint.report.cut = not self.over
                return
            if begun and budget.by_time and self.seconds > budget.seconds_alone:
                return
            steps = program.draw(checkpoint.report.seed, checkpoint.program)
            token = program.encode(steps)
            if token not in checkpoint.fatal:
                board.enter("programs", f"program {checkpoint.program}", token)
                self._program(steps)
            checkpoint.program += 1
            notice()

    def _program(self, steps: program.Program) -> None:
        checkpoint, report = self.checkpoint, self.checkpoint.report
        done = program.run(self.factory, self.era, steps, self.at)
        report.examples += 1
        report.steps += len(steps)
        report.operations.update(Counter(name for name, _ in steps))
        if done.machine is not None:
            report.callbacks.update(done.machine.observer.calls)
            checkpoint.exercised.update(done.machine.exercised)
        if done.rule and done.rule not in checkpoint.broken:
            small = program.smaller(self.factory, self.era, steps, done.rule, lambda: self.over, self.at)
            again = program.run(self.factory, self.era, small, self.at)
            done = again if again.rule == done.rule else done
            self._fails(done.rule, Verdict(done.rule, BROKEN, what=done.what, story=done.story, token=program.encode(small)))

    def at(self, where: str) -> None:
        """A step of a program begins."""
        board.at(f"program {self.checkpoint.program}, {where}")

    def _fails(self, rule: str, verdict: Verdict) -> None:
        report = self.checkpoint.report
        self.checkpoint.broken[rule] = verdict
        if report.first_failure is None:
            report.first_failure = Found(rule, report.examples, report.executions, self.seconds)

    def _interleavings(self, limit: Limit | None, notice: Callable[[], None]) -> None:
        report = self.checkpoint.report
        budget = report.budget
        share = max(1, budget.executions // len(scenarios.SCENARIOS))
        known = {one.name for one in report.scenarios}
        for tasks in scenarios.SCENARIOS if budget.executions or budget.by_time else ():
            if self.over or over(limit):
                report.cut = not self.over
                return
            name = f"{tasks[0]} || {tasks[1]}"
            if name not in known:
                board.enter("interleavings", name)
                left = budget.executions - report.executions
                self._scenario(name, tasks, 200 if budget.by_time else min(share, left))
                notice()

    def _scenario(self, name: str, tasks: tuple[str, str], executions: int) -> None:
        checkpoint, report = self.checkpoint, self.checkpoint.report
        explored = Explored(name, f"{tasks[0]} || {tasks[1]} on a page of a file", operations=list(tasks), tasks=list(tasks))
        report.scenarios.append(explored)
        explored.left_out = checkpoint.fatal.get(name, "")
        if explored.left_out or not executions:
            return
        left = None if report.budget.seconds is None else max(0.1, report.budget.seconds - ENDING_SECONDS - self.seconds)
        done = scenarios.explored(self.factory, self.era, tasks, executions, report.seed, left)
        explored.executions, explored.steps, explored.covered, explored.complete, explored.rules = (
            done.executions, done.steps, done.covered, done.complete, [done.rule] if done.rule else [],
        )  # fmt: skip
        checkpoint.exercised["F2"] += done.executions
        if done.rule and done.rule not in checkpoint.broken:
            self._fails(done.rule, Verdict(done.rule, BROKEN, what=done.what, story=list(done.story), scenario=name))


def check_filesystem(
    target: str | Factory, era: str, seed: int, budget: Budget, waivers: Mapping[str, str], *,
    progress: Progress | None = None, isolate: bool = True, features: Mapping[str, Any] | None = None, until: Collection[str] = (),
    spent: float = 0.0,
) -> Report:  # fmt: skip
    """Certify a file system; as ``movable.contract.check`` for drivers. ``isolate``: in a process of its own.

    ``spent`` are seconds of its time that are over already.

    Raises UsageError for one that cannot be imported, and for waivers of other rules.
    """
    wrong = [id for id in waivers if id not in FILESYSTEM_RULES]
    if wrong:
        raise UsageError(f"{wrong[0]} binds no file system; its rules are F1 to F{len(FILESYSTEM_RULES)}")
    if not isolate:
        search = Search(target, era, seed, budget, features, until)
        report = search.checkpoint.report
        search.go(lambda: None if progress is None else progress(report.examples + report.executions, search.seconds))
        return search.checkpoint.verdicts(waivers)
    begin = partial(Search, target, era, seed, budget, features, until)
    return _supervised(_Supervised(begin, waivers, progress, Time.of(budget, spent)))


class _Supervised:
    """One check in workers, as its supervisor sees it; ``begin`` makes the search, in a worker."""

    def __init__(
        self, begin: Callable[[], Search], waivers: Mapping[str, str], progress: Progress | None, within: Time
    ) -> None:
        self.begin = begin
        self.waivers = waivers
        self.progress = progress
        self.time = within
        self.checkpoint: Checkpoint | None = None
        self.deaths: dict[str, Verdict] = {}
        self.fatal: dict[str, str] = {}
        self.failure: Ending | None = None

    def work(self, tell: Sender, given: Record) -> None:
        """In a worker."""
        with board.preparing("the file system cannot be looked at"):
            search = self.begin()
        search.began = self.time.began
        if given:
            search.checkpoint = from_record(Checkpoint, given)
        turn = Turn()

        def checkpoint() -> None:
            tell("checkpoint", checkpoint=to_record(search.checkpoint))

        checkpoint()
        search.go(lambda: checkpoint() if turn.has_come() else None)
        checkpoint()

    def take(self, record: Record) -> str | None:
        """How far a worker has come; what does not fit is no such record."""
        if record["kind"] == "checkpoint":
            with suppress(Misfit):
                self.checkpoint = from_record(Checkpoint, record["checkpoint"])
                report = self.checkpoint.report
                if self.progress is not None:
                    self.progress(report.examples + report.executions, time.monotonic() - self.time.began)
        return None

    def goes_on(self, ending: Ending) -> bool:
        """Take what a worker's end says; whether a fresh one goes on."""
        place = ending.place
        if place.forks:
            self._death("F1", f"{place.forked}: the process was forked; the child was ended", place)
        begun = self.checkpoint is not None and self.checkpoint.report.examples > 0
        if begun and ending.how == FAILED:
            self.failure = ending
            return False
        if not begun:
            complain(ending, "the file system")
        if self.checkpoint is None:
            raise UsageError(f"the file system cannot be looked at: {ending.words}")
        if ending.how in (DONE, INTERRUPTED, TIME):
            return False
        self.checkpoint.report.examples += place.phase == "programs"
        self._death("F13" if ending.how in (HUNG, STILL) else "F1", f"{place.where}: {ending.words}", place)
        self.fatal[place.token if place.phase == "programs" else place.where] = ending.words
        self.checkpoint.fatal = self.fatal
        return len(self.fatal) < MAX_FATAL and not self.time.over

    def _death(self, rule: str, what: str, place: Place) -> None:
        if rule in self.deaths:
            return
        verdict = self.deaths[rule] = Verdict(rule, BROKEN, what=what)
        if place.phase == "programs":
            verdict.token = place.token
        else:
            verdict.scenario = place.where

    def report(self, ending: Ending) -> Report:
        """The certificate of what is known."""
        assert self.checkpoint is not None
        self.checkpoint.broken = self.deaths | self.checkpoint.broken
        report = self.checkpoint.verdicts(self.waivers)
        report.seconds = time.monotonic() - self.time.began
        if ending.how == INTERRUPTED:
            report.stopped = STOPPED_BY_HAND
        elif self.failure is not None:
            report.refused, report.trace = f"the search could not be gone on with: {ending.text}", ending.trace
        elif ending.how != DONE:
            report.cut = True
            report.stopped = "stopped early: the process of the file system had to be ended" if self.fatal else ""
            if ending.how == TIME and ending.lasted >= STUCK_SECONDS:
                report.stopped = f"stopped early: {shown(ending.place.where)}: {ending.words}"
        return report


def _supervised(case: _Supervised) -> Report:
    with Supervisor(case.work, patience=case.time.patience) as supervisor:
        while True:
            given = {} if case.checkpoint is None else to_record(case.checkpoint)
            ending = supervisor.run(given, case.take, case.time.deadline)
            if not case.goes_on(ending):
                return case.report(ending)
