"""Dicts, lists, sets and deques that announce what they are asked: one item, or the whole for what shows structure.

An operation announces itself once and then happens at once. Where it depends on the content which announcement is right
(setting a new key changes the structure, setting an old one does not), it looks again after the point and announces
itself anew if another task has made the difference meanwhile.

A container becomes hooked where it is (class_swap.py), so it has no room for what it must know: that is in `BOXES`.
"""

import threading
from collections import OrderedDict, defaultdict, deque
from collections.abc import Callable, ItemsView, Iterable, Iterator, KeysView, ValuesView
from typing import Any, ClassVar

from movable.explore.dependence import Part
from movable.explore.instrument.class_swap import plain, swap

LENGTH = "len()"
"""What stands for the length of a container among its items."""
KEYS = "keys()"
"""What stands for which keys a dict has, and in which order: another value under an old key changes nothing there."""

Box = tuple[Any, Any, Any]
"""Hooks of the execution, location of the whole, and the container, which may not go while its address stands for it."""

BOXES: dict[int, Box] = {}
"""The hooked containers of the executions under way, by address. Others are as plain as before, whatever their class."""


class _Mine(threading.local):
    scheduler: object = None
    keys: set[int] = set()  # replaced before it is used


_mine = _Mine()


def begin(scheduler: object) -> set[int]:
    """Forget the containers of this thread's execution before, and return where to note the addresses of the new ones."""
    if _mine.scheduler is not scheduler:
        for key in _mine.keys:
            BOXES.pop(key, None)
        _mine.scheduler, _mine.keys = scheduler, set()
    return _mine.keys


class Container:
    """What hooked containers share. ``raw`` is the plain type."""

    __slots__ = ()
    raw: ClassVar[Any] = object
    __class__ = property(lambda self: plain(type(self)))

    def take_in(self, adopt: Callable[[Any], Any]) -> None:
        """Hook what is in the container, without points."""

    def _whole(self, op: str) -> None:
        box = BOXES.get(id(self))
        if box is not None:
            box[0].point(op, box[1])

    def _item(self, op: str, key: Any) -> None:
        box = BOXES.get(id(self))
        if box is not None:
            sub = box[0].sub(key)
            box[0].point(op, box[1] if sub is None else Part(box[1], sub))

    def _at(self, op: str, at: Any) -> None:
        if isinstance(at, int) and at >= 0:
            self._item(op, int(at))
        else:
            self._whole(op)

    def __len__(self) -> int:
        self._item("r", LENGTH)  # replacing an item changes no length; what does change it announces the whole
        return int(self.raw.__len__(self))

    def _settle(self, key: Any, there: str, absent: str) -> bool:
        """Announce ``there`` on the item, or ``absent``, by whether ``key`` is present; return which. ``w!`` means the whole."""
        if id(self) not in BOXES:
            return bool(self.raw.__contains__(self, key))
        while True:
            present = bool(self.raw.__contains__(self, key))
            op = there if present else absent
            if op == "w!":
                self._whole("w")
            else:
                self._item(op, key)
            if bool(self.raw.__contains__(self, key)) == present:
                return present

    def _adopt(self, value: Any) -> Any:
        box = BOXES.get(id(self))
        return value if box is None else box[0].adopt(value, box[1])

    def __iter__(self) -> Iterator[Any]:
        return self._steps(self.raw.__iter__)

    def _steps(self, walk: Callable[[Any], Iterator[Any]]) -> Iterator[Any]:
        self._whole("r")
        for item in walk(self):
            yield item
            self._whole("r")

    def __copy__(self) -> Any:
        self._whole("r")
        return self._copied()

    def __reduce_ex__(self, protocol: Any) -> Any:
        """Copies and pickles are plain. The items come last, for a container may be among its own."""
        self._whole("r")
        return (self.raw, (), None, iter(self._bare()))

    def _bare(self) -> Any:
        """A plain copy, without points."""
        return self.raw(self.raw.__iter__(self))

    def _copied(self) -> Any:
        """What ``copy()`` of the container as written gives."""
        return self._bare()

    __hash__ = None  # type: ignore[assignment]


def operand(value: Any) -> Any:
    """Read a hooked container that an operation is given: the C code of the other one would not ask it."""
    if isinstance(value, Container):
        value._whole("r")
        return value._bare()
    return value


_OPERATORS = frozenset("__eq__ __ne__ __lt__ __le__ __gt__ __ge__ __add__ __iadd__ extend".split())


