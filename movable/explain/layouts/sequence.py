"""The order of a log's lines: services show the newest first, and mail programs break a long line in two."""

from __future__ import annotations

import re
from collections.abc import Sequence
from itertools import pairwise

_SINCE_BOOT = re.compile(r"\[\s*(\d{1,9}\.\d{6})\]")
_DATED = re.compile(r"\b(\d{4}-\d\d-\d\d)[T ](\d\d:\d\d:\d\d(?:[.,]\d{1,9})?)")
LEAST_STAMPS = 4
_BEGUN = re.compile(r"\bpage allocation failure\b|\binvoked oom-killer:")
_GOES_ON = re.compile(r"^[\s>|]*(?=(?:mode:|order[:=]|gfp_mask=|nodemask=|cpuset=|mems_allowed=|oom_score_adj=|__GFP_|GFP_))")
MOST_PARTS = 4


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
