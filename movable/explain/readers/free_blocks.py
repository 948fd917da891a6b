"""Tables of free blocks: /proc/buddyinfo, /proc/pagetypeinfo, extfrag_index, unusable_index, and the rows of Mem-Info."""

from __future__ import annotations

import re
from itertools import pairwise

from movable.explain.guarded import Guarded
from movable.explain.material import FreeBlocks, Indices, Material, Pageblocks, TypeBlocks
from movable.explain.paste import Line
from movable.mm.proc import parse_mem_info_row

_HEAD = r"\b[Nn]ode\s+(\d+)\s*,?\s*[Zz]one\s+(\w+)(?:\s*:)?"
_CUT = r"(\s*(?:\.{2,}|…)\s*)?"
_ROW = Guarded(_HEAD + r"\s+((?:>?\d+\s+)*>?\d+)" + _CUT + r"\s*$")
_TYPES = Guarded(_HEAD + r"\s*,\s*type\s+(\w+)\s+((?:>?\d+\s+)*>?\d+)" + _CUT + r"\s*$")
_INDEX = Guarded(_HEAD + r"\s+((?:-?\d\.-?\d+\s+)*-?\d\.-?\d+)" + _CUT + r"\s*$")
_MORE = re.compile(r"^\s*((?:>?\d+\s+)*>?\d+)\s*$")
_BLOCK_TITLE = Guarded(r"\bNumber of (mixed )?blocks(?: type)?\s+([A-Za-z ]+)$")
_TITLES = Guarded(
    r"\bPages per block:|\bFree pages count per migrate type at order|^\s*Mem-[Ii]nfo:?\s*$|"
    r"\b(?:extfrag|unusable)_index\b(?!: )|"
    r"\bhugepages_total=|^\s*(?:hugepages_(?:free|surp)=\d+ )*hugepages_size=\d+kB\s*$|\bpagecache pages\b|\bpages in swap cache\b|"
    r"\bpages (?:RAM|HighMem|reserved|cma reserved|hwpoisoned)\b|"
    r"\bSwap cache(?: stats)?:|\bpages of HIGHMEM\b|"
    r"^\s*(?:Node \d+ )?(?:DMA|DMA32|Normal|HighMem|Movable): empty\s*$|\bFree pages:\s+\d+kB \(|"
    r"\b(?:Free|Total)\s+swap\s*="
)
_HUGE = re.compile(r"\bhugepages_size=(\d{1,12})kB")
_POOL = re.compile(r"\bNode (\d{1,4}) hugepages_total=(\d{1,12}) hugepages_free=(\d{1,12}) .*\bhugepages_size=(\d{1,12})kB")
_END = re.compile(r"\b(\d{1,15}) pages (RAM|reserved)\b|\b((?:Free|Total) swap)\s*[=:]\s*(\d{1,15})kB")
_ORDER = Guarded(r"\bPage block order:\s*(\d+)")
_ZONE_ALONE = re.compile(r"^\s*(?:Node \d+ )?(?:DMA|DMA32|Normal|HighMem|Movable|Device):\s*$")
_RUNS = re.compile(r"^\s*(?:\([A-Z]+\)\s*)?(?:\d+\*\d+kB|=\s*\d+kB|\([A-Z]+\)\s*$)")
_COLUMNS = re.compile(r"^\s*(?:Node\s*)?(?:(\d{1,4})\s*,?\s+)?(?:zone\s+)?([A-Z]\w{2,9})\s+((?:\d+\s+)*\d+)\s*$")
_PAIRS = re.compile(r"\b(node|nid|zone|order|free|nr_free|free_blocks|blocks|count|nr)\s?[=:]\s?\"?(\w+)\"?", re.IGNORECASE)
_COUNTED = ("free_blocks", "nr_free", "free", "blocks", "count", "nr")
_GROUPS = re.compile(r"(?<=\d)['’.](?=\d{3}(?!\d))")
LEAST_ORDERS = 5
ORDERS = 11  # of most kernels; a row with fewer columns may go on in the next line
MOST_ORDERS = 20
MOST_TYPES, MOST_ROWS = 8, 400  # migratetypes of any kernel; rows of free blocks between which a zone's are looked for


