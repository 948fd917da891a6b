"""Tokens: what showed a failure, as one printable word that anybody can paste into a report, a mail or a command.

A token is ``m3.`` and a packed `Reproducer` (packing.py): the tasks with their actions, and what else is not as usual. One task
is a sequence, a program for a driver or a file system; two and more are an interleaving, which has a schedule.

Each kind had tokens of its own before, which are still read: ``m2.`` (a seed and the steps of a sequence), ``c2.`` (a scenario) and
``f1.`` (a list of steps on files).
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, fields
from typing import Any, NoReturn

from movable.errors import UsageError
from movable.shown import shown
from movable.workload.action import Action
from movable.workload.packing import pack, unpack, unpack_json

HEAD = "m3."
FORGOTTEN = ("m1.", "c1.")
"""Heads of tokens that held pickled objects, which nobody should read."""
MAX_STEPS = 1000
"""Actions of one task, where it is alone."""
MAX_VARIANTS = 1000
MAX_TASKS = 8
MAX_ACTIONS = 200
"""Actions of all tasks of an interleaving."""


@dataclass(frozen=True, slots=True)
class Reproducer:
    """What a token holds: what was done, and how it was looked at.

    ``prefix`` was done before the ``tasks`` began, ``settled`` says that queued work ran before, ``variant`` is the driver's
    configuration and ``seed`` the machine's. ``schedule`` is the token of a schedule, ``features`` are those of the core that
    differ from the era's; ``races`` says that data races counted, and ``monitored`` that the rules were judged as it ran.
    """

    tasks: tuple[tuple[Action, ...], ...]
    name: str = ""
    prefix: tuple[Action, ...] = ()
    settled: bool = True
    variant: int = 0
    seed: int = 0
    schedule: str = ""
    features: tuple[tuple[str, Any], ...] = ()
    races: bool = True
    monitored: bool = False

    @property
    def alone(self) -> bool:
        """Whether it is a sequence."""
        return len(self.tasks) == 1

    @property
    def actions(self) -> list[Action]:
        """All actions, in no order that means anything."""
        return [action for task in (*self.tasks, self.prefix) for action in task]


USUAL = {field.name: field.default for field in fields(Reproducer)[1:]}
"""What a token leaves out, since it is mostly so."""


def encode(found: Reproducer) -> str:
    """A printable token. Raises UsageError that says what cannot be in one."""
    rest = {name: value for name, usual in USUAL.items() if (value := getattr(found, name)) != usual}
    return HEAD + pack((found.tasks, rest))


def decode(token: str) -> Reproducer:
    """What ``encode`` was given. Raises UsageError that says why the token cannot be read; whether a driver can do what it asks for
    is another question (fits.py).
    """
    text = token.strip()
    read = READERS.get(text[:3])
    if read is None:
        _wrong_head(text)
    try:
        found = read(text[3:])
    except (ValueError, RecursionError, MemoryError) as error:
        why = shown(error, 80) or type(error).__name__
        raise UsageError(f"the token cannot be read ({why}); was it copied whole?") from None
    problem = _problem(found)
    if problem:
        raise UsageError(f"the token cannot be read ({problem}); was it copied whole?")
    return found


def _wrong_head(text: str) -> NoReturn:
    begin = text[:3]
    if begin in FORGOTTEN:
        raise UsageError(f"the token begins with {begin!r}: it is of an older version, which this one does not read; check again")
    raise UsageError(f"token {shown(repr(text[:12]))} does not begin with {HEAD!r}; copy the whole replay line")


def _problem(found: Reproducer) -> str:
    """Why what was read is no reproducer, or ""."""
    if any(type(getattr(found, name)) is not type(usual) for name, usual in USUAL.items()):
        return "one of its parts is of another kind"
    if type(found.tasks) is not tuple or not all(type(task) is tuple for task in found.tasks):
        return "it holds no tasks"
    if not 1 <= len(found.tasks) <= MAX_TASKS:
        return f"it does not hold 1 to {MAX_TASKS} tasks"
    most = MAX_STEPS if found.alone else MAX_ACTIONS
    if len(found.actions) > most:
        return f"it holds more than {most} actions"
    if not 0 <= found.variant < MAX_VARIANTS:
        return f"it holds the number of a variant that is not 0 to {MAX_VARIANTS - 1}"
    if not all(isinstance(pair, tuple) and len(pair) == 2 and isinstance(pair[0], str) for pair in found.features):
        return "its features have no names"
    return ""


# --- versions ---


def _reproducer(word: str) -> Reproducer:
    match unpack(word):
        case (tasks, dict(rest)) if rest.keys() <= USUAL.keys():
            return Reproducer(tasks, **rest)
    raise ValueError("it holds no list of tasks")


def _sequence_2(word: str) -> Reproducer:
    """Of ``m2.``, in which three of the core's actions had other names."""
    match unpack(word):
        case (int(seed), tuple(steps)):
            return Reproducer((tuple(map(_renamed, steps)),), seed=seed)
    raise ValueError("it is no seed and steps")


def _renamed(step: Any) -> Any:
    match step:
        case ("migrate", *rest):
            return ("finish", *rest)
        case ("move", *rest):
            return ("migrate", *rest)
        case ("putback", *rest):
            return ("give_back", *rest)
    return step


def _scenario_2(word: str) -> Reproducer:
    match unpack(word):
        case (name, tasks, prefix, settled, schedule, features, (races, monitored), *rest) if len(rest) < 2:
            variant = rest[0] if rest else 0
            return Reproducer(tasks, name, prefix, settled, variant, 0, schedule, features, races, monitored)
    raise ValueError("it is no scenario")


def _files_1(word: str) -> Reproducer:
    match unpack_json(word):
        case [*steps] if all(isinstance(step, list) for step in steps):
            return Reproducer((tuple(map(tuple, steps)),))
    raise ValueError("it is no list of steps")


READERS: dict[str, Callable[[str], Reproducer]] = {HEAD: _reproducer, "m2.": _sequence_2, "c2.": _scenario_2, "f1.": _files_1}
