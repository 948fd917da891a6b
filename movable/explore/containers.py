"""Dicts, lists, sets and deques that announce what they are asked: one item, or the whole for anything that shows structure.

An operation announces itself once and then happens at once. Where it depends on the content which announcement is right
(setting a new key changes the structure, setting an old one does not), it looks again after the point and announces
itself anew if another task has made the difference meanwhile.
"""

from collections import OrderedDict, defaultdict, deque
from collections.abc import Callable, Hashable, ItemsView, Iterable, Iterator, KeysView, ValuesView
from typing import Any, ClassVar

from movable.explore.dependence import Part

LENGTH = "len()"
"""What stands for the length of a container among its items."""


class Container:
    """What hooked containers share. ``raw`` is the plain type; ``base`` the location of the whole."""

    raw: ClassVar[Any] = object
    _hooks: Any = None
    _base: Hashable = None

    @classmethod
    def around(cls, value: Any, hooks: Any, base: Hashable) -> Any:
        """Make an empty hooked container like ``value``."""
        made: Any = cls()
        made._hooks = hooks
        made._base = base
        return made

    def fill(self, value: Any) -> None:
        """Take over the content of ``value``, without points."""
        raise NotImplementedError

    def _whole(self, op: str) -> None:
        if self._hooks is not None:
            self._hooks.point(op, self._base)

    def _item(self, op: str, key: Any) -> None:
        hooks = self._hooks
        if hooks is not None:
            sub = hooks.sub(key)
            hooks.point(op, self._base if sub is None else Part(self._base, sub))

    def __len__(self) -> int:
        self._item("r", LENGTH)  # replacing an item changes no length; what does change it announces the whole
        return int(self.raw.__len__(self))

    def _settle(self, key: Any, there: str, absent: str) -> bool:
        """Announce ``there`` on the item, or ``absent``, by whether ``key`` is present; return which. ``w!`` means the whole."""
        if self._hooks is None:
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
        return value if self._hooks is None else self._hooks.adopt(value, str(self._base).removesuffix("[]") + "[]")

    def __iter__(self) -> Iterator[Any]:
        self._whole("r")
        items = self.raw.__iter__(self)
        while True:
            try:
                item = next(items)
            except StopIteration:
                return
            yield item
            self._whole("r")

    def __copy__(self) -> Any:
        self._whole("r")
        return self.raw.copy(self)

    def __deepcopy__(self, memo: Any) -> Any:
        import copy

        self._whole("r")
        return copy.deepcopy(self._bare(), memo)

    def __reduce_ex__(self, protocol: Any) -> Any:
        self._whole("r")
        return self._bare().__reduce_ex__(protocol)

    def _bare(self) -> Any:
        """A plain copy, without points."""
        return self.raw(self.raw.__iter__(self))

    __hash__ = None  # type: ignore[assignment]


def _announcing(raw: Any, name: str, op: str, adopt: str = "") -> Callable[..., Any]:
    """A method that announces ``op`` on the whole. ``adopt``: "last" adopts the last argument, "all" the items of the first."""
    plain = getattr(raw, name)

    def method(self: Any, *args: Any, **more: Any) -> Any:
        if adopt == "last":
            args = (*args[:-1], self._adopt(args[-1]))
        elif adopt == "all" and args:
            args = ([self._adopt(item) for item in args[0]], *args[1:])
        self._whole(op)
        return plain(self, *args, **more)

    method.__name__ = name
    return method


def _announce(cls: Any, op: str, names: str, adopt: str = "") -> None:
    for name in names.split():
        if hasattr(cls.raw, name):
            setattr(cls, name, _announcing(cls.raw, name, op, adopt))


_READS = "__eq__ __ne__ __lt__ __le__ __gt__ __ge__ __repr__ __reversed__ copy"


class HookedDict(Container, dict[Any, Any]):
    """A dict whose accesses are scheduling points, key by key."""

    raw: ClassVar[Any] = dict

    def fill(self, value: Any) -> None:
        """Take over the content."""
        for key, item in value.items():
            self.raw.__setitem__(self, key, self._adopt(item))

    def __getitem__(self, key: Any) -> Any:
        self._item("r", key)
        return self.raw.__getitem__(self, key)

    def get(self, key: Any, default: Any = None) -> Any:
        """As dict.get."""
        self._item("r", key)
        return dict.get(self, key, default)

    def __contains__(self, key: Any) -> bool:
        self._item("r", key)
        return dict.__contains__(self, key)

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
        fresh = dict(*others, **more)
        self._whole("w")
        for key, value in fresh.items():
            self.raw.__setitem__(self, key, self._adopt(value))

    def keys(self) -> Any:
        """A live view that announces."""
        return KeysView(self)

    def values(self) -> Any:
        """A live view that announces."""
        return ValuesView(self)

    def items(self) -> Any:
        """A live view that announces; one announcement per item."""
        return _Items(self)

    def __or__(self, other: Any) -> Any:
        return dict(self) | dict(other)

    def __ror__(self, other: Any) -> Any:
        return dict(other) | dict(self)

    def __ior__(self, other: Any) -> Any:
        self.update(other)
        return self

    def _bare(self) -> Any:
        return dict(dict.items(self))


