"""What counters and tables of many events add up to: stalls, success, who asked, pages scanned for each that moved."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from movable.explain.judge.plain import percent
from movable.explain.material import Answer, Counters, Material, grouped
from movable.explain.meanings import of_status
from movable.shown import many

MAX_SHOWN = 12
PAIRS = {
    "cma_alloc_": "Pages asked of CMA", "htlb_buddy_alloc_": "Huge pages for the pool, from the allocator",
    "thp_migration_": "Huge pages moved whole",
}  # fmt: skip
"""Counters that end in ``success`` and ``fail``, by what they count."""
MANY_SCANNED = 50
"""Pages scanned for each that moved, above which scanning is mostly in vain."""


def machines(material: Material) -> dict[str, list[Counters]]:
    """The snapshots of each machine that a tool named; those of a text of one machine have the name ""."""
    return grouped(material.counters, lambda one: one.line.machine)


def change(snapshots: Sequence[Counters]) -> dict[str, int]:
    """What was added between the first and the last snapshot; empty where there is one only."""
    if len(snapshots) < 2:
        return {}
    before, after = snapshots[0].values, snapshots[-1].values
    return {name: after[name] - before[name] for name in after if name in before}


def now(snapshots: Sequence[Counters]) -> dict[str, int]:
    """The counters of all snapshots together, later ones over earlier ones."""
    return {name: value for one in snapshots for name, value in one.values.items()}


def record(material: Material) -> dict[str, Any]:
    """Counters for programs: those of the first machine, and of each that has a name."""
    found = {
        name: {"counters": now(snapshots), "counters_change": change(snapshots)} for name, snapshots in machines(material).items()
    }
    nothing: dict[str, dict[str, int]] = {"counters": {}, "counters_change": {}}
    first = next(iter(found.values()), nothing)
    return {**first, "machines": {name: values for name, values in found.items() if name}}


def answers(material: Material) -> Iterator[Answer]:
    """Counters, zram, and compactions one by one."""
    for machine, snapshots in machines(material).items():
        delta = change(snapshots)
        values: Mapping[str, int] = delta or now(snapshots)
        if values:
            when = "in one run" if snapshots[0].run else "between the two" if delta else "since boot"
            title = f"{machine}: Counters" if machine else "Counters"
            fell = sorted(name for name, value in delta.items() if value < 0 and not name.startswith("nr_"))
            if fell:
                said = f"{', '.join(fell[:3])} fell: the tables are in the wrong order, or of two boots or machines."
                yield Answer(title, [said])
                for number, table in enumerate(snapshots, 1):
                    yield _counters(f"{title} of table {number}, since boot", table.values)
            else:
                answer = _counters(f"{title}, {when}", values)
                if delta.get("nr_free_pages"):
                    first, last = (table.values["nr_free_pages"] for table in (snapshots[0], snapshots[-1]))
                    answer.facts.append(f"Free memory: {first} pages before, {last} after.")
                yield answer
    for one in material.zram:
        yield Answer("zram", list(_zram(one.values)), ["echo 1 > /sys/block/zramN/compact gives partly empty pages back"])
    if material.runs:
        yield Answer("Compactions that were traced", list(_runs(material)))
    if material.reclaims:
        yield Answer("Direct reclaim that was traced", list(_reclaims(material)))
    if material.event_counts:
        top = [f"{name}: {count}" for name, count in material.event_counts.most_common(MAX_SHOWN)]
        yield Answer("Events that were counted", [*_scanners(material.event_counts), *(f"{one}." for one in top)])


def _counters(title: str, values: Mapping[str, int]) -> Answer:
    """What counters of one machine say."""
    answer = Answer(title, [*_compaction(values), *_askers(values)], _advice(values))
    answer.facts = answer.facts or ["None of them is about compaction, migration or huge pages."]
    return answer


def _compaction(values: Mapping[str, int]) -> Iterator[str]:
    stall, success, fail = (values.get(f"compact_{name}") for name in ("stall", "success", "fail"))
    if stall is not None:
        outcome = ""
        if success is not None and fail is not None:
            outcome = f": {success} got their block, {fail} did not ({percent(fail, success + fail)} %)"
        yield f"{stall} requests stalled in direct compaction{outcome}."
    elif success is not None and fail is not None:
        yield f"Direct compaction: {success} succeeded, {fail} failed."
    if "compact_pages_moved" in values:
        lost = values.get("compact_pagemigrate_failed", 0)
        yield f"{values['compact_pages_moved']} pages were moved by compaction, {lost} did not move."
    moved, scanned = values.get("pgmigrate_success", 0), values.get("compact_migrate_scanned", 0)
    failed = values.get("pgmigrate_fail")
    if "pgmigrate_success" in values:
        yield f"{moved} pages were migrated" + (f", {failed} attempts failed." if failed is not None else ".")
    if scanned and "pgmigrate_success" not in values and values.get("compact_isolated"):
        yield f"{scanned / values['compact_isolated']:.1f} pages were scanned for each that either scanner isolated."
    if scanned and moved:
        yield f"{scanned / moved:.1f} pages were scanned for each that moved."
    if scanned and "compact_daemon_migrate_scanned" in values:
        share = percent(values["compact_daemon_migrate_scanned"], scanned)
        yield f"kcompactd scanned {share} % of the pages, the rest tasks that waited, or a command."
    isolated, free_scanned = values.get("compact_isolated", 0), values.get("compact_free_scanned", 0)
    if scanned and "compact_isolated" in values and not isolated:
        yield f"{scanned} pages were scanned and none was isolated: what the scanner meets cannot move, or is held."
    if isolated and free_scanned:
        yield f"{free_scanned / isolated:.1f} frames were scanned by the free scanner for each page that either scanner isolated."
    if values.get("compact_daemon_wake"):
        yield f"kcompactd woke {values['compact_daemon_wake']} times."


def _huge_pages(values: Mapping[str, int]) -> Iterator[str]:
    """Transparent huge pages: at faults, of files, by khugepaged, and those that were split."""
    if "thp_fault_alloc" in values or "thp_fault_fallback" in values:
        got, lost = values.get("thp_fault_alloc"), values.get("thp_fault_fallback")
        share = "" if got is None or lost is None else f" ({percent(lost, got + lost)} %)"
        said = ((got, "given"), (lost, f"refused{share}"))
        yield f"Huge pages at faults: {', '.join(f'{count} {what}' for count, what in said if count is not None)}."
    if values.get("thp_fault_fallback_charge"):
        yield f"{values['thp_fault_fallback_charge']} of the refused had no room in a memory cgroup: no fragmentation, its limit."
    if values.get("thp_file_fallback"):
        yield f"Huge pages of files: {values.get('thp_file_alloc', 0)} given, {values['thp_file_fallback']} refused."
    if values.get("thp_collapse_alloc_failed"):
        yield f"khugepaged failed to get {values['thp_collapse_alloc_failed']} huge pages."
    passed = [f"{values[name]} {what}" for name, what in PASSED_OVER.items() if values.get(name)]
    if passed:
        yield f"khugepaged passed over areas: {', '.join(passed)}."
    if values.get("thp_migration_split"):
        yield f"{many(values['thp_migration_split'], 'huge page')} had to be split to move."


PASSED_OVER = {
    "thp_scan_exceed_none_pte": "with too few pages in use (max_ptes_none)",
    "thp_scan_exceed_swap_pte": "with too many in swap (max_ptes_swap)",
    "thp_scan_exceed_share_pte": "with too many that are shared (max_ptes_shared)",
}


def _askers(values: Mapping[str, int]) -> Iterator[str]:
    yield from _huge_pages(values)
    hits, misses = values.get("numa_hit", 0), values.get("numa_miss", 0)
    if misses:
        yield f"{100 * misses / (hits + misses):.1f} % of the pages came from another node than was wished for (numa_miss)."
    if values.get("numa_pages_migrated"):
        yield f"NUMA balancing moved {values['numa_pages_migrated']} pages."
    if values.get("numa_hint_faults"):
        local = percent(values.get("numa_hint_faults_local", 0), values["numa_hint_faults"])
        yield f"{local} % of the faults that it makes were on the page's own node."
    stalls = sum(value for name, value in values.items() if name.startswith("allocstall"))
    if stalls:
        yield f"{stalls} requests stalled in direct reclaim: memory was short, not only broken up."
    if values.get("balloon_migrate"):
        yield f"{values['balloon_migrate']} pages of a balloon were moved."
    for name, what in PAIRS.items():
        good, bad = (values.get(f"{name}{end}", 0) for end in ("success", "fail"))
        if good or bad:
            yield f"{what}: {good} succeeded, {bad} failed ({percent(bad, good + bad)} %)."
    pinned = values.get("nr_foll_pin_acquired", 0) - values.get("nr_foll_pin_released", 0)
    taken = values.get("nr_isolated_anon", 0) + values.get("nr_isolated_file", 0)
    if taken:
        yield f"{many(taken, 'page')} {'is' if taken == 1 else 'are'} isolated just now: by compaction, migration or reclaim."
    if pinned > 0:
        yield f"{pinned} pins are held (pin_user_pages): such pages cannot move until they are let go."
    if values.get("oom_kill"):
        yield f"The OOM killer ran {values['oom_kill']} times."


def _advice(values: Mapping[str, int]) -> list[str]:
    advice = []
    moved, scanned = values.get("pgmigrate_success", 0), values.get("compact_migrate_scanned", 0)
    if "pgmigrate_success" in values and scanned > MANY_SCANNED * max(moved, 1):
        advice.append("look at /proc/pagetypeinfo and page_owner: most pages that the scanner meets cannot move")
    if values.get("pgmigrate_fail", 0) > max(moved, MANY_SCANNED):
        advice.append("more attempts failed than pages moved: somebody holds them; trace mm_migrate_pages, see nr_foll_pin_*")
    if values.get("compact_fail", 0) > values.get("compact_success", 0):
        advice.append("compact before the load comes (vm.compaction_proactiveness), or reserve huge pages at boot")
    return advice


def _reclaims(material: Material) -> Iterator[str]:
    waits, pages = [one.latency_ms for one in material.reclaims], sum(one.pages for one in material.reclaims)
    yield f"{len(waits)} requests reclaimed memory themselves, {pages} pages in all: memory was short, not only broken up."
    yield f"They waited {sum(waits):.1f} ms in all, {max(waits):.1f} ms at most."
    tasks = Counter(one.task for one in material.reclaims)
    yield "Who waited: " + ", ".join(f"{task} ({count})" for task, count in tasks.most_common(5)) + "."


def _scanners(counts: Mapping[str, int]) -> Iterator[str]:
    """What perf's report of compaction times adds up to."""
    scanned, taken = counts.get("migration_scanner scanned", 0), counts.get("migration_scanner isolated", 0)
    if scanned and taken:
        yield f"{scanned / taken:.1f} pages were scanned for each that was isolated."
    moved, failed = counts.get("migration moved", 0), counts.get("migration failed", 0)
    if moved or failed:
        yield f"{moved} pages moved, {failed} did not ({percent(failed, moved + failed)} %)."
    begun = counts.get("compaction:mm_compaction_begin")
    if begun is not None:
        yield f"{begun} compactions began."


