"""Time to the first failure of plain-Python toy races, beside that of the package frontrun.

Each toy is one class of plain attributes, lists, dicts and locks, run by both. Both stop at the first failure, and the time is
taken when it is known, before it is told, replayed or made smaller. Two verdicts are compared, each with whichever mode of
frontrun is fastest for the toy: any data race counts (our default, an option there), or only a wrong end or a deadlock counts.
The third comparison has the whole call with the default arguments of each, which is what a user waits for.
"""

import statistics
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import pytest

from movable.explore import search
from movable.explore.engine import Scheduler
from movable.explore.failure import CHECK, DEADLOCK, LOCK_ORDER, RACE, Failure
from movable.explore.instrument.hooks import Hooks
from movable.explore.program import Program, Scene
from movable.explore.runner import Options
from tests.benchmarks.plain_toys import TOYS, LostUpdate, Toy, repaired
from tests.explore.toys import Lock

ROUNDS = 5
"""How often everything is measured; the seed of random searches."""
CAP = 10.0
"""Seconds after which a search that found nothing is given up; it counts as that long."""
GOAL = 5.0
PADDINGS = (0, 8)
clock = time.process_time
"""Other load disturbs it less, and what threads wait for each other is not counted."""

WRONG_ENDS = Options(races=False, order=False)
"""Options under which only a check that fails or a deadlock counts."""


def program(kind: type[Toy], padding: int) -> Program:
    """The toy with its attributes and containers hooked."""

    def build(scheduler: Scheduler) -> Scene:
        toy = kind(lambda name: Lock(scheduler, name), padding)
        Hooks(scheduler, fixed=(Lock,)).watch(toy, "toy")
        return Scene([("one", toy.one), ("two", toy.two)], toy.check)

    return build


@dataclass
class Found:
    """The first failure: processor seconds and executions to it."""

    seconds: float
    executions: int

    def __str__(self) -> str:
        return f"{'>' if self.seconds >= CAP else ''}{self.seconds * 1e3:.2f} / {self.executions}"


def ours(kind: type[Toy], padding: int, options: Options, seed: int) -> Found:
    """The default search, up to the moment in which it would begin to explain its failure."""
    told: list[float] = []

    def stop(program: Program, failure: Failure, options: Options, *, shrink: bool) -> Failure:
        told.append(clock())
        return failure

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(search, "explain", stop)
        began = clock()
        report = search.explore(program(kind, padding), seed=seed, options=options)
    assert told, str(report)
    return Found(told[0] - began, report.executions)


def ours_whole(kind: type[Toy], padding: int, seed: int) -> Found:
    """The default call with everything."""
    began = clock()
    report = search.explore(program(kind, padding), seed=seed)
    assert report.failure is not None
    return Found(clock() - began, report.executions)


BARE = {"reproduce_on_failure": 0, "detect_io": False, "total_timeout": CAP}
"""Without what only costs time here: replays of the failure, and the patches for sockets, files and data bases."""
MODES: dict[str, dict[str, Any]] = {
    "dpor": BARE,
    "dpor, no bound": BARE | {"preemption_bound": None},
    "dpor, spread": BARE | {"search": "bit-reversal"},
    "random": BARE | {"strategy": "random", "max_attempts": 1_000_000},
}
RACE_MODES = MODES | {"dpor, races": BARE | {"error_on_any_race": True}}
WHOLE_MODES: dict[str, dict[str, Any]] = {"dpor": {}, "random": {"strategy": "random"}}


def theirs(frontrun: Any, kind: type[Toy], padding: int, mode: dict[str, Any], seed: int, whole: bool = False) -> Found:
    """The same toy in one mode of frontrun, up to the moment in which the toy's check fails, else until it answers."""
    told: list[float] = []

    def holds(toy: Toy) -> bool:
        try:
            toy.check()
        except AssertionError:
            told.append(clock())
            return False
        return True

    more = {"seed": seed} if "strategy" in mode else {}
    began = clock()
    result = frontrun.explore(
        setup=lambda: kind(lambda name: threading.Lock(), padding), workers=[kind.one, kind.two], invariant=holds, **mode, **more
    )
    ended = clock() if whole or not told else told[0]
    if result.property_holds is False:
        return Found(ended - began, result.num_explored)
    return Found(CAP, result.num_explored)


