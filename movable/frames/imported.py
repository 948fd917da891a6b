"""Plays compaction on an imported machine, and compares it with what the real one had before and after."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

from movable.frames.kinds import KINDS
from movable.frames.machine import ImportedVM, machine_of
from movable.frames.snapshot import MOVABLE_CODE, Snapshot, Span
from movable.introspection import no_collection
from movable.mm.compaction import compact_memory
from movable.mm.vm import VM

SCHEMA = "movable.import/1"
NEAR_SHARE = 0.10
"""How far a number of free blocks may lie from the recorded one and still count as the same."""
NEAR_BLOCKS = 2
"""Blocks of an order that may differ where there are few."""
MOVED_ON_SHARE = 0.02
"""The share of free memory that may come or go between two snapshots where nothing else ran."""


@dataclass(slots=True)
class ZoneBlocks:
    """Free blocks of one zone by order: what buddyinfo said, as imported, after the model's compaction, and after the real one.

    ``buddyinfo`` and ``after`` are empty where no such file was there.
    """

    span: Span
    buddyinfo: list[int]
    imported: list[int]
    compacted: list[int] = field(default_factory=list)
    after: list[int] = field(default_factory=list)

    @property
    def other_work(self) -> int:
        """Free pages that came (or went) between the two snapshots, which no compaction does; 0 for as good as none."""
        if not self.after:
            return 0
        change = pages(self.after) - pages(self.buddyinfo or self.imported)
        return change if abs(change) > MOVED_ON_SHARE * max(pages(self.after), 1) else 0

    def near(self) -> list[bool]:
        """For each order whether the model's compaction came to the recorded number."""
        pairs = zip(self.compacted, self.after, strict=False)
        return [abs(mine - theirs) <= max(NEAR_BLOCKS, NEAR_SHARE * theirs) for mine, theirs in pairs]


@dataclass(slots=True)
class Played:
    """A machine that was imported and, where ``compacted``, compacted. ``moved_after`` is what the real kernel moved."""

    name: str
    vm: ImportedVM
    zones: list[ZoneBlocks]
    movable: int = 0
    compacted: bool = False
    moved: int = 0
    failed: int = 0
    moved_after: int | None = None
    kinds: dict[str, int] = field(default_factory=dict)
    """By kind of frame, how many more there are in the snapshot taken after."""


def pages(counts: list[int]) -> int:
    """Free pages in a row of free blocks."""
    return sum(count << order for order, count in enumerate(counts))


def play(before: Snapshot, after: Snapshot | None, era: str, *, compact: bool = True) -> Played:
    """Import ``before``, compact it, and put ``after`` beside it. Raises UsageError for what the model cannot have."""
    vm = machine_of(before, era)
    spans = {(span.node, span.zone): span for span in before.zones}
    found = []
    for zone in vm.zones:
        span = spans[zone.node.nid, zone.name]
        found.append(ZoneBlocks(span, before.buddyinfo.get(span, []), [area.nr_free for area in zone.free_area]))
    played = Played(before.name, vm, found, vm.pages.codes.count(MOVABLE_CODE))
    if compact:
        compact_quietly(vm)
        played.compacted, played.moved = True, vm.vmstat["pgmigrate_success"]
        played.failed = vm.vmstat["pgmigrate_fail"]
        for zone, blocks in zip(vm.zones, found, strict=True):
            blocks.compacted = [area.nr_free for area in zone.free_area]
    if after is not None:
        _beside(played, before, after)
    return played


def compact_quietly(vm: VM) -> None:
    """Compact every node."""
    with no_collection():
        compact_memory(vm)


