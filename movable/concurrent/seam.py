"""Where tasks can be interrupted: the seam of a scenario's machine, and hooks on the driver's state."""

from __future__ import annotations

import ctypes
import sys
from collections.abc import Callable, Hashable
from contextlib import suppress
from enum import Enum
from functools import lru_cache
from types import CodeType, FunctionType
from typing import TYPE_CHECKING, Any

from movable.errors import VMBug
from movable.explore.instrument.hooks import Hooks
from movable.introspection import of_an_author, vars_of
from movable.mm.address_space import AddressSpace
from movable.mm.atomic import AtomicLong
from movable.mm.balloon import BalloonCore, BalloonDevInfo
from movable.mm.list import ListHead
from movable.mm.list import watch as watch_head
from movable.mm.locks import Lock, RWLock
from movable.mm.mmzone import Node, Zone
from movable.mm.page import PAGE_SHIFT, Page
from movable.mm.seam import Seam
from movable.mm.vm import VM, Backing
from movable.mm.wait import WaitQueue
from movable.mm.watched import WatchedData
from movable.mm.workqueue import Work, WorkQueue
from movable.workload.workload import Workload

if TYPE_CHECKING:
    from movable.concurrent.journal import Entry

__tracebackhide__ = True

CORE_STATE = (BalloonCore, BalloonDevInfo)
"""Objects of the core that a device holds, and whose attributes it may use: watched as its own are."""

MACHINE = (VM, ListHead, Lock, RWLock, WaitQueue, WorkQueue, Work, AddressSpace, AtomicLong)
"""Parts of the machine: they have scheduling points of their own."""

USES = {"touch": "", "write_data": "data", "lock_page": "lock", "trylock_page": "lock", "unlock_page": "lock"}
"""Events that are a use of a page, which nobody may make of a free one; and of what, where the event does not say."""


class DriverHooks(Hooks):
    """Hooks for one driver: its own classes are followed, the machine's and those that the workload leaves out are not.

    ``parts`` are the lists and work items that were met before there was a ``seam`` to tell. ``vm`` is the machine, None: the one
    that the driver calls so.
    """

    def __init__(self, scheduler: Any, workload: type[Workload], driver: object, vm: VM | None = None) -> None:
        self.vm: VM | None = vm or vars_of(driver).get("vm")
        self.seam: ScenarioSeam | None = None
        self.parts: list[ListHead] = []
        homes = {cls.__module__.rpartition(".")[0] or cls.__module__ for cls in type(driver).__mro__[:-1]}
        kinds = tuple(part for part in workload.unwatched if isinstance(part, type))
        self.unwatched = {part for part in workload.unwatched if isinstance(part, str)}

        def follow(cls: type) -> bool:
            home = cls.__module__.rpartition(".")[0] or cls.__module__
            frozen = getattr(getattr(cls, "__dataclass_params__", None), "frozen", False)
            return (home in homes or cls in CORE_STATE) and not frozen and not issubclass(cls, (tuple, Enum, BaseException))

        self._peeking = _peeking(workload, driver)
        super().__init__(
            scheduler, foreign=(Page, WatchedData, Workload, *kinds), fixed=MACHINE, follow=follow, label=self._label_of
        )

    def to(self, scheduler: Any) -> Callable[[str, Hashable], object]:
        """As in Hooks. What the workload itself reads of the driver is a step, and no race of the driver's."""
        peeking, point = self._peeking, scheduler.point
        if not peeking:
            return super().to(scheduler)

        def asked(op: str, key: Hashable) -> object:
            caller = of_an_author(sys._getframe(1)) if op == "r" else None
            return point("xr" if caller is not None and caller.f_code in peeking else op, key)

        return asked

    def adopt(self, value: Any, where: str) -> Any:
        """As in Hooks; what the workload leaves out stays as it is."""
        if isinstance(where, str) and where.rpartition(".")[2] in self.unwatched:  # the word of a bit lock has another name
            return value
        return super().adopt(value, where)

    def _plan(self, kind: type) -> Callable[[Any, str], Any] | None:
        plan = super()._plan(kind)
        if issubclass(kind, (ListHead, Work)):
            return self._meet
        if kind is memoryview and self.vm is not None:
            vm = self.vm
            return lambda view, where: watched_view(vm, view) or (view if plan is None else plan(view, where))
        return plan

    def _meet(self, part: ListHead | Work, where: str) -> Any:
        """A list or a work item of the driver's: from now on a look at it is a point."""
        if isinstance(part, Work):
            part.vm = self.vm
        elif self.seam is None:
            self.parts.append(part)
        else:
            self.seam.share(part)
        return part

    def _install(self, obj: Any, name: str) -> None:
        if id(obj) in self.seen:
            return
        word = ("word", obj.name) if hasattr(obj, "word") and hasattr(obj, "name") else None
        super()._install(obj, name)
        keys: dict[str, Any] = self.seen[id(obj)].keys
        keys.update(dict.fromkeys(self.unwatched))
        if word is not None:
            keys["word"] = word  # the location that bit_spin_lock speaks of

    def _label_of(self, thing: object) -> Hashable:
        if isinstance(thing, Page):
            return f"page {thing.pfn}"
        if isinstance(thing, Zone):
            return f"zone {thing.name} of node {thing.node.nid}"
        if isinstance(thing, Node):
            return f"node {thing.nid}"
        if isinstance(thing, AddressSpace):
            return f"mapping {thing.addr:#x}"
        seen = self.seen.get(id(thing))
        return None if seen is None else seen.name


