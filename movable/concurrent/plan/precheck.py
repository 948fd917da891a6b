"""Finds what a schedule cannot govern: real threads, real locks, the clock and random numbers in a driver.

One run of each operation is watched call by call. Whoever really blocks would block the whole exploration, and whoever asks the
clock or draws random numbers does not do the same twice; so both are named before the search begins, with what to use instead.
"""

from __future__ import annotations

import builtins
import queue
import random
import struct
import sys
import threading
from concurrent.futures import Executor
from functools import lru_cache
from types import FrameType, ModuleType
from typing import TYPE_CHECKING, Any

from movable.concurrent.linearizability import SECONDS_PER_ORDER
from movable.concurrent.stage import Stage, Subject
from movable.errors import Blocked, UsageError, by_hand
from movable.explore.instrument.reachable import Reach
from movable.explore.program import Body
from movable.introspection import FOLDERS, line_of, no_collection, of_the_library, outward
from movable.mm.vm import SEEDED
from movable.sequential.faults import over, watchdog
from movable.supervise import board

if TYPE_CHECKING:
    from movable.workload.scenario import Scenario

_LOCK = "use vm.mutex(name) or vm.spinlock(name), whose waits the explorer can see"
_CLOCK = "a driver has no clock here: let an operation of the workload stand for the passing of time"
_RANDOM = "use vm.random, which the machine's seed governs"
_THREAD = "use vm.workqueue(name), whose worker is a task that the explorer can run"
_QUEUE = "use a list under vm.mutex(name), and vm.wait_queue(name) to wait for something in it"
REAL = (
    type(threading.Lock()), type(threading.RLock()), threading.Condition, threading.Event, threading.Semaphore, threading.Barrier
)  # fmt: skip
INSTEAD: dict[type, str] = {
    **dict.fromkeys(REAL, _LOCK), threading.Thread: _THREAD, Executor: _THREAD, queue.Queue: _QUEUE, queue.SimpleQueue: _QUEUE,
}  # fmt: skip
"""What blocks a whole process, wherever the driver keeps it, and what to use instead."""
MODULES = {"time": _CLOCK, "_thread": _LOCK, "_random": _RANDOM, "_asyncio": _THREAD, "select": _LOCK}
NAMES = {"start_new_thread": _THREAD, "start_joinable_thread": _THREAD, "urandom": _RANDOM, "getrandom": _RANDOM}
_COMMON = frozenset(map(id, (list, dict, set, tuple, str, bytes, bytearray, int, struct.Struct)))
"""Types, by address, whose own methods are most of the calls, and none of them anything that a schedule would have to govern."""
HARMLESS = {"get_ident", "_set_sentinel", "_is_main_interpreter", "allocate_lock", "RLock"}


def precheck(subject: Subject, scenarios: list[Scenario], deadline: float | None = None) -> None:
    """Run the scenarios' operations once and watch, in the time there is. Raises UsageError for a real lock, clock and the like."""
    seen: set[str] = set()
    for scenario in scenarios:
        if seen and over(deadline):
            return
        wanted = {repr(action) for actions in scenario.tasks for action in actions}
        if wanted <= seen:
            continue
        seen |= wanted
        board.enter("interleavings", str(scenario))
        watch = Watch()
        try:
            with watchdog(SECONDS_PER_ORDER * 4), watch:
                stage = Stage(subject, scenario)
                for user, actions in zip(stage.users, scenario.tasks, strict=True):
                    for action in actions:
                        stage.do(user, action)
        except BaseException as error:
            if watch.found and not by_hand(error):
                raise UsageError(watch.found) from None
            if by_hand(error) or isinstance(error, Blocked):
                raise
            continue  # what goes wrong without any interleaving is the business of others
        if watch.found:
            raise UsageError(watch.found)
        _blocking(stage)


