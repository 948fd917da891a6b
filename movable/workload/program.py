"""A program for the machine: steps with concrete arguments, and the token (token.py) that carries them.

A step is a tuple: its name, then its arguments. Pages and handles are named by number ("the n-th that there is, counted
around"), so that a program still means something after other steps were taken out of it.
"""

from __future__ import annotations

from typing import Any

from movable.errors import UsageError
from movable.workload import token
from movable.workload.action import check_steps
from movable.workload.handle_names import call
from movable.workload.workload import Workload

Step = tuple[Any, ...]
Program = tuple[Step, ...]

MAX_STEPS = 1000
"""Steps that a token may hold."""


def encode(program: Program, seed: int = 0) -> str:
    """A printable token for a program and the machine's seed. Raises UsageError for what cannot be in one."""
    return token.encode(token.PROGRAM, (seed, program))


def decode(text: str, workload: type[Workload]) -> tuple[Program, int]:
    """The program and the seed of a token. Raises UsageError that says why it cannot be read, or not be run by ``workload``."""
    content = token.decode(token.PROGRAM, text)
    if len(content) != 2 or type(content[0]) is not int or not isinstance(content[1], tuple) or len(content[1]) > MAX_STEPS:
        raise UsageError(f"the token cannot be read (it is no seed and up to {MAX_STEPS} steps); was it copied whole?")
    seed, program = content
    check_steps(program, workload)
    return program, seed


def show(step: Step) -> str:
    """A step in plain words."""
    name, *rest = step
    if name == "op":
        return call(*rest)
    return " ".join([name, *map(str, rest)])
