"""numactl: a program under a policy, what one would run under, and the machine (numactl.c, libnuma.c)."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from getopt import GetoptError, getopt
from typing import TYPE_CHECKING

from movable.errors import UsageError
from movable.mm.mempolicy import (
    MPOL_BIND,
    MPOL_DEFAULT,
    MPOL_F_NUMA_BALANCING,
    MPOL_INTERLEAVE,
    MPOL_LOCAL,
    MPOL_NAMES,
    MPOL_PREFERRED,
    MPOL_PREFERRED_MANY,
    MPOL_WEIGHTED_INTERLEAVE,
)
from movable.mm.mempolicy_calls import UserMask, sys_set_mempolicy
from movable.mm.node_files import node_distance
from movable.mm.nodemask import format_nodelist, nodes, parse_nodelist, relative_nodemask
from movable.mm.page import PAGE_SIZE

if TYPE_CHECKING:
    from movable.mm.process import Process
    from movable.mm.userspace import Userspace

Start = Callable[[list[str], Callable[["Process"], None]], Iterator[str]]
"""Starts a program of so many words; the function given prepares its process before it touches anything."""

POLICIES = {
    "--membind": MPOL_BIND,
    "--interleave": MPOL_INTERLEAVE,
    "--weighted-interleave": MPOL_WEIGHTED_INTERLEAVE,
    "--preferred": MPOL_PREFERRED,
    "--preferred-many": MPOL_PREFERRED_MANY,
    "--localalloc": MPOL_LOCAL,
}
LETTERS = {
    "-m": "--membind", "-i": "--interleave", "-w": "--weighted-interleave", "-p": "--preferred", "-P": "--preferred-many",
    "-l": "--localalloc", "-N": "--cpunodebind", "-c": "--cpunodebind", "--cpubind": "--cpunodebind", "-C": "--physcpubind",
    "-a": "--all", "-b": "--balancing", "-s": "--show", "-H": "--hardware",
}  # fmt: skip
SHORT = "m:i:w:p:P:lN:c:C:absH"
LONG = [
    "membind=", "interleave=", "weighted-interleave=", "preferred=", "preferred-many=", "localalloc", "cpunodebind=", "cpubind=",
    "physcpubind=", "all", "balancing", "show", "hardware",
]  # fmt: skip


class Refused(UsageError):
    """What a tool says of an argument that this machine does not have; the shell goes on."""


def numa_parse_nodestring(user: Userspace, caller: Process, text: str) -> int:
    """The mask of a node list such as 0-1, or "all"; !0 means all others, +0 the first of those that the caller may use.

    Raises Refused for nodes that there are not, UsageError for what is no list.
    """
    every, allowed = user.memory_nodes, caller.mems_allowed
    others, listed = text[:1] == "!", text.removeprefix("!")
    try:
        mask = every if listed == "all" else parse_nodelist(listed.removeprefix("+"))
    except (ValueError, OverflowError):
        raise UsageError(f"<{text}> is no list of nodes; write numbers such as 0 or 0-1,3") from None
    if listed[:1] == "+" and not mask >> allowed.bit_count():
        mask = relative_nodemask(mask, allowed)
    if others and mask and not mask & ~every:
        mask = every & ~mask
    if not mask or mask & ~every:
        raise Refused(f"libnuma: Warning: node argument {text} is out of range\n<{text}> is invalid")
    return mask


def _parse_cpustring(user: Userspace, text: str) -> list[int]:
    """The processors of a list such as 0-1, or "all"."""
    every = (1 << len(user.cpu_nodes)) - 1
    try:
        cpus = every if text == "all" else parse_nodelist(text)
    except (ValueError, OverflowError):
        cpus = 0
    if not cpus:
        raise UsageError(f"<{text}> is no list of processors; they are 0 to {len(user.cpu_nodes) - 1}")
    if cpus & ~every:
        raise Refused(f"libnuma: Warning: cpu argument {text} is out of range\n<{text}> is invalid")
    return [*nodes(cpus)]


def _cpus_of(user: Userspace, mask: int, text: str) -> list[int]:
    """The processors of some nodes."""
    found = [cpu for cpu, nid in enumerate(user.cpu_nodes) if mask >> nid & 1]
    if not found:
        raise UsageError(f"numactl: node {text} has no processor")
    return found


class Numactl:
    """One call of numactl by ``caller``. ``mode``, ``mask`` and ``flags`` are the policy, ``cpus`` where the program may run."""

    def __init__(self, user: Userspace, caller: Process) -> None:
        self.user = user
        self.caller = caller
        self.mode, self.mask, self.flags = MPOL_DEFAULT, 0, 0
        self.cpus = [*range(len(user.cpu_nodes))]

    def run(self, words: list[str], start: Start) -> Iterator[str]:
        """Read options in their order, and do what they say; what is left is a program."""
        try:
            options, program = getopt(words, SHORT, LONG)
        except GetoptError as error:
            raise UsageError(f"numactl: {error.msg}") from None
        policies: list[str] = []
        for given, value in options:
            name = LETTERS.get(given, given)
            if name in ("--show", "--hardware"):
                yield from self._show() if name == "--show" else hardware(self.user)
                return
            if name in POLICIES:
                policies.append(given)
                self._policy(POLICIES[name], value)
            elif name == "--cpunodebind":
                self.cpus = _cpus_of(self.user, numa_parse_nodestring(self.user, self.caller, value), value)
            elif name == "--physcpubind":
                self.cpus = _parse_cpustring(self.user, value)
            elif name == "--balancing":
                self.flags = MPOL_F_NUMA_BALANCING
            if len(policies) > 1:
                raise UsageError(f"numactl: conflicting policies: {given} is a second one")
        if not program:
            raise UsageError("numactl: no program; write numactl --membind=0 -- touch 64M, or numactl -H")
        ret = self._set(self.caller)
        self.caller.mempolicy = None
        if ret:
            yield f"set_mempolicy: {os.strerror(-ret)}"
            return
        yield from start(program, self._prepare)

    def _policy(self, mode: int, value: str) -> None:
        self.mode = mode
        self.mask = 0 if mode == MPOL_LOCAL else numa_parse_nodestring(self.user, self.caller, value)
        if mode == MPOL_PREFERRED and self.mask.bit_count() != 1:
            raise UsageError(f"numactl: --preferred takes one node, and {value} are more; --preferred-many takes them")

    def _set(self, task: Process) -> int:
        flags = self.flags if self.mode == MPOL_BIND else 0  # numactl ignores --balancing without --membind
        return sys_set_mempolicy(task, self.mode | flags, UserMask(self.mask), 64)

    def _prepare(self, task: Process) -> None:
        task.cpu = self.cpus[0]
        self._set(task)

    def _show(self) -> Iterator[str]:
        """What a program would run under."""
        mode, mask = self.mode, self.mask
        name = {MPOL_PREFERRED: "preferred", MPOL_PREFERRED_MANY: "preferred-many"}.get(mode, MPOL_NAMES[mode])
        every = "".join(f"{node} " for node in nodes(self.user.memory_nodes))
        yield f"policy: {name}"
        node = "current" if mode in (MPOL_DEFAULT, MPOL_LOCAL) else str(next(nodes(mask)))
        yield f"preferred node: {node}" + (" (interleave next)" if mode == MPOL_INTERLEAVE else "")
        if mode in (MPOL_INTERLEAVE, MPOL_WEIGHTED_INTERLEAVE):
            yield "interleavemask: " + "".join(f"{node} " for node in nodes(mask))
        if mode == MPOL_INTERLEAVE:
            yield f"interleavenode: {node}"
        bound = "".join(f"{nid} " for nid in sorted({self.user.cpu_nodes[cpu] for cpu in self.cpus}))
        yield "physcpubind: " + "".join(f"{cpu} " for cpu in self.cpus)
        yield f"cpubind: {bound}"
        yield f"nodebind: {bound}"
        yield "membind: " + ("".join(f"{node} " for node in nodes(mask)) if mode == MPOL_BIND else every)


def hardware(user: Userspace) -> Iterator[str]:
    """The nodes of the machine, their processors, memory and distances."""
    machine = user.vm.nodes
    yield f"available: {len(machine)} nodes ({format_nodelist(user.memory_nodes)})"
    for node in machine:
        cpus = "".join(f" {cpu}" for cpu, nid in enumerate(user.cpu_nodes) if nid == node.nid)
        yield f"node {node.nid} cpus:{cpus}"
        yield f"node {node.nid} size: {sum(zone.managed_pages for zone in node.zones) * PAGE_SIZE >> 20} MB"
        yield f"node {node.nid} free: {sum(zone.nr_free for zone in node.zones) * PAGE_SIZE >> 20} MB"
    yield "node distances:"
    yield "node " + "".join(f"{node.nid: 3d} " for node in machine)
    for node in machine:
        yield f"{node.nid: 3d}: " + "".join(f"{node_distance(node.nid, other.nid): 3d} " for other in machine)
