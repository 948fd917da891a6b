"""One page's life through the numbered steps of its migration: a process, a page, a move to the other node, and what was seen."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import asdict, dataclass
from typing import Any

from movable import registry
from movable.eras import era as era_of
from movable.errors import UsageError
from movable.events import Event
from movable.mm.filemap import lock_page, unlock_page
from movable.mm.filemap_cache import file_write
from movable.mm.fs import file_of
from movable.mm.gup import get_user_pages
from movable.mm.migrate import STEPS
from movable.mm.migrate_lru import tree_of
from movable.mm.mm_types import VM_READ, VM_SHARED, VM_WRITE
from movable.mm.mmap import do_mmap
from movable.mm.move_pages import UserArray, sys_move_pages
from movable.mm.page import Page
from movable.mm.page_flags import LOCKED
from movable.mm.pgtable import PTE_MIGRATION, PTE_SHIFT
from movable.mm.process import Process
from movable.mm.swap import lru_add_drain_all
from movable.mm.swapfile import add_to_swap, swapon
from movable.mm.userspace import userspace
from movable.mm.vm import VM
from movable.shown import many

START = 0x10000
CONTENT = b"one page on its way"
KINDS = {
    "file": "a page of a file in memory",
    "anon": "an anonymous page",
    "swap": "an anonymous page in the swap cache",
    "buffers": "a page of a file on a disk, with buffers",
}
"""The pages that can be followed."""
OLD, NEW, ENTRY = "old", "new", "entry"
LAST = (19, 20)
"""Steps that may be left once an attempt has come to the mappings."""


@dataclass(frozen=True)
class Frame:
    """One of the two pages: its references, whether it is locked, and whether it holds the content."""

    refs: int
    locked: bool
    content: bool


@dataclass(frozen=True)
class Row:
    """What things are like after a step (0: before the first one): where the page table and the tree lead, and the two pages.

    ``table`` is "old", "new" or "entry" (a migration entry), ``tree`` "old", "new" or "" where the page is in none.
    """

    step: int
    what: str
    table: str
    tree: str
    old: Frame
    new: Frame


@dataclass
class Life:
    """A move: the rows of its first attempt, its attempts, and the status that the caller got."""

    kind: str
    era: str
    rows: list[Row]
    attempts: int
    status: int

    def as_json(self) -> dict[str, Any]:
        """The fields by name."""
        return asdict(self)


class Follower:
    """Watches one page of a process that moves."""

    def __init__(self, task: Process, page: Page) -> None:
        self.task = task
        self.page = page
        self.vm = task.user.vm
        self.tree, self.index = tree_of(file_of(page), page)
        self.newpage: Page | None = None
        self.rows: list[Row] = []
        self.attempts = 0
        self.first = True  # whether it is the first attempt still
        self.begun = 0  # the step that is under way, of the first attempt

    def hear(self, event: Event) -> None:
        """An event: what is there when it comes is what the step before came to."""
        if event.kind == "migration_step":
            self.newpage = self.newpage or self.vm.pages[event.args["newpage"]]
            self.look()
            step = event.args["step"]
            self.first = self.first and (self.attempts == 0 or step in LAST)
            self.begun = step if self.first else 0
            self.attempts += step == 16
        elif self.attempts and (event.kind == "put_new_page" or (event.kind == "put_page" and event.pfn == self.page.pfn)):
            self.look()

    def look(self) -> None:
        """A row for the step that is under way, which is over; the first of all is for what was before."""
        if not self.rows:
            self.rows.append(self.row(0, "before"))
        elif self.begun:
            self.rows.append(self.row(self.begun, STEPS[self.begun].what))
        self.begun = 0

    def row(self, step: int, what: str) -> Row:
        """What is now."""
        assert self.newpage is not None
        assert self.task.mm is not None
        entry = self.task.mm.pgtable.get(START >> PTE_SHIFT, 0)
        table = ENTRY if entry & PTE_MIGRATION else NEW if entry >> PTE_SHIFT == self.newpage.pfn else OLD
        slot = None if self.tree is None else self.tree.get(self.index)
        tree = "" if self.tree is None else NEW if slot is self.newpage else OLD
        return Row(step, what, table, tree, self.frame(self.page), self.frame(self.newpage))

    def frame(self, page: Page) -> Frame:
        """One of the two."""
        content = bytes(self.vm.map_page(page)[: len(CONTENT)]) == CONTENT
        return Frame(page._refcount, bool(page._flags & LOCKED), content)


def follow(kind: str = "file", era: str = "4.19", pinned: bool = False) -> Life:
    """Move one page of a process from node 0 to node 1; ``pinned`` says that somebody holds another reference.

    Raises UsageError for a kind of page that is not in KINDS.
    """
    if kind not in KINDS:
        raise UsageError(f"no page {kind!r}; there are {', '.join(KINDS)}")
    task = _process(kind, era)
    assert task.mm is not None
    vm = task.user.vm
    page = vm.pages[task.mm.pgtable[START >> PTE_SHIFT] >> PTE_SHIFT]
    if kind == "swap":
        _into_swap_cache(task, page)
    if pinned:
        pins = get_user_pages(task, START, 1)
        task.pins = pins if isinstance(pins, list) else []
    follower = Follower(task, page)
    vm.observe(follower.hear)
    status = UserArray([0])
    sys_move_pages(task, 0, 1, UserArray([START]), UserArray([1]), status, 2)
    vm.install(None)
    return Life(KINDS[kind], era_of(era).name, follower.rows, follower.attempts, status[0])


def _process(kind: str, era: str) -> Process:
    """A process with a page that holds CONTENT, on node 0."""
    vm = VM(4 << 20, nodes=2, era=era)
    task = userspace(vm).spawn("demo")
    file = None
    if kind == "buffers":
        file = registry.load(vm, "blockfs").create("/file")
        file_write(task, file, 0, CONTENT)
    shared = VM_SHARED if kind in ("file", "buffers") else 0
    do_mmap(task, START, 4096, VM_READ | VM_WRITE | shared, file)
    task.write(START, CONTENT)
    lru_add_drain_all(task.user)
    return task


def _into_swap_cache(task: Process, page: Page) -> None:
    pool = registry.load(task.user.vm, "zsmalloc")
    swapon(task.user, pool.open_store(64), 64)
    assert task.user.swap is not None
    lock_page(page)
    add_to_swap(task.user.swap, page)
    unlock_page(page)


def table(life: Life) -> Iterator[str]:
    """The rows as text."""
    heads = ("step", "what happens", "page table", "tree", "old page", "new page")
    rows = [(str(row.step or ""), row.what, row.table, row.tree, in_words(row.old), in_words(row.new)) for row in life.rows]
    widths = [max(map(len, column)) for column in zip(heads, *rows, strict=True)]
    yield title(life)
    for step, *rest in (heads, *rows):
        cells = (cell.ljust(width) for cell, width in zip(rest, widths[1:], strict=True))
        yield "  ".join((step.rjust(widths[0]), *cells)).rstrip()
    yield last_line(life)


def title(life: Life) -> str:
    """What was followed."""
    return f"Kernel {life.era}: {life.kind} moves from node 0 to node 1"


def last_line(life: Life) -> str:
    """How it ended."""
    if life.status == 1:
        return "The isolation's reference goes, and the old page is free."
    return f"A reference too many: the page stays on node {life.status}. It was tried {life.attempts} times."


def in_words(frame: Frame) -> str:
    """One of the two pages."""
    words = [many(frame.refs, "ref"), *(["locked"] if frame.locked else [])]
    return ", ".join([*words, *(["content"] if frame.content else [])])
