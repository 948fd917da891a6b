"""Lines of /proc/PID/numa_maps: where the pages of a process lie."""

from __future__ import annotations

import re

from movable.explain.material import Mapped, Material
from movable.explain.paste import Line

_LINE = re.compile(
    r"^\s*([0-9a-f]{5,16})\s+"
    r"((?:default|local|bind|prefer|interleave|weighted interleave)\S*(?:\s\(many\)\S*)?)(?:\s(.*))?$"
)
_NODE = re.compile(r"\bN(\d+)=(\d+)\b")
_WORD = re.compile(r"\b([a-z][a-zA-Z_]*)=(\S+)")


def read(line: Line, material: Material) -> bool:
    """Whether the line is one of numa_maps."""
    found = _LINE.match(line.text)
    if found is None:
        return False
    rest = found[3] or ""
    nodes = {int(node[:6]): int(pages[:18]) for node, pages in _NODE.findall(rest)}
    words = dict(_WORD.findall(rest)) | {word: "" for word in ("heap", "stack", "huge") if re.search(rf"\b{word}\b", rest)}
    material.maps.append(Mapped(line, int(found[1], 16), found[2], nodes, words))
    return True
