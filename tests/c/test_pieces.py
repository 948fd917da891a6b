"""Small C drivers in pairs: the wrong one breaks a rule that fits, the right one breaks none."""

from __future__ import annotations

from pathlib import Path

import pytest

from movable.contract.examine import check
from movable.rules.table import RULES
from tests.c.building import needs_compiler, written
from tests.c.pieces import PAIRS, source

pytestmark = needs_compiler


@pytest.mark.parametrize("what", PAIRS)
def test_the_wrong_one_is_caught(tmp_path: Path, what: str) -> None:
    _, wrong, rules = PAIRS[what]
    name = written(tmp_path, source(wrong))
    report = check(name, examples=2, executions=120, era="6.1")
    assert report.refused == ""
    assert set(report.broken) & rules, report.broken
    verdict = report.verdicts[sorted(set(report.broken) & rules)[0]]
    if verdict.scenario:
        assert verdict.token, verdict.what
        assert "driver.c:" in f"{verdict.what} {verdict.lanes}"


@pytest.mark.parametrize("what", PAIRS)
def test_the_right_one_passes(tmp_path: Path, what: str) -> None:
    report = check(written(tmp_path, source(PAIRS[what][0])), examples=2, executions=30, era="6.1")
    assert report.refused == ""
    assert [(rule, report.verdicts[rule].what) for rule in report.broken if RULES[rule].level == "must"] == []


@pytest.mark.slow
def test_other_processes_find_the_driver_and_its_workload(tmp_path: Path) -> None:
    report = check(written(tmp_path, source(PAIRS["a counter without its lock"][1])), examples=1, executions=60, jobs=2, era="6.1")
    assert report.refused == ""
    assert "D53" in report.broken
