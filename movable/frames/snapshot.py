"""The frames and zones of a real machine, from files saved off /proc or from this machine."""

from __future__ import annotations

import gzip
import re
import zlib
from collections.abc import Iterator
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import NamedTuple

from movable.eras import nearest_era
from movable.errors import UsageError
from movable.frames.kinds import FREE, HOLE, KERNEL, KINDS, kind_of
from movable.mm.gfp import MAX_ORDER
from movable.mm.proc import parse_buddyinfo, parse_pagetypeinfo

MAX_FRAMES = 1 << 28
"""1 TiB of frames of 4 KiB; a larger machine is refused."""
PROC = Path("/proc")
HOW = "save /proc/kpageflags and /proc/zoneinfo of the machine there, as root (gzip is fine)"


class Span(NamedTuple):
    """A zone: its frames, holes included."""

    node: int
    zone: str
    start: int
    end: int


FREE_CODE = KINDS.index(FREE)
HOLE_CODE = KINDS.index(HOLE)
FREE_BYTE = bytes([FREE_CODE])
KERNEL_CODE = KINDS.index(KERNEL)
MOVABLE_CODE = len(KINDS)
FIXED_CODES = tuple(code for code, kind in enumerate(KINDS) if not kind.movable and kind.there)
"""Codes of frames: the number of their kind in KINDS, MOVABLE_CODE for all that can move."""


@dataclass(frozen=True)
class Snapshot:
    """``flags`` has a word for each frame, by number; ``zones`` are those that span any.

    ``watermarks`` are (min, low, high) in pages, ``zspages`` how many frames zsmalloc has, ``block_counts`` pageblocks by the name
    of their type, where the files say it.
    """

    name: str
    flags: memoryview
    zones: list[Span]
    pageblock_order: int = 9
    watermarks: dict[Span, tuple[int, int, int]] = field(default_factory=dict)
    zspages: dict[Span, int] = field(default_factory=dict)
    block_counts: dict[Span, dict[str, int]] = field(default_factory=dict)
    buddyinfo: dict[Span, list[int]] = field(default_factory=dict)
    vmstat: dict[str, int] = field(default_factory=dict)

    @cached_property
    def codes(self) -> bytes:
        """A code for each frame."""
        table = {word: kind_of(word) for word in set(self.flags)}
        by_word = {word: MOVABLE_CODE if kind.movable and not kind.free else KINDS.index(kind) for word, kind in table.items()}
        return bytes(map(by_word.__getitem__, self.flags))

    def free_blocks(self, span: Span) -> list[int]:
        """Free blocks of a zone by order, as the allocator must have them: merged as far as they align."""
        counts = [0] * MAX_ORDER
        for _, order in free_blocks(self.codes, span.start, min(span.end, len(self.codes))):
            counts[order] += 1
        return counts


def free_blocks(codes: bytes, start: int, end: int) -> Iterator[tuple[int, int]]:
    """(first frame, order) of the free blocks of a stretch of frames, as the allocator must have them."""
    find = codes.find
    pfn = find(FREE_CODE, start, end)
    while pfn >= 0:
        stop = _run_end(codes, pfn, end)
        while pfn < stop:
            order = min(MAX_ORDER - 1, (stop - pfn).bit_length() - 1)
            if pfn:
                order = min(order, (pfn & -pfn).bit_length() - 1)
            yield pfn, order
            pfn += 1 << order
        pfn = find(FREE_CODE, stop, end)


def _run_end(codes: bytes, pfn: int, end: int) -> int:
    """The end of the run of free frames that begins at ``pfn``."""
    if pfn + 1 < end and codes[pfn + 1] != FREE_CODE:
        return pfn + 1
    step = 64
    while pfn < end:
        piece = codes[pfn : min(pfn + step, end)]
        rest = piece.lstrip(FREE_BYTE)
        if rest:
            return pfn + len(piece) - len(rest)
        pfn += len(piece)
        step = min(step * 8, 1 << 20)
    return end


def take(folder: Path, *, flags: bool = True) -> Snapshot:
    """Read a folder of saved files, or /proc itself. Raises UsageError for what is missing, damaged or not allowed.

    kpageflags and zoneinfo must be there; buddyinfo, pagetypeinfo and vmstat say more where they are. With ``flags`` False a folder
    without kpageflags will do, if it has a buddyinfo.
    """
    bare = not flags and _there(folder, "buddyinfo") and not _there(folder, "kpageflags")
    words = b"" if bare else _bytes(folder, "kpageflags")
    if not bare and (not words or len(words) % 8):
        raise UsageError(f"{folder}/kpageflags: {len(words)} bytes are no whole words of 8; {HOW}")
    values = read_zoneinfo(_text(folder, "zoneinfo"))
    if not values:
        raise UsageError(f"{folder}/zoneinfo: no zone with 'spanned' and 'start_pfn' in it; {HOW}")
    spans = {(span.node, span.zone): span for span in values}
    order, blocks = _pageblocks(folder, spans)
    marks = {span: (one["min"], one["low"], one["high"]) for span, one in values.items() if {"min", "low", "high"} <= one.keys()}
    return Snapshot(
        str(folder), memoryview(words).cast("Q"), list(values), order, marks,
        {span: one["nr_zspages"] for span, one in values.items() if one.get("nr_zspages")}, blocks,
        _buddyinfo(folder, spans), _vmstat(folder),
    )  # fmt: skip


