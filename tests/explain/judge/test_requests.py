"""Why a request failed, by the rules of its kernel."""

from __future__ import annotations

from pathlib import Path

import pytest

from movable.explain.judge.requests import state
from movable.explain.reading import read
from tests.explain.test_answers import said

FOLDER = Path(__file__).parents[2] / "data" / "pastes"

ROW = "Node 0 Normal: 900*4kB 4*8kB 0*16kB 0*32kB 0*64kB 0*128kB 0*256kB 0*512kB 0*1024kB 0*2048kB 0*4096kB = 3632kB\n"
OLD, NEW = "mode:0xd0", "mode:0xcc0(GFP_KERNEL)"


@pytest.mark.parametrize(
    ("mode", "marks", "found"),
    [
        (OLD, "min:400kB", "held back"),  # 8 pages are left above order 0, half of the watermark is 50
        (OLD, "min:40kB", "free"),
        (NEW, "min:400kB", "free"),
        ("mode:0x20", "min:400kB", "held back"),
        ("mode:0x20", "min:40kB", "free"),
        (NEW, "min:4000kB", "short"),
        (NEW, "min:3600kB low:4000kB", "tight"),
        ("mode:0x480020(GFP_ATOMIC)", "min:4000kB low:5000kB", "tight"),  # it may take five eighths of what is kept
        ("mode:0x480020(GFP_ATOMIC)", "min:9999kB low:9999kB", "short"),
        (NEW, "min:400kB managed:0kB", "empty"),
        (NEW, "min:400kB free_cma:3400kB", "other type"),
        ("mode:0x6200ca(GFP_HIGHUSER_MOVABLE)", "min:400kB free_cma:3400kB", "free"),
    ],
)
def test_what_a_request_of_order_1_finds(mode: str, marks: str, found: str) -> None:
    text = f"sh: page allocation failure: order:1, {mode}\nNode 0 Normal free:3632kB low:500kB high:600kB {marks}\n{ROW}"
    material = read([("x", text)])
    assert state(material, material.free[0], 1, material.requests[0]) == found


CUT = (
    ("this_node", 4, "Why, cannot be said: node 1 Normal could serve it"),
    ("french", 4, "Why, cannot be said: node 1 Normal could serve it"),
    ("oom_lowmem", 4, "Why, cannot be said: the report was cut behind zone DMA"),
    ("three_reports", 9, "or the limit of a memory cgroup was reached, which this text does not say"),
)  # fmt: skip


@pytest.mark.parametrize("cut", CUT, ids=lambda cut: cut[0])
def test_a_report_that_was_cut_is_not_judged_by_what_is_left(cut: tuple[str, int, str]) -> None:
    name, lines, phrase = cut
    text = (FOLDER / f"{name}.txt").read_text()
    assert phrase in said("\n".join(text.split("\n")[:lines])) and phrase not in said(text)
