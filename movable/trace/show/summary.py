"""What happened in a trace, at a glance: outcomes by driver and by caller, retries, times, refusals, isolated pages over time."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field
from typing import Any

from movable.errors import UsageError
from movable.trace.read.ftrace import Reader
from movable.trace.show.isolations import DRIVERS_LIMIT, FREED, MIGRATED, OUTCOMES, PUT_BACK, Isolation, Lives, Refusal

CALLER_NAMES = {
    "compact_zone": "compaction",
    "alloc_contig_range": "contiguous allocation",
    "offline_pages": "memory offlining",
    "soft_offline_page": "soft offline",
    "syscall": "a system call",
    "mempolicy": "memory policy",
    "numa_misplaced": "NUMA balancing",
    "longterm_pin": "long-term pin",
}
EAGAIN = -11
LONGEST_SHOWN = 5
"""Isolations listed as the longest."""
SECONDS, TICKS, EVENTS = "seconds", "ticks", "events"
"""What the times of a trace count."""
MAX_POINTS = 2048
"""Points of the picture."""


def caller_name(caller: str) -> str:
    """In words who asked for an isolation; ``caller`` is a kernel function."""
    return CALLER_NAMES.get(caller, caller or "unknown")


class Series:
    """A number over time in at most MAX_POINTS points: the largest value of each stretch. Stretches double as time goes on."""

    def __init__(self, start: float) -> None:
        self.start = start
        self.width = 1e-4
        self.points: list[int] = []
        self.now = 0

    def put(self, stamp: float, value: int) -> None:
        """The number is ``value`` from the time ``stamp`` (seconds) on."""
        index = max(0, int((stamp - self.start) / self.width))
        while index >= MAX_POINTS:
            pairs = self.points + self.points[-1:] * (len(self.points) % 2)
            self.points = [max(pairs[i : i + 2]) for i in range(0, len(pairs), 2)]
            self.width *= 2
            index = int((stamp - self.start) / self.width)
        missing = index + 1 - len(self.points)
        if missing > 0:
            self.points.extend([self.now] * missing)
        self.now = value
        if value > self.points[index]:
            self.points[index] = value


@dataclass
class Summary:
    """The numbers of one trace.

    ``outcomes`` counts isolations by (driver, caller, outcome), ``refusals`` by (driver, caller, reason), ``returns`` what
    migrate callbacks returned by (driver, value), ``retries`` by (outcome, number of calls), ``times`` by (outcome, power of
    two of the microseconds), ``events`` trace events by name. ``longest`` are the longest isolations, ``series`` isolated pages
    over time by driver. ``clock`` says what times are in: seconds, ticks of the trace's clock, or events of a simulation.
    """

    name: str
    clock: str = SECONDS
    lines: int = 0
    begin: float = 0.0
    end: float = 0.0
    lost: int = 0
    missed: int = 0
    damaged: int = 0
    marked: int = 0
    cleared: int = 0
    outcomes: Counter[tuple[str, str, str]] = field(default_factory=Counter)
    refusals: Counter[tuple[str, str, str]] = field(default_factory=Counter)
    returns: Counter[tuple[str, int]] = field(default_factory=Counter)
    retries: Counter[tuple[str, int]] = field(default_factory=Counter)
    times: Counter[tuple[str, int]] = field(default_factory=Counter)
    events: dict[str, int] = field(default_factory=dict)
    longest: list[Isolation] = field(default_factory=list)
    series: dict[str, Series] = field(default_factory=dict)
    putbacks: int = 0
    isolated: int = 0

    def counts(self) -> dict[str, int]:
        """The figures that a recording's own counting script gives, under the same meaning."""
        ok = sum(n for (_, value), n in self.returns.items() if value == 0)
        again = sum(n for (_, value), n in self.returns.items() if value == EAGAIN)
        return {
            "isolated": self.isolated,
            "refused": self.refusals.total(),
            "migrated": ok,
            "eagain": again,
            "other": self.returns.total() - ok - again,
            "putback": self.putbacks,
            "freed": sum(n for (_, _, outcome), n in self.outcomes.items() if outcome == FREED),
            "set": self.marked,
            "cleared": self.cleared,
        }

    def add(self, isolation: Isolation) -> None:
        """Count one finished isolation."""
        driver, outcome = isolation.driver, isolation.outcome
        self.outcomes[driver, isolation.caller, outcome] += 1
        self.retries[outcome, isolation.tries] += 1
        seconds = isolation.until - isolation.since
        if outcome in (MIGRATED, PUT_BACK, FREED):
            self.times[outcome, int(seconds * 1e6).bit_length()] += 1
        if len(self.longest) < LONGEST_SHOWN or seconds > self.longest[-1].until - self.longest[-1].since:
            self.longest.append(isolation)
            self.longest.sort(key=lambda one: one.since - one.until)
            del self.longest[LONGEST_SHOWN:]

    def to_dict(self) -> dict[str, Any]:
        """Everything as plain values, for JSON. Times are None where the trace has none in seconds."""
        timed = self.clock == SECONDS
        return {
            "name": self.name,
            "lines": self.lines,
            "clock": self.clock,
            "seconds": round(self.end - self.begin, 6) if timed else None,
            "lost": self.lost,
            "missed": self.missed,
            "damaged": self.damaged,
            "counts": self.counts(),
            "outcomes": [
                {"driver": driver, "caller": caller_name(caller), "outcome": outcome, "pages": n}
                for (driver, caller, outcome), n in sorted(self.outcomes.items())
            ],
            "refusals": [
                {"driver": driver, "caller": caller_name(caller), "reason": reason, "count": n}
                for (driver, caller, reason), n in sorted(self.refusals.items())
            ],
            "migrate_returns": [
                {"driver": driver, "ret": value, "count": n} for (driver, value), n in sorted(self.returns.items(), key=str)
            ],
            "migrate_calls_until_end": [
                {"end": outcome, "migrate_calls": tries, "pages": n} for (outcome, tries), n in sorted(self.retries.items())
            ],
            "microseconds_until_end": [
                {"end": outcome, "below": 1 << bits, "pages": n} for (outcome, bits), n in sorted(self.times.items())
            ]
            if timed
            else None,
            "longest": [
                {"page": one.pfn, "driver": one.driver, "seconds": round(one.until - one.since, 6) if timed else None,
                 "outcome": one.outcome, "lines": [one.begun, one.ended]}
                for one in self.longest
            ],
            "events": self.events,
        }  # fmt: skip


