"""Makes the arguments of a failing program's operations simple, so that a reader sees which of them matter.

Only values that the workload's own strategies draw are tried: whatever an author excludes stays out.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from movable.workload.program import Program
from movable.workload.values import Values
from movable.workload.workload import Handle, Operation, Workload

MAX_DRAWS = 40
"""Values of one strategy among which simple ones are looked for."""


def simplified(program: Program, workload: type[Workload], fails: Callable[[Program], bool]) -> Program:
    """The same steps with arguments as simple as was found with which it still fails."""
    operations = workload.operations()
    simple: dict[tuple[str, str], list[Any]] = {}
    for at, (name, *rest) in enumerate(program):
        operation = operations.get(rest[0]) if name == "op" else None
        for argument in rest[1] if operation is not None else ():
            key = (rest[0], argument)
            if key not in simple:
                simple[key] = _by_simplicity(operation, argument)
            program = _simpler_at(program, at, argument, simple[key], fails)
    return program


def _simpler_at(
    program: Program, at: int, argument: str, candidates: list[Any], fails: Callable[[Program], bool]
) -> Program:
    """By bisection, as if whatever is not simple enough to pass by were enough to fail."""
    name, operation, drawn = program[at]
    low, high = 0, sum(_order(value) < _order(drawn[argument]) for value in candidates)
    place = low
    while low < high:
        made = (*program[:at], (name, operation, {**drawn, argument: candidates[place]}), *program[at + 1 :])
        if fails(made):
            program, high = made, place
        else:
            low = place + 1
        place = (low + high) // 2
    return program


def _by_simplicity(operation: Operation | None, argument: str) -> list[Any]:
    """Values of an argument, the simplest first."""
    strategy = None if operation is None else operation.arguments.get(argument)
    if isinstance(strategy, Handle):
        return [0, 1]
    values = Values(0)
    try:
        drawn = [values.draw(strategy) for _ in range(MAX_DRAWS)]
    except Exception:  # whoever drew the program has told it
        return []
    return sorted({repr(value): value for value in drawn}.values(), key=_order)


def _order(value: Any) -> tuple[int, int, str]:
    """Shorter is simpler, then what is written in fewer characters."""
    text = repr(value)
    return len(value) if hasattr(value, "__len__") else 0, len(text), text
