"""A dump of /proc/kpageflags among what was given: which pageblocks are held, and by whom."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import PurePath
from typing import Any

from movable.errors import UsageError
from movable.explain.material import Answer, Material
from movable.frames.hostages import ZoneCount, count, lines, record
from movable.frames.snapshot import Snapshot, Span
from movable.mm.proc_page import KPF_BUDDY, KPF_NOPAGE

LEAST_FRAMES = 64
LAYOUT = "movable lab import FOLDER, with zoneinfo and buddyinfo beside it, plays compaction on this very layout"
FREE_OR_HOLE = 1 << KPF_BUDDY | 1 << KPF_NOPAGE


def is_words(name: str, data: bytes) -> bool:
    """Whether what was read is /proc/kpageflags: whole words of 8 bytes, the upper two always zero.

    Raises UsageError for a file of that name that is cut, and for the like of it that holds something else.
    """
    called = PurePath(name).name
    plain = len(data) >= 8 * LEAST_FRAMES and not any(data[6::8]) and not any(data[7::8])
    if called.startswith("kpageflags") and (not plain or len(data) % 8):
        how = "save it as root: cat /proc/kpageflags | gzip > kpageflags.gz"
        raise UsageError(f"{name}: {len(data)} bytes that are no /proc/kpageflags; {how}")
    if not plain or len(data) % 8:
        return False
    if called.startswith(("kpagecount", "kpagecgroup")) or not any(word & FREE_OR_HOLE for word in memoryview(data).cast("Q")):
        raise UsageError(f"{name}: words of 8 bytes that are no page flags; give /proc/kpageflags")
    return True


Dumps = list[tuple[Snapshot, list[ZoneCount]]]


def counted(material: Material) -> Dumps:
    """Each dump with what its zones hold."""
    return [(one, count(one)) for one in _snapshots(material)]


def frames_record(dumps: Dumps) -> dict[str, Any]:
    """Frames and pageblocks of each dump for programs: ``frames``, a list of movable.hostages/1; nothing where none was given."""
    return {"frames": [record(zones, one.name, one.pageblock_order) for one, zones in dumps]} if dumps else {}


def frame_answers(dumps: Dumps) -> list[Answer]:
    """The same in sentences."""
    found = []
    for one, zones in dumps:
        for block in "\n".join(lines(zones, one.pageblock_order)).strip().split("\n\n"):
            title, *facts = block.splitlines()
            found.append(Answer(title, [" ".join(fact.split()) for fact in facts], [LAYOUT]))
    return found


def _snapshots(material: Material) -> Iterator[Snapshot]:
    """Each dump with the zones of a zoneinfo that came with it; without one it is one stretch of frames."""
    for name, data in material.frames:
        flags = memoryview(data).cast("Q")
        spans = {
            (one.node, one.zone): Span(one.node, one.zone, one.values["start_pfn"], one.values["start_pfn"] + one.values["spanned"])
            for one in material.marks
            if one.values.get("spanned") and "start_pfn" in one.values
        }
        fitting = [span for span in spans.values() if span.start < len(flags)]
        yield Snapshot(name, flags, fitting or [Span(0, "(no zoneinfo was given)", 0, len(flags))], _pageblock_order(material))


def _pageblock_order(material: Material) -> int:
    return 9 if material.pageblock_order is None else min(material.pageblock_order, 13)
