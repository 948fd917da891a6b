"""The counts of every recording equal what its own counting script found; and the picture and texts made of them."""

from __future__ import annotations

import gzip
import re
import xml.etree.ElementTree as ET
from collections import Counter
from pathlib import Path
from typing import Any

import pytest

from movable.trace.read.ftrace import Reader
from movable.trace.read.source import Source
from movable.trace.show.isolations import FREED, MIGRATED, PUT_BACK, Isolation
from movable.trace.show.summary import MAX_POINTS, Series, Summary, caller_name, summarise, summary_text
from movable.trace.show.svg import isolated_svg
from tests.trace.recordings import EXCERPTS, ISOLATED, LOCKED, MARKED, TRACES, WHOLE, Script, counts, life, others


def summary_of(path: Path) -> Summary:
    with Source(str(path)) as source:
        return summarise(Reader(source))


def expected(found: dict[str, Any]) -> dict[str, int]:
    """counts.json under the names of Summary.counts."""
    returns: Counter[int] = Counter()
    for by_value in found["driver_migrate"].values():
        returns.update({int(value): number for value, number in by_value.items()})
    isolate = found["isolate_movable_page"]
    freed = sum(n for what, n in found["seen"].items() if what.startswith("freed while isolated"))
    return {
        "isolated": isolate.get("0", 0),
        "refused": sum(isolate.values()) - isolate.get("0", 0),
        "migrated": returns[0],
        "eagain": returns[-11],
        "other": returns.total() - returns[0] - returns[-11],
        "putback": sum(found["driver_putback"].values()),
        "freed": freed,
        "set": found["events"].get("set_page_movable", 0),
        "cleared": found["events"].get("clear_page_movable", 0),
    }


def check_counts(folder: Path) -> None:
    found = counts(folder)
    summary = summary_of(folder / "trace.txt.gz")
    assert summary.counts() == expected(found)
    reasons: Counter[str] = Counter()
    for (_, _, reason), number in summary.refusals.items():
        reasons[reason] += number
    assert reasons == found["refused"]
    names = {MIGRATED: "ok", PUT_BACK: "putback"}
    tries = {(names[end], calls): n for (end, calls), n in summary.retries.items() if end in names}
    assert tries == {(row["end"], row["migrate_calls"]): row["pages"] for row in found["migrate_calls_until_end"]}


@pytest.mark.parametrize("name", WHOLE)
def test_counts_equal_the_recordings(name: str) -> None:
    check_counts(TRACES / name)


@pytest.mark.parametrize("folder", others(), ids=lambda path: path.name)
def test_counts_equal_more_recordings(folder: Path) -> None:
    check_counts(folder)


@pytest.mark.parametrize("name", EXCERPTS)
def test_counts_of_excerpts_equal_plain_counting(name: str) -> None:
    with gzip.open(TRACES / name / "trace.txt.gz", "rt") as stream:
        text = stream.read()

    def number(pattern: str) -> int:
        return len(re.findall(pattern, text))

    got = summary_of(TRACES / name / "trace.txt.gz").counts()
    assert got["isolated"] == number(r" isolate_movable_page_ret: .* ret=0\n")
    assert got["refused"] == number(r" isolate_movable_page_ret: .* ret=-16\n")
    assert got["migrated"] == number(r" \w+_migrate_ret: .* ret=0\n")
    assert got["eagain"] == number(r" \w+_migrate_ret: .* ret=-11\n")
    assert got["putback"] == number(r" \w+_putback: ")
    assert got["set"] == number(r" set_page_movable: ") and got["cleared"] == number(r" clear_page_movable: ")


def test_callers_and_drivers_are_told_apart() -> None:
    summary = summary_of(TRACES / "soft" / "trace.txt.gz")
    assert summary.outcomes == {("zsmalloc", "soft_offline_page", MIGRATED): 29, ("balloon", "soft_offline_page", MIGRATED): 11}
    text = summary_text(summary)
    assert re.search(r"zsmalloc +soft offline +29 ", text)


def test_pages_freed_while_isolated() -> None:
    summary = summary_of(TRACES / "e" / "trace.txt.gz")
    assert summary.outcomes["zsmalloc", "compact_zone", FREED] == 339


def test_refusals_give_their_reason(tmp_path: Path) -> None:
    script = Script().mark(5)
    cases = [
        (0, 2, 1, "not movable any more"),
        (LOCKED, MARKED, 2, "page locked by someone"),
        (ISOLATED, MARKED, 2, "isolated already"),
        (0, MARKED, 0, "no reference left"),
        (0, MARKED, 1, "lost a race"),
    ]
    for flags, mapping, refs, _ in cases:
        script.page("isolate_movable_page", 5, flags, mapping, refs, "mode=0x8 ")
        script.add("isolate_movable_page_ret", "ret=-16", "isolate_migratepages_block+0x1/0x2 <- isolate_movable_page")
    # the flag bits of 6.1 are known only when an isolation was seen, or when told
    with Source(str(script.write(tmp_path))) as source:
        summary = summarise(Reader(source, era="6.1"))
    reasons = [reason for _, _, reason in summary.refusals]
    assert len(reasons) == len(cases)
    for (_, _, _, words), reason in zip(cases, reasons, strict=True):
        assert reason.startswith(words)


