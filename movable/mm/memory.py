"""Page faults, and taking pages in and out of page tables (mm/memory.c).

What the processor does is here too: it looks at an entry, sets its accessed and dirty bits, and faults where it may not go on.
A fault that meets a migration entry waits for the page's lock and tries again.
"""

from __future__ import annotations

from collections.abc import Hashable
from errno import ENOMEM
from typing import TYPE_CHECKING

from movable.errors import MovableError
from movable.mm.filemap import lock_page, unlock_page
from movable.mm.filemap_cache import filemap_get_page, write_begin
from movable.mm.gfp import GFP_HIGHUSER_MOVABLE, GFP_ZERO
from movable.mm.mempolicy import alloc_page_vma
from movable.mm.migrate_lru import copy_user_page
from movable.mm.mm_types import VM_ACCESS_FLAGS, VM_SHARED, VM_WRITE
from movable.mm.page import get_page_unless_zero, put_page
from movable.mm.page_flags import DIRTY, LOCKED, LRU, PAGE_MAPPING_ANON, UPTODATE
from movable.mm.page_writeback import set_page_dirty
from movable.mm.pgtable import (
    PTE_ACCESSED,
    PTE_DIRTY,
    PTE_PRESENT,
    PTE_RW,
    PTE_SHIFT,
    PTE_SPECIAL,
    PTE_SWAP,
    PTE_THERE,
    PTRS_PER_PTE,
)
from movable.mm.rmap import (
    EXCLUSIVE,
    PTE_EXCLUSIVE,
    PageAnon,
    anon_vma_prepare,
    mappings,
    page_add_new_anon_rmap,
    page_add_rmap,
    page_move_anon_rmap,
    page_remove_rmap,
    rmap_lock,
)
from movable.mm.shmem import shmem_get_page
from movable.mm.swap import lru_add_drain_cpu, lru_cache_add, mark_page_accessed
from movable.mm.swapfile import add_to_swap_cache, swap_duplicate, swap_free, swap_readpage

if TYPE_CHECKING:
    from movable.mm.fs import Inode
    from movable.mm.mm_types import VMA, MmStruct
    from movable.mm.page import Page
    from movable.mm.process import Process
    from movable.mm.seam import Seam
    from movable.mm.vm import VM

SIGBUS, SIGSEGV = 7, 11
ANON_GFP = GFP_HIGHUSER_MOVABLE | GFP_ZERO
MAX_FAULTS = 1000
"""How often one access may fault before it is an error of the model."""


class OutOfMemory(MovableError):
    """A fault found no free page anywhere it may look; a kernel would kill a process now."""


def vm_normal_page(vm: VM, pte: int) -> Page | None:
    """The page behind a present entry; None for the zero page (vm_normal_page)."""
    return None if pte & PTE_SPECIAL else vm.pages[pte >> PTE_SHIFT]


# --- the processor's side ---


def do_user_addr_fault(task: Process, vpn: int, write: bool) -> tuple[int, Page | None]:
    """Access one page: (0, the page), or (SIGSEGV or SIGBUS, None). Raises OutOfMemory when no page can be had."""
    mm = task.mm
    if mm is None:
        return SIGSEGV, None
    if task.user.vm.seam is not None:
        return _access_watched(task, mm, vpn, write, task.user.vm.seam)
    table = mm.pgtable
    need = PTE_PRESENT | PTE_RW if write else PTE_PRESENT
    used = PTE_ACCESSED | PTE_DIRTY if write else PTE_ACCESSED
    for _ in range(MAX_FAULTS):
        pte = table.get(vpn, 0)
        if pte & need == need:
            if pte & used != used:
                table[vpn] = pte | used
            return 0, task.user.vm.pages[pte >> PTE_SHIFT]
        vma = mm.vma_lookup(vpn)
        if vma is None or not vma.flags & (VM_WRITE if write else VM_ACCESS_FLAGS):
            return SIGSEGV, None
        signo = handle_mm_fault(task, vma, vpn, write)
        if signo:
            return signo, None
    raise still_faults(mm, vpn)


