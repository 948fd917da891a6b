"""Watermarks and sizes of zones: /proc/zoneinfo, and the rows ``Node 0 Normal free:...kB min:...kB`` of Mem-Info."""

from __future__ import annotations

import re

from movable.explain.guarded import Guarded
from movable.explain.material import Marks, Material
from movable.explain.paste import Line

_ROW = Guarded(r"(?:\bNode\s+(\d+)\s+)?\b(\w+)\s+free:(\d+)kB\s.*?\bmin:(\d+)kB\b")
_KB = re.compile(r"\b([a-z_]+(?:\([a-z]+\))?):\s?(\d+)[kK]B\b")
_PAGES = re.compile(r"\b([A-Za-z_-]+(?:\([a-z]+\))?):(\d+)\b(?!k)")
_MORE = re.compile(r"\s*(?:(?:[a-z_]+(?:\([a-z]+\))?:\s?\d+(?:[kK]B)?|all_unreclaimable\?(?: yes| no)?|yes|no)(?:\s+|$))+")
_RESERVE = Guarded(r"\b(?:lowmem_reserve|protections?)\[\]:((?:\s+\d+)+)\s*$")
_NODE_ROW = Guarded(r"\bNode\s+\d+\s+active_anon:\d+kB\b")
_COUNTS = Guarded(
    r"^\s*(?:[Aa]ctive_anon|Active|active_file|unevictable|slab_reclaimable|mapped|free|dirty|kernel_misc_reclaimable|"
    r"shmem|pagetables|sec_pagetables|bounce|inactive_\w+|isolated_\w+)(?:\([a-z]+\))?:\d+"
)
_ZONE = Guarded(r"\bNode\s+(\d+)\s*,\s*zone\s+(\w+)\s*$")
_FREE = re.compile(r"^\s*pages free\s+(\d+)\s*$")
_VALUE = re.compile(r"^\s*([a-z_][a-z0-9_]*):?\s+(\d+)\s*$")
_PROTECTION = re.compile(r"^\s*protection:\s*\(([\d,\s]*\d)\)?")
_OTHER = re.compile(r"^\s*(?:per-node stats|pagesets|cpu:? ?\d+.*|protection:\s*\(.*|vm stats threshold:\s*\d+|(?:\w+):\s+\d+)\s*$")
_NO_ZONE = ("compact_", "thp_", "pgalloc", "pgfree", "pgfault", "pgscan", "pgsteal", "pgmigrate_", "allocstall", "kswapd_", "drop_",
            "oom_kill", "balloon_", "swap_", "htlb_", "unevictable_pgs", "slabs_", "zswp", "pswp")  # fmt: skip
"""How counters begin that only /proc/vmstat has."""
_LATE = ("inactive_ratio", "node_inactive_ratio", "reserved_highatomic", "free_highatomic")
"""What stands at the end of a zone: behind it come another zone or another file."""
MARKS = {"boost", "min", "low", "high", "spanned", "present", "managed", "cma", "promo"}


class Zones:
    """Reads zones with their watermarks.

    ``_zone`` is the block of /proc/zoneinfo that lines belong to, None outside; ``_ends`` where one of its last lines has come.
    """

    def __init__(self) -> None:
        self._zone: Marks | None = None
        self._pagesets = self._ends = False
        self._of_node = False  # whether that row is of a whole node
        self._wrapped = 0  # the number of the line in which a row that a mail program wraps may go on

    def read(self, line: Line, material: Material) -> bool:
        """Whether the line belongs to a zone's watermarks."""
        head = _ZONE.search(line.text)
        if head is not None:
            self._zone, self._pagesets, self._ends = Marks(line, int(head[1]), head[2]), False, False
            material.marks.append(self._zone)
            return True
        if self._zone is not None and self._zone.line.hint == line.hint and self._inside(line, self._zone):
            return True
        self._zone = None
        if line.number == self._wrapped and _MORE.fullmatch(line.text):
            values = {name: int(number[:18]) for name, number in _KB.findall(line.text)}
            if self._of_node:
                _add_stacks(material, values)
            else:
                material.marks[-1].values |= values
            self._wrapped += 1
            return True
        found = _memory_row(line, material)
        self._of_node = found and _NODE_ROW.search(line.text) is not None
        if found and (self._of_node or (material.marks and material.marks[-1].line is line)):
            self._wrapped = line.number + 1
        return found

    def _inside(self, line: Line, zone: Marks) -> bool:
        free = _FREE.match(line.text)
        if free is not None:
            zone.values["free"] = int(free[1])
            return True
        if line.text.strip() == "pagesets":
            self._pagesets = True
        kept = _PROTECTION.match(line.text)
        if kept is not None:
            _keep_back(zone, kept[1])
            return True
        value = _VALUE.match(line.text)
        if value is not None:
            again = value[1].startswith("nr_") and value[1] in zone.values
            if value[1].startswith(_NO_ZONE) or again or (self._ends and value[1] not in _LATE):
                return False
            self._ends = self._ends or value[1] == "start_pfn"
            if value[1] == "start_pfn" or ((value[1] in MARKS or value[1].startswith("nr_")) and not self._pagesets):
                zone.values.setdefault(value[1], int(value[2]))
            return True
        return _OTHER.match(line.text) is not None


def _memory_row(line: Line, material: Material) -> bool:
    found = _ROW.search(line.text)
    if found is None:
        reserve = _RESERVE.search(line.text)
        if reserve is not None and material.marks:
            _keep_back(material.marks[-1], reserve[1])
        return reserve is not None or _of_node(line, material) or _counted(line, material)
    values = {name: int(number[:18]) for name, number in _KB.findall(line.text)}
    material.marks.append(Marks(line, int(found[1] or 0), found[2], values, in_kb=True))
    return True


def _of_node(line: Line, material: Material) -> bool:
    """What Mem-Info says of a whole node; its stacks are told nowhere else."""
    if _NODE_ROW.search(line.text) is None:
        return False
    _add_stacks(material, {name: int(number[:15]) for name, number in _KB.findall(line.text)})
    return True


def _add_stacks(material: Material, values: dict[str, int]) -> None:
    material.counts["kernel_stack_kb"] = material.counts.get("kernel_stack_kb", 0) + values.get("kernel_stack", 0)


def _counted(line: Line, material: Material) -> bool:
    """Pages of the whole machine by what they are for, as Mem-Info counts them; each report begins with those of the LRU."""
    if _COUNTS.search(line.text) is None:
        return False
    found = {name.lower().replace("-", "_"): int(number[:18]) for name, number in _PAGES.findall(line.text)}
    if "active_anon" in found or "active" in found:
        material.counts.clear()
    material.counts |= found
    return True


def _keep_back(zone: Marks, numbers: str) -> None:
    """Pages of a zone that requests do not get which could be served by a higher one."""
    zone.reserve = zone.reserve or [int(number[:18]) for number in re.findall(r"\d+", numbers)]
