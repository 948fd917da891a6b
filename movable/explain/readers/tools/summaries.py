"""What tools say of a whole machine: numactl -H, vmstat -s, kmem -i and -z of crash, atop, top, function graphs."""

from __future__ import annotations

import re

from movable.explain.material import Figure, Marks, Material
from movable.explain.paste import Line

_NODE = re.compile(r"^\s*node (\d{1,4}) (size|free): (\d{1,12}) MB\s*$")
_NUMACTL = re.compile(
    r"^\s*(?:available: \d+ nodes? \([\d,-]+\)|node \d{1,4} cpus:[\s\d]*|node distances:|"
    r"node(?:\s+\d{1,4})+|\d{1,4}:(?:\s+\d{1,4})+|"
    r"(?:policy|preferred node|physcpubind|cpubind|nodebind|membind|interleavemask|interleavenode): ?[\s\w-]*)\s*$"
)
_VMSTAT = re.compile(
    r"^\s*(\d{1,20}) (?:K )?((?:total|used|active|inactive|free|buffer) memory|swap cache|(?:total|used|free) swap)\s*$"
)
_OF_VMSTAT = {
    "total memory": "MemTotal", "free memory": "MemFree", "buffer memory": "Buffers", "swap cache": "Cached",
    "total swap": "SwapTotal", "free swap": "SwapFree", "active memory": "Active", "inactive memory": "Inactive",
}  # fmt: skip
_TICKS = re.compile(
    r"^\s*\d{1,20} (?:[\w-]+ )*(?:cpu ticks|pages (?:paged|swapped) (?:in|out)|interrupts|CPU context switches|boot time|forks)\s*$"
)
_KMEM = re.compile(
    r"^\s*(TOTAL MEM|FREE|USED|SHARED|BUFFERS|CACHED|SLAB|TOTAL SWAP|SWAP USED|SWAP FREE|TOTAL HUGE|HUGE FREE|COMMIT LIMIT|"
    r"COMMITTED)\s+(\d{1,15})\s+[\d.]+(?: [KMGT]B)?\s+(?:-{2,}|\d+% of .*)\s*$"
)
_OF_KMEM = {"TOTAL MEM": "MemTotal", "FREE": "MemFree", "BUFFERS": "Buffers", "CACHED": "Cached", "SLAB": "Slab"}
_KMEM_HEAD = re.compile(r"^\s*PAGES\s+TOTAL\s+PERCENTAGE\s*$|^\s*VM_STAT:\s*$|^\s*PRIORITY: \d+  POINTERS_WINDOW: \d+\s*$")
_ZONE = re.compile(r'^\s*NODE: (\d{1,4})\s+ZONE: \d+\s+ADDR: [0-9a-f]+\s+NAME: "(\w+)"\s*$')
_ZONE_SIZE = re.compile(r"^\s*SIZE: (\d+)(?:\s+PRESENT: (\d+))?\s+MIN/LOW/HIGH: (\d+)/(\d+)/(\d+)")
_ZONE_STAT = re.compile(r"^\s*(NR_[A-Z_]+): (\d{1,18})\s*$")
_ATOP = re.compile(r"^\s*(MEM|SWP|PAG|PSI|NUM|LLC|CPU|CPL|cpu|DSK|NET|PRC) \|")
_CELL = re.compile(r"(\w+)\s+(-?\d[\d.]*)([KMGT%]?)\s*$")
_GRAPH = re.compile(
    r"^\s*\d+\)\s+(?:\S+-\d+\s+\|\s*)?(?:[!+#*@$]\s+)?(?:(\d[\d.]{0,20}) us)?\s*\|\s+"
    r"(?:(\w+)\(\)(?: \{|;)|\}(?: /\* (\w+) \*/)?)"
)
_TOP = re.compile(r"^\s*(\d{1,9}) (\S+)\s+\S+\s+-?\d+\s+\S+\s+\S+\s+\S+ [RSDIZTt]\s+(\d{1,5}[.,]\d)\s+\d+[.,]\d\s+[\d:.,]+ (\S.*)$")
_TOP_HEAD = re.compile(r"^top - \d\d:|^Tasks:\s+\d+ total|^%?Cpu\(?s?\)?\s*:|^\s*PID USER\s+PR\s+NI\s+VIRT")
KERNEL_TASKS = ("kcompactd", "khugepaged", "kswapd", "ksmd")


