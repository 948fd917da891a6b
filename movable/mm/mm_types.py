"""mm_struct and vm_area_struct: the memory of a process as its page tables and areas say (include/linux/mm_types.h).

Addresses are virtual page numbers (address / 4096) everywhere but at the door of a system call. A page table is a dict from
virtual page number to entry (see pgtable.py); a number that is missing is pte_none.
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Hashable, Sequence
from operator import attrgetter
from typing import TYPE_CHECKING

from movable.mm.pgtable import PTE_ACCESSED, PTE_PRESENT, PTE_PROTNONE, PTE_RW
from movable.mm.rwsem import RWSem

if TYPE_CHECKING:
    from movable.mm.fs import File
    from movable.mm.mempolicy import Mempolicy
    from movable.mm.rmap import AnonVma
    from movable.mm.userspace import Userspace

VM_READ = 0x01
VM_WRITE = 0x02
VM_SHARED = 0x08
VM_LOCKED = 0x2000
VM_ACCOUNT = 0x100000
VM_ACCESS_FLAGS = VM_READ | VM_WRITE

TASK_SIZE = (1 << 47) - 4096
"""First byte that no process can map."""
TASK_PAGES = TASK_SIZE >> 12

_end = attrgetter("end")


class VMA:
    """One area: pages ``start`` up to ``end`` with the same attributes.

    ``flags`` are VM_* bits, ``file`` what is mapped there (None: anonymous), ``pgoff`` the offset in the file, or the first page
    number of an anonymous area when it was made. ``policy`` is its own memory policy. ``anon_vma`` is what its own anonymous
    pages name, ``anon_vma_chain`` all that pages mapped here may name. ``name`` is for /proc ("heap", "stack").
    """

    __slots__ = ("anon_vma", "anon_vma_chain", "end", "file", "flags", "mm", "name", "pgoff", "policy", "start")

    def __init__(self, mm: MmStruct, start: int, end: int, flags: int, file: File | None = None, pgoff: int = 0) -> None:
        self.mm = mm
        self.start = start
        self.end = end
        self.flags = flags
        self.file = file
        self.pgoff = pgoff
        self.policy: Mempolicy | None = None
        self.anon_vma: AnonVma | None = None
        self.anon_vma_chain: list[AnonVma] = []
        self.name = ""

    @property
    def page_prot(self) -> int:
        """The bits of a fresh entry (vm_page_prot).

        It is writable at once only where nobody else's copy could be meant, and no file system wants to hear of a first write.
        """
        flags = self.flags
        if not flags & VM_ACCESS_FLAGS:
            return PTE_PROTNONE | PTE_ACCESSED
        if flags & VM_SHARED and flags & VM_WRITE and (self.file is None or self.file.inode.sb is None):
            return PTE_PRESENT | PTE_ACCESSED | PTE_RW
        return PTE_PRESENT | PTE_ACCESSED

    def location(self, vpn: int) -> Hashable:
        """Where an entry of the area lies, for who watches, with the content that it leads to.

        Entries of a file's area share it with all others of that page of the file, since what one process writes the next one
        reads; those of anonymous memory are their process's own. It stays the same when the page behind it moves.
        """
        if self.file is None:
            return ("pte", self.mm.name, vpn)
        return ("file page", self.file.path, self.pgoff + vpn - self.start)

    def __repr__(self) -> str:
        what = self.file.path if self.file is not None else "anonymous"
        return f"<vma {self.start << 12:#x}-{self.end << 12:#x} {what}>"


class MmStruct:
    """The memory of one process, shared by its tasks.

    ``vmas`` are its areas in address order, ``pgtable`` its page table entries, ``locked_vm`` the pages of VM_LOCKED areas.
    ``mmap_lock`` is held by who uses the areas, and alone by who changes them. ``users`` are the process, until it exits, and those
    who move its pages (mm_users).
    """

    __slots__ = ("locked_vm", "mmap_lock", "name", "pgtable", "user", "users", "vmas")

    def __init__(self, user: Userspace, name: str) -> None:
        self.user = user
        self.name = name
        self.vmas: list[VMA] = []
        self.pgtable: dict[int, int] = {}
        self.locked_vm = 0
        self.users = 1
        self.mmap_lock = RWSem(user.vm, f"mmap_lock of {name}")

    def index_of(self, vpn: int) -> int:
        """Where in ``vmas`` the first area is that ends behind a page, or one that begins there belongs."""
        return bisect_right(self.vmas, vpn, key=_end)

    def find_vma(self, vpn: int) -> VMA | None:
        """The first area that ends behind a page: it holds the page or lies above it (find_vma)."""
        vmas = self.vmas
        at = bisect_right(vmas, vpn, key=_end)
        return vmas[at] if at < len(vmas) else None

    def vma_lookup(self, vpn: int) -> VMA | None:
        """The area that holds a page (vma_lookup)."""
        vma = self.find_vma(vpn)
        return vma if vma is not None and vma.start <= vpn else None

    def present(self, start: int, end: int) -> Sequence[int]:
        """The page numbers in a range that have an entry, in order."""
        table = self.pgtable
        if end - start <= 2 * len(table):
            return [vpn for vpn in range(start, end) if vpn in table]
        return sorted(vpn for vpn in table if start <= vpn < end)

    def __repr__(self) -> str:
        return f"<mm of {self.name}>"
