"""What happened in an execution, event by event, and what the monitor has to say of it.

Writing an event down costs a fraction of judging it, and many schedules give the same stream of events. So each execution is
written down, and each *different* stream is judged once: every execution is judged, and few of them cost anything.
"""

from __future__ import annotations

import marshal
from collections import Counter
from typing import Any

from movable.eras import Era
from movable.errors import Hang
from movable.events import Event
from movable.explore.instrument.snapshot import Snapshot, Unfit
from movable.rules.rule import STOCHASTIC
from movable.rules.stream.monitor import Monitor
from movable.rules.table import RULES

Entry = tuple[str, str, int, int, int, int, dict[str, Any]]
"""An event without its number, which is its place in the journal."""
Finding = tuple[str, str]
"""A broken rule, and what was wrong."""

_Stream = tuple[bytes, bytes, bool]
"""A stream of events: what came before the tasks, what they did, and whether nothing was left under way."""

COUNTED, ONE_IN = 4, 8
"""How often rules had a chance to be broken is counted in the first streams, and then in one of so many: counting takes longest."""


MAX_EVENTS = 10_000
"""Events of the removal of a driver in a scenario: its machine has some dozen pages."""


class Endless(Hang):
    """So many events, and no end: counted, so that every run of the schedule ends there."""


class ShortJournal(list[Entry]):
    """Takes a few events more for a journal, if there is one. Raises Endless, again and again, when they do not end."""

    def __init__(self, journal: list[Entry] | None) -> None:
        super().__init__()
        self.journal = [] if journal is None else journal
        self.most = len(self.journal) + MAX_EVENTS

    def append(self, entry: Entry) -> None:
        """One more event."""
        if len(self.journal) >= self.most:
            raise Endless(f"{MAX_EVENTS} events, and it goes on")
        self.journal.append(entry)


class Rulings:
    """Judges the journals of one scenario, which all begin alike."""

    def __init__(self, era: str) -> None:
        self.era = era
        self._known: dict[_Stream, tuple[Finding, ...]] = {}
        self._chances: dict[_Stream, Counter[str]] = {}
        self._met: Counter[_Stream] = Counter()
        self._begun: list[Entry] | None = None
        self._beginning = b""
        self._start: list[Entry] | None = None
        self._monitor: Monitor | None = None
        self._snapshot: Snapshot | None = None
        self._last: Monitor

    def judge(self, journal: list[Entry], start: int, closed: bool = False) -> tuple[Finding, ...]:
        """The rules that a journal breaks, in the order in which they were broken; one small scenario shows no frequencies.

        ``start`` is where the tasks begin. ``closed``: nothing was left under way, so that leaks are judged as well.
        """
        try:
            if journal is not self._begun:  # what stands in front of the tasks stays there as long as it is this journal
                self._begun, self._beginning = journal, marshal.dumps(journal[:start], 2)
            key = (self._beginning, marshal.dumps(journal[start:], 2), closed)
        except ValueError:  # an argument that is no plain value
            return self._findings(journal, start, closed)
        found = self._known.get(key)
        if found is None:
            found = self._known[key] = self._findings(journal, start, closed)
            if len(self._known) <= COUNTED or not len(self._known) % ONE_IN:
                self._chances[key] = self._last.exercised
        self._met[key] += not closed
        return found

    def exercised(self) -> Counter[str]:
        """How often each rule had a chance to be broken since this was asked last, in the streams that were counted."""
        total: Counter[str] = Counter()
        for key, times in self._met.items():
            for rule, count in self._chances.get(key, {}).items():
                total[rule] += count * times
        self._met.clear()
        return total

    def count_anew(self) -> None:
        """As if nothing had been judged yet."""
        for memory in (self._known, self._chances, self._met):
            memory.clear()

    def _findings(self, journal: list[Entry], start: int, closed: bool) -> tuple[Finding, ...]:
        monitor = self._at(journal, start)
        feed = monitor.feed
        for number in range(start, len(journal)):
            feed(Event(number, *journal[number]))
        monitor.finish(quiescent=closed)
        self._last = monitor
        firsts = [(found[0].seqs[-1] if found[0].seqs else 0, rule, found[0].text) for rule, found in monitor.broken.items()]
        return tuple((rule, text) for _, rule, text in sorted(firsts) if RULES[rule].kind != STOCHASTIC)

    def _at(self, journal: list[Entry], start: int) -> Monitor:
        """A monitor that has seen what comes before the tasks."""
        if self._snapshot is not None and self._monitor is not None and journal[:start] == self._start:
            self._snapshot.restore()
            return self._monitor
        monitor = Monitor(era=self.era)
        for number in range(start):
            monitor.feed(Event(number, *journal[number]))
        if self._start is None:
            self._start = journal[:start]
            try:
                self._snapshot = Snapshot([monitor], constant=(Era,))
                self._monitor = monitor
            except Unfit:
                pass
        return monitor


def entry(event: Event) -> Entry:
    """An event as it stands in a journal."""
    return event[1:]
