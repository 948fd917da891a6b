"""A second look at a trace, once something was found: the lines that prove it, and whether the order of lines can be trusted.

Lines of different CPUs are in the order of their clocks, which may be off by microseconds. So a finding that rests on the order of
two tasks' lines counts only when no other task's line about the same page comes right behind it.
"""

from __future__ import annotations

from collections.abc import Iterable

from movable.rules.stream.monitor import Violation
from movable.rules.table import RULES
from movable.trace.read.ftrace import Reader
from movable.trace.read.source import Source

SKEW_SECONDS = 20e-6
"""Seconds by which clocks of two CPUs may disagree."""
TWO_TASKS = frozenset(id for id, rule in RULES.items() if rule.two_tasks)
"""Rules whose violation may rest on the order of lines of different tasks."""
LINES_AFTER_MOVE = 5
"""Lines about a leaked page that are shown after its migration."""


def text_of(source: Source, wanted: set[int]) -> dict[int, str]:
    """The text of these lines."""
    found: dict[int, str] = {}
    if not wanted:
        return found
    last = max(wanted)
    number = 0
    for block in source.blocks():
        for line in wanted.intersection(range(number + 1, number + len(block) + 1)):
            found[line] = block[line - number - 1].strip()
        number += len(block)
        if number >= last:
            break
    return found


def out_of_order(reader: Reader, suspects: Iterable[tuple[int, int, str]]) -> set[int]:
    """Lines among the suspects that lie within SKEW_SECONDS of another task's line about the same page.

    A suspect is a line number, a page and a task; ``reader`` is a fresh one.
    """
    waiting = {line: (pfn, task) for line, pfn, task in suspects}
    explained: set[int] = set()
    if not waiting:
        return explained
    last = max(waiting)
    pages = {pfn for pfn, _ in waiting.values()}
    before: dict[int, tuple[float, str]] = {}
    open_: list[tuple[float, int]] = []
    for event in reader.events():
        pfn = event.pfn
        if pfn in pages:
            stamp = reader.stamp
            open_ = [(until, line) for until, line in open_ if stamp <= until]
            explained.update(line for _, line in open_ if waiting[line][0] == pfn and waiting[line][1] != event.task)
            if event.seq in waiting:
                earlier, task = before.get(pfn, (stamp, event.task))
                if task != event.task and stamp - earlier <= SKEW_SECONDS:
                    explained.add(event.seq)
                open_.append((stamp + SKEW_SECONDS, event.seq))
            before[pfn] = (stamp, event.task)
        if event.seq > last and not open_:
            break
    return explained


def seen_later(reader: Reader, leaks: Iterable[Violation]) -> dict[int, list[int]]:
    """For each leaked page, the lines about it from its migration on, a few; ``reader`` is a fresh one."""
    begun = {one.pfn: one.seqs[-1] for one in leaks}
    found: dict[int, list[int]] = {pfn: [] for pfn in begun}
    if not begun:
        return found
    for event in reader.events():
        after = begun.get(event.pfn)
        if after is not None and event.seq > after and len(found[event.pfn]) < LINES_AFTER_MOVE:
            found[event.pfn].append(event.seq)
    return found
