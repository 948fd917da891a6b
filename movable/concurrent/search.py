"""Explores the scenarios of a driver within a budget, and makes of each failure a broken rule with its shortest story.

Scenarios take turns in growing portions, so that a shallow bug of the last one is found before a deep search of the first ends.
"""

from __future__ import annotations

import gc
import time
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass, field, replace
from typing import Any

from movable.concurrent.execution import Trial, shown_by, unfit
from movable.concurrent.failures.explain import OPTIONS, Explanation, Sighting, explain_failure, rule_of_failure, words_of
from movable.concurrent.plan.derive import Plan, derive, size_for, weight
from movable.concurrent.plan.precheck import Watch, precheck, suspicious
from movable.concurrent.stage import Stage, Subject, token_features
from movable.errors import Blocked, Hang, MovableError, UsageError, by_hand
from movable.explore import ExploreError, Failure, NonDeterminism
from movable.explore import failure as kinds
from movable.explore.coverage import Explored
from movable.explore.instrument.python import require_known
from movable.explore.runner import compare, tidy
from movable.explore.schedulers.portfolio import Portfolio
from movable.explore.schedulers.replay import Choices
from movable.explore.schedulers.shared_locations import Reduced
from movable.explore.schedulers.strategy import Strategy
from movable.introspection import no_collection, raised_at
from movable.sequential.faults import over, watchdog
from movable.shown import first_line, said
from movable.supervise import board
from movable.supervise.channel import Closed
from movable.workload.action import noun
from movable.workload.scenario import Scenario, encode
from movable.workload.workload import Workload

FIRST_TURN_EXECUTIONS = 24
"""Executions of a scenario's first turn; each turn is twice as long as the one before."""
MIN_TIMED_EXECUTIONS = 6
"""The same where not every scenario could have more, and where the time is counted: nobody knows how far it goes."""
PORTFOLIO_EXECUTIONS = 1500
"""Executions from which the shares of the strategies follow."""
MAX_RESTARTS = 60
"""How often the search of one scenario may start again because a location turned out to be shared."""
MAX_BARREN_FAILURES = 12
"""Failing executions of one scenario in a row without a new rule after which more of them teach nothing."""
EXECUTIONS_PER_COLLECTION = 16
"""Executions between two garbage collections."""
EXPLAINING_SECONDS = 2.0
"""Seconds that all failures together may take to be made small and explained, after the time of the search."""

Progress = Callable[[int, float], None]
Notice = Callable[["Interleavings", dict[str, str]], None]
"""What is called after each turn, with the result so far, and what is broken in words."""


@dataclass(slots=True)
class Interleavings:
    """The result: scenarios in order, broken rules with their stories, how often rules had a chance to be broken.

    ``refused`` is a line that says why nothing could be explored. ``cut`` says that the limit came before the executions were run,
    ``first`` after how many executions and seconds each broken rule was met. ``left_out`` counts, by kind, the scenarios for
    which the plan had no room; ``unplanned`` says of operations that are in none why.
    """

    scenarios: list[Explored] = field(default_factory=list)
    broken: dict[str, Explanation] = field(default_factory=dict)
    exercised: Counter[str] = field(default_factory=Counter)
    seconds: float = 0.0
    refused: str = ""
    stopped: str = ""
    cut: bool = False
    first: dict[str, tuple[int, float]] = field(default_factory=dict)
    left_out: dict[str, int] = field(default_factory=dict)
    unplanned: dict[str, str] = field(default_factory=dict)

    @property
    def executions(self) -> int:
        """Executions of all scenarios together."""
        return sum(one.executions for one in self.scenarios)

    def take_plan(self, plan: Plan) -> None:
        """Note what the plan has no room for."""
        self.left_out, self.unplanned = dict(plan.left_out), plan.unplanned

    def finish(self, subject: Subject, began: float) -> None:
        """Leave the driver's modules as they were, and count: every execution could have broken what only the explorer judges."""
        with suppress(UsageError):  # what cannot be copied was never touched
            subject.ambient.reset()
        for rule in OF_EVERY_EXECUTION:
            self.exercised[rule] += self.executions
        self.seconds = time.monotonic() - began


