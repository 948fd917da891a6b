"""What is said of a zone where no table of free blocks is: its watermarks, the kernel's own indices, and /proc/meminfo."""

from __future__ import annotations

import re
from collections.abc import Iterator

from movable.explain import zones
from movable.explain.judge import usage
from movable.explain.judge.plain import percent
from movable.explain.judge.sysfs import GIGANTIC_KB
from movable.explain.judge.zone import boosted
from movable.explain.material import Answer, Marks, Material
from movable.explain.readers.settings import AT_BOOT

BLOCKS = "cat /proc/buddyinfo, or /proc/pagetypeinfo as root: they say in which blocks the free pages lie"
WAYS = {"fragmentation_index": "fragmentation index", "unusable_index": "unusable index"}


def answers(material: Material, order: int) -> Iterator[Answer]:
    """Watermarks and indices of zones that have no table of free blocks, then the whole machine's memory."""
    known = {zones.place(row) for row in zones.last(material)}
    marks = {zones.place(one): one for one in material.marks if zones.place(one) not in known and one.values}
    populated = [one for one in marks.values() if one.values.get("managed", one.values.get("present", 1))]
    for one in populated or list(marks.values())[:1]:
        yield _watermarks(one, order)
    yield from _indices(material, order, known)
    if material.settings:
        yield _settings(material.settings)
    told = {one.values.get("wanted") for one in material.figures if one.kind == "hugetlb"}
    yield from (_pool_asked(material, name, wanted) for name, wanted in material.asked.items()
                if name != "nr_hugepages" or wanted not in told)  # fmt: skip
    if material.meminfo:
        yield _meminfo("Memory of the whole machine (meminfo)", material.meminfo)
    for node, values in sorted(material.node_meminfo.items()):
        yield _meminfo(f"Memory of node {node} (meminfo)", values)


ENABLED = {
    "never": "Transparent huge pages are off (never): no fault asks for one.",
    "madvise": "Transparent huge pages are given where madvise(MADV_HUGEPAGE) asks (madvise), and nowhere else.",
    "always": "Every large enough area asks for transparent huge pages (always).",
}
DEFRAG = {
    "never": "A fault takes a huge page only where one is free: it neither compacts nor reclaims (defrag never).",
    "defer": "A fault wakes kcompactd and does not wait (defrag defer): huge pages come later, by khugepaged.",
    "defer+madvise": "Areas with MADV_HUGEPAGE wait for compaction, others do not (defrag defer+madvise).",
    "madvise": "Areas with MADV_HUGEPAGE wait for compaction, others neither compact nor wake anybody (defrag madvise).",
    "always": "Every fault that asks for a huge page may stall in compaction (defrag always).",
}


def _settings(values: dict[str, str]) -> Answer:
    answer = Answer("Settings")
    answer.facts += [table[values[name]] for name, table in (("enabled", ENABLED), ("defrag", DEFRAG)) if values.get(name) in table]
    if values.get("enabled") == "never":
        answer.advice.append("echo madvise > /sys/kernel/mm/transparent_hugepage/enabled")
    if values.get("defrag") == "always" and values.get("enabled") != "never":
        answer.advice.append("echo defer+madvise > /sys/kernel/mm/transparent_hugepage/defrag: faults stop waiting for compaction")
    if values.get("compaction_proactiveness") == "0":
        answer.facts.append("Proactive compaction is off (vm.compaction_proactiveness 0).")
    if values.get("compact_unevictable_allowed") == "0":
        answer.facts.append("Locked pages are not moved (vm.compact_unevictable_allowed 0).")
    rest = ", ".join(f"{name} {value}" for name, value in values.items() if name not in ("enabled", "defrag"))
    if rest:
        answer.facts.append(f"Read: {rest}.")
    answer.facts = answer.facts or [f"Read: {values}."]
    return answer


