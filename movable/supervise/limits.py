"""The limits of a process, and what the system tells of it: how much it may have, who dies with whom, who descends from whom."""

from __future__ import annotations

import ctypes
import os
import resource
import signal
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import NamedTuple

PR_SET_PDEATHSIG = 1
PR_SET_NAME = 15
PR_SET_CHILD_SUBREAPER = 36
PR_SET_NO_NEW_PRIVS = 38
MANY_CHILDREN = 20
"""Processes that are no longer ended in passing."""
TICKS = os.sysconf("SC_CLK_TCK")
STANDS = "STtZ"
"""States of a first thread that does not run: it sleeps, was stopped, or has ended while others go on."""
WAITS = "D"
"""The state of one that waits for a device, a disk for one, which is no fault of its; or for a child to be executed."""
CAUGHT = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP, signal.SIGALRM, signal.SIGVTALRM, signal.SIGPROF, signal.SIGCHLD)


def prctl(option: int, value: int | bytes) -> None:
    """The system call of that name, for this thread or process."""
    ctypes.CDLL(None, use_errno=True).prctl(option, value, 0, 0, 0)


def die_with_parent(parent: int) -> None:
    """The kernel kills this process as soon as its parent ends, however that comes."""
    prctl(PR_SET_PDEATHSIG, signal.SIGKILL)
    if os.getppid() != parent:  # it ended before it could be asked
        os._exit(1)


def adopt_orphans() -> None:
    """Whatever descends from this process becomes its child when its own parent ends."""
    prctl(PR_SET_CHILD_SUBREAPER, 1)


def usual_signals() -> None:
    """No handler, timer or mask of the process that this one was forked from."""
    for number in CAUGHT:
        signal.signal(number, signal.SIG_DFL)
    signal.signal(signal.SIGPIPE, signal.SIG_IGN)
    signal.setitimer(signal.ITIMER_REAL, 0)
    signal.setitimer(signal.ITIMER_VIRTUAL, 0)
    signal.pthread_sigmask(signal.SIG_SETMASK, ())


def close_all_but(*kept: int) -> None:
    """Close every descriptor above standard error that is not ``kept``."""
    low = 3
    for descriptor in (*sorted(kept), os.sysconf("SC_OPEN_MAX")):
        os.closerange(low, min(descriptor, 1 << 16))
        low = descriptor + 1


def limit_memory(more: int) -> None:
    """This process may have ``more`` bytes of addresses than it has now, and leaves no core file."""
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    used = int(Path("/proc/self/statm").read_text().split()[0]) * resource.getpagesize()
    _limit(resource.RLIMIT_AS, used + more)


def limit_processes(more: int) -> None:
    """This process, and what it makes, cannot make more than so many on top of all that there are. It does not bind root."""
    try:
        there = int(Path("/proc/loadavg").read_text().split()[3].partition("/")[2])
    except (OSError, ValueError, IndexError):
        return
    _limit(resource.RLIMIT_NPROC, there + more, for_good=False)


def limit_files(most: int, number: int) -> None:
    """No file that this process writes, be it one in memory, grows beyond ``most`` bytes: the write fails. It has at most so many
    open: a million of them take seconds to close when it is killed."""
    _limit(resource.RLIMIT_FSIZE, most)
    _limit(resource.RLIMIT_NOFILE, number)


def _limit(what: int, wanted: int, for_good: bool = True) -> None:
    """From now on this process has so much of something, or what it may have at most; ``for_good``: it may not have more later."""
    hard = resource.getrlimit(what)[1]
    most = wanted if hard == resource.RLIM_INFINITY else min(wanted, hard)
    resource.setrlimit(what, (most, most if for_good else hard))


class Load(NamedTuple):
    """What a process has used of the processor, in seconds, whether it does not run right now, and for how many seconds its first
    thread has waited for a processor."""

    seconds: float
    still: bool
    waited: float = 0.0


def _stat(pid: int | str) -> tuple[str, list[str]]:
    """The name of a process, which may hold anything, and what the system says of it from its state on; OSError for none."""
    before, _, after = Path(f"/proc/{pid}/stat").read_text(errors="replace").rpartition(")")
    return before.partition("(")[2], after.split()


