"""Damage: right traces with one thing changed that no kernel did: a character, a field, a line; by a seeded generator."""

from __future__ import annotations

import gzip
import random
import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

from movable.trace.judge.conformance import Result, check_trace
from tests.trace.mutants import event_of, window
from tests.trace.recordings import TRACES

BASES = (("bad/mode_10", 0, 2400), ("bad/mode_00", 2000, 1600), ("e", 58000, 1600), ("z3", 20000, 1600))
"""Windows of right recordings: name, first line, number of lines."""
NEWER = ("balloon-busy", "hook-enoent", "zsmalloc-compaction")
"""Right recordings of a kernel whose marks stay."""
FIELD = re.compile(r"\b(page|src|dst|newpage|mops|flags|nflags|mapping|refs|mode|reason|ret)=(\S+)")
Change = Callable[[str, random.Random], str]


@dataclass(frozen=True)
class Damage:
    """A damaged trace: what was done to which line of which base."""

    base: str
    kind: str
    event: str
    line: int
    before: str
    after: str
    lines: tuple[str, ...]


def newer(name: str) -> list[str]:
    """The lines of a recording of NEWER."""
    with gzip.open(TRACES.with_name("traces-7.3") / f"{name}.txt.gz", "rt", encoding="latin-1") as stream:
        return stream.read().splitlines()


def value(line: str, rng: random.Random, new: Callable[[str], str]) -> str:
    """The line with the value of one of its fields changed."""
    found = list(FIELD.finditer(line))
    if not found:
        return line
    one = rng.choice(found)
    return line[: one.start(2)] + new(one[2]) + line[one.end(2) :]


def digit(text: str, rng: random.Random) -> str:
    """A number with one of its digits changed."""
    places = [at for at, letter in enumerate(text) if letter in "0123456789abcdef" and not text.startswith("0x", at)]
    if not places:
        return text
    at = rng.choice(places)
    letters = "0123456789abcdef" if text.startswith("0x") else "0123456789"
    return text[:at] + rng.choice(letters.replace(text[at], "")) + text[at + 1 :]


def character(line: str, rng: random.Random) -> str:
    """The line with any of its characters changed, taken out or put in."""
    at = rng.randrange(len(line))
    new = rng.choice("0123456789abcdefx_-+=():.,; \t\0\x1b\xff")
    return line[:at] + rng.choice([new, "", new + line[at]]) + line[at + 1 :]


def field(line: str, rng: random.Random) -> str:
    """The line without one of its fields, with one twice, or with two exchanged."""
    words = line.split(" ")
    places = [at for at, word in enumerate(words) if FIELD.fullmatch(word)]
    if len(places) < 2:
        return line
    one, two = rng.sample(places, 2)
    how = rng.randrange(3)
    if how == 0:
        del words[one]
    elif how == 1:
        words.insert(two, words[one])
    else:
        names = [words[at].partition("=") for at in (one, two)]
        words[one], words[two] = f"{names[0][0]}={names[1][2]}", f"{names[1][0]}={names[0][2]}"
    return " ".join(words)


CHANGES: dict[str, Change] = {
    "digit": lambda line, rng: value(line, rng, lambda text: digit(text, rng)),
    "bit": lambda line, rng: value(line, rng, lambda text: hex(int(text, 16) ^ 1 << rng.randrange(24)) if "x" in text else text),
    "underscore": lambda line, rng: value(line, rng, lambda text: f"{text[:-1]}_{text[-1]}" if len(text) > 1 else f"{text}_0"),
    "sign": lambda line, rng: value(line, rng, lambda text: rng.choice("+-") + text),
    "octal": lambda line, rng: value(line, rng, lambda text: "0o" + text.removeprefix("0x")),
    "binary": lambda line, rng: value(line, rng, lambda text: "0b1"),
    "zeros": lambda line, rng: value(line, rng, lambda text: "00" + text.removeprefix("0x")),
    "fault": lambda line, rng: value(line, rng, lambda text: rng.choice(["(fault)", "(null)"])),
    "empty": lambda line, rng: value(line, rng, lambda text: ""),
    "blank": lambda line, rng: value(line, rng, lambda text: f"{text[:1]} {text[1:]}"),
    "huge": lambda line, rng: value(line, rng, lambda text: text + "0" * rng.choice([1, 20, 5000])),
    "letters": lambda line, rng: value(line, rng, lambda text: rng.choice(["nan", "inf", "1e3", "0x", "-", "None", "٣", "0xé"])),
    "character": character,
    "field": field,
    "cut": lambda line, rng: line[: rng.randrange(len(line))],
    "head cut": lambda line, rng: line[rng.randrange(1, len(line)) :],
}
"""Changes within a line."""
MOVES = ("drop", "double", "swap", "join", "interleave", "block dropped", "block doubled", "moved")
"""Changes of whole lines."""
MIXED = ("event", "other value", "other task")
"""Changes that take something from another line."""


