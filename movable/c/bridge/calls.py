"""Runs functions of a C driver and answers what they ask.

A call is a coroutine on a C stack of its own. It runs until it needs something: a step on memory that others use, a lock, a
function of the model. C never calls Python. A task that is ended in the middle of a call just drops the coroutine.
"""

from __future__ import annotations

import ctypes
import zlib
from collections import Counter
from collections.abc import Callable
from pathlib import PurePath
from typing import TYPE_CHECKING, Any

from movable.c.bridge.errors import add_place, add_place_of_hang, memory_error
from movable.c.bridge.keys import key_of, name_of, page_field
from movable.c.bridge.memory import Memory
from movable.c.bridge.pages import arena
from movable.c.bridge.runtime import (
    A0,
    A1,
    A2,
    A3,
    ALL,
    ARENA,
    ARENA_END,
    CONTENT,
    FIELDS,
    IN_PAGES,
    MARKED,
    NESTED,
    NR_PAGES,
    NR_TASKS,
    PAGE_BYTES,
    PAGES,
    PC,
    QUIET,
    REQUESTS,
    RET,
    SHARED,
    WRITE,
)  # fmt: skip
from movable.c.build.image import Image, Line
from movable.errors import DeadlockError, Hang, VMBug
from movable.explore.dependence import Part
from movable.mm.movable_ops import cleared_private
from movable.mm.page import Page
from movable.mm.page_flags import LOCKED

if TYPE_CHECKING:
    from movable.c.bridge.threads import Thread
    from movable.mm.vm import VM

__tracebackhide__ = True

POINT, DONE = REQUESTS["K_POINT"], REQUESTS["K_DONE"]
SCENE_TASKS = 16
"""Task numbers from here on belong to tasks that tasks have spawned."""
LOOKS = 64
MAX_ROUNDS = 200
"""Rounds that a loop may wait in vain."""
Handler = Callable[["Bridge"], "int | None"]


class Asleep(Exception):
    """A thread of a machine without a scheduler waits for something; it is gone on with later."""


class Exits(Exception):
    """A thread ends in the middle of its function, with this answer."""


class Call:
    """One call that is going on: its coroutine, the scheduler's point function where there are tasks, its thread if it is one."""

    __slots__ = (
        "before",
        "blind",
        "coroutine",
        "ended",
        "engine",
        "function",
        "joined",
        "mode",
        "rounds",
        "scheduler",
        "seam",
        "thread",
        "tickets",
        "timed_out",
        "wishes",
    )

    def __init__(self, coroutine: int, mode: int, thread: Thread | None, function: int) -> None:
        self.coroutine = coroutine
        self.function = function
        self.mode = mode
        self.thread = thread
        self.wishes: list[tuple[Any, Callable[[], bool]]] = []  # locks that a loop has tried in vain
        self.before: tuple[Any, ...] = ()
        self.rounds = self.blind = 0
        self.ended = False
        self.tickets: dict[Any, int] = {}  # what the next schedule() waits for
        self.joined: list[Any] = []  # wait queues that it is on until it leaves them
        self.timed_out = False
        self.seam: Any = None
        self.scheduler: Any = None
        self.engine: Any = None


