"""Every kind of material is recognised whole, alone, among others, and dressed up as people paste it."""

from __future__ import annotations

import random
from typing import Any

import pytest

from movable.errors import UsageError
from movable.explain import reading
from movable.explain.answers import answers
from movable.explain.material import Material
from movable.explain.reading import read
from movable.explain.record import record
from movable.mm.vmstat import count_blocks, index_of
from tests.explain.material import (
    ALONE,
    BUDDY,
    CMA,
    COMPSNOOP,
    DUMP,
    EVERYTHING,
    INDICES,
    MEM_INFO,
    MM_STAT,
    NUMA_MAPS,
    TYPES,
    UNUSABLE,
    VMSTAT_AFTER,
    VMSTAT_BEFORE,
    ZONEINFO,
)  # fmt: skip


def read_one(text: str) -> Material:
    return read([("pasted", text)])


def values(text: str) -> dict[str, Any]:
    """The record without the places where things stood."""
    material = read_one(text)
    found = record(material, answers(material, 9, "a test"), 9)
    return {name: _placeless(value) for name, value in found.items() if name not in ("answers", "unread")}


def _placeless(value: Any) -> Any:
    if isinstance(value, list):
        return [_placeless(one) for one in value]
    if isinstance(value, dict):
        return {name: one for name, one in value.items() if name not in ("line", "source")}
    return value


@pytest.mark.parametrize("kind", EVERYTHING)
def test_what_a_kernel_prints_is_read_whole(kind: str) -> None:
    material = read_one(EVERYTHING[kind])
    assert material.recognised and [line.raw for line in material.unread] == []


def test_numbers_that_are_none_are_not_understood() -> None:
    material = read_one(f"node_load1 1e999\nnode_forks_total 12\npgmigrate_success,compact_stall\n1100²,5\n{'9' * 400} pages RAM\n")
    assert [line.number for line in material.unread] == [1, 5] and material.counters[0].values == {"compact_stall": 5}


def test_free_blocks() -> None:
    rows = read_one(BUDDY).free
    assert [(row.node, row.zone, row.free) for row in rows] == [(0, "DMA", 1 + 2 + 4 + 32 + 32 + 64 + 256 + 512 + 3072),
        (0, "DMA32", 759 + 572 * 2 + 791 * 4 + 475 * 8 + 194 * 16 + 45 * 32 + 12 * 64), (0, "Normal", 1983)]  # fmt: skip


def test_types_mixed_blocks_and_long_lists() -> None:
    material = read_one(TYPES)
    assert [row.migratetype for row in material.types] == ["Unmovable", "Movable", "Reclaimable"]
    assert material.types[1].counts[0] == 100000 and material.pageblock_order == 9
    assert [(one.mixed, one.counts["Unmovable"]) for one in material.pageblocks] == [(False, 33), (True, 7)]


def test_mem_info_with_watermarks_and_the_request() -> None:
    material = read_one(MEM_INFO)
    assert material.free[0].counts == [1056, 1027, 400, 287, 105, 71, 42, 10, 0, 0, 0] and material.free[0].whole
    assert material.marks[0].values["low"] == 27700 // 4
    assert [(one.task, one.order, one.gfp) for one in material.requests] == [("kworker/u8:3", 4, ("GFP_KERNEL",))]


def test_a_row_whose_sum_does_not_fit_is_no_whole_row() -> None:
    assert not read_one(MEM_INFO.replace("10*512kB", "9*512kB")).free[0].whole


def test_mem_info_of_larger_pages() -> None:
    row = read_one("Node 1 Normal: 3*64kB (UM) 1*128kB (M) 0*256kB = 320kB\n").free[0]
    assert (row.page_kb, row.counts, row.whole) == (64, [3, 1, 0], True)


def test_indices_are_those_that_the_formulas_give() -> None:
    dma, normal = read_one(INDICES).indices
    assert dma.which == normal.which == "fragmentation_index"
    assert dma.values == [index_of(count_blocks([1983] + [0] * 10, order), order) for order in range(11)]
    assert normal.values == [index_of(count_blocks([1] + [0] * 10, order), order) for order in range(11)]
    assert read_one(UNUSABLE).indices[0].which == "unusable_index"
    assert read_one("cat /sys/kernel/debug/extfrag/unusable_index\n" + UNUSABLE).indices[0].which == "unusable_index"


def test_zoneinfo_without_the_counts_of_its_cpus() -> None:
    zone = read_one(ZONEINFO).marks[0]
    assert {name: zone.values[name] for name in ("free", "min", "low", "high", "managed", "nr_zspages")} == {
        "free": 3808, "min": 190, "low": 237, "high": 284, "managed": 3840, "nr_zspages": 12,
    }  # fmt: skip


@pytest.mark.parametrize("between", ["", "\n\n", "after:\n", "$ cat /proc/vmstat\n"])
def test_vmstat_before_and_after(between: str) -> None:
    change = values(VMSTAT_BEFORE + between + VMSTAT_AFTER)["counters_change"]
    assert change["compact_stall"] == 1188 and change["compact_fail"] == 234


def test_vmstat_side_by_side_and_by_grep() -> None:
    assert values("compact_stall 10 1198\ncompact_fail 1 235\n")["counters_change"] == {"compact_stall": 1188, "compact_fail": 234}
    assert values("/proc/vmstat:compact_stall 7\n")["counters"] == {"compact_stall": 7}


def test_page_dumps() -> None:
    page = read_one(DUMP).pages[0]
    assert (page.pfn, page.ret, page.refcount, page.aops, page.name) == (0x2A41C, -11, 3, "ext4_da_aops", "data.db")
    assert "private" in page.flags and page.reason == "migration failure" and "postgres" in page.owner


