"""Faults for a program: memory that is not there, targets in awkward places, a lock that somebody holds, and code that hangs."""

from __future__ import annotations

import signal
import threading
import time
from collections.abc import Callable, Generator, Iterator
from contextlib import contextmanager
from errno import EAGAIN
from pathlib import PurePath
from types import FrameType
from typing import TYPE_CHECKING, Any

import pluggy

from movable.errors import Blocked, Hang
from movable.hookspecs import hookimpl
from movable.introspection import line_of, of_the_library, outward
from movable.mm import page_alloc
from movable.mm.compaction import compact_memory
from movable.mm.filemap import lock_page, trylock_page, unlock_page
from movable.mm.gfp import (
    GFP_DIRECT_RECLAIM,
    GFP_HIGHUSER_MOVABLE,
    GFP_NOFAIL,
    GFP_NORETRY,
    GFP_RETRY_MAYFAIL,
    GFP_THISNODE,
)
from movable.mm.page import put_page
from movable.registry import manager

if TYPE_CHECKING:
    from movable.mm.page import Page
    from movable.mm.seam import Task
    from movable.mm.vm import VM

MAX_PROCESSOR_SECONDS = 2.0
"""Processor time that one program may take; a usual one takes a few thousandths of that."""
NO_OOM = GFP_NORETRY | GFP_RETRY_MAYFAIL | GFP_THISNODE
"""Allocations with one of these fail rather than ask the out-of-memory notifiers."""


LOOKS_AT_A_HANG, SECONDS_BETWEEN_LOOKS = 12, 0.004
"""How often it is looked where a program hangs, and how much processor time lies between two looks."""

TICK_SECONDS = 5.0
"""Seconds after which somebody looks whether the program stands still: twice in a row it did next to nothing, and so it blocks."""
NEXT_TO_NOTHING_SHARE = 0.04
"""The part of a tick's time that code which blocks may take of the processor."""


CLOCK_TIMES_PROCESSOR = 4
"""How many times as long as its processor time something may take by the clock."""


@contextmanager
def watchdog(seconds: float | None = None) -> Iterator[None]:
    """Raise Hang inside the block when it takes more processor time than MAX_PROCESSOR_SECONDS, and Blocked when it stands still.

    Only the main thread can be watched. It comes again each time that as much time has passed, for the code inside may have
    swallowed it.
    """
    if threading.current_thread() is not threading.main_thread():
        yield
        return

    timer = _ProcessorTimer(MAX_PROCESSOR_SECONDS if seconds is None else seconds)
    before = signal.signal(signal.SIGVTALRM, timer.strike)
    timer.wait()
    standstill = _StandstillTimer()
    try:
        yield
    finally:
        standstill.end()
        signal.setitimer(signal.ITIMER_VIRTUAL, 0)
        signal.signal(signal.SIGVTALRM, before)
        timer.frames.clear()
    if timer.said:  # and it was swallowed, as in a finalizer
        raise Hang(timer.said)


class _ProcessorTimer:
    """Raises Hang when the time is over, and says in which function: one that is the same in every run.

    Where the signal comes is chance. So it comes a few times more, and what is named is the innermost function that was running
    all the while: the one that holds the loop, for what it calls returns and is called again.
    """

    def __init__(self, seconds: float) -> None:
        self.seconds = seconds
        self.said = ""
        self.frames: list[FrameType] = []
        self.looks = 0

    def wait(self) -> None:
        """Begin to count the time."""
        signal.setitimer(signal.ITIMER_VIRTUAL, self.seconds, self.seconds)

    def strike(self, number: int, frame: FrameType | None) -> None:
        """The signal came."""
        stack = _stack(frame)
        self.frames = [one for one in self.frames if one in stack] if self.looks else stack
        self.looks += 1
        if self.looks < LOOKS_AT_A_HANG:
            signal.setitimer(signal.ITIMER_VIRTUAL, SECONDS_BETWEEN_LOOKS, self.seconds)
            return
        self.said = f"{self.seconds:g} seconds of processor time{_function_of(self.frames)}"
        self.looks = 0
        self.frames.clear()
        self.wait()
        raise Hang(self.said)


