"""What takes lines and gives some of them: grep, head, tail and wc, behind a pipe or with files."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Sequence
from itertools import pairwise
from typing import NamedTuple

from movable.sh.failure import CommandFailed

GREP = "-v, -i, -c, -n, -r, -l, -L, -s, -x, -h, -H, -E, -F, -e, -o, -q, -w, -m, -A, -B and -C are known"
MAX_MATCHES = 1 << 30
Read = Callable[[str, str], str]
"""Reads a file for a command: its path, and the command's name for the error."""


def grep(words: Sequence[str], given: str, read: Read) -> str:
    """Lines that match a pattern, and those around (-A, -B, -C); with several files each line has its file's name before it."""
    around, words = _around(words)
    patterns, words = _patterns(words)
    flags, rest = _options(words)
    if not (rest or patterns) or flags - set("vicEHhnrqFowlLsx"):
        raise CommandFailed(f"grep: give a pattern, and files or a pipe; {GREP}")
    rest = rest if not patterns else ["", *rest]
    try:
        pattern = _pattern(patterns or rest[:1], flags)
    except re.error as error:
        raise CommandFailed(f"grep: {error}") from None
    named = (len(rest) > 2 or bool(flags & set("Hr"))) and "h" not in flags
    output, count, told = "", 0, ""
    for path, text in _sources(rest[1:], given, read, "grep"):
        lines = text.splitlines()
        hits = set([at for at, line in enumerate(lines) if (pattern.search(line) is None) == ("v" in flags)][: around["m"]])
        count += len(hits)
        told += f"{path}:{len(hits)}\n" if named else f"{len(hits)}\n"
        if flags & set("lL"):
            output += f"{path or '(standard input)'}\n" if bool(hits) == ("l" in flags) else ""
            continue
        for before, at in _windows(hits, around, len(lines)):
            output += "--\n" if before is not None and at > before + 1 and around["A"] + around["B"] else ""
            mark = ":" if at in hits else "-"
            place = (f"{path}{mark}" if named and path else "") + (f"{at + 1}{mark}" if "n" in flags else "")
            found = [hit[0] for hit in pattern.finditer(lines[at]) if hit[0]] if "o" in flags else [lines[at]]
            output += "".join(f"{place}{text}\n" for text in found)
    told = "" if "q" in flags else told if "c" in flags else output
    if not (output if "L" in flags else count):
        raise CommandFailed("", told)
    return told


def _windows(hits: set[int], around: dict[str, int], lines: int) -> Iterable[tuple[int | None, int]]:
    """The numbers of the lines to show, those around hits too, each with the one that is shown before it."""
    windows = (range(max(hit - around["B"], 0), min(hit + around["A"] + 1, lines)) for hit in hits)
    shown = sorted({at for window in windows for at in window})
    return zip([None, *shown], shown, strict=False)


def _patterns(words: Sequence[str]) -> tuple[list[str], list[str]]:
    """The patterns that stand behind -e, and the other words."""
    found = [after for before, after in pairwise(words) if before == "-e"]
    return found, [word for at, word in enumerate(words) if word != "-e" and (at == 0 or words[at - 1] != "-e")]


def _pattern(patterns: Sequence[str], flags: set[str]) -> re.Pattern[str]:
    one = "|".join(re.escape(each) if "F" in flags else each if "E" in flags else basic(each) for each in patterns)
    one = rf"^(?:{one})$" if "x" in flags else rf"\b(?:{one})\b" if "w" in flags else one
    return re.compile(one, re.IGNORECASE if "i" in flags else 0)


def basic(pattern: str) -> str:
    """A basic regular expression as Python reads it: its brackets, braces and bars mean something behind a backslash only."""
    return re.sub(r"(\\?)([(){}+?|])", lambda found: found[2] if found[1] else "\\" + found[2], pattern)