OF_EVERY_EXECUTION = ("D49", "D51", "D52", "D53")
"""Rules that every execution exercises."""
REPEATED_EXECUTION = 3
"""The execution that is run once more, to see whether it does the same: one of the first in which a task was interrupted."""
WATCHED_EXECUTIONS = 200
"""So many executions of a scenario are watched, where the driver's code names what no schedule governs."""


def scenario_token(subject: Subject, scenario: Scenario, races: bool = True) -> str:
    """The scenario as a token without a schedule, for executions that end their process."""
    try:
        return encode(scenario, features=token_features(subject), races=races)
    except UsageError:
        return ""


class ScenarioSearch:
    """The search of one scenario, a portion at a time; ``weight`` is how large its portions are against those of others."""

    def __init__(self, trial: Trial, seed: int, weight: float = 1.0) -> None:
        self.trial = trial
        self.weight = weight
        trial.whole = True  # until one is run once more, and compared
        scenario = trial.scenario
        self.report = Explored(scenario.name, str(scenario), operations=scenario.operations)
        self.report.tasks = [" and ".join(map(noun, actions)) for actions in scenario.tasks]
        self.report.variant = named_variant(trial.subject.workload, scenario.variant)
        self.options = replace(OPTIONS, races="D53" not in trial.known)
        self.done = False
        self._seed = seed
        self._restarts = 0
        self._barren = 0
        self._repeated = False
        self._suspicious = suspicious(trial.subject)
        self._token = scenario_token(trial.subject, scenario, self.options.races)
        self.strategy: Strategy = Portfolio(PORTFOLIO_EXECUTIONS, seed)

    def go_on(self, before: Explored | None, ended: str) -> None:
        """Take over what another process came to. ``ended`` is how this scenario ended that process, if it did."""
        self.done = bool(ended) or (before is not None and before.complete and not before.rules)
        if self.done:
            self.report = before or self.report
            self.report.left_out = ended

    def prepare(self) -> None:
        """Learn what the scenario may come to, which takes as long as some dozen executions."""
        try:
            Stage(self.trial.subject, self.trial.scenario, lambda vm: vm.observe(lambda event: None))
            orders = self.trial.orders
        except UsageError:
            raise
        except MovableError as error:  # which programs show, one operation after the other
            self.done = True
            self.report.left_out = f"what comes before it fails: {said(error)}"
            return
        if orders.errors and not orders.outcomes:
            self.done = True
            self.report.left_out = f"it fails without any interleaving: {orders.errors[0]}"

    def run(self, executions: int, deadline: float | None) -> Iterator[Sighting]:
        """Up to ``executions`` more; yields failures of rules that it has not met yet."""
        board.enter("interleavings", self.report.what, self._token)
        self.prepare()
        if self.done:
            return
        for _ in range(executions):
            if self.report.executions and over(deadline):
                break
            run = self._reduced(self.strategy)
            self.done = not self.strategy.begin(run)
            if self.done:
                break
            self.report.executions += 1
            board.enter("interleavings", self.report.what, self._token)
            try:
                self._execute(run)
            except Blocked:
                raise
            except Hang as hang:
                self.done = True
                yield Sighting(self.trial, Failure(kinds.LIVELOCK, f"{hang}, without a single scheduling point"), self.options)
                return
            yield from self._learn(run)
            self.done = self._barren >= MAX_BARREN_FAILURES
            if self.done:
                break
        self.claim()

    def _reduced(self, strategy: Strategy) -> Reduced:
        options = self.options
        return Reduced(self.trial, strategy, limit=options.limit, races=options.races, order=options.order, stop=True)

    def _learn(self, run: Reduced) -> Iterator[Sighting]:
        """What one execution showed: a failure of a rule not met yet, or a location that is shared, so that all begins again."""
        complaint = None if run.failure is None else unfit(run.failure.error)
        if complaint is not None:
            raise complaint
        self.strategy.end(run)
        self.report.steps += len(run.steps)
        if not self.report.executions % EXECUTIONS_PER_COLLECTION:
            gc.collect(1)
        late = self.report.executions >= REPEATED_EXECUTION
        if late and not self.trial.sharing.grew and not self._repeated and run.failure is None:
            self._again(run)
        if self.trial.sharing.grew:
            self._restart()
        elif run.failure is not None:
            sighting = Sighting(self.trial, shown_by(run.failure), self.options, self.trial.sharing.now())
            if self._news(run.failure):
                yield sighting

    def _execute(self, run: Reduced) -> None:
        """Run it; now and then under the watch, for what is done only while another task holds a lock shows nowhere else."""
        number = self.report.executions
        often = number <= WATCHED_EXECUTIONS or not number % 8
        if not (often if self._suspicious else number in (2, 4) or not number % 64):
            with watchdog():
                run.run()
            return
        watch = self.trial.watch = Watch()
        try:
            with watchdog(), watch:
                run.run()
        finally:
            self.trial.watch = None
        if watch.found:
            raise UsageError(watch.found)

    def _again(self, run: Reduced) -> None:
        """Run the same schedule once more. Raises NonDeterminism where it took other steps, or ended with other values."""
        if run.pruned or self.trial.last is None:
            return
        self._repeated = True
        first = self.trial.last
        moved = [bytearray(size) for size in range(16, 800, 24)]  # so that objects of this one get other addresses
        again = self._reduced(Choices([step[0] for step in run.steps]))
        again.strategy.begin(again)
        self.trial.anew = True  # built anew, as in a replay, so that what is put back in place is compared too
        try:
            with watchdog():
                again.run()
        finally:
            self.trial.anew = self.trial.whole = False
        del moved
        compare(run, again)
        second = self.trial.last
        if second.ended != first.ended:
            one, two = (tuple(each.state or ()) for each in (first, second))
            differing = _differing(one, two) if one != two else _differing(first.ended, second.ended)
            raise NonDeterminism(f"a value of the driver's was in the end {differing}")

    def _restart(self) -> None:
        self.trial.sharing.grew = False
        self._restarts += 1
        self.trial.sharing.everything |= self._restarts > MAX_RESTARTS
        self.strategy = Portfolio(PORTFOLIO_EXECUTIONS, self._seed)

    def _news(self, failure: Failure) -> bool:
        rule = rule_of_failure(failure)
        if rule in self.report.rules or rule in self.trial.known:
            self._barren += 1
            return False
        self._barren = 0
        self.report.rules.append(rule)
        if rule == "D53":  # what a race leads to shows only where the race itself does not end the execution: all of them anew
            self.options = replace(OPTIONS, races=False)
            self._token = scenario_token(self.trial.subject, self.trial.scenario, races=False)
            self.strategy = Portfolio(PORTFOLIO_EXECUTIONS, self._seed)
        return True

    def claim(self) -> None:
        """Put into the report what has been covered so far."""
        self.report.covered, self.report.complete = self.strategy.claim, self.strategy.complete
        self.report.unwatched = list(self.trial.unwatched)


