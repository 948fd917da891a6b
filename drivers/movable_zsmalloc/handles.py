"""Handles: the cells that say where an object is now (mm/zsmalloc.c, cache_alloc_handle and location_to_obj)."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import count
from typing import TYPE_CHECKING

from movable import UsageError

if TYPE_CHECKING:
    from movable import VM

FIRST_HANDLE = 0xFFFF_8881_0000_0000
ZS_HANDLE_SIZE = 8

HANDLE_PIN_BIT = 0
PINNED = 1 << HANDLE_PIN_BIT
OBJ_TAG_BITS = 1
OBJ_INDEX_BITS = 23
OBJ_INDEX_MASK = (1 << OBJ_INDEX_BITS) - 1


class Handle:
    """One 8-byte cell: where an object is now. Bit 0 of ``word`` is the pin, a bit spin lock, and the rest the location.

    Whoever changes the location must carry the pin over: they share the word.
    """

    __slots__ = ("addr", "vm", "word")

    def __init__(self, vm: VM, addr: int) -> None:
        self.vm = vm
        self.addr = addr
        self.word = 0

    @property
    def name(self) -> str:
        """What reports call the cell."""
        return f"handle {self.addr:#x}"

    @property
    def location(self) -> tuple[int, int]:
        """The frame that the object begins in, and its number inside the zspage."""
        return word_to_location(self.word)


def location_to_word(pfn: int, obj: int) -> int:
    """The encoded location, pin clear (location_to_obj)."""
    return (pfn << OBJ_INDEX_BITS | obj) << OBJ_TAG_BITS


def word_to_location(word: int) -> tuple[int, int]:
    """Frame and object number of an encoded location, whatever its pin (obj_to_location)."""
    location = word >> OBJ_TAG_BITS
    return location >> OBJ_INDEX_BITS, location & OBJ_INDEX_MASK


class HandleCache:
    """The cells of one pool by address, as a slab cache hands them out: safe to use from any task without a lock.

    An address is never given out twice, so that a handle used after it was freed is seen.
    """

    __slots__ = ("addresses", "cells", "pool_name", "vm")

    def __init__(self, vm: VM, pool_name: str) -> None:
        self.vm = vm
        self.pool_name = pool_name
        self.cells: dict[int, Handle] = {}
        self.addresses = count(FIRST_HANDLE, ZS_HANDLE_SIZE)

    def alloc(self) -> Handle:
        """A fresh cell."""
        addr = next(self.addresses)
        cell = self.cells[addr] = Handle(self.vm, addr)
        return cell

    def free(self, cell: Handle) -> None:
        """The cell is gone."""
        del self.cells[cell.addr]

    def __getitem__(self, addr: int) -> Handle:
        """The live cell at an address. Raises UsageError for any other."""
        cell = self.cells.get(addr)
        if cell is None:
            raise UsageError(f"{self.pool_name}: handle {addr:#x} is not live; was it freed already, or is it another pool's?")
        return cell

    def __contains__(self, addr: int) -> bool:
        return addr in self.cells

    def __len__(self) -> int:
        return len(self.cells)

    def __iter__(self) -> Iterator[Handle]:
        """The live cells, oldest first."""
        return iter(list(self.cells.values()))
