"""Each zone at the moment of its last table: free blocks by order, the two indices, and what a perfect compaction could give."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import TypeVar

from movable.explain.judge.page_size import huge_order
from movable.explain.material import FreeBlocks, Indices, Marks, Material, Pageblocks, Request, TypeBlocks, grouped
from movable.explain.paste import Line
from movable.mm.gfp import PAGE_ALLOC_COSTLY_ORDER
from movable.mm.vmstat import EXTFRAG_THRESHOLD, count_blocks, index_of, unusable_of

Found = TypeVar("Found")
LETTERS = {"Unmovable": "U", "Movable": "M", "Reclaimable": "E", "HighAtomic": "H", "CMA": "C", "Isolate": "I"}
"""What Mem-Info calls the migratetypes of /proc/pagetypeinfo."""
LARGEST_ORDER = 40
AS_ASKED = "as asked with --order"
MOST_ORDER = 9999  # that a damaged text is believed


@dataclass(frozen=True, slots=True)
class ZoneOrder:
    """One zone and order. Indices are in thousandths; ``blocks_if_compacted`` is the most that any compaction could give.

    ``machine`` is the name that a tool told which asked several.
    """

    node: int
    zone: str
    order: int
    free_blocks: int
    usable_blocks: int
    fragmentation_index: int
    unusable_index: int
    blocks_if_compacted: int
    machine: str = ""


Place = tuple[str, int, str]


def place(row: FreeBlocks | TypeBlocks | Marks | Indices | Pageblocks) -> Place:
    """Machine, node and zone of a row."""
    return row.line.machine, row.node, row.zone


def named(row: FreeBlocks | Marks | Indices | Pageblocks) -> str:
    """A zone for a person."""
    return f"{on(row.line)}Node {row.node}, zone {row.zone}"


def on(line: Line) -> str:
    """The machine that a line is of, as a title begins with it: "" where the text is of one only."""
    return f"{line.machine}: " if line.machine else ""


def tables(material: Material) -> list[FreeBlocks]:
    """Every table of free blocks; where a zone has rows by migratetype only, their sum."""
    found = list(material.free)
    known = {place(row) for row in found}
    sums: dict[Place, FreeBlocks] = {}
    seen: set[tuple[Place, str]] = set()
    for row in material.types:
        where = place(row)
        if where in known or (where, row.migratetype) in seen:
            continue
        seen.add((where, row.migratetype))
        whole = sums.setdefault(where, FreeBlocks(row.line, row.node, row.zone, [], page_kb=material.page_kb))
        whole.counts += [0] * (len(row.counts) - len(whole.counts))
        for order, count in enumerate(row.counts):
            whole.counts[order] += count
        whole.whole = whole.whole and row.whole
    letters = _letters(material)
    for table in (*found, *sums.values()):
        table.types = table.types or letters.get(place(table), {})
    return found + list(sums.values())


def _letters(material: Material) -> dict[Place, dict[int, str]]:
    """Of each zone and order the letters of the migratetypes that have free blocks there, from /proc/pagetypeinfo."""
    letters: dict[Place, dict[int, str]] = {}
    for row in material.types:
        orders = letters.setdefault(place(row), {})
        for order, count in enumerate(row.counts):
            letter = LETTERS.get(row.migratetype, "?")
            if count and letter not in orders.get(order, ""):
                orders[order] = orders.get(order, "") + letter
    return letters


def by_zone(material: Material) -> list[list[FreeBlocks]]:
    """The tables of every zone, the first one first; zones in the order in which they came."""
    return list(grouped(tables(material), place).values())


def last(material: Material) -> list[FreeBlocks]:
    """The last table of every zone."""
    return [rows[-1] for rows in _once(material, "tables", len(material.free) + len(material.types), by_zone)]


def of_node(material: Material, row: FreeBlocks) -> list[FreeBlocks]:
    """The last tables of a row's node, in the order of its zones."""
    nodes = _once(
        material, "nodes", len(material.free) + len(material.types),
        lambda material: grouped(last(material), lambda one: (one.node, one.line.machine)),
    )  # fmt: skip
    return nodes.get((row.node, row.line.machine), [])