def _pool_asked(material: Material, name: str, wanted: int) -> Answer:
    """A pool of huge pages that was asked for, beside what it came to."""
    files = {one.name: int(one.values["value"]) for one in material.figures if one.kind == "sysfs" and "value" in one.values}
    own = name in ("nr_hugepages", AT_BOOT)
    counts = (material.settings.get("nr_hugepages"), material.meminfo.get("HugePages_Total")) if own else (files.get(name),)
    known = [int(value) for value in counts if value is not None]
    given = next((count for count in known if count != wanted), known[0] if known else None)  # sysctl -w says what it was told
    node, size = re.search(r"\bnode(\d+)/", name), re.search(r"hugepages-(\d+)kB", name)
    kind = f" of {size[1]} kB" if size is not None else ""
    where = f" on node {node[1]}" if node is not None else " at boot" if name == AT_BOOT else ""
    answer = Answer("Pool of huge pages", [f"{wanted} huge pages{kind} were asked for{where}."])
    if given is not None and given < wanted:
        answer.facts.append(f"{given} could be made: for the other {wanted - given} no free block was found or compacted.")
        if name == AT_BOOT:
            answer.facts[-1] = f"{given} are there: memory was not in one piece, or the pool was made smaller later."
            answer.advice.append("dmesg | grep -i hugetlb: how many could be made at boot")
        elif size is not None and int(size[1]) > GIGANTIC_KB:
            answer.advice.append("reserve them at boot (hugepagesz= and hugepages=), or room for them (hugetlb_cma=)")
        else:
            answer.advice.append(AGAIN_OR_AT_BOOT)
            answer.advice.append(BLOCKS)
    return answer


AGAIN_OR_AT_BOOT = "compact (echo 1 > /proc/sys/vm/compact_memory) and ask again, or reserve them at boot (hugepages=)"


def _watermarks(marks: Marks, order: int) -> Answer:
    values = marks.values
    answer = Answer(f"{zones.named(marks)}: watermarks", [], [BLOCKS])
    free, size = values.get("free", values.get("nr_free_pages")), values.get("managed", values.get("present"))
    if not size and not free:
        answer.facts.append("The zone has no memory.")
        answer.advice.clear()
        return answer
    if free is None:
        answer.facts.append("How much is free is not there: the text was cut.")
        return answer
    answer.facts.append(f"{free} pages are free{f' of {size}' if size else ''}.")
    low, minimum, high = values.get("low"), values.get("min"), values.get("high")
    if low is not None and minimum is not None:
        state = "below min: only emergency requests get any" if free < minimum else (
            "below low: kswapd runs" if free < low else
            "below high: kswapd goes on where it runs" if high is not None and free < high else "above all of them: no pressure"
        )  # fmt: skip
        marked = f"min {minimum}, low {low}" + (f", high {high}" if high is not None else "")
        answer.facts.append(f"Watermarks: {marked}; free memory is {state}.")
        answer.facts.extend(boosted(marks))
        if order:
            _compaction(free, marks, order, answer)
    if order:
        answer.facts.append(f"A perfect compaction could give at most {free >> order} blocks of order {order}.")
    if marks.free_cma:
        answer.facts.append(f"{marks.free_cma} of the free pages are CMA: movable requests only.")
    return answer


def _compaction(free: int, marks: Marks, order: int, answer: Answer) -> None:
    """Whether compaction would begin."""
    needs = zones.free_for_compaction(marks, order)
    answer.facts.append(
        f"Compaction for order {order} wants {needs} free pages: "
        + (f"it would be skipped, {needs - free} are missing." if free < needs else "it would begin.")
    )
    if free < needs:
        answer.advice.insert(0, "free memory first: compaction has nowhere to move pages to")


