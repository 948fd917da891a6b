"""Of which machine a line is, where a text was put together of several: by its prompts, and by the hosts in its logs."""

from __future__ import annotations

import re
from collections.abc import Sequence

_PROMPT = re.compile(
    r"^(?:[\s>]|<[^<>]{1,40}>)*(?:\[?[\w.-]{1,32}@([\w.-]{1,64})(?::\s?[~/]\S{0,80}?|:|\s\S{1,60}?)?\s?[#$%]\s+\S|"
    r"([A-Za-z][\w.-]{1,64}):[~/](?!/)[^\s#$%]{0,80}[#$%]\s+\S)"
)
_LOGGED = re.compile(
    r"\d\d:\d\d:\d\d\S*\s(?:<?\w+>?\s)?((?!kern\.)[A-Za-z][\w.-]{0,64})\s"
    r"(?:kern\.\w+\s)?kernel(?:\[\d+\])?(?::\s|\s-)"
)


def host_of(line: str) -> str:
    """The host that a line names before a command, or before a kernel's message; "" where it names none."""
    found = _PROMPT.match(line) if ("#" in line or "$" in line or "%" in line) and (":" in line or "@" in line) else None
    found = found or (_LOGGED.search(line[:200]) if " kernel" in line else None)
    return "" if found is None else next(name for name in found.groups() if name)


def several(lines: Sequence[str]) -> bool:
    """Whether lines are of more than one host; a name with its domain and without it are one."""
    names = {host_of(line) for line in lines} - {""}
    return len({name if name[0].isdecimal() else name.partition(".")[0].lower() for name in names}) > 1
