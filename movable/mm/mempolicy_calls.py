"""The system calls of memory policies: mbind, set_mempolicy, get_mempolicy, migrate_pages and home nodes (mm/mempolicy.c)."""

from __future__ import annotations

from dataclasses import dataclass, field
from errno import EFAULT, EINVAL, EIO, ENOENT, EOPNOTSUPP, EPERM
from typing import TYPE_CHECKING, NamedTuple

from movable.mm.gup import get_user_pages
from movable.mm.list import ListHead, list_add_tail
from movable.mm.memory import vm_normal_page
from movable.mm.mempolicy import (
    MPOL_BIND,
    MPOL_DEFAULT,
    MPOL_F_NUMA_BALANCING,
    MPOL_INTERLEAVE,
    MPOL_MODE_FLAGS,
    MPOL_PREFERRED_MANY,
    MPOL_WEIGHTED_INTERLEAVE,
    USER_FLAGS,
    Mempolicy,
    alloc_page_mpol,
    alloc_page_vma,
    get_vma_policy,
    mpol_new,
    mpol_set_nodemask,
)
from movable.mm.migrate import MIGRATE_SYNC, MR_MEMPOLICY_MBIND, MR_SYSCALL, migrate_pages, putback_movable_pages
from movable.mm.mm_types import TASK_PAGES, VMA
from movable.mm.mmap import WORD, change_vma, mmget, page_align
from movable.mm.move_pages import (
    MPOL_MF_MOVE,
    MPOL_MF_MOVE_ALL,
    MPOL_MF_STRICT,
    alloc_migration_target,
    find_target,
)
from movable.mm.nodemask import MAX_NUMNODES, first_node, node_remap, nodes
from movable.mm.page import PAGE_SHIFT, PAGE_SIZE, put_page
from movable.mm.pgtable import PTE_THERE, PTRS_PER_PTE
from movable.mm.rmap import page_address_in_vma
from movable.mm.swap import lru_cache_disable, lru_cache_enable
from movable.mm.vmscan_isolate import count_isolated, isolate_lru_page

if TYPE_CHECKING:
    from movable.eras import Era
    from movable.mm.mm_types import MmStruct
    from movable.mm.page import Page
    from movable.mm.process import Process
    from movable.mm.userspace import Userspace

MPOL_F_NODE, MPOL_F_ADDR, MPOL_F_MEMS_ALLOWED = 1, 2, 4
MAX_BITS = PAGE_SIZE * 8
"""A mask may be a page long."""


class UserMask(NamedTuple):
    """A node mask in the caller's memory: ``bits`` of any size, ``readable`` False for a pointer that leads nowhere."""

    bits: int = 0
    readable: bool = True


def get_nodes(mask: UserMask | None, maxnode: int) -> int:
    """Read a mask of ``maxnode - 1`` bits; None (NULL) is empty. Returns it, -EINVAL or -EFAULT (get_nodes)."""
    size = (maxnode - 1) % WORD
    if not size or mask is None:
        return 0
    if size > MAX_BITS:
        return -EINVAL
    if not mask.readable:
        return -EFAULT
    if size > MAX_NUMNODES and mask.bits >> MAX_NUMNODES & (1 << (size + 63 & -64) - MAX_NUMNODES) - 1:
        return -EINVAL
    return mask.bits & (1 << min(size, MAX_NUMNODES)) - 1


def split_mode(mode: int, era: Era) -> tuple[int, int]:
    """A mode word as (mode, flags), or (-EINVAL, 0) (sanitize_mpol_flags)."""
    flags = mode & MPOL_MODE_FLAGS
    mode = mode & 0xFFFFFFFF & ~MPOL_MODE_FLAGS
    if mode > (MPOL_WEIGHTED_INTERLEAVE if era.weighted_interleave else MPOL_PREFERRED_MANY):
        return -EINVAL, 0
    if flags & USER_FLAGS == USER_FLAGS:
        return -EINVAL, 0
    balanced = (MPOL_BIND, MPOL_PREFERRED_MANY) if era.balancing_preferred_many else (MPOL_BIND,)
    if flags & MPOL_F_NUMA_BALANCING and mode not in balanced:
        return -EINVAL, 0
    return mode, flags


