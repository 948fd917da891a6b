"""A trace, judged: the same rules that judge the model, as far as the trace can show them."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field, replace
from itertools import chain
from typing import Any

from movable.contract.verdict import BROKEN, HELD, NOT_APPLICABLE, UNPROVEN, Judgement, RuleVerdict
from movable.eras import DEFAULT, ERAS
from movable.eras import era as era_called
from movable.errors import UsageError
from movable.events import Event
from movable.mm.page_flags import PAGE_MAPPING_FLAGS, PAGE_MAPPING_MOVABLE
from movable.rules.lru import ABOUT_PROCESSES
from movable.rules.rule import BROKEN_ONLY, HELD_OR_BROKEN, MAY
from movable.rules.stream.monitor import Monitor, Violation, feeder
from movable.rules.table import RULES
from movable.shown import shown
from movable.trace.judge.clock_skew import LINES_UNTIL_LEAKED, TWO_TASKS, out_of_order, seen_later, text_of
from movable.trace.judge.gaps import Consistency, NewMark
from movable.trace.judge.proof import MAX_WEIGHED, doubts, lines_of
from movable.trace.judge.visible import missing
from movable.trace.read.ftrace import Reader
from movable.trace.read.model_file import shown_in
from movable.trace.read.source import Progress, Source
from movable.trace.record.driver_probes import driver_of

EARLIER_ERA, LATEST_ERA = [*ERAS][-2:]
"""Eras whose kernels print the same lines."""
FINDINGS_SHOWN = 3
"""Findings of one rule that are shown with their lines."""
MAX_SECOND_LOOKS = 1000
"""Findings of one rule that are looked at again, where the order of lines may have made them."""
MAX_WAITING = 1 << 16
"""Events that wait until it is known whose their page is."""
PASSED, NOT_PASSED, NOTHING_PROVEN = "passed", "not passed", "nothing proven"
"""How a judgement may end."""


@dataclass(frozen=True, slots=True)
class Finding:
    """One violation: the page (-1 for none), the line that shows it, what happened, and the lines of the page's life so far."""

    pfn: int
    line: int
    text: str
    lines: tuple[tuple[int, str], ...]


@dataclass(slots=True)
class TraceVerdict(RuleVerdict):
    """What the trace says about one rule: ``times`` how often it was broken, ``findings`` the first of them."""

    times: int = 0
    findings: tuple[Finding, ...] = ()


@dataclass
class Result(Judgement):
    """The judgement of a trace.

    ``name`` is the file, ``era`` the kernel's, ``drivers`` those seen, ``driver`` the one asked for or "". ``lost`` and
    ``missed`` are what the recording says it lacks, ``holes`` all events known to be missing. ``notes`` are remarks on the
    recording. ``verdicts`` has every rule by number.
    """

    name: str
    era: str
    driver: str
    drivers: list[str]
    lines: int
    lost: int
    missed: int
    holes: int
    notes: list[str] = field(default_factory=list)
    verdicts: dict[str, TraceVerdict] = field(default_factory=dict)

    @property
    def passed(self) -> bool:
        """Whether no rule is broken, but for those that are advice."""
        return all(RULES[id].level == MAY for id in self.broken)

    @property
    def outcome(self) -> str:
        """The judgement in two words: that nothing is broken proves nothing where nothing was put to the test."""
        if not self.passed:
            return NOT_PASSED
        return PASSED if self.count(HELD) else NOTHING_PROVEN

    def to_dict(self) -> dict[str, Any]:
        """Everything as plain values, for JSON."""
        return {
            "name": self.name,
            "era": self.era,
            "driver": self.driver,
            "drivers": self.drivers,
            "lines": self.lines,
            "lost": self.lost,
            "missed": self.missed,
            "holes": self.holes,
            "notes": self.notes,
            "passed": self.passed,
            "outcome": self.outcome,
            "counts": self.counts(),
            "rules": [
                {
                    "id": one.rule,
                    "level": RULES[one.rule].level,
                    "title": self.rule(one.rule).title,
                    "verdict": one.verdict,
                    "reason": one.reason,
                    "exercised": one.exercised,
                    "times": one.times,
                    "findings": [
                        {"page": at.pfn, "line": at.line, "text": self.said(at.text), "lines": [list(line) for line in at.lines]}
                        for at in one.findings
                    ],
                }
                for one in self.verdicts.values()
            ],
        }


def check_trace(
    path: str,
    *,
    era: str | None = None,
    vmemmap_base: int | None = None,
    driver: str | None = None,
    progress: Progress | None = None,
) -> Result:
    """Judge the trace in ``path`` ("-" for standard input).

    ``era`` and ``vmemmap_base`` are worked out where None. ``driver`` limits the judgement to the pages of one driver. ``progress``
    hears how far the reading has come. Raises UsageError for input that is no such trace.
    """
    with Source(path, progress) as source:
        return check_source(source, era=era, vmemmap_base=vmemmap_base, driver=driver)


