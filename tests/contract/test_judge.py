"""The verdict on every rule."""

from __future__ import annotations

import pytest

from docs.drivers.ring import Ring, RingWorkload
from movable import UsageError
from movable.contract import certify, check
from movable.contract.examine import checked_waivers
from movable.contract.judge import judge
from movable.contract.report import Report
from movable.contract.verdict import BROKEN, NOT_APPLICABLE, UNPROVEN, WAIVED
from movable.rules.table import RULES
from movable.sequential.search import INTERRUPTED, Search
from movable.workload.workload import workload_for
from tests.drivers_for_tests import bad_drivers as bad


def test_waivers() -> None:
    report = check(bad.Half, examples=15, waive={"D15": "the tail is never used"})
    assert report.verdicts["D15"].verdict == WAIVED
    assert report.verdicts["D15"].reason == "the tail is never used"
    report = check(Ring, examples=15, waive={"D15": "no reason any more"})
    assert report.verdicts["D15"].verdict == BROKEN
    assert "take the waiver away" in report.verdicts["D15"].what
    assert not report.passed()
    advice = check(Ring, examples=15, interleavings=0, waive={"D38": "it waits for nobody"})
    assert advice.broken == ["D38"] and not advice.passed()
    with pytest.raises(UsageError, match="did you mean"):
        checked_waivers({"D155": "x"})
    with pytest.raises(UsageError, match="D15=REASON"):
        certify(Ring, waive={"D15": " "})
    assert checked_waivers({"d19B": "spelt otherwise"}) == {"D19b": "spelt otherwise"}


def test_a_waiver_of_what_was_not_tried_is_not_said_to_be_needless() -> None:
    search = Search(RingWorkload, Ring, "4.19", 0)
    assert not search.go(examples=2)
    report = Report("ring", "Ring", "RingWorkload", "4.19", 0)
    judge(search, report, {"D39": "nobody maps"}, {})
    assert report.verdicts["D39"].verdict == UNPROVEN


def test_an_interruption_ends_the_making_small_and_not_the_report(monkeypatch: pytest.MonkeyPatch) -> None:
    def impatient(*args: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr("movable.sequential.search.shrink", impatient)
    search = Search(workload_for(bad.Half), bad.Half, "4.19", 0)
    search.go(examples=10)
    report = Report("half", "Half", "RingWorkload", "4.19", 0)
    judge(search, report, {}, {})
    assert report.stopped == INTERRUPTED
    assert report.verdicts["D15"].story
    assert len(report.verdicts) == len(RULES)


def test_rules_of_another_era_do_not_apply() -> None:
    report = check(Ring, examples=3)
    assert report.verdicts["D19b"].verdict == NOT_APPLICABLE
