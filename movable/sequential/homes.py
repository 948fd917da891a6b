"""Where a driver keeps each of its pages, and which of these places stand for each other.

An owner may put a page that comes back where it likes: on a list of pages that came back, or on the cold one of two between which
it moves pages anyway. On a list of pages of another kind it is lost.
"""

from __future__ import annotations

from collections.abc import Iterator

Place = tuple[str, ...]


def home(state: object, pfn: int) -> list[Place]:
    """Where a snapshot names a page, without the order of lists, and what it says about isolation; sorted."""
    return sorted(place for number, place in _places(state, ()) if number in (pfn, COUNT))


COUNT = -1
"""In place of a frame number: what is said there is a count."""


def _places(state: object, path: Place) -> Iterator[tuple[int, Place]]:
    """Every (frame number, place) that a snapshot names, and (COUNT, place and count)."""
    if not isinstance(state, tuple):
        return
    if len(state) == 3 and state[0] == "list":
        yield from ((pfn, (*path, str(state[1]))) for pfn in state[2])
    elif len(state) == 2 and state[0] == "page" and isinstance(state[1], int):
        yield state[1], path or ("itself",)
    elif len(state) == 2 and isinstance(state[0], str):
        if isinstance(state[1], int):
            yield COUNT, (*path, state[0], str(state[1]))
        yield from _places(state[1], (*path, state[0]))
    else:
        for part in state:
            yield from _places(part, path)


def _differ(was: list[Place], now: list[Place]) -> tuple[list[Place], list[Place]]:
    return [place for place in was if place not in now], [place for place in now if place not in was]


class Homes:
    """The places of one driver.

    ``settled`` are those to which a page came otherwise than by put-back, ``exchanged`` pairs between which the driver moved one by
    itself. ``last`` is where pages were seen last, ``returned`` are those that are where put-back put them.
    """

    def __init__(self) -> None:
        self.settled: set[Place] = set()
        self.exchanged: set[frozenset[Place]] = set()
        self.last: dict[int, list[Place]] = {}
        self.returned: set[int] = set()

    def look(self, state: object) -> None:
        """Learn from a snapshot."""
        now: dict[int, list[Place]] = {}
        for pfn, place in _places(state, ()):
            if pfn != COUNT:
                now.setdefault(pfn, []).append(place)
        for pfn, places in now.items():
            before = self.last.get(pfn, places)
            if before != places:
                gone, came = _differ(before, places)
                self.exchanged |= {frozenset((one, two)) for one in gone for two in came}
                self.returned.discard(pfn)
            if pfn not in self.returned:
                self.settled.update(places)
        self.last = now

    def put_back(self, pfn: int) -> None:
        """A page came back, wherever it is now: that says nothing about the place."""
        self.last.pop(pfn, None)
        self.returned.add(pfn)

    def restores(self, before: object, after: object, pfn: int) -> bool:
        """Whether a page is at home again: in as many places, with the same counts, and in none that is for others only."""
        was, now = home(before, pfn), home(after, pfn)
        gone, came = _differ(was, now)
        if len(was) != len(now) or home(before, COUNT) != home(after, COUNT):
            return False
        return all(two not in self.settled or frozenset((one, two)) in self.exchanged for one in gone for two in came)
