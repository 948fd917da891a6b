"""Hands each line to the readers, in turn, until one knows it."""

from __future__ import annotations

from collections.abc import Callable, Iterable

from movable.errors import UsageError
from movable.explain.judge.page_size import settle
from movable.explain.material import Material
from movable.explain.paste import Line, lines
from movable.explain.readers import cma, failures, meminfo, messages, numa_maps, settings
from movable.explain.readers.cgroup import Cgroup
from movable.explain.readers.counters import Snapshots
from movable.explain.readers.free_blocks import Tables
from movable.explain.readers.page_dumps import Dumps
from movable.explain.readers.page_owner import PageOwner
from movable.explain.readers.smaps import Smaps
from movable.explain.readers.tools.by_size import BySize
from movable.explain.readers.tools.figures import Figures
from movable.explain.readers.tools.mmtests import Mmtests
from movable.explain.readers.tools.numastat import Numastat
from movable.explain.readers.tools.perf_kmem import PerfKmem
from movable.explain.readers.tools.summaries import Summaries
from movable.explain.readers.tools.tool_tables import ToolTables
from movable.explain.readers.zone_marks import Zones

MAX_CHARACTERS = 64 << 20  # of all that is pasted together
MOST_BEFORE = 20_000  # lines before the first machine is named that are kept for the case that there are several

LOOKED_FOR = (
    "/proc/buddyinfo, /proc/pagetypeinfo, extfrag_index, unusable_index, /proc/zoneinfo, /proc/vmstat, /proc/meminfo, numa_maps, "
    "smaps, /proc/kpageflags, page_owner, mm_stat of zram, the report of a failed allocation or of the OOM killer, page dumps, "
    "failures of CMA, numastat, tables, counts or tracepoints of compaction; cat /proc/buddyinfo is a beginning"
)


def read(texts: Iterable[tuple[str, str]], page_kb: int | None = None) -> Material:
    """Everything that is known in texts given as (name, text), of a machine with pages of ``page_kb`` (None: as the text says).

    Raises UsageError for more than 64 Mi characters.
    """
    material, machines = Material(), _Machines()
    left = MAX_CHARACTERS
    for source, text in texts:
        left -= len(text)
        if left < 0:
            raise UsageError(f"{source}: more than {MAX_CHARACTERS >> 20} Mi characters in all; give the part that matters")
        readers = _readers()
        for line in lines(source, text):
            _put(line, material, readers)
            machines.put(line)
        machines.end_of_source()
    settle(material, page_kb)
    material.by_machine = machines.found(page_kb)
    return material


Readers = tuple[Callable[[Line, Material], bool], ...]


def _readers() -> Readers:
    """What reads one text, in the order in which lines are offered."""
    return (
        PerfKmem().read,
        BySize().read, Tables().read, Cgroup().read, Zones().read, Numastat().read, Figures().read, Snapshots().read,
        Smaps().read, meminfo.read, Dumps().read, PageOwner().read, cma.read, numa_maps.read, ToolTables().read,
        failures.read, settings.read, messages.read, Summaries().read, Mmtests().read,
    )  # fmt: skip


def _put(line: Line, material: Material, readers: Readers) -> None:
    if line.text and any(reader(line, material) for reader in readers):
        material.recognised += 1
    else:
        material.unread.append(line)


class _Machines:
    """The same lines, those of each machine by themselves."""

    def __init__(self) -> None:
        self._materials: dict[str, Material] = {}
        self._readers: dict[str, Readers] = {}
        self._before: list[Line] = []  # lines of no machine that was named

    def put(self, line: Line) -> None:
        """Take one line, and read it where its machine is known."""
        if line.machine:
            self._read(line)
        elif len(self._before) < MOST_BEFORE:
            self._before.append(line)

    def _read(self, line: Line) -> None:
        readers = self._readers.setdefault(line.machine, ()) or _readers()
        self._readers[line.machine] = readers
        _put(line, self._materials.setdefault(line.machine, Material()), readers)

    def end_of_source(self) -> None:
        """What begun in one text does not go on in the next."""
        self._readers.clear()

    def found(self, page_kb: int | None) -> dict[str, Material]:
        """What is known of each machine; empty where there is one only."""
        if not self._materials:
            return {}
        for line in self._before:
            self._read(line)
        found = {name: one for name, one in self._materials.items() if one.recognised}
        for one in found.values():
            settle(one, page_kb)
        return found if len(found) > 1 else {}
