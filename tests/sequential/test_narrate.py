"""Stories: what comes again and again is told once."""

from __future__ import annotations

import pytest

from movable.contract import check
from movable.sequential.narrate import MAX_LINES, folded
from tests.drivers_for_tests import bad_drivers as bad


@pytest.mark.parametrize(
    ("lines", "told"),
    [
        ([], []),
        (["a"], ["a"]),
        (["a", "a", "b"], ["a", "a", "b"]),
        (["a", "a", "a", "b"], ["a", "    (the same 2 more times)", "b"]),
        (["x", *["a", "b"] * 10, "y"], ["x", "a", "b", "    (the same 9 more times)", "y"]),
        (["a", "b", "c", "a", "b", "c", "a", "b", "c"], ["a", "b", "c", "    (the same 2 more times)"]),
        (["a", "b", "a", "c"], ["a", "b", "a", "c"]),
    ],
)
def test_folding(lines: list[str], told: list[str]) -> None:
    assert folded(lines) == told


def test_the_callback_that_matters_is_told_in_full_and_of_both_pages() -> None:
    report = check(bad.TakesTwo, examples=25, interleavings=0)
    story = report.verdicts["D17"].story
    assert sum("a reference on page 33 is taken" in line for line in story) == 2, "\n".join(story)
    assert len(story) <= MAX_LINES


def test_what_is_cut_off_leaves_its_heading() -> None:
    report = check(bad.TakesTwo, examples=25, interleavings=0)
    story = report.verdicts["D18"].story
    assert story[0].startswith("... ") and not story[1].startswith(" ")
    assert len(story) <= MAX_LINES
