"""What a log puts before every line of the kernel, found in the text itself: several lines have the same before known words."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Sequence

from movable.explain.layouts.stamps import plain

KNOWN = re.compile(
    r"Mem-[Ii]nfo:|Node \d+ (?:\w+ free:\d|\w+: \d+\*\d|active_anon:|hugepages_total=)|\bactive_anon:\d|lowmem_reserve\[\]:|"
    r"Call [Tt]race:|Hardware name: |\bCPU: \d+ |\bPid: \d+, |\d+ pages (?:RAM|reserved|in swap cache)|(?:Free|Total) swap +=|"
    r"Node +\d+, zone |page dumped because: |\bmigrating pfn |\bflags: 0x[0-9a-f]+\(|\braw: [0-9a-f]{8,16} |\bcompact_stall \d"
)
"""How lines of the kernel begin."""
_OTHER = re.compile(r'^\s*(?:[{"]|\[\s*[{"])|\{\s*\\?"|^\s*[\w.-]{1,60}:\s+$')
"""Lines of JSON are taken apart by themselves, and a name alone says which machine a line is of."""
LEAST_TIMES = 3
MOST_SHAPES = 4
LONGEST_PREFIX = 160  # characters


def without_prefixes(lines: Sequence[str]) -> list[str]:
    """The lines without what stands before the kernel's words in several of them, whatever its numbers are."""
    shapes: Counter[str] = Counter()
    for line in lines:
        known = KNOWN.search(line, 0, LONGEST_PREFIX + 40)
        before = "" if known is None else line[: known.start()]
        if before.strip() and _OTHER.search(before) is None and plain(before).strip():
            shapes[_shape(before)] += 1
    often = [re.compile(shape) for shape, times in shapes.most_common(MOST_SHAPES) if times >= LEAST_TIMES]
    found = list(lines)
    for at, line in enumerate(found if often else ()):
        match = next((match for shape in often if (match := shape.match(line)) is not None), None)
        found[at] = line if match is None else line[match.end() :]
    return found


def _shape(before: str) -> str:
    """A pattern of a prefix, in which each number may be another."""
    return re.sub(r"\d+", lambda _: r"\d+", re.escape(before))
