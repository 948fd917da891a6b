"""Cpusets of cgroup v2, their memory half: which nodes the tasks of a group may use (kernel/cgroup/cpuset.c).

When the nodes of a group change, or a task comes to another group, policies are bound again and pages follow before the write
returns.
"""

from __future__ import annotations

from errno import EACCES, EBUSY, EINVAL, ENODEV, ENOSPC, ERANGE
from typing import TYPE_CHECKING

from movable.mm.mempolicy import mpol_rebind, nodes_point
from movable.mm.nodemask import parse_nodelist

if TYPE_CHECKING:
    from movable.mm.process import Process
    from movable.mm.userspace import Userspace


class Cpuset:
    """One group.

    ``mems_allowed`` is what was written to cpuset.mems, ``effective_mems`` what its tasks get: the part of it that the parent
    has, or all that the parent has; the root's is every node, with memory or without. ``old_mems_allowed`` is where the pages of
    its tasks were placed last.
    """

    __slots__ = ("children", "effective_mems", "mems_allowed", "name", "old_mems_allowed", "parent", "removed", "tasks", "user")

    def __init__(self, user: Userspace, name: str, parent: Cpuset | None) -> None:
        self.user = user
        self.name = name
        self.parent = parent
        self.children: list[Cpuset] = []
        self.removed = False
        self.tasks: set[Process] = set()
        if parent is None:
            self.mems_allowed = (1 << len(user.vm.nodes)) - 1
            self.effective_mems = self.old_mems_allowed = user.memory_nodes
        else:
            parent.children.append(self)
            self.mems_allowed = self.old_mems_allowed = 0
            self.effective_mems = parent.effective_mems

    def guaranteed_mems(self) -> int:
        """The nodes of the group, or of its nearest ancestor with memory (guarantee_online_mems)."""
        group = self
        self._point("ar")
        while not group.effective_mems & self.user.memory_nodes and group.parent is not None:
            group = group.parent
        return group.effective_mems & self.user.memory_nodes

    def members(self) -> list[Process]:
        """The living tasks, by pid."""
        self.members_point("ar")
        return sorted(self.tasks, key=lambda task: task.pid)

    def write_mems(self, text: str) -> int:
        """Write to cpuset.mems: 0, -EACCES for the root, -EINVAL, -ERANGE or -ENOSPC (update_nodemask)."""
        if self.parent is None:
            return -EACCES
        with self.user.cgroup_mutex:
            return -ENODEV if self.removed else self._write_mems(text.strip())

    def _write_mems(self, text: str) -> int:
        try:
            mask = parse_nodelist(text)
        except ValueError:
            return -EINVAL
        except OverflowError:
            return -ERANGE
        if mask & ~self.user.top_cpuset.mems_allowed:
            return -EINVAL
        if mask == self.mems_allowed:
            return 0
        if self.members() and not mask and self.mems_allowed and not self.user.era.empty_mems_with_tasks:
            return -ENOSPC
        self._point("aw")
        self.mems_allowed = mask
        self.update_hierarchy()
        return 0

    def update_hierarchy(self) -> None:
        """Work out the effective nodes again, here and below (update_nodemasks_hier)."""
        if self.parent is not None:
            mems = self.mems_allowed & self.parent.effective_mems or self.parent.effective_mems
            if mems == self.effective_mems:
                return
            self._point("aw")
            self.effective_mems = mems
            self.update_tasks()
        for child in self.children:
            child.update_hierarchy()

    def hotplug(self) -> None:
        """Of the root: it has the nodes with memory, whatever they are now, and its groups follow (cpuset_hotplug_workfn)."""
        with self.user.cgroup_mutex:
            if self.effective_mems != self.user.memory_nodes:
                self._point("aw")
                self.effective_mems = self.user.memory_nodes
                self.update_tasks()
                self.update_hierarchy()

    def update_tasks(self) -> None:
        """Every task gets the nodes, its policies with it, and its pages follow (update_tasks_nodemask)."""
        mems = self.guaranteed_mems()
        for task in self.members():
            change_task_nodemask(task, mems)
            change_mm(task, self.mems_allowed or mems, self.old_mems_allowed, mems)
        self.old_mems_allowed = mems

    def attach(self, task: Process) -> int:
        """Write a task's pid to cgroup.procs: it leaves its group for this one (cpuset_attach); 0, or -ENODEV in one that is gone.

        Between groups with the same nodes nothing is bound again, and nothing moves.
        """
        with self.user.cgroup_mutex:
            return -ENODEV if self.removed else self._attach(task)

    def _attach(self, task: Process) -> int:
        former = task.cpuset
        former.members_point("aw")
        if former is self or task not in former.tasks:
            return 0
        self.members_point("aw")
        former.tasks.discard(task)
        self.tasks.add(task)
        task.cpuset = self
        if former.effective_mems != self.effective_mems:
            change_task_nodemask(task, self.guaranteed_mems())
            change_mm(task, self.effective_mems, former.old_mems_allowed, self.effective_mems)
        self.old_mems_allowed = self.effective_mems
        return 0

    def remove(self) -> int:
        """The group goes (rmdir): 0, or -EBUSY where it has tasks, -ENODEV where it is gone."""
        with self.user.cgroup_mutex:
            if self.removed or self.members():
                return -ENODEV if self.removed else -EBUSY
            assert self.parent is not None
            self.parent.children.remove(self)
            self.removed = True
            return 0

    def members_point(self, op: str) -> None:
        """Which tasks are in a group is one location, where tasks run."""
        if self.user.vm.seam is not None:
            self.user.vm.seam.point(op, ("cgroup.procs", self.name))

    def _point(self, op: str) -> None:
        """The nodes of a group are one location, where tasks run."""
        if self.user.vm.seam is not None:
            self.user.vm.seam.point(op, ("cpuset", self.name))

    def __repr__(self) -> str:
        return f"<cpuset /{self.name}>"


def change_task_nodemask(task: Process, mems: int) -> None:
    """The task's policy and its allowed nodes (cpuset_change_task_nodemask)."""
    nodes_point(task, "aw")
    mpol_rebind(task.mempolicy, mems)
    task.mems_allowed = mems


def change_mm(task: Process, bound: int, old: int, new: int) -> None:
    """The policies of a process's areas are bound to ``bound``, and its pages follow from ``old`` to ``new`` (mpol_rebind_mm,
    cpuset_migrate_mm). Policies of files stay."""
    from movable.mm.mempolicy_calls import do_migrate_pages
    from movable.mm.mmap import mmget

    mm = task.mm
    if mm is None:
        return
    for vma in mm.vmas:
        mpol_rebind(vma.policy, bound)
    with mmget(mm):
        do_migrate_pages(task.user.kworker, mm, old, new, True)
