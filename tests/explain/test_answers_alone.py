"""Each kind of material by itself has an answer: what a stranger pastes first is often one table only."""

from __future__ import annotations

import re

import pytest

from movable.explain.reading import read
from tests.explain.material import ALONE, BUDDY, COMPSNOOP, EVERYTHING, MEMINFO, ZONEINFO
from tests.explain.test_answers import ask, said


@pytest.mark.parametrize("kind", [*ALONE, *EVERYTHING])
def test_each_kind_alone_is_read_whole_and_has_an_answer(kind: str) -> None:
    material, found = ask((ALONE | EVERYTHING)[kind])
    assert not material.unread
    assert found and all(answer.facts for answer in found)


def test_watermarks_alone() -> None:
    text = said(ZONEINFO)
    assert "3808 pages are free of 3840" in text and "it would begin" in text and "at most 7 blocks of order 9" in text
    low = said(ZONEINFO.replace("pages free     3808", "pages free     200"))
    assert "below low" in low and "1061 are missing" in low
    assert "The zone has no memory" in said("Node 0, zone  Movable\n  pages free     0\n        min      0\n        managed  0\n")
    assert "was cut" in said("Node 0, zone  Normal\n        managed  400\n")


def test_nothing_to_judge_is_said() -> None:
    assert "none says how much is free, or what failed" in said("Call Trace:\n <TASK>\n")


def test_indices_alone() -> None:
    text = said(ALONE["indices"], 3)
    assert "0.875: none is free, because free memory is broken up" in text and "lack of memory" in text
    assert "100.0 %" in said(ALONE["unusable"], 9)


def test_who_has_given_free_blocks_is_not_asked_for_them() -> None:
    assert "cat /proc/buddyinfo" in said(MEMINFO) and "cat /proc/buddyinfo" not in said(BUDDY + MEMINFO)
    assert "cat /proc/buddyinfo" in said(BUDDY.replace("Normal", "DMA32") + ZONEINFO)  # of a zone that has no row


MEM_INFO = "Mem-Info:\nactive_anon:0 inactive_anon:0\n slab_reclaimable:0 slab_unreclaimable:{}\n free:{} free_pcp:0\n"


@pytest.mark.parametrize(
    "text",
    [
        "MemTotal: 0 kB\nMemFree: 0 kB\nSlab: 0 kB\nActive: 0 kB\nInactive: 0 kB\n",
        "".join(f"Node 1 {name}: 0 kB\n" for name in ("MemTotal", "MemFree", "Active", "Inactive", "AnonPages", "Slab")),
        MEM_INFO.format(0, 0),
    ],
)
def test_where_there_is_no_memory_no_share_of_it_is_told(text: str) -> None:
    assert not re.search(r"Of \d|in none of the counts", said(text))


@pytest.mark.parametrize(
    ("size", "gigantic"), [("1.00 GiB", True), ("1 GB", True), ("1024 MB", True), ("2.00 MiB", False), ("2 MB", False)]
)
def test_sizes_of_huge_pages_as_old_and_new_kernels_write_them(size: str, gigantic: bool) -> None:
    text = said(f"HugeTLB: allocating 4 of page size {size} failed.  Only allocated 1 hugepages.\n")
    assert ("longer than any block" in text) is gigantic


def test_sizes_that_do_not_fit_give_no_advice() -> None:
    cut = MEM_INFO.format(50_000, 10) + "Node 0 DMA free:40kB min:1kB low:2kB high:3kB managed:1000kB\n"
    task = "[  123]     0   123     1000      900   100000        0             0 foo\n"
    assert "Largest tasks: foo (123) 3600 kB" in said(cut + task) and "slabtop" not in said(cut + task)
    assert "slabtop" in said(cut.replace("managed:1000kB", "managed:200100kB") + task)


def test_tools_count_and_time_in_any_unit_and_language() -> None:
    assert "1234567 compactions began" in said(ALONE["perf stat"])
    assert "357738 pages moved, 39275 did not (10 %)" in said(ALONE["compaction times"])
    assert "kcompactd0: 12" in said(ALONE["bpftrace"])
    assert "They waited 0.7 ms in all" in said(ALONE["drsnoop"])
    material, _ = ask(ALONE["zramctl"])
    assert [one.values["orig_data_size"] for one in material.zram] == [1288490189, 4096]
    other = COMPSNOOP.replace("LAT(ms)", "DURATION(us)").replace("COMM", "TASK").replace("STATUS", "RESULT")
    other = other.replace("3.925", "3,925")
    assert ask(other)[0].runs[1].latency_ms == pytest.approx(0.003925)
    assert ask(other)[0].runs[1].task == "my task"


def test_rows_that_do_not_fit_are_listed() -> None:
    material = read([("pasted", COMPSNOOP + "zsh x 0 ZONE_DMA -1 SYNC 0.1 complete\nzsh 1\n")])
    assert [line.number for line in material.unread] == [5, 6]


def test_pages_in_the_words_of_several_kernels() -> None:
    text = """\
soft offline: 0x123: page migration failed -11, type 0x17ffffc0080000(uptodate)
failed to isolate pfn 1a2b3d
page: refcount:1025 mapcount:1 mapping:00000000abcdef01 index:0x7f pfn:0x1a2b3d
head: order:9 mapcount:1 entire_mapcount:1 nr_pages_mapped:0 pincount:1
anon flags: 0x17ffffc009007c(uptodate|dirty|lru|head|swapbacked|node=0|zone=2)
page_type: 0x0()
page dumped because: isolation failed
memory offlining [mem 0x100000000-0x107ffffff] failed due to failure to isolate range
Memory failure: 0x456: recovery action for dirty LRU page: Recovered
"""
    material, _ = ask(text)
    assert not material.unread and [page.pfn for page in material.pages] == [0x123, 0x1A2B3D, None, 0x456]
    spoken = said(text)
    assert "pinned for DMA (1 pin" in spoken and "-EAGAIN" in spoken and "can never move" in spoken and "memory module" in spoken


def test_areas_of_contiguous_memory_in_newer_words() -> None:
    failed = "__cma_alloc: linux,cma: alloc failed, req-size: 16 pages, ret: -12\n"
    material, _ = ask(f"{failed}alloc_contig_range_noprof: [d0, d4) PFNs busy\n")
    assert [(one.area, one.busy) for one in material.cma] == [("linux,cma", None), ("", (0xD0, 0xD4))]
    assert "no run of free pages is long enough" in said("cma: cma_alloc: x: alloc failed, req-size: 16 pages, ret: -12\n")


def test_a_diff_is_before_and_after() -> None:
    text = "1c1\n< compact_stall 100\n< compact_fail 1\n---\n> compact_stall 1300\n> compact_fail 2\n"
    assert "1200 requests stalled" in said(text)
    assert "1200 requests stalled" in said(text.replace("<", "-").replace(">", "+"))
    assert "1300 requests stalled" in said("> compact_stall 1300\n") and "44 requests" in said("compact_stall=44\n")


def test_lists_that_are_longer_than_the_kernel_counts() -> None:
    assert "the least that is free" in said("Node    0, zone   Normal, type    Movable >100000      1      0\n")
    assert "no memory, or all of it is in use" in said("Node 1, zone   Device      0      0      0\n")


def test_counters_that_are_new_are_known_by_their_company() -> None:
    material = read([("vmstat", "nrswpin 5\nnr_free_pages 1\nswpin_zero 0\nnrswpin 3\n\nweather 12\n")])
    assert [line.number for line in material.unread] == [1, 6]
    assert material.counters[0].values == {"nr_free_pages": 1, "swpin_zero": 0, "nrswpin": 3}
