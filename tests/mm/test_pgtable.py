"""Page table entries in words."""

from __future__ import annotations

import pytest

from movable.mm.pgtable import PTE_DIRTY, PTE_MIGRATION, PTE_PRESENT, PTE_RW, PTE_SHIFT, PTE_SWAP, pte_words


@pytest.mark.parametrize(
    ("pte", "words"),
    [
        (0, "none"),
        (12 << PTE_SHIFT | PTE_PRESENT | PTE_RW, "frame 12 present|write"),
        (7 << PTE_SHIFT | PTE_SWAP | PTE_DIRTY, "slot 7 dirty|swap"),
        (3 << PTE_SHIFT | PTE_MIGRATION, "frame 3 migration"),
    ],
)
def test_an_entry_says_what_it_leads_to(pte: int, words: str) -> None:
    assert pte_words(pte) == words