def _around(words: Sequence[str]) -> tuple[dict[str, int], list[str]]:
    """How many lines after and before a match are wanted, and how many matches; and the other words."""
    found, rest, left = {"A": 0, "B": 0, "m": MAX_MATCHES}, list(words), []
    while rest:
        word = rest.pop(0)
        option = re.fullmatch(r"-([ABCm])(\d{0,6})", word)
        if option is None:
            left.append(word)
            continue
        number = option[2] or (rest.pop(0) if rest else "")
        if not (number.isascii() and number.isdigit()):
            raise CommandFailed(f"grep: {word} wants a number of lines")
        found |= {name: int(number[:6]) for name in (option[1] if option[1] != "C" else "AB")}
    return found, left


def head(words: Sequence[str], given: str, read: Read) -> str:
    """The first lines of each file, ten where no number is given."""
    count, paths = _count(words, "head")
    return _titled([(path, text.splitlines(keepends=True)[: count.end]) for path, text in _sources(paths, given, read, "head")])


def tail(words: Sequence[str], given: str, read: Read) -> str:
    """The last lines of each file, ten where no number is given."""
    count, paths = _count([word for word in words if word not in ("-f", "-F")], "tail")  # nothing is written while it waits
    found = _sources(paths, given, read, "tail")
    return _titled([(path, text.splitlines(keepends=True)[count.start :]) for path, text in found])


def wc(words: Sequence[str], given: str, read: Read) -> str:
    """How many lines (-l), words (-w), bytes (-c) and characters (-m) there are; the first three where nothing is asked for."""
    flags, paths = _options(words)
    rows: list[tuple[str, list[int]]] = []
    for path, text in _sources(paths, given, read, "wc"):
        counts = {"l": text.count("\n"), "w": len(text.split()), "m": len(text), "c": len(text.encode())}
        rows.append((path, [count for flag, count in counts.items() if flag in (flags or set("lwc"))]))
    if len(rows) > 1:
        rows.append(("total", [sum(column) for column in zip(*(counts for _, counts in rows), strict=True)]))
    wide = len(str(max(max(counts, default=0) for _, counts in rows)))
    wide = 1 if len(rows) == 1 and len(rows[0][1]) == 1 else wide if paths else 7  # as the tool of GNU has it
    return "".join(" ".join([*(f"{count:{wide}}" for count in counts), *([path] if path else [])]) + "\n" for path, counts in rows)


def _options(words: Sequence[str]) -> tuple[set[str], list[str]]:
    """The letters of options, and the other words."""
    flags = {flag for word in words if word.startswith("-") and len(word) > 1 for flag in word[1:]}
    return flags, [word for word in words if not word.startswith("-") or len(word) == 1]


def _sources(paths: Sequence[str], given: str, read: Read, who: str) -> list[tuple[str, str]]:
    """Each file with its name; what came through the pipe where there is none."""
    return [(path, read(path, who)) for path in paths] or [("", given)]


def _titled(found: Sequence[tuple[str, list[str]]]) -> str:
    several = len(found) > 1
    return "\n".join((f"==> {path} <==\n" if several else "") + "".join(lines) for path, lines in found)


class Lines(NamedTuple):
    """Which lines are wanted: up to ``end`` for head, from ``start`` for tail."""

    start: int | None
    end: int | None


def _count(words: Sequence[str], who: str) -> tuple[Lines, list[str]]:
    """How many lines are wanted (-5, -n 5, -n5; all but the last of head, -n -5; from one on of tail, -n +5), and the files."""
    paths, text = [], "10"
    rest = list(words)
    while rest:
        word = rest.pop(0)
        if word == "-n" and rest:
            text = rest.pop(0)
        elif word.startswith("-"):
            text = word.removeprefix("-n").removeprefix("-")
        else:
            paths.append(word)
    digits = text.removeprefix("-" if who == "head" else "+")
    if not (digits.isascii() and digits.isdigit()):
        raise CommandFailed(f"{who}: {text!r} is no number of lines")
    number = int(digits[:9])
    if digits != text:
        return Lines(max(number - 1, 0), -number if number else None), paths
    return Lines(-number if number else MAX_MATCHES, number), paths


def _extended(words: Sequence[str], given: str, read: Read) -> str:
    return grep(["-E", *words], given, read)


def _fixed(words: Sequence[str], given: str, read: Read) -> str:
    return grep(["-F", *words], given, read)


TOOLS = {"grep": grep, "egrep": _extended, "fgrep": _fixed, "head": head, "tail": tail, "wc": wc}
