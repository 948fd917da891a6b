"""A program for the machine: steps with concrete arguments, how Hypothesis draws one, and the token (token.py) that carries them.

A step is a tuple: its name, then its arguments. Pages and handles are named by number ("the n-th that there is, counted
around"), so that a program still means something after other steps were taken out of it.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from movable.errors import UsageError
from movable.workload import token
from movable.workload.action import FAULTS, MODES, TARGETS, check_steps
from movable.workload.workload import Handle, Workload

if TYPE_CHECKING:
    from hypothesis.strategies import SearchStrategy

Step = tuple[Any, ...]
Program = tuple[Step, ...]

LONGEST = 60
"""Steps of the longest program."""

MAX_STEPS = 1000
"""Steps that a token may hold."""


def kinds(workload: type[Workload]) -> dict[str, tuple[float, SearchStrategy[Step]]]:
    """The kinds of step for a driver with this workload, by name: how often one is wanted, and what draws it.

    Every second step is an operation of the driver.
    """
    from hypothesis import strategies as st

    small = st.integers(0, 7)
    mode = st.sampled_from(MODES)
    target = st.sampled_from(TARGETS)
    short = st.sampled_from((0, 0, 1, 2))
    core: dict[str, tuple[float, SearchStrategy[Step]]] = {
        "isolate": (1, st.tuples(st.just("isolate"), small, st.sampled_from((0, 4, 8, 12)))),
        "migrate": (1, st.tuples(st.just("migrate"), mode, target)),
        "putback": (1, st.tuples(st.just("putback"))),
        "move anyhow": (2, st.tuples(st.just("move"), small, mode, target)),
        "move": (1, st.tuples(st.just("move"), small, st.just(2), st.just("any"))),
        "compact": (1, st.tuples(st.just("compact"))),
        "contig": (1, st.tuples(st.just("contig"), small, short)),
        "offline": (1, st.tuples(st.just("offline"), small, short)),
        "fragment": (1, st.tuples(st.just("fragment"), st.integers(1, 24))),
        "fault": (2, st.tuples(st.just("fault"), st.sampled_from(FAULTS), st.integers(1, 3))),
        "work": (1, st.tuples(st.just("work"), st.sampled_from((0, 1, 2)))),
        "leave": (0.5, st.tuples(st.just("leave"), st.integers(0, 3))),
        "strange": (0.3, st.tuples(st.just("strange"), small)),
    }
    operations = workload.operations()
    share = sum(weight for weight, _ in core.values()) / max(1, len(operations))
    mine = {f"op {name}": (share, _operation(name, operation.arguments)) for name, operation in operations.items()}
    return {**mine, **core}


def _operation(name: str, arguments: dict[str, Any]) -> SearchStrategy[Step]:
    from hypothesis import strategies as st

    drawn = {key: st.integers(0, 15) if isinstance(value, Handle) else value for key, value in arguments.items()}
    return st.tuples(st.just("op"), st.just(name), st.fixed_dictionaries(drawn))


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
        return f"{rest[0]}({', '.join(f'{key}={value!r}' for key, value in rest[1].items())})"
    return " ".join([name, *map(str, rest)])
