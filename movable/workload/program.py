"""A program for the machine: actions with concrete arguments, one after the other, and the token (token.py) that carries them."""

from __future__ import annotations

from movable.errors import UsageError
from movable.workload import token
from movable.workload.action import Action
from movable.workload.fits import check_sequence
from movable.workload.workload import Workload

Step = Action
Program = tuple[Step, ...]


def encode(program: Program, seed: int = 0) -> str:
    """A printable token for a program and the machine's seed. Raises UsageError for what cannot be in one."""
    return token.encode(token.Reproducer((program,), seed=seed))


def decode(text: str, workload: type[Workload]) -> tuple[Program, int]:
    """The program and the seed of a token. Raises UsageError that says why it cannot be read, or not be run by ``workload``."""
    found = token.decode(text)
    if not found.alone:
        raise UsageError("the token is of an interleaving, and one of a sequence is wanted here")
    check_sequence(found.tasks[0], workload)
    return found.tasks[0], found.seed