def _indices(material: Material, order: int, known: set[zones.Place]) -> Iterator[Answer]:
    for one in material.indices:
        if zones.place(one) in known or not one.values:
            continue
        at = min(order, len(one.values) - 1)
        value = one.values[at]
        answer = Answer(f"{zones.named(one)}: {WAYS[one.which]} of order {at}")
        if one.which == "unusable_index":
            answer.facts.append(f"{value / 1000:.3f}: {value / 10:.1f} % of free memory is in blocks below order {at}.")
            if value == 1000:
                answer.facts.append(f"No block of order {at} is free.")
        elif value == -1000:
            answer.facts.append(f"-1: a block of order {at} is free, so that a request does not fail.")
        else:
            lack = not zones.is_broken_up(value, at)
            answer.facts.append(
                f"{value / 1000:.3f}: none is free, "
                + ("for lack of memory more than fragmentation." if lack else "because free memory is broken up.")
            )
            answer.advice.append("free memory first, then compact" if lack else "compact: echo 1 > /proc/sys/vm/compact_memory")
        yield answer


def end_of_report(material: Material) -> Answer:
    """What the last lines of a report say, where its tables were left out."""
    values = material.report_end
    answer = Answer("End of a report", [], ["add the tables before it: the rows that begin with 'Node 0'"])
    if "RAM" in values:
        kept = f", {values['reserved']} of them reserved" if "reserved" in values else ""
        answer.facts.append(f"The machine has {values['RAM']} pages ({values['RAM'] * material.page_kb} kB){kept}.")
    if "Total swap" in values and "Free swap" in values:
        whole, used = values["Total swap"], values["Total swap"] - values["Free swap"]
        answer.facts.append(f"{used} kB of {whole} kB of swap are used." if whole else "There is no swap.")
    answer.facts.append("Why a request failed is not in these lines.")
    return answer


def _meminfo(title: str, values: dict[str, int]) -> Answer:
    """/proc/meminfo, as far as it speaks of huge pages, CMA and memory that cannot move. In kB; huge pages are counts."""
    answer = Answer(title)
    total, free = values.get("MemTotal"), values.get("MemFree")
    if free is not None:
        of, available = f" of {total} kB" if total else "", values.get("MemAvailable")
        answer.facts.append(f"{free} kB{of} are free" + (f"; {available} kB are available." if available is not None else "."))
    pool = values.get("HugePages_Total")
    if pool is not None:
        size = values.get("Hugepagesize", 2048)
        answer.facts.append(
            f"The pool has {pool} huge pages of {size} kB, {values.get('HugePages_Free', 0)} of them free"
            f" and {values.get('HugePages_Rsvd', 0)} promised."
        )
    if "AnonHugePages" in values and values.get("AnonPages"):
        huge, anon = values["AnonHugePages"], values["AnonPages"]
        answer.facts.append(f"{percent(huge, anon)} % of anonymous memory is in huge pages ({huge} of {anon} kB).")
    elif "AnonHugePages" in values:
        answer.facts.append(f"{values['AnonHugePages']} kB of anonymous memory are in huge pages.")
    if values.get("CmaTotal"):
        answer.facts.append(f"CMA has {values['CmaTotal']} kB, {values.get('CmaFree', 0)} kB of them free.")
    fixed = sum(values.get(name, 0) for name in ("SUnreclaim", "KernelStack", "PageTables", "Percpu"))
    if fixed and total:
        share = f"{fixed} kB ({percent(fixed, total)} %)"
        answer.facts.append(f"{share} are the kernel's own (slab, stacks, page tables) and cannot move.")
    if values.get("Mlocked"):
        locked = f"{values['Mlocked']} kB are locked (mlock)"
        answer.facts.append(f"{locked}: compaction moves them unless vm.compact_unevictable_allowed is 0.")
    uses, whole = usage.of_meminfo(values)
    answer.facts.extend(usage.shares(uses, whole))
    answer.advice.extend(usage.advice(uses, whole))
    answer.facts = answer.facts or [f"{len(values)} values, none about free memory or huge pages."]
    answer.advice.append(BLOCKS)
    return answer
