"""Load shapes: what a program of ``numactl -- PROGRAM`` does with its memory."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

from movable.errors import UsageError
from movable.mm.fs import Inode
from movable.mm.memparse import parse_size
from movable.mm.mm_types import VM_READ, VM_SHARED, VM_WRITE, VMA
from movable.mm.mmap import do_mmap
from movable.mm.page import PAGE_SIZE
from movable.mm.process import Process
from movable.mm.truncate import truncate

if TYPE_CHECKING:
    from movable.mm.userspace import Userspace

TEXT, HEAP, DATA, STACK = 0x400000, 0x1E00000, 0x7F0000000000, 0x7FFD00000000
TEXT_PAGES, HEAP_PAGES, STACK_PAGES = 4, 3, 3
RW = VM_READ | VM_WRITE


def size_in_pages(text: str, what: str = "") -> int:
    """The whole pages of a size such as 64M or 8192; ``what`` as for `parse_size`. Raises UsageError for none, and for no size."""
    size = parse_size(text, what)
    if not size:
        raise UsageError(f"{what} {text!r} is nothing; give a size such as 64M".lstrip())
    return -(-size // PAGE_SIZE)


def launch(user: Userspace, words: list[str], prepare: Callable[[Process], None]) -> list[Process]:
    """Start a program; ``prepare`` sets policy and CPU before it touches anything. Returns its processes.

    Raises UsageError for an unknown program, wrong arguments, or more memory than the machine has.
    """
    name, *arguments = words
    shape = SHAPES.get(name)
    if shape is None:
        raise UsageError(f"unknown program {name!r}; programs are {', '.join(USAGE.values())}")
    count = len(USAGE[name].split()) - 1
    if len(arguments) != count:
        raise UsageError(f"{name} takes {count} arguments: {USAGE[name]}")
    need = size_in_pages(next(word for word, kind in zip(arguments, USAGE[name].split()[1:], strict=True) if kind == "SIZE"))
    free = sum(zone.nr_free for zone in user.vm.zones)
    if need + TEXT_PAGES + HEAP_PAGES + STACK_PAGES > free:
        raise UsageError(f"{' '.join(words)} needs {need} pages, and {free} are free; make the machine larger with --memory")
    task = user.spawn(name)
    prepare(task)
    _program_text(user, task, name)
    return [task, *shape(task, arguments)]


def _program_text(user: Userspace, task: Process, name: str) -> None:
    """The areas that every program has: its text, a heap, a stack."""
    path = f"/bin/{name}"
    inode = user.files.get(path)
    if inode is None:
        inode = user.files[path] = Inode(user, path, TEXT_PAGES)
    do_mmap(task, TEXT, TEXT_PAGES * PAGE_SIZE, VM_READ, inode)
    for page in range(TEXT_PAGES):
        task.read(TEXT + page * PAGE_SIZE, 1)
    for start, pages, label in ((HEAP, HEAP_PAGES, "heap"), (STACK, STACK_PAGES, "stack")):
        do_mmap(task, start, pages * PAGE_SIZE, RW)
        fill(task, start, pages)
        area(task, start).name = label


def area(task: Process, address: int) -> VMA:
    """The area of a byte address that is mapped."""
    assert task.mm is not None
    vma = task.mm.vma_lookup(address // PAGE_SIZE)
    assert vma is not None
    return vma


def fill(task: Process, start: int, pages: int) -> None:
    """Write to the beginning of every page, its own address."""
    for address in range(start, start + pages * PAGE_SIZE, PAGE_SIZE):
        task.write(address, address.to_bytes(8, "little"))


def _touch(task: Process, arguments: list[str]) -> list[Process]:
    pages = size_in_pages(arguments[0])
    do_mmap(task, DATA, pages * PAGE_SIZE, RW)
    fill(task, DATA, pages)
    return []


def _file(task: Process, arguments: list[str]) -> list[Process]:
    path, pages = arguments[0], size_in_pages(arguments[1])
    inode = task.user.files.get(path)
    if inode is None:
        inode = task.user.files[path] = Inode(task.user, path, pages)
    elif inode.size < pages:
        truncate(inode, pages)
    do_mmap(task, DATA, pages * PAGE_SIZE, RW | VM_SHARED, inode)
    fill(task, DATA, pages)
    return []


def _share(task: Process, arguments: list[str]) -> list[Process]:
    pages = size_in_pages(arguments[0])
    if not arguments[1].isdigit() or not 1 <= int(arguments[1]) <= 64:
        raise UsageError(f"share: {arguments[1]!r} is no number of processes from 1 to 64")
    do_mmap(task, DATA, pages * PAGE_SIZE, RW | VM_SHARED)
    fill(task, DATA, pages)
    children = [task.fork(task.comm) for _ in range(int(arguments[1]) - 1)]
    for child in children:
        for page in range(pages):
            child.read(DATA + page * PAGE_SIZE, 1)
    return children


USAGE = {"touch": "touch SIZE", "memhog": "memhog SIZE", "file": "file PATH SIZE", "share": "share SIZE PROCESSES"}
"""The programs, and what they take."""
SHAPES: dict[str, Callable[[Process, list[str]], list[Process]]] = {
    "touch": _touch, "memhog": _touch, "file": _file, "share": _share,
}  # fmt: skip
