"""/proc/PID/smaps and smaps_rollup: how much of what a process has mapped is in huge pages, and where one could be."""

from __future__ import annotations

import re

from movable.explain.guarded import Guarded
from movable.explain.material import MappedArea, Material
from movable.explain.paste import Line

_AREA = re.compile(r"^\s*([0-9a-f]{6,16})-([0-9a-f]{6,16})\s+[-rwxsp]{4}\s+[0-9a-f]+\s+[0-9a-f]+:[0-9a-f]+\s+\d+(?:\s+(\S.*))?\s*$")
_VALUE = re.compile(r"^\s*(\w+):\s+(\d{1,15})(?: kB)?\s*$")
_FLAGS = re.compile(r"^\s*VmFlags:((?:\s+[a-z?]{2})*)\s*$")
_GREPPED = Guarded(r"/proc/(?:\d+|self|\$\w+|\$\(\S+\))/smaps")


class Smaps:
    """Reads areas with their values, until a line comes that is none."""

    def __init__(self) -> None:
        self._area: MappedArea | None = None

    def read(self, line: Line, material: Material) -> bool:
        """Whether the line is of smaps."""
        area = _AREA.match(line.text) if "-" in line.text[:40] else None
        if area is not None:
            self._area = MappedArea(line, int(area[1], 16), int(area[2], 16), area[3] or "")
            material.areas.append(self._area)
            return True
        grepped = _GREPPED.search(line.hint) is not None
        value = _VALUE.match(line.text) if self._area is not None or grepped else None
        if value is not None:
            if grepped and (self._area is None or value[1] in self._area.values):
                self._area = MappedArea(line, 0, 0, "")
                material.areas.append(self._area)
            assert self._area is not None
            if value[1] in self._area.values:  # a second one of this name is of something else
                self._area = None
                return False
            self._area.values[value[1]] = int(value[2])
            return True
        flags = _FLAGS.match(line.text) if self._area is not None else None
        if flags is None or self._area is None:
            self._area = None
            return False
        self._area.flags = tuple(flags[1].split())
        return True
