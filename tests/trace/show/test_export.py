"""Chrome traces that hold together, and text that reads back as the same events."""

from __future__ import annotations

import io
import json
from pathlib import Path
from typing import Any

import pytest

from movable.trace.read.ftrace import Reader
from movable.trace.read.source import Source
from movable.trace.show.export import ChromeTrace, export_ftrace
from tests.trace.recordings import TRACES, life, read


def chrome(path: Path) -> list[dict[str, Any]]:
    stream = io.StringIO()
    with Source(str(path)) as source:
        ChromeTrace(stream).write(Reader(source))
    records: list[dict[str, Any]] = json.loads(stream.getvalue())["traceEvents"]
    return records


def test_slices_of_a_life(tmp_path: Path) -> None:
    records = chrome(life().write(tmp_path))
    calls = [record for record in records if record["ph"] == "X"]
    assert [call["name"] for call in calls if "driver" in call["args"]] == [
        *("zsmalloc isolate_page", "zsmalloc putback_page", "zsmalloc isolate_page"),
        *("zsmalloc migratepage", "zsmalloc migratepage"),
    ]
    assert {call["tid"] for call in calls} == {7}
    begun = [record["name"] for record in records if record["ph"] == "b"]
    assert begun == ["isolated, put back", "isolated, migrated", "page of zsmalloc"]
    assert sum(call["cat"] == "migratepage" for call in calls) == 2 and len(calls) == 9
    counters = [record["args"] for record in records if record["ph"] == "C"]
    assert counters[-1] == {"zsmalloc": 0} and {"zsmalloc": 1} in counters


@pytest.mark.parametrize("name", ["soft", "bad/mode_14", "e"])
def test_chrome_trace_holds_together(name: str) -> None:
    records = chrome(TRACES / name / "trace.txt.gz")
    open_: dict[tuple[str, str], int] = {}
    begun: dict[tuple[str, str], float] = {}
    stamps = [record["ts"] for record in records if record["ph"] == "C"]
    assert stamps == sorted(stamps)
    for record in records:
        assert record["ph"] in "MXibeC" and "pid" in record
        if record["ph"] == "X":
            assert record["dur"] > 0 and record["ts"] > 0
        if record["ph"] in "be":
            key = (record["id"], record["name"])
            open_[key] = open_.get(key, 0) + (1 if record["ph"] == "b" else -1)
            assert record["ts"] >= begun.setdefault(key, record["ts"])
            begun[key] = record["ts"] if record["ph"] == "b" else begun[key]
    assert not any(open_.values())
    tracks = {record["tid"] for record in records if record["ph"] == "M" and record["name"] == "thread_name"}
    assert {record["tid"] for record in records if record["ph"] == "X"} <= tracks


@pytest.mark.parametrize("layout", ["4.19", "6.1"])
@pytest.mark.parametrize("name", ["soft", "bad/mode_08", "z3"])
def test_text_reads_back_the_same(name: str, layout: str, tmp_path: Path) -> None:
    _, events = read(TRACES / name / "trace.txt.gz")
    path = tmp_path / "t.txt"
    path.write_text("".join(export_ftrace(events, layout)))
    reader, again = read(path)
    assert reader.damaged == 0 and reader.layout == layout
    assert [event[1:] for event in again] == [event[1:] for event in events]
