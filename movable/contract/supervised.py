"""A check in workers: takes what they tell, goes on with a fresh one where one ended, and always has a certificate to give."""

from __future__ import annotations

import os
import re
import time
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any, cast

from movable.contract.budget import LIMIT_SECONDS, Budget
from movable.contract.checkpoint import Checkpoint, explained, verdict_of
from movable.contract.examine import Asked, Check
from movable.contract.judge import declared_away
from movable.contract.report import Report, Verdict
from movable.contract.verdict import BROKEN, WAIVED
from movable.errors import MovableError, UsageError
from movable.rules.table import RULES
from movable.sequential.faults import CLOCK_TIMES_PROCESSOR
from movable.sequential.search import INTERRUPTED as STOPPED_BY_HAND
from movable.sequential.search import Found, Progress
from movable.shown import shown
from movable.supervise import board
from movable.supervise.board import Place
from movable.supervise.channel import Record, Sender
from movable.supervise.relay import complain
from movable.supervise.schema import Misfit, from_record, know, to_record
from movable.supervise.supervisor import (
    DONE,
    FAILED,
    HUNG,
    INTERRUPTED,
    PATIENCE_SECONDS,
    STILL,
    TAMPERED,
    TIME,
    Ending,
    Supervisor,
)
from movable.workload import token
from movable.workload.action import show
from movable.workload.program import Program, decode, encode

if TYPE_CHECKING:
    from movable.concurrent.search import Interleavings

know(Found, Budget)

SECONDS_BETWEEN_REPORTS = 0.25
"""Seconds of the processor between two reports of how far a worker has come: that much is done again after its end."""
GRACE_SECONDS = 0.25
"""Seconds after its limit when a check is ended that has not ended by itself."""
START_UP_SECONDS = 0.3
"""Seconds that a command may take to start before they count as time of its check."""
MIN_SECONDS = 0.5
"""Seconds of a check's time that are left for it, however long the command took to start, and a driver in C to be built."""
TARDINESS_SECONDS = 1.0
"""Seconds after its time when a command has ended."""
END_SECONDS = 0.15
"""Seconds of the processor that a command takes from the deadline of its check to its own end."""
PATIENCE_SHARE, MIN_PATIENCE = 1 / 3, 1.0
"""The part of a check's time that one thing may take, and seconds that it may take in any case."""
STUCK_SECONDS = 0.5
"""Seconds that one thing took, when the time was over, after which it is named. It is not blamed: it may have been about to end."""
PHASES = ("programs", "scenarios", "interleavings", "stories", "verdicts")
"""What a fresh worker can go on with."""
MAX_WORKERS = 40
"""Workers of one check."""
MAX_FATAL_SCENARIOS = 4
"""Scenarios that ended their process, after which no more are explored."""


@dataclass(slots=True)
class Given:
    """What a fresh worker goes on from: how far the check has come, and what not to do again.

    ``spent`` are the seconds so far, ``states`` the fingerprints seen. ``fatal`` leads from tokens of programs that ended their
    process to rules, ``scenarios`` from scenarios and from rules that were told to what became of the process; ``hurried`` are
    rules whose failures are not made small, and ``verdicts`` those that are finished. ``unexplored`` says why interleavings are not
    gone on with, and ``history`` is what each program did to the roles of operations. ``confirm`` is a token that is run instead
    of all that, to see whether it ends the process again.
    """

    checkpoint: Checkpoint | None = None
    spent: float = 0.0
    states: list[int] = field(default_factory=list)
    fatal: dict[str, str] = field(default_factory=dict)
    scenarios: dict[str, str] = field(default_factory=dict)
    hurried: list[str] = field(default_factory=list)
    verdicts: dict[str, Verdict] = field(default_factory=dict)
    unexplored: str = ""
    history: list[dict[str, dict[str, int]]] = field(default_factory=list)
    confirm: str = ""


# --- in the worker ---


