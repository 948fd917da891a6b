"""A C driver as a plug-in: one instance of a module on one machine."""

from __future__ import annotations

import ctypes
import os
import re
import sys
from collections import Counter
from collections.abc import Mapping
from dataclasses import replace
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar

from movable.c.bridge.calls import Bridge
from movable.c.bridge.memory import Memory
from movable.c.bridge.spaces import Spaces
from movable.c.build.image import Image, image
from movable.c.build.recipe import Recipe, mark
from movable.c.build.source import read, style
from movable.eras import DEFAULT
from movable.errors import UsageError, VMBug

if TYPE_CHECKING:
    from movable.mm.address_space import AddressSpace
    from movable.mm.page import Page
    from movable.mm.vm import VM

KINDS = {
    "int": (4, True), "uint": (4, False), "long": (8, True), "ulong": (8, False), "short": (2, True), "ushort": (2, False),
    "bool": (1, False), "byte": (1, False), "charp": (8, False), "hexint": (4, False),
}  # fmt: skip
"""Bytes and sign of module parameters, by type."""
PARAM = "k_param_"
P_OPS, P_ARG, P_TYPE = 8, 16, 32
BOOT = "k_balloon_boot"
"""What a kernel with a balloon core does before any module comes (linux/balloon.h)."""


class _OwnEra:
    """The kernel that a driver class is written for."""

    def __get__(self, instance: object, kind: type[Driver]) -> str:
        return kind.recipe().era if kind.source else DEFAULT


