"""Two tasks on one file, in every order: migration and what programs and the machine do to it."""

from __future__ import annotations

from collections.abc import Callable, Hashable
from contextlib import suppress
from dataclasses import dataclass

from movable.eras import Era
from movable.errors import by_hand
from movable.explore import Options, Scene, explore
from movable.explore.engine import Scheduler
from movable.filesystems.machine import Factory, Machine
from movable.filesystems.observer import OTHERS, Broken, raised
from movable.mm.buffer import brelse, find_get_block, lock_buffer, unlock_buffer
from movable.mm.filemap_cache import file_read, file_write, touch_content
from movable.mm.gup import get_user_page_fast_only, get_user_pages
from movable.mm.migrate import MIGRATE_ASYNC, MIGRATE_SYNC
from movable.mm.page import PAGE_SIZE, put_page
from movable.mm.page_flags import PG_dirty
from movable.mm.page_writeback import set_page_dirty
from movable.mm.process import Signal
from movable.mm.seam import Seam
from movable.mm.swap import lru_add_drain_all
from movable.mm.truncate import invalidate_inode_pages2, truncate
from movable.mm.validate_mm import findings
from movable.rules.stream.monitor import Monitor
from movable.shown import first_line

PARTNERS = ("write", "store", "read", "load", "sync", "cut", "drop", "move")
BYTES_USED = 8
STORY_LINES = 40
"""Lines of what happened that are kept."""
OLD, NEW = b"old old ", b"new new "

SCENARIOS = (
    *(("move", partner) for partner in PARTNERS), ("move", "hold"), ("move", "pin"), ("cut", "pin"), ("move", "dma"),
    ("sync", "store"), ("cut", "load"), ("hurry", "sync"),
)  # fmt: skip
"""What runs at the same time; ``hurry`` is a migration in MIGRATE_ASYNC."""


