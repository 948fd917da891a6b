"""What steps and actions may hold: the schema of everything that a token can ask for.

A *step* belongs to a program of one machine (program.py), an *action* to a task of a scenario (scenario.py). Both are tuples of a
name and arguments; ``op`` is an operation of the workload, whose arguments are those that its strategies draw.
"""

from __future__ import annotations

import inspect
import types
import typing
from collections.abc import Callable, Collection
from typing import TYPE_CHECKING, Any

from movable.errors import UsageError
from movable.shown import literal, shown
from movable.workload.workload import Handle, Operation

if TYPE_CHECKING:
    from movable.workload.workload import Workload

Action = tuple[Any, ...]
Range = range | tuple[str, ...]

TARGETS = ("any", "zone", "node", "none", "locked")
"""Where a migration target comes from: anywhere, another zone, another node, nowhere, or a page that somebody has locked."""
MODES = (0, 1, 2, 3, 7)
"""Every migrate mode, and one that no kernel has."""
FAULTS = ("alloc", "reenter", "oom", "hostile", "locked", "delay")
"""An allocation that fails, one that enters compaction, one that ends in the out-of-memory notifiers, a hostile outside world, a
page lock held by somebody else, and a third party's plug-in that delays every callback (from the start of the program)."""

NUMBER = range(1 << 16)
"""A page or a handle is named by number: the n-th that there is, counted around."""
MODE = range(256)
FRAME = range(1 << 20)
SHORT = range(3)

STEPS: dict[str, tuple[Range, ...]] = {
    "isolate": (NUMBER, MODE), "migrate": (MODE, TARGETS), "putback": (), "move": (NUMBER, MODE, TARGETS), "compact": (),
    "contig": (NUMBER, SHORT), "offline": (NUMBER, SHORT), "fragment": (range(65),), "fault": (FAULTS, range(1, 17)),
    "work": (range(17),), "variant": (range(1 << 10),), "leave": (range(17),), "strange": (range(17),),
    "taken": (),
}  # fmt: skip
"""Steps of a program, and what their arguments may be."""
ACTIONS: dict[str, tuple[Range, ...]] = {
    "migrate": (NUMBER, MODE), "migrate_frame": (FRAME, MODE), "put_back": (NUMBER,), "put_back_frame": (FRAME,),
    "isolate": (NUMBER,), "isolate_all": (), "finish": (MODE,), "give_back": (), "compact": (), "contig": (NUMBER,),
    "offline": (NUMBER,), "teardown": (),
}  # fmt: skip
"""Actions of a scenario's tasks."""
OPTIONAL = {"contig": 1, "offline": 1, "work": 1, "migrate": 0, "migrate_frame": 1, "finish": 1}
"""How many arguments at the end may be left out; of ``migrate`` only in scenarios."""


def check_steps(steps: Collection[Action], workload: type[Workload]) -> None:
    """Raises UsageError for the first step of a program that this workload cannot do."""
    for number, step in enumerate(steps, 1):
        why = _misfit(step, STEPS, OPTIONAL, workload, strict=True)
        if not why and step[0] == "variant" and step[1] >= len(workload.variants):
            why = f"there are {len(workload.variants)} variants"
        if why:
            raise UsageError(_another(f"step {number}", step, why, workload))


def check_actions(actions: Collection[Action], workload: type[Workload]) -> None:
    """The same for actions of scenarios, in which an author may call any method of the workload with any plain value."""
    own = [action for one in workload.scenarios for task in (*one.tasks, one.prefix) for action in task]
    for number, action in enumerate(actions, 1):
        why = "" if action in own else _misfit(action, ACTIONS, OPTIONAL | {"migrate": 1}, workload, strict=False)
        if why:
            raise UsageError(_another(f"action {number}", action, why, workload))


def _another(which: str, step: Any, why: str, workload: type[Workload]) -> str:
    parts = list(step) if isinstance(step, tuple) else [step]
    name = literal(parts[1] if parts[:1] == ["op"] and len(parts) > 1 else parts[0] if parts else (), 60)
    known = ", ".join(workload.operations()) or "no operations"
    return (
        f"{which} of the token, {name}, is none that {workload.__name__} can do ({shown(known)}): {why}; "
        "is it the token of another driver, or of an older version?"
    )


