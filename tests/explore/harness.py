"""What the tests of the explorer share: run a strategy to its end and collect what it reached."""

from collections.abc import Hashable
from dataclasses import dataclass, field

from movable.explore.dependence import Canonical, canonical
from movable.explore.engine import Scheduler
from movable.explore.program import Program
from movable.explore.runner import Options, execute
from movable.explore.schedulers.strategy import Strategy

OPEN = Options(races=False, order=False)


@dataclass
class Reached:
    """Traces with their end states; ``ended`` is false when the cap came first."""

    traces: dict[Canonical, Hashable] = field(default_factory=dict)
    executions: int = 0
    redundant: int = 0
    ended: bool = False


def form(run: Scheduler) -> Canonical:
    """The canonical form of an execution."""
    return canonical(run.steps, [task.name for task in run.tasks], [task.born for task in run.tasks])


def reach(program: Program, strategy: Strategy, cap: int = 100_000, options: Options = OPEN) -> Reached:
    """Run ``strategy`` to its end, or for ``cap`` executions."""
    found = Reached()
    while found.executions < cap:
        run = execute(program, strategy, options, stop=False)
        if run is None:
            found.ended = True
            return found
        found.executions += 1
        if run.pruned:
            found.redundant += 1
            continue
        end = run.state if run.failure is None else (run.failure.kind, run.failure.message)
        trace = form(run)
        assert found.traces.setdefault(trace, end) == end, "one trace, two end states"
    return found
