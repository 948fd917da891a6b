"""Text that was typed from a picture, or that a word processor set: its dashes, stars and spaces made the kernel's again."""

from __future__ import annotations

import re

_SIGNS = str.maketrans({
    **dict.fromkeys("\u2010\u2011\u2012\u2013\u2014\u2212", "-"), **dict.fromkeys("\u2217\u2731\u00d7\u2715\u22c5\u00b7", "*"),
    **dict.fromkeys("\u201c\u201d\u201e\u00ab\u00bb", '"'), **dict.fromkeys("\u2018\u2019\u201a", "'"),
    **dict.fromkeys("\u00a0\u2007\u2009\u202f", " "), "\uff1a": ":", "\uff1d": "=",
})  # fmt: skip
_TIMES = re.compile(r"(?<=\d) ?[xX] ?(?=\d{1,7} ?[kK]B)")


def as_printed(line: str) -> str:
    """A line as a kernel would have printed it."""
    if not line.isascii():
        line = line.translate(_SIGNS)
    return _TIMES.sub("*", line) if "x" in line and "kB" in line else line
