"""A workload that declares what cannot be gets one line that names the attribute."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import strategies as st

from docs.drivers.ring import Ring, RingWorkload
from movable.contract import check, operation
from movable.errors import UsageError
from movable.workload.declared import DECLARATIONS, METHODS
from movable.workload.workload import Workload, workload_for


class Unspeakable:
    """Cannot even say what it is."""

    def __repr__(self) -> str:
        raise ValueError


BAD: list[tuple[str, Any]] = [
    ("frames", "x"), ("frames", 0), ("frames", -128), ("frames", 1 << 40), ("frames", True), ("frames", None), ("frames", 128.0),
    ("pageblock_order", 0), ("pageblock_order", 60), ("pageblock_order", "3"), ("variants", ()), ("variants", None),
    ("variants", {}), ("variants", ({1: 2},)), ("variants", ("a",)), ("hostile", "store"), ("hostile", ("no such",)),
    ("busy", ("no such",)), ("busy", 3), ("scenarios", ("a",)), ("scenarios", 1), ("scenario_frames", 7), ("scenario_frames", 0),
    ("unwatched", "areas"), ("unwatched", (3,)), ("event_counters", ("a", "b")), ("event_counters", {1: "a"}),
    ("zone_counters", "nr_x"), ("advice", 3), ("preserves_content", "yes"), ("may_refuse", 1), ("read", 3), ("mapped", ()),
    ("frames", Unspeakable()), ("frames", "x" * 10_000), ("frames", "\x1b[31m"),
]  # fmt: skip


@pytest.mark.parametrize(("name", "value"), BAD)
def test_what_cannot_be_is_refused_in_one_line_that_names_it(name: str, value: object) -> None:
    workload = type("Mine", (RingWorkload,), {name: value})
    with pytest.raises(UsageError, match=rf"^Mine\.{name} ") as caught:
        workload_for(Ring, workload)
    line = str(caught.value)
    assert len(line) < 250 and line.isprintable()


def test_every_declaration_is_checked() -> None:
    annotated = {name for name in Workload.__annotations__ if name != "factory"}
    assert annotated == set(DECLARATIONS)
    assert all(callable(getattr(Workload, name)) for name in METHODS)


def test_a_strategy_that_raises_is_named_with_its_place() -> None:
    class Mine(RingWorkload):
        @operation(slot=st.integers(0, 7).map(lambda slot: slot // 0), data=st.binary())
        def write(self, slot: int, data: bytes) -> bool:
            return True

    line = r"Mine\.write: the strategy of its argument slot raises ZeroDivisionError.*test_declared\.py"
    with pytest.raises(UsageError, match=line):
        check(Ring, Mine, examples=1)


def test_a_strategy_that_draws_nothing_is_named() -> None:
    class Mine(RingWorkload):
        @operation(slot=st.nothing(), data=st.binary())
        def write(self, slot: int, data: bytes) -> bool:
            return True

    with pytest.raises(UsageError, match=r"Mine\.write: the strategy of its argument slot"):
        check(Ring, Mine, examples=1)
