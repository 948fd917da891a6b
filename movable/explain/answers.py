"""The answers in plain words: one heading for each question that the material answers, its facts, and what would help next."""

from __future__ import annotations

from bisect import bisect_left
from collections import Counter
from collections.abc import Iterable, Iterator

from movable.explain import levels, tallies, zones
from movable.explain.hostages import called, judge, kind_of, pages_of
from movable.explain.judge import figures, plain, usage
from movable.explain.judge.contiguous import areas
from movable.explain.judge.page_size import USUAL_PAGE_KB
from movable.explain.judge.requests import killed, nodes_of, requests
from movable.explain.judge.said import said
from movable.explain.judge.zone import zone
from movable.explain.material import Answer, Mapped, Material, PageDump, grouped
from movable.explain.meanings import of_return
from movable.shown import many
from movable.trace.judge.compaction import follow
from movable.trace.read.tracepoints import tracepoints
from movable.trace.show.compaction import compaction_text

MAX_PAGES_SHOWN = 10
MUCH_APART = 2  # times as much, from which two counts of the same are told
LOOK = "add the report's tables: Mem-Info, /proc/buddyinfo or /proc/zoneinfo, and /proc/vmstat"
KEEP_APART = "huge pages come from movable blocks; boot with kernelcore= or movable_node to keep unmovable pages elsewhere"


def answers(material: Material, order: int, why: str) -> list[Answer]:
    """Everything that can be said, most asked first; of several machines, one after the other."""
    if not material.by_machine:
        return _of_one(material, order, why)
    found: list[Answer] = []
    for name, one in material.by_machine.items():
        wanted = (order, why) if why == zones.AS_ASKED else zones.wanted_order(one, None)
        begins = f"{name}: " if name else ""
        for answer in _of_one(one, *wanted):
            answer.title = answer.title if answer.title.startswith(begins) else f"{begins}{answer.title}"
            found.append(answer)
    return found


def _of_one(material: Material, order: int, why: str) -> list[Answer]:
    """What can be said of one machine."""
    found = [*requests(material), *killed(material), *usage.answers(material), *_pages(material)]
    found += [zone(material, rows, order, why) for rows in zones.by_zone(material)]
    if material.page_kb != USUAL_PAGE_KB:
        found.append(Answer("Size of a page", [f"Pages have {material.page_kb} kB here, by {material.page_why}."]))
    found += [*_apart(material), *levels.answers(material, order)]
    found += [*said(material), *_pageblocks(material), *areas(material)]
    found += [*tallies.answers(material), *_maps(material)]
    found += figures.answers(material)
    if material.events:
        found.append(_traced(material))
    if material.report_end and not any(one.facts for one in found):
        found.append(levels.end_of_report(material))
    lines = f"{material.recognised} line{'s were' if material.recognised != 1 else ' was'} recognised"
    none = Answer("Nothing to judge", [f"{lines}; none says how much is free, or what failed."], [LOOK])
    if zones.last(material):
        _ask_for_no_blocks(found)
    return [one for one in found if one.facts] or [none]


def _ask_for_no_blocks(found: Iterable[Answer]) -> None:
    """Who has given free blocks is not asked for them again, but for those of a zone of which only watermarks are there."""
    for one in found:
        if not one.title.endswith(": watermarks"):
            one.advice = [advice for advice in one.advice if advice not in (levels.BLOCKS, plain.BLOCKS)]


def _traced(material: Material) -> Answer:
    lines = list(compaction_text(follow(tracepoints(material.events))))
    facts = [" ".join(line.split()) for line in lines[1:]]
    return Answer(lines[0], facts or [f"{len(material.events)} lines, none of compaction."])


def _apart(material: Material) -> Iterator[Answer]:
    """What is free by /proc/meminfo and by the tables of blocks, where the two cannot be of one moment."""
    rows, free = zones.last(material), material.meminfo.get("MemFree", 0)
    blocks = sum(row.free * row.page_kb for row in rows)
    if not (rows and free and all(row.whole for row in rows)) or min(free, blocks) * MUCH_APART > max(free, blocks):
        return
    yield Answer(
        "What is free, by two tables",
        [f"MemFree of meminfo is {free} kB, the blocks in the tables are {blocks} kB: rows are missing, or the two are of "
         "different moments or machines."],
        ["cat /proc/meminfo /proc/buddyinfo: both at once"],
    )  # fmt: skip


def _pageblocks(material: Material) -> Iterator[Answer]:
    blocks = {(zones.place(one), one.mixed): one for one in material.pageblocks}
    for one in blocks.values():
        total = sum(one.counts.values())
        if one.mixed and total:
            kinds = ", ".join(f"{count} {kind}" for kind, count in one.counts.items() if count)
            yield Answer(
                f"{zones.named(one)}: mixed pageblocks",
                [f"{total} pageblocks hold pages of another kind too ({kinds}): one unmovable page keeps a whole block."],
            )
        elif not one.mixed and total:
            fixed = total - one.counts.get("Movable", 0) - one.counts.get("CMA", 0)
            verb = "is" if fixed == 1 else "are"
            yield Answer(
                f"{zones.named(one)}: pageblocks",
                [f"{fixed} of {many(total, 'pageblock')} {verb} not movable ({plain.percent(fixed, total)} %)."],
                [KEEP_APART] if 2 * fixed > total else [],
            )


