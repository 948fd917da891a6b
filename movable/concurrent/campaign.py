"""Explores scenarios on many processes or machines: the same budget in executions gives the same verdicts on any number of them.

Each scenario is one campaign of ``movable.explore.campaign``: cut into pieces beforehand, judged in the order of the pieces. With
a directory, finished pieces are kept in one file a scenario, and a campaign that was killed goes on from there.
"""

from __future__ import annotations

import os
import re
import sys
import time
from collections.abc import Iterator, Mapping
from concurrent.futures import Executor
from contextlib import ExitStack, contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

from movable.boundary import place_of
from movable.concurrent.execution import Trial
from movable.concurrent.failures.ended import token_of
from movable.concurrent.failures.explain import OPTIONS, Explanation, explanation_of, rule_of_failure, unreduced, words_of
from movable.concurrent.plan.precheck import Watch, suspicious
from movable.concurrent.search import Interleavings, Notice, planned, refusal, scenario_token
from movable.concurrent.stage import Subject, subject
from movable.errors import Hang, UsageError, by_hand
from movable.explore import ExploreError, Failure, Named, Options, Program, Scene
from movable.explore import failure as kinds
from movable.explore.campaign import campaign, code_of
from movable.explore.coverage import Explored
from movable.explore.engine import Scheduler
from movable.explore.record_file import Refused
from movable.explore.runner import execute
from movable.explore.schedulers.replay import Follow
from movable.registry import find
from movable.sequential.faults import watchdog
from movable.shown import shown
from movable.supervise import board
from movable.supervise.crew import Crew
from movable.workload.scenario import Scenario, decode, encode
from movable.workload.workload import workload_for

MIN_EXECUTIONS = 60
"""Executions that a scenario gets at least."""
EXECUTIONS = 20_000
"""Executions of all scenarios together where nobody says how many."""


def load(target: str, workload: str, token: str, known: list[str], era: str, seed: int) -> Program:
    """The program of one scenario, made anew in a worker."""
    factory = find(target)
    chosen = workload_for(factory, _class(workload) if workload else None)
    scenario, found = decode(token, chosen)
    trial = Watched(subject(chosen, factory, era=era, features=dict(found.features), seed=seed), scenario)
    trial.known = frozenset(known)
    return trial


class Ungoverned(UsageError):
    """A task did what no schedule governs: the driver cannot be explored, and all else of the check goes on."""


class Watched(Trial):
    """A trial of which each execution is watched: nobody else does that in a worker."""

    def __call__(self, scheduler: Scheduler) -> Scene:
        """As in Trial."""
        watch = ExitStack()
        watch.enter_context(watchdog())
        if suspicious(self.subject):
            self.watch = watch.enter_context(Watch())
        try:
            scene = super().__call__(scheduler)
        except BaseException:
            watch.close()
            raise
        close = scene.close

        def ended() -> None:
            watch.close()
            if close is not None:
                close()
            if self.watch is not None and self.watch.found:
                raise Ungoverned(self.watch.found)

        scene.close = ended
        return scene


def _class(path: str) -> Any:
    module, _, name = path.partition(":")
    return getattr(__import__(module, fromlist=[name]), name)


@contextmanager
def processes(jobs: int) -> Iterator[Executor]:
    """An executor with ``jobs`` processes, each supervised by itself."""
    with Crew(jobs) as crew:
        yield crew


