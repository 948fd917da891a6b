"""Pages: each function of the headers is the model's own, so that its rules and events come with it."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from movable.c.bridge.calls import Bridge, Handler
from movable.c.bridge.errors import memory_error
from movable.c.bridge.requests.tasks import sleeps
from movable.c.bridge.runtime import A0, A1, A2, A3, PAGE_BYTES, PAGES, PC
from movable.mm import filemap, highmem, movable_ops, page_flags, util, vmstat
from movable.mm import page as page_struct
from movable.mm.page import Page

FLAGS, LRU, MAPPING, INDEX, PRIVATE, TYPE, REFCOUNT = 0, 8, 24, 32, 40, 48, 52
"""Where the fields of a struct page are (include/linux/mm_types.h of ours), in bytes; the type shares a word with the map count."""
WORD, TYPE_BYTES, COUNT_BYTES = 8, 4, 4
ZONES = 0x3000
"""What page_zone answers for the first zone, and so many bytes further on for each after it."""
ZONE_BYTES = 64
EVENTS = ("balloon_inflate", "balloon_deflate", "balloon_migrate")


def _simple(function: Callable[[Page], Any]) -> Handler:
    return lambda bridge: function(bridge.page(bridge.request[A0]))


def _looking(function: Callable[[Page], Any], offset: int, size: int) -> Handler:
    """A function that only looks at a word of the page: a loop may wait for a change of it."""

    def handler(bridge: Bridge) -> int:
        address, call = bridge.request[A0], bridge.now
        found = int(function(bridge.page(address)) or 0)
        bridge.looked(call, address + offset, size)
        return found

    return handler


def _held(function: Callable[[Page], Any]) -> Handler:
    """A function that none may call for a free page."""

    def handler(bridge: Bridge) -> int:
        page = bridge.page(bridge.request[A0])
        if not page._refcount:
            raise memory_error("D46", f"calls {function.__name__.strip('_')} for a free page", "a page that somebody holds",
                               bridge.line(), page)  # fmt: skip
        return int(function(page) or 0)

    return handler


def trylock(bridge: Bridge) -> int:
    """trylock_page."""
    address, call = bridge.request[A0], bridge.now
    page = bridge.page(address)
    taken = filemap.trylock_page(page)
    if not taken:
        bridge.waiting_for(call, address, lambda: not page._flags & page_flags.LOCKED, ("page", page.pfn, "lock"))
    return int(taken)


def set_movable(bridge: Bridge) -> None:
    """__SetPageMovable, with a mapping or with operations; SetPageMovableOps."""
    address, owner, with_mapping = bridge.request[A0], bridge.request[A1], bridge.request[A2]
    page = bridge.page(address)
    if bridge.memory.sticky:
        movable_ops.SetPageMovableOps(page)
        return
    page_flags.SetPageMovable(page, bridge.spaces.space(owner, bool(with_mapping), bridge.line()))


def mapping(bridge: Bridge) -> int:
    """page_mapping."""
    found = util.page_mapping(bridge.page(bridge.request[A0]))
    return 0 if found is None else found.addr


def set_flag(bridge: Bridge) -> None:
    """set_bit on the flags of a page."""
    page, bit = bridge.page(bridge.request[A0]), bridge.request[A1]
    (page_flags.SetPageIsolated(page) if bit == page_flags.PG_isolated else page_flags.set_page_flag(page, bit))


def clear_flag(bridge: Bridge) -> None:
    """clear_bit on the flags of a page."""
    page, bit = bridge.page(bridge.request[A0]), bridge.request[A1]
    (page_flags.ClearPageIsolated(page) if bit == page_flags.PG_isolated else page_flags.clear_page_flag(page, bit))


def test_flag(bridge: Bridge) -> int:
    """test_bit on the flags of a page."""
    address, bit, call = bridge.request[A0], bridge.request[A1], bridge.now
    found = page_flags.test_page_flag(bridge.page(address), bit)
    bridge.looked(call, address + FLAGS, WORD)
    return int(found)


def _test_and(on: bool) -> Handler:
    """test_and_set_bit and test_and_clear_bit: what was there, and the change, in one step."""

    def handler(bridge: Bridge) -> int:
        page, bit, call = bridge.page(bridge.request[A0]), bridge.request[A1], bridge.now
        if call.scheduler is not None:
            call.scheduler.point("aw", ("page", page.pfn, "flags"))
        was = page._flags >> bit & 1
        if call.seam is not None and bool(was) != on:
            by = call.seam.task.callbacks[-1][0] if call.seam.task.callbacks else ""
            if bit == page_flags.PG_isolated:
                call.seam.event("set_page_isolated" if on else "clear_page_isolated", page, by=by)
            else:
                name = page_flags.PG_NAMES[bit]
                call.seam.event("touch", page, field=f"flag {name}", write=True, changed=1 << bit, list="")
        page._flags = page._flags | 1 << bit if on else page._flags & ~(1 << bit)
        return was

    return handler


def copy(bridge: Bridge) -> None:
    """copy_highpage."""
    to, source = bridge.page(bridge.request[A0]), bridge.page(bridge.request[A1])
    for page in (to, source):
        if not page._refcount:
            raise memory_error("D46", "copies from or to a free page", "pages that somebody holds", bridge.line(), page)
    highmem.copy_highpage(to, source)


def alloc(bridge: Bridge) -> int:
    """alloc_pages; 0 where there is none."""
    gfp, order, node, pc = bridge.request[A0], bridge.request[A1], bridge.request[A2], bridge.request[PC]
    page = bridge.vm.alloc_pages(gfp, order, node if node >= 0 else None)
    if page is None:
        return 0
    bridge.made[page.pfn] = pc
    words = bridge.runtime.words
    bridge.memory.activate()
    for offset in (LRU, LRU + WORD, INDEX, PRIVATE):
        words[(page.pfn * PAGE_BYTES + offset) // WORD] = 0
    return PAGES + page.pfn * PAGE_BYTES


def lock(bridge: Bridge) -> int:
    """lock_page, which may sleep whether or not it must."""
    sleeps(bridge, "locks a page, and may sleep,")
    return _held(filemap.lock_page)(bridge) or 0


def offline(bridge: Bridge) -> int:
    """PageOffline, and PageBalloon before it."""
    return int(page_flags.PageBalloon(bridge.page(bridge.request[A0])))


def _type_name(bridge: Bridge) -> str:
    """The type that a request names."""
    known = {word >> movable_ops.TYPE_SHIFT & 0xFF: name for name, word in bridge.vm.era.page_types.items() if name != "balloon"}
    return known.get(bridge.request[A1], "")


def set_type(bridge: Bridge) -> None:
    """__SetPageOffline and its relatives, where types stay."""
    movable_ops.set_page_type(bridge.page(bridge.request[A0]), _type_name(bridge))


def clear_type(bridge: Bridge) -> None:
    """__ClearPageOffline and its relatives, where types stay: only a page that was never marked may lose its own."""
    movable_ops.clear_page_type(bridge.page(bridge.request[A0]), _type_name(bridge))


def page_type(bridge: Bridge) -> int:
    """PageOffline and its relatives, where types stay."""
    page, wanted, call = bridge.page(bridge.request[A0]), bridge.request[A1], bridge.now
    if page.seam is not None:
        page.seam.point("ar", ("page", page.pfn, "type"))
    bridge.looked(call, PAGES + page.pfn * PAGE_BYTES + TYPE, TYPE_BYTES)
    return int(page._mapcount >> movable_ops.TYPE_SHIFT & 0xFF == wanted)


def set_ops(bridge: Bridge) -> int:
    """set_movable_ops."""
    address = bridge.request[A0]
    return int(bridge.spaces.register(address, _type_name(bridge), bridge.line()))


def zone(bridge: Bridge) -> int:
    """page_zone: a number to be compared."""
    return ZONES + ZONE_BYTES * bridge.vm.zones.index(bridge.page(bridge.request[A0]).zone)


def zone_stat(bridge: Bridge) -> None:
    """inc_zone_page_state and its relatives; there is one counter."""
    bridge.page(bridge.request[A0]).zone.vmstat["nr_zspages"] += bridge.request[A2]


def vm_event(bridge: Bridge) -> None:
    """__count_vm_event."""
    bridge.vm.vmstat[EVENTS[bridge.request[A0] % len(EVENTS)]] += bridge.request[A1]


def balloon_hook(bridge: Bridge) -> None:
    """The balloon core is about to call a device's hook, or the hook has answered."""
    seam = bridge.vm.seam
    if seam is None:
        return
    page, newpage, value, back = (bridge.request[at] for at in (A0, A1, A2, A3))
    pfn = bridge.page(newpage).pfn
    if back:
        seam.event("balloon_hook_ret", bridge.page(page), newpage=pfn, ret=value)
    else:
        seam.event("balloon_hook", bridge.page(page), newpage=pfn, mode=value)


