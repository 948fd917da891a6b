"""What /proc and /sys show of a machine, and what happens when somebody writes there."""

from __future__ import annotations

import errno
import os
from collections.abc import Callable, Iterator
from functools import partial
from typing import TYPE_CHECKING, NamedTuple

from movable.errors import UsageError
from movable.lab.options import PAGEBLOCK_ORDER
from movable.mm.compaction import compact_memory, compact_node
from movable.mm.compaction_proactive import proactive_compact
from movable.mm.gfp import GFP_TRANSHUGE
from movable.mm.memory_failure import soft_offline_page
from movable.mm.memory_hotplug import offline_pages, online_pages
from movable.mm.page import PAGE_SHIFT, put_page
from movable.mm.page_isolation import is_offline
from movable.mm.proc import buddyinfo, meminfo, pagetypeinfo, vmstat, zoneinfo
from movable.mm.truncate import invalidate_mapping_pages
from movable.mm.vmstat import extfrag_index_text, unusable_index_text
from movable.sh.machine import Machine

if TYPE_CHECKING:
    from movable.mm.mmzone import Node
    from movable.mm.vm import VM

HUGE_POOL = "/sys/kernel/mm/hugepages/hugepages-2048kB"
MAX_BLOCK = 128 << 20
"""Bytes of a memory block on x86-64; an eighth of a node where that is less."""


class File(NamedTuple):
    """How a file is read and written; None where it cannot be. Writing raises OSError as a kernel answers."""

    read: Callable[[], str] | None = None
    write: Callable[[str], None] | None = None


def tree(machine: Machine) -> dict[str, File]:
    """Every file by path."""
    vm = machine.vm
    files = {
        "/proc/buddyinfo": File(lambda: buddyinfo(vm)),
        "/proc/meminfo": File(lambda: meminfo(vm) + _huge_lines(machine)),
        "/proc/pagetypeinfo": File(lambda: pagetypeinfo(vm)),
        "/proc/vmstat": File(lambda: vmstat(vm)),
        "/proc/zoneinfo": File(lambda: zoneinfo(vm)),
        "/proc/sys/vm/compact_memory": File(None, partial(_compact_memory, vm)),
        "/proc/sys/vm/drop_caches": File(None, partial(_drop_caches, vm)),
        "/proc/sys/vm/extfrag_threshold": File(lambda: "500\n"),
        "/proc/sys/vm/nr_hugepages": File(lambda: f"{len(machine.huge)}\n", partial(_set_huge_pages, machine)),
        f"{HUGE_POOL}/nr_hugepages": File(lambda: f"{len(machine.huge)}\n", partial(_set_huge_pages, machine)),
        f"{HUGE_POOL}/free_hugepages": File(lambda: f"{len(machine.huge)}\n"),
        "/sys/kernel/debug/extfrag/extfrag_index": File(lambda: extfrag_index_text(vm)),
        "/sys/kernel/debug/extfrag/unusable_index": File(lambda: unusable_index_text(vm)),
        "/sys/devices/system/memory/soft_offline_page": File(None, lambda text: _soft_offline(machine, text)),
    }
    files |= dict(_memory_blocks(machine))
    files |= dict(_switches_of_the_era(machine))
    for node in vm.nodes:
        files[f"/sys/devices/system/node/node{node.nid}/compact"] = File(None, partial(_compact_node, node))
    for driver in machine.run.drivers:
        offered = getattr(driver.instance, "operator_files", None)
        if callable(offered):
            files |= {path: File(*pair) for path, pair in offered().items()}
    return dict(sorted(files.items()))


def _switches_of_the_era(machine: Machine) -> Iterator[tuple[str, File]]:
    era = machine.vm.era
    if era.proactive_floor >= 0:
        path = "/proc/sys/vm/compaction_proactiveness"
        yield path, File(lambda: f"{machine.proactiveness}\n", partial(_set_proactiveness, machine))
    if era.soft_offline_switch:
        path = "/proc/sys/vm/enable_soft_offline"
        yield path, File(lambda: f"{machine.vm.enable_soft_offline:d}\n", partial(_set_soft_offline, machine.vm))


def _set_proactiveness(machine: Machine, text: str) -> None:
    """Remember it, and look at once whether a node is too fragmented (compaction_proactiveness_sysctl_handler)."""
    machine.proactiveness = _up_to(100, text)
    proactive_compact(machine.vm, machine.proactiveness)


def _set_soft_offline(vm: VM, text: str) -> None:
    vm.enable_soft_offline = bool(_up_to(1, text))


def _up_to(most: int, text: str) -> int:
    found = number(text)
    if found > most:
        raise OSError(errno.EINVAL, os.strerror(errno.EINVAL))
    return found


