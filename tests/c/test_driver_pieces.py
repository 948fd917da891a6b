"""Small C drivers in pairs: the wrong one breaks a rule that fits, the right one breaks none."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from movable.c.target import _class, find
from movable.concurrent.campaign import load
from movable.concurrent.failures.explain import OPTIONS
from movable.contract.examine import check
from movable.explore.runner import execute
from movable.explore.schedulers.replay import Follow
from movable.rules.table import RULES
from movable.workload.scenario import Scenario, encode, op
from tests.c.building import needs_compiler, written
from tests.c.pieces import PAIRS, source

pytestmark = needs_compiler
UNTIL = {"a thread that frees": "D21"}
"""The rule after which a search may end, where it is not the first of those that fit."""


@pytest.mark.parametrize("what", PAIRS)
def test_the_wrong_one_is_caught(tmp_path: Path, what: str) -> None:
    _, wrong, rules = PAIRS[what]
    name = written(tmp_path, source(wrong))
    report = check(name, examples=2, executions=600, era="6.1", until={UNTIL.get(what, min(rules))})
    assert report.refused == ""
    assert set(report.broken) & rules, report.broken
    verdict = report.verdicts[sorted(set(report.broken) & rules)[0]]
    if verdict.scenario:
        assert verdict.token, verdict.what
        assert "driver.c:" in f"{verdict.what} {verdict.lanes}"


@pytest.mark.parametrize("what", PAIRS)
def test_the_right_one_passes(tmp_path: Path, what: str) -> None:
    report = check(written(tmp_path, source(PAIRS[what][0])), examples=1, executions=12, era="6.1")
    assert report.refused == ""
    assert [(rule, report.verdicts[rule].what) for rule in report.broken if RULES[rule].level == "must"] == []


@pytest.mark.skipif(shutil.which("clang") is None, reason="clang is not installed")
@pytest.mark.parametrize("wrong", [False, True])
def test_clang_builds_them_too(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, wrong: bool) -> None:
    monkeypatch.setenv("CC", "clang")
    cured, broken, _ = PAIRS["a marked read beside a plain write"]
    name = written(tmp_path, source(broken if wrong else cured))
    report = check(name, examples=1, executions=60, era="6.1", until={"D53"})
    assert (report.refused, report.broken) == ("", ["D53"] if wrong else [])


def test_another_process_finds_the_driver_and_its_workload_by_their_names(tmp_path: Path) -> None:
    name = written(tmp_path, source(PAIRS["a counter without its lock"][1]))
    options = "-DSOME=1"
    workload = vars(find(name, options))["workload"]
    token = encode(Scenario("two adds", ((op("add"),), (op("add"),))))
    _class.cache_clear()  # as in a process that has seen neither
    program = load(f"{name}:{options}", f"{workload.__module__}:{workload.__qualname__}", token, [], "6.1", 0)
    outcome = execute(program, Follow(), OPTIONS)
    assert outcome is not None
    assert "writes n[0:4]" in str(outcome.failure)
