"""The process between supervisor and workers."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from movable.supervise import landlock
from movable.supervise.supervisor import (
    KILLED,
)
from tests.processes import started
from tests.supervise.test_supervisor import ended


def test_a_keeper_that_is_killed_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(landlock, "keep_signals", lambda: None)  # as on an older kernel
    ending, _ = ended("os.kill(os.getppid(), 9); time.sleep(9)")
    assert (ending.how, ending.number) == (KILLED, signal.SIGKILL)


def test_what_a_worker_started_ends_with_it() -> None:
    long = f"774{os.getpid()}"  # as no process of another run of the tests on this machine sleeps
    do = f"subprocess.Popen(['setsid', 'sleep', '{long}']); subprocess.Popen('(sleep {long} &); sleep {long}', shell=True)"
    ended(f"{do}; time.sleep(.2)")
    assert not [pid for pid in processes() if f"sleep\0{long}\0".encode() in command_of(pid)]


def processes() -> list[int]:
    return [int(name) for name in os.listdir("/proc") if name.isdecimal()]


def command_of(pid: int) -> bytes:
    try:
        return Path(f"/proc/{pid}/cmdline").read_bytes()
    except OSError:
        return b""

PARENT = """
import time, sys
from movable.supervise.supervisor import Supervisor
def work(tell, given):
    import os, subprocess
    child = subprocess.Popen(["sleep", "76"])
    tell("pid", number=os.getpid(), child=child.pid)
    import signal
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
    time.sleep(76)
with Supervisor(work, patience=99) as supervisor:
    supervisor.run({}, lambda record: print(record["number"], record["child"], flush=True))
"""


@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGTERM])
def test_workers_end_with_their_parent(number: signal.Signals) -> None:
    with started([sys.executable, "-c", PARENT], stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True) as parent:
        assert parent.stdout is not None
        pids = [int(word) for word in parent.stdout.readline().split()]
        parent.send_signal(number)
        end = time.monotonic() + 20  # on a busy machine; they would sleep for longer
        while any(command_of(pid) for pid in pids) and time.monotonic() < end:
            time.sleep(0.02)
        assert len(pids) == 2 and not [pid for pid in pids if command_of(pid)]
