"""Size classes: how long a chain of pages each object size gets, and which classes merge (mm/zsmalloc.c, zs_create_pool)."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import lru_cache

from movable import PAGE_SIZE, UsageError
from movable_zsmalloc.handles import ZS_HANDLE_SIZE

ZS_MIN_ALLOC_SIZE = 32
ZS_MAX_ALLOC_SIZE = PAGE_SIZE
ZS_SIZE_CLASS_DELTA = PAGE_SIZE >> 8
ZS_SIZE_CLASSES = -(-(ZS_MAX_ALLOC_SIZE - ZS_MIN_ALLOC_SIZE) // ZS_SIZE_CLASS_DELTA) + 1
MIN_CHAIN, MAX_CHAIN = 4, 16


@dataclass(frozen=True, slots=True)
class ClassRow:
    """One size class.

    ``index`` is its slot, ``size`` the bytes of an object with its header, ``pages`` the length of a chain, ``objs`` how many
    objects a chain holds.
    """

    index: int
    size: int
    pages: int
    objs: int

    @property
    def huge(self) -> bool:
        """Whether an object has a page of its own, and so no header in it."""
        return self.pages == 1 and self.objs == 1


def pages_by_percent(size: int, chain: int) -> int:
    """The chain length with the highest share of bytes used, in whole percent; the shortest of equals (kernels up to 6.2)."""
    best = best_percent = 0
    for pages in range(1, chain + 1):
        total = pages * PAGE_SIZE
        percent = (total - total % size) * 100 // total
        if percent > best_percent:
            best, best_percent = pages, percent
    return best


def pages_by_least_waste(size: int, chain: int) -> int:
    """The chain length that wastes the fewest bytes; one page for powers of two (kernels from 6.3)."""
    if size & (size - 1) == 0:
        return 1
    return min(range(1, chain + 1), key=lambda pages: pages * PAGE_SIZE % size)


RULES: dict[str, Callable[[int, int], int]] = {"percent": pages_by_percent, "least-waste": pages_by_least_waste}
"""The rules that choose a chain length, by name."""


def size_class_index(size: int) -> int:
    """The slot for ``size`` bytes, header included (get_size_class_index)."""
    if size <= ZS_MIN_ALLOC_SIZE:
        return 0
    return min(-(-(size - ZS_MIN_ALLOC_SIZE) // ZS_SIZE_CLASS_DELTA), ZS_SIZE_CLASSES - 1)


@lru_cache(maxsize=64)
def size_class_table(chain: int = 4, rule: str = "percent") -> tuple[ClassRow, ...]:
    """The class of every slot, 0 to 254; slots that merged share the row of the larger class.

    ``chain`` is the longest chain in pages, 4 to 16; ``rule`` a key of RULES. Raises UsageError for others.
    """
    if rule not in RULES:
        raise UsageError(f"unknown size class rule {rule!r}; choose from {', '.join(RULES)}")
    if not isinstance(chain, int) or not MIN_CHAIN <= chain <= MAX_CHAIN:
        raise UsageError(f"chain length {chain!r} is not possible; choose {MIN_CHAIN} to {MAX_CHAIN} pages")
    rows: list[ClassRow] = []
    for index in range(ZS_SIZE_CLASSES - 1, -1, -1):
        size = min(ZS_MIN_ALLOC_SIZE + index * ZS_SIZE_CLASS_DELTA, ZS_MAX_ALLOC_SIZE)
        pages = RULES[rule](size, chain)
        objs = pages * PAGE_SIZE // size
        # Objects of a smaller size that fill a chain in the same number fit the larger class at no cost.
        if rows and rows[-1].pages == pages and rows[-1].objs == objs:
            rows.append(rows[-1])
        else:
            rows.append(ClassRow(index, size, pages, objs))
    return tuple(reversed(rows))


def distinct_classes(chain: int = 4, rule: str = "percent") -> list[ClassRow]:
    """The classes that exist after merging, by size. Raises UsageError as ``size_class_table`` does."""
    return [row for slot, row in enumerate(size_class_table(chain, rule)) if row.index == slot]


def huge_watermark(chain: int = 4, rule: str = "percent") -> int:
    """The size of the largest class whose chains have several pages and several objects, in bytes."""
    return max(row.size for row in size_class_table(chain, rule) if row.pages != 1 and row.objs != 1)


def zs_huge_class_size(chain: int = 4, rule: str = "percent") -> int:
    """The smallest size, without header, that is stored one to a page (mm/zsmalloc.c, zs_huge_class_size)."""
    return huge_watermark(chain, rule) - (ZS_HANDLE_SIZE - 1)
