"""The counters of a driver against a plain walk over all that it has."""

from __future__ import annotations

import random
import weakref
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any, NamedTuple

import pytest

from movable import VM
from movable.mm import page
from movable.mm.atomic import AtomicLong
from movable.sequential.driver_counters import MAX_COUNTERS, MAX_DEPTH, DriverCounters


@dataclass(frozen=True)
class Row:
    size: int
    pages: tuple[int, ...]


class Pair(NamedTuple):
    one: int
    other: Any


class Part:
    def __init__(self, **parts: Any) -> None:
        self.__dict__.update(parts)

    def __getattr__(self, name: str) -> Any:
        raise AttributeError(name)


class Slots:
    __slots__ = ("inner", "used")

    def __init__(self) -> None:
        self.used = 3
        self.inner = {"a": 1, 2: [4, None, 5]}


def walked(value: Any, place: tuple[str, ...] = ()) -> dict[tuple[str, ...], int]:
    """All whole numbers below a value without loops, by place."""
    if type(value) is int:
        return {place: value}
    if isinstance(value, AtomicLong):
        return {place: value._counter}
    if len(place) == MAX_DEPTH:
        return {}
    if isinstance(value, dict):
        parts = [(repr(key), part) for key, part in value.items()]
    elif isinstance(value, (list, tuple)):
        parts = [(f"{at}/{len(value)}", part) for at, part in enumerate(value)]
    elif isinstance(value, Slots):
        parts = [("used", value.used), ("inner", value.inner)]
    else:
        parts = list(vars(value).items()) if isinstance(value, (Part, Row)) else []
    return {inner: count for name, part in parts for inner, count in walked(part, (*place, name)).items()}


def driver() -> Part:
    return Part(
        vm=page,
        away=0,
        name="driver",
        ready=True,
        held=AtomicLong(VM(), "held"),
        rows=[Row(16, (1, 2)), Row(32, (3,))],
        state=Pair(1, Row(2, ())),
        kept=(AtomicLong(VM(), "kept"), 5),
        owners=Pair(1, (Part(used=1), (2,))),
        group={"a": Part(used=1), "b": Part(used=2, inner=Part(deep=Part(far=9)))},
        slots=Slots(),
        call=driver,
    )


def _grow(of: Part) -> None:
    of.group[len(of.group)] = Part(used=0)


CHANGES: list[Callable[[Part], object]] = [
    lambda of: setattr(of, "away", of.away + 1),
    lambda of: setattr(of.held, "_counter", of.held._counter - 1),
    lambda of: setattr(of, "state", of.state._replace(one=of.state.one + 1)),
    lambda of: of.rows.__setitem__(0, replace(of.rows[0], size=of.rows[0].size + 1)),
    lambda of: setattr(of.kept[0], "_counter", of.kept[0]._counter + 1),
    lambda of: setattr(of.owners.other[0], "used", of.owners.other[0].used + 1),
    lambda of: of.rows.append(Row(len(of.rows), (5,))),
    lambda of: of.rows.reverse(),
    _grow,
    lambda of: setattr(of.group["a"], "used", of.group["a"].used + 1),
    lambda of: of.slots.inner[2].append(1),
    lambda of: setattr(of, "away", str(of.away) if type(of.away) is int else 0),
    lambda of: None,
]


@pytest.mark.parametrize("seed", range(6))
def test_a_look_tells_what_changed(seed: int) -> None:
    dice, of = random.Random(seed), driver()
    counters = DriverCounters(of)
    before = walked(of)
    assert counters.counts == before and before["away",] == 0
    for _ in range(60):
        change = dice.choice([one for one in CHANGES if type(of.away) is int or one is not CHANGES[0]])
        change(of)
        now = walked(of)
        changes = {place: now.get(place, 0) - before.get(place, 0) for place in before.keys() | now.keys()}
        assert counters.look() == {place: by for place, by in changes.items() if by}
        assert counters.counts == now and all(place in counters for place in now)
        before = now


def test_things_that_hang_together_in_a_circle_are_met_once() -> None:
    of: Any = Part(number=1)
    of.itself = of
    of.list = [of, {"again": of}, 2]
    assert DriverCounters(of).counts == {("number",): 1, ("list", "2/3"): 2}


def test_a_driver_of_many_numbers_keeps_data() -> None:
    of: Any = Part(numbers=list(range(MAX_COUNTERS + 1)), away=0)
    counters = DriverCounters(of)
    of.away, of.numbers = 1, []
    assert counters.look() == counters.counts == {}


def test_what_a_driver_lets_go_is_not_kept() -> None:
    def called() -> None:
        """Has no counters."""

    of: Any = Part(pair=(1, called), away=0)
    counters, kept = DriverCounters(of), weakref.ref(called)
    of.pair, called = None, None  # type: ignore[assignment]
    assert counters.look() == {("pair", "0/2"): -1} and kept() is None
