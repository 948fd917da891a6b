"""The system call move_pages: ask where pages of a process are, or move each to a node (mm/migrate.c)."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from errno import EACCES, EBUSY, EFAULT, EINVAL, ENODEV, EPERM, ESRCH
from typing import TYPE_CHECKING

from movable.mm.gfp import GFP_HIGHUSER_MOVABLE, GFP_THISNODE
from movable.mm.gup import follow_page, follow_page_watched
from movable.mm.list import ListHead, list_add_tail
from movable.mm.mempolicy import alloc_page_nodemask
from movable.mm.migrate import MIGRATE_SYNC, MR_SYSCALL, migrate_pages, putback_movable_pages
from movable.mm.mmap import mmget
from movable.mm.nodemask import MAX_NUMNODES, NUMA_NO_NODE
from movable.mm.page import PAGE_SHIFT
from movable.mm.swap import lru_cache_disable, lru_cache_enable
from movable.mm.vmscan_isolate import count_isolated, isolate_lru_page

if TYPE_CHECKING:
    from movable.mm.mm_types import MmStruct
    from movable.mm.page import Page
    from movable.mm.process import Process

MPOL_MF_STRICT, MPOL_MF_MOVE, MPOL_MF_MOVE_ALL = 1, 2, 4


class UserArray(list[int]):
    """An array in the caller's memory. ``readable`` False stands for a pointer that leads nowhere."""

    def __init__(self, items: Sequence[int] = (), readable: bool = True) -> None:
        super().__init__(items)
        self.readable = readable

    def put(self, at: int, value: int) -> int:
        """Store one item (put_user): 0 or -EFAULT."""
        if not self.readable or at >= len(self):
            return -EFAULT
        self[at] = value
        return 0

    def get(self, at: int) -> int | None:
        """Read one item (get_user): None where that fails."""
        return self[at] if self.readable and at < len(self) else None


NOWHERE = UserArray(readable=False)
"""A pointer such as NULL that cannot be read or written."""


def sys_move_pages(
    caller: Process, pid: int, count: int, pages: UserArray, nodes: UserArray | None, status: UserArray, flags: int
) -> int:
    """Move ``count`` pages of a process to nodes, or with ``nodes`` None say where they are.

    ``pages`` are byte addresses, ``status`` gets one number a page: its node or a negative errno. Returns 0, how many were not
    moved, or a negative errno: -EINVAL, -EPERM, -ESRCH, -EFAULT, -ENODEV, -EACCES, -ENOMEM. Mirrors kernel_move_pages.
    """
    flags &= 0xFFFFFFFF
    if flags & ~(MPOL_MF_MOVE | MPOL_MF_MOVE_ALL):
        return -EINVAL
    if flags & MPOL_MF_MOVE_ALL and not caller.capable:
        return -EPERM
    target = find_target(caller, pid)
    if isinstance(target, int):
        return target
    mm = target.mm
    if mm is None:
        return -EINVAL
    with mmget(mm):
        if nodes is None:
            return do_pages_stat(mm, count, pages, status)
        lru_cache_disable(caller.user)
        try:
            return _Move(caller, target, mm, status, count, bool(flags & MPOL_MF_MOVE_ALL)).run(pages, nodes)
        finally:
            lru_cache_enable(caller.user)


def find_target(caller: Process, pid: int) -> Process | int:
    """The process whose pages are meant, 0 being the caller; -ESRCH, or -EPERM (find_mm_struct). It may have no memory."""
    target = caller if pid == 0 else caller.user.find_task(pid)
    if target is None:
        return -ESRCH
    return target if caller.may_access(target) else -EPERM


def do_pages_stat(mm: MmStruct, count: int, pages: UserArray, status: UserArray) -> int:
    """Where each page is (do_pages_stat): 0 or -EFAULT."""
    for at in range(count):
        address = pages.get(at)
        if address is None or status.put(at, page_status(mm, address)):
            return -EFAULT
    return 0