def load_of(pid: int) -> Load | None:
    """How busy a process is, all its threads together; None when there is none."""
    try:
        _, parts = _stat(pid)
    except OSError:
        return None
    still = parts[0] in STANDS or (parts[0] == WAITS and _has_children(pid))
    return Load((int(parts[11]) + int(parts[12])) / TICKS, still, _waited(pid))


def has_ended(pid: int) -> bool:
    """Whether a process has ended with all its threads, though its parent may not have heard of it yet."""
    try:
        _, parts = _stat(pid)
    except OSError:
        return True
    return parts[0] in "ZX" and int(parts[17]) <= 1


def _has_children(pid: int) -> bool:
    """Whether the first thread of a process started others that are there; not where the kernel does not say."""
    try:
        return bool(Path(f"/proc/{pid}/task/{pid}/children").read_text().strip())
    except OSError:
        return False


def _waited(pid: int) -> float:
    try:
        return int(Path(f"/proc/{pid}/schedstat").read_text().split()[1]) / 1e9
    except (OSError, ValueError, IndexError):  # a kernel that does not count it
        return 0.0


def age() -> float:
    """Seconds since this process was executed, as far as the system tells; 0 where it does not."""
    try:
        _, parts = _stat("self")
        return max(0.0, time.clock_gettime(time.CLOCK_BOOTTIME) - int(parts[19]) / TICKS)
    except (OSError, ValueError, IndexError):
        return 0.0


def call_this(name: str) -> None:
    """The name of this thread, and of a process with one, which forks of it have too, and what it executes has not."""
    prctl(PR_SET_NAME, name.encode()[:15])


@contextmanager
def called(name: str) -> Iterator[None]:
    """Inside the block this thread has another name, which a fork of it keeps."""
    try:
        before = Path("/proc/thread-self/comm").read_text().rstrip("\n")
    except OSError:
        before = ""
    if before:
        call_this(name)
    own = os.getpid()
    try:
        yield
    finally:
        if before and os.getpid() == own:
            call_this(before)


def newest() -> str:
    """What changes whenever a process is made, anywhere on the machine; "" where nothing tells."""
    try:
        return Path("/proc/loadavg").read_text().split()[-1]
    except (OSError, IndexError):
        return ""


class Process(NamedTuple):
    """One process, as the system shows it."""

    pid: int
    parent: int
    state: str
    name: str


def descendants() -> list[Process]:
    """Every process that descends from this one, parents first; zombies too."""
    below: dict[int, list[Process]] = {}
    for pid in os.listdir("/proc"):
        if pid.isdecimal():
            try:
                name, (state, parent, *_) = _stat(pid)
            except OSError:
                continue
            process = Process(int(pid), int(parent), state, name)
            below.setdefault(process.parent, []).append(process)
    found = below.pop(os.getpid(), [])
    for one in found:
        found += below.pop(one.pid, [])
    return found


def end_children(seconds: float = 2.0) -> None:
    """Kill everything that descends from this process, until nothing is left or the time is over.

    First all of it is stopped, or it could make others faster than they can be killed.
    """
    end = time.monotonic() + seconds
    stopped: set[int] = set()
    if _bury() and len(descendants()) > MANY_CHILDREN:
        with suppress(OSError):  # only root may; the limit of processes is for others
            os.sched_setscheduler(0, os.SCHED_FIFO | os.SCHED_RESET_ON_FORK, os.sched_param(1))
    while _bury() and time.monotonic() < end:
        found = descendants()  # it may miss what has just lost its parent, but that is a child then
        new = {one.pid for one in found if one.state != "Z"} - stopped
        for pid in new or [one.pid for one in found]:
            try:
                os.kill(pid, signal.SIGSTOP if new else signal.SIGKILL)
            except ProcessLookupError:
                pass
        stopped |= new
        time.sleep(0.0 if new else 0.001)
    _usual_priority()


def _usual_priority() -> None:
    with suppress(OSError):
        if os.sched_getscheduler(0) & ~os.SCHED_RESET_ON_FORK == os.SCHED_FIFO:
            os.sched_setscheduler(0, os.SCHED_OTHER, os.sched_param(0))


def _bury() -> bool:
    """Take the exit codes of the children that have ended; whether there are others."""
    try:
        while os.waitpid(-1, os.WNOHANG) != (0, 0):
            pass
    except ChildProcessError:
        return False
    return True
