"""What the lanes of a failure say."""

from __future__ import annotations

from movable.explore.failures import timeline


def test_one_step_is_one_step() -> None:
    step = {"task": 0, "op": "r", "where": "x", "place": "", "switch": "", "held": [], "notes": []}
    steps = [step for _ in range(2 * timeline.KEPT_IN_HTML + 1)]
    page = timeline.html({"tasks": ["a"], "steps": steps, "failure": "x"})
    assert "... 1 step<" in page
    page = timeline.html({"tasks": ["a"], "steps": [*steps, steps[0]], "failure": "x"})
    assert "... 2 steps<" in page
