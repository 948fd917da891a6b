"""Watermarks and sizes of zones: /proc/zoneinfo, and the rows ``Node 0 Normal free:...kB min:...kB`` of Mem-Info."""

from __future__ import annotations

import re

from movable.explain.material import Marks, Material
from movable.explain.paste import Line

_ROW = re.compile(r"(?:\bNode\s+(\d+)\s+)?\b(\w+)\s+free:(\d+)kB\s.*?\bmin:(\d+)kB\b")
_KB = re.compile(r"\b([a-z_]+(?:\([a-z]+\))?):\s?(\d+)[kK]B\b")
_RESERVE = re.compile(r"\blowmem_reserve\[\]:((?:\s+\d+)+)\s*$")
_NODE_ROW = re.compile(r"\bNode\s+\d+\s+active_anon:\d+kB\b")
_COUNTS = re.compile(r"^\s*(?:active_anon|active_file|unevictable|slab_reclaimable|mapped|free|dirty|kernel_misc_reclaimable|"
                     r"shmem|pagetables|sec_pagetables|bounce|inactive_\w+|isolated_\w+)(?:\([a-z]+\))?:\d+")  # fmt: skip
_ZONE = re.compile(r"\bNode\s+(\d+)\s*,\s*zone\s+(\w+)\s*$")
_FREE = re.compile(r"^\s*pages free\s+(\d+)\s*$")
_VALUE = re.compile(r"^\s*([a-z_][a-z0-9_]*):?\s+(\d+)\s*$")
_OTHER = re.compile(r"^\s*(?:per-node stats|pagesets|cpu:? ?\d+.*|protection:\s*\(.*|vm stats threshold:\s*\d+|(?:\w+):\s+\d+)\s*$")
MARKS = {"boost", "min", "low", "high", "spanned", "present", "managed", "cma", "promo"}


class Zones:
    """Reads zones with their watermarks. ``_zone`` is the block of /proc/zoneinfo that lines belong to, None outside."""

    def __init__(self) -> None:
        self._zone: Marks | None = None
        self._pagesets = False

    def read(self, line: Line, material: Material) -> bool:
        """Whether the line belongs to a zone's watermarks."""
        head = _ZONE.search(line.text)
        if head is not None:
            self._zone, self._pagesets = Marks(line, int(head[1]), head[2]), False
            material.marks.append(self._zone)
            return True
        if self._zone is not None and self._inside(line, self._zone):
            return True
        self._zone = None
        return _memory_row(line, material)

    def _inside(self, line: Line, zone: Marks) -> bool:
        free = _FREE.match(line.text)
        if free is not None:
            zone.values["free"] = int(free[1])
            return True
        if line.text.strip() == "pagesets":
            self._pagesets = True
        value = _VALUE.match(line.text)
        if value is not None:
            if value[1] == "start_pfn" or ((value[1] in MARKS or value[1].startswith("nr_")) and not self._pagesets):
                zone.values.setdefault(value[1], int(value[2]))
            return True
        return _OTHER.match(line.text) is not None


def _memory_row(line: Line, material: Material) -> bool:
    found = _ROW.search(line.text)
    if found is None:
        return any(pattern.search(line.text) for pattern in (_RESERVE, _NODE_ROW, _COUNTS))
    values = {name: int(number) // 4 for name, number in _KB.findall(line.text)}
    material.marks.append(Marks(line, int(found[1] or 0), found[2], values))
    return True
