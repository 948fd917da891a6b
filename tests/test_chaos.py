"""Ten minutes of everything at once: hostile drivers, damaged tokens and traces, signals, kills, closed and full outputs."""

from __future__ import annotations

import gzip
import os
import random
import signal
import subprocess
import sys
import time
from collections import Counter
from contextlib import suppress
from pathlib import Path

import pytest

from tests.drivers_for_tests import hostile_drivers as hostile
from tests.supervise.test_interrupt import ENV, ROOT, before_the_first_line, heed, left_over
from tests.trace.damage import damaged
from tests.workload.test_token import HALF, made
from tests.workload.token_mutants import mutants

SECONDS = float(os.environ.get("MOVABLE_CHAOS", "600"))
LONGEST = 60.0
"""Seconds that one command may take on a machine that is busy with others."""
HOSTILE = [name for name, one in vars(hostile).items() if isinstance(one, type) and issubclass(one, hostile.Hostile)]
OUTPUTS = ("", "", "", ">/dev/full", ">&-", "| head -n 1", "2>&-", "<&-")
CODES = {0, 1, 2, 3, 129, 130, 141, 143, -9, 137}


class Chaos:
    """Commands that are drawn, and what became of them."""

    def __init__(self, seed: int, folder: Path) -> None:
        self.rng = random.Random(seed)
        self.folder = folder
        words = mutants(made(), 1 << 20, seed)
        self.tokens = (text for text in words if "\0" not in text and text.isascii())  # a command line takes no others
        self.traces = (one for number in range(1 << 20) for one in damaged(seed + number, 20))
        self.seen: Counter[str] = Counter()

    def command(self) -> list[str]:
        """Some words."""
        kind = self.rng.choice(["check", "check", "jobs", "replay", "trace", "museum", "run"])
        self.seen[kind] += 1
        driver = f"tests/drivers_for_tests/hostile_drivers.py:{self.rng.choice(HOSTILE)}"
        if kind == "replay":
            return ["replay", HALF, "--", next(self.tokens)]
        if kind == "trace":
            path = self.folder / f"trace-{self.seen[kind]}.txt.gz"
            path.write_bytes(gzip.compress("\n".join(next(self.traces).lines).encode("latin-1", "replace"), 1))
            return ["trace", "check", str(path)]
        if kind == "museum":
            return ["museum", "F02", "--budget", "1s"]
        if kind == "run":
            return ["run", "--memory", "8M", "--nodes", "1", "--drivers", driver, "--json", str(self.folder / "run.json")]
        certificate = ["--json", str(self.folder / "c.json"), "--html", str(self.folder / "c.html")]
        if kind == "jobs":
            return ["check", driver, "--examples", "2", "--executions", "60", "--jobs", "2", "--limit", "15s", *certificate]
        return ["check", driver, "--budget", "1.5s", *certificate]

    def once(self) -> None:
        """One command, and what is done to it."""
        words = self.command()
        mark = f"MOVABLE_TEST={os.urandom(8).hex()}"
        line = f'exec "$@" {self.rng.choice(OUTPUTS)}'
        environment = {**ENV, **dict([mark.split("=")])}
        process = subprocess.Popen(
            ["bash", "-c", line, "bash", sys.executable, "-m", "movable", *words], cwd=ROOT, env=environment,
            stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, errors="replace",
            start_new_session=True, preexec_fn=heed,
        )  # fmt: skip
        number = self.rng.choice([0, 0, 0, signal.SIGINT, signal.SIGTERM, signal.SIGHUP, signal.SIGKILL])
        try:
            if number:
                time.sleep(self.rng.uniform(0.1, 3))
                with suppress(ProcessLookupError):
                    os.killpg(process.pid, number)
            out, err = process.communicate(timeout=LONGEST)
        finally:
            with suppress(ProcessLookupError):
                os.killpg(process.pid, signal.SIGKILL)
        told = (words, line, number, process.returncode, err[-2000:])
        if before_the_first_line(number, process.returncode, err):
            return
        shell = "|" in line and process.returncode == -number  # it was hit, too
        assert process.returncode in CODES or shell, told
        assert "Traceback" not in err and "fault of movable's own" not in err, told
        assert "\x1b" not in out + err, told
        assert not left_over(mark), told
        left = [name for name in os.listdir(self.folder) if name.endswith(".part") or name.startswith(".")]
        assert not left, (told, left)


@pytest.mark.campaign
def test_chaos(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    seed = int(os.environ.get("MOVABLE_CHAOS_SEED", "1"))
    chaos = Chaos(seed, tmp_path)
    end = time.monotonic() + SECONDS
    while time.monotonic() < end:
        chaos.once()
    with capsys.disabled():
        print(f"\n{chaos.seen.total()} commands in {SECONDS:.0f} s: {dict(chaos.seen)}")
