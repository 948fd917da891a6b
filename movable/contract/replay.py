"""Runs the program of a token again, and tells every step."""

from __future__ import annotations

import inspect
from collections.abc import Callable
from typing import Any

from movable.contract.machine import Machine
from movable.contract.program import Step, decode
from movable.contract.rules import RULES
from movable.contract.story import sentence
from movable.contract.workload import Workload, workload_for
from movable.errors import UsageError
from movable.registry import find


def replay(target: str, token: str, *, era: str = "4.19") -> tuple[list[str], list[str]]:
    """The story of one program, a line an event, and the ids of the rules that it broke.

    Raises UsageError for an unknown driver and for a token that cannot be read.
    """
    factory = find(target)
    return replay_program(workload_for(factory), factory, token, era=era)


def replay_program(
    workload: type[Workload], factory: Callable[..., Any], token: str, *, era: str = "4.19"
) -> tuple[list[str], list[str]]:
    """The same for a driver and a workload at hand. Raises UsageError for a token that cannot be read."""
    program, seed = decode(token)
    for number, step in enumerate(program, 1):
        _check_step(step, number, workload)
    machine = Machine(workload, factory, era=era, seed=seed, keep=True).run(program)
    proofs = {found[0].seqs[-1]: id for id, found in machine.monitor.broken.items() if found[0].seqs}
    lines = []
    for event in machine.events:
        words = sentence(event)
        if words:
            lines.append(words if event.kind == "note" else f"{event.seq:6}    {words}")
        if event.seq in proofs:
            lines.append(f"        ^ {proofs[event.seq]} {RULES[proofs[event.seq]].title}")
    for id, found in machine.monitor.broken.items():
        lines.append(f"BROKEN {id} ({RULES[id].level}) {RULES[id].title}: {found[0].text}")
    if not machine.monitor.broken:
        lines.append(f"no rule was broken in {machine.steps} steps")
    return lines, list(machine.monitor.broken)


def _check_step(step: Step, number: int, workload: type[Workload]) -> None:
    """Raises UsageError for a step that this driver cannot do: the token is another driver's, or of another version."""
    name, *rest = step
    try:
        inspect.signature(getattr(Machine, f"_do_{name}")).bind(None, *rest)
        if name == "op":
            name, drawn = rest
            operation = workload.operations()[name]
            if drawn.keys() != operation.arguments.keys():
                raise TypeError
    except (AttributeError, KeyError, TypeError, ValueError):
        known = ", ".join(workload.operations()) or "no operations"
        raise UsageError(
            f"step {number} of the token, {name!r}, is none that {workload.__name__} can do ({known}); "
            "is it the token of another driver, or of an older version?"
        ) from None
