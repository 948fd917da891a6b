"""The symbols of a shared object, read from its file (ELF, 64 bits, little-endian)."""

from __future__ import annotations

import struct
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

SECTION, SYMBOL = struct.Struct("<IIQQQQIIQQ"), struct.Struct("<IBBHQQ")
SYMTAB = 2
"""The type of the section that has all symbols."""
MARKERS = (3, 4)
"""Types of symbols that stand for a section or a file."""
WEAK = 2


class Symbol(NamedTuple):
    """One symbol: its name, where it lies in the file's own addresses, its bytes, whether it is defined here, and whether others
    need not define it."""

    name: str
    at: int
    size: int
    defined: bool
    weak: bool


def symbols(path: Path) -> Iterator[Symbol]:
    """The symbols of a file, in its order, but those that stand for sections and files."""
    data = path.read_bytes()
    start = struct.unpack_from("<Q", data, 40)[0]
    count = struct.unpack_from("<H", data, 60)[0]
    sections = [SECTION.unpack_from(data, start + number * SECTION.size) for number in range(count)]
    for _, kind, _, _, offset, size, link, *_ in sections:
        if kind != SYMTAB:
            continue
        names = sections[link][4]
        for text, info, _, section, at, length in SYMBOL.iter_unpack(data[offset : offset + size]):
            if text and info & 15 not in MARKERS:
                name = data[names + text : data.index(b"\0", names + text)].decode()
                yield Symbol(name, at, length, section != 0, info >> 4 == WEAK)
