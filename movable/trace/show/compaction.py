"""Compaction in words, and as a picture of where its two scanners were."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator

from movable.shown import many
from movable.trace.judge.compaction import DAEMONS, Compaction
from movable.trace.show.pictures import WIDTH, frame

HEIGHT, LEFT, TOP, BOTTOM = 320, 110, 40, 45
MAX_SHOWN = 5
MANY_SCANNED = 50
"""Frames scanned for each that is taken, above which scanning is mostly in vain."""
GOOD = {"success", "partial", "continue"}
"""How a run ends that made a block, or that may go on."""
COLOURS = {"migrate": "#1f6feb", "free": "#d1242f"}


def compaction_text(found: Compaction) -> Iterator[str]:
    """Lines for a person."""
    yield f"Compaction: {sum(found.events.values())} tracepoints in {found.last - found.first:.6f} s"
    if found.orders:
        yield "  wanted    " + ", ".join(f"{_order(order)}: {count}" for order, count in sorted(found.orders.items()))
    for zone in found.zones.values():
        ends = ", ".join(f"{count} {status}" for status, count in zone.statuses.most_common())
        yield f"  zone      {zone.start:#x} to {zone.end:#x}: {many(zone.runs, 'run')}, {zone.seconds:.6f} s, ended {ends}"
    if found.events["mm_compaction_isolate_migratepages"]:
        per = _per(found.migrate_scanned, found.migrate_taken)
        yield f"  migrate   {found.migrate_scanned} frames scanned, {found.migrate_taken} taken{per}"
    if found.events["mm_compaction_isolate_freepages"] or found.events["mm_compaction_fast_isolate_freepages"]:
        yield f"  free      {found.free_scanned} steps, {found.free_taken} frames taken{_odd(found)}"
    if found.events["mm_compaction_migratepages"]:
        yield f"  moved     {found.moved}, and {found.not_moved} did not move"
    for reason, (good, bad) in sorted(found.reasons.items()):
        yield f"  migration {reason}: {good} succeeded, {bad} failed"
    yield from _around(found)
    tables = {
        "suitable": found.suitable, "finished": found.results, "put off": found.put_off, "deferred": found.deferred,
        "CMA": found.cma,
    }  # fmt: skip
    for name, counts in tables.items():
        if counts:
            yield f"  {name:<9} " + ", ".join(f"{what}: {count}" for what, count in counts.most_common())
    if found.waits:
        top = sorted(found.waits.items(), key=lambda item: -item[1])[:MAX_SHOWN]
        yield "  time      " + ", ".join(f"{task or 'unknown'} {seconds:.6f} s" for task, seconds in top)
    if found.fallbacks:
        yield f"  fallback  {found.fallbacks} between migratetypes, {found.polluting} of other requests into movable blocks"
    yield from _findings(found)


def _around(found: Compaction) -> Iterator[str]:
    """Page table entries that wait for a migration, and how often the daemon was woken."""
    entries = found.events["set_migration_pte"], found.events["remove_migration_pte"]
    if any(entries):
        yield f"  mapped    {entries[0]} page table entries were set to wait for a migration, {entries[1]} lead to a page again"
    daemon = found.events["mm_compaction_kcompactd_wake"] + found.events["mm_compaction_wakeup_kcompactd"]
    if daemon:
        yield f"  kcompactd woken {many(daemon, 'time')}"


def _order(order: int) -> str:
    """Order -1 is what /proc/sys/vm/compact_memory and proactive compaction ask for."""
    return "whole zones" if order < 0 else f"order {order}"


def _per(scanned: int, taken: int) -> str:
    return f" ({scanned / taken:.1f} scanned for each taken)" if taken else ""


def _odd(found: Compaction) -> str:
    """A free block of any order is one step of the scanner, so that more frames than steps is no mistake."""
    if not found.free_odd:
        return ""
    return f" (more than steps in {found.free_odd} ranges: a free block is one step, and gives all its frames)"


def _findings(found: Compaction) -> Iterator[str]:
    for one in found.repeats[:MAX_SHOWN]:
        how = "nothing scanned and nothing taken" if not one.scanned else f"{one.scanned} frames scanned and none taken"
        yield (
            f"Repeated: {one.task or 'a task'} ({one.pid}) went over {one.start:#x} to {one.end:#x} {many(one.times, 'time')} in "
            f"{one.seconds:.6f} s, {how}."
        )
        if not one.scanned:
            yield (
                "  The scanner does not get on: a task that is being killed, or a full list of isolated pages, ends each scan "
                "at once."
            )
        else:
            yield "  Nothing there can move: the block should be skipped; look at what lies in it (page_owner, /proc/kpageflags)."
    if len(found.repeats) > MAX_SHOWN:
        yield f"  and {len(found.repeats) - MAX_SHOWN} more repeated ranges; --json lists all"
    if found.migrate_scanned > MANY_SCANNED * max(found.migrate_taken, 1):
        yield "In vain: most frames that were scanned could not be taken; look at what lies there (page_owner, /proc/pagetypeinfo)."
    if found.suitable["skipped"]:
        yield "Skipped: too little memory was free to move pages into; free some, and compaction begins."
    if found.suitable["not_suitable_zone"]:
        yield "Not suitable: memory was short there more than broken up, so that compaction was no help."
    ends = sum((zone.statuses for zone in found.zones.values()), Counter[str]())
    if ends and not set(ends) & GOOD and min(found.orders, default=-1) >= 0:
        yield "No run made a block of the wanted order."
    payers = {task: seconds for task, seconds in found.waits.items() if task and not task.startswith(DAEMONS)}
    if payers:
        who = "that waited for memory" if found.orders else "(that waited for memory, or asked for all to be compacted)"
        yield f"Stalls: {sum(payers.values()):.6f} s of compaction were done by tasks {who}, not by a daemon."
    if found.put_off:
        yield "Put off: compaction failed, and the next requests of that order get none: twice as many after each failure."
    if found.deferred:
        yield "Deferred: compaction failed before and waits; a request in that time gets none."
    if found.polluting:
        yield "Fallback: pages that cannot move went into movable blocks; each keeps a whole block from becoming a huge page."


def compaction_svg(found: Compaction, name: str) -> str:
    """Where the migrate scanner and the free scanner were over time: frames upwards, time from left to right."""
    parts = frame(HEIGHT, f"Scanners of compaction over time: {name}")
    places = [pfn for samples in found.points.values() for _, pfn in samples]
    low, high = min(places, default=0), max(places, default=1)
    span, seconds = max(high - low, 1), max(found.last - found.first, 1e-6)
    wide, tall = WIDTH - LEFT - 20, HEIGHT - TOP - BOTTOM
    for place, (scanner, colour) in enumerate(COLOURS.items()):
        dots = [
            (LEFT + wide * (time - found.first) / seconds, HEIGHT - BOTTOM - tall * (pfn - low) / span)
            for time, pfn in found.points[scanner]
        ]
        parts += [f'<circle cx="{x:.1f}" cy="{y:.1f}" r="2.5" fill="{colour}"/>' for x, y in dots]
        parts.append(f'<circle cx="{LEFT + place * 160}" cy="20" r="5" fill="{colour}"/>')
        parts.append(f'<text x="{LEFT + place * 160 + 10}" y="24">{scanner} scanner</text>')
    parts.append(f'<text x="{LEFT - 8}" y="{HEIGHT - BOTTOM}" text-anchor="end">{low:#x}</text>')
    if high > low:
        parts.append(f'<text x="{LEFT - 8}" y="{TOP + 10}" text-anchor="end">{high:#x}</text>')
    parts.append(f'<text x="{LEFT}" y="{HEIGHT - 15}">0 s</text>')
    parts.append(f'<text x="{WIDTH - 20}" y="{HEIGHT - 15}" text-anchor="end">{seconds:.6f} s</text>')
    return "\n".join([*parts, "</svg>"]) + "\n"
