"""How an author keeps a driver busy, and says what must be readable.

A workload is a class with named operations, a reference model, set-up and tear-down, and a few declared capabilities. The same
workload drives random sequences (machine.py) and small concurrent scenarios, so an operation is a plain method with concrete
arguments: it calls the driver and then notes in ``self.model`` what the driver now holds.
"""

from __future__ import annotations

import importlib
import inspect
import re
import sys
from collections import Counter, deque
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from types import CodeType
from typing import TYPE_CHECKING, Any, ClassVar, TypeVar

from movable.errors import UsageError, by_hand
from movable.introspection import vars_of
from movable.mm.list import ListHead
from movable.mm.page import Page
from movable.mm.page_flags import PAGE_MAPPING_FLAGS, PAGE_MAPPING_MOVABLE
from movable.mm.watched import WatchedData
from movable.shown import said
from movable.workload.declared import check_declarations

if TYPE_CHECKING:
    from hypothesis.strategies import SearchStrategy

    from movable.mm.vm import VM
    from movable.workload.scenario import Scenario


class Handle:
    """Stands for "one of the live handles" among an operation's arguments; made by ``handle()``."""

    def __repr__(self) -> str:
        return "handle()"


def handle() -> Any:
    """An argument that is one of the keys of ``Workload.model``; the operation is left out while there is none."""
    return Handle()


class GivenBack:
    """How a handle reads that the driver may have given up by itself, as a shrinker does; made once, ``GIVEN_BACK``."""

    def __repr__(self) -> str:
        return "nothing, for it may have been given back"


GIVEN_BACK = GivenBack()
"""What ``Workload.read`` answers where nobody promised that the handle is still there: no reading differs from it."""
NEWEST = 0xFFFF
"""The number of the last handle, however many there are."""


class Operation:
    """One named operation: ``arguments`` leads from names to Hypothesis strategies, or to ``handle()``."""

    __slots__ = ("arguments", "function", "name")

    def __init__(self, function: Callable[..., object], arguments: dict[str, SearchStrategy[Any] | Handle]) -> None:
        self.function = function
        self.name = function.__name__
        self.arguments = arguments

    @property
    def needs_handle(self) -> bool:
        """Whether it can run only while something is stored."""
        return any(isinstance(value, Handle) for value in self.arguments.values())

    def resolve(self, live: Sequence[Any], drawn: dict[str, Any]) -> dict[str, Any]:
        """``drawn`` with every handle's number replaced by the handle itself: number n is the n-th of ``live``, counted around, and
        NEWEST the last.
        """
        found = dict(drawn)
        for name, number in drawn.items():
            if isinstance(self.arguments.get(name), Handle):
                found[name] = live[-1 if number == NEWEST else number % len(live)]
        return found


Method = TypeVar("Method", bound=Callable[..., object])


def operation(**arguments: Any) -> Callable[[Method], Method]:
    """Mark a method of a workload as an operation whose arguments are drawn from Hypothesis strategies or ``handle()``."""

    def mark(function: Method) -> Method:
        missing = set(list(inspect.signature(function).parameters)[1:]) ^ set(arguments)
        if missing:
            raise UsageError(f"operation {function.__qualname__}: no strategy, or no argument, called {', '.join(sorted(missing))}")
        for name, value in arguments.items():
            if not isinstance(value, Handle) and not hasattr(value, "validate"):  # every strategy can be asked to
                raise UsageError(f"operation {function.__qualname__}: {name}={value!r} is no Hypothesis strategy and not handle()")
        function.movable_operation = Operation(function, arguments)  # type: ignore[attr-defined]
        return function

    return mark


