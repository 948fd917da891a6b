"""Dicts, lists and sets that announce what they are asked."""

import copy
from array import array
from collections import OrderedDict, defaultdict, deque
from collections.abc import Callable, Hashable
from typing import Any

import pytest

from movable.explore.dependence import Part
from movable.explore.instrument.hooks import Hooks
from tests.explore.instrument.test_hooks import Box, Ordinary, Tape, taped


def test_a_dict_speaks_of_keys_and_of_its_structure() -> None:
    obj, tape = taped(Ordinary())
    table = obj.table
    assert tape.during(lambda: table.__setitem__("a", 1)) == [("w", "d.table[]")]
    assert tape.during(lambda: table.__setitem__("a", 2)) == [("w", "d.table['a']")]
    assert tape.during(lambda: table["a"]) == [("r", "d.table['a']")]
    assert tape.during(lambda: "b" in table) == [("r", "d.table['keys()']")]
    assert {*tape.during(lambda: [*iter(table)])} == {("r", "d.table['keys()']")}
    assert tape.during(lambda: table.get("b")) == [("r", "d.table['b']")]
    assert tape.during(lambda: len(table)) == [("r", "d.table['len()']")]
    assert ("r", "d.table[]") in tape.during(lambda: list(table.items()))
    assert ("r", "d.table['a']") in tape.during(lambda: list(table.values()))
    assert tape.during(lambda: table.pop("b", None)) == [("r", "d.table['b']")]
    assert tape.during(lambda: table.pop("a")) == [("w", "d.table[]")]
    assert table == {}


def test_keys_without_a_stable_name_count_for_the_whole_dict() -> None:
    obj, tape = taped(Ordinary())
    key = object()
    obj.table[key] = 1
    assert tape.during(lambda: obj.table[key]) == [("r", "d.table"), ("r", "d.table[]")]
    named, tape = taped(Ordinary(), label=lambda thing: "page 7")
    named.table[key] = 1
    assert tape.during(lambda: named.table[key])[1] == ("r", "d.table['page 7']")


class Pair:
    def __init__(self, one: Any, two: Any) -> None:
        self.one = one
        self.two = two

MUTATIONS: list[tuple[Any, Callable[[Any], object]]] = [
    ([1, 2], lambda x: x.append(3)),
    ([1, 2], lambda x: x.extend([3])),
    ([2, 1], lambda x: x.sort()),
    ([1, 2], lambda x: x.pop()),
    ([1, 2], lambda x: x.insert(0, 3)),
    ([1, 2], lambda x: x.__delitem__(0)),
    ({1, 2}, lambda x: x.add(3)),
    ({1, 2}, lambda x: x.discard(1)),
    ({1, 2}, lambda x: x.update({3})),
    ({1, 2}, lambda x: x.__ior__({3})),
    ({1, 2}, lambda x: x.clear()),
    (deque([1, 2], 5), lambda x: x.append(3)),
    (deque([1, 2]), lambda x: x.popleft()),
    (deque([1, 2]), lambda x: x.rotate()),
    ({1: 2}, lambda x: x.update({3: 4})),
    ({1: 2}, lambda x: x.popitem()),
    ({1: 2}, lambda x: x.setdefault(3, 4)),
    ({1: 2}, lambda x: x.__ior__({3: 4})),
    (OrderedDict({1: 2, 3: 4}), lambda x: x.move_to_end(1)),
    (OrderedDict({1: 2, 3: 4}), lambda x: x.popitem(last=False)),
    (OrderedDict({1: 2, 3: 4}), lambda x: x.pop(3)),
    (defaultdict(list, {1: []}), lambda x: x[2].append(1)),
]


@pytest.mark.parametrize("number", range(len(MUTATIONS)))
def test_structure_changes_write_the_whole_and_do_what_they_did(number: int) -> None:
    value, change = MUTATIONS[number]
    plain = copy.deepcopy(value)
    box, tape = taped(Box())
    box.values = copy.deepcopy(value)
    hooked = box.values
    assert ("w", "d.values[]") in tape.during(lambda: change(hooked))
    change(plain)
    assert hooked == plain
    assert list(hooked) == list(plain)
    assert copy.deepcopy(hooked) == plain
    assert copy.copy(hooked) == plain

READS: list[tuple[Any, Callable[[Any], object]]] = [
    ([1, 2], list),
    ([1, 2], len),
    ([1, 2], bool),
    ([1, 2], sorted),
    ([1, 2], lambda x: 2 in x),
    ([1, 2], lambda x: [0] + x),  # noqa: RUF005
    ([1, 2], lambda x: x[0:1]),
    ([1, 2], lambda x: x[-1]),
    ({1, 2}, lambda x: x | {3}),
    ({1, 2}, lambda x: {3} | x),
    ({1, 2}, lambda x: [3, *x]),
    ({1, 2}, sorted),
    (deque([1]), list),
    ({1: 2}, dict),
    ({1: 2}, lambda x: list(x.values())),
    ({1: 2}, lambda x: {3: 4} | x),
]


