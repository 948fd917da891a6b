"""What a run counts: the outcomes of every driver's callbacks, and the state of every zone at a moment."""

from __future__ import annotations

from collections.abc import Callable
from errno import EAGAIN
from typing import TYPE_CHECKING, NamedTuple

from movable.mm.address_space import AddressSpace, MovableOperations
from movable.mm.page_flags import ISOLATED, PAGE_MAPPING_FLAGS
from movable.mm.vmstat import fragmentation_index, unusable_index

if TYPE_CHECKING:
    from movable.mm.page import Page
    from movable.mm.vm import VM


class Tally:
    """How the callbacks of one driver ended.

    ``isolated`` and ``refused`` count isolate_page, ``migrated``, ``eagain`` and ``failed`` migratepage, ``putback``
    putback_page. An isolation that ended without any of these was ``released`` by the driver, which no callback tells: it shows in
    the page, whose flag the core has cleared, or which was isolated anew. Others are ``still_isolated``.
    """

    FIELDS = ("isolated", "refused", "migrated", "eagain", "failed", "putback", "released", "still_isolated")

    def __init__(self) -> None:
        self.isolated = self.refused = self.migrated = self.eagain = self.failed = self.putback = 0
        self.again = 0
        self.open: dict[Page, int] = {}

    def begin(self, page: Page, owner: int) -> None:
        """An isolation begins; one of the same page that is still open was over."""
        self.isolated += 1
        self.again += page in self.open
        self.open[page] = owner

    @property
    def still_isolated(self) -> int:
        """Isolations that have not ended, whether or not the driver has cleared the mark meanwhile."""
        isolated = ((page, owner) for page, owner in self.open.items() if page._flags & ISOLATED)
        return sum(1 for page, owner in isolated if page._mapping & ~PAGE_MAPPING_FLAGS in (owner, 0))

    @property
    def released(self) -> int:
        """Isolations that ended because the driver released the page."""
        return self.again + len(self.open) - self.still_isolated

    def record(self) -> dict[str, int]:
        """The counts by name."""
        return {name: getattr(self, name) for name in self.FIELDS}


def tally_callbacks(mapping: AddressSpace, tally: Tally) -> None:
    """Count the callbacks of one owner from now on. Answers and exceptions pass through as they are."""
    ops = mapping.a_ops
    if ops.isolate_page is None or ops.migratepage is None or ops.putback_page is None:
        return
    mapping.a_ops = MovableOperations(
        _isolate(ops.isolate_page, tally, mapping.addr), _migrate(ops.migratepage, tally), _putback(ops.putback_page, tally)
    )


def _isolate(inner: Callable[[Page, int], bool], tally: Tally, owner: int) -> Callable[[Page, int], bool]:
    def isolate_page(page: Page, mode: int) -> bool:
        answer = inner(page, mode)
        if answer is True:
            tally.begin(page, owner)
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
            tally.open.pop(page, None)
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
        tally.open.pop(page, None)
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