def _access_watched(task: Process, mm: MmStruct, vpn: int, write: bool, seam: Seam) -> tuple[int, Page | None]:
    """An access is one step, before or after every change of the entry and every copy of the page: the processor's table of
    entries is flushed before a changed entry counts. So the entry is looked at again once the step is announced."""
    table = mm.pgtable
    need = PTE_PRESENT | PTE_RW if write else PTE_PRESENT
    for _ in range(MAX_FAULTS):
        seam.point("aw" if write else "ar", entry_location(mm, vpn))
        pte = table.get(vpn, 0)
        if pte & need == need:
            table[vpn] = pte | (PTE_ACCESSED | PTE_DIRTY if write else PTE_ACCESSED)
            page = task.user.vm.pages[pte >> PTE_SHIFT]
            seam.event("access", page, mm=mm.name, vpn=vpn, write=write)
            return 0, page
        with mm.mmap_lock.read():
            vma = mm.vma_lookup(vpn)
            if vma is None or not vma.flags & (VM_WRITE if write else VM_ACCESS_FLAGS):
                return SIGSEGV, None
            signo = handle_mm_fault(task, vma, vpn, write)
        if signo:
            return signo, None
    raise still_faults(mm, vpn)


def still_faults(mm: MmStruct, vpn: int) -> MovableError:
    """What to raise for an access that has faulted MAX_FAULTS times."""
    return MovableError(f"page {vpn:#x} of {mm!r} still faults after {MAX_FAULTS} times")


def entry_location(mm: MmStruct, vpn: int) -> Hashable:
    """Where an entry lies for who watches; see VMA.location."""
    vma = mm.vma_lookup(vpn)
    return ("pte", mm.name, vpn) if vma is None else vma.location(vpn)


def still(vma: VMA, vpn: int, pte: int) -> bool:
    """Whether an entry is what it was when its fault began; what follows is one step with the answer (pte_same).

    It may differ without other tasks too: an allocation on the way may have swapped the page out.
    """
    seam = vma.mm.user.vm.seam
    if seam is not None:
        seam.point("aw", vma.location(vpn))
    return not (vma.mm.pgtable.get(vpn, 0) ^ pte) & ~(PTE_ACCESSED | PTE_DIRTY)


def handle_mm_fault(task: Process, vma: VMA, vpn: int, write: bool) -> int:
    """Serve one fault; returns 0, and the access is tried again, or SIGBUS (handle_mm_fault)."""
    table = vma.mm.pgtable
    pte = table.get(vpn, 0)
    if not pte:
        return do_anonymous_page(task, vma, vpn, write) if vma.file is None else do_fault(task, vma, vpn, write)
    if pte & PTE_SWAP:
        return do_swap_page(task, vma, vpn, pte)
    if not pte & PTE_THERE:
        return migration_entry_wait(task, vma, vpn, pte)
    if write and not pte & PTE_RW:
        return do_wp_page(task, vma, vpn, pte)
    table[vpn] = pte | (PTE_ACCESSED | PTE_DIRTY if write else PTE_ACCESSED)
    return 0


def migration_entry_wait(task: Process, vma: VMA, vpn: int, pte: int) -> int:
    """The page is on its way: sleep until it is unlocked, then look again (migration_entry_wait).

    Up to 5.19 with a reference to it, so that this try to move it fails.
    """
    vm = task.user.vm
    page = vm.pages[pte >> PTE_SHIFT]
    holds = vm.era.migration_wait_takes_ref
    if holds and not _hold_entry(page, vma, vpn, pte):
        return 0
    vm.wait(
        ("page", page.pfn, "lock"),
        lambda: not page._flags & LOCKED,
        f"page {page.pfn} to arrive where it migrates to",
    )
    if holds:
        put_page(page)
    return 0