class Workload:
    """A driver at work on one machine.

    Class attributes are the author's declarations. ``factory`` is the driver class. ``preserves_content``: what was stored must be
    readable after migration. ``may_release_isolated``: the driver may free a page while it is isolated. ``may_refuse``: an idle
    page may refuse to move for ever. ``frames``: the size of machine that suits it,
    and ``pageblock_order`` its pageblocks. ``hostile`` names operations that make the outside world refuse (a host that
    fails), run as faults only. ``variants`` are sets of keyword arguments for the factory, the configurations to try.

    ``zone_counters`` names counters of zones, such as "nr_zspages", that count the driver's movable pages. ``event_counters`` leads
    from events that the driver counts on the machine to those of the core that they must equal.

    For interleavings: ``scenarios`` are the author's own, beside those that are derived. ``scenario_frames`` is the size of their
    machine, a multiple of 4. ``unwatched`` are parts of the driver that are no shared state, so that their use makes no scheduling
    points: classes (another machine, a thing that is safe by itself), and names of attributes (one entry per task, say). ``busy``
    names operations that may refuse while others are at work, with False, None or a negative number, and then change nothing.
    There each task has a copy of the workload with a model of its own, and ``alone`` is False: what others do at the same time is
    not in it, so an operation must not conclude anything from what its model lacks or holds.

    ``advice`` says what to do where nothing was exercised.
    """

    factory: ClassVar[Callable[..., Any]]
    preserves_content: ClassVar[bool] = True
    may_release_isolated: ClassVar[bool] = False
    may_refuse: ClassVar[bool] = False
    frames: ClassVar[int] = 128
    pageblock_order: ClassVar[int] = 3
    hostile: ClassVar[tuple[str, ...]] = ()
    variants: ClassVar[tuple[Mapping[str, Any], ...]] = ({},)
    zone_counters: ClassVar[tuple[str, ...]] = ()
    event_counters: ClassVar[Mapping[str, str]] = {}
    scenarios: ClassVar[tuple[Scenario, ...]] = ()
    scenario_frames: ClassVar[int] = 32
    unwatched: ClassVar[tuple[type | str, ...]] = ()
    busy: ClassVar[tuple[str, ...]] = ()
    advice: ClassVar[str] = ""
    alone = True
    stale_words = False
    """Whether what `snapshot` finds may be a place that the driver has done with, as where memory is looked through."""

    def __init__(self, vm: VM, factory: Callable[..., Any] | None = None, options: Mapping[str, Any] | None = None) -> None:
        self.vm = vm
        self.options = dict(options or {})
        self.model: dict[Any, Any] = {}
        self._factory = type(self).factory if factory is None else factory
        self.driver: Any = _not_the_end(self.setup)

    # what an author overrides

    def setup(self) -> Any:
        """Make the driver on ``self.vm``, with ``self.options``, and return it."""
        return self._factory(self.vm, **self.options)

    def teardown(self) -> None:
        """Empty the driver and remove it. Afterwards nothing of it may be left on the machine."""
        remove = getattr(self.driver, "remove", None)
        if remove is not None:
            remove()

    def read(self, key: Any) -> Any:
        """What the driver says now about one handle; compared with ``model[key]``."""
        raise NotImplementedError(f"{type(self).__name__}.read() is missing: say how to read a handle")

    def reads_back(self) -> bool:
        """Whether ``read()`` says which bytes are promised. Where nothing is read back, a page must keep all of its content."""
        return type(self).read is not Workload.read

    def invariant(self) -> None:
        """Raise AssertionError when the driver's own books disagree. Called at quiet moments."""

    def ledger(self) -> Iterator[tuple[str, str, int, int]]:
        """Books that must agree at quiet moments: (rule, name, what is counted, what there is).

        D40 is for counters of zones and nodes, D44 for all others.
        """
        yield from self._zone_books()
        for mine, theirs in self.event_counters.items():
            yield "D44", f"the event {mine}", self.vm.vmstat[mine], self.vm.vmstat[theirs]

    def _zone_books(self) -> Iterator[tuple[str, str, int, int]]:
        if not self.zone_counters:
            return
        pages = Counter(page.zone for page in self.pages())
        for zone in self.vm.zones:
            for name in self.zone_counters:
                yield "D40", f"{name} of zone {zone.name}, node {zone.node.nid}", zone.vmstat[name], pages[zone]

    def mapped(self) -> Iterable[Page]:
        """The pages whose objects a user has mapped right now, and which must not move."""
        return ()

    def outside(self) -> Iterable[int]:
        """The frame numbers that the outside world (a host, a device) believes it has. Never called unless it is overridden."""
        return ()

    def given(self) -> Iterable[int]:
        """The frame numbers that the driver believes the outside world has: a list of its own, which must equal ``outside``."""
        return ()

    def snapshot(self) -> object:
        """What a refused isolation or a failed migration must leave as it was. Override it for a driver with unusual books."""
        return snapshot(self.driver)

    # what the kit uses

    @classmethod
    def operations(cls) -> dict[str, Operation]:
        """The marked methods, by name, in order of name."""
        found = {}
        for name in sorted(dir(cls)):
            marked = getattr(getattr(cls, name), "movable_operation", None)
            if marked is not None:
                found[name] = marked
        return found

    def run(self, name: str, arguments: dict[str, Any]) -> object:
        """Do one operation with concrete arguments."""
        return _not_the_end(getattr(self, name), **arguments)

    def finish(self) -> None:
        """Tear down."""
        _not_the_end(self.teardown)

    def left_behind(self) -> str:
        """Where pages come from that are in use when the driver is gone, in words behind a message; "" where nobody knows."""
        return ""

    def pages(self) -> Iterator[Page]:
        """The driver's movable pages, in order of frame number."""
        spaces = {space.addr for space in self.vm.address_spaces.values() if space.host is self.driver}
        for pfn in sorted(self.vm.pages):
            word = self.vm.pages[pfn]._mapping
            if word & PAGE_MAPPING_FLAGS == PAGE_MAPPING_MOVABLE and word - PAGE_MAPPING_MOVABLE in spaces:
                yield self.vm.pages[pfn]


