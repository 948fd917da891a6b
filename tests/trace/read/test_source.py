"""Every way a trace comes in, and every way it can be broken."""

from __future__ import annotations

import gzip
import io
import os
import sys
from pathlib import Path

import pytest

from movable.errors import UsageError
from movable.trace.read.source import BLOCK, Source
from tests.trace.recordings import life

LINES = [f"line {number}" for number in range(100_000)]
TEXT = "\n".join(LINES) + "\n"


def lines_of(path: str) -> list[str]:
    with Source(path) as source:
        return [line for block in source.blocks() for line in block]


def refused(path: Path | str) -> str:
    with pytest.raises(UsageError) as caught:
        lines_of(str(path))
    assert "\n" not in str(caught.value)
    return str(caught.value)


def test_plain_and_gzip(tmp_path: Path) -> None:
    plain, packed, members = (tmp_path / name for name in ("a", "b.gz", "c"))
    plain.write_text(TEXT)
    assert plain.stat().st_size > BLOCK
    packed.write_bytes(gzip.compress(TEXT.encode()))
    half = len(TEXT) // 2
    members.write_bytes(gzip.compress(TEXT[:half].encode()) + gzip.compress(TEXT[half:].encode()))
    assert lines_of(str(plain)) == lines_of(str(packed)) == lines_of(str(members)) == LINES


def test_last_line_without_end(tmp_path: Path) -> None:
    path = tmp_path / "a"
    path.write_text("one\ntwo")
    assert lines_of(str(path)) == ["one", "two"]


def test_standard_input_can_be_read_twice(monkeypatch: pytest.MonkeyPatch) -> None:
    class Stdin:
        buffer = io.BytesIO(gzip.compress(TEXT.encode()))

    monkeypatch.setattr(sys, "stdin", Stdin)
    with Source("-") as source:
        first = [line for block in source.blocks() for line in block]
        second = [line for block in source.blocks() for line in block]
    assert first == second == LINES


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="needs named pipes")
def test_a_pipe_can_be_read_twice(tmp_path: Path) -> None:
    path = tmp_path / "pipe"
    os.mkfifo(path)
    # the shell opens the pipe, as for <(zcat FILE); both ends, so that neither waits for the other
    held = os.open(path, os.O_RDWR)
    os.write(held, gzip.compress(life().text().encode()))
    with Source(str(path)) as source:
        blocks = source.blocks()
        first = next(blocks)
        os.close(held)
        first += [line for block in blocks for line in block]
        second = [line for block in source.blocks() for line in block]
    assert first == second == life().text().splitlines()


def test_closed_standard_input(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "stdin", None)
    assert "standard input is closed" in refused("-")


def test_progress_is_told(tmp_path: Path) -> None:
    path = tmp_path / "a"
    path.write_text(TEXT)
    told: list[tuple[int, int]] = []
    with Source(str(path), lambda done, total: told.append((done, total))) as source:
        for _ in source.blocks():
            pass
    assert told[-1] == (len(TEXT), len(TEXT)) and len(told) >= 2


def test_refusals(tmp_path: Path) -> None:
    empty, empty_gz, corrupt, short, binary, long = (tmp_path / name for name in "abcdef")
    empty.write_bytes(b"")
    assert "is empty; record one with" in refused(empty)
    empty_gz.write_bytes(gzip.compress(b""))
    assert "is empty; record one with" in refused(empty_gz)
    packed = gzip.compress(TEXT.encode())
    corrupt.write_bytes(packed[:2000] + bytes(200) + packed[2200:])
    assert "corrupt gzip data" in refused(corrupt)
    short.write_bytes(packed[: len(packed) // 2])
    assert "ends too early" in refused(short)
    binary.write_bytes(bytes(range(256)) * 10)
    assert "binary data" in refused(binary)
    long.write_bytes(b"x" * 100_000)
    assert "a line of more than" in refused(long)
    assert "is a directory" in refused(tmp_path)
    assert "cannot be read" in refused(tmp_path / "nosuch")


def test_trace_dat_needs_trace_cmd(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "trace.dat"
    path.write_bytes(b"\x17\x08\x44tracing6\0\0\0\1")
    monkeypatch.setenv("PATH", str(tmp_path))
    assert "trace-cmd is not installed" in refused(path)


def test_trace_dat_through_trace_cmd(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "trace.dat"
    path.write_bytes(b"\x17\x08\x44tracing6\0\0\0\1")
    report = life().write(tmp_path, "report.txt")
    tool = tmp_path / "trace-cmd"
    tool.write_text(f'#!/bin/sh\n[ "$1 $2" = "report -i" ] || exit 3\ncat "{report}"\n')
    tool.chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path}:{os.environ['PATH']}")
    assert lines_of(str(path)) == report.read_text().splitlines()
    tool.write_text("#!/bin/sh\necho 'bad file' >&2\nexit 1\n")
    assert "trace-cmd report failed (bad file)" in refused(path)
