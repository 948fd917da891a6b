"""Hooks: plain objects become scheduling points, and behave as before otherwise."""

import threading
from collections.abc import Callable, Hashable
from dataclasses import dataclass, field
from typing import Any

import pytest

from movable.explore import ExploreError, Options, Scene, explore
from movable.explore.engine import Scheduler
from movable.explore.failure import CHECK, RACE
from movable.explore.instrument.hooks import Hooks
from movable.explore.instrument.opcodes import Opcodes

QUIET = Options(races=False)


class Ordinary:
    def __init__(self) -> None:
        self.count = 0
        self.table: dict[str, Any] = {}

    def bump(self) -> None:
        self.count += 1


class Slotted:
    __slots__ = ("count", "table")

    def __init__(self) -> None:
        self.count = 0
        self.table: dict[str, Any] = {}

    def bump(self) -> None:
        self.count += 1


@dataclass
class Data:
    count: int = 0
    table: dict[str, Any] = field(default_factory=dict)

    def bump(self) -> None:
        self.count += 1


@dataclass(slots=True)
class SlottedData:
    count: int = 0
    table: dict[str, Any] = field(default_factory=dict)

    def bump(self) -> None:
        self.count += 1


KINDS = (Ordinary, Slotted, Data, SlottedData)


class Tape:
    """A scheduler that writes the points down."""

    def __init__(self) -> None:
        self.current = "main"
        self.points: list[tuple[str, str]] = []

    def point(self, op: str, key: Hashable) -> None:
        self.points.append((op, str(key)))

    def during(self, fn: Callable[[], object]) -> list[tuple[str, str]]:
        self.points.clear()
        fn()
        return list(self.points)


def taped(obj: Any, **more: Any) -> tuple[Any, Tape]:
    tape = Tape()
    Hooks(tape, **more).watch(obj, "d")
    tape.points.clear()
    return obj, tape


@pytest.mark.parametrize("kind", KINDS)
def test_an_increment_is_a_read_and_a_write(kind: Any) -> None:
    obj, tape = taped(kind())
    assert tape.during(obj.bump) == [("r", "d.count"), ("w", "d.count")]
    assert obj.count == 1


@pytest.mark.parametrize("kind", KINDS)
def test_two_increments_lose_one(kind: Any) -> None:
    def build(scheduler: Scheduler) -> Scene:
        obj = Hooks(scheduler).watch(kind(), "d")

        def check() -> None:
            assert obj.count == 2

        return Scene([("a", obj.bump), ("b", obj.bump)], check)

    found = explore(build, options=QUIET)
    assert found.failure is not None
    assert found.failure.kind == CHECK
    assert found.failure.preemptions == 1
    assert found.executions <= 4
    raced = explore(build)
    assert raced.failure is not None
    assert raced.failure.kind == RACE
    assert "d.count" in raced.failure.message
    assert raced.failure.message.count("test_hooks.py") == 2


def test_delete_is_a_write_and_missing_attributes_stay_missing() -> None:
    obj, tape = taped(Ordinary())
    assert tape.during(lambda: delattr(obj, "count")) == [("w", "d.count")]
    assert not hasattr(obj, "count")


def test_hooked_objects_look_like_before() -> None:
    one, _ = taped(Data())
    assert one == Data()
    assert isinstance(one, Data)
    assert one.__class__ is Data
    assert repr(one) == "Data(count=0, table={})"
    assert type(one).__name__ == "Data"


def test_methods_functions_locks_and_fixed_types_give_no_points() -> None:
    class Fixed:
        pass

    class Owner:
        limit = 3

        def __init__(self) -> None:
            self.call = len
            self.lock = threading.Lock()
            self.fixed = Fixed()

        @property
        def double(self) -> int:
            return 2 * self.limit

        def method(self) -> None:
            pass

    obj, tape = taped(Owner(), fixed=(Fixed,))
    assert tape.during(lambda: (obj.call, obj.lock, obj.method, obj.fixed)) == []
    assert tape.during(lambda: obj.double) == [("r", "d.limit")]


