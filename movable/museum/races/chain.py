"""Z06: groups of pages that are chained to each other."""

from __future__ import annotations

from errno import EINVAL
from itertools import pairwise

from hypothesis import strategies as st

from movable import (
    GFP_HIGHUSER_MOVABLE,
    MIGRATE_SYNC_NO_COPY,
    VM,
    AddressSpace,
    ClearPageMovable,
    Page,
    SetPageMovable,
    copy_highpage,
    get_page,
    lock_page,
    put_page,
    spin_on_page_locked,
    trylock_page,
    unlock_page,
)
from movable.contract import Workload, handle, operation
from movable.contract.museum import Exhibit
from movable.museum.bases.ring import TRIES


class Group:
    """Three pages in a chain: each page's ``index`` is the next one. ``lock`` is read for a walk, and written to relink."""

    def __init__(self, vm: VM, first: Page) -> None:
        self.first: Page = first
        self.lock = vm.rwlock("group")


class Chains:
    """Groups of three pages. Lock order: page locks along the chain, the group's lock; inside it a page is only tried."""

    def __init__(self, vm: VM) -> None:
        self.vm = vm
        self.lock = vm.spinlock("chains")
        self.growing = vm.mutex("growing chains")
        self.groups: dict[int, Group] = {}
        self.made = 0
        self.mapping = vm.address_space(self, "chains")

    def alloc(self, data: bytes) -> int | None:
        """The number of a new group, which has ``data`` on each of its pages."""
        pages = self.grow()
        if not pages:
            return None
        group = Group(self.vm, pages[0])
        with group.lock.write():
            self.link(pages)
        for page in pages:
            page.data[: len(data)] = data
            page.private = group
        with self.lock:
            self.made += 1
            number = self.made
            self.groups[number] = group
        for page in pages:
            lock_page(page)
            SetPageMovable(page, self.mapping)
            unlock_page(page)
        return number

    def grow(self) -> list[Page]:
        """Three pages, or none; one task at a time, so that no two each hold what the other one lacks."""
        with self.growing:
            found = [self.vm.alloc_page(GFP_HIGHUSER_MOVABLE) for _ in range(3)]
            pages = [page for page in found if page is not None]
            if len(pages) == 3:
                return pages
            for page in pages:
                put_page(page)
        return []

    def link(self, pages: list[Page]) -> None:
        """Chain pages up; every link is empty for a moment."""
        for page in pages:
            page.index = None
        for page, following in pairwise(pages):
            page.index = following

    def chain(self, group: Group) -> list[Page]:
        """The pages of a group. Its lock is held."""
        pages = [group.first]
        while len(pages) < 3 and (page := pages[-1].index) is not None:
            pages.append(page)
        return pages

    def free(self, number: int) -> None:
        """Free a group, wherever its pages are."""
        with self.lock:
            group = self.groups.pop(number)
        pages = self.lock_all(group)
        assert len(pages) == 3, f"a group of 3 pages has {len(pages)}"
        for page in pages:
            page.private = page.index = 0
            ClearPageMovable(page)
            unlock_page(page)
            put_page(page)

    def lock_all(self, group: Group) -> list[Page]:
        """Lock the pages of a group. One that is not locked yet may leave it whenever the group's lock is dropped."""
        pages: list[Page] = []
        for _ in range(TRIES):
            with group.lock.read():
                page = pages[-1].index if pages else group.first
                if page is None:
                    break
                if trylock_page(page):
                    pages.append(page)
                    continue
                get_page(page)
            spin_on_page_locked(page)
            put_page(page)
        return pages

    def load(self, number: int, length: int) -> bytes | None:
        """The first bytes of each page of a group."""
        with self.lock:
            group = self.groups.get(number)
        if group is None:
            return None
        with group.lock.read():
            return b"".join(bytes(page.data[:length]) for page in self.chain(group))

    def remove(self) -> None:
        """Free everything and go."""
        for number in list(self.groups):
            self.free(number)
        self.vm.free_address_space(self.mapping)

    def isolate_page(self, page: Page, mode: int) -> bool:
        """The page is on no list."""
        return True

    def migratepage(self, mapping: AddressSpace, newpage: Page, page: Page, mode: int) -> int:
        """Copy, and build the chain anew."""
        if mode == MIGRATE_SYNC_NO_COPY:
            return -EINVAL
        group: Group = page.private
        with group.lock.write():
            copy_highpage(newpage, page)
            pages = [newpage if one is page else one for one in self.chain(group)]
            page.index = page.private = 0
            newpage.private = group
            group.first = pages[0]
            self.link(pages)
            SetPageMovable(newpage, mapping)
            ClearPageMovable(page)
        get_page(newpage)
        put_page(page)
        return 0

    def putback_page(self, page: Page) -> None:
        """Nothing was taken."""


class WalksUnguarded(Chains):
    def lock_all(self, group: Group) -> list[Page]:
        pages: list[Page] = []
        page: Page | None = group.first
        while page is not None and len(pages) < TRIES:
            lock_page(page)
            pages.append(page)
            page = page.index
        return pages


class ChainsWorkload(Workload):
    """Groups come and go."""

    factory = Chains
    driver: Chains

    @operation(data=st.binary(min_size=1, max_size=16))
    def alloc(self, data: bytes) -> None:
        number = self.driver.alloc(data)
        if number is not None:
            self.model[number] = data * 3

    @operation(number=handle())
    def free(self, number: int) -> None:
        if self.model.pop(number, None) is not None:
            self.driver.free(number)

    def read(self, key: int) -> bytes | None:
        return self.driver.load(key, len(self.model[key]) // 3)


EXHIBITS = (
    Exhibit(
        id="Z06",
        slug="zs-chain-walk",
        year=2022,
        commit="2505a981114d",
        layer="driver zsmalloc",
        title="a chain of pages is walked while a migration relinks it",
        story="""
            To free a group of pages, the worker walks from link to link and locks each page. A page that it has not locked yet
            may be migrated, and then the whole chain is built anew, with empty links in between. The worker locks a page that
            has left the group, or sees the end too early and frees pages that it has not locked.
        """,
        fix="Hold the group's lock in the walk. Where a page has to be waited for, drop it, hold the page, and look again.",
        rules=("D46", "D53"),
        broken=WalksUnguarded,
        twin=Chains,
        workload=ChainsWorkload,
        depth=(2, 1),
    ),
)
