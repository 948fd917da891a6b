"""Two states have one number only if nothing differs."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from docs.drivers.ring import Ring, RingWorkload
from movable.concurrent.end_state import end_state, number
from movable.concurrent.stage import Stage, Subject
from movable.contract import op, scenario

MADE = scenario("s", op("write", slot=0, data=b"a"), op("write", slot=1, data=b"b"), prefix=[op("write", slot=0, data=b"old")])


class Deep(Ring):
    """With state in every corner."""

    def __init__(self, vm: Any) -> None:
        super().__init__(vm)
        self.table = {"a": [1, {"b": (2, [3])}]}
        self.names = {"x"}
        self.bytes = bytearray(b"ab")
        kept = [0]
        self.call = lambda: kept.append(1)


def stage() -> Stage:
    return Stage(Subject(RingWorkload, Deep), MADE)


def test_equal_states_have_one_number() -> None:
    assert number(end_state(stage())) == number(end_state(stage())) is not None


CHANGES: dict[str, Callable[[Stage], Any]] = {
    "deep in a table": lambda made: made.workload.driver.table["a"][1]["b"][1].append(4),
    "a set": lambda made: made.workload.driver.names.add("y"),
    "a buffer": lambda made: made.workload.driver.bytes.append(1),
    "behind a closure": lambda made: made.workload.driver.call(),
    "content of a page": lambda made: made.vm.page(made.pages[0]).data.__setitem__(100, 7),  # type: ignore[index]
    "content of a free page": lambda made: made.vm.map_page(made.vm.page(3)).__setitem__(100, 7),
    "an index": lambda made: setattr(made.vm.page(made.pages[0]), "_index", 99),  # type: ignore[index]
    "a bad page": lambda made: made.vm.bad_pages.append((1, "x")),
    "a warning": lambda made: made.vm.warnings.append("D30: x"),
    "a counter of the machine": lambda made: made.vm.vmstat.update(x=1),
    "a free list": lambda made: made.vm.alloc_page(),
    "what a user knows": lambda made: made.users[0].model.update({0: b"z"}),
    "a lock": lambda made: made.workload.driver.lock.lock(),
}


@pytest.mark.parametrize("name", CHANGES)
def test_any_change_gives_another_number(name: str) -> None:
    made = stage()
    CHANGES[name](made)
    assert number(end_state(made)) != number(end_state(stage()))


def test_what_cannot_be_read_has_no_number() -> None:
    made = stage()
    made.workload.driver.table["gen"] = iter([1])
    assert end_state(made) is None and number(None) is None