def _peeking(workload: Any, driver: object) -> frozenset[CodeType]:
    """The code of a workload that looks at attributes of its driver; none where it asks the driver for everything."""
    return _codes(workload, frozenset(vars_of(driver)))


@lru_cache(maxsize=64)
def _codes(workload: Any, attributes: frozenset[str]) -> frozenset[CodeType]:
    found: set[CodeType] = set()
    classes = [cls for cls in workload.__mro__ if cls not in Workload.__mro__]
    own = [value for cls in classes for name, value in vars(cls).items() if name != "teardown"]  # that one is a part of the driver
    todo = [value.__code__ for value in own if isinstance(value, FunctionType)]
    while todo:
        code = todo.pop()
        found.add(code)
        todo += [inner for inner in code.co_consts if isinstance(inner, CodeType)]
    named = {name for code in found for name in code.co_names} - {"vm"}
    return frozenset(found) if named & attributes else frozenset()


def watched_view(vm: VM, view: memoryview) -> WatchedData | None:
    """A view of a page's content that a driver took before anybody watched, as it would get it now; None for any other."""
    if vm._memory is None or view.obj is not vm._map or view.readonly or not view.contiguous:
        return None
    start, memory = (ctypes.addressof(ctypes.c_char.from_buffer(one)) for one in (view, vm._memory))
    return WatchedData(vm.page(start - memory >> PAGE_SHIFT), view)


class Mapped:
    """The mapped pages of one execution, which must not move (D39). ``ask`` gives their frames, and is no step of any task.

    `Workload.mapped` is asked between operations only: inside one the driver's state may be half changed, and nobody has been told
    anything yet. A page that was mapped when it was asked last, and is still, by its old place or its new one, when migratepage
    returns 0, has moved under its user.
    """

    def __init__(self, ask: Callable[[], set[int]], judged: Callable[[str], None]) -> None:
        self.ask = ask
        self.judged = judged
        self.moving = 0
        self.under_way = 0
        self.known: set[int] | None = None

    def action(self, by: int) -> None:
        """One action more of a user is under way, or one less."""
        self.under_way += by
        if by < 0 and self.moving:
            self._look()

    def _look(self) -> None:
        if self.under_way:
            return  # what was known before may still be so: it is asked again in the end
        self.known = None
        with suppress(Exception):  # a worker may be in the middle of something
            self.known = self.ask()

    def began(self) -> None:
        """A migratepage begins."""
        self.moving += 1
        self.known = None
        self._look()

    def ended(self, newpage: Page, page: Page, answer: object) -> None:
        """It returns. Raises VMBug where it moved what is mapped."""
        self.moving -= 1
        if self.under_way or page.pfn not in (self.known or ()):
            return
        self.judged("D39")
        if type(answer) is not int or answer != 0:
            return
        self._look()
        if self.known is not None and self.known & {page.pfn, newpage.pfn}:
            what = f"migratepage moved page {page.pfn} while a user has an object of it mapped"
            raise VMBug("D39", what, "an error while it is mapped", page)


