"""The page cache of file systems: pages are found, read and written (mm/filemap.c, include/linux/pagemap.h).

Lock order: page lock, then a mapping's tree or areas. Whoever finds a page in the tree takes a reference, then the page lock, and
then looks whether the page still belongs to the file: it may have been cut off or have moved meanwhile.
"""

from __future__ import annotations

from collections.abc import Iterator
from errno import EIO, ENOMEM
from typing import TYPE_CHECKING, Any

from movable.errors import DriverError
from movable.mm.filemap import lock_page, trylock_page, unlock_page, wait_on_page_writeback
from movable.mm.fs import FileMapping, file_of
from movable.mm.gfp import GFP_HIGHUSER_MOVABLE
from movable.mm.mempolicy import alloc_page_mpol
from movable.mm.migrate import CAUGHT, an_int, callback_failed
from movable.mm.page import PAGE_SIZE, get_page, get_page_unless_zero, put_page
from movable.mm.page_flags import DIRTY, ERROR, PRIVATE, UPTODATE, WRITEBACK, change_flags
from movable.mm.page_writeback import clear_page_dirty_for_io, set_page_dirty
from movable.mm.swap import lru_cache_add, mark_page_accessed
from movable.shown import literal

if TYPE_CHECKING:
    from movable.mm.fs import Inode
    from movable.mm.page import Page
    from movable.mm.process import Process


def call_fs(mapping: FileMapping, name: str, *args: Any) -> int:
    """One operation of the file system of a file. What it raises, and an answer that is no number, is a DriverError (F1)."""
    sb = mapping.host.sb
    assert sb is not None
    try:
        answer = an_int(getattr(sb.ops, name)(*args))
    except CAUGHT as error:
        raise callback_failed(mapping, name, "F1", error) from error
    if name in ANSWERS and (type(answer) is not int or answer > 0):
        raise DriverError(mapping.name, name, "F1", f"returned {literal(answer)}; it must return 0 or a negative errno")
    return int(bool(answer)) if name not in ANSWERS else answer


ANSWERS = ("readpage", "writepage", "write_begin", "migratepage")
"""Operations that return 0 or a negative errno."""


def page_inode(page: Page) -> Inode:
    """The file of a locked page that is in one."""
    mapping = file_of(page)
    assert mapping is not None
    return mapping.host


def _tree(mapping: FileMapping, op: str) -> None:
    """A look at the tree of a file's pages, or a change of it, is a step."""
    seam = mapping.host.user.vm.seam
    if seam is not None:
        seam.point(op, ("i_pages", mapping.name))


# --- finding ---


def find_get_page(mapping: FileMapping, index: int) -> Page | None:
    """The page at ``index`` with a reference, None where there is none in memory."""
    while True:
        _tree(mapping, "ar")
        page = mapping.i_pages.get(index)
        if page is None or get_page_unless_zero(page):
            return page


def find_lock_page(mapping: FileMapping, index: int) -> Page | None:
    """The page at ``index``, locked and with a reference, None where there is none in memory."""
    while True:
        page = find_get_page(mapping, index)
        if page is None:
            return None
        lock_page(page)
        if page._mapping == mapping.addr:
            return page
        unlock_page(page)
        put_page(page)


def _add_to_page_cache(task: Process, inode: Inode, index: int) -> Page | None:
    """A fresh locked page in an empty slot, with a reference for the caller (add_to_page_cache_lru).

    None without memory, and beyond the end of the file: whoever cut it off has looked for pages there already.
    """
    mapping = inode.mapping
    policy = inode.policy.lookup(index) or task.mempolicy
    page = alloc_page_mpol(task, policy, index + inode.ino, GFP_HIGHUSER_MOVABLE)
    if page is None:
        return None
    trylock_page(page)
    _tree(mapping, "aw")
    if index >= inode.size or index in mapping.i_pages:  # somebody was faster
        unlock_page(page)
        put_page(page)
        if index >= inode.size:
            return None
        return find_lock_page(mapping, index) or _add_to_page_cache(task, inode, index)
    page._mapping = mapping.addr
    page._index = index
    mapping.i_pages[index] = page
    get_page(page)
    lru_cache_add(task.user, page, task.cpu)
    return page


def delete_from_page_cache(page: Page) -> None:
    """Take a locked page out of its file; the tree's reference goes (__delete_from_page_cache)."""
    mapping = file_of(page)
    assert mapping is not None
    _tree(mapping, "aw")
    del mapping.i_pages[page._index]
    if page.seam is not None:
        page.seam.change(page, "mapping")  # a step of its own for those who look without the lock
    page._mapping = 0
    page._flags &= ~DIRTY
    put_page(page)


def remove_from_page_cache(mapping: FileMapping, page: Page) -> None:
    """The same within the caller's step, without the reference."""
    del mapping.i_pages[page._index]
    page._mapping = 0
    page._flags &= ~DIRTY


