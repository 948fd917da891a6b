"""Runs the program of a token again, and tells every step."""

from __future__ import annotations

import inspect
import shlex
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

from movable.eras import DEFAULT
from movable.errors import UsageError
from movable.registry import find, look_up
from movable.rules.table import RULES
from movable.sequential.harness import Machine
from movable.sequential.narrate import sentence
from movable.workload.program import decode
from movable.workload.workload import Workload, workload_for


def replay(target: str, token: str, *, era: str = "4.19", workload: str | None = None) -> tuple[list[str], list[str]]:
    """The story of one program, a line an event, and the ids of the rules that it broke.

    ``workload`` names one that is not the driver's own, as module:Class or file.py:Class. Raises UsageError for an unknown driver
    or workload, and for a token that cannot be read.
    """
    factory = find(target)
    return replay_program(workload_for(factory, named_workload(workload)), factory, token, era=era)


def named_workload(name: str | None) -> type[Workload] | None:
    """The workload that is called so. Raises UsageError when there is none."""
    if name is None:
        return None
    found = look_up(name)
    if not (inspect.isclass(found) and issubclass(found, Workload)):
        raise UsageError(f"{name} is no workload; name one as module:Class or file.py:Class")
    return found


def spoken(given: Callable[..., Any]) -> str:
    """How a class is named on the command line: a file below this directory by its path, everything else by its module."""
    file = getattr(sys.modules.get(given.__module__), "__file__", None)
    here = Path.cwd()
    if file is not None and "." not in given.__module__ and Path(file).is_relative_to(here):
        return f"{Path(file).relative_to(here)}:{given.__qualname__}"
    return f"{given.__module__}:{given.__qualname__}"


def _own_workload(factory: Callable[..., Any]) -> type[Workload] | None:
    try:
        return workload_for(factory)
    except UsageError:
        return None


def replay_command(target: str, factory: Callable[..., Any], workload: type[Workload] | None, era: str) -> str:
    """The command that a token completes; file systems have no ``workload``."""
    words = ["movable", "replay"]
    if era != DEFAULT:
        words += ["--era", era]
    if workload is not None and workload is not _own_workload(factory):
        words += ["--workload", spoken(workload)]
    return shlex.join([*words, target])


def replay_program(
    workload: type[Workload], factory: Callable[..., Any], token: str, *, era: str = "4.19"
) -> tuple[list[str], list[str]]:
    """The same for a driver and a workload at hand. Raises UsageError for a token that cannot be read."""
    program, seed = decode(token, workload)
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