# --- set and get ---


def sys_set_mempolicy(caller: Process, mode: int, mask: UserMask | None, maxnode: int) -> int:
    """Give the calling task a policy: 0, -EINVAL or -EFAULT."""
    era = caller.user.era
    mode, flags = split_mode(mode, era)
    if mode < 0:
        return mode
    wanted = get_nodes(mask, maxnode)
    if wanted < 0:
        return wanted
    policy = mpol_new(mode, flags, wanted, era)
    if isinstance(policy, int):
        return policy
    err = mpol_set_nodemask(policy, wanted, caller)
    if not err:
        caller.mempolicy = policy
    return err


class PolicyAnswer(NamedTuple):
    """What get_mempolicy gives: ``ret`` 0 or a negative errno, the mode word, the mask, 64-bit words of the mask written.

    ``next_node`` says that the mode word is the next node of interleaving.
    """

    ret: int
    mode: int = 0
    mask: int = 0
    words: int = 0
    next_node: bool = False


def sys_get_mempolicy(
    caller: Process, mode_ok: bool, mask: UserMask | None, maxnode: int, address: int, flags: int
) -> PolicyAnswer:
    """Ask for the policy of the task or of an address.

    ``mode_ok`` False stands for a bad pointer to the mode word; ``mask`` None for NULL.
    """
    maxnode %= WORD
    if mask is not None and maxnode < caller.user.vm.nodes[-1].nid + 1:
        return PolicyAnswer(-EINVAL)
    answer = _do_get_mempolicy(caller, address, flags)
    if answer.ret:
        return answer
    if not mode_ok:
        return PolicyAnswer(-EFAULT)
    if mask is None:
        return answer._replace(mask=0, words=0)
    words = (maxnode - 1 + 63) // 64
    if words > 1 and words * 8 > PAGE_SIZE:
        return PolicyAnswer(-EINVAL)
    if words and not mask.readable:
        return PolicyAnswer(-EFAULT)
    return answer._replace(mask=answer.mask & (1 << 64) - 1, words=words)


def _do_get_mempolicy(caller: Process, address: int, flags: int) -> PolicyAnswer:
    if flags & ~(MPOL_F_NODE | MPOL_F_ADDR | MPOL_F_MEMS_ALLOWED):
        return PolicyAnswer(-EINVAL)
    if flags & MPOL_F_MEMS_ALLOWED:
        return PolicyAnswer(-EINVAL) if flags & (MPOL_F_NODE | MPOL_F_ADDR) else PolicyAnswer(0, 0, caller.mems_allowed)
    policy = caller.mempolicy
    if flags & MPOL_F_ADDR:
        assert caller.mm is not None
        vma = caller.mm.vma_lookup(address >> PAGE_SHIFT)
        if vma is None:
            return PolicyAnswer(-EFAULT)
        policy = get_vma_policy(vma, address >> PAGE_SHIFT)
    elif address:
        return PolicyAnswer(-EINVAL)
    shown = 0
    if policy is not None:
        shown = policy.user if policy.keeps_user_mask else policy.nodes
    if not flags & MPOL_F_NODE:
        return PolicyAnswer(0, policy.mode | policy.flags if policy is not None else MPOL_DEFAULT, shown)
    if flags & MPOL_F_ADDR:
        node = _lookup_node(caller, address)
        return PolicyAnswer(min(node, 0), node, shown)
    if policy is None or policy.mode not in (MPOL_INTERLEAVE, MPOL_WEIGHTED_INTERLEAVE):
        return PolicyAnswer(-EINVAL)
    return PolicyAnswer(0, first_node(policy.nodes), shown, next_node=True)


def _lookup_node(caller: Process, address: int) -> int:
    pages = get_user_pages(caller, address, 1)
    if isinstance(pages, int):
        return pages
    node = pages[0].zone.node.nid
    put_page(pages[0])
    return node


