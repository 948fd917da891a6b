"""Certifies a driver: programs, then interleavings, then more programs, within a budget; and a verdict on every rule."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Callable, Collection, Iterator, Mapping
from concurrent.futures import Executor
from contextlib import AbstractContextManager, contextmanager, suppress
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any

from movable.contract.budget import INTERLEAVINGS_SHARE, OPENING_SHARE, Budget, budget_of
from movable.contract.judge import judge
from movable.contract.report import Report, Verdict
from movable.contract.show.replay import named_workload, replay_command, target_of
from movable.eras import DEFAULT
from movable.eras import era as era_called
from movable.errors import UsageError, by_hand
from movable.explore.coverage import Explored
from movable.introspection import raised_at
from movable.mm.address_space import former_form
from movable.registry import Factory, factory_of, find, is_built, own_era, with_options
from movable.registry.filesystems import is_filesystem
from movable.rules.table import rule
from movable.sequential.faults import Limit
from movable.sequential.search import INTERRUPTED, Found, Progress, Search
from movable.shown import said
from movable.supervise.channel import Closed
from movable.workload.workload import Workload, not_asked, public_methods, what_is_missing, workload_for

NoticeVerdict = Callable[[Verdict], None]
ExecutorFactory = Callable[[], AbstractContextManager[Executor]]
"""Makes an executor where the search runs."""

if TYPE_CHECKING:
    from movable.concurrent.search import Interleavings, Notice
    from movable.concurrent.stage import Subject

ISOLATE = True
"""Whether a driver runs in a process of its own where nobody says."""
MAX_JOBS = 256
"""Processes that a check explores on: each has a keeper, and together they stay below what counts as breeding (MOST_IN_ALL)."""
A_FILESYSTEM = "is a file system, and certified by rules of its own"
SHARE_BEFORE_EXPLAINING = 0.85
"""The part of the time after which programs end where a failure is to be made small and explained in what is left."""


@dataclass(frozen=True, slots=True)
class Spread:
    """Where the interleavings run, if not in this process: on ``jobs`` processes or an ``executor``; ``campaign`` keeps pieces.

    ``apart``: on the executor each piece of work has a process of its own.
    """

    jobs: int | None = None
    executor: Executor | ExecutorFactory | None = None
    campaign: str | None = None
    apart: bool = False

    @property
    def wanted(self) -> bool:
        """Whether they run elsewhere at all."""
        return self.jobs is not None or self.executor is not None


def check(  # long: the options, and the phases in their order
    target: str | Factory,
    workload: type[Workload] | str | None = None,
    *,
    era: str | None = None,
    budget: float | None = None,
    examples: int | None = None,
    seed: int = 0,
    waive: Mapping[str, str] | None = None,
    until: Collection[str] = (),
    interleavings: float = INTERLEAVINGS_SHARE,
    executions: int | None = None,
    limit: float | None = None,
    features: Mapping[str, Any] | None = None,
    jobs: int | None = None,
    executor: Executor | ExecutorFactory | None = None,
    campaign: str | None = None,
    progress: Progress | None = None,
    isolate: bool | None = None,
) -> Report:
    """Certify one driver, or one file system (movable.contract.filesystem).

    ``target`` is a driver class or a name for ``registry.find``, ``workload`` one that is not the driver's own, or its name
    (module:Class or file.py:Class); ``era`` is by default the one that it is written for. By default the work is counted, so that
    the same ``seed`` gives the same report everywhere: ``examples`` programs, and ``executions`` interleavings of all scenarios
    together (with ``examples`` alone: five for each program). ``interleavings``, from 0 to 1, is their part of the whole. ``limit``
    is the seconds of processor time after which that is cut short: 60, and none where work is asked for by number. ``budget`` asks
    for seconds instead of work.

    ``waive`` leads from rule ids to reasons. ``until`` names rules that are expected to break: once all of them have, the search is
    over, and only their failures are made small. ``features`` are fields of ``movable.eras.Era`` to change for the interleavings;
    PG_isolated is atomic there unless they say ``atomic_isolated_flag=False``. ``jobs`` explores on so many processes, ``executor``
    on any executor; ``campaign`` is then a directory that finished pieces are kept in. ``progress`` is called with (runs so far,
    seconds) now and then.

    The driver runs in a process of its own (movable.supervise), and whatever it does to that costs a verdict; with
    ``isolate=False`` it runs in this one, for a debugger. With an ``executor`` it runs in this one, and each piece of work in one
    of its own; a function that makes the executor (as a context) is called in the process of the driver.

    Raises UsageError for an unknown driver, era, rule or feature, a budget that contradicts itself, and a waiver without a reason.
    """
    isolated = ISOLATE if isolate is None else isolate
    asked = Asked(
        target, workload, era, seed, waive or {}, frozenset(until), features or {}, Spread(jobs, executor, campaign, isolated),
        budget, examples, interleavings, executions, limit,
    )  # fmt: skip
    asked.refuse_what_cannot_be()
    apart = isolated and (executor is None or callable(executor))
    began = time.monotonic()
    if is_filesystem(target):
        return _certify_filesystem(asked, progress, apart, began)
    try:
        if apart:
            from movable.contract.supervised import check_supervised

            return check_supervised(asked, progress)
        with asked.with_executor() as ready:
            return ready.finish(ready.begin(progress))
    except UsageError as error:
        if not str(error).endswith(A_FILESYSTEM):
            raise
    return _certify_filesystem(asked, progress, apart, began)


def _certify_filesystem(asked: Asked, progress: Progress | None, apart: bool, began: float) -> Report:
    from movable.contract.filesystem import check_filesystem

    return check_filesystem(
        asked.target, asked.era or DEFAULT, asked.seed, asked.measure, asked.waivers, progress=progress, isolate=apart,
        features=asked.features, until=asked.until, spent=time.monotonic() - began,
    )


@dataclass(frozen=True, slots=True)
class Asked:
    """What was asked for, as ``check`` takes it. Nothing of the driver has run."""

    target: str | Factory
    workload: type[Workload] | str | None
    era: str | None
    seed: int
    waive: Mapping[str, str]
    until: frozenset[str]
    features: Mapping[str, Any]
    spread: Spread
    seconds: float | None
    examples: int | None
    share: float
    executions: int | None
    limit: float | None

    @property
    def measure(self) -> Budget:
        """How much is to be done. Raises UsageError for a budget that contradicts itself."""
        executions = self.executions
        if self.spread.wanted and executions is None and self.examples is None and self.share > 0:
            from movable.concurrent.campaign import EXECUTIONS as executions  # more, for there are more hands
        return budget_of(self.seconds, self.examples, executions, self.share, self.limit)

    @property
    def waivers(self) -> dict[str, str]:
        """The waivers, looked at."""
        return checked_waivers(self.waive)

    def refuse_what_cannot_be(self) -> None:
        """Raise UsageError for what can be refused without a look at the driver."""
        if self.era is not None:
            era_called(self.era)
        if self.spread.wanted and self.seconds is not None:
            raise UsageError("what runs on several processes is counted in executions, not in seconds; give executions")
        if self.spread.jobs is not None and not 1 <= self.spread.jobs <= MAX_JOBS:
            raise UsageError(f"{self.spread.jobs} jobs are not possible; use 1 to {MAX_JOBS}")
        _ = self.measure, self.waivers

    @contextmanager
    def with_executor(self) -> Iterator[Asked]:
        """The same with the processes of ``jobs``, forked before there is a driver."""
        hands = self.spread.executor
        if callable(hands):
            with hands() as executor:
                yield replace(self, spread=replace(self.spread, executor=executor))
            return
        if self.spread.jobs is None or hands is not None:
            yield self
            return
        from movable.concurrent.campaign import processes

        with processes(self.spread.jobs) as crew:
            yield replace(self, spread=replace(self.spread, executor=crew, apart=False))

    def begin(self, progress: Progress | None = None) -> Check:
        """The check of the driver, which is imported for it."""
        given = factory_of(self.target)
        if is_filesystem(given):
            raise UsageError(f"{self.target} {A_FILESYSTEM}")
        target, factory = excused(self.target, given, self.waivers)
        chosen = workload_for(factory, named_workload(self.workload) if isinstance(self.workload, str) else self.workload)
        search = Search(chosen, factory, self.era or own_era(factory), self.seed, until=self.until, excused=frozenset(self.waivers))
        return Check(target, search, self.measure, self.features, self.spread, progress)

    def finish(self, run: Check, known: Mapping[str, Verdict] | None = None, notice: NoticeVerdict | None = None) -> Report:
        """Run the check to its end; ``known`` and ``notice`` as for ``judge``."""
        run.go()
        report = run.report()
        judge(run.search, report, self.waivers, {} if run.explored is None else run.explored.broken, known, notice)
        report.seconds = time.monotonic() - run.search.began
        return report


def checked_waivers(waive: Mapping[str, str]) -> dict[str, str]:
    """Reasons by rule id, as the table spells it. Raises UsageError for an unknown rule, naming near ones, and for no reason."""
    for id, reason in waive.items():
        if not reason.strip():
            raise UsageError(f"waiver of {id} has no reason; write {id}=REASON")
    return {rule(id.partition("@")[0]).id + "".join(id.partition("@")[1:]): reason for id, reason in waive.items()}


def excused(
    target: str | Factory, factory: Factory, waivers: Mapping[str, str]
) -> tuple[str | Factory, Factory]:
    """A driver that knows where its data races are waived, so that the search goes on behind them: one in C, of its own build."""
    places = [id.partition("@")[2] for id in waivers if id.startswith("D53@")]
    check_place: Any = getattr(factory, "check_place", None)
    for id in waivers if check_place else ():
        if "@" in id:
            check_place(id)
    if not places or not hasattr(factory, "excused"):
        return target, factory
    if isinstance(target, str) and is_built(target):
        target = with_options(target, [f"--excuse={place}" for place in places])
        return target, find(target)
    members = {"excused": tuple(places), "__module__": factory.__module__}
    return target, type(factory.__name__, (factory,), members)  # type: ignore[arg-type]


@dataclass(slots=True)
class Check:
    """One check while it runs. ``go`` runs its phases one after the other; each returns why the search is over, or "".

    ``refused`` is a line about a phase that could not do what it was for. A certificate with such a line never says "passed".
    ``fatal``, ``before`` and ``notice`` are those of ``interleavings``.
    """

    target: str | Factory
    search: Search
    budget: Budget
    features: Mapping[str, Any]
    spread: Spread
    progress: Progress | None = None
    explored: Interleavings | None = None
    refused: str = ""
    stopped: str = ""
    first_failure: Found | None = None
    limit: Limit | None = None
    seconds: dict[str, float] = field(default_factory=dict)
    fatal: Mapping[str, str] = field(default_factory=dict)
    before: Mapping[str, Explored] = field(default_factory=dict)
    notice: Notice | None = None

    @property
    def phases(self) -> list[tuple[str, Callable[[], str]]]:
        """The parts of the search, by what they do."""
        together = [("interleavings were not explored", self.explore)] if self._together else []
        return [
            ("the modules of the driver were not looked at", self.look_at_modules),
            ("programs were not run", self.opening),
            *together,
            ("programs were not run to the end", self.programs),
        ]

    @property
    def _together(self) -> bool:
        return self.budget.share > 0 if self.budget.by_time else self.budget.executions > 0

    @property
    def _alone(self) -> bool:
        return self.budget.share < 1 if self.budget.by_time else self.budget.programs > 0

    def go(self) -> None:
        """Run the phases. What goes wrong inside one is said in the report, and costs none of the others their result."""
        self.limit = None if self.budget.limit is None else Limit.of(self.budget.limit)
        for what, phase in self.phases:
            began = time.monotonic()
            try:
                self.stopped = phase()
            except (UsageError, Closed):
                raise
            except BaseException as error:
                if by_hand(error):
                    self.stopped = INTERRUPTED
                else:
                    why = f"{type(error).__name__}: {said(error)}, raised at {raised_at(error)}"
                    self.refused = self.refused or f"{self._name}: {what}: {why}"
            name = "interleavings" if phase == self.explore else "programs"
            self.seconds[name] = self.seconds.get(name, 0.0) + time.monotonic() - began
            self._note_first_failure()
            if self.stopped:
                break
        if self._together and self.stopped != INTERRUPTED and not self.search.until and not self._executions and not self._idle:
            self.refused = self.refused or f"{self._name}: interleavings were not explored: {self._why_none}"

    @property
    def _name(self) -> str:
        return getattr(self.search.factory, "__qualname__", "") or getattr(self.search.factory, "__name__", "the driver")

    @property
    def _idle(self) -> bool:
        """Whether there is nothing to interleave: no page of the driver was ever asked for, and the report says so."""
        return self.explored is not None and not self.explored.scenarios and not self.search.callbacks.total()

    @property
    def _executions(self) -> int:
        return 0 if self.explored is None else self.explored.executions

    @property
    def _why_none(self) -> str:
        if self.explored is None:
            return self.stopped or "the time was over"
        if self.explored.cut:
            return "the time was over"
        left_out = next((one.left_out for one in self.explored.scenarios if one.left_out), "")
        return f"no scenario could be run ({left_out})" if left_out else "there is no scenario for it"

    def _note_first_failure(self) -> None:
        if self.first_failure is not None:
            return
        self.first_failure = self.search.first_failure
        if self.first_failure is None and self.explored is not None:
            found = [(*when, id) for id, when in self.explored.first.items() if self.search.counts([id])]
            if found:
                executions, seconds, id = min(found)
                self.first_failure = Found(id, self.search.examples, executions, seconds)

    # the phases

    def look_at_modules(self) -> str:
        """Look at the driver's modules while they are as they were imported: a failure is run again in another process."""
        if self._together:
            with suppress(UsageError):  # which the interleavings will tell
                _ = self._subject().ambient
        return ""

    def opening(self) -> str:
        """The first programs."""
        if not self._alone:
            return ""
        if not self.budget.by_time:
            return self.search.go(self.budget.opening, limit=self.limit, progress=self.progress)
        part = OPENING_SHARE if self._together else 1
        return self.search.go(None, seconds=self.budget.seconds_alone * part, progress=self.progress)

    def explore(self) -> str:
        """The interleavings; not of a driver that hangs by itself, for each schedule of it would hang too."""
        if self.explored is not None:  # by a worker before this one
            return ""
        if self.search.hangs:
            self.refused = f"{self._name}: interleavings were not explored: {self.search.hangs} programs did not end by themselves"
            return ""
        self.explored = self._spread() if self.spread.wanted else self._explore()
        self.refused = self.refused or self.explored.refused
        self.search.exercised.update(self.explored.exercised)
        self.search.by_tasks = frozenset(self.explored.broken)
        return self.explored.stopped

    def programs(self) -> str:
        """All other programs."""
        if not self._alone:
            return ""
        if not self.budget.by_time:
            return self.search.go(self.budget.programs, limit=self.limit, progress=self.progress)
        if not self._together:
            return ""
        part = SHARE_BEFORE_EXPLAINING if self.search.first or self.search.by_tasks else 1
        end = self.search.began + (self.budget.seconds or 0.0) * part
        left = min(self.budget.seconds_alone * (1 - OPENING_SHARE), end - time.monotonic())
        return self.search.go(None, seconds=left, progress=self.progress) if left > 0 else ""

    def _subject(self) -> Subject:
        from movable.concurrent.stage import subject

        search = self.search
        return subject(search.workload, search.factory, era=search.era, features=self.features, seed=search.seed)

    def _explore(self) -> Interleavings:
        """Rules that broke already are not looked for again."""
        from movable.concurrent.search import interleavings

        search = self.search
        by_time = self.budget.by_time
        return interleavings(
            self._subject(),
            seconds=self.budget.seconds_together if by_time else None,
            executions=None if by_time else self.budget.executions,
            limit=self.limit,
            known=frozenset(search.first),
            until=search.until - search.first.keys(),
            seed=search.seed,
            progress=self.progress,
            fatal=self.fatal,
            before=self.before,
            notice=self.notice,
        )

    def _spread(self) -> Interleavings:
        """On an executor, for all rules: with those left out that some programs broke, no campaign could go on."""
        from movable.concurrent.campaign import spread

        target, on = self.target, self.spread
        assert on.executor is not None and not callable(on.executor)
        name = target if isinstance(target, str) else f"{target.__module__}:{target.__qualname__}"
        return spread(
            name, self._subject(), on.executor, executions=self.budget.executions, directory=on.campaign,
            fatal=self.fatal, before=self.before, notice=self.notice, apart=on.apart,
        )  # fmt: skip

    # the result

    def report(self) -> Report:
        """All but the verdicts."""
        search, explored, target = self.search, self.explored, self.target
        factory = search.factory
        name = target if isinstance(target, str) else target_of(factory)
        report = Report(name, getattr(factory, "__name__", name), search.workload.__name__, search.era, search.seed, self.budget)
        report.former_form = former_form(factory, era_called(search.era))
        report.replay = replay_command(name, factory, search.workload, search.era)
        report.hint, report.not_asked = what_is_missing(factory, search.workload), not_asked(search.workload)
        report.examples, report.steps, report.states = search.examples, search.steps, len(search.states)
        report.callbacks, report.stopped, report.refused = search.callbacks, self.stopped, self.refused
        report.first_failure, report.phase_seconds = self.first_failure, self.seconds
        if explored is not None:
            report.scenarios, report.left_out = explored.scenarios, explored.left_out
            report.unplanned = explored.unplanned
        names = (*search.workload.operations(), *search.workload.hostile)
        report.operations = Counter({name: search.operations[name] for name in names})
        report.uncalled = [] if names else [name for name, code in public_methods(factory).items() if code not in search.entered]
        report.cut = not self.stopped and not self.budget.by_time and self._cut
        return report

    @property
    def _cut(self) -> bool:
        """Whether the limit came before the work was done."""
        return self.search.examples < self.budget.programs or (self.explored is not None and self.explored.cut)
