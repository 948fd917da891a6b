"""Values are the same for the same seed: whatever version of Hypothesis is installed, and whatever modules are loaded."""

from __future__ import annotations

import enum
import types
from typing import Any

import pytest
from hypothesis import assume
from hypothesis import strategies as st

from movable.errors import UsageError
from movable.workload.generate import Steps
from movable.workload.values import Values, by_hypothesis
from movable.workload.workload import Workload, operation


class Colour(enum.Enum):
    RED = 1
    BLUE = 2


@st.composite
def odd(draw: Any, most: int) -> int:
    number: int = draw(st.integers(0, most))
    assume(number % 2)
    return number


KNOWN: list[Any] = [
    st.integers(0, 3), st.integers(), st.integers(min_value=5), st.integers(max_value=-2), st.just(3), st.none(), st.booleans(),
    st.sampled_from([1, 2]), st.sampled_from(Colour), st.integers(0, 1) | st.none(), st.integers(0, 3).map(str),
    st.sampled_from([1, 2]).map(str), st.integers(0, 3).filter(bool), odd(5), st.binary(min_size=1, max_size=3),
    st.integers(1, 3).flatmap(lambda size: st.binary(min_size=size, max_size=size)),
    st.lists(st.integers(0, 9), max_size=4, unique=True),
    st.fixed_dictionaries({"a": st.integers(0, 3)}), st.builds(dict, a=st.integers(0, 3)), st.floats(0, 1), st.floats(),
    st.text(max_size=5), st.text("ab", max_size=5), st.tuples(st.integers(0, 3), st.none()), st.deferred(lambda: st.integers(0, 3)),
    st.permutations([1, 2, 3]), st.sets(st.integers(0, 5)), st.dictionaries(st.integers(0, 3), st.none()), st.characters(),
    st.recursive(st.none(), lambda part: st.lists(part, max_size=2)), st.shared(st.integers(0, 3), key="one"),
]  # fmt: skip


def drawn(strategy: Any, seed: int, count: int = 30) -> list[Any]:
    values = Values(seed)
    return [values.draw(strategy) for _ in range(count)]


@pytest.mark.parametrize("strategy", KNOWN, ids=repr)
def test_each_known_strategy_is_drawn_without_hypothesis(strategy: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("movable.workload.values.by_hypothesis", lambda *args: pytest.fail("Hypothesis was asked"))
    assert drawn(strategy, 7) == drawn(strategy, 7)
    for value in drawn(strategy, 3):
        assert not isinstance(value, st.SearchStrategy)
    Values(0, simplest=True).draw(strategy)


def test_the_values_are_those_of_every_version() -> None:
    assert drawn(st.integers(0, 3), 7, 12) == [1, 0, 0, 2, 1, 0, 0, 2, 0, 0, 3, 0]
    assert drawn(st.binary(min_size=1, max_size=4), 7, 4) == [b"\x18%", b"\x1d", b"\xff\xff", b"\xff\xff"]


@pytest.mark.parametrize("strategy", [st.from_regex("a+b", fullmatch=True), st.uuids(), st.characters(min_codepoint=97)])
def test_what_is_not_known_is_drawn_by_hypothesis_without_constants_of_modules(strategy: Any) -> None:
    first = by_hypothesis(strategy, 3)
    source = "\n".join(f"number_{at} = {at * 7_919 + 1_000_003}\ntext_{at} = 'constant {at}'" for at in range(200))
    loaded = types.ModuleType("full_of_constants")
    exec(compile(source, "full_of_constants.py", "exec"), vars(loaded))
    assert by_hypothesis(strategy, 3) == first and len(set(map(repr, first))) > 3


def test_bounds_are_kept() -> None:
    assert all(5 <= value <= 9 for value in drawn(st.integers(5, 9), 0, 300))
    assert {len(value) for value in drawn(st.binary(min_size=2, max_size=5), 0, 300)} == {2, 3, 4, 5}
    assert set(drawn(st.integers(0, 3), 0, 100)) == {0, 1, 2, 3}
    assert all(0 <= value <= 1 for value in drawn(st.floats(0, 1), 0, 100))


def test_a_strategy_that_gives_nothing_is_named() -> None:
    def broken(number: int) -> int:
        raise ValueError("no")

    class Odd(Workload):
        @operation(number=st.integers(0, 3).filter(lambda number: number > 3))
        def one(self, number: int) -> None: ...

        @operation(number=st.integers(0, 3).map(broken))
        def two(self, number: int) -> None: ...

    with pytest.raises(UsageError, match=r"Odd\.one: the strategy of its argument number cannot be drawn: .* gave no value"):
        Steps(Odd, 0).operation("one")
    with pytest.raises(UsageError, match=r"Odd\.two: the strategy of its argument number raises ValueError: no, raised at"):
        Steps(Odd, 0).operation("two")
