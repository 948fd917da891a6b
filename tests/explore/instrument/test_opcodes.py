"""Opcode tracing: every use has its point, in every version of Python, however it is spelt in bytecode."""

from __future__ import annotations

import sys
import threading
from collections.abc import Callable, Hashable
from typing import Any

import pytest

from movable.explore import ExploreError, Scene, explore
from movable.explore.engine import Scheduler
from movable.explore.instrument.monitoring import Monitor
from movable.explore.instrument.opcodes import Opcodes
from tests.explore.instrument.test_hooks import Tape

NUMBER = 0


def wide(names: int) -> Callable[[], None]:
    """A function with so many names that its later instructions have prefixes."""
    reads = "".join(f"    x = N{number}\n" for number in range(names))
    scope: dict[str, Any] = {f"N{number}": number for number in range(names)} | {"LAST": 0}
    exec(compile(f"def wide():\n    global LAST\n{reads}    LAST = LAST + 1\n", __file__, "exec"), scope)
    function: Callable[[], None] = scope["wide"]
    return function


@pytest.mark.parametrize("names", [3, 100, 140, 300])
def test_every_use_of_a_global_has_one_point_in_a_function_with_many_names(names: int) -> None:
    tape = Tape()
    traced = Opcodes(tape, __file__)
    points = tape.during(lambda: traced.wrap(wide(names))())
    assert len([key for _, key in points if key.startswith("wide:")]) == names + 2


@pytest.mark.parametrize(
    "line", ["x = [0][i]", "x = [0][i:j]", "x = y = [0]; y[i] = 1", "x = [0]; del x[i]", "x = i in [0]", "x = i.real"]
)
def test_whatever_looks_into_an_object_has_a_point(line: str) -> None:
    scope: dict[str, Any] = {}
    exec(compile(f"def looks(i, j):\n    {line}\n", __file__, "exec"), scope)
    points = tape_of(lambda: scope["looks"](0, 1))
    assert len([key for _, key in points if key.startswith("looks:")]) == 1


def tape_of(function: Callable[[], None]) -> list[tuple[str, Any]]:
    tape = Tape()
    return tape.during(lambda: Opcodes(tape, __file__).wrap(function)())


def lose_an_update(scheduler: Scheduler) -> Scene:
    function = wide(140)
    function.__globals__["LAST"] = 0
    traced = Opcodes(scheduler, __file__, codes=[function.__code__])

    def check() -> None:
        assert function.__globals__["LAST"] == 2

    return Scene([("a", traced.wrap(function)), ("b", traced.wrap(function))], check)


def test_an_update_that_is_lost_behind_many_names_is_found() -> None:
    found = explore(lose_an_update, strategy="urw", executions=300)
    assert found.failure is not None and "assert 1 == 2" in found.failure.message


def test_after_the_last_task_nothing_is_traced() -> None:
    tape = Tape()
    before = sys.gettrace()
    function = wide(3)
    tape.during(lambda: Opcodes(tape, __file__).wrap(function)())
    assert sys.gettrace() is before
    assert not tape.during(function)


def test_other_threads_have_no_points() -> None:
    tape = Tape()
    function = wide(3)

    def elsewhere() -> None:
        thread = threading.Thread(target=function)
        thread.start()
        thread.join()

    points = tape.during(lambda: Opcodes(tape, __file__, codes=[function.__code__]).wrap(elsewhere)())
    assert not [key for _, key in points if key.startswith("wide:")]


def test_a_task_that_raises_at_a_point_raises_out_of_the_function() -> None:
    class Ends(Exception):
        pass

    class Raising(Tape):
        def point(self, op: str, key: Hashable) -> None:
            raise Ends

    function = wide(3)
    with pytest.raises(Ends):
        Opcodes(Raising(), __file__, codes=[function.__code__]).wrap(function)()
    function()


@pytest.mark.skipif(sys.version_info < (3, 12), reason="sys.monitoring is of Python 3.12 and later")
def test_with_no_number_free_for_a_tool_nothing_is_claimed() -> None:
    monitoring = vars(sys)["monitoring"]
    taken = [tool for tool in range(6) if monitoring.get_tool(tool) not in (None, "movable")]
    mine = [tool for tool in (2, 3, 4, 5) if tool not in taken]
    for tool in mine:
        if monitoring.get_tool(tool) == "movable":
            monitoring.free_tool_id(tool)
        monitoring.use_tool_id(tool, "somebody else")
    try:
        with pytest.raises(ExploreError, match="in use"):
            Monitor(Opcodes.__new__(Opcodes))
    finally:
        for tool in mine:
            monitoring.free_tool_id(tool)