def summarise(reader: Reader) -> Summary:
    """Read a whole trace and count. Raises UsageError as the reader does."""
    summary = Summary(reader.source.name)

    def refused(refusal: Refusal) -> None:
        summary.refusals[refusal.driver, refusal.caller, refusal.reason] += 1

    lives = Lives(summary.add, refused)
    stamp = 0.0
    before: dict[str, int] = {}
    for event in reader.events():
        kind = event.kind
        if kind == "unlock_page":
            continue
        stamp = reader.stamp
        if not summary.begin:
            summary.begin = stamp
        lives.feed(event, stamp, reader.caller)
        _count(summary, event.kind, event.args)
        if kind in _CHANGES_ISOLATED:
            for driver, number in lives.isolated.items():
                if before.get(driver, 0) != number:
                    before[driver] = number
                    summary.series.setdefault(driver, Series(summary.begin)).put(stamp, number)
    summary.end = stamp
    summary.clock = EVENTS if reader.simulated else SECONDS if reader.timed else TICKS
    lives.finish(reader.line, stamp)
    summary.lines = reader.line
    summary.lost, summary.missed, summary.damaged = reader.lost, reader.missed, reader.damaged
    summary.events = dict(sorted(reader.seen.items(), key=lambda item: -item[1]))
    return summary


_CHANGES_ISOLATED = frozenset({"isolate_page_ret", "migratepage_ret", "putback_page", "free_page"})


