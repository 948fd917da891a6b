"""Why a page does not move: what its status means, who holds it, and what would let it go."""

from __future__ import annotations

import os
from collections.abc import Iterator
from errno import EACCES, EBUSY, ENODEV
from typing import TYPE_CHECKING, NamedTuple

from movable.mm.filemap_cache import page_has_private
from movable.mm.gup import follow_page
from movable.mm.mm_types import VM_ACCESS_FLAGS, VMA
from movable.mm.nodemask import format_nodelist
from movable.mm.page import PAGE_SHIFT, Page
from movable.mm.page_flags import LRU, PAGE_MAPPING_ANON, UNEVICTABLE, PG_writeback
from movable.mm.pgtable import PTE_MIGRATION, PTE_PRESENT, PTE_SPECIAL, PTE_SWAP
from movable.mm.rmap import mappings
from movable.mm.swapfile import PageSwapCache
from movable.mm.task_mmu import vma_policy_text

if TYPE_CHECKING:
    from movable.mm.process import Process
    from movable.mm.userspace import Userspace


class Said(NamedTuple):
    """What the last move_pages said of a page.

    ``statuses`` are those that it wrote, one for each time that the page stood in the call; ``ret`` is what it returned, ``node``
    where the page should go (None for a call that asks), ``frame`` the page that was there when it returned.
    """

    statuses: list[int]
    ret: int
    node: int | None
    frame: int | None


def why(caller: Process, task: Process, address: int, said: Said | None = None) -> list[str]:
    """Sentences about the page at a byte address of ``task``, for ``caller`` who would move it.

    ``said`` is what the last move_pages that named it said, if any.
    """
    lines = [] if said is None else [*_said(said, frame(task, address >> PAGE_SHIFT))]
    if task.mm is None:
        what = "is a thread of the kernel and has" if task.comm == "kthread" else "has exited, and has"
        return [*lines, f"Process {task.pid} {what} no memory: every call on it fails with EINVAL (22)."]
    vpn = address >> PAGE_SHIFT
    vma = task.mm.vma_lookup(vpn)
    if vma is None:
        return [*lines, f"Nothing is mapped at {address:#x}: the status is -14 (EFAULT). Map something there first."]
    found = follow_page(vma, vpn)
    if isinstance(found, int):
        return [*lines, *_absent(task, vma, vpn, found)]
    return [*lines, *_present(caller, task, vma, found)]


def frame(task: Process, vpn: int) -> int | None:
    """The frame number of the page that a process has at a page number; None where there is none."""
    vma = None if task.mm is None else task.mm.vma_lookup(vpn)
    found = None if vma is None else follow_page(vma, vpn)
    return found.pfn if isinstance(found, Page) else None


def _said(said: Said, now: int | None) -> Iterator[str]:
    """The last call's word on a page, and what it is worth now."""
    if said.statuses:
        yield f"move_pages said {' and '.join(map(status_words, said.statuses))}."
    else:
        yield f"The last move_pages wrote no status for it: {_unwritten(said)}."
    if len(said.statuses) > 1 and -EBUSY in said.statuses:
        yield "The page stands in that call more than once: where it comes again it is queued already, which is -16 (EBUSY)."
    if now != said.frame:
        yield "Since then another page has come there: that word is out of date."


def _unwritten(said: Said) -> str:
    """Why a call left the status of a page as it was."""
    if said.ret > 0:
        return "a page of its batch, or of one before, did not move; a batch gets statuses when all of it moved"
    if said.ret == -ENODEV:
        return f"there is no node {said.node} with memory, where the call ended with ENODEV (19)"
    if said.ret == -EACCES:
        return f"the cpuset of the process lacks node {said.node}, where the call ended with EACCES (13)"
    return f"the call failed ({os.strerror(-said.ret)})"


def status_words(status: int) -> str:
    """A status of move_pages in words, such as "-13 (EACCES)" or "node 1"."""
    names = {-2: "ENOENT", -12: "ENOMEM", -13: "EACCES", -14: "EFAULT", -16: "EBUSY"}
    return f"node {status}" if status >= 0 else f"{status} ({names.get(status, 'an error')})"