def _announcing(raw: Any, name: str, op: str, adopt: str = "") -> Callable[..., Any]:
    """A method that announces ``op`` on the whole. ``adopt``: "last" adopts the last argument, "all" the items of the first."""
    asked = getattr(raw, name)

    def method(self: Any, *args: Any, **more: Any) -> Any:
        if adopt == "last":
            args = (*args[:-1], self._adopt(args[-1]))
        elif adopt == "all" and args:
            args = ([self._adopt(item) for item in args[0]], *args[1:])
        self._whole(op)
        return asked(self, *args, **more)

    def operator(self: Any, other: Any) -> Any:
        if op == "w" or not isinstance(other, Container):
            other = operand(other)
            self._whole(op)
            return asked(self, other)
        self._whole(op)
        return asked(self._bare(), operand(other))  # from left to right, as Python does

    chosen = operator if name in _OPERATORS and not adopt else method
    chosen.__name__ = name
    return chosen


def announce(cls: Any, op: str, names: str, adopt: str = "") -> None:
    """Give ``cls`` methods that announce ``op`` on the whole and then do what those of the plain container do."""
    for name in names.split():
        if hasattr(cls.raw, name):
            setattr(cls, name, _announcing(cls.raw, name, op, adopt))


_COMPARE = "__eq__ __ne__ __lt__ __le__ __gt__ __ge__"
READS = f"{_COMPARE} __repr__"


class _Ordered(Container):
    """Containers that can be walked from behind, and that have a ``copy``."""

    __slots__ = ()

    def __reversed__(self) -> Iterator[Any]:
        return self._steps(self.raw.__reversed__)

    def copy(self) -> Any:
        """As of the container as written."""
        self._whole("r")
        return self._copied()


class HookedDict(_Ordered, dict[Any, Any]):
    """A dict whose accesses are scheduling points, key by key."""

    __slots__ = ()
    raw: ClassVar[Any] = dict

    def take_in(self, adopt: Callable[[Any], Any]) -> None:
        """Hook the values; the order of the keys stays."""
        for key, value in list(dict.items(self)):
            adopted = adopt(value)
            if adopted is not value:
                dict.__setitem__(self, key, adopted)

    def __getitem__(self, key: Any) -> Any:
        self._item("r", key)
        return self.raw.__getitem__(self, key)

    def get(self, key: Any, default: Any = None) -> Any:
        """As dict.get."""
        self._item("r", key)
        return dict.get(self, key, default)

    def __contains__(self, key: Any) -> bool:
        self._item("r", KEYS)
        return dict.__contains__(self, key)

    def __iter__(self) -> Iterator[Any]:
        self._item("r", KEYS)
        for key in self.raw.__iter__(self):
            yield key
            self._item("r", KEYS)

    def __setitem__(self, key: Any, value: Any) -> None:
        self._settle(key, "w", "w!")
        self.raw.__setitem__(self, key, self._adopt(value))

    def __delitem__(self, key: Any) -> None:
        self._settle(key, "w!", "r")
        self.raw.__delitem__(self, key)

    def pop(self, key: Any, *default: Any) -> Any:
        """As dict.pop."""
        self._settle(key, "w!", "r")
        return self.raw.pop(self, key, *default)

    def setdefault(self, key: Any, default: Any = None) -> Any:
        """As dict.setdefault."""
        if not self._settle(key, "r", "w!"):
            self.raw.__setitem__(self, key, self._adopt(default))
        return dict.__getitem__(self, key)

    def update(self, *others: Any, **more: Any) -> None:
        """As dict.update; one announcement for all keys."""
        fresh = dict(*map(operand, others), **more)
        self._whole("w")
        for key, value in fresh.items():
            self.raw.__setitem__(self, key, self._adopt(value))

    def keys(self) -> Any:
        """A live view that announces."""
        return _Keys(self)

    def values(self) -> Any:
        """A live view that announces."""
        return _Values(self)

    def items(self) -> Any:
        """A live view that announces; one announcement per item."""
        return _Items(self)

    def __or__(self, other: Any) -> Any:
        self._whole("r")
        bare = self._bare()  # read now: the other one may have a point of its own
        return bare | operand(other)

    def __ror__(self, other: Any) -> Any:
        self._whole("r")
        return other | self._bare()

    def __ior__(self, other: Any) -> Any:
        self.update(other)
        return self

    def __reduce_ex__(self, protocol: Any) -> Any:
        self._whole("r")
        return (self.raw, (), None, None, iter(self._bare().items()))

    def _bare(self) -> Any:
        return self.raw(self.raw.items(self))


