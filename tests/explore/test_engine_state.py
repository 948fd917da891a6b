"""What counts as a driver's state: whatever Python offers to keep a number in."""

import copy
import functools
import heapq
import pickle
from array import array
from collections import Counter, UserDict, deque, namedtuple
from collections.abc import Callable
from dataclasses import dataclass
from enum import Enum
from heapq import heappush
from itertools import count
from types import SimpleNamespace
from typing import Any, ClassVar, Generic, TypeVar

import pytest

from movable.explore import Options, Scene, explore
from movable.explore.engine import Scheduler
from movable.explore.instrument.hooks import Hooks
from tests.explore.instrument.test_hooks import Box, Tape, taped

T = TypeVar("T")
Named = namedtuple("Named", "item")


class Number:
    def __init__(self) -> None:
        self.n = 0


class MyDict(dict[Any, Any]):
    pass


class MyList(list[Any], Generic[T]):
    pass


class MyDeque(deque[Any]):
    pass


class MyBytes(bytearray):
    pass


class Own(dict[Any, Any]):
    """Has its own ways, and attributes."""

    def __init__(self) -> None:
        super().__init__(x=0)
        self.reads = 0

    def __getitem__(self, key: Any) -> Any:
        return super().__getitem__(key)

    def bump(self) -> None:
        self["x"] += 1


@dataclass(frozen=True)
class Frozen:
    items: list[int]


@dataclass(frozen=True, slots=True)
class FrozenSlots:
    item: Number


class Kept:
    def __set_name__(self, owner: type, name: str) -> None:
        self.values: dict[int, int] = {}

    def __get__(self, obj: Any, owner: Any = None) -> Any:
        return self.values.get(id(obj), 0)

    def __set__(self, obj: Any, value: int) -> None:
        self.values[id(obj)] = value


class InDict:
    """A descriptor that keeps its value where it was told to."""

    def __get__(self, obj: Any, owner: Any = None) -> Any:
        return obj.__dict__["hidden"]

    def __set__(self, obj: Any, value: int) -> None:
        obj.__dict__["hidden"] = value


class Holder:
    shared: ClassVar[dict[str, int]] = {"x": 0}
    described = Kept()
    inside = InDict()

    def __init__(self) -> None:
        self.n = 0
        self.inside = 0
        self.described = 0
        self.shared["x"] = 0


def bump_item(key: Any) -> Callable[[Any], None]:
    def bump(value: Any) -> None:
        value[key] += 1

    return bump


def bump_attr(name: str) -> Callable[[Any], None]:
    return lambda value: setattr(value, name, getattr(value, name) + 1)


def bump_vars(value: Any) -> None:
    vars(value)["n"] += 1


class Twice:
    """Two ways to one number."""

    def __init__(self) -> None:
        self.value = SimpleNamespace(n=[0])
        self.again = self.value.n