def _not_the_end(call: Callable[..., Any], **arguments: Any) -> Any:
    """Call; a driver that ends the program raises an exception like any other."""
    try:
        return call(**arguments)
    except (SystemExit, KeyboardInterrupt) as error:
        if by_hand(error):
            raise
        words = f"it ends the program ({type(error).__name__}: {said(error)})"
        raise RuntimeError(words).with_traceback(error.__traceback__) from None


class GenericWorkload(Workload):
    """For a driver that brings no workload: it is loaded, asked to ``populate(count)`` if it can, and migrated.

    It declares nothing about content, so what it cannot see stays unproven.
    """

    preserves_content = False
    may_refuse = True

    def setup(self) -> Any:
        driver = super().setup()
        populate = getattr(driver, "populate", None)
        if populate is not None:
            populate(8)
        return driver

    def read(self, key: Any) -> Any:
        raise AssertionError("a generic workload stores nothing")

    def reads_back(self) -> bool:
        return False


def snapshot(driver: Any, depth: int = 5) -> object:
    """Where the driver keeps pages: its lists, tables and objects, as far as pages are in them, and its counts and marks of what
    is isolated now. Other values are left out, for a driver may count and log as it likes.
    """
    return _snapshot(driver, depth, set())


def named(state: object, pfn: int) -> int:
    """In how many places a snapshot names a page."""
    if not isinstance(state, tuple):
        return 0
    if len(state) == 3 and state[0] == "list":
        return int(pfn in state[2])
    if state == ("page", pfn):
        return 1
    return sum(named(part, pfn) for part in state)


def pages_in(state: object) -> set[int]:
    """The frames that a snapshot names."""
    found: set[int] = set()
    todo = [state]
    while todo:
        part = todo.pop()
        if not isinstance(part, tuple):
            continue
        if len(part) == 3 and part[0] == "list":
            found.update(part[2])
        elif len(part) == 2 and part[0] == "page":
            found.add(part[1])
        else:
            todo += part
    return found


ISOLATION_COUNT = re.compile(r"_?(nr_)?isolated(_pages|_count)?")
"""Attributes that count what is isolated now. Others that speak of isolation may be statistics."""
ISOLATION_MARK = re.compile(r"_?(is_)?isolated")
"""Attributes that say of one thing whether it is isolated now."""
_LEAVES = (int, float, str, bytes, bytearray, memoryview, bool, type(None))
_LEAF_TYPES = frozenset(_LEAVES)


def _snapshot(value: Any, depth: int, seen: set[int]) -> object:
    """None stands for "no pages in there"."""
    if type(value) in _LEAF_TYPES:  # most of all there is
        return None
    if isinstance(value, Page):
        return ("page", value.pfn)
    if type(value) is WatchedData:  # bytes of a page, or a part of them, which lead to it as well as its name does
        return ("page", value._page.pfn)
    if isinstance(value, ListHead):
        return ("list", value.name, tuple(page.pfn for page in value)) if value.owner is None and value else None
    if depth == 0 or isinstance(value, _LEAVES) or id(value) in seen or callable(value):
        return None
    if type(value).__module__.startswith("movable.mm."):
        return None
    seen = seen | {id(value)}
    parts: list[tuple[object, object]]
    if isinstance(value, dict):
        pairs = [pair for pair in value.items() if type(pair[0]) not in _LEAF_TYPES or type(pair[1]) not in _LEAF_TYPES]
        parts = [_entry(key, item, depth, seen) for key, item in pairs]
    elif isinstance(value, set | frozenset):
        parts = [("", _snapshot(item, depth - 1, seen)) for item in value if type(item) not in _LEAF_TYPES]
    elif isinstance(value, (tuple, list, deque)) or (isinstance(value, Iterable) and hasattr(value, "__len__")):
        parts = [(place, _snapshot(item, depth - 1, seen)) for place, item in enumerate(value) if type(item) not in _LEAF_TYPES]
    else:
        named_parts = sorted(vars_of(value).items())
        parts = [(name, _attribute(name, item, depth, seen)) for name, item in named_parts if name != "__builtins__"]  # of a module
    kept = tuple(sorted((part for part in parts if part[1] is not None), key=repr))
    return (type(value).__name__, kept) if kept else None


