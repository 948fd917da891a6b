"""Which way a pool of an era works: who locks what to free, read, write and move objects, and what an isolation means.

Three ways (``Era.zs_locking``): bits in the handles pin objects (pins.py), one lock guards the pool (pool_lock.py), each zspage
has a lock that readers hold and writers only try (zspage_lock.py).
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from movable import VM, Page
    from movable_zsmalloc.handles import Handle
    from movable_zsmalloc.pool import Pool
    from movable_zsmalloc.zspage import SizeClass, Zspage


class Way(Protocol):
    """What differs. ``one_lock``: all classes share the pool's lock. ``marks_huge``: a page flag marks a page with one object.
    ``counts_isolated``: a zspage counts its isolated pages. ``waits_for_isolated``: a pool goes only when none is isolated."""

    one_lock: bool
    marks_huge: bool
    counts_isolated: bool
    unlists_isolated: bool
    waits_for_isolated: bool

    def free(self, pool: Pool, cell: Handle) -> None:
        """zs_free."""

    def read(self, pool: Pool, handle: int, length: int) -> bytes:
        """The first bytes of an object."""

    def write(self, pool: Pool, handle: int, data: bytes, fresh: bool) -> None:
        """Write the first bytes of an object; ``fresh``: nothing else in it is worth keeping."""

    def isolate(self, pool: Pool, page: Page, mode: int) -> bool:
        """zs_page_isolate."""

    def migrate(self, pool: Pool, newpage: Page, page: Page, mode: int) -> int:
        """zs_page_migrate."""

    def putback(self, pool: Pool, page: Page) -> None:
        """zs_page_putback."""

    def compact_class(self, pool: Pool, size_class: SizeClass) -> int:
        """One class of zs_compact; returns the pages freed."""

    def free_zspage(self, pool: Pool, size_class: SizeClass, zspage: Zspage) -> None:
        """Free an EMPTY zspage that is on its list, or leave it to the worker. The caller holds the class lock."""


def way_of(vm: VM) -> Way:
    """The way of a machine's era."""
    from movable_zsmalloc.ways.pins import Pins
    from movable_zsmalloc.ways.pool_lock import PoolLock
    from movable_zsmalloc.ways.zspage_lock import ZspageLock

    made: dict[str, type[Way]] = {"pins": Pins, "pool": PoolLock, "zspage": ZspageLock}
    return made[vm.era.zs_locking]()