class Tables:
    """Reads the rows of tables of free blocks. Remembers what the last title or row promised."""

    def __init__(self) -> None:
        self._blocks: tuple[list[str], bool] | None = None
        self._open: list[int] | None = None  # the counts of a row that a mail program may have wrapped
        self._runs = ""  # a row of Mem-Info that has not come to its sum
        self._headed = 0  # how many orders the header of a table names that gives node and zone in columns of their own

    def read(self, line: Line, material: Material) -> bool:
        """Whether the line is of such a table."""
        if self._continues(line) or self._mem_info(line, material):
            return True
        self._open = None
        return (
            self._type_row(line, material) or self._row(line, material) or _index_row(line, material)
            or self._column_row(line, material) or _pair(line, material) or self._title(line, material)
        )  # fmt: skip

    def _continues(self, line: Line) -> bool:
        more = _MORE.match(line.text)
        if self._open is None or more is None or len(self._open) + len(more[1].split()) > ORDERS:
            return False
        self._open.extend(_numbers(more[1]))
        return True

    def _type_row(self, line: Line, material: Material) -> bool:
        found = _TYPES.search(line.text)
        if found is None:
            return False
        counts = _numbers(found[4])
        material.types.append(TypeBlocks(line, int(found[1]), found[2], found[3], counts, not found[5]))
        self._open = None if found[5] else counts
        return len(counts) <= MOST_ORDERS

    def _row(self, line: Line, material: Material) -> bool:
        found = _ROW.search(line.text)
        if found is None:
            return False
        node, zone, counts = int(found[1]), found[2], _numbers(found[3])
        if self._blocks is not None and len(counts) == len(self._blocks[0]):
            names, mixed = self._blocks
            material.pageblocks.append(Pageblocks(line, node, zone, dict(zip(names, counts, strict=True)), mixed))
            return True
        self._blocks = None
        if len(counts) > MOST_ORDERS:
            return False
        kinds = _kinds(material, line, node, zone, len(counts))
        if kinds:
            material.pageblocks.append(Pageblocks(line, node, zone, dict(zip(kinds, counts, strict=True))))
            return True
        material.free.append(FreeBlocks(line, node, zone, counts, not found[4]))
        self._open = None if found[4] else counts
        return True

    def _mem_info(self, line: Line, material: Material) -> bool:
        """A row of Mem-Info; one that was cut before its sum counts as cut, unless it goes on in the next line."""
        more = bool(self._runs) and _RUNS.match(line.text) is not None
        if not more and "*" not in line.text:
            zone = _ZONE_ALONE.match(line.text)
            self._runs = f"{line.text} " if zone is not None else ""
            return zone is not None
        text = self._runs + line.text if more else line.text
        found = parse_mem_info_row(text)
        if found is None or found.zone[0].isdecimal():  # two CPUs print at once, and no zone is called so
            self._runs = ""
            return False
        row = FreeBlocks(line, found.nid, found.zone, found.counts, found.whole, found.page_kb, found.letters)
        if more and material.free and self._runs.strip()[-1:] != ":":
            row.line = material.free.pop().line
        material.free.append(row)
        self._runs = "" if found.whole or "=" in text else f"{text} "
        return True

    def _column_row(self, line: Line, material: Material) -> bool:
        """A row of a table whose header gives node, zone and orders as columns, and that header."""
        cells = line.text.count(",") + line.text.count(";") > LEAST_ORDERS
        text = line.text.replace(",", " ").replace(";", " ") if cells else line.text
        words = text.lower().split()
        if words[:1] in (["order:"], ["orders:"], ["order"]) and words[1:] == [str(each) for each in range(len(words) - 1)]:
            self._headed = len(words) - 1 if len(words) > LEAST_ORDERS else 0
            return self._headed > 0
        if "zone" in words[:3]:
            orders = [word.removeprefix("order").strip("-_") for word in words[words.index("zone") + 1 :] if word != "order"]
            sizes = [_kb(word) for word in orders]
            doubled = sizes[:1] > [0] and all(after == 2 * before for before, after in pairwise(sizes))
            if len(orders) >= LEAST_ORDERS and (doubled or orders == [str(each) for each in range(len(orders))]):
                self._headed = len(orders)
                return True
        found = _COLUMNS.match(_GROUPS.sub("", text)) if self._headed else None
        if found is None or len(found[3].split()) != self._headed:
            return False
        material.free.append(FreeBlocks(line, int(found[1] or 0), found[2], _numbers(found[3])))
        return True

    def _title(self, line: Line, material: Material) -> bool:
        text = " ".join(line.text.split()) if "  " in line.text else line.text
        sizes = _HUGE.findall(line.text) if "hugepages_size=" in line.text else []
        material.huge_sizes |= {int(size) for size in sizes}
        pool = _POOL.search(line.text) if sizes else None
        if pool is not None:
            material.pools[int(pool[1]), int(pool[4])] = int(pool[2]), int(pool[3])
        order = _ORDER.search(text)
        if order is not None:
            material.pageblock_order, self._blocks = int(order[1][:9]), None
            return True
        found = _BLOCK_TITLE.search(text)
        if found is not None:
            self._blocks = (found[2].split(), bool(found[1]))
            return True
        if " pages " in text or " swap" in text:
            for count, name, swap, kb in _END.findall(text):
                material.report_end[name or swap] = int(count or kb)
        return _TITLES.search(text) is not None


