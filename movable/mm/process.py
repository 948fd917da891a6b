"""Processes: what the kernel knows about who makes a call (include/linux/sched.h, cred.h, kernel/fork.c, kernel/exit.c)."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

from movable.errors import MovableError
from movable.mm.memory import do_user_addr_fault
from movable.mm.mm_types import MmStruct
from movable.mm.page import PAGE_SIZE, put_page

if TYPE_CHECKING:
    from movable.mm.cpuset import Cpuset
    from movable.mm.mempolicy import Mempolicy
    from movable.mm.page import Page
    from movable.mm.userspace import Userspace

SIGBUS, SIGSEGV = 7, 11
RUNNING, ZOMBIE, DEAD = "running", "zombie", "dead"


class Signal(MovableError):
    """A process touched memory that it may not touch: ``signo`` is SIGSEGV or SIGBUS, ``address`` where."""

    def __init__(self, signo: int, address: int) -> None:
        self.signo = signo
        self.address = address
        super().__init__(f"{'SIGBUS' if signo == SIGBUS else 'SIGSEGV'} at {address:#x}")


class Process:
    """One process with one task.

    ``mm`` is its memory, None for a kernel thread and after it exited. ``uid`` 0 has all capabilities. ``mempolicy`` is the
    task's policy, None for the default; ``mems_allowed`` the nodes its cpuset gives it; ``cpu`` where it runs. ``pins`` are
    pages that a pipe of its holds (vmsplice).
    """

    __slots__ = ("comm", "cpu", "cpuset", "mempolicy", "mems_allowed", "mm", "parent", "pid", "pins", "state", "uid", "user")

    def __init__(self, user: Userspace, pid: int, comm: str, cpuset: Cpuset, *, uid: int = 0, cpu: int = 0) -> None:
        self.user = user
        self.pid = pid
        self.comm = comm
        self.uid = uid
        self.cpu = cpu
        self.cpuset = cpuset
        self.mems_allowed = cpuset.effective_mems
        self.mempolicy: Mempolicy | None = None
        self.mm: MmStruct | None = None
        self.parent: Process | None = None
        self.pins: list[Page] = []
        self.state = RUNNING

    @property
    def capable(self) -> bool:
        """Whether it has CAP_SYS_NICE, CAP_SYS_PTRACE and CAP_IPC_LOCK, as root has."""
        return self.uid == 0

    @property
    def node(self) -> int:
        """The node of the CPU it runs on (numa_node_id)."""
        return self.user.cpu_nodes[self.cpu]

    def may_access(self, target: Process) -> bool:
        """Whether it may look at another process (ptrace_may_access, PTRACE_MODE_READ_REALCREDS)."""
        return target is self or self.capable or (self.uid == target.uid and target.comm != "kthread")

    # memory

    def read(self, address: int, length: int) -> bytes:
        """``length`` bytes at a virtual address, as the process itself would read them. Raises Signal where it may not."""
        view = self.user.vm.map_page
        return b"".join(bytes(view(page)[start:end]) for page, start, end in self._pieces(address, length, False))

    def write(self, address: int, content: bytes) -> None:
        """Store bytes at a virtual address, as the process itself would. Raises Signal where it may not."""
        done = 0
        for page, start, end in self._pieces(address, len(content), True):
            self.user.vm.map_page(page)[start:end] = content[done : done + end - start]
            done += end - start

    def _pieces(self, address: int, length: int, write: bool) -> Iterator[tuple[Page, int, int]]:
        """(page, first byte, last byte + 1) of each page; the access must be made before the next one is asked for."""
        end = address + length
        while address < end:
            signo, page = self.touch(address // PAGE_SIZE, write)
            if page is None:
                raise Signal(signo, address)
            start = address % PAGE_SIZE
            stop = min(PAGE_SIZE, start + end - address)
            yield page, start, stop
            address += stop - start

    def touch(self, vpn: int, write: bool) -> tuple[int, Page | None]:
        """Access one page as the processor does, faulting as often as needed: (0, the page), or (a signal, None)."""
        return do_user_addr_fault(self, vpn, write)

    # life

    def fork(self, comm: str) -> Process:
        """A child with a copy of this process's memory; pages are shared until one of them writes (kernel/fork.c)."""
        from movable.mm.fork import dup_mm

        child = self.user.spawn(comm, uid=self.uid, cpu=self.cpu, cpuset=self.cpuset)
        child.parent = self
        child.mems_allowed = self.mems_allowed
        child.mempolicy = self.mempolicy.dup() if self.mempolicy is not None else None
        if self.mm is not None and child.mm is not None:
            dup_mm(self.mm, child.mm)
        return child

    def exit(self, reap: bool = True) -> None:
        """Give up everything; until it is reaped it is a zombie, which has a pid and no memory (do_exit)."""
        from movable.mm.mmap import mmput

        self._changes()
        self.unpin()
        mm, self.mm = self.mm, None
        if mm is not None:
            mmput(mm)
        self.mempolicy = None
        self.state = ZOMBIE
        self.cpuset.members_point("aw")
        self.cpuset.tasks.discard(self)
        if reap:
            self.reap()

    def reap(self) -> None:
        """The parent has waited for it: its pid is free."""
        self._changes()
        self.state = DEAD
        self.user.tasks.pop(self.pid, None)

    def unpin(self) -> None:
        """Drop the references that pipes hold."""
        pins, self.pins = self.pins, []
        for page in pins:
            put_page(page)

    def setuid(self, uid: int) -> None:
        """Change to another user; capabilities go with root."""
        self._changes()
        self.uid = uid

    def _changes(self) -> None:
        """What others see who look the process up is another one from this step on."""
        if self.user.vm.seam is not None:
            self.user.vm.seam.point("aw", ("task", self.pid))

    def __repr__(self) -> str:
        return f"<process {self.pid} {self.comm}>"
