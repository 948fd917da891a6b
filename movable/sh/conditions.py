"""``test``, and its brackets: what a condition of a script may ask."""

from __future__ import annotations

import fnmatch
from collections.abc import Callable, Mapping, Sequence

from movable.sh.failure import CommandFailed

Kind = Callable[[str], str]
"""What is at a path: "file", "folder" or ""."""
_NUMBERS: Mapping[str, Callable[[int, int], bool]] = {
    "-eq": lambda one, two: one == two, "-ne": lambda one, two: one != two, "-lt": lambda one, two: one < two,
    "-le": lambda one, two: one <= two, "-gt": lambda one, two: one > two, "-ge": lambda one, two: one >= two,
}  # fmt: skip


def test(words: Sequence[str], kind: Kind) -> bool:
    """Whether a condition holds. Raises CommandFailed for what is none."""
    for mark, every in (("-o", any), ("||", any), ("-a", all), ("&&", all)):
        if mark in words[1:-1]:
            at = words.index(mark)
            return every((test(words[:at], kind), test(words[at + 1 :], kind)))
    if words[:1] == ["!"]:
        return not test(words[1:], kind)
    if len(words) == 3:
        return _two(words[0], words[1], words[2])
    if len(words) == 2:
        return _one(words[0], words[1], kind)
    if len(words) > 1:
        raise CommandFailed(f"test: {' '.join(words)}: is no condition that is known here")
    return bool(words and words[0])


def _one(mark: str, word: str, kind: Kind) -> bool:
    if mark in ("-n", "-z"):
        return bool(word) == (mark == "-n")
    if mark in ("-e", "-r", "-w", "-s", "-f", "-d", "-x"):
        found = kind(word)
        return bool(found) and (mark not in ("-f", "-d") or (found == "folder") == (mark == "-d"))
    raise CommandFailed(f"test: {mark}: is no condition that is known here")


def _two(left: str, mark: str, right: str) -> bool:
    if mark in ("=", "=="):
        return fnmatch.fnmatchcase(left, right)
    if mark == "!=":
        return not fnmatch.fnmatchcase(left, right)
    if mark in ("<", ">"):
        return left < right if mark == "<" else left > right
    if mark not in _NUMBERS:
        raise CommandFailed(f"test: {mark}: is no condition that is known here")
    numbers = [word.strip() for word in (left, right)]
    wrong = next((word for word in numbers if not word.removeprefix("-").isdecimal() or len(word) > 40), None)
    if wrong is not None:
        raise CommandFailed(f"test: {wrong}: integer expression expected")
    return _NUMBERS[mark](int(numbers[0]), int(numbers[1]))
