"""A part of a trace that was read is looked up: the same lines and the same events, wherever they lie and however they came."""

from __future__ import annotations

import gzip
import io
import os
import sys
from collections.abc import Iterator
from itertools import islice
from pathlib import Path

import pytest

from movable.trace.judge.clock_skew import text_of
from movable.trace.judge.conformance import check_trace
from movable.trace.read import call_stack
from movable.trace.read import source as source_file
from movable.trace.read.ftrace import Reader
from movable.trace.read.lookup import Part
from movable.trace.read.source import TRACE_DAT_MAGIC, Source
from tests.trace.damage import newer
from tests.trace.mutants import window
from tests.trace.recordings import BASE, TRACES, Script

LINES = window("z3", 20000, 4000)
TEXT = ("\n".join(LINES) + "\n").encode("latin-1")


@pytest.fixture(params=["plain", "gzip", "members", "standard input", "trace-cmd"])
def source(request: pytest.FixtureRequest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Source:
    """The lines as they may come; unpacking can go on from several places."""
    monkeypatch.setattr(source_file, "RESUMPTION_BYTES", source_file.BLOCK_BYTES)
    monkeypatch.setattr(source_file, "MAX_RESUMPTIONS", 5)
    monkeypatch.setattr(source_file, "MAX_PLACES", 4)
    monkeypatch.setattr(call_stack, "MAX_NOTES", 3)
    half = len(TEXT) // 2
    members = gzip.compress(TEXT[:half]) + gzip.compress(TEXT[half:])
    data = {"plain": TEXT, "members": members}.get(request.param, gzip.compress(TEXT))

    class Stdin:
        buffer = io.BytesIO(data)

    monkeypatch.setattr(sys, "stdin", Stdin)
    (tmp_path / "trace").write_bytes(TRACE_DAT_MAGIC if request.param == "trace-cmd" else data)
    (tmp_path / "text").write_bytes(TEXT)
    (tmp_path / "trace-cmd").write_text(f"#!/bin/sh\ncat {tmp_path / 'text'}\n")
    (tmp_path / "trace-cmd").chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path}:{os.environ['PATH']}")
    return Source("-" if request.param == "standard input" else str(tmp_path / "trace"))


def test_lines_and_events_are_found_again(source: Source) -> None:
    with source:
        reader = Reader(source)
        whole = list(reader.events())
        for wanted in ({1}, {len(LINES)}, {5, 6, 3000, 3999}, set(range(1, len(LINES), 7)), {len(LINES) + 9}):
            assert text_of(source, wanted) == {line: LINES[line - 1].strip() for line in wanted if line <= len(LINES)}
        for line in (1, 700, 2500, 3990):
            part = Part(reader, line)
            assert [event for event in part.events() if event.seq >= line] == [event for event in whole if event.seq >= line]
            assert part.stamp == reader.stamp


@pytest.mark.parametrize("lines", [LINES, newer("zsmalloc-compaction")], ids=["z3", "of a kernel whose marks stay"])
def test_calls_that_were_open_are_known_again(lines: list[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Wherever a look begins: a return has what its entry told, and pages are told in the same words."""
    monkeypatch.setattr(source_file, "BLOCK_BYTES", 4096)
    monkeypatch.setattr(call_stack, "NOTE_EVERY_LINES", 1)
    (tmp_path / "trace").write_text("\n".join(lines) + "\n", encoding="latin-1")
    with Source(str(tmp_path / "trace")) as source:
        reader = Reader(source)
        whole = list(reader.events())
        for first in range(0, len(whole) - 20, 50):
            line = whole[first].seq
            part = (event for event in Part(reader, line).events() if event.seq >= line)
            assert list(islice(part, 20)) == [event for event in whole[first : first + 40] if event.seq >= line][:20]


@pytest.mark.parametrize(
    ("name", "driver", "broken"),
    [
        ("bad/mode_11", None, True), ("bad/mode_02", None, True), ("bad/mode_00", None, False), ("bad/mode_11", "bad", True),
        ("soft", "balloon", False), ("soft", "zsmalloc", False),
    ],
)
def test_a_trace_is_read_once(name: str, driver: str | None, broken: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    """Whatever is found; what proves it is looked up, and a driver's first callback is read ahead."""
    read = counted(monkeypatch)
    result = check_trace(str(TRACES / name / "trace.txt.gz"), driver=driver)
    assert bool(result.broken) is broken
    assert result.lines <= sum(read) < 1.5 * result.lines


def counted(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """Will have the lines of each block that is read."""
    read: list[int] = []
    blocks = Source.blocks

    def counting(self: Source) -> Iterator[list[str]]:
        for block in blocks(self):
            read.append(len(block))
            yield block

    monkeypatch.setattr(Source, "blocks", counting)
    return read


@pytest.mark.parametrize(("era", "bit"), [("4.19", 17), ("6.1", 18)])
def test_a_kernel_that_an_isolation_tells_is_known_ahead(
    era: str, bit: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """However many pages are marked before; the flags of all are read in that kernel's words."""
    monkeypatch.setattr(source_file, "BLOCK_BYTES", 1024)
    script = Script(BASE, 1 << bit)
    for pfn in range(100, 140):
        script.mark(pfn)
    script.mark(5).isolate(5).putback(5).isolate(5).migrate(5, 9)
    read = counted(monkeypatch)
    result = check_trace(str(script.write(tmp_path)))
    assert result.era == era and sum(read) == result.lines
