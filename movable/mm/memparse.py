"""Sizes of memory, read as people type them and written for people (lib/cmdline.c: memparse; string_get_size)."""

from __future__ import annotations

import re

from movable.errors import UsageError

UNITS = {"": 1, "K": 1 << 10, "M": 1 << 20, "G": 1 << 30}


def parse_size(text: str, what: str = "") -> int:
    """Bytes that a size such as 256M, 1G, 512MiB or 1048576 means.

    Raises UsageError for anything else; ``what`` says there whose size it is, such as an option.
    """
    match = re.fullmatch(r"(\d{1,18})\s*([KMG]?)(?:I?B)?", text.strip().upper(), re.ASCII)
    if match is None:
        raise UsageError(f"{what} {text!r} is not a size; write a number with K, M or G, such as 256M".lstrip())
    return int(match[1]) * UNITS[match[2]]


def size_text(size: int) -> str:
    """A size as a person would type it: the largest unit that leaves a whole number."""
    for unit, factor in reversed(UNITS.items()):
        if size and size % factor == 0:
            return f"{size // factor}{unit}"
    return str(size)


def readable(size: int) -> str:
    """A size for a sentence: "832 bytes", "17.9 MiB", "256 MiB"."""
    if size < 1024:
        return f"{size} bytes"
    value, unit = size / 1024, "KiB"
    for larger in ("MiB", "GiB"):
        if value >= 1024:
            value, unit = value / 1024, larger
    return f"{value:.1f}".removesuffix(".0") + f" {unit}"
