"""Each pageblock by what it is made of: free, movable, or held by somebody; and what would come free if a kind could move."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

from movable.frames.kinds import KINDS, Kind, kind_of
from movable.frames.snapshot import Snapshot, Span

SCHEMA = "movable.hostages/1"
BLOCKS_SHOWN = 8


@dataclass(frozen=True, slots=True)
class Held:
    """A pageblock that is not free only because of a few frames: who has them and how many."""

    start: int
    holders: dict[str, int]

    @property
    def frames(self) -> int:
        """Frames that stay."""
        return sum(self.holders.values())


@dataclass(slots=True)
class ZoneCount:
    """One zone: frames by kind, blocks by state.

    ``alone`` counts blocks that one kind alone holds, ``nearest`` are those with the fewest such frames. ``recorded`` are its free
    blocks by order.
    """

    span: Span
    frames: Counter[str] = field(default_factory=Counter)
    blocks: int = 0
    free: int = 0
    movable: int = 0
    alone: Counter[str] = field(default_factory=Counter)
    several: int = 0
    nearest: list[Held] = field(default_factory=list)
    recorded: list[int] = field(default_factory=list)


def count(snapshot: Snapshot) -> list[ZoneCount]:
    """Every zone of a snapshot. A block counts where it lies whole in the zone and has no hole."""
    known: dict[int, Kind] = {}
    size = 1 << snapshot.pageblock_order
    found = []
    for span in snapshot.zones:
        zone = ZoneCount(span, recorded=snapshot.free_blocks(span))
        held: list[Held] = []
        end = min(span.end, len(snapshot.flags))
        for start in range(span.start & -size, end, size):
            begin, stop = max(start, span.start), min(start + size, end)
            kinds: Counter[Kind] = Counter()
            for word, frames in Counter(snapshot.flags[begin:stop].tolist()).items():
                kinds[known.get(word) or known.setdefault(word, kind_of(word))] += frames
            zone.frames.update({kind.name: frames for kind, frames in kinds.items()})
            if stop - begin == size and all(kind.there for kind in kinds):
                _count_block(zone, start, kinds, held)
        zone.nearest = sorted(held, key=lambda block: (block.frames, block.start))[:BLOCKS_SHOWN]
        found.append(zone)
    return found


def _count_block(zone: ZoneCount, start: int, kinds: Counter[Kind], held: list[Held]) -> None:
    zone.blocks += 1
    holders = {kind.name: frames for kind, frames in kinds.items() if not kind.movable}
    if not holders:
        zone.free += all(kind.free for kind in kinds)
        zone.movable += not all(kind.free for kind in kinds)
        return
    if len(holders) == 1:
        zone.alone.update(holders.keys())
    else:
        zone.several += 1
    held.append(Held(start, holders))


def lines(zones: list[ZoneCount], order: int) -> Iterator[str]:
    """The answer for a person."""
    for zone in zones:
        span = zone.span
        yield f"Node {span.node}, zone {span.zone}: frames {span.start} to {span.end - 1}, {zone.blocks} whole pageblocks"
        yield "  frames     " + ", ".join(f"{zone.frames[kind.name]} {kind.name}" for kind in KINDS if zone.frames[kind.name])
        held = zone.blocks - zone.free - zone.movable
        yield f"  blocks     {zone.free} free, {zone.movable} that compaction could empty, {held} held"
        for name, blocks in zone.alone.most_common():
            yield f"  hostages   {blocks} are held by {name} alone: they would come free if it could move"
        if zone.several:
            yield f"  hostages   {zone.several} are held by several kinds"
        for block in zone.nearest:
            who = ", ".join(f"{frames} {name}" for name, frames in block.holders.items())
            yield f"  nearest    block {block.start}: {who}"
        yield ""


def record(zones: list[ZoneCount], name: str, order: int) -> dict[str, Any]:
    """The same for programs, schema movable.hostages/1; blocks are pageblocks of ``order``."""
    return {
        "schema": SCHEMA, "snapshot": name, "pageblock_order": order,
        "zones": [
            {
                "node": zone.span.node, "zone": zone.span.zone, "start_pfn": zone.span.start, "end_pfn": zone.span.end,
                "frames": dict(zone.frames), "free_blocks_by_order": zone.recorded, "blocks": zone.blocks, "free": zone.free,
                "movable": zone.movable, "held_alone": dict(zone.alone), "held_by_several": zone.several,
                "nearest": [{"start_pfn": block.start, "holders": block.holders} for block in zone.nearest],
            }
            for zone in zones
        ],
    }  # fmt: skip
