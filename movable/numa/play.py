"""Plays the steps of a program on a machine like the recorded one, and says what a recording would hold after each."""

from __future__ import annotations

from collections.abc import Callable
from errno import EACCES, EALREADY, EBADF, EOPNOTSUPP, errorcode
from typing import TYPE_CHECKING, Any, NamedTuple

from movable.mm.cpuset import Cpuset
from movable.mm.fs import Inode
from movable.mm.gup import get_user_pages
from movable.mm.madvise import madvise_dontneed
from movable.mm.mempolicy_calls import (
    UserMask,
    sys_get_mempolicy,
    sys_mbind,
    sys_migrate_pages,
    sys_set_mempolicy,
    sys_set_mempolicy_home_node,
)
from movable.mm.mlock_calls import do_mlock, do_munlock
from movable.mm.mm_types import VM_READ, VM_SHARED, VM_WRITE
from movable.mm.mmap import do_mmap, do_munmap
from movable.mm.move_pages import NOWHERE, UserArray, page_status, sys_move_pages
from movable.mm.mprotect import do_mprotect
from movable.mm.nodemask import format_nodelist
from movable.mm.pgtable import PTE_ACCESSED, PTE_PRESENT
from movable.mm.process import DEAD, ZOMBIE, Process
from movable.mm.shmem import shmem_file
from movable.mm.swap import lru_add_drain_all
from movable.mm.task_mmu import numa_maps_line
from movable.mm.userspace import Userspace
from movable.mm.vm import VM
from movable.numa.program import ASK_WORDS, MODE_WORDS, MOVE_WORDS, Program, Step

if TYPE_CHECKING:
    from movable.mm.page import Page

LAYOUT = ((0, "DMA", 4096), (0, "DMA32", 94208), (1, "DMA32", 98304), (2, "DMA32", 65536))
"""384, 384 and 256 MiB on three nodes."""
CPU_NODES = (0, 1)
BAD, KERN = 0x1000, 0xFFFF888000000000
UNWRITTEN = 12345
"""What a status holds that the call did not get to."""
STATUS_CHARS = {-14: "-", -2: "."}
PRESENT_USED = PTE_PRESENT | PTE_ACCESSED
PROTS = {"r": VM_READ, "w": VM_WRITE, "n": 0}


class Region(NamedTuple):
    """A region of a program: its first byte and its pages."""

    start: int
    pages: int


