"""How far a check has come: what one worker has explained, the next one gives on."""

from __future__ import annotations

from dataclasses import replace

from movable.concurrent.failures.explain import Explanation
from movable.contract.checkpoint import Checkpoint, explained, verdict_of
from movable.contract.report import Report
from movable.contract.verdict import BROKEN
from movable.supervise.schema import from_record, to_record
from movable.workload.scenario import migrate, op, scenario


def test_a_failure_of_two_tasks_is_the_same_after_each_worker() -> None:
    race = scenario("a late write", op("write", byte=2), migrate())
    first = explained(Explanation("D53", race, "a data race", "m3.x", ["1 r", "2 w"], {"tasks": []}, 1, 3, "write || migrate"), 2)
    assert (first.verdict, first.exercised, first.scenario, first.story) == (BROKEN, 2, "write || migrate", ["1 r", "2 w"])
    sent = Checkpoint(Report("t", "T", "W", "6.1", 0), by_tasks={"D53": first}, explored=True)
    received = from_record(Checkpoint, to_record(sent))
    received.exercised["D53"] = 7
    assert verdict_of(received, "D53", {}) == replace(first, exercised=7)
