"""Whether the lines that prove a finding can be believed: none is damaged, and each agrees with those around it.

A damaged recording must not make a driver guilty. What a line says of a page is compared with the lines about the same page before
and after it, and the times of the lines with their order.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Iterable

from movable.rules.stream.monitor import Violation

AROUND = 200
"""Lines before and after a proof in which the same page is looked for."""
LAST = 4
"""Lines of a finding, the last ones, that are looked at."""
LOOKED_AT = 20
"""Findings of one rule that are looked at."""
PLACE_BITS = 24
"""From this bit on a flags word says where a page lies: section, node and zone. They never change."""

TIME = re.compile(r"\s(\d+\.\d+): (\w+): ")
POINTER = re.compile(r"\b(?:page|src)=(0x[0-9a-f]+)")
FLAGS = re.compile(r"\bflags=0x([0-9a-f]+)")
REFS = re.compile(r"\brefs=(-?\d+)")


def lines_of(findings: Iterable[Violation]) -> set[int]:
    """The lines that say whether findings can be believed: those that prove them, and those around them."""
    chosen = [one for one in findings if one.seqs]
    wanted = {line for one in chosen for seq in one.seqs[-LAST:] for line in (seq - 1, seq, seq + 1)}
    wanted |= {line for one in chosen for line in range(one.seqs[-1] - AROUND, one.seqs[-1] + AROUND + 1)}
    return {line for line in wanted if line > 0}


def doubts(findings: Iterable[Violation], text: dict[int, str], touched: Collection[int]) -> dict[int, str]:
    """The last lines of findings whose proof cannot be believed, and why; ``text`` are the lines of ``lines_of``."""
    chosen = [one for one in findings if one.seqs]
    found = {one.seqs[-1]: "it is damaged, or contradicts another line" for one in chosen if one.seqs[-1] in touched}
    for one in chosen:
        if one.seqs[-1] in found:
            continue
        why = _out_of_time(one, text) or _elsewhere(one, text) or _freed_for_one_line(one, text)
        if why:
            found[one.seqs[-1]] = why
    return found


def _out_of_time(one: Violation, text: dict[int, str]) -> str:
    """The kernel prints lines in the order of their times."""
    for seq in one.seqs[-LAST:]:
        times = [float(match[1]) for line in (seq - 1, seq, seq + 1) if (match := TIME.search(text.get(line, "")))]
        if times != sorted(times):
            return f"line {seq} is out of the order of time"
    return ""


def _elsewhere(one: Violation, text: dict[int, str]) -> str:
    """A page stays where it is, so the upper part of its flags stays too."""
    last = one.seqs[-1]
    page, word = POINTER.search(text.get(last, "")), FLAGS.search(text.get(last, ""))
    if page is None or word is None:
        return ""
    others = {
        int(flags[1], 16) >> PLACE_BITS
        for line in range(last - AROUND, last + AROUND + 1)
        if line != last and f"={page[1]} " in text.get(line, "") and "dst=" not in text[line]
        and (flags := FLAGS.search(text[line]))
    }  # fmt: skip
    mine = int(word[1], 16) >> PLACE_BITS
    return "" if not others or mine in others else f"the flags of line {last} are of another place of memory than its page"


def _freed_for_one_line(one: Violation, text: dict[int, str]) -> str:
    """A page without a reference is free, and no task that had it a line before and has it a line later saw that."""
    last = one.seqs[-1]
    page, refs = POINTER.search(text.get(last, "")), REFS.search(text.get(last, ""))
    if page is None or refs is None or int(refs[1]) > 0:
        return ""
    task = text[last].partition("[")[0]
    for lines in (range(last - 1, last - AROUND, -1), range(last + 1, last + AROUND)):
        other = next((text[line] for line in lines if f"={page[1]} " in text.get(line, "") and REFS.search(text[line])), "")
        found = REFS.search(other)
        if found is None or int(found[1]) <= 0 or other.partition("[")[0] != task:
            return ""
    return f"page {page[1]} has no reference in line {last}, and has some before and after"
