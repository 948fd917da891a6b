"""Memory policies: on which node a page of a process is placed (mm/mempolicy.c).

A policy belongs to a task, to an area, or to a range of a file. Its effective nodes are what the user asked for, cut down to
what the cpuset allows; when the cpuset changes, they are bound again.
"""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from errno import EINVAL
from operator import itemgetter
from typing import TYPE_CHECKING

from movable.mm.gfp import GFP_DIRECT_RECLAIM, GFP_HIGHUSER_MOVABLE, GFP_THISNODE
from movable.mm.nodemask import (
    NUMA_NO_NODE,
    first_node,
    format_nodelist,
    nodes_remap,
    nth_node,
    relative_nodemask,
)

if TYPE_CHECKING:
    from movable.eras import Era
    from movable.mm.mm_types import VMA
    from movable.mm.page import Page
    from movable.mm.process import Process

MPOL_DEFAULT, MPOL_PREFERRED, MPOL_BIND, MPOL_INTERLEAVE, MPOL_LOCAL, MPOL_PREFERRED_MANY, MPOL_WEIGHTED_INTERLEAVE = range(7)
MPOL_NAMES = ("default", "prefer", "bind", "interleave", "local", "prefer (many)", "weighted interleave")
"""Names as numa_maps prints them, by mode."""

MPOL_F_STATIC_NODES = 0x8000
MPOL_F_RELATIVE_NODES = 0x4000
MPOL_F_NUMA_BALANCING = 0x2000
MPOL_MODE_FLAGS = MPOL_F_STATIC_NODES | MPOL_F_RELATIVE_NODES | MPOL_F_NUMA_BALANCING
USER_FLAGS = MPOL_F_STATIC_NODES | MPOL_F_RELATIVE_NODES


class Mempolicy:
    """One policy.

    ``mode`` is one of MPOL_*, ``flags`` MPOL_F_* bits, ``nodes`` the effective mask. ``user`` is the mask as the user gave it
    where the policy keeps that, else the cpuset that it was bound to last: one word for both, as in the kernel. ``home_node``
    is where BIND and PREFERRED_MANY begin to look, -1 for the local node. ``keeps_user_mask`` says which of the two ``user``
    is (mpol_store_user_nodemask).
    """

    __slots__ = ("flags", "home_node", "keeps_user_mask", "mode", "nodes", "user")

    def __init__(self, mode: int, flags: int, keeps_user_mask: bool) -> None:
        self.mode = mode
        self.flags = flags
        self.keeps_user_mask = keeps_user_mask
        self.nodes = 0
        self.user = 0
        self.home_node = NUMA_NO_NODE

    def dup(self) -> Mempolicy:
        """A copy of its own (mpol_dup)."""
        copy = Mempolicy(self.mode, self.flags, self.keeps_user_mask)
        copy.nodes, copy.user, copy.home_node = self.nodes, self.user, self.home_node
        return copy

    def __eq__(self, other: object) -> bool:
        """Whether two policies mean the same, home node and the user's mask included (mpol_equal)."""
        if not isinstance(other, Mempolicy):
            return NotImplemented
        if (self.mode, self.flags, self.home_node) != (other.mode, other.flags, other.home_node):
            return False
        if self.keeps_user_mask and self.user != other.user:
            return False
        return self.mode == MPOL_LOCAL or self.nodes == other.nodes

    __hash__ = None  # type: ignore[assignment]

    def __str__(self) -> str:
        """As numa_maps prints it, such as ``bind=static:0-1`` (mpol_to_str)."""
        flags = [
            name
            for bit, name in (
                (MPOL_F_STATIC_NODES, "static"),
                (MPOL_F_RELATIVE_NODES, "relative"),
                (MPOL_F_NUMA_BALANCING, "balancing"),
            )
            if self.flags & bit
        ]
        text = MPOL_NAMES[self.mode] + ("=" + "|".join(flags) if flags else "")
        return f"{text}:{format_nodelist(self.nodes)}" if self.nodes and self.mode != MPOL_LOCAL else text


