"""A second look at a trace, once something was found: the lines that prove it, and whether the order of lines can be trusted.

Lines of different CPUs are in the order of their clocks, which may be off by microseconds. So a finding that rests on the order of
two tasks' lines counts only when no other task's line about the same page comes right behind it.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from itertools import takewhile

from movable.rules.stream.monitor import Violation
from movable.rules.table import RULES
from movable.trace.read.ftrace import Reader
from movable.trace.read.lookup import Part
from movable.trace.read.source import Source

SKEW_SECONDS = 20e-6
"""Seconds by which clocks of two CPUs may disagree."""
TWO_TASKS = frozenset(id for id, rule in RULES.items() if rule.two_tasks)
"""Rules whose violation may rest on the order of lines of different tasks."""
LINES_OF_SKEW = 1000
"""Lines before and after a suspect that are looked at; more are not written in that time."""
LINES_UNTIL_LEAKED = 500
"""Lines after a migration before an old page that was never freed counts as leaked."""
LINES_AFTER_LEAK = 2000
"""Lines after a migration in which a leaked page is looked for."""
LINES_AFTER_MOVE = 5
"""Lines about a leaked page that are shown after its migration."""


def text_of(source: Source, wanted: set[int]) -> dict[int, str]:
    """The text of these lines of a source that was read."""
    found: dict[int, str] = {}
    blocks: Iterator[tuple[int, list[str]]] = iter(())
    first, block = 1, list[str]()
    for line in sorted(wanted):
        if line >= first + len(block) and (not block or source.far(first, line)):
            blocks = source.blocks_from(line)
            first, block = next(blocks, (1, []))
        while block and line >= first + len(block):
            first, block = next(blocks, (1, []))
        if not block:
            break
        found[line] = block[line - first].strip()
    return found


def out_of_order(reader: Reader, suspects: Iterable[tuple[int, int, str]]) -> set[int]:
    """Lines among the suspects that lie within SKEW_SECONDS of another task's line about the same page.

    A suspect is a line number, a page and a task; ``reader`` has read the trace.
    """
    waiting = {line: (pfn, task) for line, pfn, task in suspects}
    explained: set[int] = set()
    if not waiting:
        return explained
    pages = {pfn for pfn, _ in waiting.values()}
    for lines in _runs(sorted(waiting)):
        before: dict[int, tuple[float, str]] = {}
        open_: list[tuple[float, int]] = []
        part = Part(reader, lines[0] - LINES_OF_SKEW)
        for event in part.events():
            pfn = event.pfn
            if pfn in pages:
                stamp = part.stamp
                open_ = [(until, line) for until, line in open_ if stamp <= until]
                explained.update(line for _, line in open_ if waiting[line][0] == pfn and waiting[line][1] != event.task)
                if event.seq in waiting:
                    earlier, task = before.get(pfn, (stamp, event.task))
                    if task != event.task and stamp - earlier <= SKEW_SECONDS:
                        explained.add(event.seq)
                    open_.append((stamp + SKEW_SECONDS, event.seq))
                before[pfn] = (stamp, event.task)
            if event.seq > lines[-1] and (not open_ or event.seq > lines[-1] + LINES_OF_SKEW):
                break
    return explained


def _runs(lines: Iterable[int]) -> Iterator[list[int]]:
    """Lines in order, in pieces of such as are near one another."""
    run: list[int] = []
    for line in lines:
        if run and line > run[-1] + 2 * LINES_OF_SKEW:
            yield run
            run = []
        run.append(line)
    if run:
        yield run


def seen_later(reader: Reader, leaks: Iterable[Violation]) -> dict[int, list[int]]:
    """For each leaked page, the lines about it soon after its migration, a few; ``reader`` has read the trace."""
    found: dict[int, list[int]] = {}
    for leak in leaks:
        moved = leak.seqs[-1]
        last = moved + LINES_AFTER_LEAK
        soon = takewhile(lambda event, last=last: event.seq <= last, Part(reader, moved).events())  # type: ignore[misc]
        found[leak.pfn] = [event.seq for event in soon if event.pfn == leak.pfn and event.seq > moved][:LINES_AFTER_MOVE]
    return found