class Stage:
    """A file of one page that is mapped and on the disk, and what its tasks see."""

    def __init__(self, scheduler: Scheduler, factory: Factory, era: str | Era, pinned: bool = False) -> None:
        machine = self.machine = Machine(factory, era)
        machine.slow(0)
        self.file = machine.files[0]
        file_write(machine.task, self.file, 0, OLD)
        machine.sync(0)
        self.address = machine._address(0, 0)
        machine.task.read(self.address, BYTES_USED)
        machine.slow(1)
        machine.observer.alone = False
        pages = get_user_pages(machine.task, self.address, 1) if pinned else []
        self.pinned = pages if isinstance(pages, list) else []  # nobody may pin pages that are secret
        lru_add_drain_all(machine.task.user)
        self.seen: dict[str, Hashable] = {}
        self.monitor = Monitor(era=era)
        machine.vm.install(Seam(scheduler))
        machine.vm.observe(self.monitor.feed)

    # what tasks do

    def move(self) -> None:
        """Migration by a caller that may wait."""
        self._migrate(MIGRATE_SYNC)

    def hurry(self) -> None:
        """Migration by one that must not."""
        self._migrate(MIGRATE_ASYNC)

    def _migrate(self, mode: int) -> None:
        page = self.file.mapping.i_pages.get(0)
        if page is not None:
            self.seen[f"moved {len(self.seen)}"] = self.machine.migrate([page], mode)

    def write(self) -> None:
        """write(2)."""
        file_write(self.machine.task, self.file, 0, NEW)
        self.seen["new"] = True

    def store(self) -> None:
        """A write through a mapping."""
        with suppress(Signal):
            self.machine.task.write(self.address, NEW)
            self.seen["new"] = True

    def read(self) -> None:
        """read(2)."""
        self.seen["read"] = file_read(self.machine.task, self.file, 0, BYTES_USED)

    def load(self) -> None:
        """A read through a mapping."""
        with suppress(Signal):
            self.seen["load"] = self.machine.task.read(self.address, BYTES_USED)

    def pin(self) -> None:
        """A read through a reference that was taken without a lock, as direct I/O takes it."""
        machine = self.machine
        assert machine.task.mm is not None
        page = get_user_page_fast_only(machine.task.mm, self.address // PAGE_SIZE)
        if page is None:
            return
        touch_content(self.file, 0, "ar")
        self.seen["pinned"] = bytes(machine.vm.map_page(page)[:BYTES_USED])
        put_page(page)

    def hold(self) -> None:
        """A write into a buffer, under its lock and without the page's (as of metadata)."""
        bh = find_get_block(self.file, 0, 0)
        if bh is None:
            return
        lock_buffer(bh)
        page = bh.page
        data = page.vm.map_page(page)
        set_page_dirty(page)
        touch_content(self.file, 0, "aw")
        data[:BYTES_USED] = NEW
        self.seen["new"] = True
        unlock_buffer(bh)
        brelse(bh)

    def dma(self) -> None:
        """The end of direct I/O that began before: it writes into the page that it holds, and lets go."""
        for page in self.pinned:
            data = page.vm.map_page(page)
            touch_content(self.file, 0, "aw")
            data[:BYTES_USED] = NEW
            self.seen["new"] = True
            set_page_dirty(page)
            put_page(page)

    def sync(self) -> None:
        """fsync(2)."""
        self.machine.sync(0)

    def cut(self) -> None:
        """ftruncate(2) to nothing."""
        truncate(self.file, 0)
        self.seen["cut"] = True

    def drop(self) -> None:
        """Reclaim of the cache."""
        invalidate_inode_pages2(self.file)

    # what must hold

    def check(self) -> None:
        """Everything that the rules say of the end, and of what was seen on the way."""
        machine = self.machine
        self.monitor.finish(quiescent=True)
        machine.vm.install(None)
        for id, found in self.monitor.broken.items():
            if id[0] == "V" or id in OTHERS:
                raise Broken(OTHERS.get(id, "F2"), found[0].text)
        machine.settles()
        lru_add_drain_all(machine.task.user)
        for what in findings(machine.task.user, True):
            raise Broken("F7", what)
        for name in ("read", "load", "pinned"):
            if self.seen.get(name, OLD) not in (OLD, NEW, b""):
                raise Broken("F2", f"a {name} at the same time gave {self.seen[name]!r}, where {OLD!r} and {NEW!r} were written")
        if "cut" not in self.seen:
            self._survives(machine)

    def _survives(self, machine: Machine) -> None:
        wanted = NEW if "new" in self.seen else OLD
        got = file_read(machine.task, self.file, 0, BYTES_USED)
        if got != wanted:
            raise Broken("F2", f"the file reads as {got!r} afterwards, and {wanted!r} was written")
        if machine.can_write and machine.syncs(0) == 0:
            invalidate_inode_pages2(self.file)
            got = file_read(machine.task, self.file, 0, BYTES_USED)
            if got != wanted:
                raise Broken("F11", f"the disk has {got!r} after fsync, and {wanted!r} was written")

    def state(self) -> Hashable:
        """What this end differs from others in."""
        pages = tuple((index, page.node, page._flags >> PG_dirty & 1) for index, page in self.file.mapping.i_pages.items())
        return tuple(sorted(self.seen.items(), key=repr)), pages


@dataclass(slots=True)
class Outcome:
    """What a scenario came to: how far it was explored, and the rule that it broke, or ""."""

    tasks: tuple[str, str]
    executions: int
    steps: int
    covered: str
    complete: bool
    rule: str = ""
    what: str = ""
    story: tuple[str, ...] = ()


def scene(factory: Factory, era: str | Era, tasks: tuple[str, str]) -> Callable[[Scheduler], Scene]:
    """A scenario, to be explored."""

    def program(scheduler: Scheduler) -> Scene:
        stage = Stage(scheduler, factory, era, "dma" in tasks)
        return Scene([(f"{name} {n}", getattr(stage, name)) for n, name in enumerate(tasks)], stage.check, stage.state)

    return program


def explored(
    factory: Factory, era: str | Era, tasks: tuple[str, str], executions: int, seed: int, seconds: float | None = None
) -> Outcome:
    """Explore one scenario within so many executions, and so many seconds."""
    program = scene(factory, era, tasks)
    options = Options(races=False, order=False)
    try:
        report = explore(program, strategy="portfolio", executions=executions, seconds=seconds, seed=seed, options=options)
    except BaseException as error:  # it cannot even be set up, or means to end more than the task
        if by_hand(error):
            raise
        return Outcome(tasks, 1, 0, "nothing", False, *raised(error))
    outcome = Outcome(tasks, report.executions, report.steps, report.covered, report.complete)
    failure = report.failure
    if failure is not None:
        hung = "F13", first_line(failure.message)
        outcome.rule, outcome.what = hung if failure.error is None else raised(failure.error)
        outcome.story = tuple(failure.timeline.splitlines()[:STORY_LINES])
    return outcome
