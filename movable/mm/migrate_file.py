"""Moving a page of a file system: by the file system's own callback, or by what the core does without one (mm/migrate.c).

Both pages are locked, nothing maps the old one, and its writeback had ended when the attempt began. Ready to be named as
``migratepage``: `migrate_page` for pages without private data, `buffer_migrate_page` for those with buffers, and its variant
`buffer_migrate_page_norefs` where others find buffers by their block.
"""

from __future__ import annotations

from errno import EAGAIN, EBUSY, EINVAL, EIO
from typing import TYPE_CHECKING

from movable.mm.buffer import (
    BufferHead,
    invalidate_bh_lrus,
    lock_buffer,
    page_buffers,
    page_has_buffers,
    try_to_free_buffers,
    try_to_release_page,
    trylock_buffer,
    unlock_buffer,
)
from movable.mm.filemap import lock_page
from movable.mm.filemap_cache import attach_page_private, call_fs, detach_page_private, page_has_private
from movable.mm.fs import FileMapping
from movable.mm.migrate import MIGRATE_ASYNC, MIGRATE_SYNC, MIGRATE_SYNC_NO_COPY
from movable.mm.migrate_lru import expected_references, may_move_mapping, migrate_page, move_page
from movable.mm.page_flags import DIRTY
from movable.mm.page_writeback import clear_page_dirty_for_io
from movable.mm.rmap import remove_migration_ptes

if TYPE_CHECKING:
    from movable.mm.address_space import AddressSpace
    from movable.mm.page import Page


def move_file_page(mapping: FileMapping | None, newpage: Page, page: Page, mode: int) -> int:
    """Choose who moves a page: its file system, or the fallback. Without a mapping only try to free its buffers."""
    if mapping is None:
        try_to_free_buffers(page)
        return -EAGAIN
    sb = mapping.host.sb
    assert sb is not None
    if sb.ops.migratepage is None:
        return fallback_migrate_page(mapping, newpage, page, mode)
    seam = page.seam
    if seam is None:
        return call_fs(mapping, "migratepage", mapping, newpage, page, mode)
    seam.task.callbacks.append((sb.name, "migratepage", page))
    try:
        return call_fs(mapping, "migratepage", mapping, newpage, page, mode)
    finally:
        seam.task.callbacks.pop()


def fallback_migrate_page(mapping: FileMapping, newpage: Page, page: Page, mode: int) -> int:
    """For file systems that name no callback: write a dirty page out and say -EAGAIN, move a clean one.

    Only MIGRATE_SYNC writes, and kernels from 6.16 on write nothing. Private data must be released first.
    """
    era = page.vm.era
    if page._flags & DIRTY:
        if not era.fallback_writes or mode not in (MIGRATE_SYNC, MIGRATE_SYNC_NO_COPY):
            return -EBUSY
        return writeout(mapping, page)
    if page_has_private(page) and not try_to_release_page(page):
        return -EAGAIN if mode == MIGRATE_SYNC or not era.fallback_gives_up else -EBUSY
    return migrate_page(mapping, newpage, page, mode)


def writeout(mapping: FileMapping, page: Page) -> int:
    """Write a dirty page, so that a later attempt finds it clean: -EAGAIN, or -EINVAL or -EIO where it cannot be written."""
    sb = mapping.host.sb
    assert sb is not None
    if sb.ops.writepage is None:
        return -EINVAL
    if not clear_page_dirty_for_io(page):
        return -EAGAIN
    user = page.vm.userspace
    assert user is not None
    remove_migration_ptes(user, page, page)  # processes may use it while it is written
    rc = call_fs(mapping, "writepage", page)
    lock_page(page)  # which the callback has unlocked
    return -EIO if rc < 0 else -EAGAIN


def buffer_migrate_page(mapping: AddressSpace, newpage: Page, page: Page, mode: int) -> int:
    """Move a page with its buffers, whose locks are held from before the place changes until the content is there."""
    return _buffer_migrate_page(mapping, newpage, page, mode, False)


def buffer_migrate_page_norefs(mapping: AddressSpace, newpage: Page, page: Page, mode: int) -> int:
    """The same, only while nobody uses one of the buffers: for files whose buffers are found by their block."""
    return _buffer_migrate_page(mapping, newpage, page, mode, True)


def _buffer_migrate_page(mapping: AddressSpace, newpage: Page, page: Page, mode: int, check_refs: bool) -> int:
    assert isinstance(mapping, FileMapping)
    if not page_has_buffers(page):
        return migrate_page(mapping, newpage, page, mode)
    if page.seam is not None:
        page.seam.peek(page, "refs")
    expected = expected_references(mapping, page)  # no buffer is waited for on behalf of a page that somebody holds
    if page._refcount != expected and (
        page.vm.era.buffers_count_first or not may_move_mapping(mapping.i_pages, page._index, newpage, page, expected)
    ):
        return -EAGAIN
    buffers = page_buffers(page)
    if not _lock_buffers(buffers, mode):
        return -EAGAIN
    rc = -EAGAIN if check_refs and _in_use(mapping, buffers) else _move_with_buffers(mapping, newpage, page, buffers)
    for bh in buffers:
        unlock_buffer(bh)
    return rc


def _move_with_buffers(mapping: FileMapping, newpage: Page, page: Page, buffers: list[BufferHead]) -> int:
    def take_along(newpage: Page, page: Page) -> None:
        attach_page_private(newpage, detach_page_private(page))
        for bh in buffers:
            bh.page = newpage

    return move_page(mapping, newpage, page, take_along)


def _lock_buffers(buffers: list[BufferHead], mode: int) -> bool:
    """The lock of every buffer, or of none where one is held and the mode must not wait (buffer_migrate_lock_buffers)."""
    for number, bh in enumerate(buffers):
        if mode != MIGRATE_ASYNC:
            lock_buffer(bh)
        elif not trylock_buffer(bh):
            for taken in buffers[:number]:
                unlock_buffer(taken)
            return False
    return True


def _in_use(mapping: FileMapping, buffers: list[BufferHead]) -> bool:
    """Whether somebody still uses a buffer after every CPU let go of those that it only keeps."""
    for again in (True, False):
        with mapping.private_lock:
            busy = any(bh.count for bh in buffers)
        if not busy or not again:
            return busy
        invalidate_bh_lrus(mapping.host.user)
    return True


__all__ = [
    "buffer_migrate_page",
    "buffer_migrate_page_norefs",
    "fallback_migrate_page",
    "migrate_page",
    "move_file_page",
    "writeout",
]
