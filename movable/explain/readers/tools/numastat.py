"""What numastat prints: counters of nodes, memory of nodes (-m) and of a process by node (-p), in columns."""

from __future__ import annotations

import re

from movable.explain.material import Figure, Material
from movable.explain.paste import Line

_HEADER = re.compile(r"^\s*(?:PID\s+)?((?:[Nn]ode\s?\d{1,4}\s+)*[Nn]ode\s?\d{1,4}(?:\s+Total)?)\s*$")
_TITLE = re.compile(r"^\s*Per-node (?:system memory|process memory|numastat|system)\b.*$|^\s*Token \w+ not in|^\s*\(in MBs\)\s*$")
_ROW = re.compile(r"^\s*([A-Za-z_]\w*(?:\([a-z]+\))?|\d+ \([^)]*\))\s+((?:-?\d+(?:\.\d+)?\s+)*-?\d+(?:\.\d+)?)\s*$")
PARTS = ("Huge", "Heap", "Stack", "Private", "Total")


class Numastat:
    """Reads rows below a header of nodes."""

    def __init__(self) -> None:
        self._nodes: list[int] = []
        self._total = False

    def read(self, line: Line, material: Material) -> bool:
        """Whether the line is of such a table."""
        if "ode" in line.text:
            if _TITLE.match(line.text):
                return True
            header = _HEADER.match(line.text)
            if header is not None:
                self._nodes = [int(node) for node in re.findall(r"ode\s?(\d+)", header[1])]
                self._total = "Total" in header[1]
                return True
        row = _ROW.match(line.text) if self._nodes else None
        numbers = row[2].split() if row is not None else []
        if row is None or len(numbers) != len(self._nodes) + self._total:
            return False
        for node, number in zip(self._nodes, numbers, strict=False):
            _keep(line, material, row[1], node, number)
        return True


def _keep(line: Line, material: Material, name: str, node: int, number: str) -> None:
    """MB of numastat -m become kB of the node; the rest are figures."""
    if "." in number and name not in PARTS and name[0].isalpha():
        value = float(number) if name.startswith("HugePages_") else float(number) * 1024
        material.node_meminfo.setdefault(node, {})[name] = int(value)
    else:
        kind = "numastat process" if "." in number else "numastat"
        material.figures.append(Figure(line, kind, name, {f"node {node}": float(number)}))
