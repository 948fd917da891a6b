"""Why a request failed: which zones could have served it, and whether memory was short there or broken up."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from dataclasses import replace
from typing import TypeVar

from movable.explain import zones
from movable.explain.material import Answer, FreeBlocks, Marks, Material, Request, TypeBlocks, grouped
from movable.explain.zones import size_of
from movable.mm.gfp import PAGE_ALLOC_COSTLY_ORDER

MARKED = {"C": "CMA", "H": "kept for atomic requests", "I": "isolated"}
"""Letters of Mem-Info for blocks that not every request may take."""
MAX_SHOWN = 12
Row = TypeVar("Row", FreeBlocks, Marks)


def requests(material: Material) -> Iterator[Answer]:
    """An answer for each request that failed; those that are alike are told once, by the last of them."""
    groups = list(grouped(material.requests, lambda one: (one.line.machine, one.task, one.order, one.gfp, one.what)).values())
    for group in groups[:MAX_SHOWN]:
        yield _answer(_report_of(material, group[-1]), group[-1], len(group))
    if len(groups) > MAX_SHOWN:
        yield Answer("More requests", [f"{len(groups) - MAX_SHOWN} more kinds of requests failed; --json has all of them."])


def _report_of(material: Material, one: Request) -> Material:
    """The tables of one request's own report: those between it and the next. Where it has none, the last ones of the text."""
    at = material.requests.index(one)
    same = (each.line for each in material.requests[at + 1 :] if each.line.source == one.line.source)
    after = next((line for line in same if line.machine == one.line.machine), None)

    def inside(row: FreeBlocks | Marks | TypeBlocks) -> bool:
        line = row.line
        return (
            (line.source, line.machine) == (one.line.source, one.line.machine)
            and one.line.number <= line.number < (after.number if after else line.number + 1)
        )  # fmt: skip

    limited = any(each.limits for each in material.requests if each is not one)  # then what is said last may be of another report
    own = Material(requests=[one], cgroup={} if limited else material.cgroup, page_kb=material.page_kb)
    own.free, own.marks = _printed([row for row in material.free if inside(row)]), _printed(list(filter(inside, material.marks)))
    own.types = [] if own.free else material.types
    if not own.free and not own.marks:
        own.free, own.marks = material.free, material.marks
    elif not own.marks:
        own.marks = material.marks
    elif not own.free and one.order:
        own.free = material.free
    return own


def _printed(rows: list[Row]) -> list[Row]:
    """Of tables behind a request those of Mem-Info, of each zone the first: what stands behind its report is of a later moment."""
    printed = [row for row in rows if "kB" in row.line.text]
    return [found[0] for found in grouped(printed, zones.place).values()] or rows


def _answer(material: Material, one: Request, times: int) -> Answer:
    size = size_of(max(one.order, 0), material.page_kb)
    often = f", {times} times" if times > 1 else ""
    answer = Answer(f"{zones.on(one.line)}Request of {one.task}", [f"A request of order {one.order} ({size}) {one.what}{often}."])
    if one.order < 0 and one.oom:
        answer.facts = [f"The OOM killer was called by hand (sysrq f){often}: no request failed."]
        return answer
    limits = one.limits if "constraint" in one.limits or "limit_kb" in one.limits else material.cgroup
    limited = one.oom and (limits.get("constraint") == "CONSTRAINT_MEMCG" or ("limit_kb" in limits and "constraint" not in limits))
    if one.atomic:
        answer.facts.append("It may not wait, so that neither reclaim nor compaction could help it.")
        answer.advice.append("raise vm.min_free_kbytes, so that more is kept for such requests")
    elif one.order > PAGE_ALLOC_COSTLY_ORDER:
        answer.facts.append("It is a costly order (above 3): the kernel gives up where compaction does not help.")
    if limited:
        how = _limit(limits)
        answer.facts.append(f"The limit of a memory cgroup was reached{how}, not the end of the machine's memory.")
        answer.facts.append("Neither fragmentation nor compaction has a part in it.")
        answer.advice.append("raise the limit (memory.max), or look at what the tasks of the group use")
        return answer
    if one.order == 0 and "vmalloc" in one.what:
        answer.facts.append("It is made of single pages: fragmentation has no part in it; memory ran out, or the addresses for it.")
    if one.order == 0 and one.oom:
        answer.facts.append("Order 0 needs no contiguous memory: fragmentation is not the reason.")
        answer.advice.append("look at what uses memory (unreclaimable slab, shmem, tasks)")
    answer.facts.extend(_bound(material, one, answer))
    verdict = list(_verdict(material, one))
    answer.facts.extend(verdict or ["Why, this text does not say: what was free is not in it."])
    if not verdict:
        answer.advice.append("add the whole report: the rows that begin with 'Node 0', or /proc/buddyinfo and /proc/zoneinfo")
    return answer


