"""Counters: those of the machine before a driver came and after it went, and a driver's own across the ends of isolations.

A counter that a driver raises when it lets go of a page and lowers when the page comes back counts pages that are away, whatever it
is called. Then it must fall at every other end of an isolation too, sooner or later.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, Any

from movable.sequential.driver_counters import DriverCounters, Place

if TYPE_CHECKING:
    from movable.mm.vm import VM

DRIFTING = frozenset({"nr_balloon_pages"})
"""Counters that the core itself leaves wrong: the balloon of 7.3 tells no node of a page that moved, or was deflated on the way."""


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
        self.counters = DriverCounters(driver)
        self.first = self.counters.counts
        self.others: set[Place] = set()
        self.away: dict[int, tuple[Place, ...]] = {}
        self.fell: defaultdict[Place, Counter[str]] = defaultdict(Counter)
        self.missed: defaultdict[Place, Counter[str]] = defaultdict(Counter)
        self.given_up: Counter[Place] = Counter()

    def before(self) -> None:
        """A callback is about to run: what rose since the last one counts other things too."""
        self.others |= {place for place, change in self.counters.look().items() if change > 0}

    def isolated(self, pfn: int) -> None:
        """The driver let go of a page."""
        changes = self.counters.look()
        self.others |= {place for place, change in changes.items() if change > 1}
        self._forget(pfn)
        self.away[pfn] = tuple(place for place, change in changes.items() if change == 1)

    def _forget(self, pfn: int) -> None:
        """Nobody told the driver of the end of an isolation: it had given the page up."""
        self.given_up.update(self.away.pop(pfn, ()))

    def ended(self, pfn: int, end: str) -> None:
        """An isolation ended in a callback."""
        changes = self.counters.look()
        self.others |= {place for place, change in changes.items() if change > 0 or change < -1}
        for place in self.away.pop(pfn, ()):
            if place in self.counters:
                (self.fell if changes.get(place, 0) < 0 else self.missed)[place][end] += 1

    def other(self) -> None:
        """A callback ran that neither began nor ended an isolation."""
        self.counters.look()

    def settled(self) -> Iterator[tuple[bool, str]]:
        """Nothing is isolated and no work is queued: whether each counter of pages that are away is back, and what it says."""
        self.before()
        now = self.counters.counts
        for pfn in list(self.away):
            self._forget(pfn)
        for place, fell in self.fell.items():
            if place in self.others or place not in now:
                continue  # it counts more than pages that are away, or its owner is gone
            left = now[place] - self.first.get(place, 0)
            often = max(fell.values()) >= MIN_FALLS
            short = [end for end, count in self.missed[place].items() if often and count >= MIN_FALLS and not fell[end]]
            if often and not self.missed[place] and MIN_FALLS <= self.given_up[place] == left:
                short = ["given up meanwhile"]
            name = ".".join((type(self.driver).__name__, *place))
            what = f"{name} rises when a page is isolated and falls when it is {' or '.join(fell)}"
            yield not (short and left > 0), f"{what}, not when it is {' or '.join(short)}; it says {now[place]} at rest"
