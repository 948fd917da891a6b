"""One module in two worlds: badmov.c was recorded in a real kernel, a mode at a time. Here each mode runs on the model, and what it
breaks is compared with what is wrong in it."""

from __future__ import annotations

import pytest

from movable.contract.examine import check
from movable.contract.report import Report
from movable.rules.table import RULES
from tests.c.building import DATA, needs_compiler

pytestmark = needs_compiler

WRONG = {
    1: {"D19"}, 2: {"D18", "D34"}, 3: {"D30"}, 4: {"D11", "D29"}, 5: {"D2"}, 6: {"D21"}, 7: {"D21"}, 8: {"D23"}, 11: {"D16", "D20"},
    12: {"D29"}, 13: {"D29"}, 14: {"D26"}, 15: {"D15", "D17", "D21"}, 16: {"D30"}, 17: {"D21"}, 21: {"D15"}, 22: {"D16"},
}  # fmt: skip
"""Modes that are wrong, and rules that fit what is wrong in each: one of them must be broken."""
LEGAL = (0, 9, 10, 18, 19, 20)
REASON = "drivers of 6.1 need not refuse to move without copying"


def target(mode: int) -> str:
    return f"{DATA / 'badmov.c'}:mode={mode},np=4,spread=1"


def must_rules(report: Report) -> list[str]:
    """The must rules that are broken, waivers that were not needed apart."""
    return [rule for rule in report.broken if RULES[rule].level == "must" and not report.verdicts[rule].stale]


@pytest.mark.parametrize("mode", WRONG)
def test_a_wrong_mode_breaks_a_rule_that_fits(mode: int) -> None:
    executions = 120 if mode == 7 else 0  # its thread looks for isolated pages: it needs another task that isolates
    report = check(
        target(mode), examples=8, executions=executions, interleavings=0 if not executions else 0.5, waive={"D28": REASON},
        until={min(WRONG[mode])},
    )  # fmt: skip
    assert set(report.broken) & WRONG[mode], report.broken


@pytest.mark.parametrize("mode", LEGAL)
def test_a_legal_mode_breaks_no_must_rule(mode: int) -> None:
    report = check(target(mode), examples=8, interleavings=0, waive={"D28": REASON})
    assert must_rules(report) == []


@pytest.mark.parametrize("mode", (0, 20))
def test_a_right_mode_is_right_in_interleavings(mode: int) -> None:
    report = check(target(mode), examples=2, executions=60, interleavings=0.5, waive={"D28": REASON})
    assert report.refused == ""
    assert sum(one.executions for one in report.scenarios) >= 40
    assert must_rules(report) == []


@pytest.mark.campaign
@pytest.mark.parametrize("mode", [*WRONG, *LEGAL])
def test_every_mode_with_interleavings(mode: int) -> None:
    report = check(target(mode), examples=40, executions=1200, waive={"D28": REASON})
    must = must_rules(report)
    if mode in WRONG:
        assert set(report.broken) & WRONG[mode]
    else:
        assert must == []
