"""/proc/PID/numa_maps: where the pages of each area are (fs/proc/task_mmu.c)."""

from __future__ import annotations

from typing import TYPE_CHECKING

from movable.mm.memory import vm_normal_page
from movable.mm.mempolicy import get_vma_policy
from movable.mm.nodemask import nodes
from movable.mm.page_flags import (
    ACTIVE,
    DIRTY,
    RESERVED,
    UNEVICTABLE,
    PG_swapcache,
    PG_writeback,
)
from movable.mm.pgtable import PTE_DIRTY, PTE_THERE
from movable.mm.rmap import PageAnon

if TYPE_CHECKING:
    from movable.mm.mm_types import VMA
    from movable.mm.process import Process

ESCAPED = str.maketrans({char: f"\\{ord(char):03o}" for char in "\n\t =\\"})


class NumaMaps:
    """What is counted of one area: pages by kind, the largest map count, pages by node (struct numa_maps)."""

    __slots__ = ("active", "anon", "dirty", "mapcount_max", "node", "pages", "swapcache", "writeback")

    def __init__(self, vma: VMA) -> None:
        self.pages = self.anon = self.dirty = self.active = self.swapcache = self.writeback = self.mapcount_max = 0
        self.node: dict[int, int] = {}
        mm = vma.mm
        for vpn in mm.present(vma.start, vma.end):
            pte = mm.pgtable[vpn]
            page = vm_normal_page(mm.user.vm, pte) if pte & PTE_THERE else None
            if page is None or page._flags & RESERVED:
                continue
            flags = page._flags
            anon = PageAnon(page)
            self.pages += 1
            self.anon += anon
            self.dirty += bool(pte & PTE_DIRTY or flags & DIRTY)
            self.active += bool(flags & (ACTIVE | UNEVICTABLE))
            self.swapcache += anon and flags >> PG_swapcache & 1
            self.writeback += flags >> PG_writeback & 1
            self.mapcount_max = max(self.mapcount_max, page._mapcount + 1)
            nid = page.zone.node.nid
            self.node[nid] = self.node.get(nid, 0) + 1

    def tokens(self, memory_nodes: int) -> str:
        """The counts as the line shows them, each with a blank in front; "" for an area without pages."""
        if not self.pages:
            return ""
        parts = []
        if self.anon:
            parts.append(f"anon={self.anon}")
        if self.dirty:
            parts.append(f"dirty={self.dirty}")
        if self.pages != self.anon and self.pages != self.dirty:
            parts.append(f"mapped={self.pages}")
        if self.mapcount_max > 1:
            parts.append(f"mapmax={self.mapcount_max}")
        if self.swapcache:
            parts.append(f"swapcache={self.swapcache}")
        if self.active < self.pages:
            parts.append(f"active={self.active}")
        if self.writeback:
            parts.append(f"writeback={self.writeback}")
        parts += [f"N{nid}={self.node[nid]}" for nid in nodes(memory_nodes) if nid in self.node]
        return "".join(f" {part}" for part in parts) + " kernelpagesize_kB=4"


def vma_policy_text(task: Process, vma: VMA) -> str:
    """The policy that a line shows: that of the area's first page, else the task's, else default."""
    policy = get_vma_policy(vma, vma.start) or task.mempolicy
    return "default" if policy is None else str(policy)


def numa_maps_line(task: Process, vma: VMA) -> str:
    """The line of one area behind its address (show_numa_map)."""
    name = ""
    if vma.file is not None:
        name = f" file={vma.file.path.translate(ESCAPED)}"
    elif vma.name:
        name = f" {vma.name}"
    return vma_policy_text(task, vma) + name + NumaMaps(vma).tokens(task.user.memory_nodes)


def numa_maps(task: Process) -> str:
    """/proc/PID/numa_maps of a process: a line for every area, "" for one without memory."""
    if task.mm is None:
        return ""
    return "".join(f"{vma.start << 12:08x} {numa_maps_line(task, vma)}\n" for vma in task.mm.vmas)
