"""The race detector against the definition: two conflicting accesses, one of them plain, that can both be next."""

from collections.abc import Sequence
from itertools import combinations

import pytest

from movable.explore import Scene, explore
from movable.explore.dependence import Part, Span, conflict
from movable.explore.detect.data_races import HappensBefore
from movable.explore.engine import Scheduler, Task
from movable.explore.failure import RACE
from movable.explore.runner import Options, execute
from movable.explore.schedulers.dfs import Dfs
from movable.explore.schedulers.dpor import Dpor
from tests.explore.machines import codes, program

DATA = ("r", "w", "ar", "aw")
RACES = Options(order=False)


class Watching(Dfs):
    """Brute force that looks at every choice for two tasks about to race."""

    racy = False

    def choose(self, me: Task | None, enabled: Sequence[Task]) -> Task | None:
        for one, two in combinations(enabled, 2):
            if (
                one.op in DATA
                and two.op in DATA
                and {one.op, two.op} & {"r", "w"}
                and conflict((one.op, one.key), (two.op, two.key))
            ):
                self.racy = True
        return super().choose(me, enabled)


def _by_definition(seed: int) -> bool | None:
    """Whether a random program has a race; None when it is too large."""
    strategy = Watching()
    for _ in range(200):
        if execute(program(seed), strategy, Options(races=False, order=False)) is None:
            return strategy.racy
    return None


def _by_clocks(seed: int) -> bool:
    strategy = Dpor()
    racy = False
    while (run := execute(program(seed), strategy, RACES, stop=False)) is not None:
        racy = racy or (run.failure is not None and run.failure.kind == RACE)
    return racy


def test_clocks_and_definition_agree_on_random_programs() -> None:
    verdicts: list[bool] = []
    for seed in range(50_000, 50_200):
        expected = _by_definition(seed)
        if expected is not None:
            assert _by_clocks(seed) == expected, f"program {seed}: {codes(seed)}"
            verdicts.append(expected)
        if len(verdicts) >= 60:
            break
    assert 10 < sum(verdicts) < 50, "both kinds of programs should occur"


@pytest.mark.parametrize(
    ("one", "two", "racy"),
    [
        (("w", Part("d", 1)), ("w", Part("d", 2)), False),
        (("w", Part("d", 1)), ("r", Part("d", 1)), True),
        (("w", "d"), ("r", Part("d", 1)), True),
        (("r", "d"), ("w", Part("d", 1)), True),
        (("r", "d"), ("r", Part("d", 1)), False),
        (("w", "e"), ("r", Part("d", 1)), False),
    ],
)
def test_items_race_with_themselves_and_with_the_whole(one: tuple[str, str], two: tuple[str, str], racy: bool) -> None:
    for first, second in ((one, two), (two, one)):

        def build(scheduler: Scheduler, first: tuple[str, str] = first, second: tuple[str, str] = second) -> Scene:
            return Scene([("a", lambda: scheduler.point(*first)), ("b", lambda: scheduler.point(*second))])

        assert (explore(build).failure is not None) == racy
        assert conflict(first, second) == racy


def _clocks(*steps: tuple[int, str, object]) -> list[tuple[int, int]]:
    """The races of a fixed order of steps of two tasks."""
    clocks = HappensBefore()
    clocks.task(-1)
    clocks.task(-1)
    found = [clocks.step(task, op, key, now) for now, (task, op, key) in enumerate(steps)]
    return [race for race in found if race is not None]


def test_readers_of_a_lock_are_not_ordered_by_it() -> None:
    under = [(0, "rlock", "z"), (0, "r", "x"), (0, "runlock", "z"), (1, "rlock", "z"), (1, "w", "x"), (1, "runlock", "z")]
    assert _clocks(*under) == [(1, 4)]
    under[3:] = [(1, "lock", "z"), (1, "w", "x"), (1, "unlock", "z")]
    assert _clocks(*under) == []
    under[3:] = [(1, "try", "z"), (1, "w", "x"), (1, "unlock", "z"), (0, "rlock", "z"), (0, "r", "x")]
    assert _clocks(*under) == []


def test_bytes_race_where_they_overlap() -> None:
    def part(start: int, stop: int) -> Part:
        return Part("x", Span(start, stop))

    assert _clocks((0, "w", part(0, 4)), (1, "w", part(4, 8))) == []
    assert _clocks((0, "w", part(0, 4)), (1, "r", part(3, 5))) == [(0, 1)]
    assert _clocks((0, "w", part(0, 4)), (1, "r", "x")) == [(0, 1)]
    assert _clocks((0, "r", part(0, 4)), (1, "r", part(0, 4))) == []


def test_a_plain_write_beside_a_marked_read_is_no_race_and_beside_a_marked_write_it_is() -> None:
    assert _clocks((0, "w", "x"), (1, "mr", "x")) == []
    assert _clocks((1, "mr", "x"), (0, "w", "x")) == []
    assert _clocks((0, "aw", "x"), (1, "w", "x")) == [(0, 1)]
    assert _clocks((0, "w", "y"), (0, "aw", "x"), (1, "mr", "x"), (1, "r", "y")) == []  # it sees what came before
