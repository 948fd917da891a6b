"""Files, and the operations of the file system that they are on (include/linux/fs.h).

A file's pages are in ``mapping.i_pages``, by page of the file; the mapping holds a reference on each. ``i_mmap`` are the areas
that map the file. A file without a file system is one in memory of the core itself: shared anonymous areas, tmpfs (shmem.py).
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any, NamedTuple

from movable.errors import UsageError
from movable.mm.address_space import AddressSpace, MovableOperations
from movable.mm.mempolicy import SharedPolicy
from movable.mm.page import put_page
from movable.mm.rwsem import RWSem

if TYPE_CHECKING:
    from movable.mm.locks import SpinLock
    from movable.mm.mempolicy import Mempolicy
    from movable.mm.mm_types import VMA
    from movable.mm.page import Page
    from movable.mm.userspace import Userspace
    from movable.mm.vm import VM

NO_CALLBACKS = MovableOperations(None, None, None)


class FileOperations(NamedTuple):
    """What a file system does, bound (struct address_space_operations). Only ``readpage`` must be there.

    ``readpage(inode, page)``: fill a locked page of a file, say that it is up to date, and unlock it, now or when the read ends.
    ``writepage(page)``: write a locked, clean page; set PG_writeback, unlock, and end the writeback when the write ends.
    ``write_begin(inode, page)``: the locked page will be written to, by a call or through a mapping: reserve what that needs.
    ``migratepage(mapping, newpage, page, mode)``: move a page. Without it the core writes dirty pages out and moves clean ones.
    ``releasepage(page)``: give up the private data of a locked page; whether that was done.
    ``invalidatepage(page)``: the locked page is cut off: its private data must go.
    ``evict_inode(inode)``: the file goes, all its pages being gone.
    ``truncate(inode)``: the file is shorter, its pages beyond ``inode.size`` are gone; what lay there reads as zeros from now on.
    Those that return a number return 0 or a negative errno.
    """

    readpage: Callable[[Inode, Page], int]
    writepage: Callable[[Page], int] | None
    write_begin: Callable[[Inode, Page], int] | None
    migratepage: Callable[[AddressSpace, Page, Page, int], int] | None
    releasepage: Callable[[Page], bool] | None
    invalidatepage: Callable[[Page], object] | None
    evict_inode: Callable[[Inode], object] | None
    truncate: Callable[[Inode], object] | None


class SuperBlock:
    """A mounted file system (struct super_block): ``fs`` is the plug-in's instance, ``ops`` are its operations, ``inodes`` its
    files by path, ``name`` is what it is called. ``secret`` says that nobody but those who map its pages may look into them, as of
    memfd_secret: pins of them fail."""

    def __init__(self, user: Userspace, fs: Any, name: str, ops: FileOperations) -> None:
        self.user = user
        self.fs = fs
        self.name = name
        self.ops = ops
        self.secret = bool(getattr(fs, "secret", False))
        self.inodes: dict[str, Inode] = {}

    def create(self, path: str, size: int = 0) -> Inode:
        """A new file of ``size`` pages. Raises UsageError where there is one of that name."""
        if path in self.inodes:
            raise UsageError(f"{path} exists")
        inode = self.inodes[path] = Inode(self.user, path, size, sb=self)
        return inode

    def __repr__(self) -> str:
        return f"<file system {self.name}>"


def bind_filesystem(fs: Any) -> FileOperations:
    """The operations of a file system's instance, None for those that it does not have."""
    found: list[Any] = [getattr(fs, name, None) for name in FileOperations._fields]
    return FileOperations(*found)


def mount(vm: VM, factory: Callable[[VM], Any], name: str = "") -> SuperBlock:
    """Make a file system of ``factory(vm)`` and mount it. Raises UsageError for one that cannot read."""
    from movable.mm.userspace import userspace

    fs = factory(vm)
    ops = bind_filesystem(fs)
    if not callable(ops.readpage):
        raise UsageError(f"{type(fs).__name__} has no readpage(inode, page), which every file system must have")
    return SuperBlock(userspace(vm), fs, name or type(fs).__name__, ops)


