"""Swap: slots of a device that hold pages of processes, and the cache of those on their way (mm/swapfile.c, mm/swap_state.c).

A page table entry of a page that is swapped out holds the number of its slot. A slot counts the entries that hold it, and is free
when the last one is gone. While a page is in the swap cache it has PG_swapcache, ``private`` is its slot, and the cache holds a
reference; so two processes that share a slot find one page.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

from movable.errors import UsageError, by_hand
from movable.mm.address_space import AddressSpace, MovableOperations
from movable.mm.filemap import trylock_page, unlock_page
from movable.mm.page import PAGE_SIZE, get_page, put_page
from movable.mm.page_flags import DIRTY, SWAPBACKED, SWAPCACHE

if TYPE_CHECKING:
    from movable.mm.fs import FileMapping
    from movable.mm.page import Page
    from movable.mm.userspace import Userspace


class BlockDevice(Protocol):
    """What pages can be swapped to: a compressed store, a disk. Each raises where it cannot do it."""

    def write(self, index: int, data: bytes) -> object:
        """Keep 4096 bytes under a number."""

    def read(self, index: int) -> bytes:
        """Give them back."""

    def discard(self, index: int) -> object:
        """They are not needed any more."""


class SwapSpace(AddressSpace):
    """One swap device in use: ``i_pages`` are the pages in its cache by slot, ``swap_map`` counts the entries that hold a slot,
    ``free`` are the slots that nothing holds (struct swap_info_struct)."""

    __slots__ = ("device", "free", "i_pages", "nr_slots", "swap_map", "user")

    def __init__(self, user: Userspace, device: BlockDevice, nr_slots: int) -> None:
        vm = user.vm
        addr = vm._next_address
        vm._next_address += 0x40
        super().__init__(addr, "swap", MovableOperations(None, None, None), user)
        self.user = user
        self.device = device
        self.nr_slots = nr_slots
        self.i_pages: dict[int, Page] = {}
        self.swap_map: dict[int, int] = {}
        self.free = list(range(nr_slots - 1, -1, -1))

    @property
    def used(self) -> int:
        """How many slots hold something."""
        return self.nr_slots - len(self.free)


def swapon(user: Userspace, device: BlockDevice, nr_slots: int) -> SwapSpace:
    """Swap to a device of ``nr_slots`` pages from now on. Raises UsageError where there is one already."""
    if user.swap is not None:
        raise UsageError("this machine swaps already; there is one swap device at a time")
    user.swap = SwapSpace(user, device, nr_slots)
    user.vm.swap_space = user.swap
    return user.swap


def swapoff(user: Userspace) -> None:
    """Swap no more. Raises UsageError while a slot is in use: let the processes end, or read their pages, before."""
    if user.swap is not None and user.swap.used:
        raise UsageError(f"{user.swap.used} slots of the swap device are in use")
    user.swap = user.vm.swap_space = None


def _point(space: SwapSpace, slot: int) -> None:
    """A look at a slot, or a change of it, is a step."""
    if space.user.vm.seam is not None:
        space.user.vm.seam.point("aw", ("swap", slot))


# --- the cache ---


def add_to_swap(space: SwapSpace, page: Page) -> bool:
    """Give a locked anonymous page a slot and put it into the cache; False when there is none (add_to_swap)."""
    if not space.free:
        return False
    slot = space.free.pop()
    space.swap_map[slot] = 0
    add_to_swap_cache(space, page, slot)
    page._flags |= DIRTY
    return True


def add_to_swap_cache(space: SwapSpace, page: Page, slot: int) -> None:
    """The page is what a slot holds; the cache has a reference."""
    _point(space, slot)
    get_page(page)
    page._private = slot
    page._flags |= SWAPCACHE | SWAPBACKED
    space.i_pages[slot] = page


def delete_from_swap_cache(space: SwapSpace, page: Page) -> None:
    """Take a page out of the cache; a slot that no entry holds is free then."""
    _point(space, page._private)
    remove_from_swap_cache(space, page)
    put_page(page)


def remove_from_swap_cache(space: SwapSpace, page: Page) -> None:
    """The same within the caller's step, without the reference (__delete_from_swap_cache)."""
    slot = page._private
    del space.i_pages[slot]
    page._flags &= ~SWAPCACHE
    page._private = 0
    if not space.swap_map[slot]:
        _free_slot(space, slot)


def PageSwapCache(page: Page) -> bool:
    """Whether the page is in the swap cache: the flag means it for anonymous pages only."""
    return page._flags & (SWAPCACHE | SWAPBACKED) == SWAPCACHE | SWAPBACKED


# --- slots ---


def swap_duplicate(space: SwapSpace, slot: int) -> None:
    """One more entry holds a slot."""
    _point(space, slot)
    space.swap_map[slot] += 1


def swap_free(space: SwapSpace, slot: int, locked: bool = False) -> None:
    """One entry less holds a slot. With the last one it is free, and its page leaves the cache (free_swap_and_cache).

    A page whose lock somebody else has stays: whoever holds it, or the next reclaim, finds that it is not needed. ``locked``: the
    caller has it.
    """
    _point(space, slot)
    space.swap_map[slot] -= 1
    if space.swap_map[slot]:
        return
    page = space.i_pages.get(slot)
    if page is None:
        _free_slot(space, slot)
    elif locked or trylock_page(page):
        if space.i_pages.get(slot) is page:
            page._flags |= DIRTY  # nothing else holds what it holds
            delete_from_swap_cache(space, page)
        if not locked:
            unlock_page(page)


def swap_forget(mapping: FileMapping, start: int) -> None:
    """Pages of a file in memory from ``start`` on are needed no more: the slots that hold some are free."""
    space = mapping.host.user.swap
    for index in [index for index in mapping.swapped if index >= start]:
        assert space is not None
        swap_free(space, mapping.swapped.pop(index))


def _free_slot(space: SwapSpace, slot: int) -> None:
    del space.swap_map[slot]
    space.free.append(slot)
    space.device.discard(slot)


def swap_writepage(space: SwapSpace, page: Page, slot: int) -> bool:
    """Write a locked page to a slot; False where the device cannot take it, and the page stays dirty."""
    page._flags &= ~DIRTY
    try:
        space.device.write(slot, bytes(page.vm.map_page(page)))
    except BaseException as error:
        if by_hand(error):
            raise
        page._flags |= DIRTY
        page.vm.vmstat["pswpout_failed"] += 1
        return False
    page.vm.vmstat["pswpout"] += 1
    return True


def swap_readpage(space: SwapSpace, page: Page, slot: int) -> bool:
    """Fill a fresh page from a slot; False where the device cannot give it."""
    try:
        content = bytes(space.device.read(slot))
    except BaseException as error:  # a broken driver can fail in any way
        if by_hand(error):
            raise
        return False
    if len(content) != PAGE_SIZE:
        return False
    page.vm.map_page(page)[:] = content
    page.vm.vmstat["pswpin"] += 1
    return True
