"""What was read, as values: one class for each kind of material. Sizes are in pages unless a name says otherwise."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from movable.explain.paste import Line


@dataclass(slots=True)
class FreeBlocks:
    """Free blocks of one zone by order. ``whole`` is False where the row was cut; ``page_kb`` is the size of a page."""

    line: Line
    node: int
    zone: str
    counts: list[int]
    whole: bool = True
    page_kb: int = 4
    types: Mapping[int, str] = field(default_factory=dict)
    """Of each order, the letters of the migratetypes that have free blocks there, as Mem-Info prints them."""

    @property
    def free(self) -> int:
        """Free pages."""
        return sum(count << order for order, count in enumerate(self.counts))


@dataclass(slots=True)
class TypeBlocks:
    """Free blocks of one zone and migratetype by order."""

    line: Line
    node: int
    zone: str
    migratetype: str
    counts: list[int]
    whole: bool = True


@dataclass(slots=True)
class Pageblocks:
    """Pageblocks of one zone by migratetype; ``mixed`` ones hold pages of another kind too (page_owner)."""

    line: Line
    node: int
    zone: str
    counts: Mapping[str, int]
    mixed: bool = False


@dataclass(slots=True)
class Indices:
    """What the kernel itself printed in extfrag_index or unusable_index, in thousandths by order."""

    line: Line
    node: int
    zone: str
    which: str  # "fragmentation_index" or "unusable_index"
    values: list[int]


@dataclass(slots=True)
class Marks:
    """Watermarks and sizes of one zone, by the kernel's names: free, min, low, high, managed, present, free_cma, ..."""

    line: Line
    node: int
    zone: str
    values: dict[str, int] = field(default_factory=dict)


@dataclass(slots=True)
class Counters:
    """One snapshot of /proc/vmstat, or a part of it."""

    line: Line
    values: dict[str, int] = field(default_factory=dict)


@dataclass(slots=True)
class PageDump:
    """A page that the kernel dumped, and why. What the dump did not say is None or empty."""

    line: Line
    pfn: int | None = None
    reason: str = ""
    ret: int | None = None
    refcount: int | None = None
    mapcount: int | None = None
    mapping: int | None = None
    index: str = ""
    aops: str = ""
    name: str = ""
    flags: tuple[str, ...] = ()
    page_type: str = ""
    compound: str = ""
    pins: int = 0
    """Pins that a large page counts by themselves (its head's pincount)."""
    owner: str = ""
    anon: bool = False


@dataclass(slots=True)
class Request:
    """An allocation that failed, or that called the OOM killer."""

    line: Line
    task: str
    order: int
    gfp: tuple[str, ...]
    oom: bool = False
    nodemask: str = ""


@dataclass(slots=True)
class CmaFailure:
    """A contiguous allocation that failed, with the runs of free pages that were left: (length, first page)."""

    line: Line
    area: str = ""
    wanted: int | None = None
    ret: int | None = None
    runs: Sequence[tuple[int, int]] = ()
    free: int | None = None
    total: int | None = None
    busy: tuple[int, int] | None = None


@dataclass(slots=True)
class Zram:
    """/sys/block/zramN/mm_stat, in bytes and pages by the kernel's names."""

    line: Line
    values: Mapping[str, int]


@dataclass(slots=True)
class Mapped:
    """One line of numa_maps: pages by node, policy, and what is mapped."""

    line: Line
    address: int
    policy: str
    nodes: Mapping[int, int]
    words: Mapping[str, str]


@dataclass(slots=True)
class CompactionRun:
    """One compaction as a tracing tool reported it. ``latency_ms`` is None where the tool did not say."""

    line: Line
    task: str
    pid: int
    node: int
    zone: str
    order: int
    mode: str
    status: str
    latency_ms: float | None
    fragmentation_index: int | None = None


@dataclass(slots=True)
class Reclaim:
    """One direct reclaim as a tracing tool reported it: how long the task waited, and the pages that came free."""

    line: Line
    task: str
    pid: int
    latency_ms: float
    pages: int


@dataclass(slots=True)
class Material:
    """Everything that was recognised, in the order it stood; ``unread`` is the rest."""

    free: list[FreeBlocks] = field(default_factory=list)
    types: list[TypeBlocks] = field(default_factory=list)
    pageblocks: list[Pageblocks] = field(default_factory=list)
    indices: list[Indices] = field(default_factory=list)
    marks: list[Marks] = field(default_factory=list)
    counters: list[Counters] = field(default_factory=list)
    pages: list[PageDump] = field(default_factory=list)
    requests: list[Request] = field(default_factory=list)
    cma: list[CmaFailure] = field(default_factory=list)
    zram: list[Zram] = field(default_factory=list)
    maps: list[Mapped] = field(default_factory=list)
    runs: list[CompactionRun] = field(default_factory=list)
    reclaims: list[Reclaim] = field(default_factory=list)
    event_counts: Counter[str] = field(default_factory=Counter)
    """How often events came, as perf stat, bpftrace and the like count them."""
    meminfo: dict[str, int] = field(default_factory=dict)
    """/proc/meminfo: kB, the numbers of huge pages as they are."""
    settings: dict[str, str] = field(default_factory=dict)
    """``enabled`` and ``defrag`` of transparent_hugepage, and vm.* of sysctl by name."""
    frames: list[tuple[str, bytes]] = field(default_factory=list)
    """Dumps of /proc/kpageflags: name, and a word of 8 bytes for each frame."""
    node_meminfo: dict[int, dict[str, int]] = field(default_factory=dict)
    events: list[str] = field(default_factory=list)
    """Lines of compaction and migration tracepoints, for ``movable trace summary``."""
    unread: list[Line] = field(default_factory=list)
    pageblock_order: int | None = None
    recognised: int = 0


@dataclass(slots=True)
class Answer:
    """A heading, facts as sentences, and what to do next."""

    title: str
    facts: list[str] = field(default_factory=list)
    advice: list[str] = field(default_factory=list)
