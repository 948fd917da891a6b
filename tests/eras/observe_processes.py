"""What can be seen of the features of an era that are about the memory of processes."""

from __future__ import annotations

from collections.abc import Callable
from errno import ENOSPC
from types import SimpleNamespace
from typing import Any

from movable import VM, ListHead, get_page, registry
from movable.eras import Era
from movable.filesystem import buffer_migrate_page, lock_buffer, page_buffers
from movable.mm.blockdev import Disk
from movable.mm.cma import cma_init_reserved_mem
from movable.mm.cpuset import Cpuset
from movable.mm.filemap import lock_page, unlock_page
from movable.mm.filemap_cache import file_write
from movable.mm.gfp import GFP_HIGHUSER_MOVABLE, MIGRATE_CMA
from movable.mm.gup import follow_page
from movable.mm.memory_failure import soft_offline_page
from movable.mm.mempolicy import (
    MPOL_BIND,
    MPOL_F_NUMA_BALANCING,
    MPOL_PREFERRED_MANY,
    MPOL_WEIGHTED_INTERLEAVE,
    Mempolicy,
    interleave_index,
    mpol_new,
)
from movable.mm.mempolicy_calls import QueuePages, UserMask, mbind_target, split_mode, sys_mbind
from movable.mm.migrate import MIGRATE_SYNC
from movable.mm.mm_types import VM_ACCOUNT, VM_READ, VM_SHARED, VM_WRITE
from movable.mm.mmap import do_mmap, do_munmap
from movable.mm.move_pages import MPOL_MF_MOVE, UserArray, sys_move_pages
from movable.mm.mprotect import do_mprotect
from movable.mm.page_flags import ACTIVE
from movable.mm.pgtable import PTE_SHIFT
from movable.mm.process import Process
from movable.mm.rmap import remove_migration_ptes, try_to_migrate
from movable.mm.swap import lru_add_drain_all, mark_page_accessed
from movable.mm.swapfile import swapon
from movable.mm.userspace import userspace
from movable.mm.validate import validate_vm
from movable.mm.vmscan_lru import shrink_node

AT = 0x10000000
PAGE = 4096


def process(era: Era) -> Process:
    """A process with an area of two pages."""
    task = userspace(VM(256 << 12, era=era)).spawn("work")
    do_mmap(task, AT, 2 * PAGE, VM_READ | VM_WRITE)
    return task