def _hold_entry(page: Page, vma: VMA, vpn: int, pte: int) -> bool:
    """Take a reference to the page of a migration entry, under the lock of the table: while the entry is there."""
    if not still(vma, vpn, pte):
        return False
    seam = page.seam
    if seam is not None:
        seam.change(page, "refs")
    if vma.mm.pgtable.get(vpn, 0) != pte or not page._refcount:
        return False
    page._refcount += 1
    if seam is not None:
        seam.event("get_page", page)
    return True


def do_swap_page(task: Process, vma: VMA, vpn: int, pte: int) -> int:
    """The page is in a slot of the swap device: read it back, unless the cache still has it (do_swap_page)."""
    space = task.user.swap
    assert space is not None
    slot = pte >> PTE_SHIFT
    if task.user.vm.seam is not None:
        task.user.vm.seam.point("ar", ("swap", slot))
    page = space.i_pages.get(slot)
    if page is not None:
        if not get_page_unless_zero(page):
            return 0
    else:
        page = alloc_page_vma(task, vma, vpn, GFP_HIGHUSER_MOVABLE)
        if page is None:
            raise _oom(task, vpn)
        if not swap_readpage(space, page, slot):
            put_page(page)
            return SIGBUS
        if slot in space.i_pages or not space.swap_map.get(slot):  # somebody was faster
            put_page(page)
            return 0
        add_to_swap_cache(space, page, slot)
        lru_cache_add(task.user, page, task.cpu)
    lock_page(page)
    mapped = still(vma, vpn, pte) and space.i_pages.get(slot) is page
    if mapped:
        _map_swapped(vma, vpn, pte, page)
        swap_free(space, slot, locked=True)
    unlock_page(page)
    if not mapped:
        put_page(page)
    return 0


def _map_swapped(vma: VMA, vpn: int, pte: int, page: Page) -> None:
    """Map a page of the swap cache again; a first write faults, and finds whether it is the process's alone."""
    if page._mapcount >= 0:
        page_add_rmap(page, vma)
    else:
        page_add_new_anon_rmap(page, vma, vpn)
    if pte & PTE_EXCLUSIVE:
        page._flags |= EXCLUSIVE
    else:
        assert vma.anon_vma is not None
        page._flags &= ~EXCLUSIVE
        page._mapping = vma.anon_vma.root.addr | PAGE_MAPPING_ANON  # whoever shares the slot can be found from there
    vma.mm.pgtable[vpn] = page.pfn << PTE_SHIFT | vma.page_prot


# --- faults ---


def _oom(task: Process, vpn: int) -> OutOfMemory:
    return OutOfMemory(
        f"process {task.pid} ({task.comm}) needs a page at {vpn << 12:#x} and there is none on the nodes it may use; "
        "give the machine more memory"
    )


def do_anonymous_page(task: Process, vma: VMA, vpn: int, write: bool) -> int:
    """The first use of a page of an anonymous area: a read maps the zero page, a write a fresh one."""
    table = vma.mm.pgtable
    if not write:
        if still(vma, vpn, 0):
            table[vpn] = task.user.zero_page.pfn << PTE_SHIFT | vma.page_prot | PTE_SPECIAL
        return 0
    if vma.anon_vma is None:
        anon_vma_prepare(vma)
    page = alloc_page_vma(task, vma, vpn, ANON_GFP)
    if page is None:
        raise _oom(task, vpn)
    if not still(vma, vpn, 0):
        put_page(page)
        return 0
    page_add_new_anon_rmap(page, vma, vpn)
    table[vpn] = page.pfn << PTE_SHIFT | vma.page_prot | PTE_RW | PTE_DIRTY
    lru_cache_add(task.user, page, task.cpu)
    return 0


def do_fault(task: Process, vma: VMA, vpn: int, write: bool) -> int:
    """The first use of a page of a file's area: read, copy on write, or write to the shared page."""
    if not write:
        return _do_read_fault(task, vma, vpn)
    if vma.flags & VM_SHARED:
        return _do_shared_fault(task, vma, vpn)
    return _do_cow_fault(task, vma, vpn)


