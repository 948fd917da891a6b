"""How large a page is on the machine that the text is of: 4, 16 or 64 kB. Counts of blocks alone do not say it."""

from __future__ import annotations

import re
from collections.abc import Iterator

from movable.explain.material import Material

USUAL_PAGE_KB = 4
SIZES = (4, 8, 16, 64, 256)
HUGE_OF_PAGE = {4: 2048, 16: 32 << 10, 64: 512 << 10}
"""The huge page that one entry of a page middle directory maps, in kB, where an entry has 8 bytes."""
PAGE_OF_HUGE = {512 << 10: 64, 16 << 10: 64, 32 << 10: 16}
PAGE_OF_PAGEBLOCK_ORDER = {13: 64, 11: 16, 5: 64}
PAGE_OF_ORDERS = {14: 64, 12: 16, 9: 64}
"""How many orders the allocator has by default where pages are not of 4 kB (arm64, loongarch, powerpc)."""
LEAST_ORDERS = 9
OPTION = "movable explain --page-size 64K (getconf PAGESIZE prints it in bytes)"
_NAMED = re.compile(r"\+64k\b|-64k\b|\.el[78][\w.]*\.aarch64|\bppc64le\b|\b(4|16|64)k pages, \d+-bit VAs")


def settle(material: Material, given: int | None = None) -> None:
    """Find out the size and give it to what counts in it. ``given`` is in kB; it overrules all but rows that tell their own."""
    found = [(given, "what --page-size says")] if given else []
    found += [(size, why) for size, why in _evidence(material) if size in SIZES]
    material.page_kb, material.page_why = found[0] if found else (USUAL_PAGE_KB, "")
    for row in material.free:
        row.page_kb = row.page_kb or material.page_kb
    for marks in material.marks:
        if marks.in_kb:
            unit = material.page_kb
            marks.values = {name: value // unit for name, value in marks.values.items()}
            marks.in_kb = False


def named(text: str) -> int:
    """The size that the name of a kernel tells, or arm64's report of a fault; 0 where it does not."""
    found = _NAMED.search(text)
    return 0 if found is None else int(found[1] or 64)


def huge_order(material: Material) -> int:
    """The order of the machine's huge page, no larger than the allocator's largest."""
    most = max((count for count in _columns(material) if count >= LEAST_ORDERS), default=0)
    sizes = [material.meminfo.get("Hugepagesize", 0), HUGE_OF_PAGE.get(material.page_kb, 2048)]
    orders = [(size // material.page_kb).bit_length() - 1 for size in sizes if size > material.page_kb]
    return next((order for order in orders if not most or order < most), most - 1)


def _evidence(material: Material) -> Iterator[tuple[int, str]]:
    """Sizes that the text tells, the surest first."""
    yield from ((row.page_kb, "the rows of Mem-Info") for row in material.free if row.page_kb)
    yield from ((size, why) for size, why in material.page_sizes)
    maps = [int(one.words["kernelpagesize_kB"][:9]) for one in material.maps if one.words.get("kernelpagesize_kB", "").isdecimal()]
    if maps:
        yield min(maps), "kernelpagesize_kB of numa_maps"
    if "DirectMap4k" in material.meminfo:
        yield 4, "DirectMap4k of meminfo"
    yield from _ratios(material)
    sizes = {material.meminfo.get("Hugepagesize", 0)} | material.huge_sizes
    if 64 not in sizes:  # arm64 with small pages has huge ones of 64 kB, and of 32 MiB, too
        yield from ((page, f"huge pages of {huge} kB") for huge, page in PAGE_OF_HUGE.items() if huge in sizes)
    if material.pageblock_order is not None:
        yield PAGE_OF_PAGEBLOCK_ORDER.get(material.pageblock_order, 0), f"pageblocks of order {material.pageblock_order}"
    columns = _columns(material)
    if len(columns) == 1:
        yield PAGE_OF_ORDERS.get(min(columns), 0), f"the {min(columns)} orders of the allocator; not sure, {OPTION}"


def _columns(material: Material) -> set[int]:
    """How many orders whole tables have."""
    return {len(row.counts) for row in material.free if row.whole} | {len(row.counts) for row in material.types if row.whole}


def _ratios(material: Material) -> Iterator[tuple[int, str]]:
    """The same memory in kB and in pages: all of it, and what is free."""
    managed = {(one.node, one.zone): one.values.get("managed", 0) for one in material.marks if not one.in_kb}
    free = {(row.node, row.zone): row.free for row in material.free}
    last = material.counters[-1].values if material.counters else {}
    counted = [("MemTotal", sum(managed.values())), ("MemFree", last.get("nr_free_pages", 0)), ("MemFree", sum(free.values()))]
    for name, pages in counted:
        kb = material.meminfo.get(name, 0)
        if pages > 0 and kb:
            near = min(SIZES, key=lambda size: abs(kb / pages - size))
            off = kb / pages / near  # what is free changes, and rows may be left out: only a close fit speaks of large pages
            if 0.9 < off < 1.1 or (near == USUAL_PAGE_KB and 0.7 < off < 1.4) or (name == "MemTotal" and 0.7 < off < 1.4):
                yield near, f"{name} of meminfo beside the same in pages"
