"""Ambient state, which lives outside the driver's objects: globals, what modules and classes keep, and variables of closures.

Two things follow from it. It must be as it was before each execution; and it is shared by the tasks, so each use of it is a
scheduling point: containers and objects are hooked as the driver's own are, for anything else the tasks run under opcode tracing,
confined to the functions that name it. A driver without such state costs nothing.
"""

from __future__ import annotations

import copy
from collections import deque
from collections.abc import Hashable, Iterator, Mapping
from enum import Enum
from functools import lru_cache
from itertools import count, cycle
from types import CellType, CodeType, FunctionType, ModuleType, SimpleNamespace
from typing import TYPE_CHECKING, Any

from movable.errors import UsageError, by_hand
from movable.explore.instrument.bytecode import Spots, named_in
from movable.explore.instrument.class_swap import plain, swap
from movable.explore.instrument.opcodes import Opcodes
from movable.explore.instrument.reachable import Reach
from movable.explore.instrument.snapshot import counter
from movable.introspection import vars_of
from movable.shown import said

if TYPE_CHECKING:
    from movable.concurrent.seam import DriverHooks
    from movable.workload.workload import Workload

MISSING = object()
IN_PLACE = (dict, list, set, deque, bytearray)
"""Containers that are put back with their identity, for others may hold them too."""
COPIED = (count, cycle)


class Slot:
    """One place that keeps state: a name in a module's or function's dict, an attribute of a class, the variable of a closure."""

    __slots__ = ("copy", "key", "name", "owner", "value")

    def __init__(self, owner: Any, name: str, key: str) -> None:
        self.owner = owner
        self.name = name
        self.key = key
        self.value = self.get()
        self.copy: Any = None

    def get(self) -> Any:
        """What is there now."""
        if isinstance(self.owner, CellType):
            try:
                return self.owner.cell_contents
            except ValueError:
                return MISSING
        names: Mapping[str, Any] = vars(self.owner) if isinstance(self.owner, type) else self.owner
        return names.get(self.name, MISSING)

    def put(self, value: Any) -> None:
        """Replace it."""
        if isinstance(self.owner, CellType):
            if value is not MISSING:
                self.owner.cell_contents = value
        elif isinstance(self.owner, type):
            if value is not MISSING:
                type.__setattr__(self.owner, self.name, value)
            elif self.name in vars(self.owner):
                type.__delattr__(self.owner, self.name)
        elif value is MISSING:
            self.owner.pop(self.name, None)
        else:
            self.owner[self.name] = value

    def keep(self, memo: dict[int, Any]) -> None:
        """Remember what is there. Raises UsageError for what cannot be put back later."""
        value = self.value
        try:
            if type(value) is count:
                self.copy = counter(repr(value))
            elif isinstance(value, IN_PLACE + COPIED):
                self.copy = copy.deepcopy(value, memo)
            elif _is_object(value):
                self.copy = {name: copy.deepcopy(part, memo) for name, part in vars_of(value).items()}
        except Exception as error:
            what = f"{self.key} lives longer than a machine, and cannot be copied ({type(error).__name__}: {said(error)})"
            raise UsageError(f"{what}; keep it in the driver, which is made anew for each") from None

    def reset(self, memo: dict[int, Any]) -> None:
        """As it was."""
        value = self.value
        _unhook(value)
        if type(value) is count:
            value = counter(repr(self.copy))
        elif isinstance(value, COPIED):
            value = copy.deepcopy(self.copy, memo)
        elif self.copy is not None:
            _fill(value, copy.deepcopy(self.copy, memo))
        if self.get() is not value:
            self.put(value)


def _fill(value: Any, content: Any) -> None:
    # by the plain type's own methods: those of a hooked one would be scheduling points
    kind: Any = next((kind for kind in IN_PLACE if isinstance(value, kind)), None)
    if kind is list or kind is bytearray:
        kind.__setitem__(value, slice(None), content)
    elif kind is not None:
        kind.clear(value)
        (kind.extend if kind is deque else kind.update)(value, content)
    else:
        for name in vars_of(value).keys() - content.keys():
            object.__delattr__(value, name)
        for name, part in content.items():
            object.__setattr__(value, name, part)


def _unhook(value: Any) -> None:
    kind = type(value)
    if plain(kind) is not kind:
        swap(value, plain(kind), builtin=isinstance(value, (*IN_PLACE, SimpleNamespace)))


