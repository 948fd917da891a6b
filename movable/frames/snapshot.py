"""The frames and zones of a real machine, from files saved off /proc or from this machine."""

from __future__ import annotations

import gzip
import re
import zlib
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

from movable.errors import UsageError
from movable.mm.gfp import MAX_ORDER
from movable.mm.proc_page import KPF_BUDDY

MAX_FRAMES = 1 << 28
"""1 TiB of frames of 4 KiB; a larger machine is refused."""
HOW = "save /proc/kpageflags and /proc/zoneinfo of the machine there, as root (gzip is fine)"


class Span(NamedTuple):
    """A zone: its frames, holes included."""

    node: int
    zone: str
    start: int
    end: int


@dataclass(frozen=True, slots=True)
class Snapshot:
    """``flags`` has a word for each frame, by number; ``zones`` are those that span any."""

    name: str
    flags: memoryview
    zones: list[Span]
    pageblock_order: int = 9

    def free_blocks(self, span: Span) -> list[int]:
        """Free blocks of a zone by order, as the allocator must have them: merged as far as they align."""
        counts = [0] * MAX_ORDER
        for start, end in self.free_runs(span):
            pfn = start
            while pfn < end:
                order = MAX_ORDER - 1
                while order and (pfn & (1 << order) - 1 or pfn + (1 << order) > end):
                    order -= 1
                counts[order] += 1
                pfn += 1 << order
        return counts

    def free_runs(self, span: Span) -> Iterator[tuple[int, int]]:
        """(first, behind the last) of each run of free frames in a zone."""
        start = -1
        for pfn, word in enumerate(self.flags[span.start : span.end], span.start):
            if word >> KPF_BUDDY & 1:
                start = pfn if start < 0 else start
            elif start >= 0:
                yield start, pfn
                start = -1
        if start >= 0:
            yield start, min(span.end, len(self.flags))


def take(folder: Path) -> Snapshot:
    """Read a folder of saved files, or /proc itself. Raises UsageError for what is missing, damaged or not allowed."""
    words = _bytes(folder, "kpageflags")
    if not words or len(words) % 8:
        raise UsageError(f"{folder}/kpageflags: {len(words)} bytes are no whole words of 8; {HOW}")
    zones = list(_zones(_bytes(folder, "zoneinfo").decode("utf-8", "replace")))
    if not zones:
        raise UsageError(f"{folder}/zoneinfo: no zone with 'spanned' and 'start_pfn' in it; {HOW}")
    return Snapshot(str(folder), memoryview(words).cast("Q"), zones)


def _bytes(folder: Path, name: str) -> bytes:
    """A file or the same with .gz."""
    limit = MAX_FRAMES * 8
    for path, packed in ((folder / name, False), (folder / f"{name}.gz", True)):
        if not path.exists():
            continue
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


def _zones(text: str) -> Iterator[Span]:
    place: tuple[int, str] | None = None
    spanned = 0
    for line in text.splitlines():
        head = re.match(r"Node (\d{1,6}), zone\s+(\w+)", line)
        words = line.split()
        if head is not None:
            place, spanned = (int(head[1]), head[2]), 0
        elif len(words) == 2 and words[0] == "spanned" and words[1].isdigit():
            spanned = int(words[1][:18])
        elif place is not None and spanned and len(words) == 2 and words[0] in ("start_pfn:", "start_pfn") and words[1].isdigit():
            start = int(words[1][:18])
            yield Span(*place, start, start + spanned)
            spanned = 0
