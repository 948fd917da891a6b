"""Counters: those of the machine before a driver came and after it went, and a driver's own across the ends of isolations.

A counter that a driver raises when it lets go of a page and lowers when the page comes back counts pages that are away, whatever it
is called. Then it must fall at every other end of an isolation too, sooner or later.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, Any

from movable.introspection import vars_of
from movable.mm.atomic import AtomicLong

if TYPE_CHECKING:
    from movable.mm.vm import VM

DRIFTING = frozenset({"nr_balloon_pages"})
"""Counters that the core itself leaves wrong: the balloon of 7.3 tells no node of a page that moved, or was deflated on the way."""

Place = tuple[str, ...]
"""How a counter is reached from the driver: names of attributes, and keys of tables."""

MAX_DEPTH = 4
MAX_COUNTERS = 500
"""Counters of a driver that are looked at; a driver with more of them keeps data, not books."""


def machine_counters(vm: VM, levels: set[str]) -> dict[str, int]:
    """Every counter of every zone, of every node and of the machine that stands for something that there is now.

    Those of the machine also count events, which only grow: ``levels`` names the ones that fell. Counters at 0 are left out.
    """
    found: dict[str, int] = {}
    for zone in vm.zones:
        where = f"of zone {zone.name}, node {zone.node.nid}"
        found |= {f"{name} {where}": getattr(zone, name) for name in ("managed_pages", "present_pages", "spanned_pages")}
        found |= {f"{name} {where}": count for name, count in zone.vmstat.items()}
    for node in vm.nodes:
        found |= {f"{name} of node {node.nid}": count for name, count in node.vmstat.items() if name not in DRIFTING}
    machine = {name: count for name, count in vm.vmstat.items() if name.startswith("nr_") or name in levels}
    found |= {f"{name} of the machine": count for name, count in machine.items()}
    return {name: count for name, count in found.items() if count}


def changed(before: Mapping[str, int], after: Mapping[str, int]) -> list[str]:
    """The counters that differ, in words."""
    names = [*before, *(name for name in after if name not in before)]
    pairs = [(name, before.get(name, 0), after.get(name, 0)) for name in names]
    return [f"{name} was {one} and is {two}" for name, one, two in pairs if one != two]


MIN_FALLS = 2
"""So often a number must fall at one kind of end, and not at another: once may be chance."""


class Ends:
    """A driver's own counters, before and after each callback.

    ``away`` holds, by frame number, the counters that rose when the page was isolated. ``fell`` and ``missed`` count, by counter
    and kind of end, how often it did and did not fall with an isolation that had raised it. ``given_up`` counts the isolations that
    raised it and ended without the driver, which had released the page. ``others`` are numbers that count other things too: they
    rose outside of callbacks, or changed by more than one.
    """

    def __init__(self, driver: Any) -> None:
        self.driver = driver
        self.first = counters_of(driver)
        self.last = self.first
        self.others: set[Place] = set()
        self.away: dict[int, tuple[Place, ...]] = {}
        self.fell: defaultdict[Place, Counter[str]] = defaultdict(Counter)
        self.missed: defaultdict[Place, Counter[str]] = defaultdict(Counter)
        self.given_up: Counter[Place] = Counter()

    def before(self) -> None:
        """A callback is about to run: what rose since the last one counts other things too."""
        now = counters_of(self.driver)
        self.others |= {place for place, count in now.items() if count > self.last.get(place, 0)}
        self.last = now

    def isolated(self, pfn: int) -> None:
        """The driver let go of a page."""
        changes = self._changes()
        self.others |= {place for place, change in changes.items() if change > 1}
        self._forget(pfn)
        self.away[pfn] = tuple(place for place, change in changes.items() if change == 1)

    def _forget(self, pfn: int) -> None:
        """Nobody told the driver of the end of an isolation: it had given the page up."""
        self.given_up.update(self.away.pop(pfn, ()))

    def ended(self, pfn: int, end: str) -> None:
        """An isolation ended in a callback."""
        changes = self._changes()
        self.others |= {place for place, change in changes.items() if change > 0 or change < -1}
        for place in self.away.pop(pfn, ()):
            if place in self.last:
                (self.fell if changes.get(place, 0) < 0 else self.missed)[place][end] += 1

    def other(self) -> None:
        """A callback ran that neither began nor ended an isolation."""
        self.last = counters_of(self.driver)

    def _changes(self) -> dict[Place, int]:
        before, self.last = self.last, counters_of(self.driver)
        places = before.keys() | self.last.keys()
        return {place: self.last.get(place, 0) - before.get(place, 0) for place in places}

    def settled(self) -> Iterator[tuple[bool, str]]:
        """Nothing is isolated and no work is queued: whether each counter of pages that are away is back, and what it says."""
        self.before()
        for pfn in list(self.away):
            self._forget(pfn)
        for place, fell in self.fell.items():
            if place in self.others or place not in self.last:
                continue  # it counts more than pages that are away, or its owner is gone
            left = self.last[place] - self.first.get(place, 0)
            often = max(fell.values()) >= MIN_FALLS
            short = [end for end, count in self.missed[place].items() if often and count >= MIN_FALLS and not fell[end]]
            if often and not self.missed[place] and MIN_FALLS <= self.given_up[place] == left:
                short = ["given up meanwhile"]
            name = ".".join((type(self.driver).__name__, *place))
            what = f"{name} rises when a page is isolated and falls when it is {' or '.join(fell)}"
            yield not (short and left > 0), f"{what}, not when it is {' or '.join(short)}; it says {self.last[place]} at rest"


def counters_of(driver: Any) -> dict[Place, int]:
    """The whole numbers in a driver and its parts, by where they are; none where there are too many."""
    found: dict[Place, int] = {}
    _collect(driver, (), set(), found)
    return found if len(found) <= MAX_COUNTERS else {}


def _collect(value: Any, place: Place, seen: set[int], found: dict[Place, int]) -> None:
    kind = type(value)
    if kind is int:
        found[place] = value
    elif issubclass(kind, AtomicLong):
        found[place] = value._counter
    elif len(place) < MAX_DEPTH and len(found) <= MAX_COUNTERS and id(value) not in seen:
        seen.add(id(value))
        for name, part in _parts(value, kind):
            _collect(part, (*place, name), seen, found)


def _parts(value: Any, kind: type) -> Iterator[tuple[str, Any]]:
    if issubclass(kind, dict):
        yield from ((repr(key), part) for key, part in list(dict.items(value)) if isinstance(key, (int, str, tuple)))
    elif issubclass(kind, (list, tuple)):
        parts = list(value)  # one that grows or shrinks has other places afterwards: what is at one of them is not the same thing
        yield from ((f"{number}/{len(parts)}", part) for number, part in enumerate(parts))
    elif not kind.__module__.startswith(("movable.mm.", "builtins", "collections")) and not callable(value):
        yield from sorted(vars_of(value).items())
