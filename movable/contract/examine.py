"""Certifies a driver: runs programs until the budget ends, makes each failure small, and gives a verdict on every rule."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Callable, Collection, Iterator, Mapping
from concurrent.futures import Executor
from contextlib import nullcontext, suppress
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from movable.contract.report import BROKEN, HELD, NOT_APPLICABLE, UNPROVEN, WAIVED, Report, Verdict
from movable.errors import UsageError
from movable.registry import find
from movable.rules.rule import CHECKED
from movable.rules.table import RULES, rule
from movable.sequential.harness import Machine
from movable.sequential.narrate import tell
from movable.sequential.replay import replay_command, spoken
from movable.workload.generate import programs, shrink
from movable.workload.program import Program, encode
from movable.workload.workload import GenericWorkload, Workload, not_asked, what_is_missing, workload_for

if TYPE_CHECKING:
    from movable.concurrent.explain import Told
    from movable.concurrent.search import Interleavings
    from movable.concurrent.stage import Subject

BUDGET = 10.0
"""Seconds that a check takes by default."""
ENOUGH = 40
"""After so many failing programs in a row without a new rule, more of the same teaches nothing."""
LEAST, PATIENCE = 25, 3
"""So many programs are run at least, unless that takes so many times as long as there is time for."""
HANGS = 3
"""After so many programs that had to be stopped the search ends: each takes as long as hundreds of others."""
SHRINK_SECONDS = 1.0
SHRINK_ALL = 4.0
"""Seconds for making one failing program small, and for all of them where the budget is one of time."""
INTERRUPTED = "interrupted: this is the report so far"
SHARE = 0.5
"""The part of the budget that goes to interleavings."""
OPENING = 0.15
"""The part of the time for programs that comes before the interleavings: shallow bugs show at once, and races soon after."""
EXECUTIONS = 5
"""Interleavings that are run for each program, where programs are counted and not timed: both take about as long."""

Progress = Callable[[int, float], None]


@dataclass(slots=True)
class Search:
    """What the programs run so far have shown."""

    workload: type[Workload]
    factory: Callable[..., Any]
    era: str
    seed: int
    first: dict[str, Program] = field(default_factory=dict)
    exercised: Counter[str] = field(default_factory=Counter)
    callbacks: Counter[str] = field(default_factory=Counter)
    states: set[int] = field(default_factory=set)
    examples: int = 0
    steps: int = 0
    barren: int = 0
    hangs: int = 0
    until: frozenset[str] = frozenset()
    hurry: bool = False
    spare: float = float("inf")
    told: frozenset[str] = frozenset()
    programs: Iterator[Program] | None = None

    def run(self, program: Program, keep: bool = False) -> Machine:
        """One program on a fresh machine."""
        return Machine(self.workload, self.factory, era=self.era, seed=self.seed, keep=keep).run(program)

    def learn(self, program: Program) -> None:
        """Run a program and add up what it showed."""
        machine = self.run(program)
        self.examples += 1
        self.steps += machine.steps
        self.callbacks.update(machine.callbacks)
        self.exercised.update(machine.monitor.exercised)
        self.states |= machine.states
        new = [id for id in machine.monitor.broken if id not in self.first]
        self.barren = 0 if new or not machine.monitor.broken else self.barren + 1
        self.hangs += "D51" in machine.monitor.broken
        for id in new:
            self.first[id] = program

    def go(self, budget: float, examples: int | None = None, progress: Progress | None = None) -> str:
        """Run programs for ``budget`` seconds, or ``examples`` of them; returns why it ended early, or "".

        The next call goes on with the next program.
        """
        start = time.monotonic()
        self.programs = self.programs or programs(self.workload, self.seed)
        try:
            for program in self.programs:
                self.learn(program)
                elapsed = time.monotonic() - start
                if progress is not None:
                    progress(self.examples, elapsed)
                if self.hangs >= HANGS:
                    return f"stopped early: {HANGS} programs did not end by themselves"
                if self._enough(elapsed, budget, examples):
                    return ""
                if self.until and self.until <= self.first.keys() | self.told:
                    return f"stopped early: {', '.join(sorted(self.until))} broken, as expected"
                if self.barren >= ENOUGH and not self.until:
                    return f"stopped early: {ENOUGH} failing programs in a row broke no rule that was not broken already"
        except KeyboardInterrupt:
            return INTERRUPTED
        return ""

    def _enough(self, elapsed: float, budget: float, examples: int | None) -> bool:
        """On a busy machine a little longer, so that a certificate rests on LEAST programs."""
        if examples is not None:
            return self.examples >= examples
        return elapsed >= budget and (self.examples >= LEAST or elapsed >= PATIENCE * budget)

    def failing(self, id: str) -> Callable[[Program], bool]:
        """Whether a program breaks one rule, for the shrinker; says no once its time is up."""
        deadline = time.monotonic() + min(SHRINK_SECONDS, self.spare)
        return lambda program: time.monotonic() < deadline and id in self.run(program).monitor.broken


def check(
    target: str | Callable[..., Any],
    workload: type[Workload] | None = None,
    *,
    era: str = "4.19",
    budget: float = BUDGET,
    examples: int | None = None,
    seed: int = 0,
    waive: Mapping[str, str] | None = None,
    until: Collection[str] = (),
    interleavings: float = SHARE,
    executions: int | None = None,
    features: Mapping[str, Any] | None = None,
    jobs: int | None = None,
    executor: Executor | None = None,
    campaign: str | None = None,
    progress: Progress | None = None,
) -> Report:
    """Certify one driver.

    ``target`` is a driver class or a name for ``registry.find``. ``budget`` is in seconds; ``examples``, when given, is how many
    programs to run instead, which makes the result repeatable. ``waive`` leads from rule ids to reasons. ``until`` names rules that
    are expected to break: once all of them have, the search is over, and only their failures are made small.

    ``interleavings`` is the part of the budget, from 0 to 1, that goes to concurrent scenarios; ``executions``, when given, is how
    many interleavings of all of them to run instead (with ``examples`` alone: EXECUTIONS for each program). ``features`` are fields
    of ``movable.eras.Era`` to change for these; PG_isolated is atomic there unless they say ``atomic_isolated_flag=False``.
    ``jobs`` explores on so many processes, ``executor`` on any executor; ``campaign`` is then a directory that finished pieces are
    kept in. ``progress`` is called with (runs so far, seconds) now and then.

    Raises UsageError for an unknown driver, era, rule or feature, a share out of range, and a waiver without a reason.
    """
    if not 0 <= interleavings <= 1:
        raise UsageError(f"interleavings={interleavings} is no part of the budget; use 0 to 1")
    factory = find(target) if isinstance(target, str) else target
    waivers = checked_waivers(waive or {})
    chosen = workload_for(factory, workload)
    search = Search(chosen, factory, era, seed, until=frozenset(until))

    def explore() -> Interleavings:
        seconds = budget * interleavings if examples is None and executions is None else None
        wanted = executions if executions is not None or examples is None else examples * EXECUTIONS
        chosen_subject = _subject(search, features)
        if jobs is None and executor is None:
            return _explore(search, chosen_subject, seconds, wanted, progress)
        return _spread(search, chosen_subject, target, wanted, jobs, executor, campaign)

    if examples is None:
        search.spare = SHRINK_ALL
    if interleavings > 0:
        _keep_what_is_beside(search, features)
    alone = budget * (1 - interleavings)
    opening = alone * OPENING if examples is None and interleavings > 0 else alone
    stopped = search.go(opening, examples, progress) if interleavings < 1 else ""
    explored = explore() if interleavings > 0 and not stopped and not search.hangs else None
    if not stopped and opening < alone:
        search.told = frozenset(() if explored is None else explored.broken)
        stopped = (explored and explored.stopped) or search.go(alone - opening, None, progress)
    name = target if isinstance(target, str) else spoken(factory)
    report = Report(name, getattr(factory, "__name__", name), chosen.__name__, era, seed)
    report.replay = replay_command(name, factory, chosen, era)
    report.hint, report.not_asked = what_is_missing(factory, chosen), not_asked(chosen)
    if interleavings > 0 and search.hangs and explored is None:
        stopped = f"{stopped}; interleavings were not explored".lstrip("; ")
    report.examples, report.steps, report.states = search.examples, search.steps, len(search.states)
    report.callbacks, report.stopped = search.callbacks, stopped
    if explored is not None:
        report.scenarios, report.refused = explored.scenarios, explored.refused
        report.stopped = stopped or explored.stopped
        search.exercised.update(explored.exercised)
    _judge(search, report, waivers, {} if explored is None else explored.broken)
    return report


def _judge(search: Search, report: Report, waivers: Mapping[str, str], told: Mapping[str, Told]) -> None:
    """The verdict on every rule. An interruption ends the making small, and not the report."""
    search.hurry = report.stopped == INTERRUPTED
    for id in RULES:
        try:
            report.verdicts[id] = _verdict(search, id, waivers, told.get(id))
        except KeyboardInterrupt:
            search.hurry, report.stopped = True, INTERRUPTED
            report.verdicts[id] = _verdict(search, id, waivers, told.get(id))


def _keep_what_is_beside(search: Search, features: Mapping[str, Any] | None) -> None:
    """Look at the driver's modules while they are as they were imported: a failure is run again in another process."""
    with suppress(UsageError):  # which the interleavings will tell
        _ = _subject(search, features).beside


