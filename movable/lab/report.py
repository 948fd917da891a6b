"""What a run says: sentences while it goes on, a summary at its end, and the same as a JSON record (schema movable.run/1)."""

from __future__ import annotations

from collections.abc import Iterator
from errno import errorcode
from typing import TYPE_CHECKING, Any

from movable.lab.metrics import ZoneState, thousandths
from movable.lab.options import PAGEBLOCK_BYTES, PAGEBLOCK_ORDER
from movable.mm.memparse import readable
from movable.mm.page import PAGE_SIZE
from movable.shown import many

if TYPE_CHECKING:
    from movable.lab.state import Run

OBSTACLES_SHOWN = 3
SCHEMA = "movable.run/1"
COUNTERS = (
    "pgmigrate_success",
    "pgmigrate_fail",
    "migrate_retries",
    "movable_isolated",
    "movable_migrated",
    "movable_putback",
    "movable_released_isolated",
    "compact_migrate_scanned",
    "compact_free_scanned",
    "compact_isolated",
)
"""The counters that every record has. A driver brings more (its attribute ``counters``), and so may a machine."""

MANY_NODES = 4
"""With more nodes than these the summary shows ranges."""


# --- sentences ---


def opening(run: Run) -> Iterator[str]:
    """The machine, the drivers and the data."""
    vm, settings = run.vm, run.settings
    blocks = vm.nr_frames >> PAGEBLOCK_ORDER
    yield (
        f"machine  {readable(settings.memory)}, {many(settings.nodes, 'node')}, {vm.nr_frames} frames, {blocks} pageblocks of "
        f"2 MiB, Linux {vm.era.name}, seed {settings.seed}"
    )
    yield f"drivers  {', '.join(driver.label for driver in run.drivers)}"
    if run.data is not None:
        data = run.data
        sizes = f"{many(len(data.files), 'file')}, {readable(data.size)}, {many(len(data.pages), 'page')}"
        yield f"data     {data.name}: {sizes}"
    yield ""


def filled(run: Run) -> Iterator[str]:
    """Who took how much."""
    parts = [f"{driver.label} {run.held[driver.label]}" for driver in run.drivers]
    parts.append(f"a process {len(run.process.frame_numbers)}")
    free = sum(state.free for state in run.states["filled"])
    yield f"filled   frames by owner: {', '.join(parts)}; {free} free"


def freed(run: Run, frames: int) -> str:
    """What was given back."""
    free = sum(state.free for state in run.states["before"])
    discarded = f", {many(run.nr_discarded, 'stored page')} discarded" if run.stores else ""
    kept = len(run.process.frame_numbers)
    swapped = f", {run.swapped} more are swapped to the store" if run.swapped else ""
    return f"freed    the process frees {many(frames, 'frame')} and keeps {kept}{swapped}{discarded}; {free} free"


def huge(run: Run, got: int) -> str:
    """How an attempt to get huge pages ended."""
    verdict = "all there" if got == run.huge_wanted else "failed" if not got else "not enough"
    return f"huge pages of order {PAGEBLOCK_ORDER}: {got} of {run.huge_wanted}, {verdict}"


def compacted(run: Run) -> str:
    """What compaction did."""
    migrated = run.migrated["after"] - run.migrated["before"]
    scanned = run.vm.vmstat["compact_migrate_scanned"]
    return f"compaction: {many(migrated, 'page')} migrated, {scanned} frames scanned for pages to move{_in_the_way(run)}"


def _in_the_way(run: Run) -> str:
    """What was in use while compaction came by, and what became of that, in words."""
    process = run.process
    parts = []
    if process.pinned:
        parts.append(f"a pipe held {many(process.pinned, 'page')} of the process")
    if process.tally["released"]:
        parts.append(f"the process gave {process.tally['released']} back on their way")
    if run.stores:
        parts.append(f"{many(len(run.stores), 'stored page')} {'was' if len(run.stores) == 1 else 'were'} being read")
    if run.host_was_busy:
        parts.append(f"the host of the balloon was busy {many(run.host_was_busy, 'time')}")
    return f"\nmeanwhile: {', '.join(parts)}" if parts else ""