def _compact_memory(vm: VM, text: str) -> None:
    """Compact everything (sysctl_compaction_handler); later kernels want a 1."""
    if vm.era.compact_memory_wants_one and number(text) != 1:
        raise OSError(errno.EINVAL, os.strerror(errno.EINVAL))
    compact_memory(vm)


def _drop_caches(vm: VM, text: str) -> None:
    """Let go of clean pages of files that nothing maps (drop_caches_sysctl_handler);
    2 is about slabs, of which a machine here has none.
    """
    wanted = number(text)
    if not 1 <= wanted <= 4:
        raise OSError(errno.EINVAL, os.strerror(errno.EINVAL))
    for inode in vm.userspace.files.values() if wanted & 1 and vm.userspace is not None else ():
        invalidate_mapping_pages(inode)


def _compact_node(node: Node, text: str) -> None:
    compact_node(node)


def number(text: str) -> int:
    """A number as the kernel takes one: decimal, or 0x and hexadecimal. Raises OSError (EINVAL) for anything else."""
    word = text.strip()
    try:
        if word.lower().startswith("0x") and word[2:].isalnum():
            return int(word, 16)
        if word.isascii() and word.isdigit() and len(word) < 20:
            return int(word)
    except ValueError:
        pass
    raise OSError(errno.EINVAL, os.strerror(errno.EINVAL))


def _set_huge_pages(machine: Machine, text: str) -> None:
    """As many huge pages as there are, up to the number; fewer give some back (nr_hugepages_store)."""
    vm, wanted = machine.vm, number(text)
    while len(machine.huge) > wanted:
        put_page(machine.huge.pop())
    failed = 0
    while len(machine.huge) < wanted and failed < len(vm.nodes):
        nid = len(machine.huge) % len(vm.nodes)
        page = vm.alloc_pages(GFP_TRANSHUGE, PAGEBLOCK_ORDER, (nid + failed) % len(vm.nodes))
        failed = 0 if page is not None else failed + 1
        if page is not None:
            machine.huge.append(page)


def _huge_lines(machine: Machine) -> str:
    pages = len(machine.huge)
    return f"HugePages_Total:   {pages:5d}\nHugePages_Free:    {pages:5d}\nHugepagesize:   {2048:8d} kB\n"


def _memory_blocks(machine: Machine) -> Iterator[tuple[str, File]]:
    vm = machine.vm
    size = min(MAX_BLOCK >> PAGE_SHIFT, max(vm.nr_frames // len(vm.nodes) // 8, 1 << vm.pageblock_order))
    size = size >> vm.pageblock_order << vm.pageblock_order
    yield "/sys/devices/system/memory/block_size_bytes", File(lambda: f"{size << PAGE_SHIFT:x}\n")
    for block in range(vm.nr_frames // size):
        start = block * size
        folder = f"/sys/devices/system/memory/memory{block}"
        yield f"{folder}/state", File(partial(_state, machine, start), partial(_set_state, machine, start, size))
        yield f"{folder}/online", File(partial(_online, machine, start))
        yield f"{folder}/removable", File("1\n".__str__)  # as kernels since 5.8 say of every block
        yield f"{folder}/phys_index", File(f"{block:08x}\n".__str__)
        yield f"{folder}/valid_zones", File(f"{vm.zone_of(start).name}\n".__str__)


def _state(machine: Machine, start: int) -> str:
    return "offline\n" if is_offline(machine.vm.zone_of(start), start) else "online\n"


def _online(machine: Machine, start: int) -> str:
    return f"{not is_offline(machine.vm.zone_of(start), start):d}\n"


def _set_state(machine: Machine, start: int, size: int, text: str) -> None:
    """Take a memory block offline or bring it back (memory_subsys_offline); a state that it has is refused."""
    word = text.strip()
    movable = machine.vm.zone_of(start).name == "Movable"  # a block comes back to the zone that it was of, here
    if word == "online" or (word == "online_movable" and movable) or (word == "online_kernel" and not movable):
        ret = online_pages(machine.vm, start, size)
    elif word == "offline":
        ret = offline_pages(machine.vm, start, size)
    else:
        ret = -errno.EINVAL
    if ret:
        raise OSError(-ret, os.strerror(-ret))


def _soft_offline(machine: Machine, text: str) -> None:
    """Move what is in the page at a physical address away, and never use the page again (soft_offline_page_store)."""
    pfn = number(text) >> PAGE_SHIFT
    try:
        ret = soft_offline_page(machine.vm, pfn)
    except UsageError:
        ret = -errno.ENXIO
    if ret:
        raise OSError(abs(ret), os.strerror(abs(ret)))
