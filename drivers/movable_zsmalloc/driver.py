"""The plug-in: a pool with the three callbacks, ready to be bound to a machine."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from functools import partial
from typing import TYPE_CHECKING

from movable import PAGE_SIZE, UsageError, VMBug, hookimpl
from movable_zsmalloc import compact, mapping, stats
from movable_zsmalloc.pool import Pool
from movable_zsmalloc.ways.pins import Pins
from movable_zsmalloc.ways.pool_lock import PoolLock
from movable_zsmalloc.ways.zspage_lock import ZspageLock
from movable_zsmalloc.zram.zram_drv import ZramDevice, pool_pages

if TYPE_CHECKING:
    from movable import VM, AddressSpace, Page


class Zsmalloc(Pool):
    """zsmalloc on a machine: memory for objects of 1 to 4096 bytes, packed into movable pages.

    ``name`` is the pool's name in reports. ``chain`` is the longest chain of pages, 4 to 16; ``rule`` says how a chain length is
    chosen: "percent" (kernels up to 6.2) or "least-waste" (from 6.3); both are the era's where they are not given. Raises
    UsageError for others. Mirrors mm/zsmalloc.c of the machine's era; that of 4.19 has the waiting teardown, the worker after both
    ends of an isolation and the zone statistics of 5.4.
    """

    workload = "movable_zsmalloc.workload:ZsmallocWorkload"

    def __init__(self, vm: VM, *, name: str = "zram0", chain: int | None = None, rule: str | None = None) -> None:
        super().__init__(vm, name, chain, rule)
        self.mapping = self._register()
        self.shrinker = compact.ZsShrinker(self)
        vm.shrinkers.append(self.shrinker)
        self.stores: list[ZramDevice] = []

    def _register(self) -> AddressSpace:
        """An owner of its own; where operations belong to a page type, all pools share those of the first."""
        if not self.vm.era.sticky_mark:
            return self.vm.address_space(self, self.name)
        self.vm.set_movable_ops(self, "zsmalloc", self.name)
        mapping = self.vm.movable_ops_of("zsmalloc")
        if mapping is None or not isinstance(mapping.host, Zsmalloc):
            raise UsageError(f"{self.name}: somebody else has registered operations for pages of zsmalloc (-EBUSY)")
        mapping.host.sharers.append(self)
        return mapping

    def _unregister(self) -> None:
        """Operations of a page type stay when the last pool goes; they are those of a pool that is left, while there is one."""
        sharers = self.mapping.host.sharers
        if not self.vm.era.sticky_mark:
            self.vm.free_address_space(self.mapping)
            return
        sharers.remove(self)
        if sharers and self.mapping.host is self:
            heir = self.mapping.host = sharers[0]
            heir.sharers = sharers
            self.mapping.a_ops = self.vm.binder(heir, self.vm.era)

    # the contract

    @hookimpl
    def isolate_page(self, page: Page, mode: int) -> bool:
        """Whether the core may have the page (zs_page_isolate)."""
        return self.way.isolate(self._pool_of(page), page, mode)

    @hookimpl
    def migratepage(self, mapping: AddressSpace, newpage: Page, page: Page, mode: int) -> int:
        """Put ``newpage`` in the place of ``page`` (zs_page_migrate up to 5.19)."""
        return self.way.migrate(self, newpage, page, mode)

    @hookimpl
    def migrate_page(self, newpage: Page, page: Page, mode: int) -> int:
        """Put ``newpage`` in the place of ``page`` (zs_page_migrate from 6.0 on)."""
        return self.way.migrate(self._pool_of(page), newpage, page, mode)

    @hookimpl
    def putback_page(self, page: Page) -> None:
        """The isolation came to nothing (zs_page_putback)."""
        self.way.putback(self._pool_of(page), page)

    def _pool_of(self, page: Page) -> Pool:
        """The pool of a page, which may be another that shares these operations; any for a page that is nobody's any more."""
        if not self.mapping.page_type:
            return self
        zspage = page.private
        return zspage.pool if zspage else self

    # what users of a pool call, beside zs_malloc and zs_free

    def zs_map_object(self, handle: int, mode: int = mapping.ZS_MM_RW) -> memoryview:
        """The bytes of an object, until ``zs_unmap_object``. Raises UsageError in kernels that copy objects (from 6.17 on)."""
        if isinstance(self.way, PoolLock):
            return self.way.map_object(self, handle, mode)
        if not isinstance(self.way, Pins):
            raise UsageError(f"{self.name}: a kernel of era {self.vm.era.name} has no zs_map_object; use read() and write()")
        return mapping.zs_map_object(self, handle, mode)

    def zs_unmap_object(self, handle: int) -> None:
        """End the mapping of an object."""
        if isinstance(self.way, PoolLock):
            self.way.unmap_object(self, handle)
        else:
            mapping.zs_unmap_object(self, handle)

    @contextmanager
    def reading(self, handle: int) -> Iterator[None]:
        """Inside the block an object is being read, in the way of the era: it is mapped, or between zs_obj_read_begin and _end."""
        if isinstance(self.way, ZspageLock):
            zspage = self.way.find(self, self.handles[handle])[0]
            end = zspage.lock.read_unlock
        else:
            self.zs_map_object(handle, mapping.ZS_MM_RO)
            end = partial(self.zs_unmap_object, handle)
        try:
            yield
        finally:
            end()

    def read(self, handle: int, length: int) -> bytes:
        """The first ``length`` bytes of an object, in the way of the era: mapped, or copied (zs_obj_read_begin, _end)."""
        return self.way.read(self, handle, length)

    def write(self, handle: int, data: bytes, *, fresh: bool = False) -> None:
        """Write the first bytes of an object; ``fresh``: the rest of it is not worth keeping (zs_obj_write)."""
        self.way.write(self, handle, data, fresh)

    def zs_compact(self) -> int:
        """See ``compact.zs_compact``."""
        return compact.zs_compact(self)

    def zs_get_total_pages(self) -> int:
        """How many pages the pool holds."""
        return self.pages_allocated.read()

    def zs_pool_stats(self) -> dict[str, int]:
        """``pages_compacted``: pages that all compactions freed together (struct zs_pool_stats)."""
        return {"pages_compacted": self.pages_compacted.read()}

    def classes_text(self) -> str:
        """The class table as debugfs prints it."""
        return stats.classes_text(self)

    # what a test bench and an operator use

    def open_store(self, nr_pages: int) -> ZramDevice:
        """A compressed block device of ``nr_pages`` pages on this pool."""
        self.stores.append(ZramDevice(self, nr_pages))
        return self.stores[-1]

    def pages_for(self, contents: Sequence[bytes]) -> int:
        """How many frames this pool needs for pages with these contents, when nothing else is in it."""
        return pool_pages(contents, self.chain, self.rule)

    def operator_files(self) -> dict[str, tuple[Callable[[], str] | None, Callable[[str], object] | None]]:
        """What an operator finds below /sys: path to (how it is read, how it is written)."""
        files: dict[str, tuple[Callable[[], str] | None, Callable[[str], object] | None]] = {
            f"/sys/kernel/debug/zsmalloc/{self.name}/classes": (self.classes_text, None)
        }
        for number, device in enumerate(self.stores):
            folder = f"/sys/block/{self.name if not number else f'{self.name}.{number}'}"
            files[f"{folder}/mm_stat"] = (device.mm_stat, None)
            files[f"{folder}/compact"] = (None, partial(_compact, device))
            files[f"{folder}/disksize"] = (partial(_disksize, device), None)
        return files

    # the end

    def zs_destroy_pool(self) -> None:
        """Wait until no page is isolated, let the worker finish, and go.

        Raises UsageError while objects live, and DeadlockError where nobody is left who could end an isolation; the call can be
        made again after that. Mirrors mm/zsmalloc.c, zs_unregister_migration and zs_destroy_pool of 5.4.
        """
        if self.handles:
            raise UsageError(f"{self.name}: {len(self.handles)} objects are live; free them before the pool, or call remove()")
        self.destroying.add(1)
        if self.shrinker in self.vm.shrinkers:
            self.vm.shrinkers.remove(self.shrinker)
        if self.way.waits_for_isolated:
            self.migration_wait.wait_event(lambda: self.isolated.read() == 0)
        # Only now can nobody queue the worker again.
        self.free_queue.flush()
        if self.pages_allocated.read():
            left = self.pages_allocated.read()
            raise VMBug("D41", f"pool {self.name} is empty and {left} pages are left", "every page back at the allocator")
        self.free_queue.destroy()
        self._unregister()
        self.destroyed = True

    def remove(self) -> None:
        """Free every object and destroy the pool; a pool that is gone already stays gone. Raises as ``zs_destroy_pool`` does."""
        if self.destroyed:
            return
        for cell in self.handles:
            self.zs_free(cell.addr)
        self.zs_destroy_pool()


def _compact(device: ZramDevice, text: str) -> None:
    device.compact()


def _disksize(device: ZramDevice) -> str:
    return f"{device.nr_pages * PAGE_SIZE}\n"