@pytest.mark.parametrize("number", range(len(READS)))
def test_looking_at_structure_reads_the_whole(number: int) -> None:
    value, look = READS[number]
    wanted = look(value)
    box, tape = taped(Box())
    box.values = value
    hooked = box.values
    points = tape.during(lambda: look(hooked))
    assert points, "no point"
    assert {op for op, _ in points} == {"r"}
    assert look(hooked) == wanted

OPERANDS: list[tuple[Any, Any, Callable[[Any, Any], object]]] = [
    ({1}, {2}, lambda x, y: x | y),
    ({1}, {2}, lambda x, y: x - y),
    ({1}, {2}, lambda x, y: x.union([3], y)),
    ({1}, {2}, lambda x, y: x.update(y)),
    ({1}, {2}, lambda x, y: x.__ior__(y)),
    ({1}, {2}, lambda x, y: x <= y),
    ({1}, {2}, lambda x, y: x == y),
    ([1], [1], lambda x, y: x == y),
    ([1], [2], lambda x, y: x < y),
    ([1], [2], lambda x, y: x + y),
    ([1], [2], lambda x, y: x.extend(y)),
    ([1], [2], lambda x, y: x.__iadd__(y)),
    ([1], [2], lambda x, y: x.__setitem__(slice(0, 1), y)),
    ({1: 1}, {2: 2}, lambda x, y: x == y),
    ({1: 1}, {2: 2}, lambda x, y: x.update(y)),
    ({1: 1}, {2: 2}, lambda x, y: x | y),
    ({1: 1}, {2: 2}, lambda x, y: x.__ior__(y)),
    (deque([1]), deque([2]), lambda x, y: x == y),
    (deque([1]), deque([2]), lambda x, y: x + y),
    (deque([1]), deque([2]), lambda x, y: x.extendleft(y)),
    (bytearray(b"a"), bytearray(b"b"), lambda x, y: x.extend(y)),
    (bytearray(b"a"), bytearray(b"b"), lambda x, y: x + y),
    (array("i", [1]), array("i", [2]), lambda x, y: x.__iadd__(y)),
    (array("i", [1]), array("i", [2]), lambda x, y: x.__setitem__(slice(0, 1), y)),
]


@pytest.mark.parametrize("number", range(len(OPERANDS)))
def test_the_other_operand_is_read_too(number: int) -> None:
    one, two, act = OPERANDS[number]
    one, two = copy.copy(one), copy.copy(two)
    plain, other = copy.copy(one), copy.copy(two)
    wanted = act(plain, other)
    box, tape = taped(Pair(one, two))
    points = tape.during(lambda: act(box.one, box.two))
    assert ("r", "d.two[]") in points
    assert any(key.startswith("d.one[") for _, key in points)
    again = taped(Pair(copy.copy(OPERANDS[number][0]), copy.copy(OPERANDS[number][1])))[0]
    assert act(again.one, again.two) == wanted
    assert (one, two) == (plain, other)


def test_a_set_that_c_code_copies_is_not_asked() -> None:
    """What the document says: the set's own methods are, `set(s)` and `plain.union(s)` are not."""
    box, tape = taped(Box())
    box.values = values = {1, 2}
    assert tape.during(lambda: values.copy()) == [("r", "d.values[]")]
    assert tape.during(lambda: set(values)) == []
    assert {3}.union(values) == {1, 2, 3}


def test_each_step_from_behind_is_a_point() -> None:
    for value in ([1, 2, 3], deque([1, 2, 3]), {1: 1, 2: 2, 3: 3}, OrderedDict({1: 1, 2: 2, 3: 3})):
        box, tape = taped(Box())
        box.values = value
        assert tape.during(lambda value=value: list(reversed(value))) == [("r", "d.values[]")] * 4  # type: ignore[misc]
        assert list(reversed(value)) == [3, 2, 1]


def test_a_setting_that_became_an_insertion_announces_itself_again() -> None:
    box = Box()
    box.values = {1: 1}
    tape = Tape()
    hooks = Hooks(tape)
    hooks.watch(box, "d")
    table = box.values
    seen: list[Hashable] = []

    def point(op: str, key: Hashable) -> None:
        seen.append((op, key))
        if key == Part("d.values[]", 1):
            dict.pop(table, 1, None)  # another task takes the key away

    hooks.point = point
    table[1] = 2
    assert seen == [("w", Part("d.values[]", 1)), ("w", "d.values[]")]
