"""Eras times bundled drivers times museum: right drivers hold in each kernel, and a bug is one in every kernel that it names."""

from __future__ import annotations

import pytest

from movable.contract import check
from movable.contract.museum import exhibits
from movable.contract.show.museum import caught_text, judge
from movable.eras import ERAS

DRIVERS = ("zsmalloc", "balloon", "vmballoon")
EXHIBITS = exhibits()
ELSEWHERE = [(id, era) for id, one in EXHIBITS.items() for era in one.eras if era != one.era]
"""Exhibits in kernels other than the one that they are shown in."""


@pytest.mark.unmeasured
@pytest.mark.parametrize("era", ERAS)
@pytest.mark.parametrize("driver", DRIVERS)
def test_a_right_driver_holds(driver: str, era: str) -> None:
    report = check(driver, era=era, examples=3, executions=4, isolate=False)
    assert not report.broken and report.era == era


@pytest.mark.campaign
@pytest.mark.parametrize("era", ERAS)
@pytest.mark.parametrize("driver", DRIVERS)
def test_a_right_driver_holds_at_default_settings(driver: str, era: str) -> None:
    assert not check(driver, era=era).broken


@pytest.mark.campaign
@pytest.mark.parametrize(("id", "era"), ELSEWHERE)
def test_a_bug_is_one_in_every_kernel_that_it_names(id: str, era: str) -> None:
    report = judge(EXHIBITS[id], era=era)
    assert set(EXHIBITS[id].rules) <= set(report.broken), caught_text(EXHIBITS[id], report)
