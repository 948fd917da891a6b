"""From a failure to something a person can use: shrinking, tokens, replay, timelines, the audit."""

import json
import re
from pathlib import Path

import pytest

from movable.explore import NonDeterminism, Options, Scene, explore, replay
from movable.explore.engine import Scheduler
from movable.explore.failures.recorder import record
from movable.explore.failures.timeline import chrome, save_chrome, text
from movable.explore.program import Program
from movable.explore.runner import execute, follow
from movable.explore.schedulers.replay import Choices, Decision, Follow
from tests.explore.toys import lost_update

PLAIN = Options(order=False)


def test_strict_replay_refuses_what_does_not_apply() -> None:
    program = lost_update(padding=0)
    with pytest.raises(NonDeterminism, match="task number 7 does not exist"):
        follow(program, (Decision(0, 1, 7),), PLAIN, strict=True)
    with pytest.raises(NonDeterminism, match="ended without it"):
        follow(program, (Decision(0, 99, 1),), PLAIN, strict=True)
    run, strategy = follow(program, (Decision(0, 99, 1), Decision(0, 1, 7)), PLAIN)
    assert run.failure is None
    assert strategy.made == []


def noted() -> Program:
    def build(scheduler: Scheduler) -> Scene:
        seen: list[int] = []

        def body() -> None:
            scheduler.point("lock", "guard")
            scheduler.point("aw", ("page", 12, "flags"))
            scheduler.note("saw the page", flags=len(seen))
            seen.append(1)
            scheduler.point("unlock", "guard")
            for _ in range(10):
                scheduler.point("ar", "own")
            assert len(seen) < 2, "both were here"

        return Scene([("migrate", body), ("compact", body)])

    return build


def test_the_text_timeline_shows_lanes_switches_locks_notes_and_lines() -> None:
    found = explore(noted(), options=PLAIN).failure
    assert found is not None
    rows = found.timeline.splitlines()
    assert "migrate" in rows[0]
    assert "compact" in rows[0]
    column = rows[0].index("compact")
    assert any(row[column:].startswith("aw page 12 flags  test_failures.py:") for row in rows), found.timeline
    assert any("* saw the page flags=1" in row for row in rows)
    assert any("holding guard" in row for row in rows)
    assert any(re.fullmatch(r" +\.\.\. \d+ steps", row) for row in rows)
    assert any("compact goes on at test_failures.py:" in row and "after migrate" in row for row in rows)
    assert any("==>  exception: compact: AssertionError: both were here" in row for row in rows)
    preempted = explore(lost_update(), options=PLAIN).failure
    assert preempted is not None
    assert "two pre-empts at toys.py:" in preempted.timeline
    assert "after one, which could go on" in preempted.timeline


def test_quiet_files_are_looked_through() -> None:
    program = lost_update()
    token = explore(program, options=PLAIN).failure
    assert token is not None
    quiet = replay(program, token.token, Options(order=False, quiet=("toys.py",)))
    shown = {line.place.file for line in quiet.lines if line.place is not None}
    assert all(name.endswith("toys.py") for name in shown), "only where no other line is left"


def test_the_chrome_trace_is_complete_json(tmp_path: Path) -> None:
    story = record(noted(), (), PLAIN)
    path = save_chrome(story, tmp_path / "trace.json")
    loaded = json.loads(path.read_text())
    assert loaded == chrome(story)
    events = loaded["traceEvents"]
    steps = [event for event in events if event["ph"] == "X"]
    assert len(steps) == len(story.lines)
    assert [event["ts"] for event in steps] == list(range(len(steps)))
    assert {event["args"]["name"] for event in events if event["ph"] == "M"} == {"migrate", "compact"}
    assert {"switch", "note", "failure"} <= {event.get("cat") for event in events}
    assert "==>" in text(story)


def test_replaying_choices_learns_the_decisions() -> None:
    strategy = Choices([1, 1, 0, 0])
    program = lost_update(padding=0)
    execute(program, strategy, PLAIN)
    assert strategy.made == [Decision(-1, 0, 1)]
    assert (strategy.preemptions, strategy.switches) == (0, 1)
    assert Follow().claim == "one interleaving"
