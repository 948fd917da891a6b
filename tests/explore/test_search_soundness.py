"""The systematic strategies reach what brute force reaches: every class of schedules, every end state, within every bound."""

from collections.abc import Hashable

import pytest

from movable.explore.campaign import roots
from movable.explore.dependence import Canonical
from movable.explore.runner import Options
from movable.explore.schedulers.dfs import Dfs
from movable.explore.schedulers.dpor import Dpor
from movable.explore.schedulers.preemption_bounded import Bounded
from tests.explore.harness import OPEN, Reached, reach
from tests.explore.machines import codes, program

CAP = 250
WANTED = 120


def _compare(seed: int, cap: int, tally: dict[str, int]) -> bool:
    """Compare one random program; False when it is too large for brute force."""
    scene = program(seed)
    brute = reach(scene, Dfs(), cap)
    if not brute.ended:
        return False
    clever = reach(scene, Dpor())
    assert clever.traces == brute.traces, f"dpor, program {seed}: {codes(seed)}"
    _count(tally, "brute", brute)
    _count(tally, "dpor", clever)
    for bound in (0, 1, 2):
        within = reach(scene, Dfs(bound))
        bounded = reach(scene, Bounded(bound))
        assert bounded.traces == within.traces, f"bound {bound}, program {seed}: {codes(seed)}"
        _count(tally, f"brute {bound}", within)
        _count(tally, f"bounded {bound}", bounded)
    return True


def _count(tally: dict[str, int], name: str, found: Reached) -> None:
    tally[name] = tally.get(name, 0) + found.executions
    tally[name + " traces"] = tally.get(name + " traces", 0) + len(found.traces)


@pytest.mark.unmeasured
def test_reduction_equals_brute_force_on_random_programs() -> None:
    tally: dict[str, int] = {}
    done = seed = 0
    while done < WANTED and seed < 6 * WANTED:
        done += _compare(seed, CAP, tally)
        seed += 1
    assert done == WANTED
    assert tally["dpor"] < tally["brute"] / 5, tally
    assert tally["dpor"] <= 1.1 * tally["dpor traces"], tally


@pytest.mark.campaign
@pytest.mark.parametrize("chunk", range(24))
def test_reduction_equals_brute_force_on_many_random_programs(chunk: int) -> None:
    tally: dict[str, int] = {}
    done = sum(_compare(seed, 1500, tally) for seed in range(10_000 + 125 * chunk, 10_125 + 125 * chunk))
    print(f"chunk {chunk}: {done} programs, {tally}")
    assert done > 75


@pytest.mark.parametrize("seed", range(40))
def test_subtrees_are_the_whole_tree(seed: int) -> None:
    scene = program(seed)
    whole = reach(scene, Dpor(), 200)
    if not whole.ended:
        pytest.skip("too large")
    together: dict[Canonical, Hashable] = {}
    executions = 0
    for root in roots(scene, Dpor, 6, Options(races=False, order=False)):
        part = reach(scene, Dpor(root))
        assert part.ended
        together.update(part.traces)
        executions += part.executions
    assert together == whole.traces
    within = reach(scene, Bounded(1))
    together = {}
    for root in roots(scene, lambda root: Bounded(1, root), 6, OPEN):
        together.update(reach(scene, Bounded(1, root)).traces)
    assert together == within.traces


@pytest.mark.parametrize(
    ("broken", "what"),
    [("sleep", "nobody wakes"), ("guarded", "waits are not looked through"), ("conservative", "no conservative points")],
)
def test_the_comparison_can_fail(broken: str, what: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Each part of the algorithm that the essay calls necessary is: without it some random program loses traces."""
    if broken == "sleep":
        monkeypatch.setattr(Dpor, "asleep", lambda self, before: before.sleep)
    elif broken == "guarded":
        monkeypatch.setattr(Dpor, "_guarded", lambda *args: None)
    else:
        monkeypatch.setattr(Bounded, "reverse", lambda self, i, initials, task: self._plan(i, task))
    bound = 0 if broken == "conservative" else None
    for seed in range(300):
        yardstick = reach(program(seed), Dfs(bound), 300)
        if yardstick.ended and reach(program(seed), Dpor() if bound is None else Bounded(bound), 5000).traces != yardstick.traces:
            return
    pytest.fail(f"nothing was lost although {what}")