STATE: dict[str, tuple[Callable[[], Any], Callable[[Any], Any], Callable[[Any], int]]] = {
    "Counter": (lambda: Counter(x=0), bump_item("x"), lambda v: v["x"]),
    "bytearray": (lambda: bytearray(2), bump_item(0), lambda v: v[0]),
    "array": (lambda: array("i", [0]), bump_item(0), lambda v: v[0]),
    "SimpleNamespace": (lambda: SimpleNamespace(n=0), bump_attr("n"), lambda v: v.n),
    "dict subclass": (lambda: MyDict(x=0), bump_item("x"), lambda v: v["x"]),
    "list subclass": (lambda: MyList([0]), bump_item(0), lambda v: v[0]),
    "deque subclass": (lambda: MyDeque([0]), bump_item(0), lambda v: v[0]),
    "bytearray subclass": (lambda: MyBytes(1), bump_item(0), lambda v: v[0]),
    "dict with its own ways": (Own, lambda v: v.bump(), lambda v: v["x"]),
    "attribute of a dict": (Own, bump_attr("reads"), lambda v: v.reads),
    "UserDict": (lambda: SimpleNamespace(data=UserDict(x=0).data), lambda v: bump_item("x")(v.data), lambda v: v.data["x"]),
    "list in a namedtuple": (lambda: Named([0]), lambda v: bump_item(0)(v.item), lambda v: v.item[0]),
    "object in a namedtuple": (lambda: Named(Number()), lambda v: bump_attr("n")(v.item), lambda v: v.item.n),
    "list in a frozen dataclass": (lambda: Frozen([0]), lambda v: bump_item(0)(v.items), lambda v: v.items[0]),
    "object in a frozen dataclass": (lambda: FrozenSlots(Number()), lambda v: bump_attr("n")(v.item), lambda v: v.item.n),
    "vars": (Number, bump_vars, lambda v: v.n),
    "class-level dict": (Holder, lambda v: bump_item("x")(v.shared), lambda v: v.shared["x"]),
    "class-level dict by the class": (Holder, lambda v: bump_item("x")(Holder.shared), lambda v: v.shared["x"]),
    "descriptor with a dict of addresses": (Holder, bump_attr("described"), lambda v: v.described),
    "descriptor in __dict__": (Holder, bump_attr("inside"), lambda v: v.inside),
    "object in a set": (lambda: {Number()}, lambda v: [bump_attr("n")(x) for x in v], lambda v: sum(x.n for x in v)),
    "partial": (
        lambda: (lambda n: Named((n, functools.partial(bump_item(0), n))))([0]), lambda v: v.item[1](), lambda v: v.item[0][0],
    ),
}  # fmt: skip


def lost(make: Callable[[], Any], bump: Callable[[Any], Any], look: Callable[[Any], int], **more: Any) -> bool:
    """Whether an increment by two tasks is found to lose one."""

    def build(scheduler: Scheduler) -> Scene:
        box = Box()
        box.values = make()
        Hooks(scheduler, follow=lambda cls: cls.__module__ == __name__, **more).watch(box, "d")

        def check() -> None:
            assert look(box.values) == 2

        return Scene([(name, lambda: bump(box.values)) for name in "ab"], check)

    return explore(build, options=Options(races=False)).failure is not None


@pytest.mark.parametrize("name", STATE)
def test_an_increment_of_any_state_can_be_lost(name: str) -> None:
    assert lost(*STATE[name])


def test_heaps_are_changed_under_a_point() -> None:
    for push in (heappush, lambda heap, item: heapq.heappush(heap, item)):
        box, tape = taped(Box())
        box.values = heap = [3, 5]
        taped_push: Any = globals()["heappush"] if push is heappush else push
        assert tape.during(lambda: taped_push(heap, 1)) == [("w", "d.values[]")]  # noqa: B023
        assert heap == [1, 5, 3]
    plain = [2]
    heapq.heappush(plain, 1)
    assert plain == [1, 2]


def test_vars_speak_of_attributes() -> None:
    obj, tape = taped(Number())
    assert tape.during(lambda: vars(obj)["n"]) == [("r", "d.n")]
    assert tape.during(lambda: vars(obj).update(n=1, m=[1])) == [("w", "d.n"), ("w", "d.m")]
    assert tape.during(lambda: obj.m[0]) == [("r", "d.m"), ("r", "d.m[0]")]
    assert tape.during(lambda: dict(vars(obj).items())) == [("r", "d.n"), ("r", "d.m")]
    assert tape.during(lambda: vars(obj).pop("m")) == [("w", "d.m")]
    assert isinstance(vars(obj), dict)
    assert vars(obj) == {"n": 1}
    assert "n" in dir(obj)
    assert tape.during(lambda: setattr(obj, "__dict__", {"n": [4]})) == [("w", "d.n"), ("w", "d.n")]
    assert tape.during(lambda: obj.n[0]) == [("r", "d.n"), ("r", "d.n[0]")]


def test_a_copy_of_an_object_reads_all_of_it() -> None:
    obj, tape = taped(Own())
    assert {("r", "d.reads"), ("r", "d[]")} <= set(tape.during(lambda: copy.copy(obj)))
    for made in (copy.copy(obj), copy.deepcopy(obj), pickle.loads(pickle.dumps(obj))):
        assert type(made) is Own
        assert made == {"x": 0}
        assert made.reads == 0


