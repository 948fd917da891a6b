"""Fingerprints of ends: whatever changes gives another one, and two executions with one fingerprint have ended in one state."""

from __future__ import annotations

import itertools
from array import array
from collections import Counter, OrderedDict, defaultdict, deque
from collections.abc import Callable
from typing import Any

import pytest

from docs.drivers.ring import Ring, RingWorkload
from movable.concurrent.end_state import end_state, number
from movable.concurrent.execution import Execution, Trial
from movable.concurrent.fingerprint import Fingerprint
from movable.concurrent.stage import Subject
from movable.contract import migrate, op, scenario
from movable.explore.runner import Options, execute
from movable.explore.schedulers.shared_locations import Reduced
from movable.explore.schedulers.urw import Sampler
from movable_balloon.driver import Balloon
from movable_balloon.workload import BalloonWorkload


class Slotted:
    __slots__ = ("late", "value")

    def __init__(self, value: object) -> None:
        self.value = value


class Box(list):  # type: ignore[type-arg]
    label = ""


class Root:
    """A bit of everything that a driver may keep."""

    def __init__(self) -> None:
        self.number = 1000
        self.slotted = Slotted([1])
        self.pair = ({"in a pair": 1}, 2)
        self.names: dict[str, object] = {"a": 1, "b": object}
        self.order = OrderedDict(a=1, b=2)
        self.found: defaultdict[str, int] = defaultdict(int)
        self.counted = Counter("aab")
        self.items: list[object] = [1, [2], None]
        self.box = Box([1])
        self.queue = deque([1, 2])
        self.words = {1, 2}
        self.raw = bytearray(4)
        self.numbers = array("i", [1, 2])
        self.ticks = itertools.count()
        self.me = self
        inside = 1

        def bump() -> None:
            nonlocal inside
            inside += 1

        self.bump = bump


def relabel(root: Root) -> None:
    root.box.label = "other"


def another_class(root: Root) -> None:
    root.box.__class__ = type("Other", (Box,), {})


CHANGES: dict[str, Callable[[Root], object]] = {
    "an attribute": lambda root: setattr(root, "number", 1001),
    "another attribute": lambda root: setattr(root, "later", 1),
    "one less": lambda root: delattr(root, "number"),
    "a slot": lambda root: setattr(root.slotted, "value", [1]),
    "what a slot leads to": lambda root: root.slotted.value.append(2),  # type: ignore[attr-defined]
    "a slot that was empty": lambda root: setattr(root.slotted, "late", 1),
    "in a tuple": lambda root: root.pair[0].clear(),
    "a value": lambda root: root.names.update(a=2),
    "a key": lambda root: root.names.update(c=root.names.pop("b")),
    "the order of keys": lambda root: root.names.update(a=root.names.pop("a")),
    "the order of an ordered dict": lambda root: root.order.move_to_end("a"),
    "a default": lambda root: root.found["new"],
    "a count": lambda root: root.counted.update("a"),
    "an item": lambda root: root.items.__setitem__(2, 0),
    "an item of an item": lambda root: root.items[1].append(3),  # type: ignore[attr-defined]
    "the order of items": lambda root: root.items.reverse(),
    "one more": lambda root: root.items.append(1),
    "an attribute of a list": relabel,
    "an item of such a list": lambda root: root.box.append(2),
    "a class": another_class,
    "a queue": lambda root: root.queue.rotate(),
    "a set": lambda root: root.words.add(3),
    "bytes": lambda root: root.raw.__setitem__(1, 1),
    "an array": lambda root: root.numbers.append(1),
    "a counter": lambda root: next(root.ticks),
    "a variable of a closure": lambda root: root.bump(),
    "a ring": lambda root: setattr(root, "me", None),
    "another object of the same content": lambda root: setattr(root, "slotted", Slotted([2])),
}


@pytest.mark.parametrize("what", CHANGES)
def test_whatever_changes_gives_another_fingerprint(what: str) -> None:
    root = Root()
    made = Fingerprint([root])
    before = made.of([])
    assert before is not None
    assert made.of([]) == before
    CHANGES[what](root)
    assert made.of([]) != before


def test_others_are_part_of_it() -> None:
    made = Fingerprint([Root()])
    assert made.of([("global", [1])]) == made.of([("global", [1])]) != made.of([("global", [2])])


def test_new_objects_are_read_to_their_ends() -> None:
    root = Root()
    made = Fingerprint([root])
    seen = set()
    for value in ([1, [2]], [1, [3]], [[2], 1], {"a": [1]}, Slotted([1]), Slotted(root), Slotted(root.items)):
        root.slotted.value = value
        seen.add(made.of([]))
    assert len(seen) == 7
    assert None not in seen


OLD, NEW, ONE, MOVE = op("write", slot=0, data=b"old"), op("write", slot=0, data=b"new"), op("inflate", count=1), migrate(0)
SCENARIOS = {
    "write beside migration": (RingWorkload, Ring, scenario("", NEW, MOVE, prefix=[OLD])),
    "drop beside write": (RingWorkload, Ring, scenario("", op("drop", slot=0), NEW, prefix=[OLD])),
    "inflate beside migration": (BalloonWorkload, Balloon, scenario("", ONE, MOVE, prefix=[ONE])),
    "deflate beside inflate": (BalloonWorkload, Balloon, scenario("", op("deflate", count=1), ONE, prefix=[ONE, ONE])),
}


@pytest.mark.parametrize("name", SCENARIOS)
def test_executions_with_one_fingerprint_have_ended_in_one_state(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """And there are few more fingerprints than states, or they would be of no use."""
    states: dict[int, int | None] = {}
    read = Execution._number

    def both(self: Execution, beside: list[Any]) -> int | None:
        told = read(self, beside)
        if self.fingerprint is not None:
            found = self.fingerprint.of(beside)
            assert found is not None
            state = number(end_state(self.stage, beside))
            assert states.setdefault(found, state) == state == told
        return told

    monkeypatch.setattr(Execution, "_number", both)
    workload, driver, made = SCENARIOS[name]
    trial = Trial(Subject(workload, driver), made)
    strategy = Sampler(7)
    for _ in range(60):
        run = execute(trial, strategy, Options(), kind=Reduced)
        assert run is not None
        assert run.failure is None
    assert 1 <= len(states) <= 2 * len(set(states.values()))