class Turn:
    """When it is time to report how far a worker has come: after SECONDS_BETWEEN_REPORTS of the processor, or four times as long by
    the clock."""

    def __init__(self) -> None:
        self.processor = self.clock = -SECONDS_BETWEEN_REPORTS

    def has_come(self) -> bool:
        """Whether it is; then the next one is as far away again."""
        processor, clock = time.process_time(), time.monotonic()
        if processor < self.processor + SECONDS_BETWEEN_REPORTS and clock < self.clock + 4 * SECONDS_BETWEEN_REPORTS:
            return False
        self.processor, self.clock = processor, clock
        return True


class _Reporter:
    """Tells the supervisor what a check has found, while it runs."""

    def __init__(self, tell: Sender, asked: Asked, given: Given) -> None:
        self.tell = tell
        self.asked = asked
        self.check = asked.begin(self.progress)
        self.states: set[int] = set()
        self.seen: dict[str, str] = {}
        self.every = Turn()
        self.sent = len(given.history)
        _go_on(self.check, given)
        self.states |= self.check.search.states
        self.check.notice = self.turn

    def progress(self, runs: int, seconds: float) -> None:
        """After each program and each turn of a scenario."""
        if self.every.has_come():
            self.checkpoint()
            self.tell("progress", runs=runs, seconds=seconds)

    def turn(self, result: Interleavings, seen: dict[str, str]) -> None:
        """After each turn of a scenario."""
        self.seen = seen
        self.partly = result
        if self.asked.spread.wanted:  # others do the work, and nobody else says how far it is
            self.checkpoint()

    partly: Interleavings | None = None

    def checkpoint(self) -> None:
        """Tell how far it is."""
        check, search = self.check, self.check.search
        new = search.states - self.states
        self.states |= new
        explored = check.explored
        partly = explored or self.partly
        exercised = search.exercised if explored or partly is None else search.exercised + partly.exercised
        checkpoint = Checkpoint(
            check.report(),
            {id: _token(program, search.seed) for id, program in search.first.items()},
            search.words,
            exercised,
            {id: reason for id in RULES if (reason := declared_away(search.workload, id))},
            search.barren,
            search.hangs,
            explored is not None,
            [] if partly is None else partly.scenarios,
            {} if explored is None else {id: explained(one) for id, one in explored.broken.items()},
            {} if explored is not None else self.seen,
            time.monotonic() - search.began,
        )
        self.tell("checkpoint", checkpoint=to_record(checkpoint), states=sorted(new), history=search.history[self.sent :])
        self.sent = len(search.history)

    def verdict(self, found: Verdict) -> None:
        """One verdict is ready."""
        if found.verdict in (BROKEN, WAIVED):
            self.tell("verdict", verdict=to_record(found))


def by_the_clock(limit: float) -> float:
    """When a search by work is ended from outside; the usual limit is one of processor time, or a busy machine would cut it."""
    return CLOCK_TIMES_PROCESSOR * limit if limit == LIMIT_SECONDS else limit


def _go_on(check: Check, given: Given) -> None:
    """Put a check where another worker left it."""
    search, checkpoint = check.search, given.checkpoint
    search.began -= given.spent
    search.fatal, check.fatal, search.states = given.fatal, given.scenarios, set(given.states)
    if check.budget.by_time:
        search.end = search.began + (check.budget.seconds or 0.0)
        check.budget = replace(check.budget, seconds=max(0.1, (check.budget.seconds or 0.0) - given.spent - GRACE_SECONDS))
    elif check.budget.limit is not None:
        search.end = search.began + by_the_clock(check.budget.limit)
    if given.unexplored:
        check.refused = given.unexplored
    if checkpoint is None:
        return
    check.before = {one.what: one for one in checkpoint.scenarios}
    report = checkpoint.report
    search.first = {id: decode(token, search.workload)[0] for id, token in checkpoint.first.items() if token}
    search.words, search.exercised = checkpoint.what, checkpoint.exercised
    search.barren, search.hangs = checkpoint.barren, checkpoint.hangs
    search.examples, search.steps, search.callbacks, search.operations = (
        report.examples, report.steps, report.callbacks, report.operations,
    )  # fmt: skip
    search.history = given.history
    search.first_failure = check.first_failure = report.first_failure
    if checkpoint.explored or given.unexplored:
        from movable.concurrent.search import Interleavings

        check.explored = Interleavings(checkpoint.scenarios, cast(Any, checkpoint.by_tasks))
        search.by_tasks = frozenset(checkpoint.by_tasks)


