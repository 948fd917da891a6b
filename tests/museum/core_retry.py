"""C12: a core that tries the second half of a move again without the first."""

from __future__ import annotations

from errno import EAGAIN

from movable import (
    VM,
    AddressSpace,
    DeadlockError,
    Page,
    PG_owner_priv_1,
    PG_writeback,
    Work,
    clear_page_flag,
    set_page_flag,
    test_page_flag,
    trylock_page,
    unlock_page,
)
from movable.contract.museum import Exhibit
from movable.mm.lru import unmap_and_move_lru
from movable.mm.migrate import _lock_and_move, _move_to_new_page
from movable.mm.page import put_page

from .bases.buffers import TRIES, Buffers, BuffersWorkload

DIRTY = PG_owner_priv_1


def lock_and_move_again(page: Page, newpage: Page, is_movable: bool, force: bool, mode: int) -> int:
    if not trylock_page(page):
        return -EAGAIN
    rc = -EAGAIN
    if trylock_page(newpage):
        rc = _move_to_new_page(newpage, page, mode) if is_movable else unmap_and_move_lru(newpage, page, mode)
        unlock_page(newpage)
    unlock_page(page)
    if rc == 0:
        put_page(newpage)
    return rc


class WritesBack(Buffers):
    """Writes a dirty page to its device before it moves, and does not wait for that."""

    def __init__(self, vm: VM) -> None:
        super().__init__(vm)
        self.device = vm.workqueue("device")

    def changed(self, page: Page) -> None:
        set_page_flag(page, DIRTY)

    def locked(self, index: int) -> Page | None:
        for _ in range(TRIES):
            page = super().locked(index)
            if page is None or not test_page_flag(page, PG_writeback):
                return page
            self.unlock(page)
            self.device.flush()
        raise DeadlockError(f"page {index} of the file is written back all the time")

    def migratepage(self, mapping: AddressSpace, newpage: Page, page: Page, mode: int) -> int:
        if not test_page_flag(page, DIRTY):
            return super().migratepage(mapping, newpage, page, mode)
        clear_page_flag(page, DIRTY)
        set_page_flag(page, PG_writeback)
        self.device.queue_work(Work(lambda: clear_page_flag(page, PG_writeback), "end of writeback"))
        return -EAGAIN

    def remove(self) -> None:
        super().remove()
        self.device.destroy()


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
        core_patch={_lock_and_move: lock_and_move_again},
    ),
)