def spread(  # long by its parameters, and by what may befall a scenario
    target: str,
    chosen: Subject,
    executor: Executor,
    *,
    executions: int = EXECUTIONS,
    directory: str | None = None,
    known: frozenset[str] = frozenset(),
    scenarios: list[Scenario] | None = None,
    fatal: Mapping[str, str] | None = None,
    before: Mapping[str, Explored] | None = None,
    notice: Notice | None = None,
    apart: bool = False,
) -> Interleavings:
    """Explore the scenarios of the driver called ``target`` on ``executor``.

    ``fatal``, ``before`` and ``notice`` are as for ``interleavings``; ``notice`` is called after each scenario. ``apart`` is that
    of ``movable.explore.campaign.campaign``.

    ``executions`` is the most of all scenarios together, of which each gets the same part, and at least MIN_EXECUTIONS as long as
    so many are left. Raises UsageError when the directory belongs to another campaign, or the driver cannot be found by its name.
    """
    find(target)
    result = Interleavings()
    began = time.monotonic()
    try:
        plan = planned(chosen, scenarios, executions=executions, fatal=fatal)
        result.take_plan(plan)
        share = max(MIN_EXECUTIONS, executions // max(1, len(plan)))
        for number, scenario in enumerate(plan):
            earlier, ended = (before or {}).get(str(scenario)), (fatal or {}).get(str(scenario), "")
            report = Explored(scenario.name, str(scenario), operations=scenario.operations)
            trial = None
            if ended or (earlier is not None and not earlier.rules):
                report = earlier or report
                report.left_out = ended
            elif result.executions < executions:  # else it is reported as not reached
                trial = _begun(chosen, scenario, known, report)
            result.scenarios.append(report)
            if trial is None or report.left_out:
                continue
            file = None if directory is None else _file(Path(directory), number, scenario)
            _Part(target, trial, executor, min(share, executions - result.executions), file, result, apart).run()
            if notice is not None:
                notice(result, {rule: one.what for rule, one in result.broken.items()})
    except (Exception, Hang, KeyboardInterrupt) as error:
        if by_hand(error):
            result.stopped = "interrupted: this is the report so far"
        else:
            result.refused = _why_ended(error, chosen, directory)
    result.finish(chosen, began)
    return result


def _begun(chosen: Subject, scenario: Scenario, known: frozenset[str], report: Explored) -> Trial:
    """A scenario's trial; the report says where it fails without any interleaving, so that there is nothing to explore."""
    board.enter("interleavings", str(scenario), scenario_token(chosen, scenario))
    trial = Trial(chosen, scenario)
    trial.known = known
    if trial.orders.errors and not trial.orders.outcomes:
        report.left_out = f"it fails without any interleaving: {trial.orders.errors[0]}"
    return trial


def _why_ended(error: BaseException, chosen: Subject, directory: str | None) -> str:
    """Why interleavings were not explored to the end, in words. Raises UsageError for a campaign that cannot be gone on with."""
    if isinstance(error, (Refused, UsageError)) and not isinstance(error, Ungoverned):
        raise UsageError(str(error)) from None
    if isinstance(error, OSError) and directory is not None and not place_of(error):
        return f"interleavings were not explored to the end: {shown(error.filename or directory)}: {error.strerror}"
    return refusal(chosen, error)


def _file(directory: Path, number: int, scenario: Scenario) -> Path:
    if os.path.lexists(directory) and not os.path.isdir(directory):
        raise UsageError(f"{directory}: is no directory, as which a campaign keeps its files; name another")
    directory.mkdir(parents=True, exist_ok=True)
    return directory / f"{number:02}-{re.sub('[^a-z0-9]+', '-', scenario.name.lower()).strip('-')}.jsonl"


class _Part:
    """The campaign of one scenario."""

    def __init__(
        self, target: str, trial: Trial, executor: Executor, executions: int, file: Path | None, result: Interleavings, apart: bool
    ) -> None:
        workload = trial.subject.workload
        token = encode(trial.scenario, features=trial.subject.features)
        arguments = (target, f"{workload.__module__}:{workload.__qualname__}", token, sorted(trial.known))
        self.named = Named(f"{__name__}:load", (*arguments, trial.subject.era, trial.subject.seed))
        self.trial = trial
        self.executor = executor
        self.executions = executions
        self.file = file
        self.result = result
        self.apart = apart
        factory = trial.subject.factory
        self.code = code_of([workload, getattr(factory, "module", factory)])

    def run(self) -> None:
        """Explore; after a data race once more without looking at races, with what is left, for what the race leads to."""
        execute(self.trial, Follow(), OPTIONS)  # for what it says about the driver: what others run, they run elsewhere
        self.result.scenarios[-1].unwatched = list(self.trial.unwatched)
        if self._explore(OPTIONS, self.file) == "D53" and self.result.scenarios[-1].executions < self.executions:
            again = None if self.file is None else self.file.with_suffix(".no-races.jsonl")
            self._explore(replace(OPTIONS, races=False), again)

    def _explore(self, options: Options, file: Path | None) -> str:
        report = self.result.scenarios[-1]
        seed = self.trial.subject.seed
        found = campaign(
            self.named, self.executor, executions=self.executions - report.executions, seed=seed, options=options, file=file,
            shrink=False, code=self.code, apart=self.apart,
        )  # fmt: skip
        if found.note:
            print(f"movable: {found.note}", file=sys.stderr)
        report.executions += found.executions
        report.steps += found.steps
        self.result.exercised.update(found.exercised)
        report.covered, report.complete = found.covered, found.complete
        if found.failure is None:
            return ""
        if found.failure.cause == "ExploreError":  # it came from another process, as words
            raise ExploreError(found.failure.message.partition("ExploreError: ")[2])
        rule = rule_of_failure(found.failure)
        if rule not in report.rules:
            report.rules.append(rule)
        if rule not in self.result.broken:
            self.result.broken[rule] = self._tell(found.failure, options, rule)
        return rule

    def _tell(self, failure: Failure, options: Options, rule: str) -> Explanation:
        if failure.kind not in (kinds.ENDED, kinds.HUNG):
            program = unreduced(self.trial)
            program.equivalents = True  # the schedule came from another process, without the equivalent one that shows more
            return explanation_of(program, failure, options, rule)
        scenario = self.trial.scenario
        token = scenario_token(self.trial.subject, scenario, options.races)
        return Explanation(rule, scenario, words_of(failure), token_of(token, [(task, 0) for task in failure.choices]))