def interleavings(  # long: the front door, with the order of all phases
    subject: Subject,
    *,
    seconds: float | None = None,
    executions: int | None = None,
    limit: float | None = None,
    known: frozenset[str] = frozenset(),
    until: frozenset[str] = frozenset(),
    scenarios: list[Scenario] | None = None,
    seed: int = 0,
    progress: Progress | None = None,
    fatal: Mapping[str, str] | None = None,
    before: Mapping[str, Explored] | None = None,
    notice: Notice | None = None,
) -> Interleavings:
    """Explore the scenarios of a driver: ``executions`` of all together, for ``seconds`` at most, or until all is covered.

    With ``executions`` the result is the same on every machine, unless the moment ``limit`` came before they were run: that is
    in ``cut``.

    ``known`` are rules that are broken anyway and not looked for; the search ends early when all rules of ``until`` are broken.
    ``scenarios`` replaces the derived ones. Returns what was found; why a driver cannot be explored is in ``refused``.

    ``fatal`` leads from the words of a scenario, or from a rule, to what became of the process that ran the one or told the other:
    neither is done again. ``before`` is how far another process came, by the words of scenarios: what it covered without a failure
    is not done again either. ``notice`` is called after each turn.
    """
    fatal = fatal or {}
    result = Interleavings()
    began = time.monotonic()
    deadline = limit if seconds is None else began + seconds
    found: dict[str, Sighting] = {}
    try:
        plan = planned(subject, scenarios, deadline, executions, fatal)
        searches = _searches(plan, subject, known, seed, before or {}, fatal)
        result.scenarios = [search.report for search in searches]
        result.take_plan(plan)
        spent = sum(search.report.executions for search in searches)
        turns = _Turns(searches, found, result, deadline, executions, until, progress, spent, notice=notice)
        turns.go()
        result.cut = turns.cut
    except Closed:
        raise
    except BaseException as error:
        if by_hand(error):
            result.stopped = "interrupted: this is the report so far"
        elif isinstance(error, Hang) and not isinstance(error, Blocked):
            result.refused = f"interleavings were not explored: the driver does not end by itself ({error})"
        else:  # what the driver does in its set-up must not cost what was found so far
            result.refused = refusal(subject, error)
    end = None if executions is not None else max(deadline or 0.0, time.monotonic()) + EXPLAINING_SECONDS
    for rule, sighting in found.items():
        result.broken[rule] = _explained(rule, sighting, fatal.get(rule), end)
    result.finish(subject, began)
    return result