def check_source(
    source: Source, *, era: str | None = None, vmemmap_base: int | None = None, driver: str | None = None
) -> Result:
    """Judge a trace that is open already; parameters and errors as for ``check_trace``."""
    wanted = None if driver is None else Wanted(driver_of(driver))
    reader, monitor = _judge(source, era, vmemmap_base, wanted)
    if reader.layout != monitor.era and not reader.simulated:
        era = reader.layout
        reader, monitor = _judge(source, era, vmemmap_base, wanted)
    if wanted is not None and not wanted.right_in(reader):
        reader, monitor = _judge(source, era, vmemmap_base, wanted)
    result = Result(
        source.name,
        monitor.era,
        "" if wanted is None else wanted.name,
        sorted(set(reader.drivers.values())),
        reader.line,
        reader.lost,
        reader.missed,
        monitor.holes,
        _notes(reader, monitor),
    )
    _add_verdicts(result, reader, monitor)
    if reader.assumed and result.broken:
        _spare(result, source, vmemmap_base, driver)
    return result


def _spare(result: Result, source: Source, base: int | None, driver: str | None) -> None:
    """Nothing is blamed for what is right in the other kernel that the trace may be of."""
    try:
        other = check_source(source, era=EARLIER_ERA, vmemmap_base=base, driver=driver)
    except UsageError:  # then a line tells that it is none of that
        return
    for id in result.broken:
        if other.verdicts[id].verdict != BROKEN:
            reason = f"it looks broken, if this is a kernel of {LATEST_ERA}; give --era"
            result.verdicts[id] = replace(result.verdicts[id], verdict=UNPROVEN, reason=reason, findings=())


def _notes(reader: Reader, monitor: _TraceMonitor) -> list[str]:
    notes = [f"line {line} is refused: {shown(why, 120)}" for line, why in reader.refused[:FINDINGS_SHOWN]]
    if monitor.contradictions:
        notes.append(
            f"{monitor.consistency.found[0][3]}. A line is missing, or somebody wrote the field directly "
            f"({monitor.contradictions} such lines)"
        )
    if monitor.holes:
        numbers = (
            (reader.lost, "events lost"),
            (reader.missed, "returns missed"),
            (reader.unpaired, "calls without entry or return"),
            (monitor.contradictions, "contradictions"),
            (reader.damaged, "lines unreadable"),
            (reader.faults, "values that a probe could not read (fault)"),
        )
        lost = ", ".join(f"{number} {what}" for number, what in numbers if number)
        notes.append(f"{lost}: nothing counts as held, nor as broken unless one line alone proves it")
    if reader.base_from == "guessed":
        notes.append(
            f"page numbers assume that the page array lies at {reader.base:#x}; give --vmemmap-base if the machine has more "
            "than 64 GiB"
        )
    if reader.assumed:
        notes.append(
            f"kernels of {EARLIER_ERA} print the same lines as those of {LATEST_ERA}, and none here tells which it is: judged as "
            f"{LATEST_ERA}; give --era if it is {EARLIER_ERA}"
        )
    if reader.unended:
        notes.append("the end of this export is missing, where it says what was lost: export the trace again, whole")
    if not reader.drivers and not reader.simulated:
        notes.append("no callback of any driver was called: nothing was migrated, or the driver's probes were not set")
    return notes


class _TraceMonitor(Monitor):
    """A monitor that remembers its era, which pages leaked or may yet, and how many events are missing (``holes``)."""

    def __init__(self, era: str, simulated: bool) -> None:
        super().__init__(None, era)
        self.era = era
        self.leaks: list[Violation] = []
        self.consistency = Consistency(era_called(era).sticky_mark)
        self.checks.append(NewMark(self.lives, era_called(era), self._report, None if simulated else self.consistency))
        self.feed = feeder(self._compile(), self._recent)
        self.contradictions = 0
        self.holes = 0
        self.pending = False

    def _report(self, id: str, event: Event, text: str) -> None:
        """Keeps more findings of the rules whose findings may be explained away: the real one may be the last."""
        super()._report(id, event, text)
        kept = self.broken.get(id, [])
        if id in TWO_TASKS and len(kept) < min(self.times[id], MAX_SECOND_LOOKS):
            kept.append(Violation(id, text, self._story(event), event.pfn, event.task))

    def find_leaks(self, line: int) -> None:
        """Old pages that are still there although the last line is far behind their migration (D18).

        A page that somebody holds for a while only, such as a task that waits for its lock, is freed before long. ``pending``
        says that the trace ends before that can be told of some page, or does not show how the core unlocked it.
        """
        shows_unlocks = self.exercised["V11"] > 0
        for life in self.lives.pages.values():
            if life.gone < 0 or life.settled or life.isolated is not False:
                continue
            if life.gone >= line - LINES_UNTIL_LEAKED or (shows_unlocks and life.last is not None):
                self.pending = True
            else:
                text = f"page {life.pfn} was moved to {life.moved_to} and is never freed: a reference to it is left"
                self.leaks.append(Violation("D18", text, tuple(sorted(life.milestones())), life.pfn, ""))


