"""Hooks change no object for another: whoever holds a container sees what becomes of it, and sees it behave as before."""

import array
import copy
import json
import pickle
from collections import Counter, OrderedDict, defaultdict, deque
from collections.abc import Callable
from typing import Any

import pytest

from movable.explore import Options, Scene, explore
from movable.explore.engine import Scheduler
from movable.explore.instrument.hooks import Hooks
from tests.explore.instrument.test_hooks import Box, Tape, taped


class Table(dict[Any, Any]):
    """A dict that somebody made their own."""

    def double(self, key: Any) -> None:
        self[key] *= 2


class Row(list[Any]):
    __slots__ = ("note",)


PLAIN: list[Any] = [
    {1: [2]}, [1, [2]], {1, 2}, deque([1, 2], 5), OrderedDict({1: 2, 3: 4}), defaultdict(list, {1: [2]}), bytearray(b"ab"),
    array.array("i", [1, 2]), Counter({1: 2}), Table({1: 2}), Row([1]), {}, [], set(), bytearray(),
]  # fmt: skip


def hooked(value: Any) -> Any:
    box, _ = taped(Box())
    box.values = value
    return box.values


@pytest.mark.parametrize("value", PLAIN, ids=lambda value: type(value).__name__)
def test_the_stored_container_is_the_one_that_was_stored(value: Any) -> None:
    mine = copy.deepcopy(value)
    assert hooked(mine) is mine
    assert mine == value
    assert isinstance(mine, type(value))
    assert mine.__class__ is type(value)
    assert repr(mine) == repr(value)
    assert list(mine) == list(value)
    assert len(mine) == len(value)


@pytest.mark.parametrize("value", PLAIN, ids=lambda value: type(value).__name__)
@pytest.mark.parametrize("way", ["copy", "deepcopy", "pickle", "method"])
def test_copies_are_plain_and_pickles_too(value: Any, way: str) -> None:
    mine = hooked(copy.deepcopy(value))
    ways: dict[str, Callable[[Any], Any]] = {
        "copy": copy.copy, "deepcopy": copy.deepcopy, "pickle": lambda x: pickle.loads(pickle.dumps(x)),
        "method": lambda x: x.copy() if hasattr(x, "copy") else copy.copy(x),
    }  # fmt: skip
    made = ways[way](mine)
    assert type(made) is type(ways[way](value))
    assert made == value
    if isinstance(value, deque):
        assert made.maxlen == value.maxlen
    if isinstance(value, defaultdict):
        assert made.default_factory is value.default_factory


def test_a_container_that_holds_itself_can_be_copied_and_pickled() -> None:
    mine: list[Any] = [1]
    mine.append(mine)
    hooked(mine)
    for made in (copy.deepcopy(mine), pickle.loads(pickle.dumps(mine))):
        assert type(made) is list
        assert made[1] is made


def test_writes_through_another_variable_are_seen_and_are_points() -> None:
    box, tape = taped(Box())
    entry = {"len": 0}
    box.values = {}
    box.values[1] = entry
    entry["len"] = 7
    assert box.values[1] == {"len": 7}
    assert box.values[1] is entry
    assert tape.during(lambda: entry.__setitem__("len", 8)) == [("w", "d.values[]['len']")]


def test_a_container_in_a_tuple_stays_in_the_tuple() -> None:
    box, tape = taped(Box())
    row = (1, [0])
    box.values = {1: row}
    row[1][0] = 1
    assert box.values[1] is row
    assert row == (1, [1])
    assert tape.during(lambda: row[1][0])[0][0] == "r"


def test_a_method_taken_before_the_container_was_hooked_announces() -> None:
    class Logger:
        def __init__(self) -> None:
            self.log: list[int] = []
            self.note = self.log.append
            self.take = self.log.pop

    logger, tape = taped(Logger())
    assert tape.during(lambda: logger.note(1)) == [("w", "d.log[]")]
    assert logger.log == [1]
    assert logger.take() == 1
    assert logger.log == []


def test_a_closure_sees_the_list_of_the_driver() -> None:
    class Looker:
        def __init__(self) -> None:
            slots = [1, 2]
            self.slots = slots
            self.look = lambda at: slots[at]

    looker, tape = taped(Looker())
    looker.slots[0] = 5
    assert looker.look(0) == 5
    assert tape.during(lambda: looker.look(1)) == [("r", "d.slots[1]")]


def test_containers_of_an_earlier_execution_are_watched_anew() -> None:
    kept = {"n": 0}
    for name in ("one", "two"):
        tape = Tape()
        hooks = Hooks(tape)
        box = hooks.watch(Box(), name)
        box.values = kept
        tape.points.clear()
        assert tape.during(lambda: kept.get("n")) == [("r", f"{name}.values['n']")]
    hooks.release()
    assert type(kept) is dict
    assert tape.during(lambda: kept.get("n")) == []


C_CODE: list[tuple[Any, Callable[[Any], object]]] = [
    ({"a": [1]}, json.dumps),
    ([1, {"a": 2}], json.dumps),
    ([1, 2], tuple),
    (["a", "b"], "".join),
    ({"a": 1}, lambda x: {**x}),
    ({"a": 1}, lambda x: dict(**x)),
    ([2, 1], lambda x: max(*x)),
    ({1: 2}, lambda x: list(reversed(x.items()))),
    ({1: 2, 3: 4}, lambda x: list(reversed(x.keys()))),
    ({1: 2, 3: 4}, lambda x: list(reversed(x.values()))),
    (OrderedDict({1: 2}), lambda x: x | {3: 4}),
    (defaultdict(int, {1: 2}), lambda x: (x | {3: 4})[9]),
    (Counter("aab"), lambda x: (x + x).most_common()),
    (deque([1, 2], 3), lambda x: x + x),
    (bytearray(b"abc"), bytes),
    (bytearray(b"abc"), lambda x: bytes(memoryview(x))),
    (bytearray(b"abc"), lambda x: x.find(b"c")),
    (bytearray(b"abc"), lambda x: x == b"abc"),
    (array.array("i", [1, 2]), lambda x: x.tobytes()),
    ({1, 2}, frozenset),
]


@pytest.mark.parametrize("number", range(len(C_CODE)))
def test_c_code_sees_what_is_there(number: int) -> None:
    value, use = C_CODE[number]
    wanted = use(copy.deepcopy(value))
    found = use(hooked(copy.deepcopy(value)))
    assert found == wanted
    assert type(found) is type(wanted)


def test_an_alias_in_a_race_is_found() -> None:
    def build(scheduler: Scheduler) -> Scene:
        counts = [0]
        box = Box()
        box.values = counts
        Hooks(scheduler).watch(box, "d")

        def bump() -> None:
            counts[0] += 1

        def check() -> None:
            assert box.values == [2]

        return Scene([("a", bump), ("b", bump)], check)

    assert explore(build, options=Options(races=False)).failure is not None
