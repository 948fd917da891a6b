"""Everything is as it was after a restore; what cannot be put back is refused."""

from __future__ import annotations

import itertools
import random
from array import array
from collections import Counter, OrderedDict, defaultdict, deque
from typing import Any

import pytest

from movable.explore.instrument.snapshot import Snapshot, Unfit


class Slotted:
    __slots__ = ("empty", "full")
    empty: Any

    def __init__(self) -> None:
        self.full = 1


class Thing:
    def __init__(self) -> None:
        self.number = 1
        self.parts: list[Any] = [1, [2], Slotted()]
        self.table: dict[str, Any] = {"a": 1, "b": {"c": 2}}
        self.ordered = OrderedDict([(1, "x"), (2, "y")])
        self.counts = Counter("aab")
        self.lists: defaultdict[str, list[int]] = defaultdict(list)
        self.names = {"x", "y"}
        self.queue = deque([1, 2], maxlen=3)
        self.bytes = bytearray(b"abc")
        self.numbers = array("i", [1, 2])
        self.rng = random.Random(1)
        shared = [0]

        def call() -> int:
            shared.append(1)
            return len(shared)

        self.call = call
        self.myself = self


class List(list[int]):
    """A container with attributes."""


def show(thing: Thing) -> Any:
    slotted = thing.parts[2]
    return repr((
        thing.number, thing.parts[:2], slotted.full, hasattr(slotted, "empty"), thing.table, thing.ordered, thing.counts,
        dict(thing.lists), sorted(thing.names), thing.queue, thing.bytes, thing.numbers, thing.rng.getstate(), sorted(vars(thing)),
    ))  # fmt: skip


def spoil(thing: Thing) -> None:
    inner, slotted = thing.parts[1], thing.parts[2]
    inner.append(3)
    slotted.full, slotted.empty = 2, 3
    thing.parts.clear()
    thing.table["b"]["c"] = 3
    del thing.table["a"]
    thing.ordered.move_to_end(1)
    thing.counts["z"] += 1
    thing.lists["new"].append(1)
    thing.names.remove("x")
    thing.names.add("z")
    thing.queue.append(5)
    thing.queue.append(6)
    thing.bytes[0:1] = b"ZZ"
    thing.numbers.append(7)
    thing.rng.random()
    del thing.number
    thing.__dict__["more"] = 1


def test_everything_is_put_back_in_place() -> None:
    thing = Thing()
    before = show(thing)
    inner, slotted = thing.parts[1], thing.parts[2]
    snapshot = Snapshot([thing])
    for _ in range(2):
        assert thing.call() == 2, "what a closure holds is put back too"
        spoil(thing)
        assert "more" in vars(thing)
        snapshot.restore()
        assert show(thing) == before
        assert thing.parts[1] is inner and thing.parts[2] is slotted


def test_another_dict_and_another_class_are_put_back() -> None:
    thing, attributes = Thing(), List([1])
    attributes.note = ["kept"]  # type: ignore[attr-defined]
    kept = thing.__dict__
    snapshot = Snapshot([thing, attributes])
    thing.__dict__ = {"other": 1}
    attributes.append(2)
    attributes.note.append("more")  # type: ignore[attr-defined]

    class Other(Thing):
        pass

    thing.__class__ = Other
    snapshot.restore()
    assert thing.__dict__ is kept and type(thing) is Thing
    assert attributes == [1] and attributes.note == ["kept"]  # type: ignore[attr-defined]


ODD = [itertools.cycle([1]), iter([1]), (n for n in "ab"), Exception("kept")]


@pytest.mark.parametrize("part", ODD, ids=lambda part: type(part).__name__)
def test_what_cannot_be_put_back_is_refused(part: Any) -> None:
    thing = Thing()
    thing.parts.append(part)
    with pytest.raises(Unfit):
        Snapshot([thing])


def test_a_counter_goes_on_from_where_it_was() -> None:
    thing, slotted = Thing(), Slotted()
    thing.ids = itertools.count(5, 2)  # type: ignore[attr-defined]
    slotted.empty = itertools.count(1)
    snapshot = Snapshot([thing, slotted])
    for _ in range(2):
        assert [next(thing.ids), next(thing.ids), next(slotted.empty)] == [5, 7, 1]  # type: ignore[attr-defined]
        snapshot.restore()
    thing.also = thing.ids  # type: ignore[attr-defined]
    with pytest.raises(Unfit):
        Snapshot([thing])


def test_objects_that_nothing_may_lead_to() -> None:
    thing, other = Thing(), Thing()
    Snapshot([thing], never=[other])
    thing.parts.append(other)
    with pytest.raises(Unfit, match="leads to a Thing"):
        Snapshot([thing], never=[other])


def test_a_set_whose_order_shows_its_past_is_refused() -> None:
    thing = Thing()
    past = {8, 0}
    thing.parts.append(past)
    if list(past) == list(set(past)):
        Snapshot([thing])
    else:
        with pytest.raises(Unfit):
            Snapshot([thing])