# --- queueing pages ---


@dataclass
class QueuePages:
    """A walk that takes pages of a range which are not where they should be (queue_pages_range).

    ``mask`` and ``invert``: take pages on nodes of the mask, or of all others. ``failed`` counts pages that could not be taken.
    """

    user: Userspace
    mask: int
    invert: bool
    flags: int
    holes_ok: bool
    pages: ListHead = field(init=False)
    failed: int = 0

    def __post_init__(self) -> None:
        self.pages = ListHead(f"pages to move by {self.user.vm.current.name}")

    def walk(self, mm: MmStruct, start: int, end: int) -> int:
        """0; 1 or more when pages could not be taken; -EIO at a misplaced page that must not be moved; -EFAULT for a hole."""
        areas = [vma for vma in mm.vmas[mm.index_of(start) : mm.index_of(end - 1) + 1] if vma.start < end]
        if not areas or (not self.holes_ok and areas[0].start > start):
            return -EFAULT
        for at, vma in enumerate(areas):
            gap = vma.end < end and (at + 1 == len(areas) or areas[at + 1].start > vma.end)
            if gap and not self.holes_ok:
                return -EFAULT
            if self.flags & (MPOL_MF_STRICT | MPOL_MF_MOVE | MPOL_MF_MOVE_ALL):
                err = self.walk_vma(vma, max(start, vma.start), min(end, vma.end))
                if err:
                    return err
        return self.failed

    def walk_vma(self, vma: VMA, start: int, end: int) -> int:
        """One area, one page table of 512 entries after the other (queue_pages_pte_range)."""
        table, vm = vma.mm.pgtable, self.user.vm
        stop_at = end
        for vpn in vma.mm.present(start, end):
            if vpn >= stop_at:
                break
            if vm.seam is not None:
                vm.seam.point("ar", vma.location(vpn))
            pte = table.get(vpn, 0)
            page = vm_normal_page(vm, pte) if pte & PTE_THERE else None
            if page is None or bool(self.mask >> page.zone.node.nid & 1) == self.invert:
                continue
            if not self.flags & (MPOL_MF_MOVE | MPOL_MF_MOVE_ALL):
                return -EIO
            if not self.take(page) and not self.user.era.migrate_counts_untaken and stop_at == end:
                stop_at = vpn - vpn % PTRS_PER_PTE + PTRS_PER_PTE  # this table is finished, and no other is begun
        return self.failed if self.failed and not self.user.era.migrate_counts_untaken else 0

    def take(self, page: Page) -> bool:
        """Isolate a page unless others map it too; False where it should have been taken and could not be."""
        if not self.flags & MPOL_MF_MOVE_ALL and page._mapcount > 0:
            return True
        if isolate_lru_page(page):
            if self.flags & MPOL_MF_STRICT or self.user.era.migrate_counts_untaken:
                self.failed += 1
                return False
            return True
        list_add_tail(page._lru, self.pages)
        count_isolated(page, 1)
        return True


# --- mbind ---


def sys_mbind(caller: Process, start: int, length: int, mode: int, mask: UserMask | None, maxnode: int, flags: int) -> int:
    """Give a range of bytes a policy, and with MPOL_MF_MOVE move what is misplaced; 0 or a negative errno."""
    user = caller.user
    mode, mode_flags = split_mode(mode, user.era)
    if mode < 0:
        return mode
    wanted = get_nodes(mask, maxnode)
    if wanted < 0:
        return wanted
    if flags & ~(MPOL_MF_STRICT | MPOL_MF_MOVE | MPOL_MF_MOVE_ALL):
        return -EINVAL
    if flags & MPOL_MF_MOVE_ALL and not caller.capable:
        return -EPERM
    if start % PAGE_SIZE:
        return -EINVAL
    if mode == MPOL_DEFAULT:
        flags &= ~MPOL_MF_STRICT
    size = page_align(length)
    if start + size >= WORD:
        return -EINVAL
    if not size:
        return 0
    policy = mpol_new(mode, mode_flags, wanted, user.era)
    if isinstance(policy, int):
        return policy
    moves = flags & (MPOL_MF_MOVE | MPOL_MF_MOVE_ALL)
    if moves:
        lru_cache_disable(user)
    try:
        err = mpol_set_nodemask(policy, wanted, caller)
        assert caller.mm is not None
        with caller.mm.mmap_lock.write():
            return err or _bind(caller, start >> PAGE_SHIFT, (start + size) >> PAGE_SHIFT, policy, wanted, flags)
    finally:
        if moves:
            lru_cache_enable(user)