def _entry(key: Any, item: Any, depth: int, seen: set[int]) -> tuple[object, object]:
    """One entry of a dictionary; a key may be a page, or lead to one."""
    value = _snapshot(item, depth - 1, seen)
    if isinstance(key, _LEAVES):
        return repr(key), value
    label = _snapshot(key, depth - 1, seen)
    return "", value if label is None else ("key", (label, value))


def _attribute(name: str, value: Any, depth: int, seen: set[int]) -> object:
    if ISOLATION_COUNT.fullmatch(name) if type(value) is int else isinstance(value, bool) and ISOLATION_MARK.fullmatch(name):
        return value or None
    return _snapshot(value, depth - 1, seen)


# --- finding the workload of a driver ---

LEAST_BLOCKS = 8
"""Pageblocks that a machine has at least: steps name them by number."""


DECLARED = {"D39": "mapped", "D43": "outside", "D44": "ledger", "D54": "invariant"}
"""Rules that are judged from what a workload says, and where it says it."""


def not_asked(workload: type[Workload]) -> frozenset[str]:
    """Must rules that a driver may leave unproven: those about what this workload declares nothing of, and refusals (D10)."""
    silent = {rule for rule, name in DECLARED.items() if getattr(workload, name) is getattr(Workload, name)}
    return frozenset({"D10", *silent} - ({"D44"} if workload.event_counters else set()))


def public_methods(factory: Callable[..., Any]) -> dict[str, CodeType]:
    """The public methods of a driver's class, by name, with their code."""
    found: dict[str, CodeType] = {}
    for cls in reversed(getattr(factory, "__mro__", ())[:-1]):
        if cls.__module__.partition(".")[0] == "movable":  # what the kit itself gives a driver
            continue
        found |= {name: value.__code__ for name, value in vars(cls).items() if inspect.isfunction(value) and name[0] != "_"}
    return dict(sorted(found.items()))


def what_is_missing(factory: Callable[..., Any], workload: type[Workload]) -> str:
    """What to do about a driver that was not kept busy, in words."""
    if not issubclass(workload, GenericWorkload):
        return workload.advice or f"give {workload.__name__} operations that make movable pages"
    module = sys.modules.get(getattr(factory, "__module__", ""))
    beside = [one for one in vars(module).values() if inspect.isclass(one) and issubclass(one, Workload)] if module else []
    lost = [one.__name__ for one in beside if one.__module__ == getattr(module, "__name__", "") and "factory" not in vars(one)]
    if lost:
        return f"{lost[0]} lies beside it and names no factory; write factory = {getattr(factory, '__name__', 'Driver')} in it"
    return "give it a workload, or a method populate(count) that makes movable pages"


def workload_for(factory: Callable[..., Any], given: type[Workload] | None = None) -> type[Workload]:
    """The workload of a driver: the one given, the driver's attribute ``workload`` (a class or "module:Class"), a Workload class in
    the driver's module that names it as its factory, or the generic one.

    Raises UsageError for an attribute that leads nowhere, and for one of the workload's that cannot be.
    """
    found = _workload_for(factory, given)
    check_declarations(found)
    least = LEAST_BLOCKS << found.pageblock_order
    if found.frames < least:
        raise UsageError(f"{found.__name__}.frames is {found.frames}; its pageblocks of order {found.pageblock_order} need {least}")
    return found


def _workload_for(factory: Callable[..., Any], given: type[Workload] | None) -> type[Workload]:
    if given is not None:
        return given
    named = getattr(factory, "workload", None)
    if isinstance(named, str):
        home, _, name = named.partition(":")
        try:
            named = getattr(importlib.import_module(home), name)
        except (ImportError, AttributeError) as error:
            raise UsageError(f"workload {named!r} of {factory!r} cannot be loaded: {error}") from None
    if named is not None:
        if not (inspect.isclass(named) and issubclass(named, Workload)):
            raise UsageError(f"the workload of {factory!r} is {named!r}; it must be a subclass of Workload")
        return named
    module = sys.modules.get(getattr(factory, "__module__", ""))
    for candidate in vars(module).values() if module is not None else ():
        if inspect.isclass(candidate) and issubclass(candidate, Workload) and vars(candidate).get("factory") is factory:
            return candidate
    return GenericWorkload