def _file_page(task: Process, vma: VMA, vpn: int, write: bool = False) -> Page | None:
    """The file's page behind an address, with a reference; None beyond its end, and where it cannot be read, or written to.

    It is locked where it is a file system's, and where somebody watches.
    """
    assert vma.file is not None
    inode = vma.file.inode
    index = vma.pgoff + vpn - vma.start
    if index >= inode.size:
        return None
    if inode.sb is not None:
        return _of_filesystem(task, inode, index, vpn, write)
    page = shmem_get_page(task, inode, index)
    if page == -ENOMEM:
        raise _oom(task, vpn)
    return None if isinstance(page, int) else page


def _of_filesystem(task: Process, inode: Inode, index: int, vpn: int, write: bool) -> Page | None:
    rc, page = filemap_get_page(task, inode, index)
    if rc == -ENOMEM:
        raise _oom(task, vpn)
    if page is not None and write:
        if write_begin(inode, page):
            unlock_page(page)
            put_page(page)
            return None
        set_page_dirty(page)
    return page


def _is_locked(vma: VMA, page: Page) -> bool:
    """Whether ``_file_page`` gave the page locked."""
    return page.seam is not None or (vma.file is not None and vma.file.inode.sb is not None)


def _map_file_page(vma: VMA, vpn: int, page: Page, pte: int) -> bool:
    """Map a page that ``_file_page`` gave, which is locked where it could go away meanwhile."""
    mapped = still(vma, vpn, 0)
    if mapped:
        vma.mm.pgtable[vpn] = pte
        page_add_rmap(page, vma)
    if _is_locked(vma, page):
        unlock_page(page)
    if not mapped:
        put_page(page)
    return mapped


def _do_read_fault(task: Process, vma: VMA, vpn: int) -> int:
    window = task.user.fault_around
    if window > 1 and _do_fault_around(vma, vpn, window):
        return 0
    page = _file_page(task, vma, vpn)
    if page is None:
        return SIGBUS
    _map_file_page(vma, vpn, page, page.pfn << PTE_SHIFT | vma.page_prot)
    return 0


def _do_fault_around(vma: VMA, vpn: int, window: int) -> bool:
    """Map what the file already has in memory around the address; whether that served the fault (do_fault_around)."""
    assert vma.file is not None
    table, cached, size = vma.mm.pgtable, vma.file.mapping.i_pages, vma.file.inode.size
    start = max(vpn - vpn % window, vma.start)
    end = min(start + window, vma.end, start - start % PTRS_PER_PTE + PTRS_PER_PTE)
    for at in range(start, end):
        index = vma.pgoff + at - vma.start
        page = cached.get(index)
        if page is None or at in table or index >= size:
            continue
        if page._flags & LOCKED or not page._refcount or not page._flags & UPTODATE:
            continue  # on its way: the fault itself will wait for it
        page._refcount += 1
        page_add_rmap(page, vma)
        table[at] = page.pfn << PTE_SHIFT | vma.page_prot
    return vpn in table


def _do_shared_fault(task: Process, vma: VMA, vpn: int) -> int:
    page = _file_page(task, vma, vpn, write=True)
    if page is None:
        return SIGBUS
    page._flags |= DIRTY
    _map_file_page(vma, vpn, page, page.pfn << PTE_SHIFT | vma.page_prot | PTE_RW | PTE_DIRTY)
    return 0


def _do_cow_fault(task: Process, vma: VMA, vpn: int) -> int:
    anon_vma_prepare(vma)
    source = _file_page(task, vma, vpn)
    if source is None:
        return SIGBUS
    try:
        _map_copy(task, vma, vpn, source, 0)
    except OutOfMemory:
        _let_go(vma, source)
        raise
    _let_go(vma, source)
    return 0


def _let_go(vma: VMA, page: Page) -> None:
    """A page that ``_file_page`` gave is not needed any more."""
    if _is_locked(vma, page):
        unlock_page(page)
    put_page(page)


