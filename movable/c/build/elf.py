"""The symbols of a shared object, read from its file (ELF, 64 bits, little-endian)."""

from __future__ import annotations

import struct
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

SECTION, SYMBOL = struct.Struct("<IIQQQQIIQQ"), struct.Struct("<IBBHQQ")
SYMTAB = 2
"""The type of the section that has all symbols."""
ARRAYS = (14, 15, 16)
"""Types of sections with the addresses of functions that a loader calls."""
MARKERS, IFUNC = (3, 4), 10
"""Types of symbols: those that stand for a section or a file; a function that a loader asks for the one that is meant."""
WEAK = 2


class Symbol(NamedTuple):
    """One symbol: its name, where it lies in the file's own addresses, its bytes, whether it is defined here, whether others need
    not define it, and whether a loader has to call something for it."""

    name: str
    at: int
    size: int
    defined: bool
    weak: bool
    asked: bool


def symbols(path: Path) -> Iterator[Symbol]:
    """The symbols of a file, in its order, but those that stand for sections and files."""
    data = path.read_bytes()
    sections = _sections(data)
    for _, kind, _, _, offset, size, link, *_ in sections:
        if kind != SYMTAB:
            continue
        names = sections[link][4]
        for text, info, _, section, at, length in SYMBOL.iter_unpack(data[offset : offset + size]):
            if text and info & 15 not in MARKERS:
                name = data[names + text : data.index(b"\0", names + text)].decode()
                yield Symbol(name, at, length, section != 0, info >> 4 == WEAK, info & 15 == IFUNC)


def _sections(data: bytes) -> list[tuple[int, ...]]:
    start = struct.unpack_from("<Q", data, 40)[0]
    count = struct.unpack_from("<H", data, 60)[0]
    return [SECTION.unpack_from(data, start + number * SECTION.size) for number in range(count)]


def called_by_loader(path: Path) -> int:
    """How many functions of a file a loader calls when it comes and when it goes."""
    return sum(section[5] // 8 for section in _sections(path.read_bytes()) if section[1] in ARRAYS)
