"""The front door: explore a program within a budget, report what was covered, and hand back a failure ready to be read."""

import gc
import time
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field

from movable.explore.engine import Scheduler
from movable.explore.failure import NON_DETERMINISM, ExploreError, Failure, NonDeterminism
from movable.explore.failures.recorder import Story, record
from movable.explore.failures.schedule_token import decode, encode, fingerprint
from movable.explore.failures.shrink import Shrinker, same_failure
from movable.explore.failures.timeline import text
from movable.explore.program import Program
from movable.explore.runner import Options, compare, execute, follow, tidy
from movable.explore.schedulers.dfs import Dfs
from movable.explore.schedulers.dpor import Dpor
from movable.explore.schedulers.portfolio import Portfolio
from movable.explore.schedulers.pos import Pos
from movable.explore.schedulers.preemption_bounded import Iterated
from movable.explore.schedulers.replay import Choices, Schedule
from movable.explore.schedulers.strategy import Strategy
from movable.explore.schedulers.surw import Surw
from movable.explore.schedulers.urw import Urw

STRATEGIES: dict[str, Callable[[int, int], Strategy]] = {
    "portfolio": Portfolio,
    "bounded": lambda executions, seed: Iterated(),
    "dpor": lambda executions, seed: Dpor(),
    "dfs": lambda executions, seed: Dfs(),
    "urw": lambda executions, seed: Urw(seed),
    "surw": lambda executions, seed: Surw(seed),
    "pos": lambda executions, seed: Pos(seed),
}
"""Strategies by name; each is made from (executions, seed)."""

_COLLECTION, _FULL_COLLECTION = 16, 256  # executions between two garbage collections, and between two of everything


@dataclass(slots=True)
class Report:
    """What a search did. ``covered`` says in words what is proved; ``complete`` that it is everything.

    ``note`` is a line about the file of a campaign, which lines of it could not be used; ``exercised`` what its program counted.
    """

    strategy: str
    covered: str = "nothing"
    complete: bool = False
    executions: int = 0
    redundant: int = 0
    steps: int = 0
    seconds: float = 0.0
    failures: list[Failure] = field(default_factory=list)
    note: str = ""
    exercised: Counter[str] = field(default_factory=Counter)

    @property
    def failure(self) -> Failure | None:
        """The first failure, if any."""
        return self.failures[0] if self.failures else None

    def __str__(self) -> str:
        work = f"{self.executions} executions, {self.steps} steps, {self.strategy}"
        if self.failures:
            return f"failed after {work}\n" + "\n".join(str(failure) for failure in self.failures)
        return f"no failure in {self.covered} ({work})"


def explore(
    program: Program,
    *,
    strategy: str | Strategy = "portfolio",
    executions: int = 10_000,
    seconds: float | None = None,
    seed: int = 0,
    options: Options | None = None,
    shrink: bool = True,
    keep_going: bool = False,
) -> Report:
    """Run ``program`` under many schedules until one fails, everything is covered, or the budget ends.

    Parameters: ``strategy``, a name of `STRATEGIES` or a strategy; ``executions`` and ``seconds``, the budget; ``seed``, for the
    random strategies; ``shrink``, look for the smallest failing schedule; ``keep_going``, collect failures that are not alike
    instead of stopping at the first. Raises ExploreError for a bad argument and whatever the program's set-up raises.
    """
    options = options or Options()
    if isinstance(strategy, str):
        if strategy not in STRATEGIES:
            raise ExploreError(f"strategy {strategy!r}: choose one of {', '.join(STRATEGIES)}")
        strategy = STRATEGIES[strategy](executions, seed)
    report = Report(strategy.name)
    began = time.monotonic()
    with tidy():
        try:
            _loop(program, strategy, report, options, (executions, began + seconds if seconds is not None else None), keep_going)
            report.failures = [explain(program, failure, options, shrink=shrink) for failure in report.failures]
        except NonDeterminism as error:
            report.failures.append(Failure(NON_DETERMINISM, str(error), error=error))
    report.covered, report.complete = strategy.claim, strategy.complete
    report.seconds = time.monotonic() - began
    return report


def _loop(
    program: Program, strategy: Strategy, report: Report, options: Options, budget: tuple[int, float | None], keep_going: bool
) -> None:
    executions, until = budget
    while report.executions < executions and (until is None or not report.executions or time.monotonic() < until):
        run = execute(program, strategy, options, stop=not keep_going)
        if run is None:
            return
        report.executions += 1
        report.redundant += run.pruned
        report.steps += len(run.steps)
        failure = run.failure
        if failure is None and report.executions == 1:  # a failure is run again when it is explained
            again = execute(program, Choices([step[0] for step in run.steps]), options)
            assert again is not None
            compare(run, again)
        if failure is not None and not any(same_failure(failure, old) for old in report.failures):
            report.failures.append(failure)
            if not keep_going:
                return
        if not report.executions % _COLLECTION:
            gc.collect(1 if report.executions % _FULL_COLLECTION else 2)


def explain(
    program: Program, failure: Failure, options: Options | None = None, *, shrink: bool = True, tries: int = 1500
) -> Failure:
    """Return ``failure`` with its smallest schedule (``tries`` executions at most), token, source lines and timeline."""
    options = options or Options()
    schedule = Shrinker(program, failure, options, tries if shrink else 0).shrink()
    run, strategy = follow(program, schedule, options)
    story = record(program, schedule, options)
    shown = story.failure or failure
    return shown.but(
        choices=tuple(step[0] for step in run.steps),
        token=encode(schedule, run.steps),
        timeline=text(story),
        preemptions=strategy.preemptions,
        switches=strategy.switches,
    )


def replay(program: Program, token: str, options: Options | None = None) -> Story:
    """Run the schedule of a token and tell it; ``story.failure`` is what came of it.

    Raises BadToken for an unreadable token, NonDeterminism when the program does not take the steps that the token was made from.
    """
    options = options or Options()
    schedule, length, mark = decode(token)
    run = _strict(program, schedule, options)
    if length and (len(run.steps) != length or fingerprint(run.steps) != mark):
        raise NonDeterminism(
            f"the token was made from {length} steps, this program took {len(run.steps)}"
            + ("" if len(run.steps) != length else " other ones")
            + ": it is not the same program, or not the same version of it"
        )
    return record(program, schedule, options)


def _strict(program: Program, schedule: Schedule, options: Options) -> Scheduler:
    run, _ = follow(program, schedule, options, strict=True)
    return run
