"""What becomes of a worker, told by its supervisor: each way in which one can end, and that nothing of it is left."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
import threading
import time
from pathlib import Path

import pytest

from movable.errors import UsageError
from movable.supervise import board, landlock
from movable.supervise.channel import LONGEST_TEXT, Receiver, Record, Sender
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
from tests.processes import started


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


@pytest.mark.skipif(not landlock.keeps_signals(), reason="this kernel cannot keep signals in")
def test_signals_of_a_worker_reach_itself_and_what_it_starts_alone() -> None:
    for number in (signal.SIGKILL, signal.SIGSTOP, signal.SIGINT):
        ending, _ = ended(f"os.kill(os.getppid(), {int(number)})")
        assert ending.how == FAILED and ending.text.endswith("PermissionError: [Errno 1] Operation not permitted")
    do = "child = subprocess.Popen(['sleep', '99']); child.kill(); tell('code', number=child.wait()); os.kill(os.getpid(), 10)"
    ending, found = ended(do)
    assert (ending.how, ending.number, found[-1]["number"]) == (KILLED, 10, -9)


def test_a_keeper_that_is_killed_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(landlock, "keep_signals", lambda: None)  # as on an older kernel
    ending, _ = ended("os.kill(os.getppid(), 9); time.sleep(9)")
    assert (ending.how, ending.number) == (KILLED, signal.SIGKILL)


def test_without_a_view_of_processes_nothing_is_started(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("movable.supervise.supervisor.load_of", lambda pid: None)  # as in a container without /proc
    with pytest.raises(UsageError, match="/proc shows no processes"):
        ended("pass")


def test_what_is_over_its_time_is_ended_whatever_it_does_with_signals() -> None:
    deaf = "import signal\nfor n in set(range(1, 64)) - {9, 19, 32, 33}: signal.signal(n, signal.SIG_IGN)\n"
    ending, _ = ended(f"{deaf}while True: pass", time.monotonic() + 0.5, patience=9)
    assert ending.how == TIME


@pytest.mark.parametrize(
    "do", ["threading.Thread(target=time.sleep, args=(99,)).start()", "import atexit; atexit.register(time.sleep, 99)"]
)
def test_threads_and_exit_handlers_do_not_keep_a_worker_alive(do: str) -> None:
    assert ended(do)[0].how == DONE


def test_what_nobody_takes_is_a_line(capfd: pytest.CaptureFixture[str]) -> None:
    do = "class Held:\n def __del__(self): 1 / 0\nHeld()\none = threading.Thread(target=lambda: [][1]); one.start(); one.join()"
    assert ended(do)[0].how == DONE
    lines = capfd.readouterr().err.splitlines()
    assert [line for line in lines if "ZeroDivisionError" in line and "finalizer" in line]
    assert [line for line in lines if "IndexError" in line and "thread" in line] and len(lines) == 2


def test_a_fork_ends_at_once_and_stands_on_the_board() -> None:
    ending, found = ended("pid = os.fork(); tell('pid', number=pid)")
    assert (ending.how, ending.place.forks, ending.place.forked) == (DONE, 1, "thing 1")
    assert len(found) == 3 and not Path(f"/proc/{found[-1]['number']}").exists()


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


def test_workers_come_one_after_another_and_see_nothing_of_each_other() -> None:
    with Supervisor(worker, patience=1) as supervisor:
        for do in (
            "os._exit(3)",
            "board = 1",
            "import movable.errors as e; e.seen = 1",
            "import movable.errors as e; assert not hasattr(e, 'seen')",
        ):
            ending = supervisor.run({"do": do}, lambda record: None)
    assert ending.how == DONE, ending.trace


def test_a_worker_has_no_terminal_and_no_file_of_its_parent(tmp_path: Path) -> None:
    with (tmp_path / "secret").open("w") as file:
        os.set_inheritable(file.fileno(), True)
        do = (
            f"assert not os.isatty(0) and not os.isatty(1)\ntry: os.write({file.fileno()}, b'forged')\nexcept OSError: pass\n"
            "try: open('/dev/tty')\nexcept OSError: tell('right', number=1)"
        )
        assert len(ended(do)[1]) == 3
    assert (tmp_path / "secret").read_text() == ""


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


def test_records_are_bounded_and_garbage_is_never_read() -> None:
    ours, theirs = socket.socketpair()
    tell, receiver = Sender(theirs.fileno(), "~key~"), Receiver("~key~")
    theirs.send(b'{"kind": "forged"}\n~other~{"kind": "forged"}\nno end')
    tell("found", text="x" * 100_000, deep=[[[["deep"]]]], odd=object, numbers={3, 1})
    theirs.send(b"~key~[" * 20_000 + b'\n~key~[1]\n~key~{"kind": 3}\n')
    tell("last")
    theirs.close()
    data = b""
    while piece := ours.recv(1 << 20):
        data += piece
    found = [record for byte in range(0, len(data), 777) for record in receiver.feed(data[byte : byte + 777])]
    assert [record["kind"] for record in found] == ["found", "last"]
    assert len(found[0]["text"]) < LONGEST_TEXT + 60 and "characters more" in found[0]["text"]
    assert found[0]["numbers"] == [1, 3] and receiver.garbage > 100_000
    ours.close()