def _map_copy(task: Process, vma: VMA, vpn: int, source: Page | None, old: int) -> bool:
    """A fresh anonymous page at an address with what ``source`` holds, zeros for None; False when the entry is not ``old`` now."""
    page = alloc_page_vma(task, vma, vpn, ANON_GFP if source is None else GFP_HIGHUSER_MOVABLE)
    if page is None:
        raise _oom(task, vpn)
    if source is not None:
        copy_user_page(page, source)
    if not still(vma, vpn, old):
        put_page(page)
        return False
    page_add_new_anon_rmap(page, vma, vpn)
    rights = PTE_RW if vma.flags & VM_WRITE else 0
    vma.mm.pgtable[vpn] = page.pfn << PTE_SHIFT | vma.page_prot | rights | PTE_DIRTY
    lru_cache_add(task.user, page, task.cpu)
    return True


def do_wp_page(task: Process, vma: VMA, vpn: int, pte: int) -> int:
    """A write to a page that is mapped without write permission: use it again, or copy it (do_wp_page)."""
    page = vm_normal_page(task.user.vm, pte)
    table = vma.mm.pgtable
    if vma.flags & VM_SHARED:
        if vma.file is not None and vma.file.inode.sb is not None:
            return _page_mkwrite(task, vma, vpn, pte)
        if still(vma, vpn, pte):
            table[vpn] = pte | PTE_RW | PTE_DIRTY | PTE_ACCESSED
            if page is not None:
                page._flags |= DIRTY
        return 0
    if page is not None and PageAnon(page) and _may_reuse(task, vma, page, vpn, pte):
        return 0
    anon_vma_prepare(vma)
    if page is None:
        _map_copy(task, vma, vpn, None, pte)
    elif still(vma, vpn, pte):
        _wp_page_copy(task, vma, vpn, page, pte)
    return 0


def _wp_page_copy(task: Process, vma: VMA, vpn: int, page: Page, pte: int) -> None:
    """A copy takes the place of a page, which is held until it has (wp_page_copy)."""
    page._refcount += 1
    try:
        copied = _map_copy(task, vma, vpn, page, pte)
    except OutOfMemory:
        put_page(page)
        raise
    if copied:
        page_remove_rmap(page, vma)
        put_page(page)  # the mapping's
    put_page(page)  # ours


def _page_mkwrite(task: Process, vma: VMA, vpn: int, pte: int) -> int:
    """The first write through a mapping since the page was read, or written out: its file system makes it ready (page_mkwrite)."""
    page = _file_page(task, vma, vpn, write=True)
    if page is None:
        return SIGBUS
    if still(vma, vpn, pte) and pte >> PTE_SHIFT == page.pfn:
        vma.mm.pgtable[vpn] = pte | PTE_RW | PTE_DIRTY | PTE_ACCESSED
    unlock_page(page)
    put_page(page)
    return 0


def _may_reuse(task: Process, vma: VMA, page: Page, vpn: int, pte: int) -> bool:
    """Whether this mapping is all that is left of a page that was shared: then it is this process's alone again, and writable."""
    if not page._flags & EXCLUSIVE:
        if page._refcount > 3:
            return False
        if not page._flags & LRU:
            lru_add_drain_cpu(task.user, task.cpu)  # the batch may hold the other reference
        if page.seam is not None:
            page.seam.peek(page, "refs")
    if not still(vma, vpn, pte):
        return True  # somebody else changed it: the access is tried again
    if not page._flags & EXCLUSIVE:
        if page._refcount != 1 or page._flags & LOCKED:
            return False
        page_move_anon_rmap(page, vma)
    vma.mm.pgtable[vpn] = pte | PTE_RW | PTE_DIRTY | PTE_ACCESSED
    return True


# --- in bulk ---