class Driver:
    """A module written in C. Subclasses say where it is.

    ``source`` is its file, or several, relative to the subclass's own; ``defines`` are macros such as "DEBUG=1"; ``include``
    folders of headers; ``params`` values of module parameters, which keyword arguments override; ``kernel_tree`` a kernel's
    sources for headers that are private to drivers; ``era`` the kernel it is written for ("" finds out); ``optimise`` the
    compiler's level.
    ``excused`` are places, FILE.c:LINE or FILE.c:FUNCTION, whose
    data races are waived.
    ``plain_writes_are_atomic`` says that a plain write beside a marked read is no race, which is the kernel's own default.
    """

    source: ClassVar[str | tuple[str, ...]] = ""
    defines: ClassVar[tuple[str, ...]] = ()
    include: ClassVar[tuple[str, ...]] = ()
    params: ClassVar[Mapping[str, Any]] = {}
    kernel_tree: ClassVar[str] = ""
    era: ClassVar[str] = ""
    optimise: ClassVar[str] = "1"
    plain_writes_are_atomic: ClassVar[bool] = True
    excused: ClassVar[tuple[str, ...]] = ()
    own_era = _OwnEra()

    def __init__(self, vm: VM, **params: Any) -> None:
        self.vm = vm
        found = type(self).load(vm.era.name)
        memory = Memory(vm, found)
        self.c = Bridge(vm, found, memory, "mr" if self.plain_writes_are_atomic else "ar")
        kind = type(self)
        self.c.excused = frozenset(kind.excused)
        if kind.excused:
            self.c.excused_at, self.c.uses = _excuses(kind)
        self.c.spaces = Spaces(self.c, self)
        self._params_lock = vm.mutex("kernel_param_lock")
        memory.arrived = self.c.threads.arrived
        for name, value in {**type(self).params, **params}.items():
            self.set_param(name, value)
        if found.has(BOOT):
            self.call(BOOT)
        self._init()

    def _init(self) -> None:
        if not self.c.image.has("k_module_init"):
            return
        answer = self.call("k_module_init")
        if answer:
            import errno

            name = errno.errorcode.get(-answer, "neither 0 nor an errno")
            last = f"; the last it printed: {self.c.printed[-1]}" if self.c.printed else ""
            raise UsageError(f"{self.name()}: its init function returned {answer} ({name}){last}")

    # what the class knows

    @classmethod
    def recipe(cls, era: str = "") -> Recipe:
        """What it is built from, for the kernel that it is written for or for another."""
        found: Recipe = _recipe(cls)  # type: ignore[arg-type]
        return replace(found, era=era) if era else found

    @classmethod
    def load(cls, era: str = "") -> Image:
        """The built driver. Raises UsageError, in one line, for what cannot be built."""
        return image(cls.recipe(era))

    @classmethod
    def built(cls, era: str) -> str:
        """A short name for what it is built from: sources, options, headers, compiler; where the files lie does not matter."""
        return mark(cls.recipe(era))

    @classmethod
    def check_place(cls, waiver: str) -> None:
        """Raise UsageError for a waiver such as D53@FILE.c:LINE whose place is none of the driver's."""
        file, colon, where = waiver.partition("@")[2].rpartition(":")
        if not colon or not where:
            raise UsageError(f"{waiver}: write a place as FILE.c:LINE or FILE.c:FUNCTION")
        recipe = cls.recipe()
        folders = (*recipe.include, *(path.parent for path in recipe.sources))
        paths = [*recipe.sources, *(found for folder in folders if (found := folder / file).is_file())]
        texts = [read(path) for path in paths if path.name == Path(file).name]
        if not texts:
            if recipe.kernel_tree is None:
                raise UsageError(
                    f"{waiver}: {cls.name()} has no file {file}; it is built from {', '.join(path.name for path in recipe.sources)}"
                )
        elif where.isdecimal():
            lines = max(text.count("\n") for text in texts)
            if not 0 < int(where) <= lines + 1:
                raise UsageError(f"{waiver}: {file} has {lines} lines")
        elif not any(re.search(rf"\b{re.escape(where)}\b", text) for text in texts):
            raise UsageError(f"{waiver}: {file} has no function {where}")

    @classmethod
    def excused_uses(cls) -> Counter[str]:
        """How many accesses were excused, by place; and under "" how many were not."""
        return _excuses(cls)[1]

    @classmethod
    def name(cls) -> str:
        """What reports call it: its first source file."""
        return cls.recipe().sources[0].name

    # for workloads

    def call(self, function: str, *arguments: int) -> int:
        """Call a function with up to four numbers or addresses; returns what an int function answers.

        Raises UsageError for an unknown function, and for more arguments.
        """
        return _signed(self.call_long(function, *arguments), 4)

    def call_long(self, function: str, *arguments: int) -> int:
        """The same for a function that answers a long or a pointer."""
        if len(arguments) > 4:
            raise UsageError(f"{function}() is called with {len(arguments)} arguments; at most four are possible")
        return self.c.call(self.c.image.at(function), tuple(int(one) for one in arguments))

    def var(self, name: str, size: int = 0, signed: bool = True) -> int:
        """The value of a variable that is a number or a pointer."""
        bytes_ = size or min(8, self.c.image.size(name) or 8)
        return self.c.memory.peek(self.c.image.at(name), bytes_, signed)

    def address(self, name: str) -> int:
        """The address of a function or variable."""
        return self.c.image.at(name)

    def peek(self, address: int, size: int = 8, signed: bool = False) -> int:
        """A number at an address. Raises UsageError where nothing may be read."""
        if not self.c.memory_readable(address):
            raise UsageError(f"{address:#x} is no address that {self.name()} may read")
        return self.c.memory.peek(address, size, signed)

    def page_at(self, address: int) -> Page:
        """The page whose struct page is at an address."""
        return self.c.page(address)

    @property
    def printed(self) -> list[str]:
        """What it has printed."""
        return self.c.printed

    # module parameters

    def set_param(self, name: str, value: Any) -> None:
        """Give a module parameter a value, through its own function where it has one. Raises UsageError for an unknown one."""
        param = self._param(name)
        memory = self.c.memory
        ops, at = memory.peek(param + P_OPS), memory.peek(param + P_ARG)
        kind = ctypes.string_at(memory.peek(param + P_TYPE)).decode()
        if ops:
            setter, text = memory.peek(ops + 8), self._text(str(value))
            with self._params_lock:  # as the kernel holds one around every such function
                answer = _signed(self.c.call(setter, (text, param)), 4) if setter else -22
            if answer:
                raise UsageError(f"{self.name()}: parameter {name}={value} was refused with {answer}")
        elif kind in KINDS:
            size, _ = KINDS[kind]
            memory.poke(at, self._text(str(value)) if kind == "charp" else _number(self.name(), name, kind, value), size)
        else:
            raise UsageError(f"{self.name()}: parameter {name} is of type {kind}; only {', '.join(KINDS)} can be set")

    def _param(self, name: str) -> int:
        known = [symbol[len(PARAM) :] for symbol in self.c.image.symbols if symbol.startswith(PARAM)]
        if name not in known:
            raise UsageError(f"{self.name()} has no parameter {name!r}; it has {', '.join(sorted(known)) or 'none'}")
        return self.c.image.at(PARAM + name)

    def _text(self, text: str) -> int:
        data = text.encode()[:63] + b"\0"
        at = self.c.runtime.scratch()
        ctypes.memmove(at, data, len(data))
        return at

    # the end

    def remove(self) -> None:
        """Remove the module: its exit function runs, and its owners of pages are gone."""
        if self.c.image.has("k_module_exit"):
            self.call("k_module_exit")
            self._look_for_work()
        self.c.spaces.free_all()
        for shrinker in self.c.shrinkers.values():
            self.vm.shrinkers.remove(shrinker)
        self.c.shrinkers.clear()
        self._look_for_leaks()

    def _look_for_work(self) -> None:
        """Raise VMBug for work, a thread or a shrinker that would be run in the code of a module that is gone."""
        scheduler = self.c.standing()[3]
        for work in sorted(self.c.works.values(), key=lambda work: work.lane.name):
            work.queue._point("ar")  # its end and this look do not commute
            if work.busy:
                state = "runs" if work._running else "is queued"
                raise VMBug(
                    "D41",
                    f"work item {work.name!r} still {state} when the exit function has returned",
                    "it cancelled or flushed before",
                )
        for thread in list(self.c.threads.all.values()):
            if scheduler is not None:
                scheduler.point("ar", ("queue", thread.end.name))
            if thread.started and not thread.done:
                raise VMBug(
                    "D41", f"thread {thread.name!r} still runs when the exit function has returned", "kthread_stop() before"
                )

        for address in self.c.shrinkers:
            what = f"shrinker {self.c.name(address)!r} is still registered when the exit function has returned"
            raise VMBug("D41", what, "unregister_shrinker() before")

    def _look_for_leaks(self) -> None:
        """Raise VMBug for an object that nobody can free any more, unless others are still at work."""
        if self.vm.seam is not None and self.vm.seam.scheduler is not None:
            return
        self.c.memory.activate()
        for handle, queue in self.c.queues.items():
            if handle and not queue.destroyed:
                what = f"work queue {queue.name!r} is not destroyed when the driver is gone"
                raise VMBug("D34", what, "destroy_workqueue() before")
        count, size, made = self.c.runtime.left()
        if count:
            more = f", and {count - 1} more" if count > 1 else ""
            raise VMBug(
                "D34", f"an object of {size} bytes made at {self.c.line(made)}{more} is not freed when the driver is gone",
                "every object to be freed",
            )  # fmt: skip

    def fingerprint(self) -> int:
        """A number for the state of its memory."""
        return self.c.memory.fingerprint()

    # The callbacks of its pages are those of their owners (spaces.py); these only say that this is a driver.

    def isolate_page(self, page: Page, mode: int) -> bool:
        """Not called: each owner of pages has its own."""
        raise NotImplementedError

    def migratepage(self, mapping: AddressSpace, newpage: Page, page: Page, mode: int) -> int:
        """Not called."""
        raise NotImplementedError

    def migrate_page(self, newpage: Page, page: Page, mode: int) -> int:
        """Not called. Both forms are here: which one a file has, its compiler has seen."""
        raise NotImplementedError

    def putback_page(self, page: Page) -> None:
        """Not called."""
        raise NotImplementedError