def test_a_cached_property_is_made_twice() -> None:
    class Lazy:
        def __init__(self) -> None:
            self.made = 0

        @functools.cached_property
        def buffer(self) -> list[int]:
            self.made += 1
            return [self.made]

    def build(scheduler: Scheduler) -> Scene:
        lazy = Hooks(scheduler).watch(Lazy(), "d")

        def check() -> None:
            assert lazy.made == 1

        return Scene([("a", lambda: lazy.buffer), ("b", lambda: lazy.buffer)], check)

    assert explore(build, options=Options(races=False)).failure is not None


def test_writes_to_the_class_reach_the_class_and_are_told() -> None:
    class Counted:
        made = 0
        lost = 0

        def more(self) -> None:
            type(self).made += 1

    tape = Tape()
    hooks = Hooks(tape)
    obj = hooks.watch(Counted(), "d")
    assert tape.during(obj.more) == [("w", "class Counted.made")]
    assert (Counted.made, obj.made) == (1, 1)
    Counted.lost += 1
    hooks.check()
    assert ("class Counted.lost", "attribute of a class") in hooks.unwatched_kinds


class Colour(Enum):
    RED = 1


def test_what_cannot_be_watched_is_listed() -> None:
    class Odd:
        def __init__(self) -> None:
            n = 0
            hidden = [0]
            shown = [0]

            def more() -> None:
                nonlocal n
                n += 1
                hidden.append(n)
                shown.append(n)

            self.more = more
            self.shown = shown
            self.ids = count()
            self.view = memoryview(bytearray(2))
            self.rest = (1, "a", b"b", 1.5, None, Colour.RED, range(3), len, int, frozenset({1}), object(), {"x": [1]})

    hooks = Hooks(Tape())
    odd = hooks.watch(Odd(), "d")
    odd.more()
    hooks.check()
    listed = {
        ("d.ids", "itertools.count"),
        ("d.view", "memoryview"),
        ("d.more.n", "variable of a closure"),
        ("d.more.hidden", "list"),
    }
    assert set(hooks.unwatched_kinds) == listed


@pytest.mark.parametrize("closures", [False, True])
def test_closures_are_followed_on_demand(closures: bool) -> None:
    def make() -> Any:
        hidden = [0]

        def bump() -> int:
            hidden[0] += 1
            return hidden[0]

        return SimpleNamespace(bump=bump, look=lambda: hidden[0])

    assert lost(make, lambda v: v.bump(), lambda v: int(v.look()), closures=closures) == closures


def test_authors_do_not_hear_of_hooking_subclasses() -> None:
    heard: list[type] = []

    class Final(type):
        def __new__(cls, name: str, bases: tuple[type, ...], body: dict[str, Any]) -> Any:
            assert not any(isinstance(base, Final) for base in bases), "final"
            return super().__new__(cls, name, bases, body)

    class Registered:
        def __init_subclass__(cls, *, wanted: int) -> None:
            heard.append(cls)

    class Plug(Registered, wanted=1):
        n = 0

    class Last(metaclass=Final):
        n = 0

    class Table(Plug, dict[Any, Any], wanted=2):
        pass

    for obj in (Plug(), Last(), Table()):
        watched, tape = taped(obj)
        assert tape.during(lambda watched=watched: bump_attr("n")(watched)) == [("r", "d.n"), ("w", "d.n")]  # type: ignore[misc]
        assert isinstance(type(watched), type(watched.__class__))
    assert heard == [Plug, Table]


def test_views_of_a_hooked_dict() -> None:
    box, _ = taped(Box())
    box.values = table = {1: 2, 3: 4}
    assert table.keys() & {1} == {1}
    assert (1, 2) in table.items()
    assert list(table.values()) == [2, 4]


def test_keys_that_are_equal_have_no_two_names() -> None:
    class Key:
        def __init__(self, n: int) -> None:
            self.n = n

        def __eq__(self, other: object) -> bool:
            return isinstance(other, Key) and self.n == other.n

        def __hash__(self) -> int:
            return hash(self.n)

    named = Hooks(Tape(), label=lambda key: f"key at {id(key)}")
    assert named.sub(Key(1)) is None
    assert named.sub(object()) is not None
