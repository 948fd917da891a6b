"""Names of locations: what the explorer calls an address. They do not depend on a schedule, nor on what was run before."""

from __future__ import annotations

from collections.abc import Hashable
from typing import TYPE_CHECKING, NamedTuple

from movable.c.bridge.runtime import (
    CONTENT,
    FIRST_SLICE,
    HEAP,
    IN_CONTENT,
    IN_HEAP,
    IN_PAGES,
    IN_STACKS,
    NESTED,
    PAGE_BYTES,
    PAGES,
    SLICE,
    STACK,
    STACKS,
)
from movable.explore.dependence import Part, Span

if TYPE_CHECKING:
    from movable.c.build.image import Image


class Word(NamedTuple):
    """Eight bytes of a driver's memory, by name; ``variables`` are (start, stop, name) where several share them."""

    name: str
    variables: tuple[tuple[int, int, str], ...] = ()

    def __str__(self) -> str:
        return self.name

    @property
    def kind(self) -> str:
        """The name without what tells objects apart: all that was allocated is alike, and so are all stacks."""
        first, space, _ = self.name.partition(" ")
        return first if space else self.name

    def part(self, start: int, stop: int) -> str:
        """A name for some of the bytes."""
        for first, end, name in self.variables:
            if first <= start and stop <= end:
                return name if (first, end) == (start, stop) else f"{name}[{start - first}:{stop - first}]"
        return f"{self.name}[{start}:{stop}]"


FIELDS = {0: "flags", 8: "lru", 16: "lru", 24: "mapping", 32: "index", 40: "private", 48: "type", 52: "refs"}
"""Fields of struct page by offset."""


def page_field(address: int) -> tuple[int, str]:
    """The frame number and the field of a word of a struct page."""
    pfn, offset = divmod(address - PAGES, PAGE_BYTES)
    return pfn, FIELDS.get(offset & ~3 if offset >= 48 else offset & ~7, f"word {offset}")


def key_of(image: Image, address: int, size: int) -> Hashable:
    """The location of an access: a field of a page, bytes of its content, or bytes of a granule of the driver's memory."""
    if address in IN_PAGES:
        return ("page", *page_field(address))
    if address in IN_CONTENT:
        pfn, offset = divmod(address - CONTENT, 4096)
        base: Hashable = ("page", pfn, "data")
        return base if size >= 4096 else Part(base, Span(offset, offset + size))
    start = address & ~7
    base = _word(image, start)
    return base if size >= 8 and start == address else Part(base, Span(address - start, address - start + size))


def _word(image: Image, start: int) -> Word:
    """The granule of eight bytes at an address."""
    inside = image.variables(start, 8) if image.base <= start else []
    if len(inside) < 2:
        return Word(name_of(image, start))
    return Word("/".join(name for _, _, name in inside), tuple(inside))


def name_of(image: Image, address: int) -> str:
    """A name for an address."""
    if address in IN_HEAP:
        offset = address - HEAP
        task = 0 if offset < FIRST_SLICE else 1 + (offset - FIRST_SLICE) // SLICE
        return f"heap {task}+{offset if not task else (offset - FIRST_SLICE) % SLICE:#x}"
    if address in IN_STACKS:
        task, offset = divmod(address - STACKS, NESTED * STACK)
        return f"stack {task}+{offset:#x}"
    if address in IN_PAGES:
        pfn, field = page_field(address)
        return f"page {pfn}.{field}"
    if address in IN_CONTENT:
        return f"page {(address - CONTENT) >> 12}+{(address - CONTENT) & 4095}"
    return image.name(address)
