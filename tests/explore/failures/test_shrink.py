"""A failing schedule made small."""

import pytest

from movable.explore import explain
from movable.explore.failure import Failure
from movable.explore.failures.shrink import Shrinker
from movable.explore.program import Program
from movable.explore.runner import execute
from movable.explore.schedulers.dfs import Dfs
from movable.explore.schedulers.urw import Sampler
from tests.explore.failures.test_failures import PLAIN
from tests.explore.toys import TOYS, lost_update


def _any_failure(program: Program, seed: int) -> Failure:
    """A failure as a random walk finds it, pre-emptions everywhere."""
    strategy = Sampler(seed)
    for _ in range(30_000):
        run = execute(program, strategy, PLAIN)
        assert run is not None
        if run.failure is not None:
            return run.failure
    raise AssertionError("no failure found")


def _fewest(program: Program) -> int:
    """The fewest pre-emptions that fail, by brute force over the bound."""
    for bound in range(4):
        strategy = Dfs(bound)
        while (run := execute(program, strategy, PLAIN)) is not None:
            if run.failure is not None:
                return bound
    raise AssertionError("no failure within three pre-emptions")


@pytest.mark.parametrize("name", TOYS)
def test_shrinking_reaches_the_true_minimum_from_anywhere(name: str) -> None:
    program = TOYS[name](padding=4)
    fewest = _fewest(program)
    for seed in range(3):
        shrunk = explain(program, _any_failure(program, seed), PLAIN)
        assert shrunk.preemptions == fewest
        assert shrunk.switches <= 2 * fewest + 1


def test_delta_debugging_alone_goes_most_of_the_way(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Shrinker, "_search", lambda self: None)
    program = lost_update()
    for seed in range(5):
        raw = _any_failure(program, seed)
        shrinker = Shrinker(program, raw, PLAIN)
        assert len(shrinker.shrink()) <= 2
        assert shrinker.cost[0] <= 2  # one is the minimum; the search closes the gap
        assert not shrinker.minimal


def test_a_minimum_is_proved_or_not_claimed() -> None:
    program = TOYS["missed_putback"](padding=4)
    proved = Shrinker(program, _any_failure(program, 0), PLAIN)
    proved.shrink()
    assert (proved.cost[0], proved.minimal) == (2, True)
    hurried = Shrinker(program, _any_failure(program, 0), PLAIN, tries=3)
    hurried.shrink()
    assert hurried.used <= 4
    assert not hurried.minimal


def test_shrinking_can_be_left_out() -> None:
    program = lost_update()
    raw = _any_failure(program, 0)
    kept = explain(program, raw, PLAIN, shrink=False)
    assert kept.choices == raw.choices
    assert kept.preemptions > explain(program, raw, PLAIN).preemptions
