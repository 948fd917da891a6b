"""Lines that were joined on the way: newlines written as two characters, or lost."""

from __future__ import annotations

import re
from collections.abc import Iterator

_NEWLINES = re.compile(r"\\r\\n|\\n|#012|\\x0a")
_STAMP = r"(?<=[^:\]>]\s)(?:[A-Z][a-z]{2}\s+\d+\s[\d:]{8}\s\S+\skernel:|\[\s*\d+\.\d{6}\])\s"
_STAMPED = re.compile(_STAMP)
_BEGINS = re.compile(
    _STAMP + r"|\bNode\s+\d+\s*,\s*zone\s|\bNode\s+\d+\s+\w+\s+free:\d|\bNode\s+\d+\s+\w+:\s+\d+\*\d+kB|"
    r"\bNode\s+\d+\s+(?:active_anon:|hugepages_total)|"
    r"\blowmem_reserve\[\]:|\bMem-[Ii]nfo:|\bNumber of (?:mixed )?blocks\b|"
    r"\bFree pages count per|\bPage block order:|\bPages per block:|"
    r"(?<=kB)\s+(?=\w+:\s\d+\*4kB)"
)
_ROW = re.compile(r"Node\s+\d+\s*,\s*zone\s+\w+(?:\s*,\s*type\s+\w+)?(?:\s+>?\d+){4,}(?:\s+(?:\.{2,}|…))?\s(?!\s*(?:[\d…>]|\.\.))")
"""A row with all its numbers, behind which words go on."""
_GATES = (" kernel: ", "] ", "Node ", "Node\t", "Pages per block", "lowmem_reserve", "*4kB")


def lines_in(text: str) -> Iterator[str]:
    """The lines that one line was made of; mostly that is itself."""
    if "\\" in text or "#012" in text:
        text = _NEWLINES.sub("\n", text).replace("\\t", " ").replace("#011", " ").replace("\\x09", " ")
    for line in text.split("\n"):
        yield from _parted(line)


def _parted(line: str) -> Iterator[str]:
    """Rows of tables that stand one behind the other: each begins with its node and zone, or is a title."""
    if sum(line.count(gate) for gate in _GATES) < 2:
        yield line
        return
    starts = [found.start() for found in _BEGINS.finditer(line)]
    if not starts or (len(starts) == 1 and _STAMPED.match(line, starts[0]) is None):
        yield line
        return
    for first, end in zip([0, *starts], [*starts, len(line)], strict=True):
        row = _ROW.match(line, first, end)
        cut = row.end() if row is not None else end
        yield from (part for part in (line[first:cut], line[cut:end]) if part.strip())