def test_two_dumps_are_two_pages() -> None:
    pages = read_one(DUMP + DUMP.replace("2a41c", "2a41d")).pages
    assert [page.pfn for page in pages] == [0x2A41C, 0x2A41D]


def test_cma() -> None:
    failure, busy = read_one(CMA).cma
    assert (failure.area, failure.wanted, failure.ret, failure.free, failure.total) == ("reserved", 512, -16, 357, 4096)
    assert failure.runs == [(4, 572), (7, 585), (346, 1701)] and busy.busy == (0xA0000, 0xA0200)
    assert read_one("4@572+7@585 => 357 free\n").cma[0].runs == [(4, 572), (7, 585)]


def test_maps_zram_and_compactions() -> None:
    assert [one.nodes for one in read_one(NUMA_MAPS).maps] == [{0: 40, 1: 7}, {0: 256, 1: 256}, {0: 3}]
    assert read_one(MM_STAT).zram[0].values["huge_pages"] == 144
    runs = read_one(COMPSNOOP).runs
    assert [(run.task, run.order, run.status) for run in runs] == [
        ("zsh", -1, "complete"), ("my task", 9, "partial_skipped"), ("kcompactd0", 9, "success"),
    ]  # fmt: skip


DRESSES = {
    "quoted": lambda line: "> > " + line,
    "indented": lambda line: "\t  " + line,
    "crlf": lambda line: line + "\r",
    "dmesg": lambda line: "[   49.641309] " + line,
    "dmesg -T": lambda line: "[Mon Nov  3 10:00:00 2025] " + line,
    "journal": lambda line: "Nov 03 10:00:00 host-1 kernel: " + line,
    "iso": lambda line: "2025-11-03T10:00:00.123456+01:00 host kernel: " + line,
    "levels": lambda line: "<4>[   49.641309][  T312] " + line,
    "coloured": lambda line: "\x1b[32m" + line + "\x1b[0m",
    "blanks": lambda line: line.replace("  ", "\u00a0 ") + "   ",
}


@pytest.mark.parametrize("dress", DRESSES)
@pytest.mark.parametrize("kind", [kind for kind in EVERYTHING if kind != "trace"])
def test_dressed_up_it_says_the_same(kind: str, dress: str) -> None:
    text = EVERYTHING[kind]
    dressed = "".join(DRESSES[dress](line) + "\n" for line in text.splitlines())
    assert values(dressed) == values(text)


def test_fences_prompts_and_elisions_are_no_lines_of_their_own() -> None:
    text = f"```\nuser@host:~$ cat /proc/buddyinfo\n{BUDDY}```\n[...]\n# cat /proc/vmstat\n{VMSTAT_BEFORE}...\n"
    material = read_one(text)
    assert not material.unread and len(material.free) == 3 and len(material.counters) == 1


def test_a_row_that_a_mail_program_wrapped() -> None:
    row = read_one("Node 0, zone   Normal   1056   1027    400    287\n    105     71     42     10      0      0      0\n").free[0]
    assert row.counts == [1056, 1027, 400, 287, 105, 71, 42, 10, 0, 0, 0]


def test_a_row_that_was_cut_says_so() -> None:
    assert not read_one("Node 0, zone   Normal   1056   1027 ...\n").free[0].whole


def test_any_order_of_any_mix_says_the_same() -> None:
    kinds = [kind for kind in EVERYTHING if kind not in ("mm_stat",)]
    random.Random(3).shuffle(kinds)
    material = read_one("hello,\n" + "\nand this:\n".join(EVERYTHING[kind] for kind in kinds))
    assert {line.raw for line in material.unread} == {"hello,", "and this:"}
    assert len(material.free) == 4 and len(material.pages) == 1 and len(material.maps) == 3 and len(material.events) == 5


def test_what_is_not_understood_is_listed_with_its_line() -> None:
    material = read_one("dear list,\n" + BUDDY + "Node 0, zone   Normal   12 abc\n")
    assert [(line.number, line.raw) for line in material.unread] == [(1, "dear list,"), (5, "Node 0, zone   Normal   12 abc")]


def test_too_much_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(reading, "MAX_CHARACTERS", 100)
    with pytest.raises(UsageError, match=r"more\.txt: more than"):
        read([("one.txt", "x" * 60), ("more.txt", "x" * 60)])


@pytest.mark.parametrize("seed", range(12))
def test_damaged_text_is_never_a_traceback_and_never_silent(seed: int) -> None:
    """Edits of lines, truncation, random bytes: each line that says something is read or listed."""
    rng = random.Random(seed)
    whole = "\n".join((EVERYTHING | ALONE).values())
    for _ in range(40):
        text = list(whole)
        for _ in range(rng.randint(1, 30)):
            place = rng.randrange(len(text))
            how = rng.randrange(4)
            if how == 0:
                text[place] = chr(rng.choice([0, 7, 27, 48, 57, 64, 0x202E, 0x10FFFF, 0xDC80, rng.randrange(32, 127)]))
            elif how == 1:
                del text[place : place + rng.randint(1, 40)]
            elif how == 2:
                text[place:place] = list("9" * rng.randint(1, 60))
            else:
                text = text[: rng.randrange(len(text) // 2, len(text))]
            if len(text) < 2:
                break
        material = read_one("".join(text))
        found = record(material, answers(material, rng.randrange(21), "a test"), 9)
        assert material.recognised + len(found["unread"]) > 0