def test_foreign_objects_are_left_alone_but_the_reference_is_a_location() -> None:
    obj, tape = taped(Ordinary(), foreign=(Data,))
    data = Data()
    obj.mine = data
    assert type(data) is Data
    assert tape.during(lambda: obj.mine) == [("r", "d.mine")]


class Box:
    def __init__(self) -> None:
        self.values: Any = None


def test_nested_and_later_containers_and_objects_are_hooked() -> None:
    obj, tape = taped(Ordinary())
    obj.table["rows"] = [{"x": 1}]
    row = obj.table["rows"][0]
    assert tape.during(lambda: row["x"])[0][0] == "r"
    obj.table["other"] = Data()
    assert [op for op, _ in tape.during(obj.table["other"].bump)] == ["r", "w"]
    assert tape.during(lambda: setattr(obj, "table", {})) == [("w", "d.table")]
    assert tape.during(lambda: obj.table.get(1)) == [("r", "d.table"), ("r", "d.table#2[1]")]


def test_aliases_stay_aliases() -> None:
    obj = Box()
    obj.values = shared = [1]
    obj.again = shared  # type: ignore[attr-defined]
    hooked, _ = taped(obj)
    hooked.values.append(2)
    assert hooked.again == [1, 2]


def test_release_gives_the_class_back() -> None:
    hooks = Hooks(Tape())
    box = hooks.watch(Box(), "d")
    assert type(box) is not Box
    hooks.release()
    assert type(box) is Box


def test_what_cannot_be_hooked_says_so() -> None:
    with pytest.raises(ExploreError, match="declare the class foreign"):
        Hooks(Tape()).watch(object(), "d")


def test_names_do_not_depend_on_the_schedule() -> None:
    def build(scheduler: Scheduler) -> Scene:
        box = Hooks(scheduler).watch(Box(), "d")
        box.values = {}

        def add(name: str) -> Callable[[], None]:
            def body() -> None:
                box.values[name] = [name]
                box.values[name].append(1)

            return body

        return Scene([("a", add("a")), ("b", add("b"))])

    from movable.explore.schedulers.dpor import Dpor
    from tests.explore.harness import reach

    lanes = {lane for trace in reach(build, Dpor()).traces for lane in trace}
    keys = {str(key) for _, steps in lanes for _, key, _ in steps}
    assert {key for key in keys if "@" in key} == {"d.values[]@a.1[]", "d.values[]@b.1[]"}


GLOBAL = 0


def _bump_global() -> None:
    global GLOBAL
    GLOBAL += 1


def test_opcodes_reach_globals_and_closures() -> None:
    def build(scheduler: Scheduler) -> Scene:
        global GLOBAL
        GLOBAL = 0
        cell = 0

        def bump() -> None:
            nonlocal cell
            cell += 1

        def both() -> None:
            bump()
            _bump_global()

        traced = Opcodes(scheduler, _bump_global)

        def check() -> None:
            assert (cell, GLOBAL) in ((2, 1), (1, 2), (1, 1)) or (cell, GLOBAL) == (2, 2)
            assert GLOBAL == 2, "global"
            assert cell == 2, "cell"

        return Scene([("a", traced.wrap(both)), ("b", traced.wrap(both))], check)

    messages = set()
    for seed in range(6):
        found = explore(build, strategy="urw", seed=seed, executions=200, shrink=False)
        assert found.failure is not None
        messages.add(found.failure.message.splitlines()[0])
    assert messages == {"AssertionError: global", "AssertionError: cell"}
    shrunk = explore(build, strategy="urw", executions=200).failure
    assert shrunk is not None
    assert shrunk.preemptions == 1


def test_opcodes_do_not_trace_other_files() -> None:
    tape = Tape()
    traced = Opcodes(tape, _bump_global)
    points = tape.during(lambda: traced.wrap(lambda: Data().count)())
    assert all("<lambda>" in key or "__init__" in key for _, key in points)
    with pytest.raises(ValueError, match="no source file"):
        Opcodes(tape, 3)