def _bind(caller: Process, start: int, end: int, policy: Mempolicy | None, mask: int, flags: int) -> int:
    mm = caller.mm
    assert mm is not None
    queue = QueuePages(caller.user, mask, True, flags, policy is None)
    failed = queue.walk(mm, start, end)
    if failed < 0:
        putback_movable_pages(queue.pages)
        return failed
    mbind_range(mm, start, end, policy)
    if queue.pages:
        target = mbind_target(caller, start, end, policy, queue.pages)
        not_moved = migrate_pages(queue.pages, target.alloc, None, None, MIGRATE_SYNC, MR_MEMPOLICY_MBIND)
        if not_moved:
            putback_movable_pages(queue.pages)
            failed = failed or int(bool(flags & MPOL_MF_STRICT))
    return -EIO if failed and flags & MPOL_MF_STRICT else 0


def mbind_range(mm: MmStruct, start: int, end: int, policy: Mempolicy | None) -> None:
    """Set the policy of every area in a range, splitting and merging; an area that has it already is left alone."""
    while start < end:
        vma = mm.find_vma(start)
        if vma is None or vma.start >= end:
            return
        low, high = max(start, vma.start), min(end, vma.end)
        if vma.policy != policy:
            vma = change_vma(vma, low, high, vma.flags, policy)
            if vma.file is not None:
                vma.file.set_policy(vma, policy)
            vma.policy = policy.dup() if policy is not None else None
        start = max(high, vma.end)


@dataclass
class mbind_target:
    """Where mbind's pages go: to where the area's policy, or in later kernels the call's own, would put them."""

    caller: Process
    start: int
    end: int
    policy: Mempolicy | None
    pages: ListHead
    base: int = 0

    def __post_init__(self) -> None:
        if self.caller.user.era.mbind_places_by_call:
            self.policy = self.policy or self.caller.mempolicy
            if self.policy is not None and self.policy.mode in (MPOL_INTERLEAVE, MPOL_WEIGHTED_INTERLEAVE):
                self.base = self._base()

    def _base(self) -> int:
        """What to add to a page's index: taken from the first page, kept for all."""
        page = self.pages.next.owner
        assert page is not None
        found = self._place(page, self.end)
        if found is None:
            return 0
        vma, vpn = found
        policy = get_vma_policy(vma, vpn) or self.caller.mempolicy
        index = vma.file.ino if vma.file is not None else 0
        if policy is not None and policy.mode in (MPOL_INTERLEAVE, MPOL_WEIGHTED_INTERLEAVE):
            index += vma.pgoff + vpn - vma.start
        return index - int(page._index)

    def _place(self, page: Page, end: int) -> tuple[VMA, int] | None:
        assert self.caller.mm is not None
        for vma in self.caller.mm.vmas:
            if self.start < vma.end and vma.start < end:
                vpn = page_address_in_vma(page, vma)
                if vpn >= 0:
                    return vma, vpn
        return None

    def alloc(self, page: Page, private: object) -> Page | None:
        """A target for one page (new_page, alloc_migration_target_by_mpol)."""
        if self.caller.user.era.mbind_places_by_call:
            return alloc_page_mpol(self.caller, self.policy, self.base + int(page._index))
        found = self._place(page, TASK_PAGES)
        if found is None:
            return alloc_page_mpol(self.caller, self.caller.mempolicy, 0)
        return alloc_page_vma(self.caller, *found)


