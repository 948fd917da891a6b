"""Ctrl-C, SIGTERM and SIGHUP at any moment: the certificate so far, the exit code that says so, and nothing left behind."""

from __future__ import annotations

import json
import os
import random
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
DRIVER = "docs/drivers/ring.py:Ring"
ENV = {**os.environ, "PYTHONPATH": f"{ROOT}:{ROOT / 'drivers'}"}


def workers(mark: str) -> list[int]:
    """Processes of a command with a word of its own in its environment."""
    found = []
    for name in os.listdir("/proc"):
        if name.isdecimal():
            try:
                if mark.encode() in Path(f"/proc/{name}/environ").read_bytes():
                    found.append(int(name))
            except OSError:
                continue
    return found


MARKS = """
import pathlib
from docs.drivers.ring import Ring, RingWorkload
class Marks(Ring):
    workload = RingWorkload
    def migratepage(self, mapping, newpage, page, mode):
        pathlib.Path(__file__).with_name("begun").touch()
        return super().migratepage(mapping, newpage, page, mode)
"""


def interrupted(number: signal.Signals, after: float | Path, folder: Path, *words: str) -> tuple[int, str, str, float]:
    """Send a signal after some seconds, or as soon as a file is there."""
    mark = f"MOVABLE_TEST={os.urandom(8).hex()}"
    env = {**ENV, **dict([mark.split("=")])}
    process = subprocess.Popen(
        [sys.executable, "-m", "movable", *words], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, cwd=ROOT, env=env
    )
    try:
        if isinstance(after, Path):
            end = time.monotonic() + 60
            while not after.exists() and process.poll() is None and time.monotonic() < end:
                time.sleep(0.01)
            time.sleep(1.5)
        else:
            time.sleep(after)
        process.send_signal(number)
        began = time.monotonic()
        out, err = process.communicate(timeout=60)
        took = time.monotonic() - began
    finally:
        process.kill()
    time.sleep(0.05)
    assert not workers(mark) and not list(folder.glob("*.part")) and not list(folder.glob(".movable*"))
    return process.returncode, out, err, took


@pytest.mark.parametrize(
    ("number", "code"), [(signal.SIGINT, 130), (signal.SIGTERM, 143), (signal.SIGHUP, 129)], ids=["int", "term", "hup"]
)
def test_an_interruption_gives_the_certificate_so_far(number: signal.Signals, code: int, tmp_path: Path) -> None:
    (tmp_path / "marks.py").write_text(MARKS)
    record = tmp_path / "certificate.json"
    words = ("check", f"{tmp_path / 'marks.py'}:Marks", "--examples", "100000", "--json", str(record))
    found, out, err, _ = interrupted(number, tmp_path / "begun", tmp_path, *words)
    assert (found, "Traceback" in err) == (code, False)
    assert "NOT passed, interrupted" in out.splitlines()[-1]
    told = json.loads(record.read_text())
    assert told["examples"] > 0 and not told["passed"]


@pytest.mark.campaign
@pytest.mark.parametrize(
    "words",
    [("check", DRIVER, "--examples", "60"), ("check", DRIVER, "--jobs", "2", "--executions", "300"), ("museum", "F02")],
    ids=lambda words: words[0] + words[2] if len(words) > 2 else words[0],
)
def test_a_hundred_interruptions_at_random_moments(words: tuple[str, ...], tmp_path: Path) -> None:
    dice = random.Random(1)
    began = time.monotonic()
    whole = subprocess.run([sys.executable, "-m", "movable", *words], capture_output=True, cwd=ROOT, env=ENV, check=False)
    length = time.monotonic() - began
    for _ in range(34):
        code, _out, err, took = interrupted(signal.SIGINT, dice.uniform(0.3, length), tmp_path, *words)
        assert code in (130, whole.returncode) and "Traceback" not in err, (code, err)
        assert took < 5
