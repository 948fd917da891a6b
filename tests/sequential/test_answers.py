"""Answers that lie about what they are equal to."""

from __future__ import annotations

from collections import Counter, OrderedDict, namedtuple
from dataclasses import dataclass
from enum import IntEnum
from typing import Any

import pytest

from docs.drivers.ring import Ring, RingWorkload
from movable import AddressSpace, Page
from movable.contract import check
from movable.sequential.answers import plain

Pair = namedtuple("Pair", "one two")


class Colour(IntEnum):
    RED = 1


@dataclass
class Box:
    size: int


class Fussy:
    """Knows its own kind only."""

    def __eq__(self, other: object) -> bool:
        return other.size == 3  # type: ignore[attr-defined, no-any-return]

    __hash__ = None  # type: ignore[assignment]


def lying(base: type) -> Any:
    """A class that is equal to anything."""
    body = {"__eq__": lambda self, other: True, "__ne__": lambda self, other: False, "__hash__": lambda self: 7}
    return type(f"Lying{base.__name__}", (base,), body)


HONEST = [
    *(None, True, 3, 0.5, "x", b"x", bytearray(b"x"), [1, (2, {3})], {"a": [1]}, frozenset((1,))),
    *(Pair(1, 2), Colour.RED, Box(3), Counter(a=1), OrderedDict(a=1)),
]


@pytest.mark.parametrize("answer", HONEST, ids=repr)
def test_an_honest_answer_is_equal_to_what_it_was(answer: Any) -> None:
    assert plain(answer) == answer


def test_what_cannot_be_compared_with_strangers_stays() -> None:
    fussy = Fussy()
    assert plain(fussy) is fussy


@pytest.mark.parametrize(
    "right", [3, 0.5, "x", b"x", bytearray(b"x"), (1, 2), [1, 2], {"a": 1}, {1, 2}, frozenset((1, 2))], ids=repr
)
def test_an_answer_of_a_class_that_lies_is_its_contents(right: Any) -> None:
    kind = lying(type(right))
    same, other = kind(right), kind()
    assert plain(same) == right
    assert plain(other) != right and plain([other]) != [right] and plain({"k": (other,)}) != {"k": (right,)}


def test_an_answer_that_is_equal_to_anything_is_equal_to_nothing() -> None:
    found: Any = plain(lying(object)())
    assert found != b"x" and repr(found) == "a Lyingobject that says it equals anything"
    deep: list[Any] = []
    deep.append(deep)
    plain(deep)  # ends


class Loses(Ring):
    """Moves a page without its bytes."""

    workload = RingWorkload

    def migratepage(self, mapping: AddressSpace, newpage: Page, page: Page, mode: int) -> int:
        done = super().migratepage(mapping, newpage, page, mode)
        if done == 0:
            newpage.data[:] = bytes(len(newpage.data))
        return done


class LosesAndLies(Loses):
    answer = lying(bytes)

    class workload(RingWorkload):
        """Which hears the lie."""

        def read(self, key: Any) -> Any:
            return LosesAndLies.answer(super().read(key))


class SaysNothing(LosesAndLies):
    class workload(RingWorkload):
        """Which hears an object that is equal to anything."""

        def read(self, key: Any) -> Any:
            return lying(object)()


@pytest.mark.parametrize("driver", [Loses, LosesAndLies, SaysNothing])
def test_a_driver_that_loses_bytes_is_caught_whatever_it_answers(driver: type) -> None:
    report = check(driver, examples=20, interleavings=0.0)
    assert "D15" in report.broken, report.verdicts["D15"]