def _blocking(stage: Stage) -> None:
    """Raise UsageError for a real lock, thread or queue that the driver's code can reach.

    That is: in its attributes and what these hold, its classes, its pages, its closures, and the globals that its functions name.
    """
    workload = stage.workload
    reach = Reach(workload.driver, type(workload))
    roots = [(workload.driver, type(workload.driver).__name__), (type(workload), ""), (workload, type(workload).__name__)]
    for page in stage.vm.pages.values():
        roots += [(page._private, f"page {page.pfn}.private"), (page._index, f"page {page.pfn}.index")]
    for root, name in roots:
        for where, value in reach.walk(root, name):
            instead = next((words for kind, words in INSTEAD.items() if isinstance(value, kind)), "")
            if instead:
                raise UsageError(f"{where} is a real {_kind(value)}; {instead}")


def _kind(value: object) -> str:
    return "thread" if isinstance(value, threading.Thread) else type(value).__name__


SUSPECT = {
    "time", "_thread", "threading", "random", "_random", "secrets", "uuid", "datetime", "_datetime", "select", "socket", "_socket",
    "asyncio", "_asyncio", "queue", "_queue", "concurrent.futures", "multiprocessing", "subprocess", "os", "posix",
}  # fmt: skip
"""Modules with something that no schedule governs. A driver whose code names one of them is watched more often."""


def suspicious(subject: Subject) -> bool:
    """Whether the driver's code names anything that it might use behind the explorer's back, in whatever branch."""
    return bool(_suspicious(subject.workload, subject.factory))  # type: ignore[arg-type]


@lru_cache(maxsize=64)
def _suspicious(workload: Any, factory: Any) -> bool:
    reach = Reach(factory, workload)
    for root in (factory, workload):
        for _, value in reach.walk(root, ""):
            name = value.__name__ if isinstance(value, ModuleType) else getattr(value, "__module__", None)
            if (name if isinstance(name, str) else "") in SUSPECT:
                return True
    return False


class Watch:
    """Looks at every call of a built-in function; ``found`` is the line about the first one that should not be.

    As a context it watches the code inside; tasks, which are greenlets, have to be wrapped one by one.
    """

    def __init__(self) -> None:
        self.found = ""
        self._before: Any = None
        self._no_collection = no_collection()  # whoever listens to the garbage collector is not the driver

    def wrap(self, body: Body) -> Body:
        """A task that is watched, inside the context."""

        def watched() -> object:
            sys.setprofile(self._call)
            return body()

        return watched

    def __enter__(self) -> Watch:
        self._before = sys.getprofile()
        self._no_collection.__enter__()
        sys.setprofile(self._call)
        return self

    def __exit__(self, *error: Any) -> None:
        sys.setprofile(self._before)
        self._no_collection.__exit__()

    def _call(self, frame: FrameType, event: str, arg: Any) -> None:
        if event != "c_call" or self.found:
            return
        owner = getattr(arg, "__self__", None)
        if id(type(owner)) in _COMMON or owner is builtins:
            return
        instead = self._instead(arg)
        if instead:
            place = _place(frame)
            if place:
                name = getattr(arg, "__qualname__", "") or getattr(arg, "__name__", "?")
                self.found = f"{name}() is called at {place}; {instead}"

    def _instead(self, function: Any) -> str:
        name = getattr(function, "__name__", "")
        owner = getattr(function, "__self__", None)
        if name in HARMLESS:
            return ""
        if name in NAMES:
            return NAMES[name]
        if isinstance(owner, random.Random):
            return "" if owner in SEEDED or name in ("seed", "__init__") else _RANDOM
        if isinstance(owner, REAL[:2]):
            return _LOCK if name in ("acquire", "__enter__", "acquire_lock") else ""
        if isinstance(owner, type):
            return _CLOCK if owner.__module__ == "datetime" and name in ("now", "utcnow", "today") else ""
        module = getattr(function, "__module__", None) or getattr(owner, "__name__", "")
        return MODULES.get(module, "") if isinstance(module, str) else ""


def _place(frame: FrameType | None) -> str:
    """The line of the driver that led there; "" where only the model itself or the interpreter is at work."""
    for one in outward(frame):
        name = one.f_code.co_filename
        if name.startswith((*FOLDERS, "<")):
            return ""
        if not of_the_library(name):
            return line_of(one)
    return ""
