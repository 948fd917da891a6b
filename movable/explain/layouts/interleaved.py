"""Rows of Mem-Info that two processors printed into each other: the kernel writes a row in pieces, and others print between.

A row is put together again only where its pieces come in order and add up to the sum that ends it; what stood between them stays.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from itertools import product

_BEGINS = re.compile(r"\b(?:Node \d+ )?(?:DMA|DMA32|Normal|HighMem|Movable): (?=\d+\*\d+kB)")
_PIECE = re.compile(r"\s?(\d{1,15})\*(\d{1,9})kB(?: \([A-Z]{1,8}\))?")
_SUM = re.compile(r"\s?= (\d{1,15})kB")
_NOTHING = re.compile(r"[\s>|]*(?:\([A-Z]{1,8}\))?[\s>|]*")
MAX_LINES = 24  # that a row is spread over
MAX_READINGS = 256  # ways to read counts whose first digits may be of another text


def mended(lines: Sequence[str]) -> list[str]:
    """The lines, where a row that was torn stands whole in its first one."""
    found = list(lines)
    for at, line in enumerate(found):
        if "*" in line and "kB" in line and "kB = " not in line:
            _mend(found, at)
    return found


def _mend(lines: list[str], at: int) -> None:
    """Put the row that begins in line ``at`` together, where all of it is there."""
    begins = _BEGINS.search(lines[at])
    if begins is None:
        return
    pieces: list[re.Match[str]] = []
    parts: dict[int, list[str]] = {}  # of each line what stands before, between and behind the pieces in it
    for number in range(at, min(at + MAX_LINES, len(lines))):
        text, start = lines[number], begins.end() if number == at else 0
        if number > at and _BEGINS.search(text) is not None:
            return
        parts[number] = []
        while (piece := _next(text, start, pieces)) is not None:
            parts[number].append(text[start : piece.start()])
            start = piece.end()
            pieces.append(piece)
        total = _SUM.search(text, start) if len(pieces) > 1 else None
        parts[number].append(text[start:] if total is None else text[start : total.start()] + text[total.end() :])
        if total is not None:
            if all(_NOTHING.fullmatch(part) for of_line in parts.values() for part in of_line):
                return  # it was only wrapped
            _write(lines, at, begins.end(), parts, pieces, int(total[1]))
            return


def _next(text: str, start: int, pieces: Sequence[re.Match[str]]) -> re.Match[str] | None:
    """The next piece of a row: the order above that of the last one."""
    piece = _PIECE.search(text, start)
    return piece if piece is not None and (not pieces or int(piece[2]) == 2 * int(pieces[-1][2])) else None


def _write(
    lines: list[str], at: int, head: int, parts: dict[int, list[str]], pieces: Sequence[re.Match[str]], total: int
) -> None:
    """Write the row into line ``at``, whose first ``head`` characters name its zone, and leave the rest where it was."""
    counts = _fit(pieces, total)
    if not counts:
        return
    row = " ".join(f"{count}*{piece[0].strip().partition('*')[2]}" for (_, count), piece in zip(counts, pieces, strict=True))
    others = iter([*(digits for digits, _ in counts)])
    rest = {
        number: "".join(part + (next(others) if place < len(of_line) - 1 else "") for place, part in enumerate(of_line))
        for number, of_line in parts.items()
    }
    begun = lines[at][:head]
    for number, text in rest.items():
        lines[number] = text.replace(" ,", ",").strip()
    lines[at] = f"{begun}{row} = {total}kB {lines[at]}".rstrip()


def _fit(pieces: Sequence[re.Match[str]], total: int) -> list[tuple[str, int]]:
    """Of each count the digits that are another text's, and the number: so that the sum is ``total``. Empty where none fits."""
    for number, counts in enumerate(product(*map(_readings, pieces))):
        if number > MAX_READINGS:
            return []
        if sum(count * int(piece[2]) for (_, count), piece in zip(counts, pieces, strict=True)) == total:
            return list(counts)
    return []


def _readings(piece: re.Match[str]) -> Iterator[tuple[str, int]]:
    """What a count may be: all of its digits; where another text stands right before it, that text's number may end in them."""
    digits, before = piece[1], piece.string[piece.start() - 1 : piece.start()] if piece.start() else ""
    if piece[0][0].isspace() or not before or before in " \t)":
        yield "", int(digits)
        return
    yield from ((digits[:first], int(digits[first:])) for first in range(1, len(digits)))
    yield "", int(digits)


__all__ = ["mended"]
