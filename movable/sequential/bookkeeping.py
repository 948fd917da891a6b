"""Looks at the books between two steps: what a driver counts against what there is, and what it asked for against what it did.

These rules are judged at quiet moments, from the author's declarations and from the driver's own attributes.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import nullcontext
from errno import ENOENT
from typing import TYPE_CHECKING

from movable.events import Event
from movable.introspection import vars_of
from movable.mm.balloon import BalloonDevInfo
from movable.mm.gfp import GFP_MOVABLE
from movable.mm.page_flags import ISOLATED, PAGE_MAPPING_FLAGS, PAGE_MAPPING_MOVABLE
from movable.sequential.number_books import NumberBooks
from movable.workload.workload import ISOLATION_COUNT, Workload, named, snapshot

if TYPE_CHECKING:
    from movable.mm.vm import VM

Finding = tuple[str, bool, str]
"""A rule, whether it was kept, and what was found."""


class Audit:
    """The auditor of one workload."""

    def __init__(self, vm: VM, workload: Workload) -> None:
        self.vm = vm
        self.workload = workload
        self.operating = False
        self.asked_movable: set[int] = set()
        self.numbers = NumberBooks(workload.driver)
        self.outside = type(workload).outside is not Workload.outside
        self.host_had: set[int] = set()
        self.node_counts: list[int] = []

    # as it happens

    def alloc_page(self, event: Event) -> None:
        """An operation of the driver got a page."""
        if self.operating and event.args.get("gfp", 0) & GFP_MOVABLE and not self.vm.current.memalloc:
            self.asked_movable.add(event.pfn)

    def free_page(self, event: Event) -> Iterator[Finding]:
        """A page is free; says so when the outside world still has it."""
        self.asked_movable.discard(event.pfn)
        if self.outside:
            what = f"page {event.pfn} is free in the guest, and the outside world still has it"
            yield "D43", event.pfn not in set(self.workload.outside()), what

    def balloon_hook(self, event: Event) -> None:
        """A device is told of a move."""
        self.host_had, self.node_counts = self._host_has(), self._node_counts()

    def balloon_hook_ret(self, event: Event) -> Iterator[Finding]:
        """And has answered: it counted nothing, and after an error its host has the old page still, but after -ENOENT."""
        what = f"the hook for page {event.pfn} changed nr_balloon_pages, which the balloon core alone counts"
        yield "D57", self._node_counts() == self.node_counts, what
        ret = event.args.get("ret")
        if event.pfn in self.host_had and type(ret) is int and ret < 0:
            left = event.pfn not in self._host_has()
            text = f"the hook answered {ret} for page {event.pfn}, which its host has {'no more' if left else 'still'}"
            yield "D57", left is (ret == -ENOENT), text

    def _node_counts(self) -> list[int]:
        return [node.vmstat["nr_balloon_pages"] for node in self.vm.nodes]

    def _host_has(self) -> set[int]:
        if not self.outside:
            return set()
        with self.vm.seam.quiet() if self.vm.seam is not None else nullcontext():
            return set(self.workload.outside())

    def asked_to_move(self, event: Event) -> None:
        """The driver has answered."""
        ret = event.args["ret"]
        if type(ret) is int and ret <= 0:
            self.numbers.tried.append((event.pfn, event.args["newpage"], ret == 0))

    # between two steps

    def books(self) -> Iterator[Finding]:
        """Counters against recounts."""
        for rule, name, counted, found in self.workload.ledger():
            yield rule, counted == found, f"{name}: the books say {counted}, there are {found}"
        if self.outside:
            yield from outside_books(self.workload)
        pages = list(self.workload.pages())
        at_rest = not any(page._flags & ISOLATED for page in pages) and not any(queue.items for queue in self.vm.workqueues)
        words = [word for page in pages for word in (page._private, page._index)]
        astray = self.numbers.look(frozenset(page.pfn for page in pages), at_rest, words)
        yield from (("D14", False, what) for what in astray)
        wrong = [
            f"node {node.nid}: {name} {count}"
            for node in self.vm.nodes
            for name, count in node.vmstat.items()
            if count and name.startswith("nr_isolated")
        ]
        yield "V20", not wrong, f"{', '.join(wrong)}; there are no LRU pages on this machine"

    def settled(self) -> Iterator[Finding]:
        """What must hold once nothing is isolated and no work is queued."""
        for name, count in isolation_counts(self.workload.driver):
            yield "D44", count == 0, f"{name} says {count}, and nothing is isolated"
        for count in {id(balloon): balloon.isolated_pages for balloon in balloons(self.workload.driver)}.values():
            yield "D57", count == 0, f"isolated_pages of a balloon says {count}, and nothing is isolated: the core alone counts"
        for name, count in self.vm.balloon.counted.items() if self.vm.balloon is not None else ():
            said = self.vm.vmstat[name]
            rule = "D57" if name == "balloon_migrate" else "D44"
            yield rule, said == count, f"{name} says {said}, and the balloon core counted {count}: it alone counts"
        pages = [self.vm.page(pfn) for pfn in sorted(self.asked_movable)]
        plain = [page.pfn for page in pages if page._mapping & PAGE_MAPPING_FLAGS != PAGE_MAPPING_MOVABLE]
        if pages:
            yield "D45", not plain, f"page {plain[0] if plain else ''} was asked for as movable memory and is not marked movable"


def outside_books(workload: Workload) -> Iterator[Finding]:
    """What the outside world has against what it was given: no free page, nobody else's, and what the driver thinks it has."""
    vm, outside = workload.vm, set(workload.outside())
    free = sorted(pfn for pfn in outside if vm.page(pfn)._refcount == 0)
    yield "D43", not free, f"the outside world has page {free[0] if free else ''}, which is free in the guest"
    strange = outside.difference(free, (page.pfn for page in workload.pages()))
    if any(queue.items for queue in vm.workqueues):
        strange = set()  # what is queued may still tell the outside world
    elif strange:
        kept = snapshot(workload.driver)
        strange = {pfn for pfn in strange if not named(kept, pfn)}
    yield "D43", not strange, f"the outside world has page {min(strange, default='')}, which is in use, and not by the driver"
    if type(workload).given is not Workload.given:
        given = set(workload.given())
        less, more = sorted(given - outside), sorted(outside - given)
        what = f"the driver has given away {less}, which the outside world has not; that has {more}, which the driver has not given"
        yield "D43", not less and not more, what


def isolation_counts(driver: object) -> Iterator[tuple[str, int]]:
    """The driver's own attributes that count isolated pages, and those of its parts."""
    parts = [driver, *(part for part in vars(driver).values() if hasattr(part, "__dict__"))] if hasattr(driver, "__dict__") else []
    for part in parts:
        if type(part).__module__.startswith("movable.mm."):
            continue
        for name, value in vars(part).items():
            if type(value) is int and ISOLATION_COUNT.fullmatch(name):
                yield f"{type(part).__name__}.{name}", value


def balloons(part: object, depth: int = 3) -> Iterator[BalloonDevInfo]:
    """The balloons that a driver and its parts have, as many attributes deep."""
    for value in vars_of(part).values() if depth else ():
        if isinstance(value, BalloonDevInfo):
            yield value
        elif not type(value).__module__.startswith(("movable.mm.", "builtins")):
            yield from balloons(value, depth - 1)
