"""Programs: what is done to files, step by step, drawn from a seed; and how one is written down as a token."""

from __future__ import annotations

import random
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import cast

from movable.eras import Era
from movable.errors import UsageError, by_hand
from movable.filesystems.machine import FILES, PAGES, Factory, Machine
from movable.filesystems.observer import raised
from movable.mm.migrate import MIGRATE_MODES
from movable.workload import token

Step = tuple[str, tuple[int, ...]]
Program = list[Step]

DIFFERENT_CONTENTS = 40
"""How many different contents are written."""
OPERATIONS: dict[str, tuple[int, ...]] = {
    "write": (FILES, PAGES, DIFFERENT_CONTENTS), "store": (FILES, PAGES, DIFFERENT_CONTENTS),
    "read": (FILES, PAGES), "load": (FILES, PAGES),
    "sync": (FILES,), "reread": (FILES,), "drop": (FILES,), "move": (FILES, PAGES, 3), "busy": (FILES, PAGES),
    "cut": (FILES, PAGES + 1), "delete": (FILES,), "pin": (FILES, PAGES), "unpin": (), "fail": (2,), "slow": (2,),
    "quiet": (), "progresses": (),
}  # fmt: skip
"""Each step, and for each of its arguments how many values it has, from 0."""
SHORTEST, LONGEST = 4, 24

OPENING: list[Program] = [
    [("write", (0, 0, 1)), ("move", (0, 0, 2)), ("read", (0, 0)), ("reread", (0,))],
    [("write", (0, 0, 1)), ("sync", (0,)), ("move", (0, 0, 0)), ("load", (0, 0)), ("move", (0, 0, 1)), ("reread", (0,))],
    [("store", (0, 1, 2)), ("pin", (0, 1)), ("move", (0, 1, 2)), ("unpin", ()), ("move", (0, 1, 2)), ("reread", (0,))],
    [("slow", (1,)), ("write", (0, 0, 1)), ("move", (0, 0, 2)), ("store", (0, 0, 3)), ("move", (0, 0, 2)), ("reread", (0,))],
    [("write", (0, 0, 1)), ("fail", (1,)), ("sync", (0,)), ("fail", (0,)), ("write", (0, 0, 2)), ("reread", (0,))],
    [("write", (0, 0, 1)), ("write", (0, 1, 2)), ("move", (0, 0, 2)), ("cut", (0, 1)), ("quiet", ()), ("delete", (0,))],
    [("write", (0, 0, 1)), ("busy", (0, 0)), ("sync", (0,)), ("busy", (0, 0)), ("read", (0, 0))],
    [("read", (0, 0)), ("read", (0, 1)), ("quiet", ()), ("progresses", ())],
    [("load", (1, 2)), ("drop", (1,)), ("load", (1, 2)), ("store", (1, 2, 5)), ("sync", (1,)), ("drop", (1,)), ("load", (1, 2))],
    [("write", (0, 0, 1)), ("write", (0, 1, 2)), ("sync", (0,)), ("cut", (0, 1)), ("cut", (0, 2)), ("read", (0, 1))],
]
"""What is tried first: one program for each thing that a file system can get wrong."""


def draw(seed: int, number: int) -> Program:
    """The program of a number: one of OPENING, or random steps."""
    if number < len(OPENING):
        return list(OPENING[number])
    chance = random.Random(f"{seed} {number}")
    names = chance.sample(list(OPERATIONS), chance.randint(5, len(OPERATIONS)))
    program: Program = []
    for _ in range(chance.randint(SHORTEST, LONGEST)):
        name = chance.choice(names)
        program.append((name, tuple(chance.randrange(values) for values in OPERATIONS[name])))
    return program


@dataclass(slots=True)
class Run:
    """What became of one program: ``machine`` is None where nothing could be mounted, ``rule`` is the broken one, "" for none,
    ``what`` happened at step ``at`` (-1: at the end)."""

    machine: Machine | None = None
    rule: str = ""
    what: str = ""
    at: int = -1
    story: list[str] = field(default_factory=list)


def run(factory: Factory, era: str | Era, program: Program, notice: Callable[[str], None] = lambda where: None) -> Run:
    """Play a program on a fresh machine, and look at everything at its end. Whatever is raised inside breaks a rule.

    ``notice`` is called with where it is.
    """
    done = Run()
    try:
        notice("the mount")
        done.machine = machine = Machine(factory, era)
        for done.at, (name, arguments) in enumerate(program):
            done.story.append(words(name, arguments))
            notice(f"step {done.at + 1}: {done.story[-1]}")
            getattr(machine, name)(*arguments)
        done.at = -1
        done.story.append("the end: unpin, heal the disk, read, move and remove everything")
        notice("the end")
        machine.finish()
    except BaseException as error:
        if by_hand(error):
            raise
        done.rule, done.what = raised(error)
        if done.machine is not None:
            done.machine.exercised[done.rule] += 1
        done.story.append(f"    ^ {done.rule}: {done.what}")
    return done


def words(name: str, arguments: tuple[int, ...]) -> str:
    """A step as it is told."""
    if name == "move":
        return f"move(/file{arguments[0]}, page {arguments[1]}, {MIGRATE_MODES[arguments[2]]})"
    if name in ("fail", "slow"):
        return f"{name}({'on' if arguments[0] else 'off'})"
    if not arguments:
        return f"{name}()"
    rest = "".join(f", {value}" for value in arguments[1:])
    return f"{name}(/file{arguments[0]}{rest})"


def smaller(
    factory: Factory, era: str | Era, program: Program, rule: str, stop: Callable[[], bool] = lambda: False,
    notice: Callable[[str], None] = lambda where: None, tries: int = 200,
) -> Program:  # fmt: skip
    """The program with every step left out that its failure does not need; as far as it has come when ``stop`` says so."""
    best = list(program)
    at = len(best) - 1
    while at >= 0 and tries and not stop():
        tries -= 1
        shorter = best[:at] + best[at + 1 :]
        if run(factory, era, shorter, notice).rule == rule:
            best = shorter
        at -= 1
    return best


# --- tokens ---


def encode(program: Program) -> str:
    """A program as one word."""
    return token.encode(token.Reproducer((tuple((name, *arguments) for name, arguments in program),)))


def decode(text: str) -> Program:
    """The program of a token. Raises UsageError for anything else."""
    return steps_of(token.decode(text))


def steps_of(found: token.Reproducer) -> Program:
    """The program that a token holds. Raises UsageError where it holds something else."""
    program = [_step(step) for step in found.tasks[0]] if found.alone else [None]
    if None in program:
        raise UsageError("the token is of something else than a program for a file system; is it that of a driver?")
    return cast(Program, program)


def _step(step: object) -> Step | None:
    """A step as it is, if there is such a one."""
    match step:
        case (str(name), *arguments) if name in OPERATIONS and len(arguments) == len(OPERATIONS[name]):
            if all(type(one) is int and 0 <= one < many for one, many in zip(arguments, OPERATIONS[name], strict=True)):
                return name, cast("tuple[int, ...]", tuple(arguments))
    return None
