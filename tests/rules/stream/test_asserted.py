"""Assertions of the core: whose rule is told."""

from __future__ import annotations

import pytest

import movable.mm.migrate as migrate
from docs.drivers.ring import Ring, RingWorkload
from movable import Page, get_page
from movable.concurrent.execution import named
from movable.contract import check
from movable.errors import VMBug
from movable.rules.stream.asserted import core_as_it_is
from movable.rules.stream.monitor import rule_of
from movable.rules.table import RULES


@pytest.mark.parametrize("rule", ["V6", "V7", "V13", "V19", "V23", "V32", "V33"])
def test_a_driver_is_told_its_own_rule(rule: str) -> None:
    told = rule_of(VMBug(rule, "something", "something else"))
    assert told[0] == "D" and RULES[told].level == "must"


def test_a_changed_core_is_told_the_core_s(monkeypatch: pytest.MonkeyPatch) -> None:
    assert core_as_it_is()

    def putback_movable_pages(pages: object) -> None:
        """Another one."""

    monkeypatch.setattr(migrate, "putback_movable_pages", putback_movable_pages)
    assert not core_as_it_is()
    assert rule_of(VMBug("V19", "something", "something else")) == "V19"


class TakesWhatIsGone(Ring):
    """Takes a reference on a page that it has just given up."""

    def drop(self, slot: int) -> None:
        page = self.slots[slot]
        super().drop(slot)
        if isinstance(page, Page):
            get_page(page)


class GoneWorkload(RingWorkload):
    factory = TakesWhatIsGone


def test_it_is_told_so_in_programs_and_in_interleavings() -> None:
    programs = check(TakesWhatIsGone, GoneWorkload, examples=20, interleavings=0)
    assert "D46" in programs.broken and not [id for id in programs.broken if id[0] == "V"]
    assert named(VMBug("V6", "get_page of a page without references", "a page that somebody holds")).rule == "D46"
