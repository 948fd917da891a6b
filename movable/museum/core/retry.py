"""C12: a core that tries the second half of a move again without the first."""

from __future__ import annotations

from errno import EAGAIN

from movable import Page, trylock_page, unlock_page
from movable.contract.museum import Exhibit
from movable.mm.migrate import lock_and_move, move_to_new_page
from movable.mm.page import put_page
from movable.mm.swap import unmap_and_move_lru
from movable.museum.bases.buffers import BuffersWorkload, WritesBack


def lock_and_move_again(page: Page, newpage: Page, is_movable: bool, force: bool, mode: int) -> int:
    if not trylock_page(page):
        return -EAGAIN
    rc = -EAGAIN
    if trylock_page(newpage):
        rc = move_to_new_page(newpage, page, mode) if is_movable else unmap_and_move_lru(newpage, page, mode)
        unlock_page(newpage)
    unlock_page(page)
    if rc == 0:
        put_page(newpage)
    return rc


EXHIBITS = (
    Exhibit(
        id="C12",
        slug="core-batched-writeback",
        year=2023,
        layer="core migrate, ZFS",
        title="a page is moved while it is being written back",
        story="""
            A file system without a callback of its own gets the core's: it starts to write a dirty page out and says that it will
            do later. The core used to begin again from the start, where it waits for such writes. Since moves are done in two
            halves it repeats the second half alone, which takes it that nobody writes.
        """,
        fix="The file system waits by itself (openzfs/zfs pull request 16568). A retry must restore what it relies on.",
        rules=("V7",),
        broken=WritesBack,
        twin=WritesBack,
        workload=BuffersWorkload,
        core_patch={lock_and_move: lock_and_move_again},
    ),
)