BOUND = {
    "CONSTRAINT_MEMORY_POLICY": ("a memory policy", "let the policy prefer its nodes (MPOL_PREFERRED_MANY) and not bind to them"),
    "CONSTRAINT_CPUSET": ("a cpuset", "give the cpuset more nodes (cpuset.mems)"),
}


def _bound(material: Material, one: Request, answer: Answer) -> Iterator[str]:
    """What a request could not have: by its flags, and because it was bound to some nodes."""
    marks = zones.last_marks(material).values()
    anywhere = replace(one, nodes=None)
    kept = {mark.zone: 0 for mark in marks if not may_use(anywhere, FreeBlocks(mark.line, mark.node, mark.zone, []))}
    for mark in marks:
        if mark.zone in kept and (one.nodes is None or mark.node in one.nodes):
            kept[mark.zone] += mark.values.get("free", 0)
    if any(kept.values()):
        where = " and ".join(zone for zone, pages in kept.items() if pages)
        yield f"By its flags it may not take what is free in zone {where}: {sum(kept.values()) * material.page_kb} kB."
    if one.nodes is None:
        return
    usual = BOUND["CONSTRAINT_CPUSET"] if one.by_cpuset else ("its nodemask", "")
    who, help_ = BOUND.get(one.limits.get("constraint", ""), usual)
    others = sum(mark.values.get("free", 0) for mark in marks if mark.node not in one.nodes)
    if not others:
        return
    nodes = ", ".join(map(str, sorted(one.nodes)))
    yield f"It was bound to node {nodes} by {who}: {others * material.page_kb} kB that are free on other nodes are not for it."
    if help_:
        answer.advice.append(help_)


def killed(material: Material) -> Iterator[Answer]:
    """Whom the OOM killer chose; why it ran is said where its report is there."""
    chosen = material.cgroup.get("task")
    victims = material.killed or ([(chosen, None)] if chosen else [])
    if not victims:
        return
    answer = Answer("Killed by the OOM killer")
    for task, size in list(dict.fromkeys(victims))[:MAX_SHOWN]:
        answer.facts.append(f"{task} was killed" + (f"; {size} kB of its anonymous memory came free." if size is not None else "."))
    if not material.requests:
        limited = material.cgroup.get("constraint") == "CONSTRAINT_MEMCG"
        whose = "a memory cgroup had reached its limit" if limited else "memory was used up, or a request of a high order failed"
        answer.facts.append(f"The reason is not in this text: {whose}.")
        answer.advice.append("add the lines before it, from 'invoked oom-killer' on: which order was wanted, and what was free")
    yield answer


def _limit(group: dict[str, str]) -> str:
    return f" ({group['usage_kb']} kB used of {group['limit_kb']} kB)" if "limit_kb" in group and "usage_kb" in group else ""


def _verdict(material: Material, one: Request) -> Iterator[str]:
    """Over all zones that could have served it. Zones that keep their pages for others count as short of memory."""
    if one.order < 0:
        return
    rows = [row for row in _rows(material, one.order) if row.counts and may_use(one, row)]
    states = {f"node {row.node} {row.zone}": state(material, row, one.order, one) for row in rows}
    if not rows or "unknown" in states.values():
        return
    states = {name: found for name, found in states.items() if found != "empty"}
    if not states:
        where = ", ".join(dict.fromkeys(row.zone for row in rows))
        yield f"It may only take memory of zone {where}, and there is none on this machine: freeing or compacting cannot help."
        return
    if _misses_zones(material, one, rows):
        yield "Why, cannot be said: lowmem_reserve tells of higher zones that could serve it, whose rows are not in this text."
        return
    sure = "free" in states.values() and "__GFP_THISNODE" not in one.gfp
    left_out = _left_out(material, one, rows) if one.order and not sure else []
    cut_behind = _cut_behind(material, one, rows)
    if left_out:
        yield f"Why, cannot be said: {', '.join(left_out)} could serve it, and the free blocks there are not in this text."
        return
    if cut_behind:
        yield f"Why, cannot be said: the report was cut behind zone {cut_behind}, before the zones that such requests come from."
        return
    others = _without_blocks(one, rows, states)
    if others:
        where = _listed({row.node for row in rows} - others)
        yield f"It wanted memory of one node (__GFP_THISNODE), which is not said: of {_listed(others)}, as node {where} has blocks."
        states = {name: found for name, found in states.items() if int(name.split()[1]) in others}
        rows = [row for row in rows if row.node in others]
    yield _reason(states, one, any(_can_begin(material, row, one) for row in rows))


