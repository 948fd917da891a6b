"""How fast a trace is judged, against the bare cost of splitting its lines; and how much memory it takes."""

from __future__ import annotations

import gzip
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from movable.trace.judge.conformance import check_trace
from tests.trace.recordings import TRACES

pytestmark = pytest.mark.benchmark

LINES = 300_000
LONG = 3_000_000
MEGABYTES = 200
FLOOR_RATIO = 16.0
"""How many times as long as splitting every line once at blanks a full check may take."""


def repeated(name: str, lines: int, path: Path) -> int:
    """Write a recording over and over until it has so many lines; returns how many."""
    with gzip.open(TRACES / name / "trace.txt.gz", "rb") as stream:
        text = stream.read()
    times = -(-lines // text.count(b"\n"))
    with path.open("wb") as out:
        for _ in range(times):
            out.write(text)
    return times * text.count(b"\n")


def best(run: Callable[[], object], times: int = 3) -> float:
    """The shortest CPU time of some runs, in seconds."""
    found = []
    for _ in range(times):
        begun = time.process_time()
        run()
        found.append(time.process_time() - begun)
    return min(found)


def split_lines(path: Path) -> None:
    with path.open(encoding="latin-1") as stream:
        for line in stream:
            line.split()


@pytest.mark.parametrize("name", ["a1", "e", "i1", "z3", "bad/mode_10"])
def test_speed(name: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = tmp_path / "t.txt"
    lines = repeated(name, LINES, path)
    floor = best(lambda: split_lines(path))
    check = best(lambda: check_trace(str(path)))
    with capsys.disabled():
        print(f"\n{name}: {lines / check:,.0f} lines/s, {check / floor:.1f} times the bare splitting of lines")
    assert check / floor < FLOOR_RATIO


def test_memory_is_flat(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = tmp_path / "t.txt"
    lines = repeated("e", LONG, path)
    program = (  # getrusage would tell of the parent's memory, too
        "import time\n"
        "from movable.trace.judge.conformance import check_trace\n"
        "begun = time.process_time()\n"
        f"result = check_trace({str(path)!r})\n"
        "peak = next(line.split()[1] for line in open('/proc/self/status') if line.startswith('VmHWM:'))\n"
        "print(int(peak) // 1024, result.lines / (time.process_time() - begun))\n"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    megabytes, speed = (float(word) for word in done.stdout.split())
    with capsys.disabled():
        print(f"\n{lines:,} lines: {megabytes:.0f} MB, {speed:,.0f} lines/s")
    assert megabytes < MEGABYTES