def filemap_get_page(task: Process, inode: Inode, index: int) -> tuple[int, Page | None]:
    """A page of a file, up to date, locked and with a reference: (0, the page), or (-EIO or -ENOMEM, None).

    Beyond the end of the file it is (0, None). Mirrors mm/filemap.c, filemap_fault and do_read_cache_page.
    """
    mapping = inode.mapping
    while index < inode.size:
        page = find_lock_page(mapping, index) or _add_to_page_cache(task, inode, index)
        if page is None:
            return (-ENOMEM if index < inode.size else 0), None
        if page._flags & UPTODATE:
            if index < inode.size:
                return 0, page
            unlock_page(page)
            put_page(page)
            continue
        page._flags &= ~ERROR
        rc = call_fs(mapping, "readpage", inode, page)
        if rc == 0:
            lock_page(page)  # the end of the read unlocks it
            rc = 0 if page._flags & UPTODATE or page._mapping != mapping.addr else -EIO
            unlock_page(page)
        put_page(page)
        if rc:
            return rc, None
    return 0, None


# --- the state of a page ---


def SetPageUptodate(page: Page) -> None:
    """The page holds what the file holds."""
    change_flags(page, UPTODATE, 0)


def attach_page_private(page: Page, private: Any) -> None:
    """Hang private data on a page: it counts as one reference (attach_page_private)."""
    get_page(page)
    page._private = private
    change_flags(page, PRIVATE, 0)


def detach_page_private(page: Page) -> Any:
    """Take the private data off a page, with its reference; returns it, or None (detach_page_private)."""
    if not page._flags & PRIVATE:
        return None
    change_flags(page, 0, PRIVATE)
    private, page._private = page._private, 0
    put_page(page)
    return private


def page_has_private(page: Page) -> bool:
    """Whether a file system hung data on the page."""
    return bool(page._flags & PRIVATE)


# --- read(2), write(2), fsync(2) ---


def file_read(task: Process, inode: Inode, offset: int, length: int) -> bytes | int:
    """Bytes of a file as read(2) gives them, fewer at its end; -EIO or -ENOMEM."""
    parts: list[bytes] = []
    for index, start, end in _pieces(offset, length):
        rc, page = filemap_get_page(task, inode, index)
        if rc:
            return rc
        if page is None:
            break
        unlock_page(page)  # the reference keeps the page where it is
        touch_content(inode, index, "ar")
        parts.append(bytes(page.vm.map_page(page)[start:end]))
        mark_page_accessed(page)
        put_page(page)
    return b"".join(parts)


def file_write(task: Process, inode: Inode, offset: int, content: bytes) -> int:
    """Store bytes in a file as write(2) does, which may make it longer; how many, or a negative errno."""
    with inode.mapping.i_rwsem.write():
        return _write(task, inode, offset, content)


def _write(task: Process, inode: Inode, offset: int, content: bytes) -> int:
    done = 0
    for index, start, end in _pieces(offset, len(content)):
        inode.size = max(inode.size, index + 1)
        rc, page = filemap_get_page(task, inode, index)
        if page is not None:
            rc = write_begin(inode, page)
            if rc == 0:
                touch_content(inode, index, "aw")
                page.vm.map_page(page)[start:end] = content[done : done + end - start]
                set_page_dirty(page)
                mark_page_accessed(page)
            unlock_page(page)
            put_page(page)
        elif rc == 0:  # cut off meanwhile
            break
        if rc:
            return done or rc
        done += end - start
    return done


def write_begin(inode: Inode, page: Page) -> int:
    """Let the file system make a locked page ready to be written to; 0 or a negative errno (write_begin, page_mkwrite)."""
    assert inode.sb is not None
    if page._flags & WRITEBACK:
        wait_on_page_writeback(page)
    return 0 if inode.sb.ops.write_begin is None else call_fs(inode.mapping, "write_begin", inode, page)


def _pieces(offset: int, length: int) -> Iterator[tuple[int, int, int]]:
    """(page, first byte in it, last one + 1) of a range of bytes."""
    end = offset + length
    while offset < end:
        start = offset % PAGE_SIZE
        stop = min(PAGE_SIZE, start + end - offset)
        yield offset // PAGE_SIZE, start, stop
        offset += stop - start


def touch_content(inode: Inode, index: int, op: str) -> None:
    """A look at what a page of a file holds, or a change of it; see VMA.location."""
    seam = inode.user.vm.seam
    if seam is not None:
        seam.point(op, ("file page", inode.path, index))


def write_one_page(page: Page) -> int:
    """Begin to write a locked page, if it is dirty, and unlock it; 0 or a negative errno."""
    mapping = file_of(page)
    if page._flags & WRITEBACK:
        wait_on_page_writeback(page)
    writes = mapping is not None and mapping.host.sb is not None and mapping.host.sb.ops.writepage is not None
    if mapping is None or not writes or not clear_page_dirty_for_io(page):
        unlock_page(page)
        return 0
    return call_fs(mapping, "writepage", page)


def fsync(inode: Inode) -> int:
    """Write every dirty page of a file and wait for the ends; 0, or the error that a write since the last call had."""
    mapping = inode.mapping
    rc = 0
    for index in sorted(mapping.i_pages):
        page = find_lock_page(mapping, index)
        if page is not None:
            rc = write_one_page(page) or rc
            put_page(page)
    for index in sorted(mapping.i_pages):
        page = find_get_page(mapping, index)
        if page is not None:
            if page._flags & WRITEBACK:
                wait_on_page_writeback(page)
            put_page(page)
    error, mapping.wb_err = mapping.wb_err, 0
    return error or rc