def _pair(line: Line, material: Material) -> bool:
    """A count of one zone and order with their names, as scripts print them: ``node=0 zone=Normal order=3 free=12``."""
    if "order" not in line.text.lower() or "zone" not in line.text.lower():
        return False
    found = {name.lower(): value for name, value in _PAIRS.findall(line.text)}
    count = next((found[name] for name in _COUNTED if name in found), "")
    order, node = found.get("order", ""), found.get("node", found.get("nid", "0"))
    if not (all(word.isascii() and word.isdecimal() for word in (count, order, node)) and len(order) < 3):
        return False
    zone, last = found.get("zone", ""), material.free[-1] if material.free else None
    if zone.isdecimal() or not zone or int(order) >= MOST_ORDERS:
        return False
    same = last is not None and (last.node, last.zone, last.line.source, last.line.machine) == (
        int(node[:4]), zone, line.source, line.machine,
    )  # fmt: skip
    if last is None or not same or int(order) < len(last.counts):
        last = FreeBlocks(line, int(node[:4]), zone, [])
        material.free.append(last)
    last.put(int(order), int(count[:18]))
    return True


def _kinds(material: Material, line: Line, node: int, zone: str, columns: int) -> list[str]:
    """The migratetypes of a zone, where a row with as many columns counts pageblocks and not free ones: grep left out its title.

    Tables of /proc/pagetypeinfo end with such rows, and have a row of free blocks of each type before them.
    """
    if columns > MOST_TYPES:
        return []
    rows = [
        row for row in material.types[-MOST_ROWS:]
        if (row.node, row.zone, row.line.source, row.line.machine) == (node, zone, line.source, line.machine)
    ]  # fmt: skip
    kinds = list(dict.fromkeys(row.migratetype for row in rows))
    return kinds if len(kinds) == columns and all(len(row.counts) > columns for row in rows) else []


def _kb(word: str) -> int:
    """A size as a heading has it (4k, 64kb, 2m) in kB; 0 for another word."""
    found = re.fullmatch(r"(\d{1,5})([km])(?:i?b)?", word)
    return 0 if found is None else int(found[1]) << (10 if found[2] == "m" else 0)


def _numbers(text: str) -> list[int]:
    """Counts; newer kernels write ">100000" for a list that is longer."""
    return [int(word.lstrip(">")[:18]) for word in text.split()]


def _index_row(line: Line, material: Material) -> bool:
    found = _INDEX.search(line.text)
    if found is None:
        return False
    values = [_thousandths(word) for word in found[3].split()]
    hint = f"{line.hint} {line.raw}"
    negative = any(value < 0 for value in values)
    fragmentation = negative or ("unusable" not in hint and "extfrag" in hint)
    which = "fragmentation_index" if fragmentation else "unusable_index"
    material.indices.append(Indices(line, int(found[1]), found[2], which, values))
    return len(values) <= MOST_ORDERS


def _thousandths(word: str) -> int:
    """The kernel prints quotient and remainder by themselves, so that -500 comes out as 0.-500."""
    whole, _, rest = word.partition(".")
    negative = whole.startswith("-") or rest.startswith("-")
    value = abs(int(whole)) * 1000 + abs(int(rest[:4]))
    return -value if negative else value