def sys_set_mempolicy_home_node(caller: Process, start: int, length: int, node: int, flags: int) -> int:
    """Where BIND and PREFERRED_MANY policies of a range begin to look: 0, -EINVAL, -ENOENT or -EOPNOTSUPP."""
    mm = caller.mm
    assert mm is not None
    if start % PAGE_SIZE or flags:
        return -EINVAL
    if not 0 <= node < len(caller.user.vm.nodes):  # a node whose memory went is online still
        return -EINVAL
    size = page_align(length)
    if start + size >= WORD:
        return -EINVAL
    if not size:
        return 0
    first, end = start >> PAGE_SHIFT, (start + size) >> PAGE_SHIFT
    err = -ENOENT
    at = first
    while at < end:
        vma = mm.find_vma(at)
        if vma is None or vma.start >= end:
            break
        at = vma.end
        if vma.policy is None:
            continue
        if vma.policy.mode not in (MPOL_BIND, MPOL_PREFERRED_MANY):
            return -EOPNOTSUPP
        policy = vma.policy.dup()
        policy.home_node = node
        mbind_range(mm, max(first, vma.start), min(end, vma.end), policy)
        err = 0
    return err


# --- migrate_pages ---


def sys_migrate_pages(caller: Process, pid: int, maxnode: int, old: UserMask | None, new: UserMask | None) -> int:
    """Move a process's pages from the nodes ``old`` to the nodes ``new``, by position; how many stayed, or a negative errno."""
    source = get_nodes(old, maxnode)
    if source < 0:
        return source
    dest = get_nodes(new, maxnode)
    if dest < 0:
        return dest
    task = find_target(caller, pid)
    if isinstance(task, int):
        return task
    if dest & ~task.cpuset.guaranteed_mems() and not caller.capable:
        return -EPERM
    dest &= caller.cpuset.guaranteed_mems()
    mm = task.mm
    if not dest or mm is None:
        return -EINVAL
    with mmget(mm):
        return do_migrate_pages(caller, mm, source, dest, caller.capable)


def do_migrate_pages(caller: Process, mm: MmStruct, source: int, dest: int, move_all: bool) -> int:
    """Move pages by the position of their node in two masks; how many stayed, or the first error.

    A pair whose destination is no source that is still to be done goes first. Mirrors mm/mempolicy.c, do_migrate_pages.
    """
    user = caller.user
    lru_cache_disable(user)
    busy, left = 0, source
    while left:
        chosen = _next_pair(source, dest, left)
        if chosen is None:
            break
        node, to = chosen
        left &= ~(1 << node)
        with mm.mmap_lock.read():
            err = migrate_to_node(caller, mm, node, to, MPOL_MF_MOVE_ALL if move_all else MPOL_MF_MOVE)
        if err < 0:
            busy = err
            break
        busy += err
    lru_cache_enable(user)
    return busy


def _next_pair(source: int, dest: int, left: int) -> tuple[int, int] | None:
    chosen = None
    for node in nodes(left):
        if source.bit_count() != dest.bit_count() and dest >> node & 1:
            continue
        to = node_remap(node, source, dest)
        if to == node:
            continue
        chosen = node, to
        if not left >> to & 1:
            break
    return chosen


def migrate_to_node(caller: Process, mm: MmStruct, source: int, dest: int, flags: int) -> int:
    """Move every page of a process that is on one node to another; how many stayed, or a negative errno."""
    queue = QueuePages(caller.user, 1 << source, False, flags, True)
    failed = max(queue.walk(mm, 0, TASK_PAGES), 0)
    err = 0
    if queue.pages:
        err = migrate_pages(queue.pages, alloc_migration_target, None, (caller, dest), MIGRATE_SYNC, MR_SYSCALL)
        if err:
            putback_movable_pages(queue.pages)
    return err + failed if err >= 0 and caller.user.era.migrate_counts_untaken else err
