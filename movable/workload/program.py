"""A program for the machine: steps with concrete arguments, how Hypothesis draws one, and the token that carries them.

A step is a tuple: its name, then its arguments. Pages and handles are named by number ("the n-th that there is, counted
around"), so that a program still means something after other steps were taken out of it.
"""

from __future__ import annotations

import base64
import binascii
import pickle
import zlib
from typing import TYPE_CHECKING, Any

from movable.errors import UsageError
from movable.workload.workload import Handle, Workload

if TYPE_CHECKING:
    from hypothesis.strategies import SearchStrategy

Step = tuple[Any, ...]
Program = tuple[Step, ...]

TARGETS = ("any", "zone", "node", "none", "locked")
"""Where a migration target comes from: anywhere, another zone, another node, nowhere, or a page that somebody has locked."""
MODES = (0, 1, 2, 3, 7)
"""Every migrate mode, and one that no kernel has."""
FAULTS = ("alloc", "reenter", "oom", "hostile", "locked", "delay")
"""An allocation that fails, one that enters compaction, one that ends in the out-of-memory notifiers, a hostile outside world, a
page lock held by somebody else, and a third party's plug-in that delays every callback (from the start of the program)."""

LONGEST = 60
"""Steps of the longest program."""

TOKEN_HEAD = "m1."


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
    """A printable token for a program and the machine's seed."""
    packed = zlib.compress(pickle.dumps((seed, program), protocol=4), 9)
    return TOKEN_HEAD + base64.urlsafe_b64encode(packed).decode().rstrip("=")


class _PlainUnpickler(pickle.Unpickler):
    """Loads plain values only: a token comes from a mail or a log, and must not be able to run anything."""

    def find_class(self, module: str, name: str) -> Any:
        raise pickle.UnpicklingError(f"the token holds a {module}.{name}, not only plain values")


def decode(token: str) -> tuple[Program, int]:
    """The program and the seed of a token. Raises UsageError that says why it cannot be read."""
    import io

    text = token.strip()
    if not text.startswith(TOKEN_HEAD):
        raise UsageError(f"token {text[:12]!r} does not begin with {TOKEN_HEAD!r}; copy the whole replay line")
    body = text[len(TOKEN_HEAD) :]
    try:
        packed = base64.urlsafe_b64decode(body + "=" * (-len(body) % 4))
        seed, program = _PlainUnpickler(io.BytesIO(zlib.decompress(packed))).load()
        if not isinstance(seed, int) or not all(isinstance(step, tuple) and isinstance(step[0], str) for step in program):
            raise ValueError("it holds something else than steps")
    except (binascii.Error, zlib.error, pickle.UnpicklingError, ValueError, EOFError, TypeError, IndexError) as error:
        raise UsageError(f"the token cannot be read ({error}); was it copied whole?") from None
    return tuple(program), seed


def show(step: Step) -> str:
    """A step in plain words."""
    name, *rest = step
    if name == "op":
        return f"{rest[0]}({', '.join(f'{key}={value!r}' for key, value in rest[1].items())})"
    return " ".join([name, *map(str, rest)])
