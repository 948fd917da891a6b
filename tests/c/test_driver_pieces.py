"""Small C drivers in pairs: the wrong one breaks a rule that fits, the right one breaks none."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from movable.c.target import _class, find
from movable.concurrent.campaign import load
from movable.concurrent.failures.explain import OPTIONS
from movable.concurrent.search import Interleavings, interleavings
from movable.concurrent.stage import subject
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


def explored(name: str, executions: int, until: frozenset[str] = frozenset()) -> Interleavings:
    """The functions of a file in pairs, each beside each; first where nothing was called before."""
    kind = find(name, "")
    workload = vars(kind)["workload"]
    scenarios = [one for one in workload.scenarios if not one.prefix]
    return interleavings(subject(workload, kind, era="6.1"), scenarios=scenarios, executions=executions, until=until)


@pytest.mark.parametrize("what", PAIRS)
def test_the_wrong_one_is_caught(tmp_path: Path, what: str) -> None:
    """What shows in no pair shows in a sequence, or after another call: that is for a whole check to find."""
    _, wrong, rules = PAIRS[what]
    name, until = written(tmp_path, source(wrong)), frozenset({UNTIL.get(what, min(rules))})
    found = explored(name, 150, until)
    assert found.refused == ""
    rule = min(set(found.broken) & rules, default="")
    if rule:
        told = found.broken[rule]
        assert told.token, told.what
        assert "driver.c:" in f"{told.what} {told.lines}"
        return
    report = check(name, examples=2, executions=600, era="6.1", until=until)
    assert report.refused == ""
    assert set(report.broken) & rules, report.broken
    verdict = report.verdicts[min(set(report.broken) & rules)]
    if verdict.scenario:
        assert verdict.token, verdict.what
        assert "driver.c:" in f"{verdict.what} {verdict.lanes}"


@pytest.mark.parametrize("what", PAIRS)
def test_the_right_one_passes(tmp_path: Path, what: str) -> None:
    found = explored(written(tmp_path, source(PAIRS[what][0])), 30)
    assert found.refused == ""
    assert [(rule, found.broken[rule].what) for rule in found.broken if RULES[rule].level == "must"] == []


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
