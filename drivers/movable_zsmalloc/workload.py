"""zsmalloc at work, for the contract kit: objects of many sizes come, change and go, and are moved together."""

from __future__ import annotations

from hypothesis import strategies as st

from movable.contract import Workload, handle, operation
from movable_zsmalloc.driver import Zsmalloc
from movable_zsmalloc.geometry import size_class_index
from movable_zsmalloc.handles import ZS_HANDLE_SIZE, HandleCache, ObjWord
from movable_zsmalloc.validate import validate_pool
from movable_zsmalloc.ways.pins import Pins
from movable_zsmalloc.ways.pool_lock import PoolLock
from movable_zsmalloc.ways.zspage_lock import ZspageLock

SIZES = (24, 100, 504, 1200, 2000, 2440, 3000, 3256, 4096)
"""From 128 objects in a page to one object in a page; those of 1200, 2440, 3000 and 3256 bytes span pages."""


class ZsmallocWorkload(Workload):
    """``model`` says what every live object must read as."""

    factory = Zsmalloc
    unwatched = (
        HandleCache, "areas", "rows", "slots", "way", "form", "made", "zspage_numbers", ObjWord, Pins, PoolLock, ZspageLock
    )  # fmt: skip
    """A slab cache, safe by itself; one entry for each task; constants, to which the table of classes belongs; names."""

    def setup(self) -> Zsmalloc:
        """A pool that has its classes from the beginning, as the kernel's have, so that no task makes one."""
        driver: Zsmalloc = super().setup()
        for size in SIZES:
            driver.size_class(size_class_index(size + ZS_HANDLE_SIZE))
        return driver

    @operation(size=st.sampled_from(SIZES), seed=st.integers(0, 255), count=st.integers(1, 4))
    def store(self, size: int, seed: int, count: int) -> None:
        """Up to ``count`` new objects of ``size`` bytes; fewer when memory runs out."""
        for number in range(count):
            key = self.driver.zs_malloc(size)
            if key <= 0:
                return
            self._write(key, content(size, seed + number), fresh=True)

    @operation(key=handle(), seed=st.integers(0, 255))
    def rewrite(self, key: int, seed: int) -> None:
        """Change an object."""
        self._write(key, content(len(self.model[key]), seed), fresh=False)

    @operation(key=handle())
    def free(self, key: int) -> None:
        """Free an object."""
        self.driver.zs_free(key)
        del self.model[key]

    @operation()
    def compact_objects(self) -> None:
        """Move objects together."""
        self.driver.zs_compact()

    def _write(self, key: int, data: bytes, *, fresh: bool) -> None:
        self.driver.write(key, data, fresh=fresh)
        self.model[key] = data

    def read(self, key: int) -> bytes:
        """The bytes of an object."""
        data: bytes = self.driver.read(key, len(self.model[key]))
        return data

    def invariant(self) -> None:
        """The pool counted again from its parts."""
        validate_pool(self.driver)

    def snapshot(self) -> object:
        """The zspages of every list with their pages, and where each object is. A zspage that comes back may stand elsewhere in its
        list, so the order is left out.
        """
        driver: Zsmalloc = self.driver
        lists = [
            (size_class.size, group, sorted(tuple(page.pfn for page in zspage.pages()) for zspage in zspages))
            for size_class in driver.size_classes()
            for group, zspages in enumerate(size_class.lists)
        ]
        return lists, [(cell.addr, cell.word) for cell in driver.handles], driver.isolated.read()


def content(size: int, seed: int) -> bytes:
    """Bytes that tell objects, and places in them, apart."""
    return bytes((seed + place * (1 + seed % 7)) & 0xFF for place in range(size))
