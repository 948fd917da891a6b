"""The strategies on six toy races, and what they claim on the repaired ones."""

from collections.abc import Callable

import pytest

from movable.explore import ExploreError, Options, Scene, explore
from movable.explore.engine import Scheduler
from movable.explore.failure import CHECK, DEADLOCK, EXCEPTION, LOCK_ORDER
from movable.explore.runner import execute
from movable.explore.schedulers.pos import Pos
from movable.explore.schedulers.strategy import Strategy
from movable.explore.schedulers.surw import Surw
from movable.explore.schedulers.urw import Sampler, Urw
from tests.explore.toys import TOYS, lock_order, lost_update

KINDS = {
    "lost_update": (CHECK, 1),
    "free_beside_migrate": (EXCEPTION, 1),
    "lock_order": (DEADLOCK, 1),
    "check_then_act": (CHECK, 1),
    "missed_putback": (CHECK, 2),
    "depth_three": (EXCEPTION, 2),
}
PLAIN = Options(order=False)


@pytest.mark.parametrize("name", TOYS)
def test_the_portfolio_finds_it_and_shrinks_it_to_the_fewest_preemptions(name: str) -> None:
    kind, preemptions = KINDS[name]
    found = explore(TOYS[name](), options=PLAIN, executions=4000)
    assert found.failure is not None, str(found)
    assert (found.failure.kind, found.failure.preemptions) == (kind, preemptions)


@pytest.mark.parametrize("name", TOYS)
@pytest.mark.parametrize("strategy", ["dpor", "bounded", "urw", "surw", "pos"])
def test_each_strategy_finds_it(name: str, strategy: str) -> None:
    found = explore(TOYS[name](padding=4), strategy=strategy, options=PLAIN, executions=8000, seed=1)
    assert found.failure is not None, str(found)
    assert (found.failure.kind, found.failure.preemptions) == KINDS[name]


@pytest.mark.parametrize("name", TOYS)
def test_the_repaired_one_is_proved(name: str) -> None:
    found = explore(TOYS[name](fixed=True), executions=8000)
    assert found.failure is None, str(found)
    assert found.complete
    assert found.covered == "all interleavings"
    assert "no failure in all interleavings" in str(found)


def test_lock_order_is_seen_without_a_deadlock() -> None:
    found = explore(lock_order(), executions=1)
    assert found.failure is not None
    assert found.failure.kind == LOCK_ORDER
    assert "migrate takes pool lock while holding page lock" in found.failure.message


def test_random_strategies_claim_samples() -> None:
    found = explore(lost_update(fixed=True), strategy="surw", executions=37)
    assert (found.covered, found.complete) == ("37 samples", False)


def test_a_bound_is_what_is_claimed_when_the_budget_ends() -> None:
    def build(scheduler: Scheduler) -> Scene:
        def body() -> None:
            for _ in range(4):
                scheduler.point("aw", "x")

        return Scene([("a", body), ("b", body), ("c", body)])

    found = explore(build, executions=1000)
    assert found.covered.startswith("all interleavings with at most 1 pre-emption and ")
    assert found.covered.endswith(" samples")


def test_samples_depend_on_seed_and_number_alone() -> None:
    """Ranges of samples can be handed out: 0..9 and 10..19 are 0..19."""
    def take(strategy: Strategy, count: int) -> list[object]:
        runs = [execute(lost_update(fixed=True), strategy, PLAIN) for _ in range(count + 1)]
        return [run.steps for run in runs[1:] if run is not None]

    make: Callable[..., Strategy] = Surw
    assert take(make(5, 0), 20) == take(make(5, 0), 10) + take(make(5, 10), 10)
    assert take(make(5, 0), 20) != take(make(6, 0), 20)


def _share(strategy: Strategy, tasks: dict[str, list[str]], of: Callable[[list[str]], bool], samples: int = 1500) -> float:
    """The share of samples whose order of steps on x satisfies ``of``; ``tasks`` are lists of locations."""
    hits = 0
    for number in range(samples + 1):
        order: list[str] = []

        def build(scheduler: Scheduler, order: list[str] = order) -> Scene:
            def body(keys: list[str]) -> Callable[[], None]:
                def run() -> None:
                    for key in keys:
                        scheduler.point("aw", key)
                        if key == "x":
                            order.append(scheduler.current)

                return run

            return Scene([(name, body(keys)) for name, keys in tasks.items()])

        execute(build, strategy, PLAIN)
        hits += number > 0 and of(order)  # the first one only learns
    return hits / samples


def test_urw_gives_every_interleaving_the_same_chance() -> None:
    """One step beside five: first in one interleaving of six, where a plain walk puts it first half of the time."""
    share = _share(Urw(1), {"a": ["x"], "b": ["x"] * 5}, lambda order: order[0] == "a")
    assert 0.11 < share < 0.23
    assert _share(Sampler(1), {"a": ["x"], "b": ["x"] * 5}, lambda order: order[0] == "a") > 0.4


def test_surw_does_not_let_other_steps_disturb_the_selected_location() -> None:
    """A late step on x comes first half of the time, where a plain walk hardly ever lets it."""
    tasks = {"a": ["x"], "b": [*["own"] * 8, "x"]}
    assert 0.4 < _share(Surw(1), tasks, lambda order: order[0] == "b") < 0.6
    assert _share(Sampler(1), tasks, lambda order: order[0] == "b") < 0.05


def test_pos_draws_anew_for_steps_that_conflict() -> None:
    """One step beside three comes last in 1/8; with the priority drawn once it would be 1/4."""
    assert 0.08 < _share(Pos(1), {"a": ["x"], "b": ["x"] * 3}, lambda order: order[-1] == "a") < 0.17


def test_an_unknown_strategy_is_named() -> None:
    with pytest.raises(ExploreError, match="strategy 'dpr': choose one of portfolio"):
        explore(lost_update(), strategy="dpr")


def test_seconds_end_a_search() -> None:
    found = explore(lost_update(fixed=True), strategy="urw", seconds=0.05, executions=10**9)
    assert found.failure is None
    assert found.executions > 0