def _stack(frame: FrameType | None) -> list[FrameType]:
    """The frames of a call, the innermost first, without those of the standard library at its end."""
    found: list[FrameType] = []
    for one in outward(frame):
        if found or one.f_back is None or not of_the_library(one.f_code.co_filename):
            found.append(one)
    return found


def _function_of(frames: list[FrameType]) -> str:
    """The innermost of some frames in words, by its function."""
    code = frames[0].f_code if frames else None
    return "" if code is None else f", at {PurePath(code.co_filename).name}:{code.co_firstlineno} {code.co_name}"


class _StandstillTimer:
    """Raises Blocked after two ticks in a row in which the process did next to nothing, though it could have.

    One is not enough: a process that was stopped and goes on has the tick of the meantime. Who was ready to run and did not get the
    processor does not stand still, however busy the machine is. A timer that somebody else had set goes on afterwards.
    """

    def __init__(self) -> None:
        self.still = 0
        self.used = time.process_time()
        self.waited = _waited()
        self.handler = signal.signal(signal.SIGALRM, self._look)
        self.timer = signal.setitimer(signal.ITIMER_REAL, TICK_SECONDS, TICK_SECONDS)
        self.began = time.monotonic() if self.timer[0] else 0.0

    def _look(self, number: int, frame: FrameType | None) -> None:
        used, waited = time.process_time(), _waited()
        idle = used - self.used < NEXT_TO_NOTHING_SHARE * TICK_SECONDS and waited - self.waited < TICK_SECONDS / 2
        self.still = self.still + 1 if idle else 0
        self.used, self.waited = used, waited
        if self.still >= 2:
            self.still = 0
            raise Blocked(f"{2 * TICK_SECONDS:g} seconds in which nothing happened{_place_of(frame)}")

    def end(self) -> None:
        """No ticks any more."""
        left, again = self.timer
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, self.handler)
        if left:
            signal.setitimer(signal.ITIMER_REAL, max(1e-6, left - (time.monotonic() - self.began)), again)


def _waited() -> float:
    """Seconds for which the main thread was ready to run and had no processor; 0 where the kernel does not say."""
    try:
        with open("/proc/self/schedstat", "rb") as file:
            return int(file.read().split()[1]) / 1e9
    except (OSError, ValueError, IndexError):
        return 0.0


def _place_of(frame: FrameType | None) -> str:
    """The place, in words; where the standard library blocks it is that of its caller."""
    stack = _stack(frame)
    return f", at {line_of(stack[0])}" if stack else ""


class Limit(float):
    """A moment of the clock, or of processor time if that comes first: work takes the same of it on a busy machine."""

    processor: float

    @classmethod
    def of(cls, seconds: float) -> Limit:
        """Work that begins now may take so many seconds of processor time, or CLOCK_TIMES_PROCESSOR times as long by the clock."""
        limit = cls(time.monotonic() + CLOCK_TIMES_PROCESSOR * seconds)
        limit.processor = time.process_time() + seconds
        return limit


def over(deadline: float | None) -> bool:
    """Whether a moment of the monotonic clock, or a Limit, has come; None never does."""
    if deadline is None:
        return False
    return time.monotonic() >= deadline or (isinstance(deadline, Limit) and time.process_time() >= deadline.processor)


class Delay:
    """A third party's plug-in around every callback of a driver, which takes its time: others may run before and after the call."""

    def __init__(self, vm: VM) -> None:
        self.vm = vm

    def _pause(self) -> None:
        if self.vm.seam is not None:
            self.vm.seam.point("ar", ("delay",))

    @hookimpl(wrapper=True)
    def isolate_page(self) -> Generator[None, Any, Any]:
        """Pause, call, pause."""
        self._pause()
        answer = yield
        self._pause()
        return answer

    migratepage = isolate_page
    putback_page = isolate_page


def delayed(vm: VM) -> pluggy.PluginManager:
    """A plug-in manager whose wrappers delay every callback."""
    plugins = manager()
    plugins.register(Delay(vm))
    return plugins