def test_times_and_longest(tmp_path: Path) -> None:
    summary = summary_of(life().write(tmp_path))
    assert summary.retries == {(PUT_BACK, 0): 1, (MIGRATED, 2): 1}
    (longest, other) = summary.longest
    assert (longest.outcome, longest.tries, longest.last, longest.pfn) == (MIGRATED, 2, 0, 5)
    # 12 lines of 10 us each lie between the driver's yes and its success
    assert longest.until - longest.since == pytest.approx(12e-5) and summary.times[MIGRATED, 7] == 1
    assert other.until - other.since == pytest.approx(3e-5)
    assert summary.to_dict()["longest"][0]["lines"] == [15, 27]


@pytest.mark.parametrize("name", ["a1", "e", "z3"])
def test_no_isolation_takes_longer_than_the_recording(name: str) -> None:
    summary = summary_of(TRACES / name / "trace.txt.gz")
    limit = int((summary.end - summary.begin) * 1e6).bit_length()
    assert all(bits <= limit for _, bits in summary.times)
    assert all(series.points[0] <= 1 for series in summary.series.values())  # nothing happens at once


@pytest.mark.parametrize("stretch", [1, 3_000_000_000])
def test_a_clock_of_ticks_gives_no_times(stretch: int, tmp_path: Path) -> None:
    """The clocks counter and x86-tsc print whole numbers."""
    path = life().write(tmp_path)
    path.write_text(re.sub(r"( +)(\d+)\.(\d{6}): ", lambda m: f"{m[1]}{int(m[2] + m[3]) * stretch}: ", path.read_text()))
    summary = summary_of(path)
    assert summary.counts() == summary_of(life().write(tmp_path, "u.txt")).counts()
    text = summary_text(summary)
    assert "counts no seconds" in text.splitlines()[0] and "longest" not in text
    assert summary.to_dict()["seconds"] is None and ET.fromstring(isolated_svg(summary)) is not None


@pytest.mark.parametrize(("reason", "words"), [(0, "compaction"), (2, "memory offlining"), (6, "contiguous allocation"), (99, "?")])
def test_the_reason_of_the_migration_tells_who_asked(reason: int, words: str, tmp_path: Path) -> None:
    script = Script().mark(5).isolate(5)
    script.lines = [line.replace("isolate_migratepages_block+0x1/0x2", "0xffffffff81234567") for line in script.lines]
    script.add("migrate_pages", f"list=0x0 first=0x0 mode=1 reason={reason}").migrate(5, 9)
    (caller,) = {caller for _, caller, _ in summary_of(script.write(tmp_path)).outcomes}
    assert caller_name(caller) == words.replace("?", "unknown")


def test_the_longest_are_kept() -> None:
    summary = Summary("x")
    for number in (3, 9, 1, 7, 2, 8, 5):
        summary.add(Isolation(number, "d", "c", MIGRATED, 1, 0, 1, 2, 0.0, float(number), -1, "t"))
    assert [one.pfn for one in summary.longest] == [9, 8, 7, 5, 3]


def test_series_keeps_peaks_and_stays_small() -> None:
    series = Series(0.0)
    for step in range(100_000):
        series.put(step / 1000, 50 if step == 77_777 else step % 3)
    assert len(series.points) <= MAX_POINTS
    assert max(series.points) == 50
    assert series.points.index(50) == int(77.777 / series.width)


def test_series_keeps_values_at_their_time() -> None:
    series = Series(0.0)
    for step in range(4000):
        series.put(step * 1e-3, step)
    for step in range(0, 4000, 97):
        assert series.points[int(step * 1e-3 / series.width)] == pytest.approx(step, abs=series.width * 1e3 + 1)


def test_trace_events_are_counted_by_name(tmp_path: Path) -> None:
    events = summary_of(life().write(tmp_path)).to_dict()["events"]
    assert events["zs_migrate"] == 2 and events["set_page_movable"] == 2 and list(events.values()) == sorted(events.values())[::-1]


def test_lost_events_are_said(tmp_path: Path) -> None:
    path = life().write(tmp_path)
    path.write_text("# movable: lost=4 missed=1\n" + path.read_text())
    assert "4 events lost, 1 returns missed" in summary_text(summary_of(path))