class AmbientState:
    """The ambient state of one driver. False where there is none.

    ``slots`` are its places, ``spots`` the opcodes that use what hooks cannot see. ``keys`` leads from attributes of classes to
    their locations.
    """

    def __init__(self, workload: type[Workload], factory: Any) -> None:
        self.slots: list[Slot] = []
        self.spots: Spots = {}
        self.keys: dict[tuple[type, str], str] = {}
        self._unwatched = {part for part in workload.unwatched if isinstance(part, str)}
        self._reach = reached(workload, factory)
        self._names = named_in(self._reach)
        self._globals()
        self._classes()
        self._closures(workload, factory)
        memo: dict[int, Any] = {}
        for slot in self.slots:
            slot.keep(memo)

    def __bool__(self) -> bool:
        return bool(self.slots or self.spots)

    # what there is

    def _slot(self, owner: Any, name: str, key: str) -> None:
        if name not in self._unwatched and not any(slot.owner is owner and slot.name == name for slot in self.slots):
            self.slots.append(Slot(owner, name, key))

    def _globals(self) -> None:
        """Names that functions assign to, and containers and objects that they name for more than reading."""
        for place, name in self._names.stored:
            self._slot(place.names, name, f"{place.label}.{name}")
        for place, name in self._names.used:
            value = place.names.get(name, MISSING)
            if isinstance(value, IN_PLACE + COPIED) or (_is_object(value) and self._reach.own(type(value).__module__)):
                self._slot(place.names, name, f"{place.label}.{name}")
        self._add(self._names.spots(self._unwatched))

    def _classes(self) -> None:
        """Attributes of classes that functions assign to, and containers that classes keep."""
        classes = self._reach.classes
        for owner, name in self._names.attributes:
            family = [cls for cls in classes if issubclass(cls, owner) or issubclass(owner, cls)]
            for cls in family:
                self._slot(cls, name, f"{owner.__name__}.{name}")
                self.keys[cls, name] = f"{owner.__name__}.{name}"
        for cls in classes:
            for name, value in list(vars(cls).items()):
                if isinstance(value, IN_PLACE) and not name.startswith("__") and name in self._names.attribute_names:
                    self._slot(cls, name, f"{cls.__name__}.{name}")

    def _closures(self, workload: type[Workload], factory: Any) -> None:
        """Variables of closures that are kept: by modules, and by a driver once it is set up."""
        for function, variable, cell in list(self._reach.cells.values()):
            if isinstance(_content(cell), IN_PLACE) or self._names.rebinds(function, variable):
                self._slot(cell, variable, f"{variable} of {function}")
        if not any(code.co_freevars for function in self._reach.functions for code in self._names.codes(function)):
            return
        held = _held(workload, factory)
        self._add(self._names.cells(held, self._unwatched))
        self._add(self._names.cells(self._reach, self._unwatched))

    def _add(self, spots: Spots) -> None:
        for code, mine in spots.items():
            self.spots.setdefault(code, {}).update(mine)

    # around an execution

    def reset(self) -> None:
        """All of it as it was in the beginning."""
        memo: dict[int, Any] = {}
        for slot in self.slots:
            slot.reset(memo)

    def watch(self, hooks: DriverHooks) -> None:
        """Hook what can be hooked; call it when the machine is set up."""
        for slot in self.slots:
            value = slot.get()
            if value is not MISSING:
                adopted = hooks.adopt(value, slot.key)
                if adopted is not value:
                    slot.put(adopted)
        for seen in list(hooks.seen.values()):
            for cls in type(seen.obj).__mro__ if self.keys else ():
                seen.keys.update({name: key for (owner, name), key in self.keys.items() if owner is cls})

    def watches(self, name: str, kind: str) -> bool:
        """Whether what the hooks do not watch has points all the same."""
        if kind == "variable of a closure":
            return any(key.startswith(f"{name.rpartition('.')[2]} of ") for spots in self.spots.values() for _, key in _said(spots))
        return kind == "attribute of a class" and name.removeprefix("class ") in self.keys.values()

    def values(self) -> Iterator[tuple[str, Any]]:
        """Locations, and what is there now."""
        for slot in self.slots:
            yield slot.key, slot.get()

    def value(self, key: Hashable) -> Any:
        """What is at a location; MISSING where nothing is, or it is none of these."""
        return next((value for name, value in self.values() if name == key and value is not MISSING), MISSING)


def _said(spots: dict[int, tuple[str, Hashable]]) -> list[tuple[str, str]]:
    return [(op, str(key)) for op, key in spots.values()]


def _content(cell: CellType) -> Any:
    try:
        return cell.cell_contents
    except ValueError:
        return MISSING


def _is_object(value: Any) -> bool:
    """Whether a value is an object with attributes that can change."""
    kind = type(value)
    frozen = getattr(getattr(kind, "__dataclass_params__", None), "frozen", False)
    return (
        kind.__flags__ & 1 << 9 != 0 and not frozen
        and not isinstance(value, (type, Enum, BaseException, tuple, FunctionType, ModuleType, *IN_PLACE))
    )  # fmt: skip


def reached(workload: type[Workload], factory: Any) -> Reach:
    """What the code of a driver and of its workload can reach."""
    found = Reach(getattr(factory, "module", factory), workload)
    for root in _roots(workload, factory):
        for _ in found.walk(root, ""):
            pass
    return found


def _roots(workload: type[Workload], factory: Any) -> list[Any]:
    module = getattr(factory, "module", None)
    if not isinstance(module, ModuleType):
        return [factory, workload]
    return [workload, *(part for part in vars(module).values() if getattr(part, "__module__", "") == module.__name__)]


def _held(workload: type[Workload], factory: Any) -> Reach:
    """What a driver holds once it is set up."""
    from movable.concurrent.stage import Subject

    reach = Reach(getattr(factory, "module", factory), workload)
    try:
        driver = workload(Subject(workload, factory).machine(), factory).driver
    except BaseException as error:
        if by_hand(error):
            raise
        return reach  # others will say so
    for part in list(vars_of(driver).values()):
        for _ in reach.walk(part, ""):
            pass
    return reach


@lru_cache(maxsize=64)
def ambient_state(workload: Any, factory: Any) -> AmbientState:
    """The ambient state of a driver, as it is when this is called for the first time. Raises UsageError, see `Slot.keep`."""
    return AmbientState(workload, factory)


class Traced(Opcodes):
    """Opcode tracing of the spots of one driver."""

    def __init__(self, scheduler: Any, spots: Spots) -> None:
        super().__init__(scheduler, *sorted({code.co_filename for code in spots}), codes=spots)
        self._named = spots

    def touching(self, code: CodeType, names: dict[str, Any]) -> dict[int, tuple[str, Hashable]]:
        """As in Opcodes, with the names of the locations."""
        return self._named.get(code, {})
