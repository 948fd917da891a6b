"""What values of /sys say, and pools of huge pages that could not be filled: areas, pools, memory blocks, faults by size."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterator

from movable.explain.judge.plain import BLOCKS, MAX_SHOWN, percent, plain, read_too
from movable.explain.material import Answer, Figure, Material, grouped
from movable.shown import many

GIGANTIC_KB = 512 << 10  # kB; no allocator has a longer block


def with_boot(one: Figure, material: Material) -> Figure:
    """A pool that could not be filled, and whether that was at boot."""
    boot = float(material.huge_at_boot.get(one.name) == int(one.values["given"]))
    return Figure(one.line, one.kind, one.name, {**one.values, "boot": boot})


def hugetlb(rows: list[Figure], answer: Answer) -> None:
    """Pools of huge pages that could not be filled, and why."""
    for one in rows:
        wanted, given = plain(one.values["wanted"]), plain(one.values["given"])
        answer.facts.append(f"{wanted} huge pages of {one.name} were asked for, {given} could be made.")
    gigantic = [one for one in rows if one.values["kb"] > GIGANTIC_KB]
    if any(one.values["boot"] for one in rows):
        answer.facts.append("That was at boot: what lay in one piece was used up; holes and what firmware keeps part the rest.")
        answer.advice.append("ask for fewer, or say how many on each node (hugepages=0:32,1:32, since 5.15); dmesg | grep e820")
        return
    if gigantic:
        answer.facts.append(
            f"One of {gigantic[0].name} is longer than any block of the allocator: a whole range is emptied for it "
            "(alloc_contig_range), and one page in it that cannot move is enough to fail; compaction is no help."
        )
        answer.advice.append("reserve them at boot (hugepagesz=1G hugepages=N), or room for them (hugetlb_cma=)")
    if len(gigantic) < len(rows):
        answer.facts.append("The rest found no free run of that length: memory was broken up, or used up.")
        answer.advice.append("compact first (echo 1 > /proc/sys/vm/compact_memory), or reserve them at boot (hugepages=)")
        answer.advice.append(BLOCKS)


def sysfs(rows: list[Figure], answer: Answer) -> None:
    """Values of files below /sys: what they say together, and the list of them."""
    values = _by_file(rows)
    answer.facts.extend([*_debugged_areas(rows), *_huge_pools(rows), *_faults_by_size(rows), *_memory_blocks(rows, answer)])
    if {"target_kb", "current_kb"} <= set(values):
        wanted, given = plain(values["target_kb"]), plain(values["current_kb"])
        answer.facts.append(f"Balloon of Xen: the guest has {given} kB, the host wants it to have {wanted} kB.")
    if "block_size_bytes" in values:  # in hexadecimal digits
        block = int(plain(values["block_size_bytes"]), 16)
        answer.facts.append(f"A memory block has {block >> 20} MiB.")
    if "pages_collapsed" in values and "full_scans" in values:
        made, scans = plain(values["pages_collapsed"]), plain(values["full_scans"])
        answer.facts.append(f"khugepaged has made {made} huge pages in {scans} scans of all areas.")
    if "stored_pages" in values and "pool_total_size" in values:
        size = plain(values["pool_total_size"] // 1024)
        answer.facts.append(f"zswap keeps {plain(values['stored_pages'])} pages in {size} kB.")
    if values.get("pool_limit_hit"):
        answer.facts.append(f"Its pool was full {plain(values['pool_limit_hit'])} times.")
    if values.get("reject_alloc_fail"):
        answer.facts.append(f"{plain(values['reject_alloc_fail'])} pages found no memory in it: memory was short.")
    read_too(rows, answer)


def _by_file(rows: list[Figure]) -> dict[str, float]:
    """The values of files without their folders."""
    return {one.name.rpartition("/")[2]: one.values.get("value", 0.0) for one in rows}


def _debugged_areas(rows: list[Figure]) -> Iterator[str]:
    """Areas of contiguous memory, as /sys/kernel/debug/cma has them."""
    for area, group in grouped([one for one in rows if one.name.startswith("cma/")], lambda one: one.name.split("/")[1]).items():
        values = _by_file(group)
        if {"total_pages", "available_pages"} <= set(values):
            yield f"Area {area}: {plain(values['available_pages'])} of {plain(values['total_pages'])} pages are free."
        failed, given = values.get("alloc_pages_fail"), values.get("alloc_pages_success")
        if failed is not None and given is not None:
            yield f"Area {area}: {plain(failed)} pages could not be given, {plain(given)} were, since boot."
        if {"count", "used"} <= set(values):
            run = f"; the longest free run has {plain(values['maxchunk'])}" if "maxchunk" in values else ""
            yield f"Area {area}: {plain(values['used'])} of {plain(values['count'])} pages are used{run}."


def _huge_pools(rows: list[Figure]) -> Iterator[str]:
    """Pools of huge pages of the machine and of its nodes, by the files of their folder."""
    pools = [one for one in rows if "hugepages-" in one.name]
    for folder, group in grouped(pools, lambda one: one.name.rpartition("/")[0]).items():
        values = _by_file(group)
        node, size = re.search(r"node/node(\d+)/", folder + "/"), re.search(r"hugepages-(\d+)kB", folder)
        if "nr_hugepages" in values and size is not None:
            where = f"Node {node[1]}: " if node is not None else ""
            rest = [f"{plain(values[name])} {what}" for name, what in POOL_FILES.items() if name in values]
            pages = many(int(values["nr_hugepages"]), "huge page")
            yield f"{where}{pages} of {size[1]} kB{', ' if rest else ''}{', '.join(rest)}."


def _memory_blocks(rows: list[Figure], answer: Answer) -> Iterator[str]:
    """Memory blocks by their files: how many are online, and which of them can be counted on to go offline."""
    files = (re.match(r"memory/(memory\d+)/(state|valid_zones|removable)(?: (.+))?$", one.name) for one in rows)
    both = zip(rows, files, strict=True)
    words = [(found[1], found[2], found[3] or plain(one.values.get("value", 0.0))) for one, found in both if found is not None]
    states = Counter(word for _, file, word in words if file == "state")
    if states:
        yield f"Memory blocks: {', '.join(f'{count} {word}' for word, count in states.items())}."
    offline = {block for block, file, word in words if file == "state" and word == "offline"}
    zones = {block: word for block, file, word in words if file == "valid_zones" and block not in offline and word != "none"}
    movable = [block for block, word in zones.items() if word.split()[:1] == ["Movable"]]
    if zones:
        yield f"{len(movable)} of {len(zones)} that are online are of zone Movable ({_few(movable)}): only those can be counted on."
    fixed = [block for block, file, word in words if file == "removable" and word == "0"]
    if fixed:
        yield f"Not removable, by the kernel's own word: {_few(fixed)}."
        answer.advice.append("online blocks as movable (echo online_movable > .../state), or boot with movable_node")


def _few(names: list[str]) -> str:
    more = f" and {len(names) - MAX_SHOWN} more" if len(names) > MAX_SHOWN else ""
    return ", ".join(names[:MAX_SHOWN]) + more if names else "none"


def _faults_by_size(rows: list[Figure]) -> Iterator[str]:
    """Huge pages of each size at faults, by the files of transparent_hugepage/hugepages-NkB/stats."""
    sized = [one for one in rows if "/stats/anon_fault" in one.name]
    for folder, group in grouped(sized, lambda one: one.name.rpartition("/")[0]).items():
        values, size = _by_file(group), re.search(r"hugepages-(\d+)kB", folder)
        given, refused = values.get("anon_fault_alloc"), values.get("anon_fault_fallback")
        if size is not None and given is not None and refused is not None:
            share = f" ({percent(int(refused), int(given + refused))} %)" if given + refused else ""
            yield f"Huge pages of {size[1]} kB at faults: {plain(given)} given, {plain(refused)} refused{share}."


POOL_FILES = {"free_hugepages": "of them free", "resv_hugepages": "promised", "surplus_hugepages": "beyond the pool's size"}
