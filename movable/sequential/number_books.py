"""Sets of frame numbers that a driver keeps of its own pages: what a host or a device has, as far as the driver knows.

Nobody says which numbers are frame numbers. A set that named exactly the driver's pages all the while that they came and went is
one; then it must not name the old frame after a move. One that merely lacks the new frame may be a cache, or pages that are dirty:
the move took the old one out. And a number that the driver notes elsewhere too may be what it calls the page by since its birth.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any

from movable.introspection import vars_of
from movable.sequential.driver_counters import STRANGE, Place

Tried = tuple[int, int, bool]
"""A page, the target that it was to move to, and whether it moved."""

MAX_DEPTH = 3
CHANGES = 3
"""So often the pages must have changed, and the set with them, before it counts as a book; once at least by a page that went."""
SMALL = 16
"""Numbers below this one may be slots, which are pages' numbers by chance."""


@dataclass(slots=True)
class _Book:
    """``tried`` are the moves tried since it was last right.

    ``when`` is how many pages there were when it was seen to be wrong, ``wrong`` what it named too much then.
    """

    changes: int = 0
    fell: bool = False
    tried: list[Tried] = field(default_factory=list)
    when: int | None = None
    wrong: frozenset[int] = frozenset()

    def right(self, pages: frozenset[int], before: frozenset[int]) -> None:
        """It names the pages that there are."""
        self.changes += pages != before
        self.fell = self.fell or len(pages) < len(before)
        self.tried.clear()
        self.when = None

    @property
    def proven(self) -> bool:
        return self.changes >= CHANGES and self.fell


class NumberBooks:
    """The number sets of one driver in one program. ``tried`` are the moves since the last look, ``others`` is no book."""

    def __init__(self, driver: Any) -> None:
        self.driver = driver
        self.pages: frozenset[int] = frozenset()
        self.books: dict[Place, _Book] = {}
        self.others: set[Place] = set()
        self.tried: list[Tried] = []

    def look(self, pages: frozenset[int], at_rest: bool = True, words: Sequence[Any] = ()) -> Iterator[str]:
        """At rest: what a book of ``pages``, the driver's, says that is wrong since a page moved, or did not.

        ``words`` are what the driver wrote into these pages' own fields.

        Some are brought up to date by the next operation. So the same frame must still be named when pages have come or gone since.
        """
        tried, before, self.tried, self.pages = self.tried, self.pages, [], pages
        if min(pages, default=SMALL) < SMALL:
            return
        sets = number_sets(self.driver, pages)
        for place, numbers in sets.items():
            if place in self.others:
                continue
            book = self.books.setdefault(place, _Book())
            book.tried += tried
            if numbers == pages:
                book.right(pages, before)
                continue
            if not at_rest:
                continue
            said = _astray(numbers, pages, book.tried) if book.proven else ""
            wrong = numbers - pages
            told = said and not any(_pending(other, numbers ^ pages) for where, other in sets.items() if where in self.others)
            told = told and not wrong & set(_noted([self.driver, *words], pages, MAX_DEPTH + 2, set()))
            if told and book.when in (None, len(pages)):
                book.when, book.wrong = len(pages), wrong
                continue
            self.others.add(place)
            if told and book.wrong & wrong:
                name = ".".join((type(self.driver).__name__, *place))
                yield f"{name} named the driver's pages, and no other number; {said}"


def _astray(numbers: frozenset[int], pages: frozenset[int], tried: list[Tried]) -> str:
    """What is wrong with a book by a move, or by one that failed, and by nothing else; "" where that cannot be said."""
    left = {old if moved else new for old, new, moved in tried}
    wanted = {new if moved else old for old, new, moved in tried}
    if not numbers - pages <= left or not pages - numbers <= wanted:
        return ""
    for old, new, moved in tried:
        stale, due = (old, new) if moved else (new, old)
        if stale in numbers - pages:
            lacks = f" and does not name {due}" * (due in pages - numbers)
            return f"page {old} {'has moved' if moved else 'could not move'} to page {new}, and it still names {stale}{lacks}"
    return ""


def _pending(numbers: frozenset[int], odd: frozenset[int]) -> bool:
    """Whether another set names what is odd: it may be what is to be told yet."""
    return bool(numbers & odd) and numbers <= odd


def _noted(value: Any, pages: frozenset[int], depth: int, seen: set[int]) -> Iterator[int]:
    """Whole numbers that a driver has elsewhere than in sets of numbers, and as keys of tables like those."""
    kind = type(value)
    if kind is int:
        yield value
    if depth == 0 or id(value) in seen or kind.__module__.startswith("movable.mm.") or callable(value):
        return
    seen.add(id(value))
    parts: list[Any] = []
    if issubclass(kind, dict):
        parts = list(dict.values(value)) + ([] if _leads_to_none(value, pages) else list(dict.keys(value)))
    elif issubclass(kind, (list, tuple, deque)):
        parts = list(kind.__iter__(value))
    elif not kind.__module__.startswith(STRANGE):
        parts = list(vars_of(value).values())
    for part in parts:
        yield from _noted(part, pages, depth - 1, seen)


def number_sets(driver: Any, pages: frozenset[int] = frozenset()) -> dict[Place, frozenset[int]]:
    """The sets of whole numbers in a driver and its parts, and tables by such that lead to no objects, nor to ``pages``."""
    found: dict[Place, frozenset[int]] = {}
    _collect(driver, pages, (), set(), found)
    return found


def _collect(value: Any, pages: frozenset[int], place: Place, seen: set[int], found: dict[Place, frozenset[int]]) -> None:
    kind = type(value)
    if issubclass(kind, (set, frozenset, dict)):
        if not issubclass(kind, dict) or _leads_to_none(value, pages):
            numbers = list(kind.__iter__(value))
            if all(type(number) is int for number in numbers):
                found[place] = frozenset(numbers)
    elif len(place) < MAX_DEPTH and id(value) not in seen and not callable(value) and not kind.__module__.startswith(STRANGE):
        seen.add(id(value))
        for name, part in sorted(vars_of(value).items()):
            _collect(part, pages, (*place, name), seen, found)


def _leads_to_none(table: dict[Any, Any], pages: frozenset[int]) -> bool:
    """Whether a table leads to no objects, and to no page by its number: what does has names of its own for pages."""
    return all(type(part) in (int, bool, str, bytes, type(None)) and part not in pages for part in dict.values(table))
