"""Text that was typed from a picture, or that a word processor set: its dashes, stars and spaces made the kernel's again."""

from __future__ import annotations

import re

_BLANKS = str.maketrans(dict.fromkeys("\u00a0\u2007\u2009\u202f", " "))
_SIGNS = _BLANKS | str.maketrans({
    **dict.fromkeys("\u2010\u2011\u2012\u2013\u2014\u2212", "-"), **dict.fromkeys("\u2217\u2731\u00d7\u2715\u22c5\u00b7", "*"),
    **dict.fromkeys("\u201c\u201d\u201e\u00ab\u00bb", '"'), **dict.fromkeys("\u2018\u2019\u201a", "'"),
    "\uff1a": ":", "\uff1d": "=",
})  # fmt: skip
_TIMES = re.compile(r"(?<=[\dOolI]) ?[xX*] ?(?=\d{1,7} ?[kK]B)")
_COUNT = re.compile(r"(?<![\w.])[\dOolI]{1,18}(?=\*\d{1,7} ?[kK]B)")
_APART = re.compile(r"(?<=\d) (?=[kK]B\b)")
_NODE = re.compile(r"\bNode [Oo](?=[ ,])")
_DIGITS = str.maketrans("OolI", "0011")


def with_plain_blanks(text: str) -> str:
    """A text whose blanks are spaces, without the mark that some editors put at its beginning."""
    return text if text.isascii() else text.lstrip("\ufeff\u200b").translate(_BLANKS)


def as_printed(line: str) -> str:
    """A line as a kernel would have printed it."""
    if not line.isascii():
        line = line.translate(_SIGNS)
    if ("*" in line or "x" in line) and ("kB" in line or "KB" in line) and _TIMES.search(line):
        line = _COUNT.sub(lambda found: found[0].translate(_DIGITS), _APART.sub("", _TIMES.sub("*", line)))
    return _NODE.sub("Node 0", line) if "Node O" in line or "Node o" in line else line
