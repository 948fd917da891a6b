"""Whole drivers of several styles: the right ones pass, and a classic bug in each is named with its line."""

from __future__ import annotations

import re

import pytest

from movable.c.target import find
from movable.concurrent.search import interleavings
from movable.concurrent.stage import subject
from movable.contract import op, scenario
from movable.contract.examine import check
from movable.rules.table import RULES
from tests.c.building import DATA, needs_compiler

pytestmark = needs_compiler
BUGS = {
    "mz.c:-DLEAKS": (5, 1, "D34", r"page 33 was made at mz.c:\d+ mz_store"),  # where a name is taken already
    "rg.c:-DHASTY": (3, 160, "D41", "work item 'rg_reap' still runs"),  # cancel_delayed_work() at the end, which does not wait
    "lr.c:-DFORGETS": (12, 1, "D46", r"lr.c:\d+ lr_scan .*made at lr.c:\d+ lr_add"),  # the shrinker's list has what is gone
    "bl.c:-DLEAVES": (1, 100, "D41", "operations that are gone"),  # its thread makes pages, which are isolated when it goes
    "vb.c:-DSHORT": (1, 1, "D17", "took 0 references on the new page"),  # a hook of a balloon of the kernel's core
}
"""Examples and executions, the rule, and what is said."""


@pytest.mark.parametrize("target", BUGS)
def test_a_classic_bug_is_named(target: str) -> None:
    examples, executions, rule, said = BUGS[target]
    report = check(str(DATA / "drivers" / target), examples=examples, executions=executions, until={rule})
    assert rule in report.broken, report.broken
    assert re.search(said, report.verdicts[rule].what), report.verdicts[rule].what


@pytest.mark.parametrize(
    ("name", "era"), [("mz.c", "4.19"), ("rg.c", "6.1"), ("lr.c", "6.1"), ("bl.c", "6.1"), ("vb.c", "4.19"), ("vb.c", "6.1")]
)
def test_the_right_one_passes(name: str, era: str) -> None:
    """Work that goes on later, shrinkers that decline, names that are taken: none of that is the driver's fault."""
    report = check(str(DATA / "drivers" / name), examples=2, executions=20, era=era)
    assert report.refused == "" and report.form == ""  # written for the kernel that it is checked in
    assert [(rule, report.verdicts[rule].what) for rule in report.broken if RULES[rule].level == "must"] == []


FULL = scenario("a", op("rg_put", nr=0), op("rg_get", value=1), prefix=[op("rg_get", value=1)] * 8)
ENDS = scenario("c", op("drop_slab"), op("lr_del", key=1), prefix=[op("lr_add", key=1), op("lr_add", key=2)])
BESIDE = {
    "work that was never queued before may be done before what follows": ("rg.c", "", 60, (FULL,), []),
    "what a shrinker is told is its caller's own": ("lr.c", "", 40, (), []),
    "what it counts for itself is not": ("lr.c", "-DTELLS", 40, (), ["D53"]),
    "one may give back less than it has counted": ("lr.c", "", 40, (ENDS,), []),
}
"""A file, its options, executions, scenarios if not its own, and what is broken."""


@pytest.mark.parametrize("what", BESIDE)
def test_what_is_done_at_the_same_time(what: str) -> None:
    file, options, executions, scenarios, broken = BESIDE[what]
    kind = find(str(DATA / "drivers" / file), options)
    workload = vars(kind)["workload"]
    beside = list(scenarios or workload.scenarios)
    found = interleavings(subject(workload, kind, era="6.1"), scenarios=beside, executions=executions)
    assert (found.refused, list(found.broken)) == ("", broken)