class _Keys(KeysView[Any]):
    def __reversed__(self) -> Iterator[Any]:
        return reversed(self._mapping)  # type: ignore[attr-defined]


class _Values(ValuesView[Any]):
    def __reversed__(self) -> Iterator[Any]:
        mapping: Any = self._mapping  # type: ignore[attr-defined]
        for key in reversed(mapping):
            yield mapping[key]


class _Items(ItemsView[Any, Any]):
    """Items of a hooked dict: the read of the whole covers the value."""

    def __iter__(self) -> Iterator[tuple[Any, Any]]:
        mapping: Any = self._mapping  # type: ignore[attr-defined]
        for key in mapping._steps(mapping.raw.__iter__):
            yield key, dict.__getitem__(mapping, key)

    def __reversed__(self) -> Iterator[tuple[Any, Any]]:
        mapping: Any = self._mapping  # type: ignore[attr-defined]
        for key in reversed(mapping):
            yield key, dict.__getitem__(mapping, key)


class HookedDefaultDict(HookedDict, defaultdict[Any, Any]):
    """A defaultdict whose accesses are scheduling points."""

    __slots__ = ()
    raw: ClassVar[Any] = defaultdict

    def __getitem__(self, key: Any) -> Any:
        if not self._settle(key, "r", "w!" if self.default_factory is not None else "r"):
            missing: Any = type(self).__missing__
            if missing is not defaultdict.__missing__:
                return missing(self, key)
            if self.default_factory is None:
                raise KeyError(key)
            dict.__setitem__(self, key, self._adopt(self.default_factory()))
        return dict.__getitem__(self, key)

    def __reduce_ex__(self, protocol: Any) -> Any:
        self._whole("r")
        return (defaultdict, (self.default_factory,), None, None, iter(dict(dict.items(self)).items()))

    def _bare(self) -> Any:
        return defaultdict(self.default_factory, dict.items(self))

    def _copied(self) -> Any:
        return plain(type(self))(self.default_factory, dict(dict.items(self)))


class HookedOrderedDict(HookedDict, OrderedDict[Any, Any]):
    """An OrderedDict whose accesses are scheduling points."""

    __slots__ = ()
    raw: ClassVar[Any] = OrderedDict

    def pop(self, key: Any, *default: Any) -> Any:
        """As OrderedDict.pop, which would ask the hooked methods step by step."""
        if not self._settle(key, "w!", "r"):
            if default:
                return default[0]
            raise KeyError(key)
        return self._take(key)

    def popitem(self, last: bool = True) -> tuple[Any, Any]:
        """As OrderedDict.popitem."""
        self._whole("w")
        keys = OrderedDict.__reversed__(self) if last else OrderedDict.__iter__(self)
        for key in keys:
            return key, self._take(key)
        raise KeyError("dictionary is empty")

    def _take(self, key: Any) -> Any:
        value = dict.__getitem__(self, key)
        OrderedDict.__delitem__(self, key)
        return value

    def _copied(self) -> Any:
        made = plain(type(self))()
        for key, value in OrderedDict.items(self):
            made[key] = value
        return made


class HookedList(_Ordered, list[Any]):
    """A list whose accesses are scheduling points; items by index where that is plain, else the whole."""

    __slots__ = ()
    raw: ClassVar[Any] = list

    def take_in(self, adopt: Callable[[Any], Any]) -> None:
        """Hook the items."""
        for at, item in enumerate(list.copy(self)):
            adopted = adopt(item)
            if adopted is not item:
                list.__setitem__(self, at, adopted)

    def __getitem__(self, at: Any) -> Any:
        self._at("r", at)
        return list.__getitem__(self, at)

    def __setitem__(self, at: Any, value: Any) -> None:
        if isinstance(at, slice):
            value = [self._adopt(item) for item in value]
        else:
            value = self._adopt(value)
        self._at("w", at)
        list.__setitem__(self, at, value)

    def __radd__(self, other: Iterable[Any]) -> list[Any]:
        return [*other, *self]

    def _bare(self) -> Any:
        return list.copy(self)