def _count(summary: Summary, kind: str, args: dict[str, Any]) -> None:
    if kind == "set_page_movable":
        summary.marked += 1
    elif kind == "clear_page_movable":
        summary.cleared += 1
    elif kind == "migratepage_ret":
        if len(summary.returns) > DRIVERS_LIMIT:
            raise UsageError(f"more than {DRIVERS_LIMIT} different answers of drivers; no driver has so many")
        summary.returns[args.get("driver", ""), args.get("ret", 0)] += 1
    elif kind == "putback_page":
        summary.putbacks += 1
    elif kind == "isolate_movable_page_ret":
        summary.isolated += args.get("ret") == 0


def summary_text(summary: Summary) -> str:
    """The summary for a terminal."""
    lines = [f"{summary.name}: {_extent(summary)}"]
    if summary.lost or summary.missed:
        lines.append(f"  {summary.lost} events lost, {summary.missed} returns missed: the numbers below are too small")
    counts = summary.counts()
    lines.append("  " + ", ".join(f"{name} {number}" for name, number in counts.items()))
    pairs = sorted({(driver, caller) for driver, caller, _ in summary.outcomes} | {k[:2] for k in summary.refusals})
    if pairs:
        head = ["driver", "asked by", *OUTCOMES, "refused"]
        rows = [
            [
                driver or "?",
                caller_name(caller),
                *(str(summary.outcomes[driver, caller, outcome]) for outcome in OUTCOMES),
                str(sum(n for key, n in summary.refusals.items() if key[:2] == (driver, caller))),
            ]
            for driver, caller in pairs
        ]
        lines += ["", *_table([head, *rows])]
    lines += _retries_text(summary)
    if summary.refusals:
        reasons: Counter[str] = Counter()
        for (_, _, reason), number in summary.refusals.items():
            reasons[reason] += number
        lines += ["", "refusals"] + [f"  {number:8}  {reason}" for reason, number in reasons.most_common()]
    lines += _times_text(summary)
    return "\n".join(lines) + "\n"


def _extent(summary: Summary) -> str:
    if summary.clock == EVENTS:
        return f"{summary.lines} events, no times"
    if summary.clock == TICKS:
        return f"{summary.lines} lines; the clock of this trace counts no seconds, so times are left out"
    return f"{summary.lines} lines, {summary.end - summary.begin:.3f} s"


def _retries_text(summary: Summary) -> list[str]:
    ends = sorted(end for end in {end for end, _ in summary.retries})
    if not ends:
        return []
    tries = sorted({number for _, number in summary.retries})
    rows = [["calls of the migrate callback", *map(str, tries)]]
    rows += [[end, *(str(summary.retries[end, number] or ".") for number in tries)] for end in ends]
    return ["", *_table(rows)]


def _times_text(summary: Summary) -> list[str]:
    if not summary.times or summary.clock != SECONDS:
        return []
    ends = sorted({end for end, _ in summary.times})
    bits = sorted({bits for _, bits in summary.times})
    rows = [["from isolation to end, below", *(f"{_time(1 << b)}" for b in bits)]]
    rows += [[end, *(str(summary.times[end, b] or ".") for b in bits)] for end in ends]
    lines = ["", *_table(rows), "", "longest isolated"]
    for one in summary.longest:
        took = _time((one.until - one.since) * 1e6)
        lines.append(f"  {took:>8}  page {one.pfn} of {one.driver or '?'}, {one.outcome}, lines {one.begun} to {one.ended}")
    return lines


def _time(micros: float) -> str:
    """A time in the unit that reads best; ``micros`` are microseconds."""
    if micros < 1000:
        return f"{micros:.0f}us"
    return f"{micros / 1000:.3g}ms" if micros < 1e6 else f"{micros / 1e6:.3g}s"


def _table(rows: list[list[str]]) -> list[str]:
    widths = [max(len(row[i]) for row in rows) for i in range(len(rows[0]))]
    return [
        "  ".join(cell.rjust(width) if i else cell.ljust(width) for i, (cell, width) in enumerate(zip(row, widths, strict=True)))
        for row in rows
    ]
