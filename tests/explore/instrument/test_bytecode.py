"""What is read from bytecode is the same in every version of Python, though the bytecode is not."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterable
from typing import Any, ClassVar

import pytest

from movable.explore.instrument.bytecode import Named, named_in
from movable.explore.instrument.reachable import Reach

COUNT = 0
TABLE = {"a": 1}
QUEUE: list[int] = []
IDS = itertools.count()


class Counter:
    """Keeps a number in the class."""

    total: ClassVar[int] = 0

    @classmethod
    def put(cls, value: int) -> None:
        cls.total = value  # two loads of locals in a row, which Python 3.13 makes one instruction

    @classmethod
    def put_after(cls, value: int) -> None:
        # fmt: off
        copy = value; cls.total = copy  # noqa: E702
        # fmt: on

    @classmethod
    def more(cls) -> None:
        cls.total += 1

    @classmethod
    def unpack(cls, pair: tuple[int, int]) -> None:
        cls.total, _ = pair

    @classmethod
    def elsewhere(cls, other: Any) -> None:
        other.total = cls

    def by_type(self, value: int) -> None:
        type(self).total = value

    def by_class(self, value: int) -> None:
        self.__class__.total = value

    def by_cell(self, value: int) -> None:
        __class__.total = value  # type: ignore[name-defined]

    def by_name(self, value: int) -> None:
        Counter.total = value

    def in_a_loop(self, values: Iterable[int]) -> None:
        for Counter.total in values:
            pass

    def in_a_list(self, values: Iterable[int]) -> list[int]:
        return [Counter.total + value for value in values]

    def remove(self) -> None:
        del Counter.total


class Above(Counter):
    """Reads what the class above keeps."""

    def by_super(self) -> int:
        return super().total


def bind() -> None:
    global COUNT
    COUNT = 1


def unpacks(pair: tuple[int, int]) -> None:
    global COUNT
    COUNT, _ = pair


def with_it(context: Any) -> None:
    global COUNT
    with context as COUNT:
        pass


def comprehends() -> list[int]:
    return [COUNT for _ in range(3)]


def formats() -> str:
    return f"{COUNT} {TABLE!r:>3} {TABLE}"


def looks() -> int:
    return len(TABLE) + TABLE["a"]


def fills() -> None:
    QUEUE.append(1)


def numbers() -> int:
    return next(IDS)


def read(*roots: Any) -> Named:
    reach = Reach(*roots)
    for root in roots:
        for _ in reach.walk(root, ""):
            pass
    return named_in(reach)


def spots(named: Named, function: Callable[..., Any]) -> set[tuple[str, str]]:
    """The points of a function, those of functions inside it included."""
    name = getattr(function, "__func__", function).__qualname__
    found = named.spots(())
    mine = [uses for code, uses in found.items() if code.co_qualname.partition(".<locals>")[0] == name]
    return {(op, str(key)) for uses in mine for op, key in uses.values()}


@pytest.mark.parametrize(
    ("function", "ops"),
    [
        (Counter.put, "w"),
        (Counter.put_after, "w"),
        (Counter.more, "rw"),
        (Counter.unpack, "w"),
        (Counter.elsewhere, ""),
        (Counter.by_type, "w"),
        (Counter.by_class, "w"),
        (Counter.by_cell, "w"),
        (Counter.by_name, "w"),
        (Counter.in_a_loop, "w"),
        (Counter.in_a_list, "r"),
        (Counter.remove, "w"),
        (Above.by_super, "r"),
    ],
)
def test_an_attribute_of_a_class_is_found_however_the_class_is_named(function: Callable[..., Any], ops: str) -> None:
    assert spots(read(Counter, Above), function) == {(op, "Counter.total") for op in ops}


@pytest.mark.parametrize(("function", "ops"), [(bind, "w"), (unpacks, "w"), (with_it, "w"), (comprehends, "r"), (formats, "r")])
def test_a_global_is_found_wherever_it_is_assigned_or_read(function: Callable[..., Any], ops: str) -> None:
    named = read(bind, unpacks, with_it, comprehends, formats)
    assert spots(named, function) == {(op, "test_bytecode.COUNT") for op in ops}


def test_what_is_only_looked_at_is_no_state() -> None:
    assert {name for _, name in read(fills, numbers, looks).used} == {"QUEUE", "IDS"}