def middle(found: list[Found]) -> Found:
    """The median of seconds and of executions."""
    return Found(statistics.median(f.seconds for f in found), statistics.median_high(f.executions for f in found))


@dataclass
class Row:
    """One toy under one verdict: ours, and the fastest of their modes."""

    own: Found
    mode: str
    best: Found

    @property
    def ratio(self) -> float:
        return self.best.seconds / self.own.seconds

    def __str__(self) -> str:
        return f"{self.own!s:>10} |{self.best!s:>10} {self.mode:15}{self.ratio:5.1f}x"


def compare(mine: Callable[[int], Found], modes: dict[str, Callable[[int], Found]]) -> Row:
    """Measure in turn, so that other load meets everybody."""
    own: list[Found] = []
    rivals: dict[str, list[Found]] = {name: [] for name in modes}
    for seed in range(ROUNDS):
        for name, run in modes.items():
            rivals[name].append(run(seed))
            own.append(mine(seed))
    medians = {name: middle(found) for name, found in rivals.items()}
    mode = min(medians, key=lambda name: medians[name].seconds)
    return Row(middle(own), mode, medians[mode])


def rows(frontrun: Any, kind: type[Toy], padding: int) -> dict[str, Row]:
    """The toy in the three comparisons."""

    def modes(options: dict[str, dict[str, Any]], whole: bool = False) -> dict[str, Callable[[int], Found]]:
        return {name: lambda seed, mode=mode: theirs(frontrun, kind, padding, mode, seed, whole) for name, mode in options.items()}  # type: ignore[misc]

    return {
        "any race": compare(lambda seed: ours(kind, padding, Options(), seed), modes(RACE_MODES)),
        "wrong ends": compare(lambda seed: ours(kind, padding, WRONG_ENDS, seed), modes(MODES)),
        "whole call": compare(lambda seed: ours_whole(kind, padding, seed), modes(WHOLE_MODES, whole=True)),
    }


@pytest.mark.benchmark
def test_time_to_first_failure(monkeypatch: pytest.MonkeyPatch) -> None:
    """Prints the table, in processor milliseconds / executions; asserts the median ratio."""
    frontrun = pytest.importorskip("frontrun", reason="frontrun is not installed (the extra 'bench')")
    monkeypatch.setenv("FRONTRUN_ACTIVE", "1")  # what its command line sets; without the library that it loads for I/O
    rows(frontrun, LostUpdate, 0)  # warm up
    ratios: dict[str, list[float]] = {}
    print("\nours | theirs, fastest mode, ratio; processor ms / executions")
    for kind in TOYS:
        for padding in PADDINGS:
            for name, row in rows(frontrun, kind, padding).items():
                print(f"{kind.__name__:17}{padding:2}  {name:11}{row}")
                ratios.setdefault(name, []).append(row.ratio)
    medians = {name: statistics.median(found) for name, found in ratios.items()}
    print("medians: " + ", ".join(f"{name} {ratio:.1f}x" for name, ratio in medians.items()) + f" (goal {GOAL}x)")
    assert medians["any race"] >= GOAL
    assert medians["whole call"] >= GOAL


@pytest.mark.parametrize("padding", PADDINGS)
@pytest.mark.parametrize("kind", TOYS)
def test_the_benchmark_measures_what_it_says(kind: type[Toy], padding: int) -> None:
    for options, kinds in ((Options(), (RACE, LOCK_ORDER)), (WRONG_ENDS, (CHECK, DEADLOCK))):
        found = search.explore(program(kind, padding), options=options, shrink=False)
        assert found.failure is not None
        assert found.failure.kind in kinds
        fine = search.explore(program(repaired(kind), padding), options=options, executions=300)
        assert fine.failure is None, str(fine)
        assert fine.complete
    measured = ours(kind, padding, WRONG_ENDS, 0)
    assert measured.executions == found.executions