def _reason(states: dict[str, str], one: Request, compacts: bool) -> str:
    """The reason by the states of the zones; ``compacts`` says whether compaction could begin in one of them."""
    named = {state: ", ".join([name for name, found in states.items() if found == state][:4]) for state in states.values()}
    if "free" in named:
        when = f"were there when this was written ({named['free']})"
        limit = ", or the limit of a memory cgroup was reached, which this text does not say" if one.oom and not one.limits else ""
        return f"Blocks of order {one.order} {when}: they came too late, or were not asked for{limit}."
    if "tight" in named:
        little = f"in {named['tight']} hardly more was free than what is kept back"
        return f"The reason is lack of memory: {little}, and less a moment before."
    if "broken up" in named:
        less = "" if compacts else "; too little is free there for compaction to begin"
        return f"The reason is fragmentation: enough is free in {named['broken up']}, in blocks that are too small{less}."
    if "held back" in named:
        return "The reason is the watermark: before 4.4 a kernel keeps a part of its larger blocks back, too; there were too few."
    if not named.keys() - {"short"}:
        return "The reason is lack of memory: no zone that could serve it had enough free pages above what it keeps back."
    return f"The reason is the type of the free blocks: {OTHER_TYPE if one.order else OTHER_TYPE_PAGE}."


OTHER_TYPE = "those that are large enough are not for a request like this"
OTHER_TYPE_PAGE = "most are CMA's, or kept for others; of the rest too little is free, so that memory was short for it"


def _without_blocks(one: Request, rows: list[FreeBlocks], states: dict[str, str]) -> set[int]:
    """The nodes without a block, where a request was bound to one that its report does not name, and other nodes have blocks."""
    given = {row.node for row in rows if states.get(f"node {row.node} {row.zone}") in ("free", "tight")}
    return {row.node for row in rows} - given if "__GFP_THISNODE" in one.gfp and given else set()


def _listed(nodes: Iterable[int]) -> str:
    return " or ".join(map(str, sorted(nodes)))


def _misses_zones(material: Material, one: Request, rows: list[FreeBlocks]) -> bool:
    """Whether a node has zones above its last row that a request may use: what the row keeps back from such requests tells."""
    for row in rows:
        last = (zones.of_node(material, row) or [row])[-1]
        marks = zones.marks_of(material, last)
        may = may_use(one, FreeBlocks(row.line, row.node, "Normal" if last.zone.startswith("DMA") else "Movable", []))
        if marks is not None and any(marks.reserve) and last.zone != "Movable" and may:
            return True
    return False


def _left_out(material: Material, one: Request, rows: list[FreeBlocks]) -> list[str]:
    """Zones that may have what was wanted, by their watermarks, and whose free blocks the text does not have."""
    known = {zones.place(row) for row in rows}
    usable = [
        (FreeBlocks(marks.line, marks.node, marks.zone, [marks.values.get("free", 0)]), marks)
        for marks in zones.last_marks(material).values()
    ]
    usable = [(row, marks) for row, marks in usable if may_use(one, row) and not zones.is_empty(marks)]
    found = []
    for row, marks in usable:
        highest = [other for beside, other in usable if zones.place(beside)[:2] == zones.place(row)[:2]][-1]
        kept = marks.values.get("min", 0) + marks.kept_from(highest)
        if zones.place(row) not in known and row.free > kept and row.free - of_others(marks, one) >> one.order:
            found.append(f"node {row.node} {row.zone}")
    return found


def _cut_behind(material: Material, one: Request, rows: list[FreeBlocks]) -> str:
    """The zone for DMA behind which a report was cut: how much it keeps from others, and which zones follow, is not there."""
    last = zones.marks_of(material, rows[-1])
    cut = not one.order and not zones.last(material) and rows[-1].zone.startswith("DMA") and last is not None and not last.reserve
    return rows[-1].zone if cut else ""


def _can_begin(material: Material, row: FreeBlocks, request: Request) -> bool:
    """Whether compaction for a request would begin in a zone; where its watermarks are not known it counts as if it would."""
    marks = zones.marks_of(material, row)
    return marks is None or row.free >= zones.free_for_compaction(marks, request.order) + kept_back(material, row, request)