class Faults:
    """The faults of one machine. ``arm`` sets one for the next step; ``clear`` takes it back."""

    def __init__(self, vm: VM) -> None:
        self.vm = vm
        self.fail_at = 0
        self.reenter_at = 0
        self.oom_at = 0
        self.lock_next = False
        self.short_of_targets = 0
        self._target_locked: Page | None = None

    def arm(self, kind: str, number: int) -> None:
        """Set a fault: ``alloc``, ``reenter`` and ``oom`` strike at the ``number``-th allocation, ``locked`` at an isolation."""
        if kind == "alloc":
            self.fail_at = number
        elif kind == "reenter":
            self.reenter_at = number
        elif kind == "oom":
            self.oom_at = number
        elif kind == "locked":
            self.lock_next = True
        if kind in ("alloc", "reenter", "oom"):
            self.vm.alloc_pages = self._alloc_pages  # type: ignore[method-assign]
            self.vm.alloc_page = self._alloc_page  # type: ignore[method-assign]
            self.vm.object_fails = self._strikes

    def clear(self) -> None:
        """No fault any more."""
        self.fail_at = self.reenter_at = self.oom_at = 0
        self.lock_next = False
        self.vm.object_fails = None
        for name in ("alloc_pages", "alloc_page"):
            vars(self.vm).pop(name, None)

    def _alloc_page(self, gfp: int = GFP_HIGHUSER_MOVABLE, nid: int | None = None) -> Page | None:
        return self._alloc_pages(gfp, 0, nid)

    def _alloc_pages(self, gfp: int, order: int = 0, nid: int | None = None) -> Page | None:
        return None if self._strikes(gfp) else page_alloc.alloc_pages(self.vm, gfp, order, nid)

    def _strikes(self, gfp: int) -> bool:
        """Whether this allocation, of pages or of an object, fails; what it may have to do before it succeeds is done."""
        self.fail_at -= 1
        self.reenter_at -= 1
        self.oom_at -= 1
        if self.fail_at == 0 and not gfp & GFP_NOFAIL:
            return True
        task = self.vm.current
        if gfp & GFP_DIRECT_RECLAIM and not task.memalloc and not task.atomic:
            # What an allocation may do in the same task when memory is short.
            if self.reenter_at == 0:
                self._compact(task)
            if self.oom_at == 0 and not gfp & NO_OOM:
                for notifier in list(self.vm.oom_notifiers):
                    notifier()
        return False

    def _compact(self, task: Task) -> None:
        task.memalloc = True
        try:
            compact_memory(self.vm)
        finally:
            task.memalloc = False

    @contextmanager
    def page_locked(self, page: Page, nobody_waits: bool = True) -> Iterator[None]:
        """Somebody else holds the page's lock for the length of the block, if that fault is armed and ``nobody_waits`` for it."""
        held = self.lock_next and nobody_waits and trylock_page(page)
        try:
            yield
        finally:
            if held:
                unlock_page(page)

    # migration targets

    def targets(self, kind: str) -> Callable[[Page, Any], Page | None]:
        """``get_new_page`` for a kind of target, see program.TARGETS."""

        lock_first = kind == "locked"

        def get_new_page(page: Page, private: Any) -> Page | None:
            nonlocal lock_first
            if kind == "none":
                return None
            nid = 1 - page.node if kind == "node" else page.node
            target = page_alloc.alloc_pages(self.vm, GFP_HIGHUSER_MOVABLE, 0, nid)
            self.short_of_targets += target is None
            if kind == "zone" and target is not None and target.zone is page.zone:
                spare, target = target, page_alloc.alloc_pages(self.vm, GFP_HIGHUSER_MOVABLE, 0, 1 - page.node)
                put_page(spare)
            if lock_first and target is not None:
                lock_page(target)
                self._target_locked = target
                lock_first = False
            return target

        return get_new_page

    def put_target(self, page: Page, private: Any) -> None:
        """``put_new_page``: the target was not used."""
        if page is self._target_locked:
            self._target_locked = None
            unlock_page(page)
        put_page(page)


STRANGER = "stranger"
"""What a driver is called that came before the one under test."""


class Stranger:
    """Somebody else who came first and has the operations of every page type; no page is its own."""

    def __init__(self, vm: VM) -> None:
        for page_type in vm.era.movable_types:
            vm.set_movable_ops(self, page_type, STRANGER)

    def isolate_page(self, page: Page, mode: int) -> bool:
        """Never: there is nothing to isolate."""
        return False

    def migrate_page(self, newpage: Page, page: Page, mode: int) -> int:
        """Never asked."""
        return -EAGAIN

    def putback_page(self, page: Page) -> None:
        """Never asked."""
