"""Each error says what, which page, which rule, and what was expected."""

from __future__ import annotations

import pytest

from movable import errors
from movable.bench import VM
from movable.errors import DriverError, InvalidState, VMBug, by_hand


def test_a_violated_assertion_names_its_rule_and_its_page() -> None:
    page = VM(1 << 20).alloc_page(0)
    error = VMBug("D2", "a mark without the page lock", "the page lock to be held", page)
    assert str(error) == f"D2: {page!r}: a mark without the page lock; expected the page lock to be held"
    assert str(VMBug("D2", "this", "that")) == "D2: this; expected that"


def test_a_driver_is_named_with_its_callback() -> None:
    assert str(DriverError("jar", "migratepage", "D23", "answered 5")) == "D23: jar.migratepage: answered 5"


@pytest.mark.parametrize(("rules", "rule"), [(["V20", "D40", "D34"], "D40"), (["V20"], "V32"), (None, "V32")])
def test_of_what_disagrees_the_first_that_an_owner_answers_for_gives_the_rule(rules: list[str] | None, rule: str) -> None:
    assert InvalidState(["one", "two"], rules).rule == rule


def test_only_a_person_interrupts_by_hand(monkeypatch: pytest.MonkeyPatch) -> None:
    assert by_hand(KeyboardInterrupt()) and not by_hand(RuntimeError())
    monkeypatch.setattr(errors, "interrupted_from_outside", lambda: False)
    assert not by_hand(KeyboardInterrupt())