class HookedSet(Container, set[Any]):
    """A set whose accesses are scheduling points, element by element where its structure stays."""

    __slots__ = ()
    raw: ClassVar[Any] = set

    def take_in(self, adopt: Callable[[Any], Any]) -> None:
        """Hook the elements, where they are."""
        for item in list(set.__iter__(self)):
            adopt(item)

    def __contains__(self, item: Any) -> bool:
        self._item("r", item)
        return set.__contains__(self, item)

    def add(self, item: Any) -> None:
        """As set.add."""
        self._adopt(item)
        self._settle(item, "r", "w!")
        set.add(self, item)

    def discard(self, item: Any) -> None:
        """As set.discard."""
        self._settle(item, "w!", "r")
        set.discard(self, item)

    def remove(self, item: Any) -> None:
        """As set.remove."""
        self._settle(item, "w!", "r")
        set.remove(self, item)

    def __repr__(self) -> str:
        self._whole("r")
        return repr(self._bare()) if plain(type(self)) is set else set.__repr__(self)

    def __reduce_ex__(self, protocol: Any) -> Any:
        self._whole("r")
        return (set, (list(set.__iter__(self)),))

    def _copied(self) -> Any:
        cls: Any = plain(type(self))
        made = cls.__new__(cls)
        set.update(made, set.__iter__(self))
        return made


class HookedDeque(_Ordered, deque[Any]):
    """A deque whose accesses are scheduling points, as a whole."""

    __slots__ = ()
    raw: ClassVar[Any] = deque

    def take_in(self, adopt: Callable[[Any], Any]) -> None:
        """Hook the items."""
        for at, item in enumerate(list(deque.__iter__(self))):
            adopted = adopt(item)
            if adopted is not item:
                deque.__setitem__(self, at, adopted)

    def __add__(self, other: Any) -> Any:
        self._whole("r")
        return self._copied() + operand(other)

    def __mul__(self, times: Any) -> Any:
        self._whole("r")
        return self._copied() * times

    __rmul__ = __mul__

    def __reduce_ex__(self, protocol: Any) -> Any:
        self._whole("r")
        return (deque, ((), self.maxlen), None, iter(self._bare()))

    def _bare(self) -> Any:
        return deque(deque.__iter__(self), self.maxlen)

    def _copied(self) -> Any:
        cls: Any = plain(type(self))
        return cls(self._bare()) if self.maxlen is None else cls(self._bare(), self.maxlen)


_UNIONS = (set.update, set.__ior__)


def _set_method(asked: Any, op: str) -> Any:
    """Set algebra: operands are read first, and what comes out is plain."""

    def method(self: Any, *others: Any) -> Any:
        if op == "r" and any(isinstance(other, Container) for other in others):
            self._whole("r")
            return asked(self._copied(), *map(operand, others))  # from left to right, as Python does
        bare = [operand(other) for other in others]
        self._whole(op)
        if asked in _UNIONS:
            bare = [other if isinstance(other, set | frozenset) else [*other] for other in bare]
            for other in bare:
                for item in other:
                    self._adopt(item)
        result = asked(self, *bare)
        if result is not self and isinstance(result, HookedSet):
            swap(result, plain(type(result)), builtin=True)
        return result

    return method


def _set_methods(names: str, op: str) -> None:
    for name in names.split():
        setattr(HookedSet, name, _set_method(getattr(set, name), op))


announce(HookedDict, "r", READS)
announce(HookedDict, "w", "clear popitem")
announce(HookedDefaultDict, "r", READS)
announce(HookedOrderedDict, "r", READS)
announce(HookedOrderedDict, "w", "clear move_to_end")
announce(HookedList, "r", f"{READS} __contains__ __add__ __mul__ __rmul__ index count")
announce(HookedList, "w", "__delitem__ clear pop remove reverse sort __imul__")
announce(HookedList, "w", "append insert", adopt="last")
announce(HookedList, "w", "extend __iadd__", adopt="all")
announce(HookedSet, "w", "clear pop")
_set_methods(
    "__and__ __or__ __sub__ __xor__ __rand__ __ror__ __rsub__ __rxor__ __eq__ __ne__ __lt__ __le__ __gt__ __ge__ union"
    " intersection difference symmetric_difference issubset issuperset isdisjoint copy",
    "r",
)
_set_methods("update intersection_update difference_update symmetric_difference_update __ior__ __iand__ __isub__ __ixor__", "w")
announce(HookedDeque, "r", f"{READS} __contains__ __getitem__ index count")
announce(HookedDeque, "w", "__delitem__ clear pop popleft remove reverse rotate __imul__")
announce(HookedDeque, "w", "append appendleft insert __setitem__", adopt="last")
announce(HookedDeque, "w", "extend extendleft __iadd__", adopt="all")
