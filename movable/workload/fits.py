"""Whether an action that a token asks for is one that a workload can do: the schema of everything that comes from outside."""

from __future__ import annotations

import inspect
import types
import typing
from collections.abc import Callable, Collection
from typing import TYPE_CHECKING, Any

from movable.errors import UsageError
from movable.shown import literal, shown
from movable.workload.action import ACTIONS, ALONE, NUMBER, SHORT, TARGETS, TOGETHER, Action, Range
from movable.workload.workload import Handle, Operation

if TYPE_CHECKING:
    from movable.workload.workload import Workload

IN_TASKS: dict[Range, Range] = {TARGETS: TARGETS[:1], SHORT: SHORT[:1]}
"""What is left of arguments where several tasks act: nobody takes their targets away."""


def check_sequence(steps: Collection[Action], workload: type[Workload]) -> None:
    """Raises UsageError for the first step of a program that this workload cannot do."""
    for number, step in enumerate(steps, 1):
        why = _misfit(step, workload, alone=True)
        if not why and step[0] == "variant" and step[1] >= len(workload.variants):
            why = f"there are {len(workload.variants)} variants"
        if why:
            raise UsageError(_another(f"step {number}", step, why, workload))


def check_tasks(actions: Collection[Action], workload: type[Workload]) -> None:
    """The same for actions of scenarios, in which an author may call any method of the workload with any plain value."""
    own = [action for one in workload.scenarios for task in (*one.tasks, one.prefix) for action in task]
    for number, action in enumerate(actions, 1):
        why = "" if action in own else _misfit(action, workload, alone=False)
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


def _misfit(step: Any, workload: type[Workload], alone: bool) -> str:
    """Why an action cannot be, or ""."""
    if not isinstance(step, tuple) or not step or not isinstance(step[0], str):
        return "it is no name with arguments"
    name, *rest = step
    if name == "op":
        return _operation_misfit(rest, workload, alone)
    kind = ACTIONS.get(name)
    if kind is None:
        return "there is no such step"
    if kind.where == (TOGETHER if alone else ALONE):
        return f"it is part of {kind.where} only"
    ranges = kind.arguments if alone else tuple(IN_TASKS.get(one, one) for one in kind.arguments)
    if not len(ranges) - kind.optional <= len(rest) <= len(ranges):
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
