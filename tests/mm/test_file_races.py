"""Files beside migration: reads, writes, writeback, truncation and faults, in every interleaving of small scenes."""

from __future__ import annotations

from collections.abc import Callable, Hashable
from contextlib import suppress
from dataclasses import replace

from movable import VM
from movable.explore import Scene, explore
from movable.explore.engine import Scheduler
from movable.explore.search import Report
from movable.filesystem import mount
from movable.mm.list import ListHead, list_add_tail
from movable.mm.migrate import MIGRATE_SYNC, MR_SYSCALL, migrate_pages, putback_movable_pages
from movable.mm.mm_types import VM_READ, VM_SHARED, VM_WRITE
from movable.mm.mmap import do_mmap
from movable.mm.pagemap import file_read, file_write, fsync
from movable.mm.process import Signal
from movable.mm.seam import Seam
from movable.mm.swap import count_isolated, isolate_lru_page, lru_add_drain_all
from movable.mm.truncate import truncate
from movable.mm.userspace import userspace
from movable.mm.validate import validate_vm
from movable.rules.stream.monitor import Monitor

START = 0x100000
OLD, NEW, ZERO = b"old", b"new", b"\0\0\0"


class Stage:
    """A file of one page, clean and on the disk, which a process maps; and what its tasks saw."""

    def __init__(self, scheduler: Scheduler, era: str, fs: type, mapped: bool) -> None:
        self.vm = VM(64 << 12, nodes=2, era=era, pageblock_order=2)
        self.sb = mount(self.vm, fs)
        self.task = userspace(self.vm).spawn("demo")
        for disk in self.vm.disks:
            disk.slow = False
        self.file = self.sb.create("/file")
        file_write(self.task, self.file, 0, OLD)
        fsync(self.file)
        for disk in self.vm.disks:
            disk.slow = True
        do_mmap(self.task, START, 4096, VM_READ | VM_WRITE | VM_SHARED, self.file)
        if mapped:
            self.task.read(START, 3)
        lru_add_drain_all(self.task.user)
        self.seen: dict[str, Hashable] = {}
        self.monitor = Monitor(era=era)
        self.vm.install(Seam(scheduler))
        self.vm.observe(self.monitor.feed)

    def move(self) -> None:
        page = self.file.mapping.i_pages.get(0)
        if page is None or isolate_lru_page(page):
            return
        count_isolated(page, 1)
        pages = ListHead("test")
        list_add_tail(page._lru, pages)
        nid = 1 - page.node
        self.seen["move"] = migrate_pages(pages, lambda page, to: self.vm.alloc_page(nid=to), None, nid, MIGRATE_SYNC, MR_SYSCALL)
        putback_movable_pages(pages)

    def call(self) -> None:
        self.seen["call"] = file_write(self.task, self.file, 0, NEW)

    def read(self) -> None:
        self.seen["read"] = file_read(self.task, self.file, 0, 3)

    def store(self) -> None:
        try:
            self.task.write(START, NEW)
        except Signal:
            return
        self.seen["store"] = NEW

    def load(self) -> None:
        with suppress(Signal):
            self.seen["load"] = self.task.read(START, 3)

    def sync(self) -> None:
        self.seen["sync"] = fsync(self.file)

    def cut(self) -> None:
        truncate(self.file, 0)
        self.seen["cut"] = True

    def check(self) -> None:
        self.monitor.finish(quiescent=True)
        self.vm.install(None)
        broken = {id: found[0].text for id, found in self.monitor.broken.items() if id[0] == "V"}
        assert not broken, broken
        validate_vm(self.vm)
        assert self.seen.get("load", OLD) in (OLD, NEW)
        assert self.seen.get("read", OLD) in (OLD, NEW, b"")
        if "cut" in self.seen:
            return
        if {"call", "store"} & self.seen.keys():
            assert file_read(self.task, self.file, 0, 3) == NEW, "a write was lost"
        assert fsync(self.file) == 0
        truncate_cache(self)
        if self.vm.disks and {"call", "store"} & self.seen.keys():
            assert file_read(self.task, self.file, 0, 3) == NEW, "a write did not reach the disk"

    def state(self) -> Hashable:
        pages = tuple((index, page.node, page._flags >> 4 & 1) for index, page in self.file.mapping.i_pages.items())
        return tuple(sorted(self.seen.items(), key=repr)), pages


def truncate_cache(stage: Stage) -> None:
    """Forget what is in memory, so that the next read asks the disk."""
    size = stage.file.size
    if stage.vm.disks:
        truncate(stage.file, 0)
        stage.file.size = size


def scene(names: str, era: str, fs: type, mapped: bool) -> Callable[[Scheduler], Scene]:
    def program(scheduler: Scheduler) -> Scene:
        stage = Stage(scheduler, era, fs, mapped)
        return Scene([(f"{name} {n}", getattr(stage, name)) for n, name in enumerate(names.split())], stage.check, stage.state)

    return program


def states(names: str, era: str, fs: type, mapped: bool, strategy: str, executions: int) -> tuple[Report, set[Hashable]]:
    program = scene(names, era, fs, mapped)
    seen: set[Hashable] = set()

    def told(scheduler: Scheduler) -> Scene:
        made = program(scheduler)
        check, state = made.check, made.state
        assert check is not None
        assert state is not None

        def both() -> None:
            seen.add(state())
            check()

        return replace(made, check=both)

    return explore(told, strategy=strategy, executions=executions, shrink=False), seen
