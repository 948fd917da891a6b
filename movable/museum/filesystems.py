"""S01, S03, S04, S07, C12 and C15: file systems, and how the core moves their pages and looks at them."""

from __future__ import annotations

from movable import PAGE_SIZE, VM, AddressSpace, Page, Work, clear_highpage, page_mapping, put_page, unlock_page
from movable.contract.museum import Exhibit
from movable.filesystem import (
    BufferHead,
    Disk,
    FileMapping,
    Inode,
    SetPageUptodate,
    attach_page_private,
    block_invalidatepage,
    block_read_full_page,
    block_write_full_page,
    buffer_migrate_page_norefs,
    detach_page_private,
    end_page_writeback,
    migrate_page,
    migrate_page_copy,
    migrate_page_move_mapping,
    page_inode,
    set_page_writeback,
)
from movable.mm.gup import is_secret, page_is_secretmem
from movable.mm.migrate_file import _move_with_buffers


class Budgets:
    """In memory. Each page has a budget as its private data, paid back when the page goes."""

    def __init__(self, vm: VM) -> None:
        self.paid = 0

    def statfs(self) -> int:
        return self.paid

    def readpage(self, inode: Inode, page: Page) -> int:
        clear_highpage(page)
        self.spend(page)
        SetPageUptodate(page)
        unlock_page(page)
        return 0

    def spend(self, page: Page) -> None:
        attach_page_private(page, "a budget")
        self.paid += 1

    def migratepage(self, mapping: AddressSpace, newpage: Page, page: Page, mode: int) -> int:
        rc = migrate_page_move_mapping(mapping, newpage, page)
        if rc == 0:
            self.move_private(newpage, page)
            migrate_page_copy(newpage, page)
        return rc

    def move_private(self, newpage: Page, page: Page) -> None:
        attach_page_private(newpage, detach_page_private(page))

    def invalidatepage(self, page: Page) -> None:
        if detach_page_private(page) is not None:
            self.paid -= 1

    def releasepage(self, page: Page) -> bool:
        return False  # what is written here is nowhere else


class UsesTheCoresOwn(Budgets):
    def migratepage(self, mapping: AddressSpace, newpage: Page, page: Page, mode: int) -> int:
        return migrate_page(mapping, newpage, page, mode)


class TakesNoReference(Budgets):
    def spend(self, page: Page) -> None:
        super().spend(page)
        put_page(page)


class DropsTheBudget(Budgets):
    def move_private(self, newpage: Page, page: Page) -> None:
        detach_page_private(page)


class BlockDevice:
    """Files whose buffers others find by their block, on a disk that is large enough."""

    def __init__(self, vm: VM) -> None:
        self.disk = Disk(vm, 1 << 20, PAGE_SIZE)
        self.next = 0

    def get_block(self, inode: Inode, number: int, bh: BufferHead, create: bool) -> int:
        places = inode.private = inode.private or {}
        if create and number not in places:
            places[number], self.next = self.next, self.next + 1
        if number in places:
            bh.disk, bh.blocknr = self.disk, places[number]
        return 0

    def readpage(self, inode: Inode, page: Page) -> int:
        return block_read_full_page(inode, page, self.get_block, PAGE_SIZE)

    def writepage(self, page: Page) -> int:
        return block_write_full_page(page_inode(page), page, self.get_block, PAGE_SIZE)

    def migratepage(self, mapping: AddressSpace, newpage: Page, page: Page, mode: int) -> int:
        return buffer_migrate_page_norefs(mapping, newpage, page, mode)

    def invalidatepage(self, page: Page) -> None:
        block_invalidatepage(page)

    def truncate(self, inode: Inode) -> None:
        inode.private = {number: place for number, place in (inode.private or {}).items() if number < inode.size}


def moves_under_the_lock(mapping: FileMapping, newpage: Page, page: Page, buffers: list[BufferHead]) -> int:
    rc = migrate_page_move_mapping(mapping, newpage, page)
    if rc:
        return rc
    attach_page_private(newpage, detach_page_private(page))
    for bh in buffers:
        bh.page = newpage
    with mapping.private_lock:  # nobody finds a buffer by its block meanwhile
        page.vm.wait(("copy", page.pfn), lambda: True, "its turn to go on copying")  # the page is large
        migrate_page_copy(newpage, page)
    return 0


