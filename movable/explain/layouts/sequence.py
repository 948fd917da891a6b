"""The order of a log's lines: services show the newest first, and mail programs and terminals break a long line in two."""

from __future__ import annotations

import re
from collections.abc import Sequence
from itertools import pairwise

from movable.explain.layouts.prefixes import KNOWN

_SINCE_BOOT = re.compile(r"\[\s*(\d{1,9}\.\d{6})\]")
_DATED = re.compile(r"\b(\d{4}-\d\d-\d\d)[T ](\d\d:\d\d:\d\d(?:[.,]\d{1,9})?)")
LEAST_STAMPS = 4
_BEGUN = re.compile(r"\bpage allocation failure\b|\binvoked oom-killer:")
_GOES_ON = re.compile(r"^[\s>|]*(?=(?:mode:|order[:=]|gfp_mask=|nodemask=|cpuset=|mems_allowed=|oom_score_adj=|__GFP_|GFP_))")
MOST_PARTS = 4
_LONG = re.compile(
    r"\bNode \d+ (?:\w+ free:\d|\w+: \d+\*\d|active_anon:|hugepages_total=)|page allocation failure|invoked oom-killer:|"
    r"\bCPU: \d+ |\bHardware name: "
)
"""What is in lines of the kernel that are longer than a terminal is wide."""
_BEGINS = re.compile(r"\s*(?:$|[\[<>|{\"]|[A-Z][a-z]{2}\s+\d+ |\d{4}-\d\d-\d\d|\? |\w+\+0x)")
"""How a line begins that no other goes on in: empty, or with a stamp, a quote mark or a frame of a call trace."""
LEAST_WIDTH, LEAST_BROKEN = 60, 2  # columns of a terminal; lines that fill it and go on


def newest_first(lines: Sequence[str]) -> bool:
    """Whether the stamps of a log go backwards, all of them."""
    for stamp in (_SINCE_BOOT, _DATED):
        found = [moment.groups() for line in lines if (moment := stamp.search(line)) is not None]
        times = [float(one[0]) for one in found] if stamp is _SINCE_BOOT else ["T".join(one).replace(",", ".") for one in found]
        if len(set(times)) >= LEAST_STAMPS:
            return all(before >= after for before, after in pairwise(times))  # type: ignore[operator]
    return False


def whole_headings(lines: Sequence[str]) -> list[str]:
    """The lines, where the first line of a report that was wrapped stands whole; its other parts are empty."""
    found = list(lines)
    for at, line in enumerate(found):
        if ("allocation failure" in line or "oom-killer" in line) and _BEGUN.search(line):
            for after in range(at + 1, min(at + MOST_PARTS, len(found))):
                rest = _GOES_ON.match(found[after])
                if rest is None:
                    break
                glue = "" if found[at].endswith(("|", "(")) else " "
                found[at], found[after] = found[at].rstrip() + glue + found[after][rest.end() :], ""
    return found


def unbroken(lines: Sequence[str]) -> list[str]:
    """The lines, put together again where a terminal of so many columns broke them, in the middle of a word or not."""
    width = max((len(line) for line in lines), default=0)
    if width < LEAST_WIDTH or sum(len(line) == width for line in lines) < LEAST_BROKEN:
        return list(lines)
    goes_on = [at for at in range(len(lines) - 1) if _may_go_on(lines[at], lines[at + 1])]
    long = [at for at in goes_on if 4 * len(lines[at]) >= 3 * width]
    full = [at for at in long if len(lines[at]) == width]
    if len(full) < LEAST_BROKEN or 5 * len(full) < 4 * len(long):
        return list(lines)
    found, at = list(lines), 0
    while at < len(found):
        after = at + 1
        known = _LONG.search(lines[at]) is not None
        while known and after < len(lines) and len(lines[after - 1]) == width and not _is_new(lines[after]):
            found[at], found[after] = found[at] + lines[after], ""
            after += 1
        at = after
    return found


def _may_go_on(line: str, after: str) -> bool:
    return _LONG.search(line) is not None and not _is_new(after)


def _is_new(line: str) -> bool:
    known = KNOWN.search(line)
    return _BEGINS.match(line) is not None or (known is not None and known.start() < 2)
