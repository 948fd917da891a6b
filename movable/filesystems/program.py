"""Programs: what is done to files, step by step, drawn from a seed; and how one is written down as a token."""

from __future__ import annotations

import base64
import binascii
import json
import random
import zlib
from dataclasses import dataclass, field

from movable.eras import Era
from movable.errors import UsageError
from movable.filesystems.machine import FILES, PAGES, Factory, Machine
from movable.mm.migrate import MIGRATE_MODES

Step = tuple[str, tuple[int, ...]]
Program = list[Step]

NUMBERS = 40
"""How many different contents are written."""
OPERATIONS: dict[str, tuple[int, ...]] = {
    "write": (FILES, PAGES, NUMBERS), "store": (FILES, PAGES, NUMBERS), "read": (FILES, PAGES), "load": (FILES, PAGES),
    "sync": (FILES,), "reread": (FILES,), "drop": (FILES,), "move": (FILES, PAGES, 3), "busy": (FILES, PAGES),
    "cut": (FILES, PAGES + 1), "delete": (FILES,), "pin": (FILES, PAGES), "unpin": (), "fail": (2,), "slow": (2,),
    "quiet": (), "progresses": (),
}  # fmt: skip
"""Each step, and for each of its arguments how many values it has, from 0."""
SHORTEST, LONGEST = 4, 24
TOKEN = "f1."
MAX_TOKEN = 8192

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
    """What became of one program: ``rule`` is the broken one, "" for none, ``what`` happened at step ``at`` (-1: at the end)."""

    machine: Machine
    rule: str = ""
    what: str = ""
    at: int = -1
    story: list[str] = field(default_factory=list)


def run(factory: Factory, era: str | Era, program: Program) -> Run:
    """Play a program on a fresh machine, and look at everything at its end. Whatever is raised inside breaks a rule."""
    machine = Machine(factory, era)
    done = Run(machine)
    try:
        for done.at, (name, arguments) in enumerate(program):
            done.story.append(words(name, arguments))
            getattr(machine, name)(*arguments)
        done.at = -1
        done.story.append("the end: unpin, heal the disk, read, move and remove everything")
        machine.finish()
    except Exception as error:
        done.rule, done.what = machine.observer.raised(error)
        machine.exercised[done.rule] += 1
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


def smaller(factory: Factory, era: str | Era, program: Program, rule: str, tries: int = 200) -> Program:
    """The program with every step left out that its failure does not need."""
    best = list(program)
    at = len(best) - 1
    while at >= 0 and tries:
        tries -= 1
        shorter = best[:at] + best[at + 1 :]
        if run(factory, era, shorter).rule == rule:
            best = shorter
        at -= 1
    return best


# --- tokens ---


def encode(program: Program) -> str:
    """A program as one word."""
    text = json.dumps([[name, *arguments] for name, arguments in program], separators=(",", ":"))
    return TOKEN + base64.urlsafe_b64encode(zlib.compress(text.encode(), 9)).decode().rstrip("=")


def decode(token: str) -> Program:
    """The program of a token. Raises UsageError for anything else."""
    body = token.strip().removeprefix(TOKEN)
    try:
        if not token.strip().startswith(TOKEN) or len(body) > MAX_TOKEN:
            raise ValueError
        inflate = zlib.decompressobj()
        steps = json.loads(inflate.decompress(base64.urlsafe_b64decode(body + "=" * (-len(body) % 4)), 1 << 16))
        program = [_step(step) for step in steps]
    except (ValueError, TypeError, KeyError, IndexError, zlib.error, binascii.Error, RecursionError):
        raise UsageError(f"this is no token of a program for a file system; one begins with {TOKEN!r}") from None
    return program


def _step(step: list[object]) -> Step:
    name, *arguments = step
    limits = OPERATIONS[str(name)]
    if len(arguments) != len(limits):
        raise ValueError
    values = []
    for value, limit in zip(arguments, limits, strict=True):
        if type(value) is not int or not 0 <= value < limit:
            raise ValueError
        values.append(value)
    return str(name), tuple(values)