def _token(program: Program, seed: int) -> str:
    try:
        return encode(program, seed)
    except UsageError:
        return ""


def _work(asked: Asked, tell: Sender, given: Record) -> None:
    """A worker's work: the check from where it was, and its certificate."""
    begun = from_record(Given, given)
    if begun.confirm:
        _again(asked, begun.confirm)
        return
    with asked.with_executor() as ready:
        with board.preparing("the driver cannot be looked at"):
            reporter = _Reporter(tell, ready, begun)
        reporter.checkpoint()
        reporter.check.search.hurried = frozenset(begun.hurried)
        report = ready.finish(reporter.check, begun.verdicts, reporter.verdict)
        reporter.checkpoint()
        tell("report", report=to_record(report))


def _again(asked: Asked, text: str) -> None:
    """Run the interleaving of a token."""
    from movable.contract.show.replay import replay

    replay(asked.target, text, workload=asked.workload, era=asked.era)


# --- in the supervisor ---


def check_supervised(asked: Asked, progress: Progress | None) -> Report:
    """``check`` for a driver that may do anything. Raises what a check raises."""
    case = _Case(asked, progress)
    began = time.monotonic()
    with Supervisor(lambda tell, given: _work(asked, tell, given), patience=case.time.patience, preload=PRELOAD) as supervisor:
        spent = time.monotonic() - began if command_began is None else 0.0  # in which the first worker's modules were read
        case.time = Time.of(asked.measure, spent)
        while True:
            case.given.spent = time.monotonic() - case.time.began
            ending = supervisor.run(to_record(case.given), case.take, case.time.deadline)
            further = case.goes_on(ending)
            case.confirm(supervisor, ending)
            if not further:
                return case.report(ending)


command_began: float | None = None
"""When the command was started that makes the next check: its budget is counted from there."""


def _late(seconds: float | None) -> float:
    """How many seconds of a check's time the command took to start: all but MIN_SECONDS of it at most."""
    began = command_began
    if began is None or seconds is None:
        return 0.0
    return max(0.0, min(time.monotonic() - began - START_UP_SECONDS, seconds - MIN_SECONDS))


def _latest(began: float, seconds: float) -> float:
    """The last moment for the deadline of a check whose command began then, on a machine as busy as it was since: on one that gives
    the command a tenth of its processors the end takes ten times as long."""
    now = time.monotonic()
    used = sum(os.times()[:4])
    slowness = max(1.0, (now - began) / max(used, START_UP_SECONDS))
    return max(now + MIN_SECONDS + GRACE_SECONDS, began + seconds + TARDINESS_SECONDS - END_SECONDS * slowness)


@dataclass(slots=True)
class Time:
    """What a check may take by the clock: it ``began`` at a moment, what runs at ``deadline`` is killed (None: nothing is), and
    ``patience`` is how many seconds one thing may take."""

    began: float
    deadline: float | None
    patience: float

    @classmethod
    def of(cls, measure: Budget, spent: float = 0.0) -> Time:
        """The time of a check that begins now, or that began so many seconds ago."""
        seconds = measure.seconds if measure.by_time else None if measure.limit is None else by_the_clock(measure.limit)
        began = time.monotonic() - _late(seconds) - spent
        if seconds is None:
            return cls(began, None, PATIENCE_SECONDS)
        if command_began is not None:
            began = min(began, _latest(command_began, seconds) - seconds - GRACE_SECONDS)
        return cls(began, began + seconds + GRACE_SECONDS, min(PATIENCE_SECONDS, max(MIN_PATIENCE, seconds * PATIENCE_SHARE)))

    @property
    def over(self) -> bool:
        """Whether it is, but for what is needed to end."""
        return self.deadline is not None and time.monotonic() >= self.deadline - GRACE_SECONDS


