"""The files of a script: /proc of processes, the machine's and its nodes', and those of cpusets."""

from __future__ import annotations

import os
import re
from collections.abc import Callable, Iterator
from errno import EINVAL, ENOENT, ENXIO, ESRCH
from fnmatch import fnmatchcase
from typing import TYPE_CHECKING

from movable.errors import UsageError
from movable.mm.compaction import compact_memory
from movable.mm.memory import mm_pages
from movable.mm.memory_failure import soft_offline_page
from movable.mm.node_files import distance, meminfo, node_numastat
from movable.mm.nodemask import format_nodelist
from movable.mm.page import PAGE_SIZE
from movable.mm.proc import buddyinfo, pagetypeinfo, vmstat, zoneinfo
from movable.mm.proc import meminfo as machine_meminfo
from movable.mm.process import RUNNING
from movable.mm.task_mmu import numa_maps

if TYPE_CHECKING:
    from movable.mm.cpuset import Cpuset
    from movable.mm.mmzone import Node
    from movable.mm.process import Process
    from movable.mm.userspace import Userspace

NODES = "/sys/devices/system/node/"
GROUPS = "/sys/fs/cgroup/"
BALANCING = "/proc/sys/kernel/numa_balancing"
COMPACT_MEMORY = "/proc/sys/vm/compact_memory"
SOFT_OFFLINE = "/sys/devices/system/memory/soft_offline_page"
WRITE_ONLY = (COMPACT_MEMORY, SOFT_OFFLINE)
"""Files that root can write to and not read."""
WHOLE = {"buddyinfo": buddyinfo, "pagetypeinfo": pagetypeinfo, "vmstat": vmstat, "meminfo": machine_meminfo, "zoneinfo": zoneinfo}
ADDRESS = re.compile(r"0[xX][0-9a-fA-F]{1,16}|0|[1-9]\d{0,18}")
PID = re.compile(r"[1-9]\d{0,8}")
GROUP = re.compile(r"/sys/fs/cgroup/(?:([\w-]+)/)?([\w.]+)")

Read = Callable[[], str]


def files(user: Userspace, groups: dict[str, Cpuset]) -> dict[str, Read]:
    """What can be read, by path."""
    found = {f"/proc/{name}": _of_machine(user, read) for name, read in WHOLE.items()}
    found[BALANCING] = lambda: "0\n"
    for pid, task in user.tasks.items():
        if task.comm != "kthread":
            found |= {f"/proc/{pid}/{name}": read for name, read in _of_process(task)}
    found |= {NODES + name: read for name, read in _of_nodes(user)}
    for node in user.vm.nodes:
        found |= {f"{NODES}node{node.nid}/{name}": read for name, read in _of_node(user, node)}
    for group in groups.values():
        folder = f"{GROUPS}{group.name}/" if group.parent is not None else GROUPS
        found |= {folder + name: read for name, read in _of_group(group)}
    return found


def matching(found: dict[str, Read], pattern: str) -> list[str]:
    """The paths that a pattern of a shell means. Raises UsageError for none."""
    if pattern in found:
        return [pattern]
    paths = [path for path in found if path.count("/") == pattern.count("/") and fnmatchcase(path, pattern)]
    if pattern == GROUPS + "cpuset.mems":
        raise UsageError(f"{pattern}: {os.strerror(ENOENT)}: the root group has all nodes, as its cpuset.mems.effective says")
    if not paths:
        raise UsageError(f"{pattern}: no such file in the model; see docs/numa.md for those that can be read")
    return sorted(paths)


def _of_machine(user: Userspace, read: Callable[..., str]) -> Read:
    return lambda: read(user.vm)


def _of_process(task: Process) -> Iterator[tuple[str, Read]]:
    yield "numa_maps", lambda: numa_maps(task)
    yield "status", lambda: status(task)
    yield "cgroup", lambda: f"0::/{task.cpuset.name}\n"