def _beside(played: Played, before: Snapshot, after: Snapshot) -> None:
    rows = {(span.node, span.zone): counts for span, counts in after.buddyinfo.items()}
    spans = {(span.node, span.zone): span for span in after.zones}
    for blocks in played.zones:
        place = (blocks.span.node, blocks.span.zone)
        span = spans.get(place)
        blocks.after = rows.get(place) or (after.free_blocks(span) if span is not None else [])
    if "pgmigrate_success" in after.vmstat and "pgmigrate_success" in before.vmstat:
        played.moved_after = after.vmstat["pgmigrate_success"] - before.vmstat["pgmigrate_success"]
    was, now = _kinds(before), _kinds(after)
    played.kinds = {name: now[name] - was[name] for name in {**was, **now} if now[name] != was[name]}


def _kinds(snapshot: Snapshot) -> Counter[str]:
    counts = Counter(snapshot.codes)
    names = {code: kind.name for code, kind in enumerate(KINDS)} | {MOVABLE_CODE: "that can move"}
    return Counter({names[code]: count for code, count in counts.items()})


def lines(played: Played) -> Iterator[str]:
    """The answer for a person."""
    vm = played.vm
    yield (
        f"machine  {played.name}: {vm.nr_frames} frames, {len(played.zones)} zones, {played.movable} frames that can move; "
        f"compaction as in Linux {vm.era.name}"
    )
    for blocks in played.zones:
        yield ""
        yield f"Node {blocks.span.node}, zone {blocks.span.zone}: free blocks by order"
        rows = [("imported", blocks.imported), ("compacted", blocks.compacted), ("recorded after", blocks.after)]
        if blocks.buddyinfo and blocks.buddyinfo != blocks.imported:
            rows.insert(0, ("buddyinfo", blocks.buddyinfo))
        for name, counts in rows:
            if counts:
                yield f"  {name:<15}" + "".join(f"{count:>7}" for count in counts)
        yield from _verdict(blocks, played.compacted)
    yield ""
    yield from _moved(played)


def _verdict(blocks: ZoneBlocks, compacted: bool) -> Iterator[str]:
    if blocks.buddyinfo and blocks.buddyinfo != blocks.imported:
        lost = pages(blocks.buddyinfo) - pages(blocks.imported)
        how = f"{abs(lost)} pages {'more' if lost < 0 else 'fewer'} are free in them" if lost else "free pages lie in other blocks"
        yield f"  The flags were saved at another moment than buddyinfo: {how}."
    if not compacted or not blocks.after:
        return
    near = blocks.near()
    if blocks.other_work:
        change = blocks.other_work
        yield (
            f"  Between the two {abs(change)} pages {'came free' if change > 0 else 'were taken'}: other work ran, "
            "and the rows cannot be equal."
        )
    yield f"  {sum(near)} of {len(near)} orders come to the recorded number, give or take 10 %."
    if not all(near) and not blocks.other_work:
        yield "  Free memory is as it was: the rest is pages that no flag tells apart, and per-CPU lists that hold pages back."


def _moved(played: Played) -> Iterator[str]:
    if played.compacted:
        failed = f", {played.failed} did not go" if played.failed else ""
        yield f"moved    {played.moved} pages in the model{failed}"
    if played.moved_after is not None:
        yield f"         {played.moved_after} pages in the real kernel, compaction and whatever else migrated"
    if played.kinds:
        top = sorted(played.kinds.items(), key=lambda item: -abs(item[1]))
        yield "between  " + ", ".join(f"{count:+d} {name}" for name, count in top)


def record(played: Played) -> dict[str, Any]:
    """The same for programs, schema movable.import/1; free blocks by order."""
    return {
        "schema": SCHEMA, "snapshot": played.name, "era": played.vm.era.name, "frames": played.vm.nr_frames,
        "zones": [
            {
                "node": one.span.node, "zone": one.span.zone, "start_pfn": one.span.start, "end_pfn": one.span.end,
                "buddyinfo": one.buddyinfo, "imported": one.imported, "compacted": one.compacted, "after": one.after,
                "near": one.near(), "other_work": one.other_work,
            }
            for one in played.zones
        ],
        "moved": played.moved, "failed": played.failed, "moved_after": played.moved_after, "kinds_changed": played.kinds,
    }  # fmt: skip