class Player:
    """One program on a fresh machine. ``step`` does one step and returns what a recording says of it."""

    def __init__(self, program: Program, era: str) -> None:
        vm = VM(layout=LAYOUT, era=era)
        self.user = Userspace(vm, cpu_nodes=CPU_NODES, fault_around=program.fault_around)
        vm.userspace = self.user
        self.groups = {"root": self.user.top_cpuset}
        for name, mems in program.groups.items():
            self.groups[name] = Cpuset(self.user, name, self.user.top_cpuset)
            if mems != "empty":
                self.groups[name].write_mems(mems)
        self.super = self.user.spawn("super")
        first = self.user.spawn("P0", uid=program.uid, cpu=program.cpu)
        self.groups[program.start].attach(first)
        self.tasks: dict[str, Process] = {"P0": first}
        self.regions: dict[str, Region] = {}
        self.known: dict[str, list[str]] = {"P0": []}
        self.ops: dict[str, Callable[[Process, Step], dict[str, Any]]] = {
            name[4:]: getattr(self, name) for name in dir(self) if name.startswith("_do_")
        }

    # what is observed

    def mems(self) -> dict[str, str]:
        """Allowed nodes of each live process and effective nodes of each group."""
        found = {name: format_nodelist(task.mems_allowed) for name, task in self._alive()}
        found |= {name: format_nodelist(group.effective_mems) for name, group in self.groups.items() if name != "root"}
        return found

    def _alive(self) -> list[tuple[str, Process]]:
        return [(name, task) for name, task in sorted(self.tasks.items()) if task.mm is not None]

    def state(self) -> dict[str, dict[str, str]]:
        """Where every page of every region of every live process is, a character a page."""
        return {name: {r: self._row(task, self.regions[r]) for r in self.known[name]} for name, task in self._alive()}

    def _row(self, task: Process, region: Region) -> str:
        assert task.mm is not None
        mm = task.mm
        chars = []
        for address in range(region.start, region.start + region.pages * 4096, 4096):
            status = page_status(mm, address)
            chars.append(STATUS_CHARS.get(status) or str(status))
        return "".join(chars)

    def numa_maps(self) -> dict[str, list[str]]:
        """The lines of numa_maps of each live process whose area begins in a region."""
        lru_add_drain_all(self.user)
        found: dict[str, list[str]] = {}
        for name, task in self._alive():
            assert task.mm is not None
            found[name] = [
                f"{place} {numa_maps_line(task, vma)}" for vma in task.mm.vmas if (place := self._place(vma.start << 12))
            ]
        return found

    def _place(self, address: int) -> str:
        for name, region in self.regions.items():
            if region.start <= address < region.start + region.pages * 4096:
                return f"{name}+{(address - region.start) // 4096}"
        return ""

    def read_all(self) -> None:
        """The observer's reading of every readable page: it leaves every entry used."""
        for _, task in self._alive():
            assert task.mm is not None
            table = task.mm.pgtable
            for vpn, pte in table.items():
                if pte & PRESENT_USED == PTE_PRESENT:
                    table[vpn] = pte | PTE_ACCESSED

    # steps

    def step(self, step: Step) -> dict[str, Any]:
        """Do one step; returns the fields of a recording: ``ret``, ``e``, ``t``, ``status``, ``st`` and so on."""
        found = self._result(step)
        self.read_all()
        found["st"] = self.state()
        if step.keys.get("nm") == "1":
            found["nm"] = self.numa_maps()
        return found

    def _result(self, step: Step) -> dict[str, Any]:
        task = self.super if step.who == "S" else self.tasks.get(step.who)
        if task is None or task.mm is None or not step.regions() <= self.regions.keys():
            return {"skip": 1}
        return self.ops[step.op](task, step)

    def _range(self, step: Step) -> tuple[int, int]:
        name = step.keys["r"]
        start = (BAD if name == "bad" else self.regions[name].start + step.number("p") * 4096) + step.number("off")
        length = step.number("lenb") if "lenb" in step.keys else step.number("n") * 4096
        return start % (1 << 64), length

    def _address(self, token: str) -> int:
        if token in ("bad", "kern", "none"):
            return {"bad": BAD, "kern": KERN, "none": 0}[token]
        name, _, place = token.partition(":")
        page, _, offset = place.partition("+")
        return self.regions[name].start + int(page) * 4096 + int(offset or 0)

    def _pid(self, token: str) -> int:
        if token in ("self", "none", "neg", "kthread", "super"):
            return {"self": 0, "none": 999999, "neg": -5, "kthread": 2, "super": self.super.pid}[token]
        task = self.tasks.get(token)
        if task is None:
            return 0
        return task.pid

    # memory

    def _do_mmap(self, task: Process, step: Step) -> dict[str, Any]:
        name, kind = step.keys["r"], step.keys["kind"]
        flags = sum(PROTS[letter] for letter in step.keys["prot"])
        inode = None
        if kind in ("shanon", "fshared"):
            flags |= VM_SHARED
        if kind in ("fshared", "fprivate"):
            inode = self._file(task, step)
            if task.uid not in (0, inode.uid):  # nobody else may open it
                return result(-EACCES)
        elif kind == "shanon":
            inode = shmem_file(self.user, step.number("len"), self._ino(step))
        address, pages = step.number("addr"), step.number("len")
        ret = do_mmap(task, address, pages * 4096, flags, inode, step.number("foff"))
        if ret == 0 and name == "Z":
            do_munmap(task, address, pages * 4096)
        elif ret == 0:
            self.regions[name] = Region(address, pages)
            self.known[step.who].append(name)
        return result(ret)

    def _ino(self, step: Step) -> int:
        return 600 + step.number("ino6")

    def _file(self, task: Process, step: Step) -> Inode:
        name = step.keys["file"]
        inode = self.user.files.get(name)
        if inode is None:
            inode = Inode(self.user, f"/fz/{name}", step.number("fsize"), ino=self._ino(step), uid=task.uid)
            self.user.files[name] = inode
        return inode

    def _do_touch(self, task: Process, step: Step) -> dict[str, Any]:
        first = (self._range(step)[0]) // 4096
        write = step.number("w") == 1
        signals = []
        for vpn in range(first, first + step.number("n")):
            signo, page = task.touch(vpn, write)
            signals.append(signo)
            if page is not None and write:
                self.stamp(page)
        return {"t": signals}

    def stamp(self, page: Page) -> None:
        """A page was written: nothing to do where content is not compared."""

    def _do_munmap(self, task: Process, step: Step) -> dict[str, Any]:
        return result(do_munmap(task, *self._range(step)))

    def _do_dontneed(self, task: Process, step: Step) -> dict[str, Any]:
        return result(madvise_dontneed(task, *self._range(step)))

    def _do_mlock(self, task: Process, step: Step) -> dict[str, Any]:
        return result(do_mlock(task, *self._range(step)))

    def _do_munlock(self, task: Process, step: Step) -> dict[str, Any]:
        return result(do_munlock(task, *self._range(step)))

    def _do_mprotect(self, task: Process, step: Step) -> dict[str, Any]:
        return result(do_mprotect(task, *self._range(step), sum(PROTS[letter] for letter in step.keys["prot"])))

    # processes

    def _do_fork(self, task: Process, step: Step) -> dict[str, Any]:
        name = step.keys["c"]
        if name in self.tasks:
            return {"skip": 1}
        self.tasks[name] = task.fork(name)
        self.known[name] = list(self.known[step.who])
        return result(0)

    def _do_exit(self, task: Process, step: Step) -> dict[str, Any]:
        task.exit(reap=step.number("zombie") != 1)
        return result(0)

    def _do_setuid(self, task: Process, step: Step) -> dict[str, Any]:
        task.setuid(step.number("uid"))
        return result(0)

    def _do_pin(self, task: Process, step: Step) -> dict[str, Any]:
        if task.pins:
            return result(-EALREADY)
        pages = get_user_pages(task, self._range(step)[0], step.number("n"))
        if isinstance(pages, int):
            return result(pages)
        task.pins = pages
        return result(len(pages) * 4096)

    def _do_unpin(self, task: Process, step: Step) -> dict[str, Any]:
        if not task.pins:
            return result(-EBADF)
        task.unpin()
        return result(0)

    # policies

    def _mask(self, step: Step, key: str) -> UserMask | None:
        text = step.keys.get(key, "null")
        if text in ("null", "bad"):
            return None if text == "null" else UserMask(readable=False)
        first, _, bit = text.partition("+")
        return UserMask(int(first, 0) | (1 << int(bit) if bit else 0))

    def _do_setpol(self, task: Process, step: Step) -> dict[str, Any]:
        mode = step.word("mode", MODE_WORDS)
        return result(sys_set_mempolicy(task, mode, self._mask(step, "mask"), step.number("maxnode", 64)))

    def _do_mbind(self, task: Process, step: Step) -> dict[str, Any]:
        mode, flags = step.word("mode", MODE_WORDS), step.word("mf", MOVE_WORDS)
        mask, maxnode = self._mask(step, "mask"), step.number("maxnode", 64)
        return result(sys_mbind(task, *self._range(step), mode, mask, maxnode, flags))

    def _do_homenode(self, task: Process, step: Step) -> dict[str, Any]:
        return result(sys_set_mempolicy_home_node(task, *self._range(step), step.number("node"), step.number("hf")))

    def _do_getpol(self, task: Process, step: Step) -> dict[str, Any]:
        pointer = step.keys.get("mode")
        mask = UserMask() if "mask" not in step.keys else self._mask(step, "mask")
        address = self._address(step.keys.get("addr", "none"))
        answer = sys_get_mempolicy(task, pointer != "bad", mask, step.number("maxnode", 64), address, step.word("flags", ASK_WORDS))
        found = result(answer.ret)
        if answer.ret == 0 and pointer is None:
            found["mode"] = "next" if answer.next_node else answer.mode
        if answer.ret == 0 and mask is not None:
            found |= {"mask": hex(answer.mask) if answer.words else "0x0", "words": answer.words}
        return found

    # moving

    def _do_movepages(self, task: Process, step: Step) -> dict[str, Any]:
        names = step.keys["pages"]
        listed = [] if names in ("null", "bad") else names.split(",")
        pages = UserArray([self._address(token) for token in listed]) if listed else NOWHERE
        text = step.keys.get("nodes", "null")
        nodes = None if text == "null" else NOWHERE if text == "bad" else UserArray([int(node) for node in text.split(",")])
        status = NOWHERE if "status" in step.keys else UserArray([UNWRITTEN] * len(listed))
        count, flags = step.number("count", len(listed)), step.word("flags", MOVE_WORDS)
        found = result(sys_move_pages(task, self._pid(step.keys["pid"]), count, pages, nodes, status, flags))
        if "status" not in step.keys:
            found["status"] = list(status)
        return found

    def _do_migrate(self, task: Process, step: Step) -> dict[str, Any]:
        old, new, maxnode = self._mask(step, "old"), self._mask(step, "new"), step.number("maxnode", 64)
        return result(sys_migrate_pages(task, self._pid(step.keys["pid"]), maxnode, old, new))

    # groups

    def _do_cs_mems(self, task: Process, step: Step) -> dict[str, Any]:
        mems = step.keys["mems"]
        ret = self.groups[step.keys["g"]].write_mems("" if mems == "empty" else mems)
        return result(ret) | {"mems": self.mems()}

    def _do_cs_attach(self, task: Process, step: Step) -> dict[str, Any]:
        target = self.tasks.get(step.keys["q"])
        if target is None or target.state in (DEAD, ZOMBIE):
            return {"skip": 1}
        return result(self.groups[step.keys["g"]].attach(target)) | {"mems": self.mems()}


NAMES = {**errorcode, EOPNOTSUPP: "EOPNOTSUPP"}


def result(ret: int) -> dict[str, Any]:
    """The fields ``ret`` and, for an error, ``e``."""
    return {"ret": ret} if ret >= 0 else {"ret": -1, "e": NAMES[-ret]}
