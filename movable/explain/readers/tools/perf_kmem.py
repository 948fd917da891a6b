"""The summary of ``perf kmem stat``: requests by order and migratetype, and how many failed."""

from __future__ import annotations

import re

from movable.explain.material import Figure, Material
from movable.explain.paste import Line

_TITLE = re.compile(r"\s*(?:#\s*)?(?:SUMMARY \((page|SLAB) allocator\)|GFP flags)\s*")
_SUM = re.compile(r"\s*Total ([a-z+-]+(?: [a-z]+){1,2})\s*:\s+([\d,]{1,20})(?:\s+\[\s*([\d,]{1,20}) KB \])?\s*")
_SLAB = re.compile(
    r"\s*(?:(?:Total|Net total) bytes [a-z ]+?:\s+[\d,-]{1,20}|Internal fragmentation:\s+[\d.]+ ?%|"
    r"Cross CPU allocations:\s+[\d,]+/[\d,]+)\s*"
)
_HEAD = re.compile(r"\s*Order(?:\s+(?:Unmovable|Reclaimable|Movable|Reserved|CMA/Isolated|Highatomic|CMA|Isolate))+\s*")
_ROW = re.compile(r"\s*(\d{1,2})((?:\s+(?:[\d,]{1,20}|\.)){2,7})\s*")
_TABLE = re.compile(
    r"\s*(?:Page|PFN|Callsite)\s+\|.*\|.*|\s*(?:#\s*)?[0-9a-f]{8}: [A-Z_|]+\s*|"
    r"\s*(?:[0-9a-f]{6,16}|\d{1,12}|\.\.\.|[\w.+]{1,40})\s*\|(?:\s*[\w.,+/-]+\s*\|){3,12}(?:\s*[\w.+-]+)?\s*"
)


class PerfKmem:
    """Reads such a summary, up to the next command; ``_types`` are the columns of its table by order."""

    def __init__(self) -> None:
        self._inside: str | None = None  # the hint that the summary stands under
        self._types: list[str] = []

    def read(self, line: Line, material: Material) -> bool:
        """Whether the line is of one."""
        text = line.text
        title = _TITLE.fullmatch(text) if "SUMMARY" in text or "GFP flags" in text or "perf kmem" in line.hint else None
        if title is not None:
            self._inside = line.hint
            return True
        if self._inside != line.hint:
            self._inside, self._types = None, []
            return False
        found, row = _SUM.fullmatch(text), _ROW.fullmatch(text) if self._types else None
        if found is not None and "bytes" not in found[1]:
            values = {"count": float(found[2].replace(",", ""))} | ({"kb": float(found[3].replace(",", ""))} if found[3] else {})
            material.figures.append(Figure(line, "perf kmem", found[1], values))
        elif _HEAD.fullmatch(text):
            self._types = text.split()[1:]
        elif row is not None and len(row[2].split()) == len(self._types):
            counts = (0.0 if word == "." else float(word.replace(",", "")) for word in row[2].split())
            material.figures.append(Figure(line, "perf kmem", f"order {row[1]}", dict(zip(self._types, counts, strict=True))))
        elif _SLAB.fullmatch(text):
            name, _, value = text.partition(":")
            material.figures.append(Figure(line, "perf kmem slab", f"{name.strip()} {value.strip()}", {}))
        else:
            return _TABLE.fullmatch(text) is not None
        return True
