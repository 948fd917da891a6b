"""Hands each line to the readers, in turn, until one knows it."""

from __future__ import annotations

from collections.abc import Iterable

from movable.errors import UsageError
from movable.explain.judge.page_size import settle
from movable.explain.material import Material
from movable.explain.paste import lines
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

LOOKED_FOR = (
    "/proc/buddyinfo, /proc/pagetypeinfo, extfrag_index, unusable_index, /proc/zoneinfo, /proc/vmstat, /proc/meminfo, numa_maps, "
    "smaps, /proc/kpageflags, page_owner, mm_stat of zram, the report of a failed allocation or of the OOM killer, page dumps, "
    "failures of CMA, numastat, tables, counts or tracepoints of compaction; cat /proc/buddyinfo is a beginning"
)


def read(texts: Iterable[tuple[str, str]], page_kb: int | None = None) -> Material:
    """Everything that is known in texts given as (name, text), of a machine with pages of ``page_kb`` (None: as the text says).

    Raises UsageError for more than 64 Mi characters.
    """
    material = Material()
    left = MAX_CHARACTERS
    for source, text in texts:
        left -= len(text)
        if left < 0:
            raise UsageError(f"{source}: more than {MAX_CHARACTERS >> 20} Mi characters in all; give the part that matters")
        readers = (
            PerfKmem().read,
            BySize().read, Tables().read, Cgroup().read, Zones().read, Numastat().read, Figures().read, Snapshots().read,
            Smaps().read, meminfo.read, Dumps().read, PageOwner().read, cma.read, numa_maps.read, ToolTables().read,
            failures.read, settings.read, messages.read, Summaries().read, Mmtests().read,
        )  # fmt: skip
        for line in lines(source, text):
            if line.text and any(reader(line, material) for reader in readers):
                material.recognised += 1
            else:
                material.unread.append(line)
    settle(material, page_kb)
    return material