class _Items(ItemsView[Any, Any]):
    """Items of a hooked dict: the read of the whole covers the value."""

    def __iter__(self) -> Iterator[tuple[Any, Any]]:
        mapping: Any = self._mapping  # type: ignore[attr-defined]
        for key in mapping:
            yield key, dict.__getitem__(mapping, key)


class HookedDefaultDict(HookedDict, defaultdict[Any, Any]):
    """A defaultdict whose accesses are scheduling points."""

    raw: ClassVar[Any] = defaultdict

    @classmethod
    def around(cls, value: Any, hooks: Any, base: Hashable) -> Any:
        """Keep the factory."""
        made = super().around(value, hooks, base)
        made.default_factory = value.default_factory
        return made

    def __getitem__(self, key: Any) -> Any:
        if not self._settle(key, "r", "w!" if self.default_factory is not None else "r"):
            if self.default_factory is None:
                raise KeyError(key)
            dict.__setitem__(self, key, self._adopt(self.default_factory()))
        return dict.__getitem__(self, key)


class HookedOrderedDict(HookedDict, OrderedDict[Any, Any]):
    """An OrderedDict whose accesses are scheduling points."""

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


class HookedList(Container, list[Any]):
    """A list whose accesses are scheduling points; items by index where that is plain, else the whole."""

    raw: ClassVar[Any] = list

    def fill(self, value: Any) -> None:
        """Take over the content."""
        list.extend(self, [self._adopt(item) for item in value])

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

    def _at(self, op: str, at: Any) -> None:
        if isinstance(at, int) and at >= 0:
            self._item(op, int(at))
        else:
            self._whole(op)

    def __radd__(self, other: Iterable[Any]) -> list[Any]:
        return [*other, *self]


class HookedSet(Container, set[Any]):
    """A set whose accesses are scheduling points, element by element where its structure stays."""

    raw: ClassVar[Any] = set

    def fill(self, value: Any) -> None:
        """Take over the content."""
        set.update(self, value)

    def __contains__(self, item: Any) -> bool:
        self._item("r", item)
        return set.__contains__(self, item)

    def add(self, item: Any) -> None:
        """As set.add."""
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


class HookedDeque(Container, deque[Any]):
    """A deque whose accesses are scheduling points, as a whole."""

    raw: ClassVar[Any] = deque

    @classmethod
    def around(cls, value: Any, hooks: Any, base: Hashable) -> Any:
        """Keep the length limit."""
        made: Any = cls(maxlen=value.maxlen)
        made._hooks = hooks
        made._base = base
        return made

    def fill(self, value: Any) -> None:
        """Take over the content."""
        deque.extend(self, [self._adopt(item) for item in value])

    def _bare(self) -> Any:
        return deque(deque.__iter__(self), self.maxlen)


def _reading_operands(cls: Any, names: str, op: str) -> None:
    """Set algebra: read hooked operands through their own points first, then announce."""
    for name in names.split():
        plain = getattr(cls.raw, name)

        def method(self: Any, *others: Any, _plain: Any = plain) -> Any:
            bare = [set(other) if isinstance(other, HookedSet) else other for other in others]
            self._whole(op)
            result = _plain(self, *bare)
            return set(set.__iter__(result)) if isinstance(result, HookedSet) and op == "r" else result

        setattr(cls, name, method)


_announce(HookedDict, "r", _READS)
_announce(HookedDict, "w", "clear popitem")
_announce(HookedDefaultDict, "r", "copy")
_announce(HookedOrderedDict, "r", "__eq__ __ne__ __reversed__ copy __repr__")
_announce(HookedOrderedDict, "w", "clear move_to_end")
_announce(HookedList, "r", f"{_READS} __contains__ __add__ __mul__ __rmul__ index count")
_announce(HookedList, "w", "__delitem__ clear pop remove reverse sort __imul__")
_announce(HookedList, "w", "append insert", adopt="last")
_announce(HookedList, "w", "extend __iadd__", adopt="all")
_announce(HookedSet, "r", "__repr__")
_announce(HookedSet, "w", "clear pop")
_reading_operands(
    HookedSet,
    "__and__ __or__ __sub__ __xor__ __rand__ __ror__ __rsub__ __rxor__ __eq__ __ne__ __lt__ __le__ __gt__ __ge__ union"
    " intersection difference symmetric_difference issubset issuperset isdisjoint copy",
    "r",
)
_reading_operands(
    HookedSet,
    "update intersection_update difference_update symmetric_difference_update __ior__ __iand__ __isub__ __ixor__",
    "w",
)
_announce(HookedDeque, "r", f"{_READS} __contains__ __getitem__ __add__ __mul__ __rmul__ index count __copy__")
_announce(HookedDeque, "w", "__delitem__ clear pop popleft remove reverse rotate __imul__")
_announce(HookedDeque, "w", "append appendleft insert __setitem__", adopt="last")
_announce(HookedDeque, "w", "extend extendleft __iadd__", adopt="all")

WRAPPED: dict[type, Any] = {
    dict: HookedDict, defaultdict: HookedDefaultDict, OrderedDict: HookedOrderedDict,
    list: HookedList, set: HookedSet, deque: HookedDeque,
}  # fmt: skip
"""Plain type -> hooked type. Exact types only: a subclass somebody wrote keeps its own behaviour."""