class FileMapping(AddressSpace):
    """The page cache of one file (struct address_space).

    ``i_pages`` are its pages by page number in the file, ``i_mmap`` the areas that map it, under ``i_mmap_rwsem``.
    ``i_rwsem`` is held by who writes to the file or cuts it off. ``wb_err`` is the error of a write that nobody was told of yet.
    ``private_lock`` guards who finds buffers by block. ``watch``, if there is one, hears of each page that hands its place over
    ("move"), whose dirty flag is taken for a write ("write"), and whose buffers are freed ("release"). ``swapped`` are
    the slots that hold pages of a file in memory, by page number.
    """

    __slots__ = ("_private_lock", "i_mmap", "i_mmap_rwsem", "i_pages", "i_rwsem", "swapped", "watch", "wb_err")

    if TYPE_CHECKING:
        host: Inode

    def __init__(self, addr: int, name: str, host: Inode) -> None:
        user: Userspace = host.user
        super().__init__(addr, name, NO_CALLBACKS, host)
        self.i_pages: dict[int, Page] = {}
        self.swapped: dict[int, int] = {}
        self.i_mmap: list[VMA] = []
        self.i_mmap_rwsem = RWSem(user.vm, f"i_mmap_rwsem of {name}")
        self.i_rwsem = RWSem(user.vm, f"i_rwsem of {name}")
        self.wb_err = 0
        self.watch: Callable[[str, Page], object] | None = None
        self._private_lock: SpinLock | None = None

    @property
    def private_lock(self) -> SpinLock:
        """Made on first use."""
        if self._private_lock is None:
            user: Userspace = self.host.user
            self._private_lock = user.vm.spinlock(f"private_lock of {self.name}")
        return self._private_lock


def file_of(page: Page) -> FileMapping | None:
    """The mapping of a page of a file, under its lock; None for a page that is in no file, or not any more."""
    mapping = page.vm.address_spaces.get(page._mapping)
    return mapping if isinstance(mapping, FileMapping) else None


class Inode:
    """A file.

    ``path`` is how /proc shows it, ``ino`` its number, ``size`` in pages, ``policy`` the policies of its ranges, ``uid`` its
    owner. ``linked`` says that it has a name; a file without one goes with its last mapping. ``sb`` is the file system that it is
    on, None for one of the core's own in memory; ``private`` belongs to the file system.
    """

    __slots__ = ("ino", "linked", "mapping", "path", "policy", "private", "sb", "size", "uid", "user")

    def __init__(
        self,
        user: Userspace,
        path: str,
        size: int,
        *,
        ino: int = 0,
        uid: int = 0,
        linked: bool = True,
        sb: SuperBlock | None = None,
    ) -> None:
        user.inodes += 1
        self.user: Userspace = user
        self.path = path
        self.ino = ino or user.inodes
        self.size = size
        self.uid = uid
        self.linked = linked
        self.sb = sb
        self.private: Any = None
        self.policy = SharedPolicy()
        vm = user.vm
        addr = vm._next_address
        vm._next_address += 0x40
        self.mapping: FileMapping = FileMapping(addr, path, self)
        vm.address_spaces[addr] = self.mapping

    def evict(self) -> None:
        """The file goes, and its pages with it (evict_inode)."""
        if self.sb is not None:
            self._evict_from(self.sb)
            return
        pages, self.mapping.i_pages = self.mapping.i_pages, {}
        for page in pages.values():
            page._mapping = 0
            put_page(page)
        if self.mapping.swapped:
            from movable.mm.swapfile import swap_forget

            swap_forget(self.mapping, 0)
        self.user.vm.address_spaces.pop(self.mapping.addr, None)

    def _evict_from(self, sb: SuperBlock) -> None:
        from movable.mm.filemap_cache import call_fs
        from movable.mm.truncate import truncate_inode_pages

        self.size = 0
        truncate_inode_pages(self, 0)
        if sb.ops.evict_inode is not None:
            call_fs(self.mapping, "evict_inode", self)
        sb.inodes.pop(self.path, None)
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
            vma.mm.user.area_index.forget()

    def unmapped(self, vma: VMA) -> None:
        """An area does not map the file any more; the last one takes a file without a name with it."""
        with self.mapping.i_mmap_rwsem.write():
            self.mapping.i_mmap.remove(vma)
            vma.mm.user.area_index.forget()
        if not self.mapping.i_mmap and not self.inode.linked:
            self.inode.evict()