def mixed(kind: str, line: str, lines: list[str], rng: random.Random) -> str:
    """The line with the name of another event, a value of the same field elsewhere, or a task that there is not."""
    if kind == "event":
        parts = line.split(": ", 2)
        other = rng.choice(lines).split(": ", 2)
        return ": ".join([parts[0], other[1], *parts[2:]]) if len(parts) == len(other) == 3 else line
    if kind == "other task":
        return re.sub(r"-(\d+) ", lambda found: f"-{int(found[1]) + rng.randrange(1, 9)} ", line, count=1)
    found = list(FIELD.finditer(line))
    if not found:
        return line
    one = rng.choice(found)
    values = {match[2] for other in rng.sample(lines, 40) for match in FIELD.finditer(other) if match[1] == one[1]}
    return line[: one.start(2)] + rng.choice(sorted(values - {one[2]}) or [one[2]]) + line[one.end(2) :]


def damaged(seed: int, number: int) -> Iterator[Damage]:
    """So many damaged traces; the same seed gives the same ones."""
    rng = random.Random(seed)
    bases = {name: window(name, first, count) for name, first, count in BASES} | {name: newer(name) for name in NEWER}
    places = {name: [at for at in range(200, len(lines) - 100) if event_of(lines[at])] for name, lines in bases.items()}
    kinds = [*CHANGES, *MOVES, *MIXED]
    for count in range(number):
        name = rng.choice(list(bases))
        kind = kinds[count % len(kinds)]
        lines = list(bases[name])
        at = rng.choice(places[name])
        before = lines[at]
        if kind in CHANGES:
            lines[at] = CHANGES[kind](before, rng)
        elif kind in MIXED:
            lines[at] = mixed(kind, before, lines, rng)
        elif kind == "block dropped":
            del lines[at : at + rng.randrange(2, 12)]
        elif kind == "block doubled":
            lines[at:at] = lines[at : at + rng.randrange(2, 12)]
        elif kind == "moved":
            lines.insert(at + rng.choice([-20, -9, -3, -2, 2, 3, 9, 20]), lines.pop(at))
        elif kind == "drop":
            del lines[at]
        elif kind == "double":
            lines.insert(at, before)
        elif kind == "swap":
            lines[at], lines[at + 1] = lines[at + 1], lines[at]
        elif kind == "join":
            lines[at : at + 2] = [lines[at] + lines[at + 1]]
        else:
            half = rng.randrange(len(before))
            lines[at : at + 2] = [before[:half] + lines[at + 1], before[half:]]
        if lines != bases[name]:
            yield Damage(name, kind, event_of(before), at, before, lines[at], tuple(lines))


REASONS: tuple[tuple[str, str, set[str], str], ...] = (
    (r"block doubled", ".*", {"V9"}, "where the clock of a recording stands still, lines that are there twice may be two"),
    (
        r"digit|bit|huge|character|other value", "isolate_page_ret", {"D8"},
        "the core's own lines tell that a driver agreed, but not by which number",
    ),
    (
        r"digit|bit|character|other value", "folio_unlock", {"V4", "V11", "D30"},
        "the flags at an unlock tell how an isolation or a move ended, and no other line repeats them",
    ),
    (
        r"digit|bit|character|other value", "set_page_movable", {"D4"},
        "the operations of a mark are in one line, where no other mark is near",
    ),
    (
        r"digit|huge|other value", "set_page_movable", {"D2", "D46"},
        "that nobody else knows a page that is marked without its lock is told by the references of one line",
    ),
    (
        r"digit|bit|character|other value", "(set|clear)_page_movable", {"D2", "D21"},
        "locking is not recorded, so that one line alone has the lock bit at a mark",
    ),
    (
        r"digit|bit|character|other value|field", "migrate_pages", {"V8"},
        "the mode of a run stands in one line, and what is called inside is compared with it",
    ),
    (
        r"digit|huge|character|other value|bit", "folio_unlock", {"D17"},
        "how many references the target of a move has is counted in one line, which no other repeats",
    ),
)
"""Damage after which a rule counts as broken all the same: kind, event, rules, and why nothing can tell."""


def reason(one: Damage, broken: list[str]) -> str:
    """Why a damaged line may break rules; empty where grammar or context can tell."""
    for kind, event, rules, why in REASONS:
        if re.fullmatch(kind, one.kind) and re.fullmatch(event, one.event) and set(broken) <= rules:
            return why
    return ""


def judge(one: Damage, folder: Path) -> Result:
    """The verdicts on a damaged trace."""
    path = folder / "damaged.txt"
    path.write_text("\n".join(one.lines) + "\n", encoding="latin-1", errors="replace")
    return check_trace(str(path))
