"""Pages of files move with all they have, by the file system's callback or without one; and what keeps them."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from movable import get_page
from movable.eras import ERAS, Era
from movable.errors import VMBug
from movable.filesystem import attach_page_private, brelse, find_get_block, lock_buffer, page_buffers, unlock_buffer
from movable.mm.filemap_cache import file_read, fsync
from movable.mm.migrate import MIGRATE_ASYNC, MIGRATE_SYNC
from movable.mm.mm_types import VM_READ, VM_SHARED, VM_WRITE
from movable.mm.mmap import do_mmap
from movable.mm.process import Signal
from movable.mm.swap import lru_add_drain_all
from movable.mm.truncate import truncate
from movable.mm.validate import validate_vm
from movable_filesystems import Blockfs, Ramfs
from tests.mm.files import DATA, PAGES, START, Checked, Forgets, Lazy, Plain, file_on, forget, move, nodes


@pytest.mark.parametrize("era", ERAS)
@pytest.mark.parametrize("fs", [Ramfs, Blockfs, Checked])
def test_pages_move_with_all_they_have(fs: type, era: str) -> None:
    task, inode = file_on(fs, era)
    do_mmap(task, START, PAGES << 12, VM_READ | VM_WRITE | VM_SHARED, inode)
    task.write(START + 4096, b"through a mapping")
    data = DATA[:4096] + b"through a mapping" + DATA[4096 + 17 :]
    assert move(inode) == 0
    assert nodes(inode) == [1, 1, 1]
    assert task.read(START, len(DATA)) == data == file_read(task, inode, 0, 1 << 20)
    assert fsync(inode) == 0
    if inode.user.vm.disks:
        forget(inode)
        assert file_read(task, inode, 0, 1 << 20) == data
    truncate(inode, 1)
    assert task.read(START, 4096) == data[:4096]
    with pytest.raises(Signal, match="SIGBUS"):
        task.read(START + 4096, 1)
    validate_vm(inode.user.vm)
    task.exit()
    inode.evict()
    lru_add_drain_all(inode.user)
    validate_vm(inode.user.vm)
    assert sum(page._refcount for page in inode.user.vm.pages.values()) == 1, "more than the zero page is left"


def test_a_reference_keeps_a_page_of_a_file() -> None:
    task, inode = file_on(Blockfs)
    page = inode.mapping.i_pages[1]
    get_page(page)
    task.pins.append(page)
    assert move(inode) == 1
    assert nodes(inode) == [1, 0, 1]
    task.unpin()
    assert move(inode) == 0


def test_a_buffer_in_use_keeps_its_page_where_it_is_checked() -> None:
    for fs, left in ((Blockfs, 0), (Checked, 1)):
        _, inode = file_on(fs)
        bh = find_get_block(inode, 1, 2)
        assert bh is not None
        assert bh.count == 2, "the caller's and the CPU's"
        assert move(inode) == left
        brelse(bh)
        assert move(inode, nid=0) == 0, "what a CPU keeps is let go of"


def test_who_must_not_wait_leaves_a_locked_buffer_alone() -> None:
    _, inode = file_on(Blockfs)
    bh = page_buffers(inode.mapping.i_pages[0])[3]
    lock_buffer(bh)
    assert move(inode, MIGRATE_ASYNC) == 1
    unlock_buffer(bh)
    assert move(inode, MIGRATE_ASYNC) == 0


@pytest.mark.parametrize(("era", "mode", "ret"), [
    ("4.19", MIGRATE_SYNC, 0), ("6.1", MIGRATE_SYNC, 0), ("6.1", MIGRATE_ASYNC, 3), ("6.17", MIGRATE_SYNC, 3),
])  # fmt: skip
def test_the_fallback_writes_dirty_pages_out_where_it_may(era: str, mode: int, ret: int) -> None:
    task, inode = file_on(Plain, era)
    assert move(inode, mode) == ret
    assert fsync(inode) == 0
    assert move(inode, mode, 0 if nodes(inode)[0] else 1) == 0, "clean pages move, without their buffers"
    assert file_read(task, inode, 0, 1 << 20) == DATA


def test_the_fallback_moves_clean_pages_and_cannot_write_without_writepage() -> None:
    task, inode = file_on(Lazy)
    assert move(inode) == 3
    for page in inode.mapping.i_pages.values():
        page._flags &= ~(1 << 4)
    assert move(inode) == 0
    assert file_read(task, inode, 0, 1 << 20) == DATA


def test_private_data_that_nobody_releases_keeps_a_page() -> None:
    _, inode = file_on(Lazy)
    page = inode.mapping.i_pages[0]
    attach_page_private(page, "mine")
    for each in inode.mapping.i_pages.values():
        each._flags &= ~(1 << 4)
    assert move(inode) == 1


def test_writeback_that_begins_on_the_way_is_a_bug_where_only_half_is_tried_again() -> None:
    """C12: kernels from 6.3 on whose fallback still wrote."""
    _, inode = file_on(Forgets, replace(ERAS["6.17"], fallback_writes=True))
    with pytest.raises(VMBug, match="under writeback"):
        move(inode)


@pytest.mark.parametrize(("field", "mode"), [("fallback_writes", MIGRATE_SYNC), ("fallback_gives_up", MIGRATE_ASYNC)])
def test_what_eras_do_differently_shows(field: str, mode: int) -> None:
    def left(era: Era) -> list[int]:
        _, inode = file_on(Plain if field == "fallback_writes" else Lazy, era)
        if field == "fallback_gives_up":
            for page in inode.mapping.i_pages.values():
                page._flags &= ~(1 << 4)
                attach_page_private(page, "mine")
        kinds: list[int] = []
        inode.user.vm.observe(lambda event: kinds.append(event.args["nr_pass"]) if event.kind == "migrate_pass" else None)
        return [move(inode, mode), *kinds]

    era = ERAS["6.1"]
    change: dict[str, Any] = {field: not getattr(era, field)}
    assert left(era) != left(replace(era, **change))
