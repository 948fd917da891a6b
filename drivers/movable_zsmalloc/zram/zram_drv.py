"""A compressed block device in memory on top of zsmalloc (drivers/block/zram/zram_drv.c of 4.19).

Each slot is a word with a lock bit. Under it a slot is empty, holds one repeated word (no object at all), or names an object.
What does not compress below the huge class size is stored as it is. Lock order: slot, then everything of zsmalloc.
"""

from __future__ import annotations

import errno
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager, nullcontext
from typing import TYPE_CHECKING, NamedTuple

from movable import PAGE_SIZE, AtomicLong, UsageError, bit_spin_lock, bit_spin_unlock
from movable_zsmalloc.geometry import size_class_index, size_class_table, zs_huge_class_size
from movable_zsmalloc.zram.codecs import make_codec

if TYPE_CHECKING:
    from movable import VM
    from movable_zsmalloc.driver import Zsmalloc

ZRAM_LOCK, ZRAM_SAME, ZRAM_HUGE = range(3)
SAME, HUGE = 1 << ZRAM_SAME, 1 << ZRAM_HUGE
LOCKED = 1 << ZRAM_LOCK
WORD_BYTES = 8
HANDLE_BYTES = 8
"""What every object of a pool carries in front of its content."""


class Slot:
    """One page of the device (struct zram_table_entry): ``word`` is its lock and flags, ``element`` what one word repeats."""

    __slots__ = ("device", "element", "handle", "index", "size", "vm", "word")

    def __init__(self, vm: VM, device: str, index: int) -> None:
        self.vm = vm
        self.device = device
        self.index = index
        self.word = 0
        self.handle = 0
        self.element = b""
        self.size = 0

    @property
    def name(self) -> str:
        """What reports call the slot."""
        return f"{self.device} slot {self.index}"


class MmStat(NamedTuple):
    """The numbers of mm_stat: bytes, except ``same_pages``, ``pages_compacted`` and ``huge_pages``, which count pages."""

    orig_data_size: int
    compr_data_size: int
    mem_used_total: int
    mem_limit: int
    mem_used_max: int
    same_pages: int
    pages_compacted: int
    huge_pages: int