def mpol_new(mode: int, flags: int, mask: int, era: Era) -> Mempolicy | int | None:
    """A policy that is not bound to nodes yet, None for the default, or -EINVAL (mpol_new)."""
    if mode == MPOL_DEFAULT:
        return -EINVAL if mask else None
    if mode == MPOL_PREFERRED and not mask:
        if flags & USER_FLAGS:
            return -EINVAL
        mode = MPOL_LOCAL
    elif mode == MPOL_LOCAL:
        if mask or flags & USER_FLAGS:
            return -EINVAL
    elif not mask:
        return -EINVAL
    return Mempolicy(mode, flags, bool(flags & (MPOL_MODE_FLAGS if era.balancing_keeps_user_mask else USER_FLAGS)))


def mpol_set_nodemask(policy: Mempolicy | None, mask: int, task: Process) -> int:
    """Bind a new policy to the nodes of ``mask`` that the task's cpuset allows; -EINVAL when there is none."""
    if policy is None or policy.mode == MPOL_LOCAL:
        return 0
    user = task.user
    nodes_point(task, "ar")
    allowed = task.mems_allowed & user.memory_nodes
    effective = relative_nodemask(mask, allowed) if policy.flags & MPOL_F_RELATIVE_NODES else mask & allowed
    policy.user = mask if policy.keeps_user_mask else task.mems_allowed
    if not effective:
        return -EINVAL
    policy.nodes = 1 << first_node(effective) if policy.mode == MPOL_PREFERRED else effective
    return 0


def mpol_rebind(policy: Mempolicy | None, allowed: int) -> None:
    """The cpuset has other nodes now (mpol_rebind_policy)."""
    if policy is None or policy.mode == MPOL_LOCAL:
        return
    if not policy.keeps_user_mask and policy.user == allowed:
        return
    if policy.mode in (MPOL_PREFERRED, MPOL_PREFERRED_MANY):
        policy.user = allowed
        return
    if policy.flags & MPOL_F_STATIC_NODES:
        effective = policy.user & allowed
    elif policy.flags & MPOL_F_RELATIVE_NODES:
        effective = relative_nodemask(policy.user, allowed)
    else:
        effective = nodes_remap(policy.nodes, policy.user, allowed)
        policy.user = allowed
    policy.nodes = effective or allowed


# --- policies of files ---


_start, _end = itemgetter(0), itemgetter(1)


class SharedPolicy:
    """The policies of ranges of a file, shared by all who map it (struct shared_policy)."""

    __slots__ = ("ranges",)

    def __init__(self) -> None:
        self.ranges: list[tuple[int, int, Mempolicy]] = []  # in order

    def lookup(self, index: int) -> Mempolicy | None:
        """The policy of one page of the file (mpol_shared_policy_lookup)."""
        at = bisect_right(self.ranges, index, key=_end)
        return self.ranges[at][2] if at < len(self.ranges) and self.ranges[at][0] <= index else None

    def replace(self, start: int, end: int, policy: Mempolicy | None) -> None:
        """Give the pages ``start`` up to ``end`` a policy, or none (shared_policy_replace)."""
        first, last = bisect_right(self.ranges, start, key=_end), bisect_left(self.ranges, end, key=_start)
        parts = [] if policy is None else [(start, end, policy.dup())]
        if first < last:
            low, _, before = self.ranges[first]
            _, high, after = self.ranges[last - 1]
            if low < start:
                parts.insert(0, (low, start, before))
            if high > end:
                parts.append((end, high, after.dup()))
        self.ranges[first:last] = parts


# --- where a page goes ---


def get_vma_policy(vma: VMA, vpn: int) -> Mempolicy | None:
    """The policy of an address, without falling back to the task's (__get_vma_policy)."""
    if vma.file is not None:
        return vma.file.policy.lookup(vma.pgoff + vpn - vma.start)
    return vma.policy