def _judge(source: Source, era: str | None, base: int | None, wanted: Wanted | None) -> tuple[Reader, _TraceMonitor]:
    reader = Reader(source, era=era, vmemmap_base=base, every_unlock=False)
    events = reader.events()
    first = next(events, None)
    if first is not None:
        events = chain((first,), events)  # by now the header has been read
    known = reader.layout_known or not reader.simulated
    monitor = _TraceMonitor(era or (reader.layout if known else DEFAULT), reader.simulated)
    if wanted is not None:
        events = wanted.pages(reader, events)
    feed = monitor.feed
    agrees = monitor.consistency.feed
    if reader.simulated:
        for event in events:
            feed(event)
    else:
        for event in events:
            agrees(event)
            feed(event)
    monitor.finish(False)
    monitor.find_leaks(reader.line)
    consistency = monitor.consistency
    if consistency.found:
        explained = out_of_order(reader, (one[:3] for one in consistency.found))
        consistency.found = [one for one in consistency.found if one[0] not in explained]
        monitor.contradictions = consistency.holes - len(explained) if consistency.found else 0
    monitor.holes = reader.holes + monitor.contradictions
    return reader, monitor


class Wanted:
    """The driver whose pages are to be judged.

    Whose operations are whose is known from their first callback only, which may come long after a page was marked. Events wait for
    it, up to MAX_WAITING of them. Where that is not enough the page counts as the driver's, and where that was wrong, the trace is
    judged again, with what was learned. Operations of which no callback is ever seen are nobody's.
    """

    def __init__(self, name: str) -> None:
        self.name = name
        self._known: dict[int, str] | None = None
        self._taken: set[tuple[int, bool]] = set()

    def pages(self, reader: Reader, events: Iterable[Event]) -> Iterator[Event]:
        """The events about pages of the driver, and those about no page."""
        mine: set[int] = set()
        drivers = reader.drivers if self._known is None else self._known
        for event, ops, more in _once_known(events, drivers, MAX_WAITING if self._known is None else 0):
            pfn = event.pfn
            if ops is not None:
                ours = drivers.get(ops, self.name if more and self._known is None else "") == self.name
                self._taken.add((ops, ours))
                (mine.add if ours else mine.discard)(pfn)
            if pfn < 0 or pfn in mine:
                yield event
            if event.kind == "free_page":
                mine.discard(pfn)

    def right_in(self, reader: Reader) -> bool:
        """Whether every page was taken for whose it is. Raises UsageError for a driver that the trace does not show."""
        seen = reader.drivers
        if self.name not in seen.values():
            others = f"it shows {', '.join(sorted(set(seen.values())))}" if seen else "it shows no callback of any driver"
            raise UsageError(f"{reader.source.name}: no pages of driver {self.name!r}; {others}")
        self._known = dict(seen)
        return all((seen.get(ops) == self.name) == ours for ops, ours in self._taken)


def _once_known(events: Iterable[Event], drivers: dict[int, str], most: int) -> Iterator[tuple[Event, int | None, bool]]:
    """Events with the operations that their page is marked with (None for no mark), and whether more of the trace may come.

    One with operations that are not in ``drivers`` yet waits, with all behind it, until they are, or until ``most`` events wait.
    """
    waiting: deque[tuple[Event, int | None]] = deque()
    for event in events:
        waiting.append((event, _operations(event)))
        while waiting:
            first, ops = waiting[0]
            if ops is not None and ops not in drivers and len(waiting) < most:
                break
            yield first, ops, True
            waiting.popleft()
    for first, ops in waiting:
        yield first, ops, False


def _operations(event: Event) -> int | None:
    """The address of the operations that the event shows its page to be marked with."""
    mapping = event.mapping
    ops: int | None = event.args.get("ops") if event.kind == "set_page_movable" else None
    if ops is None and mapping > PAGE_MAPPING_FLAGS and mapping & PAGE_MAPPING_FLAGS == PAGE_MAPPING_MOVABLE:
        return mapping - PAGE_MAPPING_MOVABLE
    return ops


# --- verdicts ---


