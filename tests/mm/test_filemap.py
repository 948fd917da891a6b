"""The page lock: one holder, and what is said where it would never come free."""

from __future__ import annotations

import pytest

from movable import DeadlockError, Page, PageLocked, VMBug, lock_page, trylock_page, unlock_page
from tests.mm.bugs import bug


def test_the_page_lock(page: Page) -> None:
    assert trylock_page(page)
    assert PageLocked(page)
    assert not trylock_page(page)
    with pytest.raises(DeadlockError, match="waits for the lock of page"):
        lock_page(page)
    unlock_page(page)
    with bug("D29"):
        unlock_page(page)


def test_an_error_names_the_page_the_rule_and_the_remedy(page: Page) -> None:
    with pytest.raises(VMBug) as caught:
        unlock_page(page)
    assert str(caught.value) == (
        f"D29: page {page.pfn} (-, 1 refs): unlock_page of an unlocked page; expected the page lock to be held"
    )
