"""Compaction from its tracepoints: counts, who waited, repeated ranges, pollution of movable blocks."""

from __future__ import annotations

import gzip
import json
from pathlib import Path

import pytest

from movable.cli import main
from movable.trace.judge.compaction import MAX_SAMPLES, Compaction, follow
from movable.trace.read.tracepoints import tracepoints, whole_number
from movable.trace.show.compaction import compaction_svg, compaction_text
from movable.trace.show.pictures import tasks_svg, work_svg
from tests.explain.material import TRACE

SCAN = "stress-3923  [007] {:10.6f}: mm_compaction_isolate_migratepages: range=(0x70bb80 ~ 0x70bb80) nr_scanned={} nr_taken={}"
EXTFRAG = "cc1-7 [000] 1.000000: mm_page_alloc_extfrag: page=0 pfn=0x1 alloc_order=0 alloc_migratetype={} fallback_migratetype={}"


def of(*lines: str) -> Compaction:
    return follow(tracepoints(lines))


def test_one_compaction() -> None:
    found = of(*TRACE.splitlines())
    zone = found.zones[0x100, 0x880]
    assert (zone.runs, dict(zone.statuses), round(zone.seconds, 6)) == (1, {"success": 1}, 0.00038)
    assert (found.migrate_scanned, found.migrate_taken, found.free_scanned, found.free_taken) == (265, 255, 13, 128)
    text = "\n".join(compaction_text(found))
    assert "a free block is one step" in text and "Stalls" not in text


def test_a_range_that_is_scanned_again_and_again() -> None:
    found = of(*(SCAN.format(519 + n * 4e-6, 0, 0) for n in range(8)))
    assert [(one.times, one.scanned, one.start) for one in found.repeats] == [(8, 0, 0x70BB80)]
    assert "does not get on" in "\n".join(compaction_text(found))
    assert not of(*(SCAN.format(519 + n, 8, 1) for n in range(8))).repeats
    assert not of(*(SCAN.format(519 + n, 0, 0) for n in range(4))).repeats


def test_why_compaction_came_to_nothing() -> None:
    skipped = "a-1 [000] 1.000000: mm_compaction_suitable: node=0 zone=Normal   order=9 ret=skipped"
    asked = "a-1 [000] 1.000000: mm_compaction_try_to_compact_pages: order=9 gfp_mask=GFP_TRANSHUGE priority=1"
    failed = TRACE.replace("status=success", "status=complete")
    text = "\n".join(compaction_text(of(SCAN.format(1, 4096, 12), skipped, asked, *failed.splitlines()[-1:])))
    assert "In vain:" in text and "Skipped: too little memory" in text
    assert "No run made a block" in "\n".join(compaction_text(of(asked, *failed.splitlines())))
    assert not any(word in "\n".join(compaction_text(of(*failed.splitlines()))) for word in ("In vain", "Skipped", "No run"))


def test_who_pays_and_what_pollutes() -> None:
    stalled = of(*(line.replace("kcompactd0-42", "firefox-77") for line in TRACE.splitlines()))
    who = "(that waited for memory, or asked for all to be compacted)"  # a write to compact_memory looks the same
    assert f"Stalls: 0.000380 s of compaction were done by tasks {who}," in "\n".join(compaction_text(stalled))
    stalled.orders[9] += 1
    assert "done by tasks that waited for memory," in "\n".join(compaction_text(stalled))
    found = of(EXTFRAG.format(0, 1), EXTFRAG.format(1, 0), EXTFRAG.format(1, 1))
    assert (found.fallbacks, found.polluting) == (3, 1)


def test_deferral_statuses_and_cma() -> None:
    place = "node=0 zone=Normal order=9"
    found = of(
        f"a-1 [000] 1.000000: mm_compaction_deferred: {place} order_failed=9 consider=0 limit=64",
        f"a-1 [000] 1.000000: mm_compaction_defer_compaction: {place} order_failed=9 consider=0 limit=2",
        f"a-1 [000] 1.000001: mm_compaction_suitable: {place} ret=skipped",
        f"a-1 [000] 1.000002: mm_compaction_finished: {place} ret=continue",
        "a-1 [000] 1.000003: mm_compaction_try_to_compact_pages: order=9 gfp_mask=GFP_KERNEL priority=1",
        "a-1 [000] 1.000004: cma_alloc_busy_retry: name=reserved pfn=0x1 page=0 count=512 align=9",
        "a-1 [000] 1.000005: cma_alloc_finish: name=reserved pfn=0x1 page=0 count=512 align=9 errorno=-16",
        "a-1 [000] 1.000006: mm_migrate_pages: nr_succeeded=3 nr_failed=1 mode=MIGRATE_SYNC reason=contig_range",
    )
    assert found.deferred == {"node 0 Normal order 9": 1} and found.suitable == {"skipped": 1} and found.orders == {9: 1}
    assert found.cma == {"busy, tried again": 1, "failed": 1} and found.reasons == {"contig_range": (3, 1)}
    text = "\n".join(compaction_text(found))
    assert "order 9: 1" in text and "Deferred" in text and "Put off" in text and found.put_off == {"node 0 Normal order 9": 1}