def _add_verdicts(result: Result, reader: Reader, monitor: _TraceMonitor) -> None:
    """Weigh what the monitor found against what the recording can show, rule by rule."""
    violations = _weighed(reader, monitor)
    quoted = _quoted(reader, violations)
    doubted = _doubted(reader, monitor, violations, quoted)
    shown = shown_in(reader)
    exercised = monitor.exercised
    for id in RULES:
        lacks = "" if reader.simulated else missing(id, shown)
        verdict, reason = _verdict(id, id in violations, lacks, exercised[id], reader, monitor)
        if verdict == BROKEN and id in doubted:
            verdict, reason = UNPROVEN, f"it looks broken, but {doubted[id]}"
            result.holes += 1
        result.verdicts[id] = TraceVerdict(id, verdict, exercised[id], reason)
    wanted = {id: violations[id][:FINDINGS_SHOWN] for id in result.broken}
    for id, found in wanted.items():
        findings = tuple(_finding(one, quoted) for one in found)
        times = max(monitor.times[id], len(violations[id]))
        result.verdicts[id] = replace(result.verdicts[id], findings=findings, times=times)


def _weighed(reader: Reader, monitor: _TraceMonitor) -> dict[str, list[Violation]]:
    """Violations by rule, without those that the order of two CPUs' lines may have made, and with leaks and their proof."""
    violations = {id: list(found) for id, found in monitor.broken.items()}
    if reader.simulated:
        return violations
    suspicious = [(one.seqs[-1], one.pfn, one.task) for id in TWO_TASKS for one in violations.get(id, ())]
    explained = out_of_order(reader, suspicious)
    if explained:
        for id in TWO_TASKS & violations.keys():
            real = [one for one in violations[id] if one.seqs[-1] not in explained]
            monitor.times[id] -= len(violations[id]) - len(real)
            violations[id] = real
            if not real:
                del violations[id]
    if monitor.leaks:
        later = seen_later(reader, monitor.leaks[:FINDINGS_SHOWN])
        proven = [replace(one, seqs=(*one.seqs, *later.get(one.pfn, ()))) for one in monitor.leaks]
        violations["D18"] = violations.get("D18", []) + proven
    return violations


def _quoted(reader: Reader, violations: dict[str, list[Violation]]) -> dict[int, str]:
    """The text of every line that a finding may show or be weighed by, in one reading of the file."""
    findings = [one for found in violations.values() for one in found[: MAX_WEIGHED + FINDINGS_SHOWN]]
    around = set() if reader.simulated else lines_of(findings)
    return text_of(reader.source, around | {seq for one in findings for seq in one.seqs})


def _doubted(
    reader: Reader, monitor: _TraceMonitor, violations: dict[str, list[Violation]], quoted: dict[int, str]
) -> dict[str, str]:
    """Rules of which no finding can be believed, and why; of others, those findings are left out."""
    if reader.simulated:
        return {}
    found: dict[str, str] = {}
    touched = reader.touched | monitor.consistency.touched
    for id, all_of_it in violations.items():
        why = doubts(all_of_it[:MAX_WEIGHED], quoted, touched)
        sound = [one for one in all_of_it if not one.seqs or one.seqs[-1] not in why]
        if sound:
            monitor.times[id] -= len(all_of_it) - len(sound)
            violations[id] = sound
        else:
            found[id] = f"its proof is in doubt: line {min(why)}: {why[min(why)]}"
    return found


def _verdict(id: str, violated: bool, lacks: str, exercised: int, reader: Reader, monitor: _TraceMonitor) -> tuple[str, str]:
    """The verdict on one rule, and why it is neither held nor broken."""
    rule = RULES[id]
    if monitor.era not in rule.eras:
        return NOT_APPLICABLE, f"not a rule of kernels of era {monitor.era}"
    if id in ABOUT_PROCESSES and not exercised:
        return NOT_APPLICABLE, "about pages of processes, of which the trace shows none"
    if violated and lacks:
        return UNPROVEN, f"it looks broken, but the trace shows no {lacks}"
    if violated and monitor.holes and not rule.one_line:
        return UNPROVEN, "it looks broken, but events were lost"
    if violated:
        return BROKEN, ""
    if rule.shown != HELD_OR_BROKEN and not reader.simulated:
        return UNPROVEN, "a trace can only show it broken" if rule.shown == BROKEN_ONLY else "a trace cannot show it"
    if lacks:
        return UNPROVEN, f"the trace shows no {lacks}"
    if monitor.times[id] and not reader.simulated:
        often = f"more than {MAX_SECOND_LOOKS} times it looked broken"
        return UNPROVEN, f"{often}, by lines out of order; the clocks of the CPUs disagree"
    if not exercised:
        return UNPROVEN, "not exercised in this trace"
    if id == "D18" and monitor.pending:
        return UNPROVEN, "the trace ends before a page that was moved away could be freed"
    return (UNPROVEN, "events were lost") if monitor.holes else (HELD, "")


def _finding(one: Violation, lines: dict[int, str]) -> Finding:
    life = tuple((seq, lines[seq]) for seq in one.seqs if seq in lines)
    return Finding(one.pfn, max(one.seqs, default=0), one.text, life)
