"""What one mistake breaks is told in causal order."""

from __future__ import annotations

import pytest

from docs.drivers.ring import Ring, RingWorkload
from movable import AddressSpace, Page
from movable.concurrent.search import interleavings
from movable.concurrent.stage import Subject
from movable.contract import check, migrate, op, scenario
from movable.contract.report import Verdict, text
from movable.contract.show.causes import by_cause
from movable.contract.show.html import to_html
from movable.contract.verdict import BROKEN
from tests.drivers_for_tests import racy_drivers as racy


@pytest.mark.parametrize(
    ("follows", "told"),
    [
        ({"A": "", "B": ""}, "A B"),
        ({"A": "C", "B": "", "C": ""}, "B C A<C"),
        ({"A": "B", "B": "C", "C": ""}, "C A<C B<C"),
        ({"A": "B", "B": "A", "C": "B"}, "A B<A C<A"),
        ({"A": "Z", "B": "A"}, "A B<A"),
    ],
)
def test_a_cause_stands_before_what_follows(follows: dict[str, str], told: str) -> None:
    verdicts = {id: Verdict(id, BROKEN, follows=cause) for id, cause in follows.items()}
    assert " ".join(f"{id}<{cause}" if cause else id for id, cause in by_cause(verdicts, sorted(follows))) == told


class ForgetsTheSlot(Ring):
    """Moves the content and leaves the old page in its slot."""

    def migratepage(self, mapping: AddressSpace, newpage: Page, page: Page, mode: int) -> int:
        slot = page.private
        old = self.slots[slot]
        answer = super().migratepage(mapping, newpage, page, mode)
        if answer == 0:
            self.slots[slot] = old
        return answer


def test_one_mistake_has_one_story() -> None:
    report = check(ForgetsTheSlot, RingWorkload, examples=20, interleavings=0)
    followers = [id for id in report.broken if report.verdicts[id].follows]
    assert "D14" in report.broken and followers
    page = text(report)
    first = page.index("BROKEN D14")
    for id in followers:
        behind = page[page.index(f"BROKEN {id}") :].partition("\n\n")[0]
        assert page.index(f"BROKEN {id}") > first and "Follows from" in behind and "step 1" not in behind
    assert "Follows from <a href=" in to_html([report])


def test_what_a_race_leads_to_follows_from_it() -> None:
    late = scenario("late", op("write", slot=0, data=b"new"), migrate(), prefix=[op("write", slot=0, data=b"old")])
    found = interleavings(Subject(RingWorkload, racy.CopiesOutsideTheLock), executions=200, scenarios=[late]).broken
    assert found["D15"].follows == "D53" and not found["D53"].follows