def _explained(rule: str, sighting: Sighting, ended: str | None, end: float | None) -> Explanation:
    """A failure with its story; without one where that ``ended`` a process, or the driver does not come to its scenario again."""
    board.enter("stories", rule)
    if ended is not None:
        what = f"{words_of(sighting.failure)} (when it was to be explained, {ended})"
        return Explanation(rule, sighting.trial.scenario, what)
    try:
        return explain_failure(sighting, end)
    except BaseException as error:
        if by_hand(error) or isinstance(error, Closed):
            raise
        what = f"{words_of(sighting.failure)} (it could not be run again: {_one_line(error)})"
        return Explanation(rule, sighting.trial.scenario, what)


def planned(
    subject: Subject,
    scenarios: list[Scenario] | None,
    deadline: float | None = None,
    executions: int | None = None,
    fatal: Mapping[str, str] | None = None,
) -> Plan:
    """The scenarios to explore, with a budget of so many executions, once the driver has passed the precheck.

    Those that are ``fatal`` are not looked at. Raises UsageError for a driver with what no schedule governs, or what cannot be
    copied, and ExploreError in a Python whose objects and bytecode are not known.
    """
    require_known()
    board.enter("scenarios", "while scenarios were planned")
    subject.ambient.reset()
    plan = derive(subject, size_for(executions), deadline) if scenarios is None else Plan(scenarios)
    precheck(subject, [one for one in plan if str(one) not in (fatal or {})], deadline)
    return plan


def named_variant(workload: type[Workload], number: int) -> str:
    """A configuration in words, "" for the first one where there is no other."""
    if len(workload.variants) < 2:
        return ""
    options = workload.variants[number % len(workload.variants)]
    return ", ".join(f"{name}={value!r}" for name, value in options.items()) or "no options"


def _searches(
    plan: Plan, subject: Subject, known: frozenset[str], seed: int, before: Mapping[str, Explored], fatal: Mapping[str, str]
) -> list[ScenarioSearch]:
    """A search for each scenario, from where another process left it."""
    searches = []
    for scenario in plan:
        trial = Trial(subject, scenario)
        trial.known = known
        search = ScenarioSearch(trial, seed, weight(plan, scenario.name))
        search.go_on(before.get(search.report.what), fatal.get(search.report.what, ""))
        searches.append(search)
    return searches


