"""Buffer heads: the blocks of a page of a file, each with a lock, a count and a place on the disk (fs/buffer.c).

The buffers of a page are its private data, and count as one reference. A buffer is used under its own lock, which may be held
without the page lock: who moves a page takes those locks first.
"""

from __future__ import annotations

from collections.abc import Callable
from errno import EIO
from typing import TYPE_CHECKING

from movable.errors import VMBug
from movable.mm.filemap import end_page_writeback, unlock_page
from movable.mm.filemap_cache import (
    SetPageUptodate,
    attach_page_private,
    call_fs,
    detach_page_private,
    find_get_page,
    page_has_private,
)
from movable.mm.fs import file_of
from movable.mm.page import PAGE_SIZE, put_page
from movable.mm.page_flags import ERROR, UPTODATE, WRITEBACK
from movable.mm.page_writeback import set_page_writeback

if TYPE_CHECKING:
    from movable.mm.blockdev import Disk
    from movable.mm.fs import Inode
    from movable.mm.page import Page
    from movable.mm.userspace import Userspace
    from movable.mm.vm import VM

BH_LRU_SIZE = 8
"""How many buffers each CPU keeps a reference on (the kernel keeps 16 of larger ones)."""

GetBlock = Callable[["Inode", int, "BufferHead", bool], int]
"""(file, block of the file, buffer, whether to make one): sets ``disk`` and ``blocknr`` of the buffer; 0 or a negative errno."""


class BufferHead:
    """One block of a page (struct buffer_head).

    ``page`` and ``number`` say which bytes it is, ``size`` how many, ``disk`` and ``blocknr`` where they belong, None where nowhere
    yet. ``count`` are those who use it. ``uptodate`` says that it holds what the disk holds, or newer.
    """

    __slots__ = ("_locked", "blocknr", "count", "disk", "id", "number", "page", "size", "uptodate", "vm")

    def __init__(self, page: Page, number: int, size: int) -> None:
        self.vm: VM = page.vm
        self.page = page
        self.number = number
        self.size = size
        self.disk: Disk | None = None
        self.blocknr = -1
        self.count = 0
        self.uptodate = bool(page._flags & UPTODATE)
        self.id = (page._mapping, page._index, number)
        self._locked = False

    @property
    def data(self) -> memoryview:
        """Its bytes, in the page."""
        return self.vm.map_page(self.page)[self.number * self.size : (self.number + 1) * self.size]

    def __repr__(self) -> str:
        return f"<buffer {self.number} of page {self.page.pfn}>"


def _point(bh: BufferHead, op: str, what: str = "lock") -> None:
    if bh.vm.seam is not None:
        bh.vm.seam.point(op, ("buffer", *bh.id, what))


# --- locks and counts ---


def trylock_buffer(bh: BufferHead) -> bool:
    """Take the buffer's lock if it is free; never waits."""
    _point(bh, "aw")
    if bh._locked:
        return False
    bh._locked = True
    return True


def lock_buffer(bh: BufferHead) -> None:
    """Take the buffer's lock, waiting for it. Raises SleepInAtomic under a spin lock, whether it is free or not."""
    bh.vm.might_sleep(bh)
    while not trylock_buffer(bh):
        bh.vm.wait(("buffer", *bh.id, "lock"), lambda: not bh._locked, f"the lock of {bh!r}")


def unlock_buffer(bh: BufferHead) -> None:
    """Release the buffer's lock. Raises VMBug when it is not held."""
    _point(bh, "aw")
    if not bh._locked:
        raise VMBug("F15", f"unlock_buffer of {bh!r}, which is not locked", "a locked buffer", bh.page)
    bh._locked = False


def buffer_locked(bh: BufferHead) -> bool:
    """Whether somebody holds its lock."""
    _point(bh, "ar")
    return bh._locked


def get_bh(bh: BufferHead) -> None:
    """One more uses the buffer."""
    _point(bh, "aw", "count")
    bh.count += 1


def brelse(bh: BufferHead) -> None:
    """One less uses the buffer. Raises VMBug when nobody does."""
    _point(bh, "aw", "count")
    if not bh.count:
        raise VMBug("F7", f"brelse of {bh!r}, which nobody uses", "one for every get_bh", bh.page)
    bh.count -= 1


# --- the buffers of a page ---


def page_has_buffers(page: Page) -> bool:
    """Whether the page's private data are buffers."""
    return page_has_private(page) and isinstance(page._private, list)


def page_buffers(page: Page) -> list[BufferHead]:
    """The buffers of a page, in order."""
    buffers: list[BufferHead] = page._private
    return buffers