def _absent(task: Process, vma: VMA, vpn: int, status: int) -> Iterator[str]:
    """There is no page that could move."""
    pte = vma.mm.pgtable.get(vpn, 0)
    means = f"the status is {status_words(status)}"
    if pte & PTE_SPECIAL and pte & PTE_PRESENT:
        yield f"Only the zero page is mapped there, which all processes share and which never moves: {means}."
        yield "Write to the page: then it gets one of its own."
    elif pte & PTE_SWAP or (vma.file and vma.pgoff + vpn - vma.start in vma.file.inode.mapping.swapped):
        yield f"The page is swapped out: it is in a slot of the swap device, and {means}."
        yield f"Read it: then it is in memory again, where the policy says ({vma_policy_text(task, vma)}), and can move."
    elif pte & PTE_MIGRATION:
        yield f"The page is on its way: its entry is a migration entry, and {means}. Ask again when it has arrived."
    elif not vma.flags & VM_ACCESS_FLAGS and pte:
        yield f"The area may not be touched at all (PROT_NONE), and kernels before 6.12 do not look behind that: {means}."
        yield "mprotect it readable, move the page, and protect it again."
    elif not vma.flags & VM_ACCESS_FLAGS:
        yield f"The area may not be touched at all (PROT_NONE), and no page is there: {means}."
    elif vma.file is not None:
        yield f"This process has not touched that page of {vma.file.path}, or gave it back: {means}."
        yield "Read or write it first. Others may have it mapped: they can move it."
    else:
        yield f"That page was never touched, or was given back (madvise): {means}."
        yield f"Write to it first; it would go where the policy says ({vma_policy_text(task, vma)})."


def _present(caller: Process, task: Process, vma: VMA, page: Page) -> Iterator[str]:
    """There is a page: who holds it?"""
    user = task.user
    kind = "An anonymous page" if page._mapping & PAGE_MAPPING_ANON else f"A page of {vma.file.path if vma.file else 'a file'}"
    yield f"{kind} (frame {page.pfn}) is on node {page.node}; the policy there is {vma_policy_text(task, vma)}."
    stays = [*_nodes(caller, task), *_sharers(user, page), *_holders(user, page)]
    yield from stays
    if page._flags & UNEVICTABLE:
        yield "It is locked in memory (mlock). That keeps it from being swapped out, and does not keep it from moving."
    if not stays:
        yield "Nothing keeps it: it moves when it is told to."


def _nodes(caller: Process, task: Process) -> Iterator[str]:
    user = task.user
    theirs, ours = task.cpuset.guaranteed_mems(), caller.mems_allowed
    if not caller.may_access(task):
        yield f"Process {caller.pid} may not look at process {task.pid} (another user): the call fails with EPERM (1)."
    missing = user.memory_nodes & ~theirs
    if missing:
        group = task.cpuset.name or "the root group"
        other = format_nodelist(missing)
        yield f"Its cpuset ({group}) has node {format_nodelist(theirs)}: to {other} the call fails with EACCES (13)."
    if theirs & ~ours:
        yield f"The caller's cpuset lacks node {format_nodelist(theirs & ~ours)}: a move there fails with ENOMEM (12)."


def _sharers(user: Userspace, page: Page) -> Iterator[str]:
    if page._mapcount < 1:
        return
    owners = sorted({owner.pid for owner in user.tasks.values() if any(vma.mm is owner.mm for vma, _ in mappings(user, page))})
    names = " and ".join([", ".join(map(str, owners[:-1])), str(owners[-1])]) if len(owners) > 1 else f"{owners[0]}, twice"
    yield f"It is mapped {page._mapcount + 1} times, by {'processes' if len(owners) > 1 else 'process'} {names}."
    yield "So MPOL_MF_MOVE answers -13 (EACCES), and mbind and migrate_pages leave it out. MPOL_MF_MOVE_ALL (root) moves it."


def _holders(user: Userspace, page: Page) -> Iterator[str]:
    """References and states that stop a move."""
    explained = page._mapcount + 1 + (PageSwapCache(page) if page._mapping & PAGE_MAPPING_ANON else 1 + page_has_private(page))
    for task in user.tasks.values():
        count = sum(pin is page for pin in task.pins)
        if count:
            explained += count
            yield f"A pipe of process {task.pid} holds a reference (vmsplice): the page stays, and counts as not moved."
            yield "It is let go when the pipe is read or closed."
    batches = sum(batch.count(page) for batch in user.lru_add)
    if batches:
        explained += batches
        yield "It waits in a CPU's batch for the LRU lists: -16 (EBUSY) until that is drained, which every moving call does first."
    elif not page._flags & LRU:
        yield "Somebody has isolated it already: -16 (EBUSY) until it is back on its list."
    if page._refcount > explained:
        more = page._refcount - explained
        yield f"{more} more references are held by nobody that the model knows: the page stays until they are dropped."
    if page._flags >> PG_writeback & 1:
        yield "It is being written out: who must not wait leaves it, others wait until that has ended."