def balloon_count(bridge: Bridge) -> None:
    """What the balloon core counts about a page: frames that its zone manages, ballooned pages of its node."""
    page = bridge.page(bridge.request[A0])
    if bridge.request[A1]:
        vmstat.adjust_managed_page_count(page, bridge.request[A1])
    if bridge.request[A2]:
        vmstat.mod_node_page_state(page.zone.node, "nr_balloon_pages", bridge.request[A2])


TABLE: dict[str, Handler] = {
    "K_GET_PAGE": _simple(page_struct.get_page), "K_PUT_PAGE": _simple(page_struct.put_page),
    "K_PAGE_COUNT": _looking(page_struct.page_count, REFCOUNT, COUNT_BYTES),
    "K_GET_UNLESS_ZERO": _simple(page_struct.get_page_unless_zero),
    "K_LOCK_PAGE": lock, "K_TRYLOCK_PAGE": trylock,
    "K_UNLOCK_PAGE": _simple(filemap.unlock_page), "K_PAGE_LOCKED": _looking(page_flags.PageLocked, FLAGS, WORD),
    "K_WAIT_PAGE_LOCKED": _simple(filemap.spin_on_page_locked), "K_SET_MOVABLE": set_movable,
    "K_CLEAR_MOVABLE": _simple(page_flags.ClearPageMovable), "K_PAGE_MOVABLE": _simple(page_flags.PageMovable),
    "K_PAGE_MOVABLE_HINT": _looking(page_flags.PageMovableHint, MAPPING, WORD), "K_PAGE_MAPPING": mapping,
    "K_PAGE_ISOLATED": _looking(page_flags.PageIsolated, FLAGS, WORD), "K_SET_FLAG": set_flag, "K_CLEAR_FLAG": clear_flag,
    "K_TEST_FLAG": test_flag, "K_TEST_SET_FLAG": _test_and(True), "K_TEST_CLEAR_FLAG": _test_and(False),
    "K_COPY_PAGE": copy, "K_CLEAR_PAGE": _held(highmem.clear_highpage), "K_ALLOC_PAGES": alloc,
    "K_SET_OFFLINE": _simple(page_flags.SetPageBalloon), "K_CLEAR_OFFLINE": _simple(page_flags.ClearPageBalloon),
    "K_PAGE_OFFLINE": offline, "K_SET_TYPE": set_type, "K_CLEAR_TYPE": clear_type, "K_PAGE_TYPE": page_type,
    "K_SET_MOVABLE_OPS": set_ops, "K_BALLOON_HOOK": balloon_hook, "K_BALLOON_COUNT": balloon_count,
    "K_ZONE_STAT": zone_stat, "K_PAGE_ZONE": zone, "K_PAGE_NODE": lambda bridge: bridge.page(bridge.request[A0]).node,
    "K_VM_EVENT": vm_event,
}  # fmt: skip