def _of_nodes(user: Userspace) -> Iterator[tuple[str, Read]]:
    for name in ("online", "possible"):
        yield name, lambda: format_nodelist((1 << len(user.vm.nodes)) - 1) + "\n"
    for name in ("has_memory", "has_normal_memory"):
        yield name, lambda: format_nodelist(user.memory_nodes) + "\n"
    yield "has_cpu", lambda: format_nodelist(sum({1 << nid for nid in user.cpu_nodes})) + "\n"


def _of_node(user: Userspace, node: Node) -> Iterator[tuple[str, Read]]:
    cpus = sum(1 << cpu for cpu, nid in enumerate(user.cpu_nodes) if nid == node.nid)
    yield "meminfo", lambda: meminfo(user, node)
    yield "numastat", lambda: node_numastat(user, node)
    yield "distance", lambda: distance(node)
    yield "cpulist", lambda: format_nodelist(cpus) + "\n"


def _of_group(group: Cpuset) -> Iterator[tuple[str, Read]]:
    if group.parent is not None:
        yield "cpuset.mems", lambda: format_nodelist(group.mems_allowed) + "\n"
    yield "cpuset.mems.effective", lambda: format_nodelist(group.effective_mems) + "\n"
    yield "cgroup.procs", lambda: "".join(f"{task.pid}\n" for task in group.members())
    yield "cgroup.controllers", lambda: "cpuset\n"
    yield "cgroup.subtree_control", lambda: "cpuset\n" if group.parent is None else ""


def write_file(user: Userspace, groups: dict[str, Cpuset], value: str, path: str) -> int:
    """What a write of ``value`` to a file answers: 0 or -errno.

    Raises UsageError for a file that cannot be written to.
    """
    if path == COMPACT_MEMORY:
        if user.vm.era.compact_memory_wants_one and value.strip() != "1":
            return -EINVAL
        compact_memory(user.vm)
        return 0
    if path == SOFT_OFFLINE:
        if not ADDRESS.fullmatch(value.strip()):
            return -EINVAL
        pfn = int(value, 0) // PAGE_SIZE
        return soft_offline_page(user.vm, pfn) if pfn < user.vm.nr_frames else -ENXIO
    if path == BALANCING:
        if value.strip() != "0":
            raise UsageError(f"{path}: no process is scanned here; 'balance PID PAGE to NODE' does what a scan would lead to")
        return 0
    found = GROUP.fullmatch(path)
    group = groups.get(found[1] or "") if found else None
    if found is None or found[2] not in ("cpuset.mems", "cgroup.procs", "cgroup.subtree_control"):
        raise UsageError(f"{path}: no such file to write to in the model; see docs/numa.md")
    if group is None:
        return -ENOENT
    if found[2] == "cpuset.mems":
        return group.write_mems(value)
    return _attach(user, group, value) if found[2] == "cgroup.procs" else 0  # the controller is there in any case


def _attach(user: Userspace, group: Cpuset, value: str) -> int:
    if not PID.fullmatch(value.strip()):
        return -EINVAL
    task = user.find_task(int(value))
    return -ESRCH if task is None or task.comm == "kthread" else group.attach(task)


def status(task: Process) -> str:
    """What the model knows of /proc/PID/status (fs/proc/array.c)."""
    mm, uid = task.mm, task.uid
    rows = [
        ("Name", task.comm),
        ("State", "Z (zombie)" if mm is None else "S (sleeping)"),
        ("Pid", task.pid),
        ("PPid", 1 if task.parent is None or task.parent.state != RUNNING else task.parent.pid),
        ("Uid", f"{uid}\t{uid}\t{uid}\t{uid}"),
        *(() if mm is None else (("VmLck", f"{mm.locked_vm * 4:8d} kB"), ("VmRSS", f"{mm_pages(mm) * 4:8d} kB"))),
        ("Mems_allowed_list", format_nodelist(task.mems_allowed)),
    ]
    return "".join(f"{name}:\t{value}\n" for name, value in rows)
