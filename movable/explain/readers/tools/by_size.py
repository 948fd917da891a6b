"""Free memory with a row for each size: hotsos' summary, kmem -f of crash, freepages of virsh, pools of huge pages."""

from __future__ import annotations

import re

from movable.explain.guarded import Guarded
from movable.explain.material import Figure, FreeBlocks, Material
from movable.explain.paste import Line

_NUMBER = re.compile(r"^\s*(\d{1,4}):?\s*$")
_ZONE = re.compile(r"^\s*(DMA|DMA32|Normal|HighMem|Movable|Device):\s*$")
_ORDER = re.compile(r"^\s*(\d{1,2}):\s+(\d{1,18})\s*$")
_KMEM_ZONE = re.compile(r"^\s*\d+\s+([A-Z]\w+)\s+\d+\s+\d+\s+[0-9a-f]{8,16}\s+[0-9a-f]+\s+\d+\s*$")
_KMEM_ROW = re.compile(r"^\s*(\d{1,2})\s+(\d{1,8})k\s+[0-9a-f]{8,16}\s+(\d{1,18})\s+\d{1,18}\s*$")
_CELL = re.compile(r"^\s*Node (\d{1,4}):\s*$")
_FREE_PAGES = re.compile(r"^\s*(\d{1,9})KiB:\s+(\d{1,18})\s*$")
_PAGES = Guarded(r"<pages unit='KiB' size='(\d{1,9})'>(\d{1,18})</pages>")
_TITLES = re.compile(
    r"^\s*(?:=+ MODULE \w+ =+|Per-zone buddy allocator's information:|libhugetlbfs: \S.*|memory:|Memmap on memory parameter:\s+\w+|"
    r"Filename\s+Type\s+Size\s+Used\s+Priority)\s*$"
)
_SWAP = re.compile(r"^\s*(/\S+|\S+)\s+(?:partition|file)\s+(\d{1,15})\s+(\d{1,15})\s+(-?\d{1,6})\s*$")
_POOL = re.compile(r"^\s*(\d{4,12})\s+(\d{1,9})\s+(\d{1,9})\s+(\d{1,9})(?:\s+\*)?\s*$")
_POD = re.compile(r"^\s*\"?(hugepages-\d+[KMG]i)\"?:?\s+\"?(\d{1,9}(?:[KMG]i)?)\b")
_REFUSED = Guarded(r"\bInsufficient (hugepages-\d+[KMG]i)\b")
_RESOURCE = re.compile(r"^\s*\"?(?:cpu|memory|pods|ephemeral-storage|attachable-volumes\S*)\"?:\s+\S+\s*$")


class BySize:
    """Reads such rows below the words that begin them. ``_where`` is the table that a row belongs to, "" outside."""

    def __init__(self) -> None:
        self._where = ""
        self._node, self._zone = 0, ""
        self._row: FreeBlocks | None = None

    def read(self, line: Line, material: Material) -> bool:
        """Whether the line is of such a table."""
        text = line.text
        if self._begins(text.strip()) or _TITLES.match(text) or _swap(line, material):
            return True
        if self._where == "hotsos":
            return self._hotsos(line, material)
        if self._where == "kmem":
            return self._kmem(line, material)
        if self._where == "pool" and _POOL.match(text):
            return _pool(line, material)
        if self._where == "pod" and _RESOURCE.match(text):
            return True
        return self._free_pages(line, material) or _pod(line, material)

    def _begins(self, text: str) -> bool:
        """Whether a line begins a table, or goes on with its heading."""
        words = text.split()
        if text in ("nodes:", "zones:"):
            self._where = "hotsos"
        elif words[:4] == ["AREA", "SIZE", "FREE_AREA_STRUCT", "BLOCKS"]:
            self._where, self._row = "kmem", None
        elif words[:4] == ["ZONE", "NAME", "SIZE", "FREE"] or text == "NODE":
            self._where = "kmem"
        elif text in ("Capacity:", "Allocatable:"):
            self._where = "pod"
        elif words[:4] == ["Size", "Minimum", "Current", "Maximum"]:
            self._where = "pool"
        else:
            return False
        return True

    def _hotsos(self, line: Line, material: Material) -> bool:
        text = line.text if _ORDER.match(line.text) else line.raw
        node, zone, count = _NUMBER.match(line.text), _ZONE.match(line.text), _ORDER.match(text)
        if zone is not None:
            self._zone = zone[1]
            self._row = FreeBlocks(line, self._node, self._zone, [])
            material.free.append(self._row)
        elif count is not None and self._row is not None:
            _put(self._row, int(count[1]), int(count[2]))
        elif node is not None:
            self._node, self._row = int(node[1]), None
        else:
            self._where = ""
        return bool(self._where)

    def _kmem(self, line: Line, material: Material) -> bool:
        node, zone, row = _NUMBER.match(line.text), _KMEM_ZONE.match(line.text), _KMEM_ROW.match(line.text)
        if zone is not None:
            self._zone, self._row = zone[1], None
        elif row is not None:
            if self._row is None:
                self._row = FreeBlocks(line, self._node, self._zone or "Normal", [], page_kb=int(row[2]) >> int(row[1]))
                material.free.append(self._row)
            _put(self._row, int(row[1]), int(row[3]))
        elif node is not None:
            self._node = int(node[1])
        else:
            self._where = ""
        return bool(self._where)

    def _free_pages(self, line: Line, material: Material) -> bool:
        """virsh: what is free on a node, in pages of each size; those that are not small are of the pool."""
        cell, free, all_of = _CELL.match(line.text), _FREE_PAGES.match(line.text), _PAGES.search(line.raw)
        if cell is not None:
            self._node = int(cell[1])
            return True
        if free is None and all_of is None:
            return False
        size, count = map(int, (free or all_of).groups())  # type: ignore[union-attr]
        name, what = (f"Node {self._node}", "free") if free else ("The machine", "in all")
        material.figures.append(Figure(line, "freepages", name, {f"{size} KiB {what}": float(count)}))
        return True


def _swap(line: Line, material: Material) -> bool:
    """A row of /proc/swaps."""
    found = _SWAP.match(line.text) if "partition" in line.text or " file" in line.text else None
    if found is None:
        return False
    material.figures.append(Figure(line, "swaps", found[1], {"total": float(found[2]), "used": float(found[3])}))
    return True


def _put(row: FreeBlocks, order: int, count: int) -> None:
    if order < 20:
        row.put(order, count)


def _pool(line: Line, material: Material) -> bool:
    """hugeadm --pool-list: bytes of a huge page, and how many are least, now, and most."""
    size, *numbers = line.text.split()[:4]
    values = dict(zip(("at least", "now", "at most"), map(float, numbers), strict=True))
    material.figures.append(Figure(line, "pool", f"{int(size) >> 10} kB", values))
    return True


def _pod(line: Line, material: Material) -> bool:
    """What Kubernetes counts of huge pages on a node, and a pod that it could not place."""
    found = _POD.match(line.text) if "hugepages-" in line.text else None
    refused = _REFUSED.search(line.text) if found is None else None
    if found is not None:
        material.figures.append(Figure(line, "kubernetes", f"{found[1]} {found[2]}", {}))
    elif refused is not None:
        material.figures.append(Figure(line, "kubernetes", f"{refused[1]} refused to a pod", {}))
    return found is not None or refused is not None