class LeavesItToTheCore:
    """Pages without private data, written to a store that takes its time."""

    def __init__(self, vm: VM) -> None:
        self.queue = vm.workqueue("store")
        self.kept: dict[tuple[int, int], bytes] = {}

    def readpage(self, inode: Inode, page: Page) -> int:
        page.data[:] = self.kept.get((inode.ino, page.index), bytes(PAGE_SIZE))
        SetPageUptodate(page)
        unlock_page(page)
        return 0

    def writepage(self, page: Page) -> int:
        inode = page_inode(page)

        def end() -> None:
            self.kept[inode.ino, page.index] = bytes(page.data)
            end_page_writeback(page)

        set_page_writeback(page)
        unlock_page(page)
        self.queue.queue_work(Work(end, "a write"))
        return 0

    def truncate(self, inode: Inode) -> None:
        self.kept = {place: held for place, held in self.kept.items() if place[0] != inode.ino or place[1] < inode.size}


class HasACallback(LeavesItToTheCore):
    def migratepage(self, mapping: AddressSpace, newpage: Page, page: Page, mode: int) -> int:
        return migrate_page(mapping, newpage, page, mode)


class SecretMemory:
    """In memory, and nobody but those who map its pages may look into them."""

    secret = True

    def __init__(self, vm: VM) -> None:
        pass

    def readpage(self, inode: Inode, page: Page) -> int:
        clear_highpage(page)
        SetPageUptodate(page)
        unlock_page(page)
        return 0

    def migratepage(self, mapping: AddressSpace, newpage: Page, page: Page, mode: int) -> int:
        return migrate_page(mapping, newpage, page, mode)

    def releasepage(self, page: Page) -> bool:
        return False  # what is written here is nowhere else


def asks_twice(page: Page) -> bool:
    return page_mapping(page) is not None and is_secret(page_mapping(page))  # type: ignore[arg-type]


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
        fix="A callback, or a wait of its own (openzfs/zfs pull request 16568). Later kernels write nothing here.",
        rules=("F10",),
        broken=LeavesItToTheCore,
        twin=HasACallback,
        era="6.17",
        features={"fallback_writes": True},
    ),
    Exhibit(
        id="C15",
        slug="core-secretmem-null",
        year=2021,
        commit="79f9bc584314",
        layer="core gup, secretmem",
        title="the mapping is loaded twice, once to test it and once to use it",
        story="""
            Pages of secret memory may not be pinned. The fast way to a process's pages takes no lock: it takes a reference, and
            asks whether the page has a mapping, and then whose that is. A truncation takes the page out of its file between
            the two loads, and the second one finds nothing.
        """,
        fix="Load once, then look at what was loaded.",
        rules=("F1",),
        broken=SecretMemory,
        twin=SecretMemory,
        era="6.1",
        depth=(2, 1),
        core_patch={page_is_secretmem: asks_twice},
    ),
    Exhibit(
        id="S01",
        slug="ubifs-private-flag",
        year=2016,
        layer="fs ubifs",
        title="the flag that says that a page has private data stays on the old page",
        story="""
            The file system brings no migratepage of its own, and the core's copies the bytes and the flags that all file
            systems share. What PG_private means to this one it cannot know. The new page has lost its budget, and the old one is
            freed with a flag that the allocator does not accept.
        """,
        fix="A callback of its own that moves the flag too.",
        rules=("F6",),
        broken=UsesTheCoresOwn,
        twin=Budgets,
    ),
    Exhibit(
        id="S03",
        slug="iomap-private-ref",
        year=2018,
        commit="8e47a457321c",
        layer="fs iomap",
        title="a page with private data is expected to have one reference more than it has",
        story="""
            By an unwritten rule private data counts as a reference, and whoever moves a page expects to find it. A new
            implementation of private data did not take that reference. The count never matches, every attempt says that it will
            do later, and no page ever moves.
        """,
        fix="Take a reference when private data is attached.",
        rules=("F5",),
        broken=TakesNoReference,
        twin=Budgets,
    ),
    Exhibit(
        id="S04",
        slug="hugetlb-private-dropped",
        year=2019,
        layer="fs hugetlbfs",
        title="the budget of a page is not carried over",
        story="""
            A page's private field says to which budget its price goes back when it is freed. Migration forgets the field. The
            new page is freed some day, and nothing is paid back: the file system fills up with nothing.
        """,
        fix="Carry the field over.",
        rules=("F6",),
        broken=DropsTheBudget,
        twin=Budgets,
    ),
    Exhibit(
        id="S07",
        slug="bh-sleep-in-atomic",
        year=2025,
        commit="2d900efff915",
        layer="core buffer migration",
        title="a large page is copied under a spin lock",
        story="""
            To close a race with readers the copy was put under the lock that they take. That lock spins, and to copy a large
            page takes so long that the copy lets others run in between.
        """,
        fix="Hold the lock for the check alone, and keep readers out by other means: the locks of the buffers.",
        rules=("F9",),
        broken=BlockDevice,
        twin=BlockDevice,
        core_patch={_move_with_buffers: moves_under_the_lock},
    ),
)