def offlined(run: Run) -> str:
    """How taking a memory block offline ended."""
    block = run.offlined
    if block is None:
        return "offline: no memory block is free of pages that cannot move"
    frames = block.end_pfn - block.start_pfn
    where = f"frames {block.start_pfn} to {block.end_pfn - 1} ({readable(frames * PAGE_SIZE)}, {many(block.pages, 'page')} in use)"
    if block.ret:
        way = "".join(f"; {obstacle}" for obstacle in run.vm.obstacles[:OBSTACLES_SHOWN])
        return f"offline: {where}: -{errorcode.get(-block.ret, str(-block.ret))}{way}"
    return f"offline: {where}: done, every page moved away"


def read_back(run: Run) -> Iterator[str]:
    """How reading everything back ended, and every place where data is lost."""
    mine = len(run.process.frame_numbers)
    if mine:
        yield f"read back: {many(mine, 'page')} that the process kept, no difference"
    if run.data is None:
        return
    wrong = run.wrong or []
    kept = run.nr_stored - run.nr_discarded
    yield (
        f"read back: {many(kept, 'stored page')} and {run.nr_discarded} discarded ones, "
        f"{many(len(wrong), 'difference') if wrong else 'no difference'}"
    )
    yield from lost(run)


def lost(run: Run) -> Iterator[str]:
    """Every stored page that is not what it was, a line each."""
    for page, what in run.wrong or []:
        yield f"  lost: {_place(run, page)}: {what}"


def _place(run: Run, page: int) -> str:
    assert run.data is not None
    name, first, last = run.data.place(page)
    return f"page {page} ({name}, bytes {first} to {last})"


def data_state(run: Run) -> str:
    """What became of the stored data, in one clause."""
    if run.data is None or not run.nr_stored:
        return "nothing was stored"
    if not run.wrong:
        return f"stored data is intact: {many(run.nr_stored, 'page')} read back and equal"
    parts = [_place(run, page) for page, _ in run.wrong[:3]]
    more = len(run.wrong) - len(parts)
    places = "; ".join(parts) + (f"; and {more} more" if more else "")
    return f"stored data is lost: {len(run.wrong)} of {many(run.nr_stored, 'page')}: {places}"


def stored_sentence(run: Run) -> str:
    """How much was stored, and what it saved."""
    if not run.stored:
        return "nothing stored"
    size, used = _sum(run.stored, "orig_data_size"), _sum(run.stored, "mem_used_total")
    percent = f" ({abs(size - used) * 100 / size:.1f} %)" if size else ""
    result = f"{readable(size - used)} saved" if used <= size else f"{readable(used - size)} more"
    return f"{readable(size)} stored in {readable(used)}, {result}{percent}"


def _sum(stats: list[dict[str, int]], name: str) -> int:
    return sum(stat[name] for stat in stats)


# --- the summary ---

COLUMNS = ("migrated", "eagain", "failed", "putback", "released", "refused")
TITLES = ("migrated", "-EAGAIN", "failed", "put back", "released", "refused")


def summary(run: Run) -> Iterator[str]:
    """The numbers of the whole run."""
    yield ""
    yield "summary"
    width = max(9, *(len(driver.label) + 2 for driver in run.drivers))
    yield f"  {'driver':<{width}}{'frames':>8}" + "".join(f"{title:>10}" for title in TITLES)
    for driver in run.drivers:
        counts = driver.tally.record()
        yield f"  {driver.label:<{width}}{run.held[driver.label]:>8}" + "".join(f"{counts[name]:>10}" for name in COLUMNS)
    process = _process(run)
    yield f"  {'a process':<{width}}{process['frames']:>8}" + "".join(f"{process[name]:>10}" for name in COLUMNS)
    before, after = run.states["before"], run.states["after"]
    yield f"  retries of the migration loop  {run.vm.vmstat['migrate_retries']}"
    yield f"  free blocks of order {PAGEBLOCK_ORDER}         {_blocks(before)} before compaction, {_blocks(after)} after"
    yield f"  fragmentation index            {_indices(before)} before; {_indices(after)} after"
    yield f"  unusable index                 {_indices(before, 'unusable_index')} before; {_indices(after, 'unusable_index')} after"
    if run.stores:
        yield f"  data                           {stored_sentence(run)}"
    if run.not_returned is not None:
        yield f"  frames not given back          {run.not_returned}"
    yield from warnings(run)