class Bridge:
    """The bridge of one driver on one machine. ``now`` is the call that asks at the moment."""

    def __init__(self, vm: VM, image: Image, memory: Memory, marked_reads: str) -> None:
        from movable.c.bridge.requests import handlers
        from movable.c.bridge.threads import Threads

        self.vm = vm
        self.image = image
        self.memory = memory
        self.runtime = image.runtime
        self.request = image.runtime.request
        self.handlers = handlers()
        self.ops = ("r", "w", marked_reads, "aw")
        self.now: Any = None
        self.depth = 0
        self.locks: dict[int, Any] = {}
        self.queues: dict[int, Any] = {}
        self.waits: dict[int, Any] = {}
        self.works: dict[int, Any] = {}
        self.shrinkers: dict[int, Any] = {}
        self.printed: list[str] = []
        self.spaces: Any = None
        self.threads = Threads(self)
        self._slots: dict[str, int] = {}
        self.idling: set[Any] = set()
        self.timers: Counter[str] = Counter()
        self.bound: Counter[Any] = Counter()  # tasks that stay on their processor
        self.excused: frozenset[str] = frozenset()
        self.excused_at: dict[int, str] = {}
        self.uses: Counter[str] = Counter()
        self.made: dict[int, int] = {}  # where the driver has allocated pages, by frame
        self.dropped = False  # shrinkers were asked while others ran: who can say what they took
        self._pending: tuple[Page, str, int] | None = None

    # who calls

    def standing(self) -> tuple[int, int, Any, Any, Any]:
        """(mode, task number, seam, scheduler, engine) of whoever runs now."""
        seam = self.vm.seam
        if seam is None:
            return QUIET, 0, None, None, None
        scheduler = seam.scheduler
        if scheduler is None:
            return FIELDS, 0, seam, None, None
        engine = getattr(scheduler, "recorder", scheduler)
        if not hasattr(engine, "_running"):
            return ALL, 0, seam, scheduler, engine
        task = engine._running
        if task is None:
            return FIELDS, 0, seam, None, None
        sharing = getattr(engine, "sharing", None)
        if sharing is None or sharing.everything:
            return ALL, self._slot(task), seam, scheduler, engine
        self.runtime.share(sharing)
        return SHARED, self._slot(task), seam, scheduler, engine

    def _slot(self, task: Any) -> int:
        """A number for a task that does not depend on the schedule."""
        found = self._slots.get(task.name)
        if found is None:
            if task.born < 0:
                found = min(task.index + 1, SCENE_TASKS - 1)
            else:
                found = SCENE_TASKS + zlib.crc32(task.name.encode()) % (NR_TASKS - SCENE_TASKS)
                while found in self._slots.values():
                    found = found + 1 if found + 1 < NR_TASKS else SCENE_TASKS
            self._slots[task.name] = found
        return found

    # calling

    def call(self, function: int, arguments: tuple[int, ...], thread: Thread | None = None) -> int:
        """Call a C function at an address; returns the whole of the answering register, signed."""
        self.memory.activate()
        mode, task, seam, scheduler, engine = self.standing()
        coroutine = self.runtime.start(task, mode, function, arguments)
        if coroutine < 0:
            raise VMBug("D52", f"{NESTED} calls of the driver are inside each other", "calls that end")
        call = Call(coroutine, mode, thread, function)
        call.seam, call.scheduler, call.engine = seam, scheduler, engine
        if thread is not None:
            thread.call = call
        if scheduler is not None or thread is not None:
            self.threads.woken = thread is None and not hasattr(engine, "_running")
            return self.drive(call)
        return self._alone(call)

    def _alone(self, call: Call) -> int:
        """A call where no tasks run: threads of the driver's may have something to do afterwards."""
        self.depth += 1
        try:
            answer = self.drive(call)
        finally:
            self.depth -= 1
        if not self.depth and self.threads.all:
            for each in self.threads.all.values():
                each.naps = 1
            self.threads.look()
        return answer

    def drive(self, call: Call) -> int:
        """Go on with a call until it returns."""
        resume, request, handlers, co = self.runtime.resume, self.request, self.handlers, call.coroutine
        before, self.now = self.now, call
        asleep = False
        try:
            while True:
                op = resume(co)
                if self._pending is not None:
                    self._written()
                if op == POINT:
                    self._point(call)
                elif op == DONE:
                    return int(request[RET])
                else:
                    self.now = call
                    request[RET] = handlers[op](self) or 0
        except Asleep:
            asleep = True
            raise
        except (VMBug, DeadlockError) as error:
            add_place(error, self.image.line(self.runtime.pc(co)))
            raise
        except Hang as error:
            add_place_of_hang(error, self.image.line(self.runtime.pc(co)), self.image.line(call.function + 1))
            raise
        finally:
            self.now = before
            if not asleep and not call.ended:
                call.ended = True
                self.runtime.drop(co, self.memory.number)

    # steps

    def _point(self, call: Call) -> None:
        request = self.request
        address, size, kind = request[A0], request[A1], request[A2]
        page = None
        if ARENA <= address < ARENA_END:
            if address < PAGES + NR_PAGES * PAGE_BYTES:
                page = self.vm.page((address - PAGES) // PAGE_BYTES)
            elif address >= CONTENT:
                page = self.vm.page((address - CONTENT) >> 12)
        scheduler = call.scheduler
        if scheduler is not None:
            key = self.image.keys.get(address << 13 | size) or self.key(address, size)
            if request[A3]:
                self._share(call, key)
            op = self.ops[kind & 3]
            if self.excused and not kind & MARKED and self._is_excused(request[PC]):
                op = "xw" if kind & WRITE else "xr"
            scheduler.point(op, key)
        if page is not None and call.seam is not None:
            self._touch(call.seam, page, address, kind)

    def _is_excused(self, pc: int) -> bool:
        """Whether a race at this place is waived; counts it."""
        place = self.excused_at.get(pc)
        if place is None:
            line = self.image.line(pc)
            names = (f"{PurePath(line.file).name}:{line.line}", f"{PurePath(line.file).name}:{line.function}")
            place = self.excused_at[pc] = next((one for one in names if one in self.excused), "")
        self.uses[place] += 1
        return bool(place)

    def _touch(self, seam: Any, page: Page, address: int, kind: int) -> None:
        """A driver uses a field, or the content, of a page directly."""
        if address >= CONTENT:
            if kind & WRITE:
                seam.event("write_data", page)
            return
        field = page_field(address)[1]
        if kind & WRITE and (field == "flags" or (field == "private" and self.memory.sticky)):
            self._pending = (page, field, page._flags)  # what is written shows when C comes back
        elif field in ("flags", "mapping") or not page._refcount:
            seam.event("touch", page, field=field, write=bool(kind & WRITE), changed=0, list="")

    def _written(self) -> None:
        page, field, before = self._pending  # type: ignore[misc]
        self._pending = None
        if field == "private":
            cleared_private(page, page._private)
        elif self.vm.seam is not None:
            self.vm.seam.event("touch", page, field="flags", write=True, changed=before ^ page._flags, list="")

    def key(self, address: int, size: int) -> Any:
        """The location of an access."""
        keys = self.image.keys
        found = keys.get(address << 13 | size)
        if found is None:
            found = keys[address << 13 | size] = key_of(self.image, address, size)
        return found

    def _share(self, call: Call, key: Any) -> None:
        sharing = getattr(call.engine, "sharing", None)
        if sharing is not None:
            sharing.shared.add(key.base if type(key) is Part else key)
            sharing.grew = True

    def spin(self) -> None:
        """Many accesses, and none that others could see: the task may wait for one that has not had its turn."""
        call, request = self.now, self.request
        address, size, kind = request[A0], request[A1], request[A2]
        sharing = getattr(call.engine, "sharing", None)
        if sharing is not None:
            sharing.everything = sharing.grew = True
        if call.scheduler is not None:
            call.scheduler.point(self.ops[kind & 3], self.key(address, size))

    def access(self, address: int, size: int, write: bool) -> None:
        """A marked access of the model's to the driver's memory, as a step."""
        scheduler = self.now.scheduler if self.now is not None else self.standing()[3]
        if scheduler is not None:
            scheduler.point(self.ops[MARKED | WRITE if write else MARKED], self.key(address, size))

    # loops that wait

    def waiting_for(self, call: Call, address: int, ready: Callable[[], bool], key: Any) -> None:
        """A call has tried a lock in vain; a loop around it waits until it is ``ready``."""
        call.wishes.append((key, ready))

    def looked(self, call: Call, address: int, size: int) -> None:
        """A request of a call has read a word; a loop around it waits for a change, and not of the page lock that it has itself."""
        pfn, offset = divmod(address - PAGES, PAGE_BYTES)
        mine = 0
        if not offset and 0 <= pfn < NR_PAGES:
            page = self.vm.page(pfn)
            if page._flags & LOCKED and (self.vm.seam is None or page.lock_owner == self.vm.current.name):
                mine = LOCKED
        self.runtime.lib.k_look(call.coroutine, ctypes.c_ulong(address), size, mine)

    def idle(self, call: Call, looks: int, table: int, wishes: list[tuple[Any, Callable[[], bool]]]) -> None:
        """A loop does the same again and again: let the task sleep until what it looks at has changed."""
        changed_now, co = self.runtime.lib.k_changed, call.coroutine
        line = self.line()
        if looks > LOOKS:
            return

        def changed() -> bool:
            self.memory.activate()
            return any(ready() for _, ready in wishes) or bool(changed_now(co))

        what = f"a change of what the loop at {line} looks at"
        if call.scheduler is None:
            if call.thread is not None:
                call.thread.ready = changed
                raise Asleep
            self.threads.wait(("idle", str(line)), changed, what)
            return
        call.rounds += 1
        if call.rounds > MAX_ROUNDS:
            raise VMBug("D51", f"{line} waits in a loop for what nobody will change", "an end")
        key, op = self._awaited(looks, table, wishes)
        if call.thread is not None:
            call.scheduler.wait(key, changed, what, op=op)
        else:
            self.wait_as_last(call, key, changed, what, op)

    def wait_as_last(self, call: Call, key: Any, ready: Callable[[], bool], what: str, op: str) -> None:
        """Let a task sleep until it is ``ready``, or nobody else can go on."""
        me = getattr(call.engine, "_running", None)
        self.idling.add(me)
        try:
            call.scheduler.wait(key, lambda: ready() or self._nobody_else(call.engine, me), what, op=op)
        finally:
            self.idling.discard(me)

    def _awaited(self, looks: int, table: int, wishes: list[tuple[Any, Any]]) -> tuple[Any, str]:
        """One location, or where a loop looks at several: anything."""
        if not looks and len(wishes) == 1:
            return wishes[0][0], "wait"
        if looks == 1 and not wishes:
            address = self.runtime.peek(table, 8)
            if address not in IN_PAGES:
                return self.key(address & ~7, 8), "wait"
        return ("loop",), "opaque"

    def _nobody_else(self, engine: Any, me: Any) -> bool:
        """Whether all other tasks are done or wait: a loop that counts its rounds may still end by itself."""
        others = [task for task in engine.alive if task is not me and task not in self.idling]
        return all(task.ready is not None and not task.ready() for task in others)

    # what is asked

    def memory_readable(self, address: int) -> bool:
        """Whether the driver may look at an address now."""
        if arena[0] is not self.memory:
            self.memory.activate()
        return self.runtime.readable(address, 1)

    def __end_state__(self) -> list[Any]:
        """What an execution leaves behind here: locks that are held, and how far threads are. The rest is C memory."""
        held = [(at, one.name) for at, one in self.locks.items() if getattr(one, "_owner", None) or getattr(one, "_writer", None)]
        threads = [(one.name, one.started, one.done, one.answer) for one in self.threads.all.values()]
        return [str(held), str(threads)]

    def page(self, address: int) -> Page:
        """The page at an address. Raises VMBug for what is no struct page of this machine."""
        pfn = (address - PAGES) // PAGE_BYTES
        if not address % PAGE_BYTES and pfn in self.vm.pages:
            return self.vm.pages[pfn]
        if address % PAGE_BYTES or not 0 <= pfn < self.memory.frames:
            raise memory_error("D46", f"uses {address & (1 << 64) - 1:#x} as a page", "a struct page", self.line())
        return self.vm.page(pfn)

    def line(self, pc: int | None = None) -> Line:
        """The line that asks."""
        return self.image.line(self.request[PC] if pc is None else pc)

    def name(self, address: int) -> str:
        """A name for a lock or a queue."""
        return name_of(self.image, address)


def __place__(frame: Any) -> tuple[str, int, str] | None:
    """Where the task of a frame of this file stands in the driver's source, for whoever shows it."""
    found = _driven(frame)
    if found is None:
        return None
    line = found[0].image.line(found[0].runtime.pc(found[1].coroutine))
    return line.file, line.line, line.function


def __inside__(frame: Any) -> list[str] | None:
    """What the driver's functions hold there, for whoever stops at a step."""
    from movable.c.bridge.frames import frames

    found = _driven(frame)
    return None if found is None else frames(found[0], found[1].coroutine)


def _driven(frame: Any) -> tuple[Bridge, Call] | None:
    """The call that a frame of this file goes on with."""
    call, bridge = frame.f_locals.get("call"), frame.f_locals.get("self")
    return None if frame.f_code is not Bridge.drive.__code__ or call is None or bridge is None else (bridge, call)
