"""Certifies a file system: programs and interleavings of movable.filesystems, and a verdict on every F rule."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Collection, Mapping
from dataclasses import replace
from typing import Any

from movable.contract.budget import Budget
from movable.contract.report import Explored, Report, Verdict
from movable.contract.show.replay import replay_command, spoken
from movable.contract.standing import stale_waiver
from movable.contract.verdict import BROKEN, HELD, UNPROVEN, WAIVED
from movable.eras import Era
from movable.eras import era as era_called
from movable.errors import UsageError
from movable.filesystems import program, scenarios
from movable.registry import Factory, find
from movable.registry.filesystems import OPERATIONS
from movable.rules.table import FILESYSTEM_RULES
from movable.sequential.faults import Limit, over
from movable.sequential.search import Found, Progress
from movable.supervise import board
from movable.supervise.channel import Record, Sender
from movable.supervise.relay import complain
from movable.supervise.schema import from_record, know, to_record
from movable.supervise.supervisor import DONE, HUNG, INTERRUPTED, STILL, TIME, Supervisor

know(Found, Budget)

STORY = 40
"""Lines of what happened that are kept."""


class Search:
    """One check while it runs."""

    def __init__(
        self, target: str | Factory, era: str, seed: int, budget: Budget, waivers: Mapping[str, str],
        features: Mapping[str, Any] | None = None, until: Collection[str] = (),
    ) -> None:  # fmt: skip
        self.factory: Factory = find(target) if isinstance(target, str) else target
        name = target if isinstance(target, str) else spoken(self.factory)
        self.report = Report(name, getattr(self.factory, "__name__", name), "files", era, seed, budget)
        self.report.replay = replay_command(name, self.factory, None, era)
        self.report.called = tuple(one for one in OPERATIONS if hasattr(self.factory, one))
        self.report.hint = "no file was read"
        self.waivers = waivers
        self.era: Era = replace(era_called(era), **(features or {}))
        self.until = frozenset(until)
        self.exercised: Counter[str] = Counter()
        self.broken: dict[str, Verdict] = {}
        self.began = time.monotonic()

    @property
    def over(self) -> bool:
        """Whether the time for it is, or everything that was expected to break has."""
        if self.until and self.until <= self.broken.keys():
            return True
        budget = self.report.budget
        return budget.seconds is not None and time.monotonic() - self.began > budget.seconds

    def go(self, progress: Progress | None = None) -> Report:
        """Programs first, then interleavings; each broken rule once, made small."""
        report, budget = self.report, self.report.budget
        limit = None if budget.limit is None else Limit.of(budget.limit)
        programs = 1 << 30 if budget.by_time else budget.programs
        for number in range(programs):
            if self.over or over(limit):
                report.cut = not self.over
                break
            if budget.by_time and time.monotonic() - self.began > budget.seconds_alone:
                break
            self._program(number)
            if progress is not None:
                progress(report.examples, time.monotonic() - self.began)
        if not report.cut:
            self._interleavings(limit, progress)
        self._verdicts()
        report.seconds = time.monotonic() - self.began
        return report

    def _program(self, number: int) -> None:
        report = self.report
        steps = program.draw(report.seed, number)
        board.enter("programs", f"program {number}", program.encode(steps))
        done = program.run(self.factory, self.era, steps)
        report.examples += 1
        report.steps += len(steps)
        report.callbacks.update(done.machine.observer.calls)
        report.operations.update(Counter(name for name, _ in steps))
        self.exercised.update(done.machine.exercised)
        if done.rule and done.rule not in self.broken:
            small = program.smaller(self.factory, self.era, steps, done.rule)
            again = program.run(self.factory, self.era, small)
            done = again if again.rule == done.rule else done
            self._fails(done.rule, Verdict(done.rule, BROKEN, what=done.what, story=done.story, token=program.encode(small)))

    def _fails(self, rule: str, verdict: Verdict) -> None:
        self.broken[rule] = verdict
        if self.report.first_failure is None:
            seconds = time.monotonic() - self.began
            self.report.first_failure = Found(rule, self.report.examples, self.report.executions, seconds)

    def _interleavings(self, limit: Limit | None, progress: Progress | None) -> None:
        report, budget = self.report, self.report.budget
        share = max(1, budget.executions // len(scenarios.SCENARIOS))
        for tasks in scenarios.SCENARIOS if budget.executions or budget.by_time else ():
            if self.over or over(limit):
                report.cut = not self.over
                break
            name = f"{tasks[0]} ‖ {tasks[1]}"
            board.enter("interleavings", name)
            done = scenarios.explored(self.factory, self.era, tasks, 200 if budget.by_time else share, report.seed)
            report.scenarios.append(Explored(
                name, f"{tasks[0]} beside {tasks[1]} on a page of a file", done.executions, done.steps, done.covered, done.complete,
                [done.rule] if done.rule else [], operations=list(tasks), tasks=list(tasks),
            ))  # fmt: skip
            self.exercised["F2"] += done.executions
            if done.rule and done.rule not in self.broken:
                self._fails(done.rule, Verdict(done.rule, BROKEN, what=done.what, story=list(done.story[:STORY]), scenario=name))
            if progress is not None:
                progress(report.examples + report.executions, time.monotonic() - self.began)

    def _verdicts(self) -> None:
        for id in FILESYSTEM_RULES:
            tries = self.exercised[id]
            found = self.broken.get(id)
            if found is not None:
                found.exercised = max(1, tries)
                found = Verdict(id, WAIVED, tries, self.waivers[id]) if id in self.waivers else found
            elif id in self.waivers and tries:
                found = stale_waiver(id, tries, self.waivers[id])
            self.report.verdicts[id] = found or Verdict(id, HELD if tries else UNPROVEN, tries)


def check_filesystem(
    target: str | Factory, era: str, seed: int, budget: Budget, waivers: Mapping[str, str], *,
    progress: Progress | None = None, isolate: bool = True, features: Mapping[str, Any] | None = None, until: Collection[str] = (),
) -> Report:  # fmt: skip
    """Certify a file system; as ``movable.contract.check`` for drivers. ``isolate``: in a process of its own.

    ``features`` and ``until`` are heeded where it runs in this one.

    Raises UsageError for one that cannot be imported, and for waivers of other rules.
    """
    wrong = [id for id in waivers if id not in FILESYSTEM_RULES]
    if wrong:
        raise UsageError(f"{wrong[0]} binds no file system; its rules are F1 to F{len(FILESYSTEM_RULES)}")
    if not isolate:
        return Search(target, era, seed, budget, waivers, features, until).go(progress)
    return _apart(target, era, seed, budget, waivers, progress)


def _apart(
    target: str | Factory, era: str, seed: int, budget: Budget, waivers: Mapping[str, str], progress: Progress | None
) -> Report:
    reports: list[Report] = []

    def work(tell: Sender, given: Record) -> None:
        with board.preparing("the file system cannot be looked at"):
            search = Search(target, era, seed, budget, waivers)
        tell("report", report=to_record(search.report))
        report = search.go(lambda runs, seconds: tell("progress", runs=runs, seconds=seconds))
        tell("report", report=to_record(report))

    def take(record: Record) -> str | None:
        if record["kind"] == "report":
            reports.append(from_record(Report, record["report"]))
        elif record["kind"] == "progress" and progress is not None:
            progress(int(record["runs"]), float(record["seconds"]))
        return None

    with Supervisor(work) as supervisor:
        ending = supervisor.run({}, take)
    if ending.how == INTERRUPTED:
        from movable.supervise.interrupt import of_this_command

        raise of_this_command()
    complain(ending, "the file system")
    if ending.how == DONE and reports:
        return reports[-1]
    if not reports:
        raise UsageError(f"the file system cannot be looked at: {ending.words}")
    report = reports[-1]
    rule = "F13" if ending.how in (HUNG, STILL, TIME) else "F1"
    for id in FILESYSTEM_RULES:
        report.verdicts[id] = Verdict(id, UNPROVEN)
    token = ending.place.token if ending.place.phase == "programs" else ""
    report.verdicts[rule] = Verdict(rule, BROKEN, 1, what=f"{ending.place.where}: {ending.words}", token=token)
    report.stopped = "stopped early: the process of the file system had to be ended"
    return report
