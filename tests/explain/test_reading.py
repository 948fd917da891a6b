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
from tests.explain.material import (
    ALONE,
    BUDDY,
    COMPSNOOP,
    EVERYTHING,
    MM_STAT,
    NUMA_MAPS,
    VMSTAT_BEFORE,
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
