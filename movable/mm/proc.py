"""/proc/buddyinfo, /proc/pagetypeinfo and /proc/vmstat, written and read in the kernel's exact format (mm/vmstat.c).

What reads a file and what writes it share one form of the numbers, so that a machine of the model and a real one can be
compared column by column.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Sequence
from typing import TYPE_CHECKING, NamedTuple

from movable.errors import UsageError
from movable.mm.gfp import MAX_ORDER, MIGRATETYPE_NAMES, ZONE_NAMES
from movable.mm.proc_page import kpagecount, kpagecount_chunks, kpageflags, kpageflags_chunks

if TYPE_CHECKING:
    from movable.mm.mmzone import Node, Zone
    from movable.mm.vm import VM

__all__ = [
    "BuddyRow",
    "MemInfoRow",
    "NodeTypes",
    "TypeRow",
    "buddyinfo",
    "format_buddyinfo",
    "format_pagetypeinfo",
    "kpagecount",
    "kpagecount_chunks",
    "kpageflags",
    "kpageflags_chunks",
    "meminfo",
    "pagetypeinfo",
    "parse_buddyinfo",
    "parse_mem_info_row",
    "parse_pagetypeinfo",
    "vmstat",
    "zoneinfo",
]


class BuddyRow(NamedTuple):
    """Free blocks of one zone: ``counts`` by order."""

    nid: int
    zone: str
    counts: Sequence[int]


class TypeRow(NamedTuple):
    """Free blocks of one zone and migratetype: ``counts`` by order."""

    zone: str
    migratetype: str
    counts: Sequence[int]


class NodeTypes(NamedTuple):
    """One node in /proc/pagetypeinfo.

    ``free`` has a row for every zone and type. ``names`` are the types that the kernel knows; ``blocks`` has (zone,
    pageblocks by type in that order).
    """

    nid: int
    pageblock_order: int
    names: Sequence[str]
    free: Sequence[TypeRow]
    blocks: Sequence[tuple[str, Sequence[int]]]


def _zones(node: Node) -> list[Zone]:
    """Populated zones in the kernel's order."""
    return sorted((zone for zone in node.zones if zone.present_pages), key=lambda zone: (zone.index, zone.start_pfn))


def _columns(counts: Iterable[int], width: int = 6, limit: int = 0) -> str:
    return "".join(f">{limit:{width}d} " if limit and count >= limit else f"{count:{width}d} " for count in counts)


# --- /proc/buddyinfo ---


def format_buddyinfo(rows: Iterable[BuddyRow]) -> str:
    """The text of /proc/buddyinfo for these rows (frag_show_print)."""
    return "".join(f"Node {nid}, zone {zone:>8} {_columns(counts)}\n" for nid, zone, counts in rows)


def buddyinfo(vm: VM) -> str:
    """/proc/buddyinfo of a machine: free blocks by order, a line for every populated zone."""
    return format_buddyinfo(
        BuddyRow(node.nid, zone.name, [area.nr_free for area in zone.free_area])
        for node in vm.nodes
        for zone in _zones(node)
    )


def parse_buddyinfo(text: str) -> list[BuddyRow]:
    """The rows of a /proc/buddyinfo, or of the Mem-Info of an allocation failure. Raises UsageError that names the first line
    that is neither."""
    rows = []
    for number, line in enumerate(text.splitlines(), 1):
        try:
            found = parse_mem_info_row(line)
            rows.append(_buddy_row(line) if found is None or not found.whole else BuddyRow(*found[:3]))
        except (ValueError, IndexError):
            raise UsageError(f"line {number}: {line!r} is no line of /proc/buddyinfo") from None
    return rows


def _buddy_row(line: str) -> BuddyRow:
    nid, zone, counts = _split_row(line)
    return BuddyRow(nid, zone, [int(count) for count in counts])


# --- rows of Mem-Info ---

MAX_COLUMNS = 20
_MEM_INFO = re.compile(r"(?:\bNode\s+(\d{1,9})\s+)?\b(\w+):\s+(?=\d+\*\d+kB)(.*)$")
_RUN = re.compile(r"(\d+)\*(\d+)kB(?:\s*\(([A-Z]*)\))?")
_SUM = re.compile(r"=\s*(\d+)kB\s*$")


class MemInfoRow(NamedTuple):
    """Free blocks of one zone as the report of a failed allocation has them.

    ``page_kb`` is the size of a page, ``letters`` the migratetypes that have free blocks of an order; ``whole`` is False where the
    row was cut or its sum does not fit.
    """

    nid: int
    zone: str
    counts: list[int]
    page_kb: int
    letters: dict[int, str]
    whole: bool


