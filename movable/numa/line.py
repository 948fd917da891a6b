"""A line of a script as people paste it: sudo, an & at its end, $!, and pipes into grep, head, tail and wc."""

from __future__ import annotations

import re
import shlex
from collections.abc import Callable, Iterable
from typing import NamedTuple

from movable.errors import UsageError


class Line(NamedTuple):
    """The words of a command, and the filters that its output goes through."""

    words: list[str]
    filters: list[list[str]]


def parse(text: str, last_pid: int) -> Line:
    """A line taken apart; ``last_pid`` is what ``$!`` stands for. Raises UsageError or ValueError for what cannot be."""
    lexer = shlex.shlex(text, posix=True, punctuation_chars="|&;")
    lexer.whitespace_split = True
    parts: list[list[str]] = [[]]
    ended = False
    for word in lexer:
        if ended:
            raise UsageError(f"{word!r} behind an &: one command a line, please")
        if word == "|":
            parts.append([])
        elif word == "&":
            ended = True  # programs run in the background in any case
        elif set(word) <= set("|&;"):
            raise UsageError(f"{word!r} is not known here: one command a line, please")
        else:
            parts[-1].append(word.replace("$!", str(last_pid or "")))
    if len(parts) > 1 and not all(parts):
        raise UsageError(f"a command is missing in {text.strip()!r}")
    words = parts[0]
    return Line(words[1:] if words[:1] == ["sudo"] and len(words) > 1 else words, parts[1:])


def filtered(lines: Iterable[str], filters: list[list[str]]) -> Iterable[str]:
    """What is left of a command's output behind its pipes. Raises UsageError for a filter that is not known."""
    for words in filters:
        make = FILTERS.get(words[0])
        if make is None:
            raise UsageError(f"nothing can be piped into {words[0]!r} here; there are {', '.join(sorted(FILTERS))}")
        lines = make(list(lines), words[1:])
    return lines


def grep(lines: list[str], words: list[str]) -> list[str]:
    """The lines that match a pattern: -v those that do not, -i in any case, -c how many, -E and -w as they are."""
    letters = "".join(word[1:] for word in words if word[:1] == "-" and len(word) > 1)
    patterns = [word for word in words if word[:1] != "-"]
    if len(patterns) != 1 or set(letters) - set("vicEw"):
        raise UsageError("grep: write grep [-v] [-i] [-c] [-w] [-E] PATTERN")
    pattern = patterns[0] if "E" in letters else re.sub(r"\\([|+?(){}])|([+?(){}|])", _basic, patterns[0])
    try:
        found = re.compile(rf"\b(?:{pattern})\b" if "w" in letters else pattern, re.IGNORECASE if "i" in letters else 0)
    except re.error as error:
        raise UsageError(f"grep: {patterns[0]!r} is no pattern ({error})") from None
    kept = [line for line in lines if bool(found.search(line)) != ("v" in letters)]
    return [str(len(kept))] if "c" in letters else kept


def _basic(found: re.Match[str]) -> str:
    """In a basic pattern these signs are special with a backslash only."""
    return found[1] or f"\\{found[2]}"


def _head(lines: list[str], words: list[str]) -> list[str]:
    return lines[: _count("head", words)]


def _tail(lines: list[str], words: list[str]) -> list[str]:
    count = _count("tail", words)
    return lines[-count:] if count else []


def _count(name: str, words: list[str]) -> int:
    text = "".join(words) or "10"
    found = re.fullmatch(r"(?:-n|-)?(\d{1,6})", text)
    if found is None:
        raise UsageError(f"{name}: write {name} -n LINES")
    return int(found[1])


def _wc(lines: list[str], words: list[str]) -> list[str]:
    if words != ["-l"]:
        raise UsageError("wc: write wc -l")
    return [str(len(lines))]


FILTERS: dict[str, Callable[[list[str], list[str]], list[str]]] = {"grep": grep, "head": _head, "tail": _tail, "wc": _wc}