def _subject(search: Search, features: Mapping[str, Any] | None) -> Subject:
    from movable.concurrent.stage import subject

    return subject(search.workload, search.factory, era=search.era, features=features or {}, seed=search.seed)


def _explore(
    search: Search, chosen: Subject, seconds: float | None, executions: int | None, progress: Progress | None
) -> Interleavings:
    """The concurrent part of a check: rules that broke already are not looked for again."""
    from movable.concurrent.search import interleavings

    until = search.until - search.first.keys()
    known = frozenset(search.first)
    return interleavings(
        chosen, seconds=seconds, executions=executions, known=known, until=until, seed=search.seed, progress=progress
    )


def _spread(
    search: Search,
    chosen: Subject,
    target: str | Callable[..., Any],
    executions: int | None,
    jobs: int | None,
    executor: Executor | None,
    directory: str | None,
) -> Interleavings:
    """The same on an executor, for all rules: with those left out that some seconds of programs broke, no campaign could go on."""
    from movable.concurrent.campaign import EXECUTIONS as MANY
    from movable.concurrent.campaign import processes, spread

    name = target if isinstance(target, str) else f"{target.__module__}:{target.__qualname__}"
    with nullcontext(executor) if executor is not None else processes(jobs or 1) as pool:
        return spread(name, chosen, pool, executions=executions or MANY, directory=directory)


