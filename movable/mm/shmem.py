"""Files in memory: tmpfs, and what lies behind shared anonymous areas (mm/shmem.c, mm/filemap.c).

A file's pages are in ``mapping.i_pages``, by page of the file; the mapping holds a reference on each. ``i_mmap`` are the areas
that map the file.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from movable.mm.address_space import AddressSpace, MovableOperations
from movable.mm.filemap import lock_page, unlock_page
from movable.mm.gfp import GFP_HIGHUSER_MOVABLE, GFP_ZERO
from movable.mm.mempolicy import SharedPolicy, alloc_page_mpol
from movable.mm.page import get_page, get_page_unless_zero, put_page
from movable.mm.page_flags import PG_swapbacked, PG_uptodate
from movable.mm.rwsem import RWSem
from movable.mm.swap import lru_cache_add

if TYPE_CHECKING:
    from movable.mm.mempolicy import Mempolicy
    from movable.mm.mm_types import VMA
    from movable.mm.page import Page
    from movable.mm.process import Process
    from movable.mm.seam import Seam
    from movable.mm.userspace import Userspace

NO_CALLBACKS = MovableOperations(None, None, None)
FRESH = 1 << PG_swapbacked | 1 << PG_uptodate


class FileMapping(AddressSpace):
    """The page cache of one file (struct address_space).

    ``i_pages`` are its pages by page number in the file, ``i_mmap`` the areas that map it, under
    ``i_mmap_rwsem``.
    """

    __slots__ = ("i_mmap", "i_mmap_rwsem", "i_pages")

    def __init__(self, addr: int, name: str, host: Inode) -> None:
        super().__init__(addr, name, NO_CALLBACKS, host)
        self.i_pages: dict[int, Page] = {}
        self.i_mmap: list[VMA] = []
        self.i_mmap_rwsem = RWSem(host.user.vm, f"i_mmap_rwsem of {name}")


class Inode:
    """A file in memory.

    ``path`` is how /proc shows it, ``ino`` its number, ``size`` in pages, ``policy`` the policies of its ranges, ``uid`` its
    owner. ``linked`` says that it has a name; a file without one goes with its last mapping.
    """

    __slots__ = ("ino", "linked", "mapping", "path", "policy", "size", "uid", "user")

    def __init__(self, user: Userspace, path: str, size: int, *, ino: int = 0, uid: int = 0, linked: bool = True) -> None:
        user.inodes += 1
        self.user = user
        self.path = path
        self.ino = ino or user.inodes
        self.size = size
        self.uid = uid
        self.linked = linked
        self.policy = SharedPolicy()
        vm = user.vm
        addr = vm._next_address
        vm._next_address += 0x40
        self.mapping = FileMapping(addr, path, self)
        vm.address_spaces[addr] = self.mapping

    def evict(self) -> None:
        """The file goes, and its pages with it (shmem_evict_inode)."""
        pages, self.mapping.i_pages = self.mapping.i_pages, {}
        for page in pages.values():
            page._mapping = 0
            put_page(page)
        self.user.vm.address_spaces.pop(self.mapping.addr, None)

    def __repr__(self) -> str:
        return f"<file {self.path}>"


class File:
    """An open file: what areas map. Areas merge only where they map the same one (struct file)."""

    __slots__ = ("inode", "mapping", "policy")

    def __init__(self, inode: Inode) -> None:
        self.inode = inode
        self.mapping = inode.mapping
        self.policy = inode.policy

    @property
    def path(self) -> str:
        """How /proc shows the file."""
        return self.inode.path

    @property
    def ino(self) -> int:
        """The inode's number."""
        return self.inode.ino

    def set_policy(self, vma: VMA, policy: Mempolicy | None) -> None:
        """Give the pages that an area maps a policy (shmem_set_policy)."""
        self.policy.replace(vma.pgoff, vma.pgoff + vma.end - vma.start, policy)

    def mapped(self, vma: VMA) -> None:
        """An area begins to map the file."""
        with self.mapping.i_mmap_rwsem.write():
            self.mapping.i_mmap.append(vma)

    def unmapped(self, vma: VMA) -> None:
        """An area does not map the file any more; the last one takes a file without a name with it."""
        with self.mapping.i_mmap_rwsem.write():
            self.mapping.i_mmap.remove(vma)
        if not self.mapping.i_mmap and not self.inode.linked:
            self.inode.evict()


def shmem_file(user: Userspace, pages: int, ino: int = 0) -> Inode:
    """The hidden file behind a shared anonymous area (shmem_zero_setup)."""
    return Inode(user, "/dev/zero (deleted)", pages, ino=ino, linked=False)


def shmem_get_page(task: Process, inode: Inode, index: int) -> Page | None:
    """A page of the file with a reference for the caller, allocated by the file's policy or the task's where it is missing.

    The interleave index counts the inode's number. None when there is no memory. mirrors mm/shmem.c, shmem_get_folio.
    """
    mapping = inode.mapping
    seam = inode.user.vm.seam
    if seam is not None:
        return _get_locked(task, inode, index, seam)
    page = mapping.i_pages.get(index)
    if page is not None:
        get_page(page)
        return page
    return _add_page(task, inode, index)


def _get_locked(task: Process, inode: Inode, index: int, seam: Seam) -> Page | None:
    """The page, locked and with a reference: what is looked up may be on its way, or gone, until its lock is held."""
    pages = inode.mapping.i_pages
    while True:
        seam.point("ar", ("i_pages", inode.path))
        page = pages.get(index)
        if page is None:
            with inode.mapping.i_mmap_rwsem.write():
                if index in pages:
                    continue
                page = _add_page(task, inode, index)
        elif not get_page_unless_zero(page):
            continue
        if page is None:
            return None
        lock_page(page)
        if page._mapping == inode.mapping.addr and pages.get(index) is page:
            return page
        unlock_page(page)
        put_page(page)


def _add_page(task: Process, inode: Inode, index: int) -> Page | None:
    mapping = inode.mapping
    policy = inode.policy.lookup(index) or task.mempolicy
    page = alloc_page_mpol(task, policy, index + inode.ino, GFP_HIGHUSER_MOVABLE | GFP_ZERO)
    if page is None:
        return None
    page._mapping = mapping.addr
    page._index = index
    page._flags |= FRESH
    mapping.i_pages[index] = page
    get_page(page)
    lru_cache_add(task.user, page, task.cpu)
    return page
