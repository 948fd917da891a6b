"""Compaction as its tracepoints tell it: what was scanned and taken, who waited, what was deferred, and what looks wrong."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from typing import Any, Generic, TypeVar

from movable.trace.read.source import Progress, Source
from movable.trace.read.tracepoints import Tracepoint, tracepoints

_RANGE = re.compile(r"\((0x[0-9a-f]{1,16}) ~ (0x[0-9a-f]{1,16})\)")
SCHEMA = "movable.compaction/1"
MIN_REPEATS = 5
"""A range that is scanned this often in a row without a page taken is told."""
MOVABLE_TYPE = 1
SCANNERS = ("migrate", "free")
DAEMONS = ("kcompactd", "khugepaged", "kswapd")
"""Who compacts without anybody waiting; before 4.6 kswapd did."""
MAX_SAMPLES = 3000
T = TypeVar("T")


class Samples(Generic[T]):
    """Values over a whole trace, however long: above MAX_SAMPLES every second one is let go, then every second of the rest."""

    def __init__(self) -> None:
        self.kept: list[T] = []
        self._seen = 0
        self._every = 1

    def add(self, value: T) -> None:
        """Take one value, or pass it by."""
        if self._seen % self._every == 0:
            self.kept.append(value)
            if len(self.kept) > MAX_SAMPLES:
                self.kept = self.kept[::2]
                self._every *= 2
        self._seen += 1

    def __iter__(self) -> Iterator[T]:
        return iter(self.kept)

    def __len__(self) -> int:
        return len(self.kept)


@dataclass(slots=True)
class Zone:
    """One zone, known by its bounds (first frame, end) and, where an event said so, by node and name."""

    start: int
    end: int
    runs: int = 0
    seconds: float = 0.0
    statuses: Counter[str] = field(default_factory=Counter)


@dataclass(slots=True)
class Repeat:
    """A range that the migrate scanner went over ``times`` times in a row and took nothing from."""

    task: str
    pid: int
    start: int
    end: int
    times: int
    scanned: int
    seconds: float


@dataclass(slots=True)
class Compaction:
    """The numbers of one trace. Scanned and taken count frames; times are seconds of the trace's clock."""

    events: Counter[str] = field(default_factory=Counter)
    first: float = 0.0
    last: float = 0.0
    orders: Counter[int] = field(default_factory=Counter)
    zones: dict[tuple[int, int], Zone] = field(default_factory=dict)
    migrate_scanned: int = 0
    migrate_taken: int = 0
    free_scanned: int = 0
    free_taken: int = 0
    free_odd: int = 0
    moved: int = 0
    not_moved: int = 0
    results: Counter[str] = field(default_factory=Counter)
    deferred: Counter[str] = field(default_factory=Counter)
    """Requests that were sent away, by node, zone and order, since compaction had failed there before."""
    put_off: Counter[str] = field(default_factory=Counter)
    """Failures after which compaction waits, by node, zone and order."""
    suitable: Counter[str] = field(default_factory=Counter)
    reasons: dict[str, tuple[int, int]] = field(default_factory=dict)
    waits: dict[str, float] = field(default_factory=dict)
    repeats: list[Repeat] = field(default_factory=list)
    fallbacks: int = 0
    polluting: int = 0
    cma: Counter[str] = field(default_factory=Counter)
    points: dict[str, Samples[tuple[float, int]]] = field(default_factory=lambda: {name: Samples() for name in SCANNERS})
    """(time, frame) of each scanner: where it was."""
    work: Samples[tuple[float, int, int]] = field(default_factory=Samples)
    """(time, frames scanned so far, frames taken so far) of the migrate scanner."""
    spans: Samples[tuple[float, float, str]] = field(default_factory=Samples)
    """(begin, end, task) of whole compactions."""

    def to_dict(self) -> dict[str, Any]:
        """Plain values, schema movable.compaction/1; frames are numbers, times seconds."""
        return {
            "schema": SCHEMA, "events": dict(self.events), "seconds": round(self.last - self.first, 6),
            "orders": {str(order): count for order, count in sorted(self.orders.items())},
            "zones": [
                {"start_pfn": zone.start, "end_pfn": zone.end, "runs": zone.runs, "seconds": round(zone.seconds, 6),
                 "statuses": dict(zone.statuses)}
                for zone in self.zones.values()
            ],
            "migrate_scanned": self.migrate_scanned, "migrate_taken": self.migrate_taken, "free_scanned": self.free_scanned,
            "free_taken": self.free_taken, "pages_moved": self.moved, "pages_not_moved": self.not_moved,
            "results": dict(self.results), "suitable": dict(self.suitable), "deferred": dict(self.deferred),
            "put_off": dict(self.put_off),
            "migrations": {reason: {"succeeded": good, "failed": bad} for reason, (good, bad) in self.reasons.items()},
            "waited": {task: round(seconds, 6) for task, seconds in self.waits.items()},
            "repeats": [
                {"task": one.task, "pid": one.pid, "start_pfn": one.start, "end_pfn": one.end, "times": one.times,
                 "scanned": one.scanned, "seconds": round(one.seconds, 6)}
                for one in self.repeats
            ],
            "fallbacks": {"all": self.fallbacks, "into_movable_blocks": self.polluting}, "cma": dict(self.cma),
        }  # fmt: skip