class Summaries:
    """Reads such lines. ``_zone`` is the zone of crash that figures belong to, None outside; ``_open`` functions of a graph."""

    def __init__(self) -> None:
        self._zone: Marks | None = None
        self._open: list[str] = []

    def read(self, line: Line, material: Material) -> bool:
        """Whether the line is one of them."""
        text = line.text
        return (
            _nodes(line, material) or self._crash(line, material) or _whole(text, material) or _atop(line, material)
            or ("|" in text and self._graph(line, material)) or _task(line, material)
        )  # fmt: skip

    def _crash(self, line: Line, material: Material) -> bool:
        """kmem -z: a zone, its watermarks, and how many pages are free."""
        zone = _ZONE.match(line.text)
        if zone is not None:
            self._zone = Marks(line, int(zone[1]), zone[2])
            material.marks.append(self._zone)
            return True
        if self._zone is None:
            return False
        size, stat = _ZONE_SIZE.match(line.text), _ZONE_STAT.match(line.text)
        if size is not None:
            names = ("spanned", "present", "min", "low", "high")
            self._zone.values |= {name: int(value[:18]) for name, value in zip(names, size.groups(), strict=True) if value}
        elif stat is not None:
            self._zone.values["free" if stat[1] == "NR_FREE_PAGES" else stat[1].lower()] = int(stat[2])
        return size is not None or stat is not None

    def _graph(self, line: Line, material: Material) -> bool:
        """A function and how long it took; one that calls others has its time behind the bracket that ends it."""
        found = _GRAPH.match(line.text)
        if found is None:
            return False
        name = found[2] or found[3] or ""
        if found[2] and found[0].rstrip().endswith("{"):
            self._open.append(name)
            return True
        if not found[2]:
            name = self._open.pop() if self._open else name
        if name and found[1]:
            material.figures.append(Figure(line, "graph", name, {"us": float(found[1])}))
        return True


def _nodes(line: Line, material: Material) -> bool:
    found = _NODE.match(line.text)
    if found is not None:
        name = {"size": "MemTotal", "free": "MemFree"}[found[2]]
        material.node_meminfo.setdefault(int(found[1]), {})[name] = int(found[3]) << 10
        return True
    if not (material.node_meminfo or "node" in line.text or "numactl" in line.hint):
        return False
    return _NUMACTL.match(line.raw) is not None


def _whole(text: str, material: Material) -> bool:
    """The whole machine's memory: vmstat -s, kmem -i."""
    said, kmem = _VMSTAT.match(text), _KMEM.match(text)
    if said is not None and said[2] in _OF_VMSTAT:
        material.meminfo[_OF_VMSTAT[said[2]]] = int(said[1])
    elif kmem is not None and kmem[1] in _OF_KMEM:
        material.meminfo[_OF_KMEM[kmem[1]]] = int(kmem[2]) * material.page_kb
    return said is not None or kmem is not None or _TICKS.match(text) is not None or _KMEM_HEAD.match(text) is not None


def _atop(line: Line, material: Material) -> bool:
    found = _ATOP.match(line.raw)
    if found is None:
        return line.raw.startswith("ATOP - ")
    cells = (_CELL.search(cell.strip()) for cell in line.raw.split("|")[1:])
    values = {cell[1]: float(cell[2]) for cell in cells if cell is not None and cell[2].count(".") < 2}
    material.figures.append(Figure(line, "atop", found[1], values))
    return True


def _task(line: Line, material: Material) -> bool:
    """A task of top; those of the kernel that compact and reclaim are kept."""
    found = _TOP.match(line.text)
    if found is not None and found[4].startswith(KERNEL_TASKS):
        material.figures.append(Figure(line, "top", found[4], {"percent": float(found[3].replace(",", "."))}))
    return found is not None or _TOP_HEAD.match(line.text) is not None