def _misfit(
    step: Any, schema: dict[str, tuple[Range, ...]], optional: dict[str, int], workload: type[Workload], strict: bool
) -> str:
    """Why a step cannot be, or ""."""
    if not isinstance(step, tuple) or not step or not isinstance(step[0], str):
        return "it is no name with arguments"
    name, *rest = step
    if name == "op":
        return _operation_misfit(rest, workload, strict)
    if name not in schema:
        return "there is no such step"
    ranges = schema[name]
    if not len(ranges) - optional.get(name, 0) <= len(rest) <= len(ranges):
        return f"it takes {len(ranges)} arguments"
    for value, allowed in zip(rest, ranges, strict=False):
        if type(value) is not (int if isinstance(allowed, range) else str) or value not in allowed:
            words = f"{allowed[0]} to {allowed[-1]}" if isinstance(allowed, range) else ", ".join(allowed)
            return f"{literal(value, 40)} is out of range, which is {words}"
    return ""


def _operation_misfit(rest: list[Any], workload: type[Workload], strict: bool) -> str:
    if len(rest) != 2 or not isinstance(rest[0], str) or not isinstance(rest[1], dict):
        return "an operation has a name and arguments"
    name, drawn = rest
    operation = workload.operations().get(name)
    if operation is None:
        return "there is no such operation" if strict else _call_misfit(name, drawn, workload)
    if drawn.keys() != operation.arguments.keys():
        return f"{name} takes {', '.join(operation.arguments) or 'no arguments'}"
    for argument, value in drawn.items():
        why = _value_misfit(operation, argument, value)
        if why:
            return f"{argument}={literal(value, 40)} of {name} {why}"
    return ""


def _call_misfit(name: str, arguments: dict[Any, Any], workload: type[Workload]) -> str:
    """A method that is no operation: one that the author's scenarios may call by its name."""
    method = inspect.getattr_static(workload, name, None) if not name.startswith("_") else None
    if not inspect.isfunction(method):
        return "there is no such operation"
    try:
        inspect.signature(method).bind(None, **arguments)
    except TypeError as error:
        return f"{name}: {shown(error, 80)}"
    return ""


# --- the arguments of an operation ---


def _value_misfit(operation: Operation, argument: str, value: Any) -> str:
    strategy: Any = operation.arguments[argument]
    if isinstance(strategy, Handle):
        return "" if type(value) is int and value in NUMBER else "is no number of a handle"
    kinds = _annotated(operation.function, argument)
    if kinds and not isinstance(value, kinds) and not _draws_others(strategy, kinds):
        return f"is no {' or '.join(kind.__name__ for kind in kinds)}"
    return _out_of_bounds(getattr(strategy, "wrapped_strategy", strategy), value)


def _annotated(function: Callable[..., Any], argument: str) -> tuple[type, ...]:
    """The classes that an argument may have, as far as its annotation says so in plain classes; () where it does not."""
    try:
        hint = typing.get_type_hints(function).get(argument)
    except Exception:  # names that are known to type checkers only, or no types at all
        return ()
    parts = typing.get_args(hint) if isinstance(hint, types.UnionType) or typing.get_origin(hint) is typing.Union else (hint,)
    kinds = tuple(typing.get_origin(part) or part for part in parts)
    if not all(isinstance(kind, type) and not getattr(kind, "_is_protocol", False) for kind in kinds) or object in kinds:
        return ()
    return (*kinds, int) if float in kinds else kinds


def _draws_others(strategy: Any, kinds: tuple[type, ...]) -> bool:
    """Whether a strategy draws what its argument's annotation does not allow, so that the annotation says nothing."""
    from movable.workload.values import Values

    values = Values(0)
    return not all(isinstance(values.draw(strategy), kinds) for _ in range(20))


def _out_of_bounds(strategy: Any, value: Any) -> str:
    """Whether a strategy says that it never draws such a value: bounds of whole numbers, sizes, samples."""
    low, high = getattr(strategy, "start", None), getattr(strategy, "end", None)
    if type(value) is int and ((type(low) is int and value < low) or (type(high) is int and value > high)):
        return f"is out of the range of its strategy, {literal(strategy, 60)}"
    least, most = getattr(strategy, "min_size", None), getattr(strategy, "max_size", None)
    sized = hasattr(value, "__len__")
    if sized and ((type(least) is int and len(value) < least) or (isinstance(most, int) and len(value) > most)):
        return f"is out of the sizes of its strategy, {literal(strategy, 60)}"
    samples = getattr(strategy, "elements", None)
    if isinstance(samples, tuple | list) and not getattr(strategy, "_transformations", ()) and value not in samples:
        return f"is none of {literal(strategy, 60)}"
    return ""
