"""What a run counts: the outcomes of every driver's callbacks, and the state of every zone at a moment."""

from __future__ import annotations

from collections.abc import Callable
from errno import EAGAIN
from typing import TYPE_CHECKING, NamedTuple

from movable.mm.address_space import AddressSpace, MovableOperations
from movable.mm.fragmentation import fragmentation_index, unusable_index

if TYPE_CHECKING:
    from movable.mm.page import Page
    from movable.mm.vm import VM


class Tally:
    """How the callbacks of one driver ended.

    ``isolated`` and ``refused`` count isolate_page, ``migrated``, ``eagain`` and ``failed`` migratepage, ``putback``
    putback_page. Pages that were neither migrated nor put back were released by the driver while isolated.
    """

    FIELDS = ("isolated", "refused", "migrated", "eagain", "failed", "putback", "released")

    def __init__(self) -> None:
        self.isolated = self.refused = self.migrated = self.eagain = self.failed = self.putback = 0

    @property
    def released(self) -> int:
        """Pages released while isolated; right when nothing is isolated any more."""
        return self.isolated - self.migrated - self.putback

    def record(self) -> dict[str, int]:
        """The counts by name."""
        return {name: getattr(self, name) for name in self.FIELDS}


def tally_callbacks(mapping: AddressSpace, tally: Tally) -> None:
    """Count the callbacks of one owner from now on. Answers and exceptions pass through as they are."""
    ops = mapping.a_ops
    if ops.isolate_page is None or ops.migratepage is None or ops.putback_page is None:
        return
    mapping.a_ops = MovableOperations(
        _isolate(ops.isolate_page, tally), _migrate(ops.migratepage, tally), _putback(ops.putback_page, tally)
    )


def _isolate(inner: Callable[[Page, int], bool], tally: Tally) -> Callable[[Page, int], bool]:
    def isolate_page(page: Page, mode: int) -> bool:
        answer = inner(page, mode)
        if answer is True:
            tally.isolated += 1
        elif answer is False:
            tally.refused += 1
        return answer

    return isolate_page


MigratePage = Callable[[AddressSpace, "Page", "Page", int], int]


def _migrate(inner: MigratePage, tally: Tally) -> MigratePage:
    def migratepage(mapping: AddressSpace, newpage: Page, page: Page, mode: int) -> int:
        rc = inner(mapping, newpage, page, mode)
        if rc == 0:
            tally.migrated += 1
        elif rc == -EAGAIN:
            tally.eagain += 1
        else:
            tally.failed += 1
        return rc

    return migratepage


def _putback(inner: Callable[[Page], object], tally: Tally) -> Callable[[Page], object]:
    def putback_page(page: Page) -> object:
        answer = inner(page)
        tally.putback += 1
        return answer

    return putback_page


class ZoneState(NamedTuple):
    """One zone at a moment: free frames, free blocks of an order, and the two indices of that order in thousandths."""

    node: int
    zone: str
    free: int
    blocks: int
    fragmentation_index: int
    unusable_index: int


def zone_states(vm: VM, order: int) -> list[ZoneState]:
    """Every zone as it is now. ``blocks`` counts blocks of ``order`` that could be cut from what is free."""
    return [
        ZoneState(
            zone.node.nid,
            zone.name,
            zone.nr_free,
            sum(area.nr_free << area.order - order for area in zone.free_area[order:]),
            fragmentation_index(zone, order),
            unusable_index(zone, order),
        )
        for zone in vm.zones
    ]


def thousandths(value: int) -> str:
    """An index as a person reads it: 983 is "0.983", -1000 is "-1.000"."""
    return f"{'-' if value < 0 else ''}{abs(value) // 1000}.{abs(value) % 1000:03d}"