def interleave_index(vma: VMA, vpn: int, era: Era) -> int:
    """What decides where a page of an interleaved area goes."""
    index = vma.pgoff + vpn - vma.start
    return index + vma.file.ino if vma.file is not None and era.file_interleave_by_inode else index


def nodes_point(task: Process, op: str) -> None:
    """The nodes that a task may allocate on, and its policies, which follow them, are one location, where tasks run."""
    if task.user.vm.seam is not None:
        task.user.vm.seam.point(op, ("mems_allowed", task.pid))


def alloc_page_vma(task: Process, vma: VMA, vpn: int, gfp: int = GFP_HIGHUSER_MOVABLE) -> Page | None:
    """A page for an address of an area, by the area's policy or the task's (vma_alloc_folio)."""
    if task.user.vm.seam is not None:
        nodes_point(task, "ar")
    policy = (vma.policy if vma.file is None else get_vma_policy(vma, vpn)) or task.mempolicy
    if policy is None:
        return alloc_page_nodemask(task, task.node, None, gfp)
    return alloc_page_mpol(task, policy, interleave_index(vma, vpn, task.user.era), gfp)


def alloc_page_mpol(task: Process, policy: Mempolicy | None, index: int, gfp: int = GFP_HIGHUSER_MOVABLE) -> Page | None:
    """A page by a policy; ``index`` counts for interleaving (alloc_pages_mpol)."""
    local = task.node
    if policy is None or policy.mode == MPOL_LOCAL:
        return alloc_page_nodemask(task, local, None, gfp)
    mode, mask = policy.mode, policy.nodes
    if mode == MPOL_PREFERRED:
        return alloc_page_nodemask(task, first_node(mask), None, gfp)
    if mode in (MPOL_INTERLEAVE, MPOL_WEIGHTED_INTERLEAVE):
        chosen = nth_node(mask, index)
        page = alloc_page_nodemask(task, chosen, None, gfp)
        if page is not None and page.zone.node.nid == chosen:
            task.user.numastat[chosen][3] += 1
        return page
    start = local if policy.home_node == NUMA_NO_NODE else policy.home_node
    if mode == MPOL_BIND:
        return alloc_page_nodemask(task, start, mask if mask & task.mems_allowed else None, gfp)
    page = alloc_page_nodemask(task, start, mask, gfp & ~GFP_DIRECT_RECLAIM)
    return alloc_page_nodemask(task, start, None, gfp) if page is None else page


def alloc_page_nodemask(task: Process, nid: int, mask: int | None, gfp: int = GFP_HIGHUSER_MOVABLE) -> Page | None:
    """A page from the first node in the fallback order of ``nid`` that is in the mask and in the task's cpuset.

    All nodes are asked for a page that is free now before any of them has to reclaim. Mirrors mm/page_alloc.c, __alloc_pages.
    """
    vm = task.user.vm
    wanted = task.mems_allowed if mask is None else mask
    allowed = task.mems_allowed & wanted
    order = (nid,) if gfp & GFP_THISNODE else vm.nodes[nid].fallback
    soft = gfp & ~GFP_DIRECT_RECLAIM | GFP_THISNODE
    for flags in (soft, gfp | GFP_THISNODE) if gfp & GFP_DIRECT_RECLAIM else (soft,):
        for node in order:
            if allowed >> node & 1:
                page = vm.alloc_pages(flags, 0, node)
                if page is not None:
                    preferred = nid if wanted >> nid & 1 else next(first for first in order if wanted >> first & 1)
                    zone_statistics(task, preferred, node)
                    return page
    return None


def zone_statistics(task: Process, preferred: int, node: int) -> None:
    """Count a page for numastat: where it was wanted, where it came from, and whether that is local (zone_statistics).

    ``preferred`` is the first node in order that policy and cpuset allow: what they forbid is not missed.
    """
    counts = task.user.numastat
    taken = counts[node]
    if node == preferred:
        taken[0] += 1
    else:
        taken[1] += 1
        counts[preferred][2] += 1
    taken[4 if node == task.node else 5] += 1