class ZramDevice:
    """``nr_pages`` pages of 4096 bytes, kept compressed in the pool ``zs``.

    ``codec`` is one of lz4, zstd, zlib, identity. ``mem_limit`` is in bytes of pool memory, rounded up to pages, 0 for none. Raises
    UsageError for an unknown codec, one that is not installed, and sizes below one page or limit.
    """

    def __init__(self, zs: Zsmalloc, nr_pages: int, *, codec: str = "lz4", mem_limit: int = 0) -> None:
        if nr_pages < 1:
            raise UsageError(f"{zs.name}: a device of {nr_pages} pages is not possible; use 1 or more")
        if mem_limit < 0:
            raise UsageError(f"{zs.name}: memory limit {mem_limit} is negative; use bytes, or 0 for none")
        self.zs = zs
        self.nr_pages = nr_pages
        self.codec = make_codec(codec)
        self.limit_pages = -(-mem_limit // PAGE_SIZE)
        self.huge_class_size = zs_huge_class_size(zs.chain, zs.rule)
        self.slots = [Slot(zs.vm, zs.name, index) for index in range(nr_pages)]
        self.pages_stored = AtomicLong(zs.vm, f"{zs.name} pages_stored")
        self.compr_data_size = AtomicLong(zs.vm, f"{zs.name} compr_data_size")
        self.same_pages = AtomicLong(zs.vm, f"{zs.name} same_pages")
        self.huge_pages = AtomicLong(zs.vm, f"{zs.name} huge_pages")
        self.max_used_pages = AtomicLong(zs.vm, f"{zs.name} max_used_pages")

    def write(self, index: int, data: bytes | bytearray | memoryview) -> None:
        """Store one page of 4096 bytes.

        Raises UsageError for a page outside the device or of another size, and OSError with ENOMEM when the pool finds no memory or
        reaches the limit; the slot then keeps what it had. Mirrors zram_drv.c, __zram_bvec_write.
        """
        slot = self._slot(index)
        page = bytes(data)
        if len(page) != PAGE_SIZE:
            raise UsageError(f"{self.zs.name}: page {index} written with {len(page)} bytes; a page has {PAGE_SIZE}")
        element = page[:WORD_BYTES]
        same = element * (PAGE_SIZE // WORD_BYTES) == page
        handle, size = (0, 0) if same else self._store(index, page)
        self._lock(slot)
        try:
            self._free_slot(slot)
            slot.handle, slot.size = handle, size
            if same:
                slot.element = element
                slot.word |= SAME
                self.same_pages.add(1)
            elif size == PAGE_SIZE:
                slot.word |= HUGE
                self.huge_pages.add(1)
            self.compr_data_size.add(size)
            self.pages_stored.add(1)
        finally:
            self._unlock(slot)

    def _store(self, index: int, page: bytes) -> tuple[int, int]:
        """Put a page into the pool; returns its handle and size."""
        zs = self.zs
        packed = self.codec.compress(page)
        if len(packed) >= self.huge_class_size:
            packed = page
        size = len(packed)
        handle = zs.zs_malloc(size)
        if handle <= 0:
            raise OSError(errno.ENOMEM, f"{zs.name}: no memory for page {index}")
        used = zs.zs_get_total_pages()
        self.max_used_pages.raise_to(used)
        if self.limit_pages and used > self.limit_pages:
            zs.zs_free(handle)
            raise OSError(errno.ENOMEM, f"{zs.name}: page {index} would go over the limit of {self.limit_pages} pages")
        zs.write(handle, packed, fresh=True)
        return handle, size

    def read(self, index: int) -> bytes:
        """The 4096 bytes of a page; zeros where nothing is stored. Raises UsageError for a page outside the device."""
        slot = self._slot(index)
        self._lock(slot)
        try:
            if slot.word & SAME:
                return slot.element * (PAGE_SIZE // WORD_BYTES)
            if not slot.handle:
                return bytes(PAGE_SIZE)
            packed = self.zs.read(slot.handle, slot.size)
            return packed if slot.word & HUGE else self.codec.decompress(packed)
        finally:
            self._unlock(slot)

    @contextmanager
    def hold(self, indices: Iterable[int]) -> Iterator[None]:
        """Inside the block one of some pages is being read: that in the lowest frame."""
        handles = [slot.handle for slot in map(self._slot, indices) if slot.handle]
        handle = min(handles, key=lambda one: self.zs.handles[one].location, default=0)
        with self.zs.reading(handle) if handle else nullcontext():
            yield

    def discard(self, index: int) -> None:
        """Forget a page. Raises UsageError for a page outside the device."""
        slot = self._slot(index)
        self._lock(slot)
        try:
            self._free_slot(slot)
        finally:
            self._unlock(slot)

    def reset(self) -> None:
        """Forget every page and the high-water mark; the pool stays."""
        for index in range(self.nr_pages):
            self.discard(index)
        self.max_used_pages.add(self.zs.zs_get_total_pages() - self.max_used_pages.read())

    def compact(self) -> int:
        """Compact the pool; returns the pages freed."""
        return self.zs.zs_compact()

    def stored(self, index: int) -> bool:
        """Whether a page holds something."""
        slot = self._slot(index)
        return bool(slot.handle or slot.word & SAME)

    def _slot(self, index: int) -> Slot:
        if not 0 <= index < self.nr_pages:
            raise UsageError(f"{self.zs.name}: page {index} does not exist; this device has pages 0 to {self.nr_pages - 1}")
        return self.slots[index]

    @staticmethod
    def _lock(slot: Slot) -> None:
        bit_spin_lock(ZRAM_LOCK, slot)

    @staticmethod
    def _unlock(slot: Slot) -> None:
        bit_spin_unlock(ZRAM_LOCK, slot)

    def _free_slot(self, slot: Slot) -> None:
        """Empty a locked slot (zram_free_page)."""
        if slot.word & SAME:
            self.same_pages.add(-1)
        elif not slot.handle:
            return
        else:
            if slot.word & HUGE:
                self.huge_pages.add(-1)
            self.zs.zs_free(slot.handle)
            self.compr_data_size.add(-slot.size)
        slot.word &= LOCKED
        slot.handle = slot.size = 0
        slot.element = b""
        self.pages_stored.add(-1)

    @property
    def stat(self) -> MmStat:
        """The numbers of mm_stat."""
        return MmStat(
            self.pages_stored.read() * PAGE_SIZE,
            self.compr_data_size.read(),
            self.zs.zs_get_total_pages() * PAGE_SIZE,
            self.limit_pages * PAGE_SIZE,
            self.max_used_pages.read() * PAGE_SIZE,
            self.same_pages.read(),
            self.zs.pages_compacted.read(),
            self.huge_pages.read(),
        )

    def mm_stat(self) -> str:
        """The line of /sys/block/zramN/mm_stat (zram_drv.c, mm_stat_show)."""
        orig, compr, used, limit, most, same, compacted, huge = self.stat
        return f"{orig:8d} {compr:8d} {used:8d} {limit:8d} {most:8d} {same:8d} {compacted:8d} {huge:8d}\n"


def pool_pages(contents: Sequence[bytes], chain: int = 4, rule: str = "percent") -> int:
    """How many frames a pool needs for these pages: compress each, count objects by class, round up to whole zspages."""
    table = size_class_table(chain, rule)
    huge = zs_huge_class_size(chain, rule)
    compress = make_codec("lz4").compress
    objects: dict[int, int] = {}
    for page in contents:
        if page == page[:8] * (PAGE_SIZE // 8):
            continue
        size = len(compress(page))
        row = table[size_class_index((size if size < huge else PAGE_SIZE) + HANDLE_BYTES)]
        objects[row.index] = objects.get(row.index, 0) + 1
    rows = {row.index: row for row in table}
    return sum(-(-count // rows[index].objs) * rows[index].pages for index, count in objects.items())
