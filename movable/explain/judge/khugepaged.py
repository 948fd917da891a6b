"""Why khugepaged made no huge page of an area: what the status of its tracepoints means."""

from __future__ import annotations

from collections import Counter

from movable.explain.material import Answer, Figure

MEMORY, ACCESS, SETTING, HELD = "alloc", "access", "setting", "held"
STATUSES = {
    "succeeded": ("a huge page was made", ""),
    "alloc_huge_page_failed": ("no huge page was free, and compaction gave none", MEMORY),
    "cgroup_charge_failed": ("the memory cgroup had no room for it", MEMORY),
    "exceed_none_pte": ("too few pages of the area are in use", SETTING),
    "exceed_swap_pte": ("too many pages of the area are in swap", SETTING),
    "exceed_shared_pte": ("too many pages of the area are shared", SETTING),
    "lack_referenced_page": ("no page of the area was used of late", ACCESS),
    "pmd_none": ("nothing of the area is in memory", ACCESS),
    "pmd_null": ("nothing of the area is in memory", ACCESS),
    "no_writable_page": ("no page of the area may be written", ACCESS),
    "page_pmd_mapped": ("it is a huge page", ""),
    "pmd_mapped": ("it is a huge page", ""),
    "pte_mapped_hugepage": ("it lies in a huge page that is mapped in pieces", ""),
    "not_suitable_page_count": ("a page had more references than its mappings: a pin, or a reader", HELD),
    "page_not_in_lru": ("a page was isolated by somebody, or is no page of a process", HELD),
    "could_not_delete_page_from_lru": ("a page was isolated by somebody", HELD),
    "page_locked": ("a page was locked", HELD),
    "page_has_private": ("a file's page has private data that could not be let go", HELD),
    "page_not_anon": ("the area is a file's", SETTING),
    "vma_check_failed": ("the area may have no huge pages: settings, advice, or its kind", SETTING),
    "vma_null": ("the area is gone", ""),
    "not_suitable_address_range": ("the area is too short, or not aligned", SETTING),
    "no_process_for_page": ("its process is gone", ""),
    "scan_aborted": ("its pages are on nodes too far from each other", SETTING),
    "copy_poisoned_page": ("a page is broken", HELD),
}  # fmt: skip
ADVICE = {
    MEMORY: "cat /proc/buddyinfo, and give it to movable explain: is memory short, or broken up",
    SETTING: "grep . /sys/kernel/mm/transparent_hugepage/khugepaged/max_ptes_*, and .../enabled",
    HELD: "cat /proc/vmstat | grep foll_pin; what is held for a moment is tried again at the next scan",
}


def collapses(rows: list[Figure], answer: Answer) -> None:
    """How scans and attempts ended, the most frequent first."""
    for status, count in Counter(one.name for one in rows).most_common():
        meaning, kind = STATUSES.get(status, ("", ""))
        answer.facts.append(f"{count} ended as {status}{': ' + meaning if meaning else ''}.")
        if kind in ADVICE:
            answer.advice.append(ADVICE[kind])
