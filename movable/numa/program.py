"""Recorded programs: what a line of the file holds, and the words of a step (see docs/numa.md for the format)."""

from __future__ import annotations

import json
import re
import sys
import zlib
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from typing import IO, Any, TypeVar

from movable.errors import UsageError
from movable.files import lines_of, unpacked

Record = TypeVar("Record")
Value = TypeVar("Value")
HEAD = re.compile(
    r"program (?P<id>\d+) cpu=(?P<cpu>\d+) uid=(?P<uid>\d+) cga=(?P<cga>\S+) cgb=(?P<cgb>\S+) start=(?P<start>\S+) fa=(?P<fa>\d+)"
)

MODES = {
    name: number for number, name in enumerate("DEFAULT PREFERRED BIND INTERLEAVE LOCAL PREFERRED_MANY WEIGHTED_INTERLEAVE".split())
}
MODE_WORDS = {**MODES, "STATIC": 0x8000, "RELATIVE": 0x4000, "BALANCING": 0x2000}
MOVE_WORDS = {"STRICT": 1, "MOVE": 2, "MOVE_ALL": 4, "LAZY": 8}
ASK_WORDS = {"NODE": 1, "ADDR": 2, "MEMS_ALLOWED": 4}


NUMBER = r"-?\d{1,20}|0x[0-9a-fA-F]{1,16}"


def flags(names: Iterable[str]) -> str:
    """The pattern of names and numbers joined by "|"."""
    one = rf"(?:{'|'.join(names)}|{NUMBER})"
    return rf"{one}(?:\|{one})*"


MASK = r"null|bad|(?:0x[0-9a-fA-F]+|\d+)(?:\+\d{1,5})?"
TOKEN = r"bad|kern|none|[A-Z]:-?\d+(?:\+\d+)?"
PID = "self|P[0-2]|none|neg|kthread|super"
VALUES = {
    **dict.fromkeys("len fsize ino6 foff p n off lenb w nm uid maxnode node hf count zombie".split(), NUMBER),
    "addr": TOKEN,
    "r": "[A-Z]|bad",
    "kind": "anon|shanon|fshared|fprivate",
    "prot": "[rwn]+",
    "file": r"f\d",
    "c": "P[0-2]",
    **dict.fromkeys(("mask", "old", "new"), MASK),
    "mode": flags(MODE_WORDS),
    "mf": flags(MOVE_WORDS),
    "flags": flags(MOVE_WORDS),
    "mmap addr": NUMBER,
    "getpol mode": "null|bad",
    "getpol flags": flags(ASK_WORDS),
    "pid": PID,
    "q": PID,
    "pages": rf"null|bad|(?:{TOKEN})(?:,(?:{TOKEN}))*",
    "nodes": r"null|bad|-?\d+(?:,-?\d+)*",
    "status": "null|bad",
    "g": "a|b|root",
    "mems": r"\S+",
}
"""What the value of each key looks like; of one operation alone where its name stands before it."""
VALUE = {key: re.compile(pattern) for key, pattern in VALUES.items()}

TYPES: dict[type, str] = {
    dict: "an object", list: "a list", str: "a text", int: "a number", float: "a fraction", bool: "a truth value",
    type(None): "null",
}  # fmt: skip
PROGRAM_KEYS: dict[str, type] = {"id": int, "head": str, "mems": dict, "steps": list, "nm": dict}

RANGE = ("r", "n")
CPUS = 2
MAX_PAGES = 1 << 20
NEEDED = {
    "mmap": ("r", "kind", "len", "prot", "addr"),
    "touch": RANGE,
    **dict.fromkeys("munmap dontneed mlock munlock homenode pin".split(), RANGE),
    "mprotect": (*RANGE, "prot"),
    "fork": ("c",),
    "exit": (),
    "setuid": ("uid",),
    "setpol": ("mode",),
    "mbind": (*RANGE, "mode"),
    "getpol": (),
    "movepages": ("pid", "pages"),
    "migrate": ("pid",),
    "unpin": (),
    "cs_mems": ("g", "mems"),
    "cs_attach": ("g", "q"),
}
"""The operations, and the keys that each must have."""


@dataclass(frozen=True)
class Step:
    """One step: ``who`` does ``op`` with ``keys``; ``text`` is the step as it stands in the file."""

    text: str
    who: str
    op: str
    keys: dict[str, str]

    def regions(self) -> set[str]:
        """The regions that the step names and does not make."""
        named = {token[0] for key in ("addr", "pages") for token in self.keys.get(key, "").split(",") if ":" in token}
        if self.op != "mmap" and self.keys.get("r", "bad") != "bad":
            named.add(self.keys["r"])
        return named

    def number(self, key: str, default: int = 0) -> int:
        """A number, decimal or 0x hexadecimal."""
        return int(self.keys[key], 0) if key in self.keys else default

    def word(self, key: str, names: dict[str, int]) -> int:
        """Names and numbers joined by "|"; 0 where the key is absent."""
        total = 0
        for part in self.keys.get(key, "0").split("|"):
            total |= names[part] if part in names else int(part, 0)
        return total


@dataclass(frozen=True)
class Program:
    """One program: its settings, its steps, and what was recorded: before the first step, after each, and at the end."""

    number: int
    cpu: int
    uid: int
    groups: dict[str, str]
    start: str
    fault_around: int
    steps: list[Step]
    mems: dict[str, str]
    recorded: list[dict[str, Any]]
    numa_maps: dict[str, list[str]]