def zap_page_range(vma: VMA, start: int, end: int) -> None:
    """Take the pages of a range out of the page table (zap_page_range).

    What was dirty or used through a file's mapping shows in the page afterwards.
    """
    mm = vma.mm
    table, pages = mm.pgtable, mm.user.vm.pages
    seam = mm.user.vm.seam
    for vpn in mm.present(start, end):
        pte = table.pop(vpn) if seam is None else _pop_watched(mm, vpn, seam)
        if pte & PTE_SWAP and mm.user.swap is not None:
            swap_free(mm.user.swap, pte >> PTE_SHIFT)
        if not pte & PTE_THERE or pte & PTE_SPECIAL:
            continue
        page = pages[pte >> PTE_SHIFT]
        if not page._mapping & PAGE_MAPPING_ANON:
            if pte & PTE_DIRTY:
                page._flags |= DIRTY
            if pte & PTE_ACCESSED:
                mark_page_accessed(page)
        page_remove_rmap(page, vma)
        put_page(page)


def _pop_watched(mm: MmStruct, vpn: int, seam: Seam) -> int:
    """Take an entry out as one step."""
    seam.point("aw", entry_location(mm, vpn))
    pte = mm.pgtable.pop(vpn, 0)
    seam.event("zap_pte", mm.user.vm.pages.get(pte >> PTE_SHIFT), mm=mm.name, vpn=vpn, pte=pte)
    return pte


def unmap_mapping_range(inode: Inode, start: int) -> None:
    """Take every page of a file from ``start`` on, and private copies of them, out of all processes (unmap_mapping_range)."""
    with inode.mapping.i_mmap_rwsem.read():
        for vma in inode.mapping.i_mmap:
            first = vma.start + max(0, start - vma.pgoff)
            if first < vma.end:
                zap_page_range(vma, first, vma.end)


def unmap_mapping_page(page: Page) -> None:
    """Take a locked page of a file out of all processes (unmap_mapping_folio)."""
    user = page.vm.userspace
    lock = None if user is None else rmap_lock(user, page)
    if user is None or lock is None:
        return
    with lock.read():
        for vma, vpn in mappings(user, page):
            zap_page_range(vma, vpn, vpn + 1)


def copy_page_range(child: VMA, parent: VMA) -> None:
    """Copy a parent's entries at a fork; private pages lose their write permission on both sides (copy_page_range).

    An area whose pages all come from a file or are zeros is left empty: faults will fill it.
    """
    if parent.anon_vma is None:
        return
    source, target = parent.mm.pgtable, child.mm.pgtable
    pages = parent.mm.user.vm.pages
    cow = not parent.flags & VM_SHARED
    for vpn in parent.mm.present(parent.start, parent.end):
        pte = source[vpn]
        while not still(parent, vpn, pte):
            pte = source[vpn]
        pte = source[vpn]
        if not pte & PTE_THERE:  # on its way: the child's entry will be found there too
            source[vpn] = target[vpn] = pte & ~(PTE_RW | PTE_EXCLUSIVE)
            if pte & PTE_SWAP and parent.mm.user.swap is not None:
                swap_duplicate(parent.mm.user.swap, pte >> PTE_SHIFT)
                continue
            page = pages[pte >> PTE_SHIFT]
            if page.seam is not None:
                page.seam.event("fork_migration_pte", page, mm=parent.mm.name, child=child.mm.name, vpn=vpn)
            continue
        if not pte & PTE_SPECIAL:
            page = pages[pte >> PTE_SHIFT]
            page._refcount += 1
            page_add_rmap(page, child)
            if PageAnon(page):
                page._flags &= ~EXCLUSIVE
        if cow and pte & PTE_RW:
            pte &= ~PTE_RW
            source[vpn] = pte
        target[vpn] = pte & ~PTE_ACCESSED if cow else pte & ~(PTE_ACCESSED | PTE_DIRTY)


def mm_pages(mm: MmStruct) -> int:
    """How many pages the process has in memory (get_mm_rss)."""
    return sum(1 for pte in mm.pgtable.values() if pte & PTE_THERE and not pte & PTE_SPECIAL)