def checked_waivers(waive: Mapping[str, str]) -> dict[str, str]:
    """Reasons by rule id, as the table spells it. Raises UsageError for an unknown rule, naming near ones, and for no reason."""
    for id, reason in waive.items():
        if not reason.strip():
            raise UsageError(f"waiver of {id} has no reason; write {id}=REASON")
    return {rule(id).id: reason for id, reason in waive.items()}


def _verdict(search: Search, id: str, waivers: Mapping[str, str], told: Told | None = None) -> Verdict:
    found = RULES[id]
    exercised = search.exercised[id]
    if search.era not in found.eras:
        return Verdict(id, NOT_APPLICABLE, reason=f"not in era {search.era}")
    if id in search.first or told is not None:
        if id in waivers:
            return Verdict(id, WAIVED, exercised, waivers[id])
        return _broken_by_tasks(told, exercised) if told is not None and id not in search.first else _broken(search, id, exercised)
    if id in waivers and found.kind == CHECKED and exercised:
        what = f"it is waived ({waivers[id]}), and held in {exercised} tries; take the waiver away"
        return Verdict(id, BROKEN, exercised, what=what, stale=True)
    reason = declared_away(search.workload, id)
    if reason:
        return Verdict(id, NOT_APPLICABLE, exercised, reason)
    return Verdict(id, HELD if exercised else UNPROVEN, exercised)


def _broken_by_tasks(told: Told, exercised: int) -> Verdict:
    return Verdict(
        told.rule, BROKEN, exercised, what=told.what, story=told.lines, token=told.token, scenario=str(told.scenario),
        preemptions=told.preemptions, switches=told.switches, lanes=told.rows,
    )  # fmt: skip


def declared_away(workload: type[Workload], id: str) -> str:
    """Why a rule does not bind a driver with this workload's declarations, or ""."""
    if id == "D15" and not workload.preserves_content and not issubclass(workload, GenericWorkload):
        return "the driver declares that it does not preserve content"
    if id == "D50" and workload.may_refuse and not issubclass(workload, GenericWorkload):
        return "the driver declares that it may refuse for ever"
    return ""


def _broken(search: Search, id: str, exercised: int) -> Verdict:
    """The verdict on a broken rule, with the smallest program found and its story."""
    program = search.first[id]
    if not search.hurry and (not search.until or id in search.until):
        began = time.monotonic()
        program = shrink(program, search.failing(id))
        search.spare -= time.monotonic() - began
    machine = search.run(program, keep=True)
    if id not in machine.monitor.broken:  # not the same twice: show the program as it was found
        program = search.first[id]
        machine = search.run(program, keep=True)
    violations = machine.monitor.broken.get(id)
    token = encode(program, search.seed)
    if not violations:
        what = "it was broken once and not when the same program ran again: the driver uses time, randomness or state of its own"
        return Verdict(id, BROKEN, exercised, what=what, token=token)
    violation = violations[0]
    last = violation.seqs[-1] if violation.seqs else len(machine.events)
    story = tell([event for event in machine.events if event.seq <= last], violation.pfn)
    return Verdict(id, BROKEN, exercised, what=violation.text, story=story, token=token)
