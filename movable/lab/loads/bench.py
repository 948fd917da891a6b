"""A machine for workloads, with those who use it: a process, the kernel itself, a compressed store, a balloon."""

from __future__ import annotations

import random
from typing import Any

from movable import registry
from movable.errors import UsageError
from movable.lab.options import PAGEBLOCK_ORDER, Options, check_drivers
from movable.lab.workloads import HEAP, grows_to_a_target, hands_out_stores
from movable.mm.gfp import GFP_KERNEL, GFP_TRANSHUGE
from movable.mm.madvise import madvise_dontneed
from movable.mm.memory import OutOfMemory
from movable.mm.mm_types import VM_READ, VM_WRITE
from movable.mm.mmap import do_mmap
from movable.mm.page import PAGE_SIZE, Page, put_page
from movable.mm.userspace import userspace
from movable.mm.validate import validate_vm
from movable.mm.vm import VM

KINDS_OF_DATA = 64
"""So many different pages are stored; each compresses to another size."""


class Bench:
    """One machine and what runs on it. ``asked`` and ``got`` count the requests of the workload."""

    def __init__(self, memory: int, nodes: int, era: str, seed: int) -> None:
        self.vm = VM(memory, nodes=nodes, pageblock_order=PAGEBLOCK_ORDER, era=era, seed=seed)
        self.chance = random.Random(f"workload {seed}")
        self.asked = self.got = 0
        self.kernel: list[Page] = []
        self.huge: list[Page] = []
        self.task: Any = None
        self.touched: set[int] = set()
        self.store: Any = None
        self.slots: dict[int, int] = {}
        self.balloon: Any = None

    @property
    def frames(self) -> int:
        """Frames of the machine."""
        return self.vm.nr_frames

    def driver(self, fits: Any, what: str) -> Any:
        """The first installed driver that can do something. Raises UsageError where none can."""
        for _, _, factory in check_drivers(Options().drivers):
            found = registry.load(self.vm, factory)
            if fits(found):
                return found
            remove = getattr(found, "remove", None)
            if callable(remove):
                remove()
        raise UsageError(f"no installed driver {what}; install one, such as those that come with this package")

    # a process

    def touch(self, pages: int) -> int:
        """The process touches so many pages that it has not; returns how many it got."""
        if self.task is None:
            self.task = userspace(self.vm).spawn("work")
            do_mmap(self.task, HEAP, self.frames * PAGE_SIZE, VM_READ | VM_WRITE)
        page = got = 0
        while got < pages and page < self.frames:
            if page not in self.touched:
                try:
                    self.task.write(HEAP + page * PAGE_SIZE, page.to_bytes(8, "little"))
                except OutOfMemory:
                    break
                self.touched.add(page)
                got += 1
            page += 1
        return got

    def touch_all_but(self, share: float) -> None:
        """The process touches memory until no more than a share of the machine is free."""
        free = sum(zone.nr_free for zone in self.vm.zones)
        self.touch(max(0, free - int(self.frames * share)))

    def give_up(self, share: float, run: int = 1) -> None:
        """The process gives up a share of its memory, at random, ``run`` pages at a time."""
        starts = sorted({page // run * run for page in self.touched})
        self.unmap(sorted(self.chance.sample(starts, int(len(starts) * share))), run)

    def unmap(self, starts: list[int], run: int = 1) -> None:
        """The process gives up ``run`` pages from each start on."""
        for start in starts:
            madvise_dontneed(self.task, HEAP + start * PAGE_SIZE, run * PAGE_SIZE)
            self.touched.difference_update(range(start, start + run))
        if self.task is not None:
            self.task.user.lru_add_drain_all()

    # the kernel itself

    def keep(self, pages: int, order: int = 0) -> None:
        """The kernel takes unmovable memory for itself."""
        for _ in range(pages >> order):
            page = self.vm.alloc_pages(GFP_KERNEL, order)
            if page is None:
                return
            self.kernel.append(page)

    def let_go(self, share: float) -> None:
        """The kernel frees a share of what it has, at random."""
        self.chance.shuffle(self.kernel)
        for _ in range(int(len(self.kernel) * share)):
            put_page(self.kernel.pop())

    # requests

    def ask_huge(self, count: int, gfp: int = GFP_TRANSHUGE) -> None:
        """Ask for huge pages, which may compact; keep what comes."""
        for number in range(count):
            self.asked += 1
            page = self.vm.alloc_pages(gfp, PAGEBLOCK_ORDER, number % len(self.vm.nodes))
            if page is not None:
                self.got += 1
                self.huge.append(page)

    def free_huge(self) -> None:
        """Give every huge page back."""
        while self.huge:
            put_page(self.huge.pop())

    # the store and the balloon

    def open_store(self, slots: int) -> None:
        """Put a compressed block device of so many pages on the machine."""
        self.store = self.driver(hands_out_stores, "hands out stores (open_store)").open_store(slots)

    def write(self, slot: int) -> None:
        """Write some page to a slot."""
        kind = self.chance.randrange(KINDS_OF_DATA)
        self.store.write(slot, content(slot, kind))
        self.slots[slot] = kind

    def discard(self, slot: int) -> None:
        """Throw the page of a slot away."""
        self.store.discard(slot)
        del self.slots[slot]

    def inflate(self, pages: int) -> None:
        """The host asks for a size, and the guest's balloon does what it can."""
        if self.balloon is None:
            self.balloon = self.driver(grows_to_a_target, "grows to a target (set_target)")
        self.balloon.set_target(pages)
        self.vm.run_work()

    # the end

    def problems(self) -> list[str]:
        """What is wrong with the data or the machine; empty where nothing is."""
        found = []
        lost = [slot for slot, kind in self.slots.items() if self.store.read(slot) != content(slot, kind)]
        if lost:
            found.append(f"{len(lost)} stored pages are not what was written, the first is {lost[0]}")
        bad = [page for page in self.touched if self.task.read(HEAP + page * PAGE_SIZE, 8) != page.to_bytes(8, "little")]
        if bad:
            found.append(f"{len(bad)} pages of the process are not what was written, the first is {min(bad)}")
        validate_vm(self.vm, quiescent=False)
        return found


def content(slot: int, kind: int) -> bytes:
    """A page that compresses to about ``kind`` 64ths of its size: noise, then zeros."""
    return random.Random(slot << 8 | kind).randbytes(PAGE_SIZE * kind // KINDS_OF_DATA).ljust(PAGE_SIZE, b"\0")
