"""A failure that a search met is always shown again: with a story, and with a token that replays it."""

from __future__ import annotations

import pytest

from docs.drivers.ring import Ring, RingWorkload
from movable.concurrent.execution import Trial
from movable.concurrent.failures.explain import Sighting, explain_failure, rule_of_failure
from movable.concurrent.search import ScenarioSearch
from movable.concurrent.stage import Subject
from movable.contract import migrate, op, scenario
from movable.contract.show.replay import replay
from tests.drivers_for_tests import racy_drivers as racy

MADE = scenario("s", op("write", slot=0, data=b"new"), migrate(0), prefix=[op("write", slot=0, data=b"old")])


def sighted(driver: type) -> Sighting:
    """The first failure that a search meets."""
    hunt = ScenarioSearch(Trial(Subject(RingWorkload, driver), MADE), 0)
    return next(hunt.run(2000, None))


@pytest.mark.parametrize("driver", [racy.CopiesOutsideTheLock, racy.CopiesUnderAnotherLock], ids=lambda driver: driver.__name__)
def test_what_is_learnt_later_does_not_take_the_token_away(driver: type) -> None:
    """The choices of an execution count the points that it had: those of the locations known to be shared at that moment."""
    met = sighted(driver)
    met.trial.sharing.shared |= set(met.trial.sharing.users)
    told = explain_failure(met)
    assert told.token and told.lines
    again = replay(driver, told.token, workload=RingWorkload)
    assert again.broken == [told.rule] and told.rule == rule_of_failure(met.failure)


def test_a_failure_whose_schedule_leads_elsewhere_is_searched_for() -> None:
    met = sighted(racy.CopiesOutsideTheLock)
    wrong = Sighting(met.trial, met.failure, met.options, frozenset())
    told = explain_failure(wrong)
    assert told.token and told.rule == rule_of_failure(met.failure)


class CountsUses(Ring):
    """Counts its uses without a lock."""

    uses = 0

    def write(self, slot: int, data: bytes) -> bool:
        self.uses += 1
        return super().write(slot, data)

    def drop(self, slot: int) -> None:
        self.uses += 1
        super().drop(slot)


def test_a_smaller_scenario_is_about_as_many_handles() -> None:
    """Nobody is told that one writes to what another gives up, which would be a mistake of its callers."""
    prefix = [op("write", slot=slot, data=b"old") for slot in (0, 1, 2)]
    made = scenario("apart", op("drop", slot=1), op("overwrite", slot=0), prefix=prefix)
    told = explain_failure(next(ScenarioSearch(Trial(Subject(RingWorkload, CountsUses), made), 0).run(100, None)))
    assert told.rule == "D53" and told.description.count("write(slot=") == 2 and "drop(h1) || overwrite(h0)" in told.description