@dataclass(slots=True)
class _Turns:
    """Lets the scenarios take turns; enters the first failure of each rule in ``found``."""

    searches: list[ScenarioSearch]
    found: dict[str, Sighting]
    result: Interleavings
    deadline: float | None
    executions: int | None
    until: frozenset[str]
    progress: Progress | None
    spent: int = 0
    cut: bool = False
    began: float = field(default_factory=time.monotonic)
    notice: Notice | None = None

    def go(self) -> None:
        """Until everything is covered, the budget is spent, or every expected rule is broken."""
        portion = MIN_TIMED_EXECUTIONS if self.deadline is not None else FIRST_TURN_EXECUTIONS
        if self.executions is not None:
            portion = min(FIRST_TURN_EXECUTIONS, max(MIN_TIMED_EXECUTIONS, self.executions // max(1, 2 * len(self.searches))))
        with tidy(), no_collection():
            while any(not search.done for search in self.searches):
                for search in self.searches:
                    if self.spent and over(self.deadline):
                        self.cut = self.executions is not None
                        return
                    if not search.done:
                        self._turn(search, portion)
                    if self.progress is not None:
                        self.progress(self.spent, time.monotonic() - self.began)
                    if self.executions is not None and self.spent >= self.executions:
                        return
                    if self.until and self.until <= self.found.keys():
                        return
                portion = max(FIRST_TURN_EXECUTIONS, 2 * portion)

    def _turn(self, search: ScenarioSearch, portion: int) -> None:
        before = search.report.executions
        portion = max(MIN_TIMED_EXECUTIONS, int(portion * search.weight))
        most = portion if self.executions is None else min(portion, self.executions - self.spent)
        for sighting in search.run(most, self.deadline):
            rule = rule_of_failure(sighting.failure)
            self.found.setdefault(rule, sighting)
            spent = self.spent + search.report.executions - before
            self.result.first.setdefault(rule, (spent, time.monotonic() - self.began))
            if self.until and self.until <= self.found.keys():
                search.claim()
                break
        self.spent += search.report.executions - before
        self.result.exercised.update(search.trial.exercised())
        if self.notice is not None:
            self.notice(self.result, {rule: words_of(sighting.failure) for rule, sighting in self.found.items()})


def _differing(one: Any, two: Any) -> str:
    """The first part in which two values differ, in words."""
    while type(one) is tuple and type(two) is tuple and len(one) == len(two):
        one, two = next(pair for pair in zip(one, two, strict=True) if pair[0] != pair[1])
    return f"{repr(one)[:60]} and then {repr(two)[:60]}"


def refusal(subject: Subject, error: BaseException) -> str:
    """One line for a driver that cannot be explored."""
    name = getattr(subject.factory, "__qualname__", "") or getattr(subject.factory, "__name__", str(subject.factory))
    if isinstance(error, NonDeterminism):
        hint = "take random numbers from vm.random, keep no state between machines, and use no time and no addresses, as sets do"
        what = f"the same schedule did not do the same twice; {hint}"
        return f"{name}: interleavings were not explored, {what} ({first_line(error)})"
    if isinstance(error, Blocked):
        what = f"it waits for something outside the model ({first_line(error)}); use {INSTEAD}"
        return f"{name}: interleavings were not explored: {what}"
    return f"{name}: interleavings were not explored: {_one_line(error)}"


INSTEAD = "vm.mutex(name), vm.wait_queue(name) and vm.workqueue(name), whose waits the explorer can see"


def _one_line(error: BaseException) -> str:
    """What an exception says; of one that nobody raised on purpose its class and its place too."""
    if isinstance(error, (UsageError, ExploreError, Blocked)):
        return first_line(error)
    return f"{type(error).__name__}: {first_line(error)}, raised at {raised_at(error)} while a machine was set up for a scenario"