_excused: dict[type, tuple[dict[int, str], Counter[str]]] = {}


def _excuses(kind: type) -> tuple[dict[int, str], Counter[str]]:
    """Places by instruction, and uses, of a driver class: beside it, for what a class holds counts as state of the driver's."""
    return _excused.setdefault(kind, ({}, Counter()))


def _signed(value: int, size: int) -> int:
    value &= (1 << 8 * size) - 1
    return value - (1 << 8 * size) if value >> 8 * size - 1 else value


def _number(driver: str, name: str, kind: str, value: Any) -> int:
    if isinstance(value, str):
        words = {"y": "1", "n": "0", "true": "1", "false": "0"}
        try:
            value = int(words.get(value.lower(), value), 0)
        except ValueError:
            raise UsageError(f"{driver}: parameter {name}={value!r} is no number") from None
    size, signed = KINDS[kind]
    low, high = (-(1 << 8 * size - 1), 1 << 8 * size - 1) if signed else (0, 1 << 8 * size)
    if not low <= int(value) < high:
        raise UsageError(f"{driver}: parameter {name}={value} does not fit into {kind}")
    return int(value)


@lru_cache(maxsize=256)
def _recipe(cls: type[Driver]) -> Recipe:
    sources = (cls.source,) if isinstance(cls.source, str) else tuple(cls.source)
    if not sources or not all(sources):
        raise UsageError(f'{cls.__name__} names no source; write source = "driver.c" in it')
    home = _home(cls)
    paths = tuple((home / one).resolve() if not Path(one).is_absolute() else Path(one) for one in sources)
    era = cls.era or style("".join(read(path) for path in paths))
    include = tuple((home / one).resolve() for one in cls.include)
    tree = Path(os.path.expanduser(cls.kernel_tree)).absolute() if cls.kernel_tree else None
    return Recipe(paths, tuple(cls.defines), include, tree, era, cls.optimise)


def _home(cls: type) -> Path:
    file = getattr(sys.modules.get(cls.__module__), "__file__", None)
    return Path(file).parent if file else Path.cwd()
