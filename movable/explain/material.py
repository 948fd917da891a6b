"""What was read, as values: one class for each kind of material. Sizes are in pages unless a name says otherwise."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Hashable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, TypeVar

from movable.explain.paste import Line

FEWEST_ORDERS = 5  # that an allocator has: a table with fewer was cut
Row = TypeVar("Row")
Key = TypeVar("Key", bound=Hashable)


@dataclass(slots=True)
class FreeBlocks:
    """Free blocks of one zone by order.

    ``whole`` is False where the row was cut; ``page_kb`` is the size of a page, 0 until it is known.
    """

    line: Line
    node: int
    zone: str
    counts: list[int]
    whole: bool = True
    page_kb: int = 0
    types: Mapping[int, str] = field(default_factory=dict)
    """Of each order, the letters of the migratetypes that have free blocks there, as Mem-Info prints them."""

    @property
    def free(self) -> int:
        """Free pages."""
        return sum(count << order for order, count in enumerate(self.counts))

    def put(self, order: int, count: int) -> None:
        """Say how many blocks of an order are free; orders below it that were not told have none."""
        self.counts += [0] * (order + 1 - len(self.counts))
        self.counts[order] = count

    def cut_before(self, order: int) -> bool:
        """Whether the row was cut before it came to ``order``, and has no larger block: nobody knows what is free there."""
        ends = self.whole or "= " in self.line.text
        return order >= len(self.counts) and (not ends or len(self.counts) < FEWEST_ORDERS)


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
    """Watermarks and sizes of one zone, by the kernel's names: free, min, low, high, managed, present, free_cma, ...

    ``in_kb`` is True until kB are made pages.
    """

    line: Line
    node: int
    zone: str
    values: dict[str, int] = field(default_factory=dict)
    in_kb: bool = False
    reserve: list[int] = field(default_factory=list)
    """lowmem_reserve: pages kept from requests for each higher zone, in pages."""

    @property
    def free_cma(self) -> int:
        """Free pages that are CMA, as Mem-Info or /proc/zoneinfo calls them."""
        return self.values.get("free_cma") or self.values.get("nr_free_cma", 0)

    def kept_from(self, highest: Marks | None) -> int:
        """Pages that a request does not get here which could be served by ``highest``; 0 where that zone is not known."""
        if highest is None or not self.reserve or highest is self:
            return 0
        own = next((at for at, pages in enumerate(highest.reserve) if pages), len(highest.reserve)) - 1
        return self.reserve[min(max(own, 0), len(self.reserve) - 1)]


@dataclass(slots=True)
class Counters:
    """One snapshot of /proc/vmstat, or a part of it; ``run`` where it is what one run of a benchmark added."""

    line: Line
    values: dict[str, int] = field(default_factory=dict)
    run: bool = False


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
    ksm: bool = False


@dataclass(slots=True)
class Request:
    """An allocation that failed, or that called the OOM killer; ``what`` says which, in words.

    ``atomic`` where it could not wait, ``urgent`` where it may take of what is kept (__GFP_HIGH), ``movable`` and ``high`` where it
    may take movable and high memory; ``nodes`` are those that it was bound to, None where it was not, ``by_cpuset`` where its task
    was, and not the request itself. ``old`` kernels are those before 4.4. ``limits`` is what its report says of limits: the
    constraint, and usage_kb and limit_kb of a memory cgroup.
    """

    line: Line
    task: str
    order: int
    gfp: tuple[str, ...]
    oom: bool = False
    what: str = "failed"
    atomic: bool = False
    movable: bool = False
    high: bool = False
    urgent: bool = False
    old: bool = False
    nodes: frozenset[int] | None = None
    by_cpuset: bool = False
    limits: dict[str, str] = field(default_factory=dict)


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
class Figure:
    """A row of a tool's table that is about a machine's memory, but not about how free memory lies."""

    line: Line
    kind: str
    name: str
    values: Mapping[str, float]


@dataclass(slots=True)
class OwnedPage:
    """A page that page_owner tells of.

    ``pages`` is how many there are of its like, ``block`` the type of its pageblock, ``caller`` the function that wanted it, or "".
    """

    line: Line
    order: int
    task: str
    gfp: str
    pfn: int | None = None
    migratetype: str = ""
    block: str = ""
    pages: int = 1
    caller: str = ""


@dataclass(slots=True)
class MappedArea:
    """An area of smaps: its name, and kB by the kernel's names; both ends are 0 for the sum of a process."""

    line: Line
    start: int
    end: int
    name: str
    values: dict[str, int] = field(default_factory=dict)
    flags: tuple[str, ...] = ()


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
    messages: list[tuple[str, str, str]] = field(default_factory=list)
    """Messages that stand alone: whose it is, what it means, what to do."""
    refused: list[tuple[str, int]] = field(default_factory=list)
    """Writes that failed: the file, where it is known, and the error."""
    killed: list[tuple[str, int | None]] = field(default_factory=list)
    """Tasks that the OOM killer ended, and the kB of anonymous memory that they had, where it says so."""
    cma: list[CmaFailure] = field(default_factory=list)
    cma_kb: list[int] = field(default_factory=list)
    """Sizes of the areas that the kernel named when it started, in kB."""
    buffers: dict[str, int] = field(default_factory=dict)
    """What a display driver said that it keeps: numbers of buffers, and kB."""
    zram: list[Zram] = field(default_factory=list)
    maps: list[Mapped] = field(default_factory=list)
    runs: list[CompactionRun] = field(default_factory=list)
    reclaims: list[Reclaim] = field(default_factory=list)
    figures: list[Figure] = field(default_factory=list)
    owned: list[OwnedPage] = field(default_factory=list)
    areas: list[MappedArea] = field(default_factory=list)
    cgroup: dict[str, str] = field(default_factory=dict)
    """What the OOM killer said of the memory cgroup that had reached its limit: constraint, usage_kb, limit_kb, memory.stat."""
    event_counts: Counter[str] = field(default_factory=Counter)
    """How often events came, as perf stat, bpftrace and the like count them."""
    counts: dict[str, int] = field(default_factory=dict)
    """What the last Mem-Info counts over the whole machine, by the kernel's names, in pages."""
    pools: dict[tuple[int, int], tuple[int, int]] = field(default_factory=dict)
    """Huge pages of the pool by node and size in kB: how many there are, and how many of them are free."""
    huge_at_boot: dict[str, int] = field(default_factory=dict)
    """Huge pages of each size, as the kernel writes it, that were reserved when it started."""
    tasks: list[tuple[str, int]] = field(default_factory=list)
    """Tasks that the last report of the OOM killer lists, and the pages that each has in memory."""
    report_end: dict[str, int] = field(default_factory=dict)
    """What the last lines of a report say of the whole machine: pages RAM, reserved; swap in kB."""
    meminfo: dict[str, int] = field(default_factory=dict)
    """/proc/meminfo: kB, the numbers of huge pages as they are."""
    settings: dict[str, str] = field(default_factory=dict)
    """``enabled`` and ``defrag`` of transparent_hugepage, and vm.* of sysctl by name."""
    asked: dict[str, int] = field(default_factory=dict)
    """What commands asked for (``echo N > .../nr_hugepages``), by the setting's name."""
    frames: list[tuple[str, bytes]] = field(default_factory=list)
    """Dumps of /proc/kpageflags: name, and a word of 8 bytes for each frame."""
    node_meminfo: dict[int, dict[str, int]] = field(default_factory=dict)
    events: list[str] = field(default_factory=list)
    """Lines of compaction and migration tracepoints, for ``movable trace summary``."""
    unread: list[Line] = field(default_factory=list)
    pageblock_order: int | None = None
    page_sizes: list[tuple[int, str]] = field(default_factory=list)
    """What was said of the size of a page: kB, and where."""
    huge_sizes: set[int] = field(default_factory=set)
    """Sizes of huge pages that the machine offers, in kB."""
    page_kb: int = 4
    page_why: str = ""
    """How the size of a page is known; "" where the usual one is assumed."""
    recognised: int = 0
    by_machine: dict[str, Material] = field(default_factory=dict, repr=False, compare=False)
    """The same of each machine by itself, where the text is of several; "" is the one that has no name."""
    found: dict[str, tuple[int, Any]] = field(default_factory=dict, repr=False, compare=False)
    """Tables by zone and node, as they were found last, with how many rows there were."""


@dataclass(slots=True)
class Answer:
    """A heading, facts as sentences, and what to do next."""

    title: str
    facts: list[str] = field(default_factory=list)
    advice: list[str] = field(default_factory=list)


def grouped(rows: Iterable[Row], by: Callable[[Row], Key]) -> dict[Key, list[Row]]:
    """Rows by what they have in common, in the order in which it came first."""
    found: dict[Key, list[Row]] = {}
    for one in rows:
        found.setdefault(by(one), []).append(one)
    return found