def _zram(values: Mapping[str, int]) -> Iterator[str]:
    if not {"orig_data_size", "compr_data_size", "mem_used_total"} <= set(values):
        yield f"Read: {', '.join(f'{name} {value}' for name, value in values.items())}."
        return
    stored, packed, used = values["orig_data_size"], values["compr_data_size"], values["mem_used_total"]
    yield f"{stored >> 10} kB are stored in {used >> 10} kB of memory; compressed they are {packed >> 10} kB."
    if used:
        yield f"{percent(used - packed, used)} % of that memory is overhead and unused slots of zsmalloc." if used >= packed else (
            "More is stored than memory is used: same-filled pages need none."
        )
    if "same_pages" in values and "pages_compacted" in values:
        same, compacted = values["same_pages"], values["pages_compacted"]
        yield f"{same} pages are filled with one word; {compacted} pages were given back by compaction."
    if values.get("huge_pages"):
        ever = f" ({values['huge_pages_since']} since the start)" if "huge_pages_since" in values else ""
        yield f"{many(values['huge_pages'], 'page')} would not get smaller and lie there as they are{ever}."


def _runs(material: Material) -> Iterator[str]:
    statuses = grouped(material.runs, lambda run: run.status.lower().removeprefix("compact_"))
    for status, runs in sorted(statuses.items(), key=lambda one: -len(one[1])):
        everything = all(run.order < 0 for run in runs)
        meaning = "the whole zone was gone over, as was asked for" if everything and status == "complete" else of_status(status)
        yield f"{len(runs)} ended as {status}{': ' + meaning if meaning else ''}."
    tasks = Counter(run.task for run in material.runs)
    yield "Who compacted: " + ", ".join(f"{task} ({count})" for task, count in tasks.most_common(5)) + "."
    waits = [run.latency_ms for run in material.runs if run.latency_ms is not None]
    if waits:
        yield f"It took {sum(waits):.1f} ms in all, {max(waits):.1f} ms at most."
