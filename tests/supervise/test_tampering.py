"""Parts of the kit that are another thing than they were."""

from __future__ import annotations

from typing import Any

import pytest

from movable.mm import page
from movable.rules import table
from movable.rules.stream import monitor
from movable.sequential import answers
from movable.shown import literal, shown
from movable.supervise import tampering


class EqualToAll:
    """Can be called, and says that it is what it replaces."""

    def __call__(self, *arguments: Any) -> None:
        """Nothing."""

    def __eq__(self, other: object) -> bool:
        return True

    __hash__ = None  # type: ignore[assignment]


def test_what_is_as_it_was_is_not_named() -> None:
    assert tampering.replaced(tampering.parts(), library=True) == ""


@pytest.mark.parametrize(
    ("place", "name", "now"),
    [
        (page, "put_page", lambda page: None),
        (page, "put_page", EqualToAll()),
        (page, "put_page", None),
        (page.Page, "data", property(lambda page: b"")),
        (answers.EqualToAll, "__repr__", staticmethod(lambda: "")),
        (monitor, "CHECKS", ()),
    ],
    ids=["function", "equal to all", "None", "property", "static method", "constant"],
)
def test_a_part_that_is_replaced_is_named(place: Any, name: str, now: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    before = tampering.parts()
    monkeypatch.setattr(place, name, now)
    whole = f"{place.__module__}.{place.__name__}" if isinstance(place, type) else place.__name__
    assert f"{whole}.{name}" in tampering.replaced(before, library=False)


def test_a_function_with_the_code_of_another_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    before = tampering.parts()
    monkeypatch.setattr(shown, "__code__", (lambda what, most=0: "").__code__)
    assert "movable.shown.shown" in tampering.replaced(before, library=False)


def test_a_table_that_is_emptied_is_named_and_one_that_grows_is_not() -> None:
    before, rules = tampering.parts(), dict(table.RULES)
    try:
        table.RULES["D99"] = table.RULES["D1"]
        assert tampering.replaced(before, library=False) == ""
        del table.RULES["D1"], table.RULES["D2"]
        assert "movable.rules.table.RULES" in tampering.replaced(before, library=False)
    finally:  # with all its rules in their order: a rule that is put back alone stands last
        table.RULES.clear()
        table.RULES.update(rules)


def test_a_part_of_the_kits_in_place_of_another_is_its_own_doing(monkeypatch: pytest.MonkeyPatch) -> None:
    before = tampering.parts()
    monkeypatch.setattr(answers, "plain", literal)
    assert tampering.replaced(before, library=False) == ""
