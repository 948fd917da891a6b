"""The matrix says of each pair of tasks what holds for the scenario that was explored least."""

from __future__ import annotations

from typing import Any

from movable.contract.show.matrix import coverage, matrix, matrix_text
from movable.explore.coverage import Explored


def explored(*tasks: str, covered: str = "all interleavings", executions: int = 9, **more: Any) -> Explored:
    complete = covered == "all interleavings"
    return Explored("s", "s", executions, 9, covered, complete, tasks=list(tasks), **more)


BOUND = "all interleavings with at most 1 pre-emption and 7 samples"


def cell(*scenarios: Explored) -> dict[str, Any]:
    return matrix(scenarios)[0]


def test_how_far_a_scenario_was_explored() -> None:
    assert coverage(explored("a", "b")) == "all"
    assert coverage(explored("a", "b", covered=BOUND)) == "bounded by 1"
    assert coverage(explored("a", "b", covered="12 samples")) == "sampled"
    assert coverage(explored("a", "b", executions=0, covered="nothing")) == "not tried"
    assert coverage(explored("a", "b", unwatched=["x (generator)"])) == "sampled"


def test_the_weakest_scenario_counts() -> None:
    assert cell(explored("a", "b"), explored("b", "a", covered=BOUND))["coverage"] == "bounded by 1"
    assert cell(explored("a", "b", covered=BOUND), explored("a", "b"))["coverage"] == "bounded by 1"
    not_reached = explored("a", "b", executions=0, covered="nothing")
    found = cell(explored("a", "b"), not_reached)
    assert (found["coverage"], found["scenarios"], found["executions"]) == ("all", 1, 9)
    assert cell(not_reached)["coverage"] == "not tried"


def test_a_third_task_makes_it_a_sample() -> None:
    assert cell(explored("a", "b", "migration"))["coverage"] == "sampled"
    assert cell(explored("a", "b", "migration"), explored("a", "b"))["coverage"] == "all"
    assert cell(explored("a", "b"), explored("a", "b", "migration"))["coverage"] == "all"


def test_rules_and_variants_are_kept() -> None:
    found = cell(explored("a", "a", rules=["D15"], variant="x=1"), explored("a", "a", rules=["D53"], variant="no options"))
    assert found["tasks"] == ["a", "a"] and found["rules"] == ["D15", "D53"] and found["variants"] == ["x=1", "no options"]


def test_the_matrix_as_text() -> None:
    shown = matrix_text([
        explored("drop", "write", covered=BOUND), explored("write", "write", rules=["D53"]), explored("drop", "migration"),
        explored("tear-down", "migration", covered="7 samples"),
    ])  # fmt: skip
    assert shown[:-1] == [
        "explored               a     b   mig   rem",
        "         a drop        -   <=1   all     -",
        "         b write     <=1  all!     -     -",
        "         migration   all     -     -  some",
        "         tear-down     -     -  some     -",
    ]