PRELOAD = ("hypothesis", "hypothesis.strategies", "movable.concurrent.search")
"""What every worker needs, and imports from the keeper."""


class _Case:
    """One check, as its supervisor sees it."""

    def __init__(self, asked: Asked, progress: Progress | None) -> None:
        self.asked = asked
        self.progress = progress
        self.given = Given()
        self.states: set[int] = set()
        self.deaths: dict[str, Verdict] = {}
        self.doubtful: Verdict | None = None
        self.failure: Ending | None = None
        self.whole: Report | None = None
        self.workers = 0
        self.time = Time.of(asked.measure)

    def take(self, record: Record) -> str | None:
        """A record of a worker; one that does not fit is none."""
        try:
            self._take(record)
        except (Misfit, KeyError, TypeError, ValueError):
            pass
        return None

    def _take(self, record: Record) -> None:
        kind = record["kind"]
        if kind == "checkpoint":
            new = from_record(Given, {"history": record["history"]}).history
            self.given.checkpoint = from_record(Checkpoint, record["checkpoint"])
            self.given.history += new
            self.states |= {int(state) for state in record["states"]}
        elif kind == "verdict":
            verdict = from_record(Verdict, record["verdict"])
            self.given.verdicts[verdict.rule] = verdict
        elif kind == "report":
            whole = from_record(Report, record["report"])
            self.whole = whole if whole.verdicts.keys() == RULES.keys() else None
        elif kind == "progress" and self.progress is not None:
            self.progress(int(record["runs"]), float(record["seconds"]))

    # what a worker's end means

    def goes_on(self, ending: Ending) -> bool:
        """Take what a worker's end says; whether a fresh one goes on."""
        self.workers += 1
        if ending.place.forks:
            self._death("D52", f"{ending.place.forked}: the process was forked; the child was ended", ending.place)
        if self._begun and ending.how == FAILED:
            self.failure = ending
            return False
        if not self._begun:
            complain(ending, "the driver")
        if ending.how == TAMPERED:
            self._death("D52", ending.words, ending.place._replace(phase=""))
            return False
        if self.whole is not None or ending.how in (DONE, INTERRUPTED, TIME):
            return False
        rule = "D51" if ending.how in (HUNG, STILL) else "D52"
        self._death(rule, f"{ending.place.where}: {ending.words}", ending.place)
        if self.workers >= MAX_WORKERS or ending.place.phase not in PHASES:
            return False
        self._not_again(rule, ending)
        self.given.states = sorted(self.states)
        return not self.time.over

    @property
    def _begun(self) -> bool:
        """Whether something of the driver has run: then there are findings, and an end of its process is the driver's."""
        return self.given.checkpoint is not None and self.given.checkpoint.report.examples > 0

    def _death(self, rule: str, what: str, place: Place) -> None:
        """The first counts, but a program, which names the operation and can be run again, more than what has no token."""
        known = self.deaths.get(rule)
        if known is not None and (known.token or place.phase != "programs"):
            return
        verdict = self.deaths[rule] = Verdict(rule, BROKEN, 1, what=what)
        if place.phase == "programs":
            verdict.token, verdict.story = _until(place.token, what)
        elif place.phase == "interleavings" and place.trail:
            from movable.concurrent.failures.ended import token_of

            verdict.scenario, verdict.token = place.where, token_of(place.token, place.trail)
            verdict.what = what.removeprefix(f"{place.where}: ")
            self.doubtful = verdict if verdict.token else None

    def confirm(self, supervisor: Supervisor, ending: Ending) -> None:
        """Run a schedule that ended a process once more: a token that leads elsewhere is none."""
        verdict, self.doubtful, deadline = self.doubtful, None, self.time.deadline
        if verdict is None or (deadline is not None and time.monotonic() + 2 * self.time.patience > deadline):
            return
        again = supervisor.run(to_record(Given(confirm=verdict.token)), lambda record: None, deadline)
        if (again.how, again.number) != (ending.how, ending.number) and not ending.place.forks:
            verdict.token = ""
            verdict.what += " (its schedule, followed again, did not lead there)"

    def _not_again(self, rule: str, ending: Ending) -> None:
        """What ended one worker is left out by the next."""
        phase, where = ending.place.phase, ending.place.where
        if phase == "programs" and ending.place.token:
            self.given.fatal[ending.place.token] = rule
            return
        id = next(iter(re.findall(r"\b[DV]\d+\b", where)), "")
        if phase == "verdicts" and id:
            if id in self.given.hurried and self.given.checkpoint is not None:
                self.given.verdicts[id] = verdict_of(self.given.checkpoint, id, self.asked.waivers)
            self.given.hurried.append(id)
            return
        self.given.scenarios[where] = ending.words
        if phase == "scenarios" or len(self.given.scenarios) > MAX_FATAL_SCENARIOS:
            self.given.unexplored = f"interleavings were not explored to the end: {ending.words} {where}"

    # the certificate

    def report(self, ending: Ending) -> Report:
        """The certificate: the worker's, or what can be made of what it told."""
        report = self.whole or self._of_checkpoint(ending)
        waivers = self.asked.waivers
        for rule, verdict in self.deaths.items():
            found = report.verdicts[rule]
            if found.verdict == BROKEN and not found.stale:
                continue
            verdict.exercised = max(1, found.exercised)
            report.verdicts[rule] = Verdict(rule, WAIVED, verdict.exercised, waivers[rule]) if rule in waivers else verdict
        report.states, report.budget = len(self.states), self.asked.measure
        report.seconds = time.monotonic() - self.time.began
        if ending.how == INTERRUPTED:
            report.stopped = STOPPED_BY_HAND
        if self.failure is not None:
            report.refused, report.trace = f"the search could not be gone on with: {ending.text}", ending.trace
        return report

    def _of_checkpoint(self, ending: Ending) -> Report:
        checkpoint = self.given.checkpoint
        if checkpoint is None:
            raise _nothing(ending)
        report = checkpoint.report
        report.scenarios = checkpoint.scenarios
        for id in RULES:
            report.verdicts[id] = self.given.verdicts.get(id) or verdict_of(checkpoint, id, self.asked.waivers)
        report.cut = ending.how != INTERRUPTED
        if not report.stopped and ending.how == TIME and ending.lasted >= STUCK_SECONDS:
            report.stopped = f"stopped early: {shown(ending.place.where)}: {ending.words}"
        elif not report.stopped and self.deaths:
            report.stopped = "stopped early: the driver's process had to be ended"
        return report


def _nothing(ending: Ending) -> BaseException:
    """There is nothing to certify: the driver did not even come to be looked at."""
    if ending.how == INTERRUPTED:
        from movable.supervise.interrupt import of_this_command

        return of_this_command()
    if ending.how == TIME:
        where = ending.place.where or "the driver cannot be looked at"
        if ending.lasted < STUCK_SECONDS:  # others may have had the processor
            return UsageError(f"{where}: the time of the check was over; give it more, or the machine less to do")
        return UsageError(f"{where}: it did not end in the time of the check")
    return UsageError(f"{shown(ending.place.where) or 'the driver cannot be looked at'}: {ending.words}")


_STEP = re.compile(r"step (\d+): ")


def _until(text: str, what: str) -> tuple[str, list[str]]:
    """The token of a program up to the step that ``what`` names, and its steps as a story."""
    try:
        began = token.decode(text)
        program = began.tasks[0]
        found = _STEP.match(what)
        if found:
            program = program[: int(found[1])]
        return encode(program, began.seed), [f"step {number}: {show(step)}" for number, step in enumerate(program, 1)]
    except (MovableError, ValueError, TypeError):
        return "", []