def looked_up(era: Era, prot: int | None = None) -> object:
    task = process(era)
    assert task.mm is not None
    if prot is not None:
        task.write(AT, b"x")
        do_mprotect(task, AT, PAGE, prot)
    found = follow_page(task.mm.vmas[0], AT // PAGE)
    return found if isinstance(found, int) else "a page"


def held_on_its_way(era: Era) -> list[int]:
    """References to a page that is on its way, while a fault waits for it."""
    task = process(era)
    task.write(AT, b"x")
    assert task.mm is not None
    page, found = task.user.vm.pages[task.mm.pgtable[AT // PAGE] >> PTE_SHIFT], []

    def arrives() -> bool:
        found.append(page._refcount)
        remove_migration_ptes(task.user, page, page)
        unlock_page(page)
        return True

    lock_page(page)
    try_to_migrate(task.user, page)
    task.user.vm.nobody_else = arrives
    assert task.read(AT, 1) == b"x"
    return found


def areas(era: Era) -> int:
    """Of two areas side by side, one has pages of its own, and gets the policy of the other."""
    task = process(era)
    sys_mbind(task, AT, 2 * PAGE, MPOL_BIND, UserMask(1), 64, 0)
    do_mmap(task, AT + 2 * PAGE, 2 * PAGE, VM_READ | VM_WRITE)
    task.write(AT + 2 * PAGE, b"x")
    sys_mbind(task, AT + 2 * PAGE, 2 * PAGE, MPOL_BIND, UserMask(1), 64, 0)
    assert task.mm is not None
    return len(task.mm.vmas)


def charged(era: Era) -> int:
    task = process(era)
    do_mprotect(task, AT, 2 * PAGE, VM_READ)
    assert task.mm is not None
    return task.mm.vmas[0].flags & VM_ACCOUNT


def untaken(era: Era) -> bool:
    """Whether a page that is on no list, and so cannot be taken, is counted."""
    vm = VM(64 << 12, era=era)
    page = vm.alloc_page()
    assert page is not None
    return QueuePages(userspace(vm), 1, False, MPOL_MF_MOVE, True).take(page)


def soft_offlined(era: Era) -> tuple[int, int]:
    """A clean page of the swap cache that no process maps: how many it moved, and how many are in the cache. Its owner reads it."""
    task = process(era)
    user, vm = task.user, task.user.vm
    space = swapon(user, Disk(vm, 32), 8)
    task.write(AT, b"kept")
    child = task.fork("child")
    for _ in range(4):
        shrink_node(user, vm.nodes[0], 0)
    assert task.read(AT, 4) == b"kept" and task.mm is not None
    page = vm.pages[task.mm.pgtable[AT // PAGE] >> PTE_SHIFT]
    do_munmap(task, AT, PAGE)
    lru_add_drain_all(user)
    assert soft_offline_page(vm, page.pfn) == 0
    seen = vm.vmstat["pgmigrate_success"], len(space.i_pages)
    assert child.read(AT, 4) == b"kept"
    validate_vm(vm)
    return seen


def with_buffers(era: Era) -> list[int]:
    """The steps of the move of a page that somebody holds, and that has a locked buffer, for which nobody waits; and its answer."""
    vm = VM(256 << 12, nodes=2, era=era)
    task = userspace(vm).spawn("work")
    inode = registry.load(vm, "blockfs").create("/file")
    file_write(task, inode, 0, b"x")
    lru_add_drain_all(task.user)
    page = inode.mapping.i_pages[0]
    for _ in range(2):  # the mover's, and one too many
        get_page(page)
    buffer = page_buffers(page)[0]
    lock_buffer(buffer)
    lock_page(page)
    target = vm.alloc_page(nid=1)
    assert target is not None
    lock_page(target)
    seen: list[int] = []
    vm.observe(lambda event: seen.extend([event.args["step"]] if event.kind == "migration_step" else []))
    rc = buffer_migrate_page(inode.mapping, target, page, MIGRATE_SYNC)
    return [*seen, rc]


def from_cma(era: Era) -> bool:
    """Whether the first movable page of a machine with much CMA comes from there."""
    vm = VM(16 << 20, era=era)
    cma_init_reserved_mem(vm, 1024, 3072)
    page = vm.alloc_page(GFP_HIGHUSER_MOVABLE)
    assert page is not None
    return page.zone.pageblock_type(page.pfn) == MIGRATE_CMA


def used_twice(era: Era) -> bool:
    """Whether the page is active then."""
    task = process(era)
    task.write(AT, b"x")
    assert task.mm is not None
    page = task.user.vm.pages[task.mm.pgtable[AT // PAGE] >> PTE_SHIFT]
    for _ in range(2):
        mark_page_accessed(page)
    return bool(page._flags & ACTIVE)


def emptied(era: Era) -> int:
    user = userspace(VM(256 << 12, nodes=2, era=era))
    group = Cpuset(user, "group", user.top_cpuset)
    assert group.write_mems("0") == 0
    user.spawn("work", cpuset=group)
    answer = group.write_mems("")
    assert answer in (0, -ENOSPC)
    return answer


def target_policy(era: Era) -> object:
    policy = SimpleNamespace(mode=MPOL_BIND)
    caller: Any = SimpleNamespace(user=SimpleNamespace(era=era), mempolicy=policy)
    return mbind_target(caller, 0, 1, None, ListHead("pages")).policy


def file_index(era: Era) -> int:
    area: Any = SimpleNamespace(pgoff=0, start=0, file=SimpleNamespace(ino=3))
    return interleave_index(area, 1, era)


def keeps(policy: object) -> bool:
    assert isinstance(policy, Mempolicy)
    return policy.keeps_user_mask


def steps(era: Era) -> list[int]:
    """The numbered steps of a page that moves to the other node, as they come."""
    task = userspace(VM(256 << 12, nodes=2, era=era)).spawn("work")
    do_mmap(task, AT, PAGE, VM_READ | VM_WRITE | VM_SHARED)
    task.write(AT, b"x")
    found: list[int] = []
    task.user.vm.observe(lambda event: found.append(event.args["step"]) if event.kind == "migration_step" else None)
    sys_move_pages(task, 0, 1, UserArray([AT]), UserArray([1]), UserArray([0]), MPOL_MF_MOVE)
    return found


SHOWN: dict[str, tuple[str, Any, Callable[[Era], object]]] = {
    "lru_add_first": ("4.19", True, steps),
    "copies_first": ("4.19", True, steps),
    "migration_wait_takes_ref": ("4.19", False, held_on_its_way),
    "absent_anon_enoent": ("7.3", False, looked_up),
    "protnone_pages_seen": ("7.3", False, lambda era: looked_up(era, 0)),
    "weighted_interleave": ("7.3", False, lambda era: split_mode(MPOL_WEIGHTED_INTERLEAVE, era)),
    "balancing_preferred_many": ("6.1", True, lambda era: split_mode(MPOL_PREFERRED_MANY | MPOL_F_NUMA_BALANCING, era)),
    "balancing_keeps_user_mask": ("6.1", False, lambda era: keeps(mpol_new(MPOL_BIND, MPOL_F_NUMA_BALANCING, 1, era))),
    "file_interleave_by_inode": ("6.1", True, file_index),
    "mbind_places_by_call": ("6.1", True, target_policy),
    "migrate_counts_untaken": ("6.1", True, untaken),
    "merge_into_fresh": ("6.1", True, areas),
    "unaccounts_unused": ("6.1", True, charged),
    "evicts_swap_cache": ("6.1", False, soft_offlined),
    "empty_mems_with_tasks": ("6.1", True, emptied),
    "cma_first": ("6.1", False, from_cma),
    "buffers_count_first": ("6.1", False, with_buffers),
    "second_use_activates": ("7.3", True, used_twice),
}
