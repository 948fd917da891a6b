"""Patterns that are tried only on lines that have a word which every match must have: most lines of a log are about something else.

The words are found in the pattern itself. Looking for one costs a thirtieth of a search that ends with nothing.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from functools import cache
from itertools import pairwise
from re import _parser  # type: ignore[attr-defined]  # the only way to read a pattern, in every Python since 3.11
from typing import Any

Words = frozenset[str]
Find = Callable[[str], "re.Match[str] | None"]
_COMMON = re.compile(r"[\s:.,;=\[\]()/_-]")  # what most lines have


class Guarded:
    """A pattern as ``re.compile`` makes it, whose `search` looks for the words first.

    One without groups may have alternatives: of them one that matches is found, and not the first in the line. The pattern is read
    when it is first used.
    """

    def __init__(self, pattern: str, flags: int = 0) -> None:
        self.pattern = pattern
        self.flags = flags

    def __getattr__(self, name: str) -> Any:
        """The whole pattern and its methods, and what `search` needs: made once."""
        whole = re.compile(self.pattern, self.flags)
        self.match, self.fullmatch, self.findall, self.finditer, self.sub = (
            whole.match, whole.fullmatch, whole.findall, whole.finditer, whole.sub,
        )  # fmt: skip
        self._guards: list[tuple[str, str]] = []
        others: list[str] = []
        for part in _alternatives(self.pattern) if whole.groups == 0 else [self.pattern]:
            words = None if part.startswith("^") else _needed(_parser.parse(part, self.flags))
            if words is None:
                others.append(part)
            else:
                self._guards += [(word, part) for word in sorted(words)]
        self._others = _find("|".join(others), self.flags) if others else None
        return object.__getattribute__(self, name)

    def search(self, text: str) -> re.Match[str] | None:
        """A match somewhere in ``text``."""
        for word, part in self._guards:
            if word in text:
                found = _find(part, self.flags)(text)
                if found is not None:
                    return found
        return None if self._others is None else self._others(text)


@cache
def _find(pattern: str, flags: int) -> Find:
    """How to find a pattern, made when it is first needed: where it begins a line, nobody need look further."""
    begins = all(part.startswith("^") for part in _alternatives(pattern)) and not flags & re.MULTILINE
    compiled = re.compile(pattern, flags)
    return compiled.match if begins else compiled.search


def _alternatives(pattern: str) -> list[str]:
    """The parts of a pattern between the bars that are in no bracket."""
    bars, depth, at, inside = [-1], 0, 0, False
    while at < len(pattern):
        letter = pattern[at]
        if letter == "\\":
            at += 1
        elif inside:
            inside = letter != "]"
        elif letter == "[":
            inside = True
            at += pattern[at + 1 : at + 2] in ("]", "^")
        elif letter == "|" and not depth:
            bars.append(at)
        else:
            depth += (letter == "(") - (letter == ")")
        at += 1
    return [pattern[start + 1 : end] for start, end in pairwise([*bars, len(pattern)])]


def _needed(parts: Any) -> Words | None:
    """Words of which every match has one, as long as possible; None where there are none, or where case does not count."""
    if isinstance(parts, _parser.SubPattern) and parts.state.flags & re.IGNORECASE:
        return None
    best: Words | None = None
    run = ""
    for kind, value in [*parts, (None, None)]:
        if kind is _parser.LITERAL:
            run += chr(value)
            continue
        best, run = _better(best, frozenset([run]) if run else None), ""
        if kind is _parser.SUBPATTERN and not value[1] & re.IGNORECASE:
            best = _better(best, _needed(value[3]))
        elif kind is _parser.BRANCH:
            each = [_needed(one) for one in value[1]]
            if None not in each:
                best = _better(best, frozenset().union(*(one for one in each if one)))
        elif kind is _parser.MAX_REPEAT and value[0] > 0:
            best = _better(best, _needed(value[2]))
    return best


def _better(one: Words | None, two: Words | None) -> Words | None:
    if one is None or two is None:
        return two if one is None else one
    return max(one, two, key=lambda words: (min(len(_COMMON.sub("", word)) for word in words), -len(words)))