def state(material: Material, row: FreeBlocks, order: int, request: Request | None = None) -> str:
    """What a request of an order finds in a zone.

    One of ``free``, ``tight``, ``broken up``, ``short``, ``other type``, ``held back``, ``empty`` and ``unknown``. Tight is what is
    enough, but below the low watermark: reclaim was at work, and a report is written after the request failed.
    """
    marks = zones.marks_of(material, row)
    if zones.is_empty(marks):
        return "empty"
    if (marks is None and order == 0) or row.cut_before(order):
        return "unknown"
    least = 0 if marks is None else marks.values.get("min", 0)
    if request is not None and request.urgent and request.atomic:
        least = least * 3 // 8  # half of it, and a quarter of the rest, are for who cannot wait
    reserve = kept_back(material, row, request)
    kept = least + reserve + (1 << order) - 1
    now = zones.at(row, order)
    if row.free <= kept or row.free >> order == 0:
        return "short"
    if row.free - of_others(marks, request) <= kept:
        return "other type"
    if not now.usable_blocks:
        return "broken up" if zones.is_broken_up(now.fragmentation_index, order) else "short"
    if not_for(row, order, request):
        return "other type"
    if request is not None and request.old and _keeps_larger(row, order, least):
        return "held back"
    low = 0 if marks is None else marks.values.get("low", 0)
    return "tight" if row.free - reserve <= low else "free"


def _rows(material: Material, order: int) -> list[FreeBlocks]:
    """The last table of every zone; for a single page what is free is enough, where only watermarks were pasted."""
    rows = zones.last(material)
    if rows or order:
        return rows
    last = {zones.place(one): one for one in material.marks if "free" in one.values}
    return [FreeBlocks(one.line, one.node, one.zone, [one.values["free"]]) for one in last.values()]


def of_others(marks: Marks | None, request: Request | None) -> int:
    """Free pages of a zone that are not for a request: those of CMA, and those kept for requests that cannot wait."""
    if marks is None:
        return 0
    lent = 0 if request is not None and request.movable else marks.free_cma
    return lent + (0 if request is not None and request.urgent else marks.values.get("free_highatomic", 0))


def _keeps_larger(row: FreeBlocks, order: int, least: int) -> bool:
    """Whether a kernel before 4.4 refuses blocks that it has: of each order up, half as many pages have to stay free."""
    left = row.free - (1 << order) + 1
    for each in range(order):
        left, least = left - (row.counts[each] << each), least >> 1
        if left <= least:
            return True
    return False


def kept_back(material: Material, row: FreeBlocks, request: Request | None) -> int:
    """Pages that a zone keeps from a request (None: a usual one of the kernel) which a higher zone of the node could serve, too."""
    usual = Request(row.line, "", 0, ())
    usable = [one for one in zones.of_node(material, row) if may_use(request or usual, one)]
    marks = zones.marks_of(material, row)
    return 0 if marks is None or not usable else marks.kept_from(zones.marks_of(material, usable[-1]))


def not_for(row: FreeBlocks, order: int, request: Request | None) -> str:
    """Why blocks that are large enough are not for a request: all of them are of CMA, or kept for others. "" where they are."""
    there = [row.types.get(each, "") for each, count in enumerate(row.counts) if each >= order and count]
    letters = set("".join(there))
    allowed = {"C"} if request is not None and request.movable else {"H"} if request is not None and request.atomic else set()
    if not all(there) or not letters or letters - (set(MARKED) - allowed):
        return ""
    return " or ".join(MARKED[letter] for letter in sorted(letters))


def may_use(request: Request, row: FreeBlocks) -> bool:
    """Whether a request may take pages of a zone, by its flags and its nodes."""
    zone, nodes = row.zone, request.nodes
    if zone == "Device" or (nodes is not None and row.node not in nodes):
        return False
    if zone == "HighMem":
        return request.high
    if zone == "Movable":
        return request.movable and request.high
    flags = set(request.gfp)
    if flags & {"GFP_DMA", "__GFP_DMA"}:
        return zone == "DMA"
    return zone.startswith("DMA") if flags & {"GFP_DMA32", "__GFP_DMA32"} else True


def nodes_of(text: str) -> frozenset[int] | None:
    """A nodemask as the kernel prints it (0-1,3); None for "(null)", and for what is no such list."""
    if not re.fullmatch(r"\d{1,4}(?:-\d{1,4})?(?:,\d{1,4}(?:-\d{1,4})?)*", text):
        return None
    spans = [part.partition("-") for part in text.split(",")]
    return frozenset(node for first, _, last in spans for node in range(int(first), int(last or first) + 1))
