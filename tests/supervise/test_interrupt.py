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

from movable.cli import main
from movable.supervise.interrupt import Interrupted

ROOT = Path(__file__).parents[2]
DRIVER = "docs/drivers/ring.py:Ring"
RACY = "tests/drivers_for_tests/racy_drivers.py"
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


def left_over(mark: str, seconds: float = 60.0) -> list[int]:
    """The ``workers`` that are still there when they had so long to end; on a busy machine the end of a process takes a while."""
    end = time.monotonic() + seconds
    while (found := workers(mark)) and time.monotonic() < end:
        time.sleep(0.02)
    return found


def heed() -> None:
    """Signals as a shell gives them to what it starts, whatever this process ignores."""
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, signal.default_int_handler if number == signal.SIGINT else signal.SIG_DFL)


def before_the_first_line(number: int, code: int, err: str) -> bool:
    """Whether a signal came while the interpreter itself was still starting: then it does what it does to any Python."""
    return bool(number) and (code == -number or ("KeyboardInterrupt" in err and "/movable/" not in err))


MARKS = """
import pathlib
from docs.drivers.ring import Ring, RingWorkload
class Marks(Ring):
    workload = RingWorkload
    made = 0
    def __init__(self, vm):
        Marks.made += 1
        if Marks.made == 30:
            pathlib.Path(__file__).with_name("begun").touch()
        super().__init__(vm)
"""
"""A driver that leaves a file where programs have been run with it."""


def interrupted(number: signal.Signals, after: float | Path | None, folder: Path, *words: str) -> tuple[int, str, str]:
    """Send a signal after some seconds, as soon as a file is there, or once something is printed."""
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
        elif after is None:
            assert process.stdout is not None and process.stdout.readline()
        else:
            time.sleep(after)
        process.send_signal(number)
        out, err = process.communicate(timeout=60)
    finally:
        process.kill()
    assert not left_over(mark) and not list(folder.glob("*.part")) and not list(folder.glob(".movable*"))
    return process.returncode, out, err


@pytest.mark.parametrize(
    ("number", "code"), [(signal.SIGINT, 130), (signal.SIGTERM, 143), (signal.SIGHUP, 129)], ids=["int", "term", "hup"]
)
def test_an_interruption_gives_the_certificate_so_far(number: signal.Signals, code: int, tmp_path: Path) -> None:
    (tmp_path / "marks.py").write_text(MARKS)
    record = tmp_path / "certificate.json"
    words = ("check", f"{tmp_path / 'marks.py'}:Marks", "--examples", "100000", "--json", str(record))
    found, out, err = interrupted(number, tmp_path / "begun", tmp_path, *words)
    assert (found, "Traceback" in err) == (code, False)
    assert "NOT passed, interrupted" in out.splitlines()[-1]
    told = json.loads(record.read_text())
    assert told["examples"] > 0 and not told["passed"]


def test_an_interruption_while_a_class_is_made_is_one(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    class Field:
        def __set_name__(self, owner: type, name: str) -> None:
            raise Interrupted(signal.SIGTERM)

    monkeypatch.setattr("movable.cli.build_parser", lambda: type("Holder", (), {"field": Field()}))
    assert main([]) == 143 and capsys.readouterr().err == "movable: interrupted\n"


def test_a_check_on_two_processes_ends_at_once(tmp_path: Path) -> None:
    (tmp_path / "marks.py").write_text(MARKS)
    words = ("check", f"{tmp_path / 'marks.py'}:Marks", "--executions", "100000", "--jobs", "2")
    code, _out, err = interrupted(signal.SIGINT, tmp_path / "begun", tmp_path, *words)
    assert code == 130 and "Traceback" not in err


def test_an_exhibit_ends_at_once(tmp_path: Path) -> None:
    code, _out, err = interrupted(signal.SIGINT, None, tmp_path, "museum", "F02", "--budget", "100s")
    assert code == 130 and "Traceback" not in err


LENGTH = 15.0
"""Seconds of a command in which it is interrupted."""
COMMANDS = {
    "check": ("check", DRIVER, "--examples", "60"),
    "writing": ("check", DRIVER, "--examples", "1", "--executions", "1", "--json", "c.json", "--html", "c.html"),
    "jobs": ("check", f"{RACY}:CopiesAndWrites", "--interleavings", "1", "--executions", "60", "--jobs", "2"),
    "museum": ("museum", "F02"),
}


@pytest.mark.campaign
@pytest.mark.parametrize("name", COMMANDS)
def test_a_hundred_interruptions_at_random_moments(name: str, tmp_path: Path) -> None:
    """Twenty-five for each command, over its start, its search, its explanations and its writing; of a long one over LENGTH."""
    rng = random.Random(1)
    words = [str(tmp_path / word) if word.startswith("c.") else word for word in COMMANDS[name]]
    began = time.monotonic()
    whole = subprocess.run([sys.executable, "-m", "movable", *words], capture_output=True, cwd=ROOT, env=ENV, timeout=300)
    length = min(time.monotonic() - began, LENGTH)
    for _ in range(25):
        number = rng.choice([signal.SIGINT, signal.SIGTERM, signal.SIGHUP])
        code, _out, err = interrupted(number, rng.uniform(0.1, length), tmp_path, *words)
        if before_the_first_line(number, code, err):
            continue
        assert code in (128 + number, whole.returncode) and "Traceback" not in err, (code, err)


@pytest.mark.campaign
def test_a_check_on_two_processes_killed_at_random_moments_comes_to_the_same(tmp_path: Path) -> None:
    """Two hundred kills, five for each campaign, and then it is let alone."""
    rng = random.Random(2)
    words = ["check", f"{RACY}:CopiesAndWrites", "--interleavings", "1", "--executions", "60", "--jobs", "2"]

    def run(name: str, seconds: float | None) -> object:
        record = tmp_path / f"{name}.json"
        mark = f"MOVABLE_TEST={os.urandom(8).hex()}"
        command = [sys.executable, "-m", "movable", *words, "--campaign", str(tmp_path / name), "--json", str(record)]
        process = subprocess.Popen(
            command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, cwd=ROOT, env={**ENV, **dict([mark.split("=")])}
        )
        try:
            process.wait(seconds if seconds is not None else 300)
        except subprocess.TimeoutExpired:
            process.kill()
        process.wait()
        assert not left_over(mark) and not [left for left in os.listdir(tmp_path) if left.startswith(".") or left.endswith(".part")]
        told = json.loads(record.read_text()) if record.exists() else {}
        return {key: value for key, value in told.items() if "seconds" not in key and key != "first_failure"}

    began = time.monotonic()
    expected = run("undisturbed", None)
    length = time.monotonic() - began
    assert expected
    for kill in range(200):
        name = f"killed-{kill // 5}"
        run(name, rng.uniform(0, length))
        if kill % 5 == 4:
            assert run(name, None) == expected