def with_long_lists(material: Material) -> set[Place]:
    """Zones that have a list longer than the kernel counts."""
    return _once(
        material, "long lists", len(material.types),
        lambda material: {place(one) for one in material.types if ">" in one.line.text},
    )  # fmt: skip


def _once(material: Material, name: str, size: int, made: Callable[[Material], Found]) -> Found:
    """What ``made`` finds in a material, found again only when there are more rows (``size``)."""
    known = material.found.get(name)
    if known is None or known[0] != size:
        known = material.found[name] = (size, made(material))
    found: Found = known[1]
    return found


def at(row: FreeBlocks, order: int) -> ZoneOrder:
    """One zone as seen by a request of ``order``."""
    info = count_blocks(row.counts, order)
    count = row.counts[order] if order < len(row.counts) else 0
    index, unusable = index_of(info, order), unusable_of(info, order)
    usable, machine = info.free_blocks_suitable, row.line.machine
    return ZoneOrder(row.node, row.zone, order, count, usable, index, unusable, row.free >> order, machine)


def every(material: Material) -> Iterator[ZoneOrder]:
    """Every zone and order."""
    for row in last(material):
        for order in range(len(row.counts)):
            yield at(row, order)


def last_marks(material: Material) -> dict[Place, Marks]:
    """The last watermarks of every zone."""
    return _once(material, "marks", len(material.marks), lambda material: {place(one): one for one in material.marks})


def marks_of(material: Material, of: FreeBlocks) -> Marks | None:
    """The last watermarks of a table's zone."""
    return last_marks(material).get(place(of))


def is_broken_up(index: int, order: int) -> bool:
    """Whether an index of an order, in thousandths, says fragmentation and not lack of memory.

    The kernel asks the index for costly orders only. Where all that is free is in single pages it is 1 - 1/2**order, half for
    order 1: below a costly order the bound is as much less as that.
    """
    most = 1000 if order > PAGE_ALLOC_COSTLY_ORDER else 1000 - (1000 >> order)
    return index * 1000 > EXTFRAG_THRESHOLD * most


def is_empty(marks: Marks | None) -> bool:
    """Whether a zone is known to have no memory."""
    return marks is not None and marks.values.get("managed", marks.values.get("present")) == 0


def compaction_watermark(order: int) -> str:
    """The watermark that compaction for ``order`` goes by."""
    return "low" if order > PAGE_ALLOC_COSTLY_ORDER else "min"


def free_for_compaction(marks: Marks, order: int) -> int:
    """Free pages of a zone with fewer of which compaction for ``order`` does not begin: copies need room (compact_gap)."""
    return marks.values.get(compaction_watermark(order), 0) + (2 << order)


def wanted_order(material: Material, given: int | None) -> tuple[int, str]:
    """The order that the question is about, and why: an option, a request that failed, the size of a pageblock, or a huge page."""
    if given is not None:
        return given, AS_ASKED
    request: Request | None = next((one for one in reversed(material.requests) if one.order > 0), None)
    if request is not None:
        return request.order, f"what {request.task} asked for"
    if material.requests:
        return 0, f"what {material.requests[-1].task} asked for"
    run = next((one for one in material.runs if one.order > 0), None)
    if run is not None:
        return min(run.order, MOST_ORDER), "what was compacted for"
    if material.pageblock_order is not None:
        return min(material.pageblock_order, MOST_ORDER), "a pageblock"
    order = huge_order(material)
    return order, f"a huge page of {size_of(order, material.page_kb)}"


def size_of(order: int, page_kb: int) -> str:
    """How large a block of an order is, for a person."""
    if order > LARGEST_ORDER:
        return "more than any machine has"
    kb = page_kb << order
    return f"{kb} kB" if kb < 1024 else f"{kb >> 10} MiB" if kb < 1 << 20 else f"{kb >> 20} GiB"