def warnings(run: Run) -> Iterator[str]:
    """What the core warned of, as a kernel would in its log; nothing where it did not."""
    found = run.vm.warnings
    if found:
        yield f"  warnings of the core           {len(found)}, the first: {found[0]}"


def _blocks(states: list[ZoneState]) -> int:
    return sum(state.blocks for state in states)


def _indices(states: list[ZoneState], which: str = "fragmentation_index") -> str:
    """An index of every node, or its range where there are many."""
    if len(states) > MANY_NODES:
        found = sorted(getattr(state, which) for state in states)
        return f"{thousandths(found[0])} to {thousandths(found[-1])}"
    return ", ".join(f"node {state.node} {thousandths(getattr(state, which))}" for state in states)


def _process(run: Run) -> dict[str, int]:
    """What became of the process's pages, in the columns of drivers."""
    return {"frames": run.process.held, "swapped": run.swapped, **{name: run.process.tally[name] for name in COLUMNS}}


# --- the record ---


def record(run: Run) -> dict[str, Any]:
    """The run as the schema movable.run/1 has it; what was not reached is null or empty."""
    return {
        "schema": SCHEMA,
        "ok": not run.error,
        "error": run.error,
        "machine": _machine(run),
        "drivers": [
            {"name": driver.label, "target": driver.target, "frames": run.held.get(driver.label, 0), **driver.tally.record()}
            for driver in run.drivers
        ],
        "process": _process(run),
        "data": _data(run),
        "zones": {moment: [state._asdict() for state in states] for moment, states in run.states.items()},
        "migrated": dict(run.migrated),
        "huge_pages": {
            "order": PAGEBLOCK_ORDER,
            "wanted": run.huge_wanted,
            "got_before": run.huge_before,
            "got_after": len(run.huge),
        },
        "offline": run.offlined._asdict() if run.offlined is not None else None,
        "check": _check(run),
        "not_returned": run.not_returned,
        "warnings": list(run.vm.warnings),
        "vmstat": _vmstat(run),
    }


def _machine(run: Run) -> dict[str, Any]:
    return {
        "memory": run.settings.memory,
        "nodes": run.settings.nodes,
        "frames": run.vm.nr_frames,
        "pageblock_bytes": PAGEBLOCK_BYTES,
        "era": run.vm.era.name,
        "seed": run.settings.seed,
    }


def _data(run: Run) -> dict[str, Any] | None:
    if run.data is None:
        return None
    return {
        "name": run.data.name,
        "files": len(run.data.files),
        "bytes": run.data.size,
        "pages": len(run.data.pages),
        "stored": run.nr_stored,
        "discarded": run.nr_discarded,
        "bytes_stored": _sum(run.stored, "orig_data_size"),
        "bytes_compressed": _sum(run.stored, "compr_data_size"),
        "bytes_used": _sum(run.stored, "mem_used_total"),
        "bytes_saved": _sum(run.stored, "orig_data_size") - _sum(run.stored, "mem_used_total"),
        "same_filled": _sum(run.stored, "same_pages"),
        "incompressible": _sum(run.stored, "huge_pages"),
    }


def _check(run: Run) -> dict[str, Any] | None:
    if run.data is None or run.wrong is None:
        return None
    lost = []
    for page, what in run.wrong:
        name, first, last = run.data.place(page)
        lost.append({"page": page, "file": name, "first_byte": first, "last_byte": last, "what": what})
    return {"read": run.nr_stored, "equal": run.nr_stored - len(lost), "lost": lost}


def _vmstat(run: Run) -> dict[str, int]:
    brought = (name for driver in run.drivers for name in getattr(driver.instance, "counters", ()))
    counters = {name: run.vm.vmstat[name] for name in (*COUNTERS, *brought)}
    return dict(sorted({**run.vm.vmstat, **counters}.items()))