def parse_mem_info_row(line: str) -> MemInfoRow | None:
    """``Node 0 Normal: 1056*4kB (UMEH) 1027*8kB ... = 59704kB`` (show_free_areas), whatever stands before; None for another line.

    Kernels of one node once left the node out.
    """
    found = _MEM_INFO.search(line)
    if found is None:
        return None
    runs = [(int(count[:18]), int(size[:9]), letters) for count, size, letters in _RUN.findall(found[3])]
    page = runs[0][1]
    sizes = {size for _, size, _ in runs}
    if page == 0 or any(size % page or size // page & size // page - 1 for size in sizes) or len(sizes) < len(runs):
        return None
    by_order = {(size // page).bit_length() - 1: (count, letters) for count, size, letters in runs}
    counts = [by_order.get(order, (0, ""))[0] for order in range(max(by_order) + 1)]
    if len(counts) > MAX_COLUMNS:
        return None
    total, free = _SUM.search(found[3]), sum(count << order for order, count in enumerate(counts)) * page
    whole = len(by_order) == len(counts) and total is not None and int(total[1][:18]) == free
    letters = {order: letters for order, (count, letters) in by_order.items() if letters and count}
    return MemInfoRow(int(found[1] or 0), found[2], counts, page, letters, whole)


# --- /proc/pagetypeinfo ---

FREE_TITLE = "Free pages count per migrate type at order"
BLOCKS_TITLE = "Number of blocks type "
MIXED_TITLE = "Number of mixed blocks"


def format_pagetypeinfo(nodes: Iterable[NodeTypes], limit: int = 0) -> str:
    """The text of /proc/pagetypeinfo, as a kernel without page_owner writes it (pagetypeinfo_show).

    Kernels from 5.4 on count no list further than ``limit`` blocks.
    """
    return "".join(line for node in nodes for line in _node_types(node, limit))


def _node_types(node: NodeTypes, limit: int) -> Iterator[str]:
    yield f"Page block order: {node.pageblock_order}\n"
    yield f"Pages per block:  {1 << node.pageblock_order}\n\n"
    orders = len(node.free[0].counts) if node.free else MAX_ORDER
    yield f"{FREE_TITLE:<43} {_columns(range(orders))}\n"
    for zone, migratetype, counts in node.free:
        yield f"Node {node.nid:4d}, zone {zone:>8}, type {migratetype:>12} {_columns(counts, limit=limit)}\n"
    yield f"\n{BLOCKS_TITLE:<23}" + "".join(f"{name:>12} " for name in node.names) + "\n"
    for zone, numbers in node.blocks:
        yield f"Node {node.nid}, zone {zone:>8} {_columns(numbers, 12)}\n"


def pagetypeinfo(vm: VM) -> str:
    """/proc/pagetypeinfo of a machine: for every node the free blocks and the pageblocks, by type."""
    return format_pagetypeinfo((_count_types(node) for node in vm.nodes if _zones(node)), vm.era.free_list_limit)


def _count_types(node: Node) -> NodeTypes:
    zones = _zones(node)
    free = [
        TypeRow(zone.name, name, [len(area.free_list[number]) for area in zone.free_area])
        for zone in zones
        for number, name in enumerate(MIGRATETYPE_NAMES)
    ]
    blocks = []
    for zone in zones:
        online = [kind for number, kind in enumerate(zone.pageblocks) if number not in zone.offline]
        blocks.append((zone.name, [online.count(number) for number in range(len(MIGRATETYPE_NAMES))]))
    return NodeTypes(node.nid, node.vm.pageblock_order, MIGRATETYPE_NAMES, free, blocks)


def parse_pagetypeinfo(text: str) -> list[NodeTypes]:
    """The nodes of a /proc/pagetypeinfo, or of a part of it: free rows without the table of pageblocks, or that table alone.

    Raises UsageError that names the first line that does not belong there. Newer kernels write ">100000" for a longer list, which
    is read as 100000. Kernels with page_owner end with a table of mixed pageblocks, which is passed over.
    """
    nodes: list[NodeTypes] = []
    order, fresh, mixed = 0, True, False
    for number, line in enumerate(text.splitlines(), 1):
        try:
            if line.startswith("Page block order:"):
                order, fresh, mixed = int(line.split(":")[1]), True, False
            elif line.startswith((BLOCKS_TITLE, MIXED_TITLE)):
                mixed = line.startswith(MIXED_TITLE)
                if nodes and not mixed:
                    nodes[-1] = nodes[-1]._replace(names=line.removeprefix(BLOCKS_TITLE).split())
            elif line.startswith("Node") and not mixed:
                nid = int(line.partition(",")[0].removeprefix("Node"))
                if fresh or not nodes or nodes[-1].nid != nid:
                    nodes.append(NodeTypes(nid, order, [], [], []))
                    fresh = False
                _add_types(nodes[-1], line)
            elif line and not mixed and not line.startswith(("Pages per block:", FREE_TITLE)):
                raise ValueError(line)
        except (ValueError, IndexError):
            raise UsageError(f"line {number}: {line!r} does not belong in /proc/pagetypeinfo") from None
    return nodes


def _add_types(node: NodeTypes, line: str) -> None:
    """Put one row into a node: free blocks of a type, or pageblocks by type."""
    _, zone, rest = _split_row(line)
    assert isinstance(node.free, list) and isinstance(node.blocks, list)
    if ", type" in line:
        node.free.append(TypeRow(zone, rest[1], [int(count.lstrip(">")) for count in rest[2:]]))
    else:
        node.blocks.append((zone, [int(count) for count in rest]))


def _split_row(line: str) -> tuple[int, str, list[str]]:
    """(node, zone, what follows) of a line that begins with a node and a zone."""
    head, _, rest = line.partition(", zone")
    words = rest.replace(",", " ").split()
    return int(head.removeprefix("Node")), words[0], words[1:]


# --- /proc/vmstat ---

ZONE_ITEMS = ("nr_zspages",)
NODE_ITEMS = ("nr_isolated_anon", "nr_isolated_file")
EVENTS = (
    "slabs_scanned",
    "pgmigrate_success",
    "pgmigrate_fail",
    "compact_migrate_scanned",
    "compact_free_scanned",
    "compact_isolated",
    "compact_stall",
    "compact_fail",
    "compact_success",
    "compact_daemon_wake",
    "compact_daemon_migrate_scanned",
    "compact_daemon_free_scanned",
    "balloon_inflate",
    "balloon_deflate",
    "balloon_migrate",
)


def free_in_blocks(zone: Zone) -> int:
    """How many of a zone's free frames lie in pageblocks that are free as a whole."""
    return sum(1 << order for _, order in zone.free_blocks() if order >= zone.pageblock_order)


def vmstat(vm: VM) -> str:
    """/proc/vmstat of a machine, as far as the model counts: the kernel's names first, then the model's own."""
    values = {"nr_free_pages": sum(zone.nr_free for zone in vm.zones)}
    if vm.era.counts_free_blocks:
        values["nr_free_pages_blocks"] = sum(map(free_in_blocks, vm.zones))
    values |= {name: sum(zone.vmstat.get(name, 0) for zone in vm.zones) for name in ZONE_ITEMS}
    values["nr_free_cma"] = sum(zone.nr_free_cma() for zone in vm.zones)
    items = (*NODE_ITEMS, "nr_balloon_pages") if vm.era.balloon_core else NODE_ITEMS
    values |= {} if vm.userspace is None else vm.userspace.vmstat()
    values |= {name: sum((node.vmstat.get(name, 0) for node in vm.nodes), values.get(name, 0)) for name in items}
    for name in ZONE_NAMES:
        values[f"pgalloc_{name.lower()}"] = sum(zone.pgalloc for zone in vm.zones if zone.name == name)
    for name in ZONE_NAMES:
        values[f"allocstall_{name.lower()}"] = vm.vmstat[f"allocstall_{name.lower()}"]
    values["pgfree"] = sum(zone.pgfree for zone in vm.zones)
    values |= {name: vm.vmstat[name] for name in EVENTS}
    values |= {name: vm.vmstat[name] for name in sorted(vm.vmstat) if name not in values}
    return "".join(f"{name} {value}\n" for name, value in values.items())


# --- /proc/zoneinfo and /proc/meminfo ---


def zoneinfo(vm: VM) -> str:
    """/proc/zoneinfo of a machine, as far as the model has it: watermarks and sizes of zones, in pages (zoneinfo_show_print)."""
    return "".join(line for node in vm.nodes for zone in _zones(node) for line in _zone_lines(zone))


def _zone_lines(zone: Zone) -> Iterator[str]:
    yield f"Node {zone.node.nid}, zone {zone.name:>8}\n"
    yield f"  pages free     {zone.nr_free}\n"
    for name, value in zip(("min", "low", "high"), zone.watermark, strict=False):
        yield f"        {name:<8} {value}\n"
    yield f"        {'spanned':<8} {zone.end_pfn - zone.start_pfn}\n"
    yield f"        {'present':<8} {zone.present_pages}\n"
    yield f"        {'managed':<8} {zone.managed_pages}\n"
    yield f"        protection: ({', '.join(map(str, zone.lowmem_reserve))})\n"
    values = {"nr_free_pages": zone.nr_free} | {name: zone.vmstat.get(name, 0) for name in ZONE_ITEMS}
    for name, value in (values | {"nr_free_cma": zone.nr_free_cma()}).items():
        yield f"      {name:<12} {value}\n"
    yield f"  start_pfn:           {zone.start_pfn}\n"


def meminfo(vm: VM) -> str:
    """/proc/meminfo of a machine, as far as the model has it (meminfo_proc_show)."""
    total, free = sum(zone.managed_pages for zone in vm.zones), sum(zone.nr_free for zone in vm.zones)
    cma = sum(zone.nr_free_cma() for zone in vm.zones)
    rows = {"MemTotal": total, "MemFree": free, "CmaFree": cma}
    return "".join(f"{name + ':':<15} {pages * 4:8d} kB\n" for name, pages in rows.items())
