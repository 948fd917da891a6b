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


class ObjWord:
    """How a location is encoded: the frame on top, then the class in kernels that keep it, then the object's number, then a tag.

    ``bits`` are the widths of class, number and tag (``Era.zs_obj_bits``).
    """

    __slots__ = ("class_shift", "index_mask", "low_bits", "tag_bits")

    def __init__(self, bits: tuple[int, int, int]) -> None:
        class_bits, index_bits, self.tag_bits = bits
        self.index_mask = (1 << index_bits) - 1
        self.class_shift = index_bits + self.tag_bits if class_bits else -1
        self.low_bits = class_bits + index_bits + self.tag_bits

    def encode(self, pfn: int, obj: int, class_index: int = 0) -> int:
        """The word of a location, tag clear (location_to_obj)."""
        word = pfn << self.low_bits | obj << self.tag_bits
        return word if self.class_shift < 0 else word | class_index << self.class_shift

    def decode(self, word: int) -> tuple[int, int]:
        """Frame and object number, whatever the tag (obj_to_location)."""
        return word >> self.low_bits, word >> self.tag_bits & self.index_mask

    def class_of(self, word: int) -> int:
        """The class that the word names; only where it has one."""
        return word >> self.class_shift & (1 << self.low_bits - self.class_shift) - 1


class Handle:
    """One 8-byte cell: where an object is now. Bit 0 of ``word`` is the pin, a bit spin lock, and the rest the location.

    Whoever changes the location must carry the pin over: they share the word.
    """

    __slots__ = ("addr", "form", "vm", "word")

    def __init__(self, vm: VM, addr: int, form: ObjWord) -> None:
        self.vm = vm
        self.addr = addr
        self.form = form
        self.word = 0

    @property
    def name(self) -> str:
        """What reports call the cell."""
        return f"handle {self.addr:#x}"

    @property
    def location(self) -> tuple[int, int]:
        """The frame that the object begins in, and its number inside the zspage."""
        return self.form.decode(self.word)


class HandleCache:
    """The cells of one pool by address, as a slab cache hands them out: safe to use from any task without a lock.

    An address is never given out twice, so that a handle used after it was freed is seen.
    """

    __slots__ = ("addresses", "cells", "form", "pool_name", "vm")

    def __init__(self, vm: VM, pool_name: str, form: ObjWord) -> None:
        self.vm = vm
        self.form = form
        self.pool_name = pool_name
        self.cells: dict[int, Handle] = {}
        self.addresses = count(FIRST_HANDLE, ZS_HANDLE_SIZE)

    def alloc(self) -> Handle:
        """A fresh cell."""
        addr = next(self.addresses)
        cell = self.cells[addr] = Handle(self.vm, addr, self.form)
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
