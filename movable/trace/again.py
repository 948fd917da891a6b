"""A second look at a trace, once something was found: the lines that prove it, and whether the order of lines can be trusted.

Lines of different CPUs are in the order of their clocks, which may be off by microseconds. So a finding that rests on the order of
two tasks' lines counts only when no other task's line about the same page comes right behind it.
"""

from __future__ import annotations

from collections.abc import Iterable

from movable.contract.monitor import Violation
from movable.trace.read import Reader
from movable.trace.source import Source

SKEW = 20e-6
"""Seconds by which clocks of two CPUs may disagree."""
TWO_TASKS = frozenset(("V1", "V2", "V12", "V25", "D11", "D29"))
"""Rules whose violation may rest on the order of lines of different tasks."""
AFTERWARDS = 5
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


def out_of_order(reader: Reader, violations: Iterable[Violation]) -> set[int]:
    """Lines of those violations that another task's line about the same page follows within SKEW.

    ``reader`` is a fresh one; violations of rules that rest on one task's lines are never among them.
    """
    waiting = {one.seqs[-1]: one for one in violations if one.rule in TWO_TASKS and one.pfn >= 0}
    explained: set[int] = set()
    if not waiting:
        return explained
    last = max(waiting)
    open_: list[tuple[float, Violation]] = []
    for event in reader.events():
        if open_:
            stamp = reader.stamp
            open_ = [(until, one) for until, one in open_ if stamp <= until]
            explained.update(one.seqs[-1] for _, one in open_ if event.pfn == one.pfn and event.task != one.task)
        elif event.seq > last:
            break
        one = waiting.get(event.seq)
        if one is not None:
            open_.append((reader.stamp + SKEW, one))
    return explained


def seen_later(reader: Reader, leaks: Iterable[Violation]) -> dict[int, list[int]]:
    """For each leaked page, the lines about it from its migration on, a few; ``reader`` is a fresh one."""
    begun = {one.pfn: one.seqs[-1] for one in leaks}
    found: dict[int, list[int]] = {pfn: [] for pfn in begun}
    if not begun:
        return found
    for event in reader.events():
        after = begun.get(event.pfn)
        if after is not None and event.seq > after and len(found[event.pfn]) < AFTERWARDS:
            found[event.pfn].append(event.seq)
    return found
