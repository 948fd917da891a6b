"""What becomes of a worker, told by its supervisor: each way in which one can end, and that nothing of it is left."""

from __future__ import annotations

import os
import signal
import subprocess
import threading
import time

import pytest

from movable.errors import UsageError
from movable.supervise import board
from movable.supervise.channel import Record, Sender
from movable.supervise.supervisor import (
    CLOSED,
    DONE,
    EXITED,
    FAILED,
    FLOODED,
    HUNG,
    KILLED,
    MEMORY,
    STILL,
    TIME,
    Ending,
    Supervisor,
    Watch,
)


def worker(tell: Sender, given: Record) -> None:
    """Two findings, and then what the test wants."""
    for number in range(2):
        board.enter("work", f"thing {number}", f"token {number}")
        tell("found", number=number)
    exec(given["do"], {"tell": tell, "os": os, "time": time, "threading": threading, "subprocess": subprocess})


def ended(do: str, deadline: float | None = None, patience: float = 1.5) -> tuple[Ending, list[Record]]:
    found: list[Record] = []
    with Supervisor(worker, patience=patience) as supervisor:
        ending = supervisor.run({"do": do}, found.append, deadline)
    return ending, found


@pytest.mark.parametrize(
    ("do", "how", "words"),
    [
        ("", DONE, ""),
        ("os._exit(0)", EXITED, "ended itself with exit status 0"),
        ("os._exit(7)", EXITED, "ended itself with exit status 7"),
        ("os.abort()", KILLED, "SIGABRT"),
        ("os.kill(os.getpid(), 11)", KILLED, "SIGSEGV"),
        ("os.kill(0, 9)", KILLED, "SIGKILL"),
        ("sum(range(10**12))", HUNG, "processor time"),
        ("time.sleep(100)", STILL, "stood still"),
        ("lock = threading.Lock(); lock.acquire(); lock.acquire()", STILL, "stood still"),
        ("os.kill(os.getpid(), 19)", STILL, "stood still"),
        ("b'x' * (8 << 30)", MEMORY, "2 GiB"),
        ("os.closerange(3, 300); time.sleep(9)", CLOSED, "closed the descriptors"),
        ("os.closerange(0, 300); tell('found')", CLOSED, "closed the descriptors"),
        ("while True: os.write(1, b'x' * 60000)", FLOODED, "output"),
        ("while True: os.write(tell._descriptor, b'x' * 60000)", FLOODED, "output"),
        ("os.ftruncate(os.memfd_create('much'), 2 << 30)", FAILED, ""),
        ("1 / 0", FAILED, ""),
        ("raise SystemExit(0)", FAILED, ""),
    ],
)
def test_however_a_worker_ends_it_is_told_with_the_place(do: str, how: str, words: str) -> None:
    ending, found = ended(do)
    assert (ending.how, [record["number"] for record in found]) == (how, [0, 1])
    assert words in ending.words
    assert ending.place[2:5] == ("work", "thing 1", "token 1")


def test_a_worker_that_takes_a_while_to_begin_has_begun_nothing_yet() -> None:
    """On a slow machine its start alone may take longer than one thing may."""

    def slow(tell: Sender, given: Record) -> None:
        end = time.process_time() + 2.0
        while time.process_time() < end:
            pass
        worker(tell, given)

    with Supervisor(slow, patience=1.5) as supervisor:
        assert supervisor.run({"do": ""}, lambda record: None).how == DONE


def test_a_worker_that_has_ended_did_not_close_its_channel_though_its_keeper_is_late(monkeypatch: pytest.MonkeyPatch) -> None:
    """On a busy machine the keeper may hear of it after the supervisor."""
    monkeypatch.setattr("movable.supervise.supervisor.GRACE_SECONDS", 0.0)
    with Supervisor(worker, patience=30) as supervisor:

        def take(record: Record) -> None:
            os.kill(supervisor._keeper, signal.SIGSTOP)
            if record["number"]:
                threading.Timer(0.5, supervisor.wake).start()

        assert supervisor.run({"do": "time.sleep(.2); os._exit(7)"}, take).how == EXITED


def test_what_a_worker_told_counts_though_neither_it_nor_its_keeper_comes_to_an_end(monkeypatch: pytest.MonkeyPatch) -> None:
    """On a busy machine both may be late, and the worker's descriptors are open when the keeper is given up."""
    monkeypatch.setattr("movable.supervise.supervisor.GRACE_SECONDS", 0.05)
    monkeypatch.setattr("movable.supervise.supervisor.SECONDS_TO_BURY", 0.0)
    supervisor = Supervisor(worker, patience=30)
    watch = Watch(supervisor, lambda record: os.kill(supervisor._keeper, signal.SIGSTOP), None)
    monkeypatch.setattr(supervisor, "wake", lambda: None)
    held = os.dup(watch._theirs[1])
    watch.begin({"do": "tell('end'); time.sleep(99)"})
    while (ending := watch.look(0.05, 0)) is None:
        pass
    watch.close()
    os.close(held)
    assert ending.how == DONE


def test_without_a_view_of_processes_nothing_is_started(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("movable.supervise.supervisor.load_of", lambda pid: None)  # as in a container without /proc
    with pytest.raises(UsageError, match="/proc shows no processes"):
        ended("pass")


def test_what_is_over_its_time_is_ended_whatever_it_does_with_signals() -> None:
    deaf = "import signal\nfor n in set(range(1, 64)) - {9, 19, 32, 33}: signal.signal(n, signal.SIG_IGN)\n"
    ending, _ = ended(f"{deaf}while True: pass", time.monotonic() + 0.5, patience=9)
    assert ending.how == TIME


def test_what_nobody_takes_is_a_line(capfd: pytest.CaptureFixture[str]) -> None:
    do = "class Held:\n def __del__(self): 1 / 0\nHeld()\none = threading.Thread(target=lambda: [][1]); one.start(); one.join()"
    assert ended(do)[0].how == DONE
    lines = capfd.readouterr().err.splitlines()
    assert [line for line in lines if "ZeroDivisionError" in line and "finalizer" in line]
    assert [line for line in lines if "IndexError" in line and "thread" in line] and len(lines) == 2
