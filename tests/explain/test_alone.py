"""Each kind of material by itself has an answer: what a stranger pastes first is often one table only."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from movable.cli import main
from movable.explain.reading import read
from tests.explain.material import ALONE, COMPSNOOP, EVERYTHING, ZONEINFO
from tests.explain.test_answers import ask, said

FRAMES = Path(__file__).parents[1] / "data" / "frames" / "pressure"


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
    assert "none of them with a number" in said("Call Trace:\n <TASK>\n")


def test_indices_alone() -> None:
    text = said(ALONE["indices"], 3)
    assert "0.875: none is free, because free memory is broken up" in text and "lack of memory" in text
    assert "100.0 %" in said(ALONE["unusable"], 9)


def test_memory_of_the_machine_and_of_a_node() -> None:
    text = said(ALONE["meminfo"])
    assert "20 huge pages of 2048 kB, 3 of them free" in text and "9 % of anonymous memory" in text and "60000 kB" in text
    assert "Memory of node 1" in said("Node 1 MemFree:         308232 kB\n")


def test_tools_count_and_time_in_any_unit_and_language() -> None:
    assert "1234567 compactions began" in said(ALONE["perf stat"])
    assert "357738 pages moved, 39275 did not (9 %)" in said(ALONE["compaction times"])
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


def test_a_dump_of_page_flags_with_and_without_zones(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    flags, zones = str(FRAMES / "kpageflags.gz"), str(FRAMES / "zoneinfo")
    assert main(["explain", flags]) == 0
    alone = capsys.readouterr().out
    assert "whole pageblocks" in alone and "held by" in alone
    assert main(["explain", flags, zones, "--json", "-"]) == 0
    record = json.loads(capsys.readouterr().out)
    assert [zone["zone"] for zone in record["frames"][0]["zones"]] and record["watermarks"]
    assert main(["lab", "hostages", str(FRAMES), "--json", "-"]) == 0
    zones_there = json.loads(capsys.readouterr().out)["zones"]
    assert record["frames"][0]["zones"] == zones_there


@pytest.mark.parametrize(("name", "data"), [("kpageflags", b"short"), ("kpageflags", bytes(801)), ("kpagecount", bytes(800))])
def test_what_is_no_dump_of_page_flags_is_refused(
    name: str, data: bytes, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    file = tmp_path / name
    file.write_bytes(data)
    assert main(["explain", str(file)]) == 2
    err = capsys.readouterr().err
    assert err.count("\n") == 1 and ("page flags" in err or "no /proc/kpageflags" in err)