def page_status(mm: MmStruct, address: int) -> int:
    """The node of the page at a byte address, -EFAULT or -ENOENT."""
    vpn = address >> PAGE_SHIFT
    vma = mm.vma_lookup(vpn)
    if vma is None:
        return -EFAULT
    page = follow_page(vma, vpn)
    return page if isinstance(page, int) else page.zone.node.nid


def alloc_migration_target(page: Page, to: tuple[Process, int]) -> Page | None:
    """A page on one node and no other, if the caller's own cpuset has it; ``to`` is (caller, node)."""
    caller, nid = to
    return alloc_page_nodemask(caller, nid, None, GFP_HIGHUSER_MOVABLE | GFP_THISNODE)


@dataclass
class _Move:
    """One call that moves (do_pages_move). ``queue`` holds the isolated pages of entries ``start`` on, all for ``node``."""

    caller: Process
    target: Process
    mm: MmStruct
    status: UserArray
    count: int
    move_all: bool
    node: int = NUMA_NO_NODE
    start: int = 0
    queue: ListHead = field(init=False)

    def __post_init__(self) -> None:
        self.queue = ListHead(f"pages to move by {self.caller.user.vm.current.name}")

    def run(self, pages: UserArray, nodes: UserArray) -> int:
        err = 0
        for at in range(self.count):
            address, node = pages.get(at), nodes.get(at)
            err = self.refused(address, node)
            if err or address is None or node is None:
                break
            if self.node == NUMA_NO_NODE:
                self.node, self.start = node, at
            elif node != self.node:
                err = self.flush(at)
                if err:
                    return err
                self.node, self.start = node, at
            err = self.add_page(address)
            if err > 0:
                continue
            err = self.status.put(at, err or self.node)
            if err:
                break
            err = self.flush(at)
            if err:
                return err - 1 if err > 0 else err
            self.node = NUMA_NO_NODE
        else:
            at = self.count
        flushed = self.flush(at)
        return flushed if err >= 0 else err

    def refused(self, address: int | None, node: int | None) -> int:
        """Why an entry ends the call; 0 when it does not."""
        if address is None or node is None:
            return -EFAULT
        user = self.caller.user
        if not 0 <= node < MAX_NUMNODES or not user.memory_nodes >> node & 1:
            return -ENODEV
        return 0 if self.target.cpuset.guaranteed_mems() >> node & 1 else -EACCES

    def add_page(self, address: int) -> int:
        """Queue one page: 1 queued, 0 on the node already, else why not (add_page_for_migration)."""
        mm = self.mm
        vpn = address >> PAGE_SHIFT
        with mm.mmap_lock.read():
            return self._queue(mm, vpn)

    def _queue(self, mm: MmStruct, vpn: int) -> int:
        vma = mm.vma_lookup(vpn)
        if vma is None:
            return -EFAULT
        seam = self.caller.user.vm.seam
        page = follow_page(vma, vpn) if seam is None else follow_page_watched(vma, vpn, seam)
        if isinstance(page, int):
            return page
        if page.zone.node.nid == self.node:
            return 0
        if seam is not None:
            seam.peek(page, "refs")
        if page._mapcount > 0 and not self.move_all:
            return -EACCES
        if isolate_lru_page(page):
            return -EBUSY
        list_add_tail(page._lru, self.queue)
        count_isolated(page, 1)
        return 1

    def flush(self, end: int) -> int:
        """Move what is queued and store the statuses of entries ``start`` up to ``end`` (move_pages_and_store_status)."""
        if not self.queue:
            return 0
        to = (self.caller, self.node)
        err = migrate_pages(self.queue, alloc_migration_target, None, to, MIGRATE_SYNC, MR_SYSCALL)
        if err:
            putback_movable_pages(self.queue)
            return err + self.count - end if err > 0 else err
        for at in range(self.start, end):
            if self.status.put(at, self.node):
                return -EFAULT
        return 0