@pytest.mark.parametrize(
    "line",
    [
        "kcompactd0-42 [001] 10.1: mm_compaction_migratepages: nr_migrated=2 nr_failed=1",
        "  kcompactd0-42    (     42) [001] d..1. 10.100000: mm_compaction_migratepages: nr_migrated=2 nr_failed=1",
        "kcompactd0    42 [001]    10.100000: compaction:mm_compaction_migratepages: nr_migrated=2 nr_failed=1",
        "[   10.100000] mm_compaction_migratepages: nr_migrated=2 nr_failed=1",
        "qemu-system-x86  42/43  [001]    10.100000: compaction:mm_compaction_migratepages: nr_migrated=2 nr_failed=1",
        "   10.100000: compaction:mm_compaction_migratepages: nr_migrated=2 nr_failed=1",
    ],
)
def test_lines_of_several_tools(line: str) -> None:
    found = of(line)
    assert (found.moved, found.not_moved) == (2, 1)


def test_numbers_are_those_of_a_kernel() -> None:
    assert [whole_number(text) for text in ("12", "-1", "0x1f", "1_0", "0X1F", "+3", "", "٣")] == [12, -1, 31, *[None] * 5]


def test_the_command(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    file = tmp_path / "trace.txt.gz"
    file.write_bytes(gzip.compress(TRACE.encode()))
    assert main(["trace", "summary", str(file), "--svg", str(tmp_path / "a.svg"), "--json", str(tmp_path / "a.json")]) == 0
    assert "265 frames scanned, 255 taken" in capsys.readouterr().out
    assert json.loads((tmp_path / "a.json").read_text())["schema"] == "movable.compaction/1"
    picture = (tmp_path / "a.svg").read_text()
    assert picture.count("<circle") == 2 + 6 and picture == compaction_svg(of(*TRACE.splitlines()), str(file))


def test_a_page_with_pictures_over_time(tmp_path: Path) -> None:
    file, page = tmp_path / "trace.txt", tmp_path / "a.html"
    file.write_text(TRACE)
    assert main(["trace", "summary", str(file), "--html", str(page)]) == 0
    text = page.read_text()
    assert text.count("<svg") == 3 and text.endswith("</body></html>\n") and "http-equiv" not in text and "<script" not in text
    for title in ("Where the two scanners were", "Frames scanned and taken", "Who compacted when", "kcompactd0"):
        assert title in text


def test_a_page_of_a_trace_of_drivers_and_of_a_log(tmp_path: Path) -> None:
    log, page = tmp_path / "log.txt", tmp_path / "log.html"
    log.write_text("migrating pfn 2a41c failed ret:-11\npage:0 refcount:3 mapcount:0\npage dumped because: migration failure\n")
    assert main(["trace", "summary", str(log), "--html", str(page)]) == 0
    assert "migration failure" in page.read_text()


def test_pictures_show_the_whole_of_a_long_trace() -> None:
    scan = "a-1 [000] {:.6f}: mm_compaction_isolate_{}pages: range=({:#x} ~ {:#x}) nr_scanned=32 nr_taken=1"
    found = of(*(scan.format(n, ("migrate", "free")[n % 2], n + 1, n + 33) for n in range(20_000)))
    for samples in found.points.values():
        times = [time for time, _ in samples]
        assert 1000 < len(times) <= MAX_SAMPLES and times[0] <= 1 and times[-1] > 19_900
    assert work_svg(found, "x").count("polyline") == 2 and "unknown" not in tasks_svg(found, "x")


def test_a_daemon_does_not_wait() -> None:
    begin = "{} [000] {}: mm_compaction_{}: zone_start=0x1 migrate_pfn=0x1 free_pfn=0x9 zone_end=0x9, mode=sync{}"
    who = "khugepaged-7"
    whole = [begin.format(who, "1.000000", "begin", ""), begin.format(who, "2.000000", "end", " status=success")]
    assert "Stalls" not in "\n".join(compaction_text(of(*whole)))
    assert "Stalls" in "\n".join(compaction_text(of(*(line.replace("khugepaged", "postgres") for line in whole))))


def test_a_kernel_before_4_0_says_where_at_the_beginning_only() -> None:
    begin = "{} 100.1: mm_compaction_begin: zone_start=4096 migrate_start=4096 free_start=9000 zone_end=9216"
    old = of(begin.format("kswapd0-33    [001] ...."), "kswapd0-33    [001] ....   100.2: mm_compaction_end: status=2")
    assert dict(old.zones[4096, 9216].statuses) == {"status 2": 1} and "Stalls" not in "\n".join(compaction_text(old))
    nobody = of(begin.format(""), " 100.2: compaction:mm_compaction_end: status=2")
    assert nobody.zones[4096, 9216].runs == 1 and "Stalls" not in "\n".join(compaction_text(nobody))


def test_entries_that_wait_for_a_migration_are_counted() -> None:
    pte = "a-1 [000] 1.00000{}: {}_migration_pte: addr=7f0000001000 pte=80000 order=0"
    found = of(*(pte.format(n, "set") for n in range(3)), pte.format(5, "remove"))
    text = "\n".join(compaction_text(found))
    assert "3 page table entries were set to wait for a migration, 1 lead to a page again" in text
    assert "woken 1 time" in "\n".join(compaction_text(of("a-1 [000] 1.000000: mm_compaction_kcompactd_wake: nid=0 order=9")))