class ScenarioSeam(Seam):
    """The seam of a scenario's machine: every list is a location of its own, and nobody may touch a page that is free.

    ``starved`` are the tasks that got no memory. ``tell``, if set, is called with (kind, page, arguments) of every event.
    ``journal``, if set, gets every event (see `Rulings`); ``freed`` is called with each page that is freed,
    before it is. ``mapped``, if set, is told of each migratepage.
    """

    def __init__(self, scheduler: Any) -> None:
        super().__init__(scheduler)
        self._hooks: DriverHooks | None = None
        self.backing: Backing | None = None
        self.tell: Callable[[str, Page | None, dict[str, Any]], object] | None = None
        self.journal: list[Entry] | None = None
        self.freed: Callable[[Page], object] | None = None
        self.mapped: Mapped | None = None
        self.lists: dict[int, tuple[ListHead, Hashable]] = {}
        self.made: dict[tuple[str, str], int] = {}
        self.starved: set[str] = set()

    @property
    def hooks(self) -> DriverHooks | None:
        """The hooks on the driver's state; the lists that they have met are shared from then on."""
        return self._hooks

    @hooks.setter
    def hooks(self, hooks: DriverHooks) -> None:
        self._hooks = hooks
        hooks.seam = self
        for head in hooks.parts:
            self.share(head)

    def list_key(self, head: ListHead) -> Hashable:
        """The list's name; what tasks make themselves is numbered, for two of them may choose the same name.

        A list that is met for the first time is shared from now on.
        """
        if head.owner is not None:
            return ("page", head.owner.pfn, "lru")
        found = self.lists.get(id(head))
        if found is None:
            by = self.scheduler.current if self.scheduler is not None else "main"
            nth = self.made[by, head.name] = self.made.get((by, head.name), 0) + 1
            key: tuple[object, ...] = ("list", head.name) if by == "main" else ("list", head.name, by)
            found = self.lists[id(head)] = (head, key if nth == 1 else (*key, nth))
            watch_head(head, self)
        return found[1]

    def share(self, head: ListHead) -> None:
        """From now on looking at the list is a point as well."""
        self.list_key(head)
        watch_head(head, self)

    def alloc_failed(self) -> None:
        """As in Seam."""
        if self.scheduler is not None:
            self.starved.add(self.scheduler.current)

    def adopt(self, page: Page, field: str, value: Any) -> Any:
        """The driver's objects are watched wherever they are kept, in pages too."""
        return value if self._hooks is None else self._hooks.adopt(value, f"page {page.pfn}.{field}")

    def callback(
        self, name: str, call: Callable[[], Any], mapping: AddressSpace, page: Page, newpage: Page | None, mode: int | None
    ) -> Any:
        """As in Seam."""
        if self.mapped is None or newpage is None:
            return super().callback(name, call, mapping, page, newpage, mode)
        self.mapped.began()
        answer = super().callback(name, call, mapping, page, newpage, mode)
        self.mapped.ended(newpage, page, answer)
        return answer

    def event(self, kind: str, page: Page | None = None, **args: Any) -> None:
        """As in Seam; who touches or locks a free page breaks D46, whether the monitor looks or not."""
        if self.late and self.task.name in self.late:
            raise self.late.pop(self.task.name)
        if self.tell is not None:
            self.tell(kind, page, args)
        journal, scheduler = self.journal, self.scheduler
        if journal is not None and not self.muted:
            name = "main" if scheduler is None else scheduler.current
            if page is None:
                journal.append((name, kind, -1, 0, 0, 0, args))
            elif self.backing is not None:
                journal.append((name, kind, *self.backing.words_of(page), args))
            else:
                journal.append((name, kind, page.pfn, page._flags, page._mapping, page._refcount, args))
        if self.observers:
            super().event(kind, page, **args)
        if kind == "free_page" and self.freed is not None and page is not None:
            self.freed(page)
        if kind in USES and page is not None and not page._refcount:
            field = USES[kind] or args["field"]
            raise VMBug("D46", f"its {field} is used by {self.task.name} after it was freed", "a page that somebody holds", page)


def watch(scheduler: Any, vm: VM, workload: Workload) -> tuple[ScenarioSeam, DriverHooks]:
    """Install the points of a scenario on a machine and its driver: from now on tasks may be interrupted."""
    seam = ScenarioSeam(scheduler)
    vm.install(seam)
    hooks = DriverHooks(scheduler, type(workload), workload.driver, vm)
    seam.hooks, seam.backing = hooks, vm.backing
    hooks.watch(workload.driver, type(workload.driver).__name__)
    for pfn in sorted(vm.pages):
        page = vm.pages[pfn]
        if page._refcount:
            page._private = hooks.adopt(page._private, f"page {pfn}.private")
            page._index = hooks.adopt(page._index, f"page {pfn}.index")
    for queue in vm.workqueues:
        if queue._items and not queue.worker:
            queue.worker = True
            scheduler.spawn(f"kworker/{queue.name}", queue._work)
    return seam, hooks
