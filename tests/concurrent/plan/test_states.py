"""The states that scenarios start from."""

from __future__ import annotations

from docs.drivers.ring import Ring, RingWorkload
from movable.concurrent.plan.derive import derive
from movable.concurrent.plan.states import States
from movable.concurrent.stage import Subject


class Quota(Ring):
    """Takes five pages at most, and asks for the room before it takes the lock that counts."""

    def write(self, slot: int, data: bytes) -> bool:
        with self.lock:
            full = self.slots[slot] is None and sum(page is not None for page in self.slots) >= 5
        return not full and super().write(slot, data)


class QuotaWorkload(RingWorkload):
    factory = Quota


def test_two_want_the_last_place() -> None:
    states = States(Subject(QuotaWorkload, Quota))
    states.states()
    (state, one, two) = next(states.limits())
    assert len(state.prefix) == 4
    assert one.made and two.made and one.action != two.action
    assert one.action[2]["slot"] != two.action[2]["slot"]
    assert any("at a limit" in planned.name for planned in derive(Subject(QuotaWorkload, Quota), 40))
