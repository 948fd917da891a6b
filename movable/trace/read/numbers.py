"""Numbers as the kernel's probes print them, and nothing else: no underscores, no octal, no sign where the field has none."""

from __future__ import annotations

import re

HEX = re.compile(r"0x(?:0|[1-9a-f][0-9a-f]{0,15})")
"""``:x64`` and shorter: addresses, flag words, modes of isolation."""
UNSIGNED = re.compile(r"0|[1-9][0-9]{0,19}")
"""``:u64`` and shorter."""
SIGNED = re.compile(r"0|-?[1-9][0-9]{0,9}")
"""``:s32``: what functions return; counts of references, which no working kernel lets fall below zero."""
EITHER = re.compile(f"{HEX.pattern}|{SIGNED.pattern}")

GRAMMAR = {
    **dict.fromkeys(("page", "newpage", "src", "dst", "mops", "flags", "nflags", "mapping"), HEX),
    **dict.fromkeys(("reason", "refs"), UNSIGNED),
    **dict.fromkeys(("mode", "ret"), EITHER),
}
"""What a field holds."""
def _named(grammar: re.Pattern[str]) -> str:
    """An alternative for the fields of a grammar."""
    return f"(?:{'|'.join(name for name, one in GRAMMAR.items() if one is grammar)})="


_TOKEN = re.compile(
    f"{_named(HEX)}({HEX.pattern})|{_named(UNSIGNED)}({UNSIGNED.pattern})"
    f"|(?!{_named(HEX)}|{_named(UNSIGNED)})[^=]*=(?:({HEX.pattern})|({SIGNED.pattern}))"
)
"""All of GRAMMAR at once, which is what almost every token is: a group for each way to write a number."""
_BASE = (0, 16, 10, 16, 10)
UNREAD = ("(fault)", "(null)")
"""What a probe prints where the memory could not be read."""


class Damaged(ValueError):
    """A line that no kernel printed so; the message says what is wrong with it."""


class Fault(Damaged):
    """A value that the probe could not read, where nothing can be said without it."""


def number(token: str) -> int | None:
    """The number of a ``name=value``; None where the probe could not read it. Raises Damaged."""
    found = _TOKEN.fullmatch(token)
    if found is not None:
        way = found.lastindex or 0
        return int(found[way], _BASE[way])
    _, equals, word = token.partition("=")
    if word in UNREAD:
        return None
    raise Damaged(f"{token} is no number" if equals else f"{token} is no field")


def events_in(text: str) -> int:
    """A number of events as a header says it, whatever it says; more digits than any count has are left away."""
    return int(text[:18]) if text.isdecimal() else 0