def era_of(folder: Path) -> str:
    """The era that the kernel of the files runs as, by what uname or version says there or above; 6.1 for no answer."""
    named = ("uname", "../uname", "version", "osrelease", "sys/kernel/osrelease")
    for path in (folder / name for name in named):
        try:
            found = None if path.is_fifo() else re.search(r"\b\d{1,2}\.\d{1,3}\b", path.read_text(errors="replace")[:400])
        except OSError:
            continue
        near = nearest_era(found[0]) if found else None
        if near is not None:
            return near.name
    return "6.1"


def _there(folder: Path, name: str) -> bool:
    return (folder / name).exists() or (folder / f"{name}.gz").exists()


def _text(folder: Path, name: str) -> str:
    return _bytes(folder, name).decode("utf-8", "replace")


def _buddyinfo(folder: Path, spans: dict[tuple[int, str], Span]) -> dict[Span, list[int]]:
    if not _there(folder, "buddyinfo"):
        return {}
    try:
        rows = parse_buddyinfo(_text(folder, "buddyinfo"))
    except UsageError as error:
        raise UsageError(f"{folder}/buddyinfo: {error}") from None
    return {spans[row.nid, row.zone]: list(row.counts) for row in rows if (row.nid, row.zone) in spans}


def _pageblocks(folder: Path, spans: dict[tuple[int, str], Span]) -> tuple[int, dict[Span, dict[str, int]]]:
    """The order of a pageblock, and how many of each type a zone has; 9 and nothing where no pagetypeinfo can be read."""
    if not _there(folder, "pagetypeinfo"):
        return 9, {}
    try:
        nodes = parse_pagetypeinfo(_text(folder, "pagetypeinfo"))
    except UsageError as error:
        if folder == PROC:
            return 9, {}
        raise UsageError(f"{folder}/pagetypeinfo: {error}") from None
    counts = {
        spans[node.nid, zone]: dict(zip(node.names, numbers, strict=False))
        for node in nodes
        for zone, numbers in node.blocks
        if (node.nid, zone) in spans
    }
    order = max((node.pageblock_order for node in nodes), default=9)
    if not 0 < order < MAX_ORDER:
        raise UsageError(f"{folder}/pagetypeinfo: pageblocks of order {order}; the model has orders up to {MAX_ORDER - 1}")
    return order, counts


def _vmstat(folder: Path) -> dict[str, int]:
    if not _there(folder, "vmstat"):
        return {}
    words = (line.split() for line in _text(folder, "vmstat").splitlines())
    return {pair[0]: int(pair[1][:20]) for pair in words if len(pair) == 2 and pair[1].isascii() and pair[1].isdigit()}


def _bytes(folder: Path, name: str) -> bytes:
    """A file or the same with .gz."""
    limit = MAX_FRAMES * 8
    for path, packed in ((folder / name, False), (folder / f"{name}.gz", True)):
        if not path.exists():
            continue
        if path.is_fifo():  # it would be waited for until somebody writes
            raise UsageError(f"{path}: is a pipe; save the file there")
        try:
            with gzip.open(path) if packed else path.open("rb") as stream:
                data = stream.read(limit + 1)
        except PermissionError:
            raise UsageError(f"{path}: only root may read it; {HOW}") from None
        except (OSError, EOFError, zlib.error) as error:
            raise UsageError(f"{path}: cannot be read ({error}); {HOW}") from None
        if len(data) > limit:
            raise UsageError(f"{path}: more than {MAX_FRAMES} frames")
        return data
    raise UsageError(f"{folder}: has no {name} and no {name}.gz; {HOW}")


_HEAD = re.compile(r"\s*Node (\d{1,6}), zone\s+(\w+)")
_VALUE = re.compile(r"\s*(?:pages )?([a-z_]+):?\s+(\d{1,18})\s*")


def read_zoneinfo(text: str) -> dict[Span, dict[str, int]]:
    """The zones that span any frames, each with its numbers: free, min, low, high, spanned, present, managed, nr_zspages, ..."""
    found: dict[Span, dict[str, int]] = {}
    place: tuple[int, str] | None = None
    values: dict[str, int] = {}
    for line in text.splitlines():
        head = _HEAD.match(line)
        if head is not None:
            place, values = (int(head[1]), head[2]), {}
            continue
        value = _VALUE.fullmatch(line)
        if value is None or place is None:
            continue
        values.setdefault(value[1], int(value[2]))
        if value[1] == "start_pfn" and values.get("spanned"):
            found[Span(*place, values["start_pfn"], values["start_pfn"] + values["spanned"])] = values
    return found
