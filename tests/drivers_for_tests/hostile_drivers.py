"""Drivers that do to their process what no driver should: each is a right one with one method changed."""

from __future__ import annotations

import ctypes
import os
import re
import signal
import sys
import threading
import time
from typing import Any

from docs.drivers.ring import Ring, RingWorkload
from movable import VM, AddressSpace, Page

SLEEP = f"747.{os.getpid()}"
"""How long, in seconds, what is left behind sleeps: other runs of the tests on this machine have other processes."""


class Hostile(Ring):
    """``act`` is what one of its callbacks does first."""

    workload = RingWorkload

    def migratepage(self, mapping: AddressSpace, newpage: Page, page: Page, mode: int) -> int:
        self.act()
        return super().migratepage(mapping, newpage, page, mode)

    def act(self) -> Any:
        """Nothing."""


class Exits(Hostile):
    def act(self) -> None:
        os._exit(0)


class ExitsWithTwo(Hostile):
    def act(self) -> None:
        os._exit(2)


class Crashes(Hostile):
    def act(self) -> None:
        os.kill(os.getpid(), signal.SIGSEGV)


class Forks(Hostile):
    def act(self) -> None:
        os.fork()


class Sleeps(Hostile):
    def act(self) -> None:
        time.sleep(1000)


class Naps(Hostile):
    """Wakes up all the time, and does nothing."""

    def act(self) -> None:
        while True:
            time.sleep(0.001)


class ForksBehindPython(Hostile):
    """By the system's library, of which Python hears nothing; the child does not come back."""

    def act(self) -> None:
        if ctypes.CDLL(None).fork() == 0:
            time.sleep(1000)
        time.sleep(0.4)


class Breeds(Hostile):
    def act(self) -> None:
        import subprocess

        self.made = [subprocess.Popen(["sleep", SLEEP], start_new_session=True) for _ in range(25)]
        time.sleep(1000)


class BreedsAsAKeeper(Breeds):
    """Under the name of the process that looks after it."""

    def act(self) -> None:
        PR_SET_NAME = 15
        ctypes.CDLL(None).prctl(PR_SET_NAME, b"movable keeper", 0, 0, 0)
        super().act()


class EndsItsFirstThread(Hostile):
    """Another one goes on, and does nothing."""

    def act(self) -> None:
        threading.Thread(target=time.sleep, args=(1000,), daemon=True).start()
        ctypes.PyDLL(None).pthread_exit(None)


class WaitsForAChild(Hostile):
    """Which is never executed, so that the wait is none that a signal ends; the child has a name of its own."""

    def act(self) -> None:
        PR_SET_NAME = 15
        system = ctypes.PyDLL(None)
        if system.vfork() == 0:
            system.prctl(PR_SET_NAME, b"sleep", 0, 0, 0)
            system.pause()


class Replaces(Hostile):
    """A part of the model is its own from then on."""

    def act(self) -> None:
        VM.alloc_page = lambda *arguments: None  # type: ignore[method-assign]


class AnswersTooMuch(Hostile):
    def act(self) -> int:
        return -(10**5000)

    def migratepage(self, mapping: AddressSpace, newpage: Page, page: Page, mode: int) -> int:
        return self.act()


class EndsWhoLooks:
    """An answer that ends the program of whoever asks what it is."""

    @property
    def __class__(self) -> type:
        raise SystemExit(0)

    @__class__.setter
    def __class__(self, value: type) -> None:
        raise SystemExit(0)


class AnswersWithATrap(AnswersTooMuch):
    def act(self) -> int:
        return EndsWhoLooks()  # type: ignore[return-value]


class LocksForReal(Hostile):
    def act(self) -> None:
        lock = threading.Lock()
        lock.acquire()
        lock.acquire()


class CallsC(Hostile):
    """One call of C code that takes for ever."""

    def act(self) -> None:
        sum(range(10**14))


class Backtracks(Hostile):
    """A regular expression that takes for ever, in C code too."""

    def act(self) -> None:
        re.match(r"(a|a)*$", "a" * 60 + "b")


class Deaf(Hostile):
    """Ignores every signal, takes the timers for itself, and never ends."""

    def act(self) -> None:
        for number in set(signal.Signals) - {signal.SIGKILL, signal.SIGSTOP}:
            signal.signal(number, signal.SIG_IGN)
        signal.setitimer(signal.ITIMER_VIRTUAL, 0)
        signal.setitimer(signal.ITIMER_REAL, 0)
        while True:
            pass


class Swallows(Hostile):
    """Catches whatever is raised in it, and goes on."""

    def act(self) -> None:
        while True:
            try:
                while True:
                    pass
            except BaseException:
                pass


class EndlessFinalizer(Hostile):
    """An object whose finalizer never ends."""

    def act(self) -> None:
        class Held:
            def __del__(self) -> None:
                while True:
                    pass

        Held()


class Recurses(Hostile):
    def act(self) -> None:
        self.act()


class OutgrowsMemory(Hostile):
    def act(self) -> None:
        self.much = [bytes(1 << 28) for _ in range(64)]


class Closes(Hostile):
    def act(self) -> None:
        os.closerange(3, 1 << 10)


class Floods(Hostile):
    def act(self) -> None:
        while True:
            os.write(1, b"x" * (1 << 16))


class Forges(Hostile):
    """Writes a good end of the check to every descriptor, and leaves."""

    def act(self) -> None:
        for descriptor in range(3, 64):
            try:
                os.write(descriptor, b'\n{"kind": "report", "report": {}}\n{"kind": "end"}\n')
            except OSError:
                pass
        os._exit(0)


class Unspeakable(Hostile):
    """Raises what fails to say what it is."""

    def act(self) -> None:
        class Silent(Exception):
            def __str__(self) -> str:
                raise ValueError("no words")

            __repr__ = __str__

        raise Silent()


class Talkative(Hostile):
    """Raises ten million characters, from a class with a name as long."""

    def act(self) -> None:
        raise type("N" * 10_000_000, (Exception,), {})("x" * 10_000_000)


class Interrupts(Hostile):
    """Raises what Python makes of Ctrl-C, which nobody pressed."""

    def act(self) -> None:
        raise KeyboardInterrupt


class InterruptsItself(Hostile):
    def act(self) -> None:
        os.kill(os.getpid(), signal.SIGINT)
        time.sleep(1000)


class Stops(Hostile):
    def act(self) -> None:
        os.kill(os.getpid(), signal.SIGSTOP)


class KillsItsKeeper(Hostile):
    def act(self) -> None:
        os.kill(os.getppid(), signal.SIGKILL)
        time.sleep(1000)


class StopsItsKeeper(Hostile):
    """Right, but for that."""

    def act(self) -> None:
        os.kill(os.getppid(), signal.SIGSTOP)


class LeavesThreads(Hostile):
    """Right, apart from threads that never end."""

    def act(self) -> None:
        if threading.active_count() < 4:
            threading.Thread(target=time.sleep, args=(1000,)).start()


class LeavesProcesses(Hostile):
    """Right, apart from a process that it leaves behind."""

    started = False

    def act(self) -> None:
        import subprocess

        if not LeavesProcesses.started:
            LeavesProcesses.started = True
            subprocess.Popen(["sleep", SLEEP], start_new_session=True)


class LowersTheLimit(Hostile):
    """Makes the interpreter's own stack overflow."""

    def act(self) -> None:
        sys.setrecursionlimit(10**9)
        text = "[" * 10**6
        eval(f"{text}1")