class Follower:
    """Goes over the events once."""

    def __init__(self) -> None:
        self.found = Compaction()
        self._open: dict[int, Tracepoint] = {}
        self._repeat: dict[int, Repeat] = {}
        self._since: dict[int, float] = {}
        self._orders: dict[str, Counter[int]] = {}

    def put(self, event: Tracepoint) -> None:
        """Take one event."""
        found = self.found
        if not found.events:
            found.first = event.time
        found.last = max(found.last, event.time)
        found.events[event.name] += 1
        handler = getattr(self, "_" + event.name.removeprefix("mm_"), None)
        if handler is not None:
            handler(event)

    def end(self) -> Compaction:
        """What was found; ranges that were still being repeated are told."""
        for repeat in self._repeat.values():
            self._close(repeat)
        requests = self._orders.get("mm_compaction_try_to_compact_pages")
        self.found.orders = requests or max(self._orders.values(), key=lambda counts: counts.total(), default=Counter())
        self.found.repeats.sort(key=lambda one: -one.times)
        return self.found

    # --- a whole compaction ---

    def _compaction_begin(self, event: Tracepoint) -> None:
        self._open[event.pid] = event
        for name, scanner in (("migrate_pfn", "migrate"), ("free_pfn", "free")):
            self._point(event, event.number_of(name), scanner)
        for name, scanner in (("migrate_start", "migrate"), ("free_start", "free")):
            self._point(event, event.number_of(name), scanner)

    def _compaction_end(self, event: Tracepoint) -> None:
        begun = self._open.pop(event.pid, None)
        where = event if begun is None or "zone_start" in event.fields else begun  # before 4.0 the end says its status only
        start, end = where.number_of("zone_start"), where.number_of("zone_end")
        if start is None or end is None:
            return
        zone = self.found.zones.setdefault((start, end), Zone(start, end))
        zone.runs += 1
        status = event.fields.get("status", "unknown")
        zone.statuses[f"status {status}" if status.isdecimal() else status] += 1  # numbers changed from kernel to kernel
        if begun is not None:
            took = max(0.0, event.time - begun.time)
            zone.seconds += took
            self.found.waits[event.task] = self.found.waits.get(event.task, 0.0) + took
            self.found.spans.add((begun.time, begun.time + took, event.task))
        for name, scanner in (("migrate_pfn", "migrate"), ("free_pfn", "free")):
            self._point(event, event.number_of(name), scanner)

    def _compaction_try_to_compact_pages(self, event: Tracepoint) -> None:
        self._order(event)

    def _compaction_finished(self, event: Tracepoint) -> None:
        self.found.results[event.fields.get("ret", "unknown")] += 1
        self._order(event)

    def _compaction_suitable(self, event: Tracepoint) -> None:
        self.found.suitable[event.fields.get("ret", "unknown")] += 1
        self._order(event)

    def _compaction_deferred(self, event: Tracepoint) -> None:
        self.found.deferred[_place(event)] += 1

    def _compaction_defer_compaction(self, event: Tracepoint) -> None:
        self.found.put_off[_place(event)] += 1

    def _order(self, event: Tracepoint) -> None:
        order = event.number_of("order")
        if order is not None:
            self._orders.setdefault(event.name, Counter())[order] += 1

    # --- the scanners ---

    def _compaction_isolate_migratepages(self, event: Tracepoint) -> None:
        scanned, taken = event.number_of("nr_scanned") or 0, event.number_of("nr_taken") or 0
        self.found.migrate_scanned += scanned
        self.found.migrate_taken += taken
        self.found.work.add((event.time, self.found.migrate_scanned, self.found.migrate_taken))
        span = _span(event)
        if span is None:
            return
        self._point(event, span[0], "migrate")
        repeat = self._repeat.get(event.pid)
        if repeat is not None and (repeat.start, repeat.end) == span and not taken:
            repeat.times += 1
            repeat.scanned += scanned
            repeat.seconds = event.time - self._since[event.pid]
            return
        if repeat is not None:
            self._close(self._repeat.pop(event.pid))
        if not taken:
            self._repeat[event.pid] = Repeat(event.task, event.pid, *span, 1, scanned, 0.0)
            self._since[event.pid] = event.time

    def _compaction_isolate_freepages(self, event: Tracepoint) -> None:
        scanned, taken = event.number_of("nr_scanned") or 0, event.number_of("nr_taken") or 0
        self.found.free_scanned += scanned
        self.found.free_taken += taken
        self.found.free_odd += taken > scanned
        span = _span(event)
        if span is not None:
            self._point(event, span[0], "free")

    _compaction_fast_isolate_freepages = _compaction_isolate_freepages

    def _compaction_migratepages(self, event: Tracepoint) -> None:
        self.found.moved += event.number_of("nr_migrated") or 0
        self.found.not_moved += event.number_of("nr_failed") or 0

    # --- beside compaction ---

    def _migrate_pages(self, event: Tracepoint) -> None:
        good, bad = self.found.reasons.get(event.fields.get("reason", "unknown"), (0, 0))
        good += event.number_of("nr_succeeded") or 0
        self.found.reasons[event.fields.get("reason", "unknown")] = (good, bad + (event.number_of("nr_failed") or 0))

    def _page_alloc_extfrag(self, event: Tracepoint) -> None:
        wanted, taken = event.number_of("alloc_migratetype"), event.number_of("fallback_migratetype")
        self.found.fallbacks += 1
        self.found.polluting += taken == MOVABLE_TYPE and wanted != MOVABLE_TYPE

    def _cma_alloc_finish(self, event: Tracepoint) -> None:
        """Later kernels say the error; all of them have no page where the request failed."""
        nothing = set(event.fields.get("page", "1").strip("()x")) <= set("0nilu")
        self.found.cma["failed" if event.number_of("errorno") or nothing else "given"] += 1

    _cma_alloc = _cma_alloc_finish  # as it was called before 5.13

    def _cma_alloc_busy_retry(self, event: Tracepoint) -> None:
        self.found.cma["busy, tried again"] += 1

    def _close(self, repeat: Repeat) -> None:
        if repeat.times >= MIN_REPEATS:
            self.found.repeats.append(repeat)

    def _point(self, event: Tracepoint, pfn: int | None, scanner: str) -> None:
        if pfn is not None:
            self.found.points[scanner].add((event.time, pfn))


def _place(event: Tracepoint) -> str:
    return f"node {event.fields.get('node', '?')} {event.fields.get('zone', '?')} order {event.fields.get('order', '?')}"


def _span(event: Tracepoint) -> tuple[int, int] | None:
    found = _RANGE.fullmatch(event.fields.get("range", ""))
    return None if found is None else (int(found[1], 16), int(found[2], 16))


def follow(events: Iterable[Tracepoint]) -> Compaction:
    """The numbers of a trace's tracepoints."""
    follower = Follower()
    for event in events:
        follower.put(event)
    return follower.end()


class FollowedSource(Source):
    """A source whose lines are also followed as tracepoints, while somebody else reads them for something else."""

    def __init__(self, path: str, progress: Progress | None = None) -> None:
        super().__init__(path, progress, again=False)
        self.follower = Follower()

    def __enter__(self) -> FollowedSource:
        return self

    def blocks(self) -> Iterator[list[str]]:
        """The lines, from the beginning. Each reading begins the numbers anew."""
        self.follower = Follower()
        for block in super().blocks():
            for event in tracepoints(block):
                self.follower.put(event)
            yield block