def create_empty_buffers(page: Page, size: int) -> list[BufferHead]:
    """Hang buffers of ``size`` bytes on a locked page that has none."""
    buffers = [BufferHead(page, number, size) for number in range(PAGE_SIZE // size)]
    attach_page_private(page, buffers)
    return buffers


def try_to_free_buffers(page: Page) -> bool:
    """Take the buffers off a locked page, unless one of them is in use or the page is being written (try_to_free_buffers)."""
    if page._flags & WRITEBACK or not page_has_buffers(page):
        return False
    buffers = page_buffers(page)
    for bh in buffers:
        _point(bh, "aw", "count")
    if any(bh.count or bh._locked for bh in buffers):
        return False
    mapping = file_of(page)
    if mapping is not None and mapping.watch is not None:
        mapping.watch("release", page)
    detach_page_private(page)
    return True


def try_to_release_page(page: Page) -> bool:
    """Ask the file system to give up the private data of a locked page; whether that was done (filemap_release_folio)."""
    mapping = file_of(page)
    if page._flags & WRITEBACK:
        return False
    if mapping is not None and mapping.host.sb is not None and mapping.host.sb.ops.releasepage is not None:
        return bool(call_fs(mapping, "releasepage", page))
    return try_to_free_buffers(page)


def block_invalidatepage(page: Page) -> None:
    """The page is cut off: its blocks lead nowhere, and its buffers go as soon as nobody uses them (block_invalidatepage).

    Raises VMBug for private data that are no buffers: who has such needs an invalidatepage of its own.
    """
    if not page_has_buffers(page):
        raise VMBug("F14", "block_invalidatepage of private data that are no buffers", "an invalidatepage of one's own", page)
    user = page.vm.userspace
    if user is not None and any(bh.count for bh in page_buffers(page)):
        invalidate_bh_lrus(user)
    for bh in page_buffers(page):
        lock_buffer(bh)
        bh.disk = None
        unlock_buffer(bh)
    try_to_free_buffers(page)


# --- finding one by its block ---


def find_get_block(inode: Inode, index: int, number: int) -> BufferHead | None:
    """A buffer of a page that is in memory, with a count for the caller and one for this CPU's list (__find_get_block)."""
    user = inode.user
    for bh in user.bh_lrus[user.cpu]:
        if bh.id == (inode.mapping.addr, index, number):
            get_bh(bh)
            return bh
    page = find_get_page(inode.mapping, index)
    if page is None:
        return None
    found = None
    with inode.mapping.private_lock:
        if page_has_buffers(page):
            found = page_buffers(page)[number]
            get_bh(found)
    put_page(page)
    if found is not None:
        get_bh(found)
        lru = user.bh_lrus[user.cpu]
        lru.append(found)
        if len(lru) > BH_LRU_SIZE:
            brelse(lru.pop(0))
    return found


def invalidate_bh_lrus(user: Userspace) -> None:
    """Let go of the buffers that CPUs keep for the next look (invalidate_bh_lrus)."""
    for lru in user.bh_lrus:
        while lru:
            brelse(lru.pop())


# --- reading and writing ---


def block_read_full_page(inode: Inode, page: Page, get_block: GetBlock, size: int) -> int:
    """Read a locked page, block by block; the end of the last read unlocks it. A block that is nowhere reads as zeros."""
    buffers = page_buffers(page) if page_has_buffers(page) else create_empty_buffers(page, size)
    todo = []
    for bh in buffers:
        if bh.disk is None and not bh.uptodate:
            get_block(inode, page._index * len(buffers) + bh.number, bh, False)
        if bh.uptodate:
            continue
        if bh.disk is None:
            bh.data[:] = bytes(bh.size)
            bh.uptodate = True
        else:
            todo.append(bh)
    if not todo:
        SetPageUptodate(page)
        unlock_page(page)
    left = len(todo)

    def end(bh: BufferHead, ok: bool) -> None:
        nonlocal left
        bh.uptodate = ok
        if not ok:
            bh.page._flags |= ERROR
        unlock_buffer(bh)
        left -= 1
        if not left:
            if all(each.uptodate for each in buffers):
                SetPageUptodate(bh.page)
            unlock_page(bh.page)

    for bh in todo:
        lock_buffer(bh)
    for bh in todo:
        assert bh.disk is not None
        bh.disk.submit_bh(False, bh, end)
    return 0


def reserve_blocks(inode: Inode, page: Page, get_block: GetBlock, size: int) -> int:
    """Give every block of a locked page a place on the disk before it is written to; 0 or a negative errno (block_page_mkwrite)."""
    buffers = page_buffers(page) if page_has_buffers(page) else create_empty_buffers(page, size)
    for bh in buffers:
        if bh.disk is None:
            rc = get_block(inode, page._index * len(buffers) + bh.number, bh, True)
            if rc:
                return rc
    return 0


def block_write_full_page(inode: Inode, page: Page, get_block: GetBlock, size: int) -> int:
    """Write a locked page, block by block, and unlock it; the end of the last write ends the writeback."""
    rc = reserve_blocks(inode, page, get_block, size)
    if rc:
        inode.mapping.wb_err = rc
        unlock_page(page)
        return rc
    buffers = page_buffers(page)
    for bh in buffers:
        lock_buffer(bh)
        bh.uptodate = True
    set_page_writeback(page)
    unlock_page(page)
    left = len(buffers)

    def end(bh: BufferHead, ok: bool) -> None:
        nonlocal left
        if not ok:
            mapping = file_of(bh.page)
            bh.page._flags |= ERROR
            if mapping is not None:
                mapping.wb_err = -EIO
        unlock_buffer(bh)
        left -= 1
        if not left:
            end_page_writeback(bh.page)

    for bh in buffers:
        assert bh.disk is not None
        bh.disk.submit_bh(True, bh, end)
    return 0
