"""Page table entries, as integers: a frame number above twelve bits of flags (arch/x86/include/asm/pgtable_types.h).

An entry that is not present and not 0 is a swap entry: the number above the flags is then a frame under migration, or a
slot of a swap device. It keeps the write, accessed and dirty bits of the entry that it stands for.
"""

from __future__ import annotations

PTE_PRESENT = 0x001
PTE_RW = 0x002
PTE_ACCESSED = 0x020
PTE_DIRTY = 0x040
PTE_PROTNONE = 0x100
"""The page is there, but its area may not be touched at all (PROT_NONE)."""
PTE_SPECIAL = 0x200
"""No page that the VM counts: the zero page."""
PTE_MIGRATION = 0x400
PTE_SWAP = 0x800

PTE_THERE = PTE_PRESENT | PTE_PROTNONE
"""Either bit makes ``pte_present`` true."""
PTE_SHIFT = 12
PTRS_PER_PTE = 512
"""How many entries a page table has: it covers 2 MiB."""
PTE_KEPT = PTE_RW | PTE_ACCESSED | PTE_DIRTY
"""The bits that a migration entry remembers."""

PTE_NAMES = (
    (PTE_PRESENT, "present"),
    (PTE_PROTNONE, "protnone"),
    (PTE_RW, "write"),
    (PTE_DIRTY, "dirty"),
    (PTE_ACCESSED, "young"),
    (PTE_SPECIAL, "special"),
    (PTE_MIGRATION, "migration"),
    (PTE_SWAP, "swap"),
)


def pte_words(pte: int) -> str:
    """An entry in words, such as ``frame 12 present|write``; "none" for 0."""
    if not pte:
        return "none"
    flags = "|".join(name for bit, name in PTE_NAMES if pte & bit)
    return f"{'slot' if pte & PTE_SWAP else 'frame'} {pte >> PTE_SHIFT} {flags}"
