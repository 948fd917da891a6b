"""What a machine has beside its memory once processes run on it: CPUs, pids, batches, cpusets, the zero page.

Nothing of this exists in a machine that only drivers use. ``userspace(vm)`` makes it on first use.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from typing import TYPE_CHECKING

from movable.mm.cpuset import Cpuset
from movable.mm.gfp import GFP_KERNEL, GFP_ZERO
from movable.mm.migrate_file import move_file_page
from movable.mm.migrate_lru import unmap_and_move_lru
from movable.mm.mm_types import MmStruct
from movable.mm.node_files import vmstat_of_processes
from movable.mm.page import Page, put_page
from movable.mm.page_flags import RESERVED
from movable.mm.process import Process
from movable.mm.rmap import AreaIndex
from movable.mm.swap import lru_add_drain_all, lru_add_drain_cpu, release_lru_page
from movable.mm.validate_mm import findings
from movable.mm.vmscan_lru import shrink_node

if TYPE_CHECKING:
    from movable.mm.buffer import BufferHead
    from movable.mm.fs import Inode
    from movable.mm.rmap import AnonVma
    from movable.mm.swapfile import SwapSpace
    from movable.mm.vm import VM

PF_KTHREAD_PID = 2
FIRST_PID = 100


class Userspace:
    """The processes of a machine and what they share.

    ``era`` says how its kernel answers, ``cpu_nodes`` the node of each CPU, ``cpu`` the CPU whose batch the kernel's own
    work uses. ``fault_around`` is the window of read faults in pages (1: none). ``tasks`` are the processes by pid.
    ``lru_tally`` counts what became of pages of the LRU lists that were to move: migrated, eagain, failed, putback, released, and
    those that compaction refused. ``top_cpuset`` is the root group, ``kworker`` who
    moves pages for it. ``memory_nodes`` are the nodes with memory (N_MEMORY).
    """

    def __init__(self, vm: VM, *, cpu_nodes: tuple[int, ...] = (0,), fault_around: int = 1) -> None:
        self.vm = vm
        self.era = vm.era
        self.cpu_nodes = cpu_nodes
        self.cpu = 0
        self.fault_around = fault_around
        self.memory_nodes = self._nodes_with_memory()
        self.lru_add: list[list[Page]] = [[] for _ in cpu_nodes]
        self.lru_disabled = 0
        self.bh_lrus: list[list[BufferHead]] = [[] for _ in cpu_nodes]
        self.numastat = [[0] * 6 for _ in vm.nodes]
        self.mlock_count: dict[int, int] = {}
        self.anon_vmas: dict[int, AnonVma] = {}
        self.area_index = AreaIndex()
        self.files: dict[str, Inode] = {}
        self.inodes = 0
        self.cgroup_mutex = vm.mutex("cgroup_mutex")
        self.top_cpuset = Cpuset(self, "", None)
        self.tasks: dict[int, Process] = {}
        self._next_pid = FIRST_PID
        self.move_lru_page = unmap_and_move_lru
        self.move_file_page = move_file_page
        self.shrink_node = shrink_node
        self.swap: SwapSpace | None = None
        self.lru_tally: Counter[str] = Counter()
        self.release_lru_page = release_lru_page
        self.zero_page = self._make_zero_page()
        self.kworker = Process(self, 0, "kthread", self.top_cpuset)
        self.tasks[PF_KTHREAD_PID] = Process(self, PF_KTHREAD_PID, "kthread", self.top_cpuset)

    def node_states_change(self) -> None:
        """Memory came or went: look again which nodes have any (node_states_set_node, node_states_clear_node), as cpusets do."""
        self.memory_nodes = self._nodes_with_memory()
        self.top_cpuset.hotplug()

    def _nodes_with_memory(self) -> int:
        return sum(1 << node.nid for node in self.vm.nodes if node.present_pages)

    def _make_zero_page(self) -> Page:
        page = self.vm.alloc_page(GFP_KERNEL | GFP_ZERO, 0)
        assert page is not None, "a machine without one free page"
        page._flags |= RESERVED
        return page

    def spawn(self, comm: str, *, uid: int = 0, cpu: int = 0, cpuset: Cpuset | None = None) -> Process:
        """A new process with empty memory, in a cpuset (default: the root group)."""
        group = self.top_cpuset if cpuset is None else cpuset
        if self.vm.seam is not None:
            self.vm.seam.point("aw", ("pids",))
        task = Process(self, self._next_pid, comm, group, uid=uid, cpu=cpu)
        self._next_pid += 1
        task.mm = MmStruct(self, f"{comm} {task.pid}")
        group.members_point("aw")
        group.tasks.add(task)
        self.tasks[task.pid] = task
        return task

    def findings(self, quiescent: bool) -> Iterator[str]:
        """What disagrees in the memory of processes; see validate_mm.py."""
        return findings(self, quiescent)

    def vmstat(self) -> dict[str, int]:
        """What /proc/vmstat says of the memory of processes."""
        return vmstat_of_processes(self)

    def lru_add_drain(self) -> None:
        """Empty the batch of the CPU that does the kernel's own work."""
        lru_add_drain_cpu(self, self.cpu)

    def lru_add_drain_all(self) -> None:
        """Empty the batches of all CPUs."""
        lru_add_drain_all(self)

    def shut_down(self) -> None:
        """No process is left: give back what was held for them. A later one finds everything made anew."""
        self.lru_add_drain_all()
        self.zero_page._flags &= ~RESERVED
        put_page(self.zero_page)
        self.vm.userspace = None

    def find_task(self, pid: int) -> Process | None:
        """The process with a pid, zombies included (find_task_by_vpid)."""
        if self.vm.seam is not None:
            self.vm.seam.point("ar", ("task", pid))
        return self.tasks.get(pid)


def userspace(vm: VM) -> Userspace:
    """The userspace of a machine, made with defaults on first use: one CPU on each node."""
    if vm.userspace is None:
        vm.userspace = Userspace(vm, cpu_nodes=tuple(range(len(vm.nodes))))
    return vm.userspace
