"""Every way a trace comes in, and every way it can be broken."""

from __future__ import annotations

import gzip
import io
import os
import re
import sys
import zlib
from pathlib import Path

import pytest

from movable.errors import UsageError
from movable.trace.judge.conformance import check_trace
from movable.trace.read.source import BLOCK_BYTES, Source
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
    assert plain.stat().st_size > BLOCK_BYTES
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


def bomb(path: Path, chunk: bytes, times: int) -> Path:
    """A small file that unpacks to very much."""
    packer = zlib.compressobj(9, zlib.DEFLATED, 31)
    with path.open("wb") as file:
        file.write(b"".join(packer.compress(chunk) for _ in range(times)) + packer.flush())
    return path


EVENT = b"  sh-1  [000] .....    13.437812: sched_switch: prev_comm=x ==> next_comm=y\n"


def test_gzip_that_unpacks_to_too_much(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("movable.trace.read.source.RATIO_FROM_BYTES", 1 << 20)
    assert "times its size; no trace does" in refused(bomb(tmp_path / "b.gz", EVENT * 10_000, 40))


@pytest.mark.unmeasured
@pytest.mark.parametrize("chunk", [b"\n" * 5000, b"# nothing\n" * 500, b"junk junk\n" * 500])
@pytest.mark.parametrize("begin", [b"", life().text().encode()])
def test_lines_without_end_that_hold_nothing(tmp_path: Path, chunk: bytes, begin: bytes) -> None:
    path = tmp_path / "b.gz"
    path.write_bytes(gzip.compress(begin + chunk * 2000))
    with pytest.raises(UsageError, match=r"without one trace line|no ftrace text"):
        check_trace(str(path))


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="needs named pipes")
def test_a_pipe_is_kept_only_where_it_is_read_again_and_not_without_bound(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("movable.trace.read.source.MAX_SPOOL", 1000)
    path = tmp_path / "pipe"
    os.mkfifo(path)
    for again in (False, True):
        held = os.open(path, os.O_RDWR)
        os.write(held, b"x\n" * 1000)
        with Source(str(path), again=again) as source:
            blocks = source.blocks()
            if again:
                with pytest.raises(UsageError, match="from a pipe; write it to a file"):
                    next(blocks)
                os.close(held)
            else:
                first = next(blocks)
                os.close(held)
                assert first + [line for block in blocks for line in block] == ["x"] * 1000


def test_a_recording_of_pages_without_end(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("movable.rules.stream.history.MAX_PAGES", 50)
    text = life().text()
    mark = next(line for line in text.splitlines() if "set_page_movable" in line)
    page = re.search(r"page=0x([0-9a-f]+)", mark)
    assert page is not None
    more = [mark.replace(page[0], f"page=0x{int(page[1], 16) + 64 * number:x}") for number in range(1, 100)]
    (tmp_path / "t").write_text(text + "\n".join(more) + "\n")
    assert "more than 50 pages" in refused_by(str(tmp_path / "t"))


def refused_by(path: str) -> str:
    with pytest.raises(UsageError) as caught:
        check_trace(path)
    return str(caught.value)