def _pages(material: Material) -> Iterator[Answer]:
    homes = _homes(material.pages)
    bare = [page for page in material.pages if _says_no_more(page) and page.pfn in homes]
    again = grouped(bare, lambda page: homes.get(page.pfn))
    pages = [page for page in material.pages if not _says_no_more(page) or page.pfn not in homes]
    groups = list(grouped(pages, lambda page: (page.pfn, page.reason, page.ret, page.refcount, page.name)).values())
    for group in groups[:MAX_PAGES_SHOWN]:
        answer = _page(group[0])
        if len(group) > 1:
            answer.facts.append(f"It was dumped {len(group)} times, each time the same.")
        tries = again.pop(group[0].pfn, [])
        if tries:
            answer.facts.append(f"The kernel says {many(len(tries), 'more time')} that it did not move: {_returned(tries)}.")
        yield answer
    if len(groups) > MAX_PAGES_SHOWN:
        kinds = Counter(called(kind_of(group[0])) for group in groups)
        what = ", ".join(f"{count} {kind}" for kind, count in kinds.most_common())
        left = len(groups) - MAX_PAGES_SHOWN
        yield Answer("More pages", [f"{left} more pages were dumped; --json has all of them.", f"Of all {len(groups)}: {what}."])


def _says_no_more(page: PageDump) -> bool:
    """Whether a line says only that a page did not move."""
    return page.refcount is None and not page.reason


def _homes(pages: Iterable[PageDump]) -> dict[int | None, int]:
    """The page or large folio that was dumped, for each page in it that a line is about which says no more."""
    asked = sorted({page.pfn for page in pages if _says_no_more(page) and page.pfn is not None})
    homes: dict[int | None, int] = {}
    for page in pages:
        if page.pfn is not None and page.refcount is not None:
            for pfn in asked[bisect_left(asked, page.pfn) : bisect_left(asked, page.pfn + pages_of(page))]:
                homes.setdefault(pfn, page.pfn)
    return homes


def _returned(pages: Iterable[PageDump]) -> str:
    return ", ".join(dict.fromkeys(of_return(page.ret) if page.ret is not None else "no error was told" for page in pages))


def _page(page: PageDump) -> Answer:
    """One page that is in the way."""
    found = judge(page)
    name = f"Page {page.pfn:#x}" if page.pfn is not None else f"Memory {page.name}" if "offlining" in page.reason else "A page"
    answer = Answer(f"{name}: {page.reason or 'did not migrate'}", [], [found.advice])
    what = f"It is {called(found.kind)}{' of ' + page.name if page.name and page.aops else ''}: " if found.kind != "unknown" else ""
    answer.facts.append((what + found.why)[:1].upper() + (what + found.why)[1:] + ".")
    if found.expected is not None and page.reason != "unmovable page":
        mapped = f", {page.mapcount} of them from page tables" if (page.mapcount or 0) >= 0 else ""
        answer.facts.append(f"It had {many(found.held or 0, 'reference')}{mapped}; migration counts on {found.expected}.")
    if page.ret is not None and found.why != of_return(page.ret):
        answer.facts.append(f"The call returned {page.ret}: {of_return(page.ret)}.")
    if page.owner:
        answer.facts.append(f"It was allocated by: {page.owner}.")
    return answer


def _maps(material: Material) -> Iterator[Answer]:
    if not material.maps:
        return
    nodes: dict[int, int] = {}
    for one in material.maps:
        for node, pages in one.nodes.items():
            nodes[node] = nodes.get(node, 0) + pages * _unit_of(one, material)
    where = ", ".join(f"node {node}: {kb} kB" for node, kb in sorted(nodes.items()))
    answer = Answer("numa_maps", [f"{sum(nodes.values())} kB in {many(len(material.maps), 'mapping')}: {where}."])
    huge = [one for one in material.maps if "huge" in one.words]
    if huge:
        kb = sum(sum(one.nodes.values()) * _unit_of(one, material) for one in huge)
        answer.facts.append(f"{kb} kB of it are huge pages of the pool ({many(len(huge), 'mapping')}).")
    astray = [one for one in material.maps if (bound := _bound(one.policy)) and set(one.nodes) - bound]
    if astray:
        told = ", ".join(f"{one.address:x} ({one.policy})" for one in astray[:4])
        have = "mapping has" if len(astray) == 1 else "mappings have"
        answer.facts.append(f"{len(astray)} bound {have} pages on other nodes: {told}.")
        answer.advice.append("migratepages PID FROM TO, or mbind() with MPOL_MF_MOVE, moves them")
    shared = sum(1 for one in material.maps if int(one.words.get("mapmax", "1") or 1) > 1)
    if shared:
        answer.facts.append(
            f"{shared} {'mapping has' if shared == 1 else 'mappings have'} pages that several processes map: migratepages leaves "
            "those, unless with CAP_SYS_NICE."
        )
    yield answer


def _unit_of(one: Mapped, material: Material) -> int:
    """How many kB each page of a mapping counts: huge ones count as one."""
    said, huge = one.words.get("kernelpagesize_kB", ""), material.meminfo.get("Hugepagesize", 2048)
    return int(said[:9]) if said.isdecimal() else huge if "huge" in one.words else material.page_kb


def _bound(policy: str) -> frozenset[int]:
    """The nodes that a mapping is bound to; none where it is not."""
    kind, _, nodes = policy.partition(":")
    return (nodes_of(nodes.partition("=")[0]) or frozenset()) if kind.startswith("bind") else frozenset()