def parse_step(text: str) -> Step:
    """A step from its words. Raises ValueError for what is none."""
    words = text.split()
    who, op, *rest = words if len(words) > 1 else (text, "")
    if who not in ("P0", "P1", "P2", "S") or op not in NEEDED or (who == "S") != op.startswith("cs_"):
        raise ValueError(f"unknown step {text!r}")
    keys = {key: value for key, _, value in (part.partition("=") for part in rest)}
    wrong = [key for key, value in keys.items() if key not in VALUE or not VALUE.get(f"{op} {key}", VALUE[key]).fullmatch(value)]
    missing = [key for key in NEEDED[op] if key not in keys]
    if wrong or missing:
        raise ValueError(f"step {text!r}: {'missing' if missing else 'bad'} {', '.join(missing or wrong)}")
    return Step(text, who, op, keys)


def parse_program(record: dict[str, Any]) -> Program:
    """A program from the object of a line. Raises ValueError for what is none."""
    check_keys(record, PROGRAM_KEYS)
    for step in record["steps"]:
        check_keys(typed(step, "a step", dict), {"s": str})
        _maps(step.get("nm", {}))
    head = HEAD.fullmatch(record["head"])
    if head is None or int(head["cpu"]) >= CPUS:
        raise ValueError(f"unknown head {record['head']!r}")
    program = Program(
        number=record["id"],
        cpu=int(head["cpu"]),
        uid=int(head["uid"]),
        groups={name: head[f"cg{name}"] for name in "ab" if head[f"cg{name}"] != "-"},
        start=head["start"],
        fault_around=int(head["fa"]),
        steps=[parse_step(step["s"]) for step in record["steps"]],
        mems=record["mems"],
        recorded=record["steps"],
        numa_maps=_maps(record["nm"]),
    )
    known = {"root", *program.groups}
    for step in program.steps:
        _whole(step, known)
    if program.start not in known:
        raise ValueError(f"head {record['head']!r} begins in a group that there is not")
    return program


def parse_record(line: str) -> dict[str, Any]:
    """The JSON object of a line. Raises ValueError for anything else."""
    try:
        return typed(json.loads(line), "the line", dict)
    except json.JSONDecodeError as error:
        raise ValueError(f"no JSON: {error.msg[:1].lower()}{error.msg[1:]} at character {error.pos + 1}") from None
    except RecursionError:
        raise ValueError("no JSON that can be read: too deep") from None


def check_keys(record: dict[str, Any], keys: dict[str, type]) -> None:
    """An object must have ``keys``, each with a value of its type. Raises ValueError where one is missing or another."""
    for key, kind in keys.items():
        if key not in record:
            raise ValueError(f"no {key!r}")
        typed(record[key], repr(key), kind)


def typed(value: Any, what: str, kind: type[Value]) -> Value:
    """``value`` itself. Raises ValueError where it is not of the type; ``what`` says in words what it is."""
    if type(value) is not kind:
        raise ValueError(f"{what} is {TYPES[type(value)]}, where {TYPES[kind]} is expected")
    return value


def _maps(recorded: Any) -> dict[str, list[str]]:
    """Lines of numa_maps by process. Raises ValueError for what is none."""
    lines = typed(recorded, "'nm'", dict)
    if not all(isinstance(found, list) and all(isinstance(line, str) for line in found) for found in lines.values()):
        raise ValueError("'nm' is no lists of lines")
    return lines


def _whole(step: Step, groups: set[str]) -> None:
    """What the words of a step alone do not say. Raises ValueError."""
    if step.op == "mmap" and step.keys["kind"] in ("fshared", "fprivate") and "file" not in step.keys:
        raise ValueError(f"step {step.text!r}: missing file")
    if "g" in step.keys and step.keys["g"] not in groups:
        raise ValueError(f"step {step.text!r}: there is no group {step.keys['g']}")
    much = step.number("n") if step.op in ("touch", "pin") else step.number("len") if step.keys.get("r") != "Z" else 0
    if much > MAX_PAGES:
        raise ValueError(f"step {step.text!r}: {much} pages, where {MAX_PAGES} are the most")


def read_programs(path: str) -> Iterator[Program]:
    """The programs of a file, gzip or plain ("-": standard input). Raises UsageError with file and line for what is none."""
    return read_records(path, parse_program)


def read_records(path: str, parse: Callable[[dict[str, Any]], Record]) -> Iterator[Record]:
    """What ``parse`` makes of the object of each line of a file, as ``read_programs``."""
    if path == "-":
        yield from _records(path, sys.stdin, parse)
        return
    with unpacked(path) as stream:
        yield from _records(path, stream, parse)


def _records(path: str, stream: IO[str], parse: Callable[[dict[str, Any]], Record]) -> Iterator[Record]:
    number, empty = 1, True
    try:
        for line in lines_of(stream, path):
            if line.strip():
                empty = False
                yield parse(parse_record(line))
            number += 1
    except (ValueError, EOFError, OSError, zlib.error) as error:
        raise UsageError(f"{path}, line {number}: no recorded program ({error})") from None
    if empty:
        raise UsageError(f"{path}: holds no recorded program")
