"""Z13: a shrinker that everybody calls at once."""

from __future__ import annotations

from movable import (
    VM,
)
from movable.contract import operation
from movable.contract.museum import Exhibit
from movable.museum.bases.ring import Ring, RingWorkload


class Shrinkable(Ring):
    """A ring that can be told to shrink; one task at a time does it, and others need not wait for the same."""

    def __init__(self, vm: VM) -> None:
        super().__init__(vm)
        self.pool = vm.mutex("pool")
        self.line = self.longest = 0

    def shrink(self) -> None:
        """Look for pages to give up: slow, and under the lock that everybody needs."""
        if self.begin():
            with self.pool:
                self.scan()
            self.end()

    def begin(self) -> bool:
        """Stand in line, unless somebody is at it already."""
        with self.lock:
            if self.is_taken():
                return False
            self.line += 1
            self.longest = max(self.longest, self.line)
        return True

    def is_taken(self) -> bool:
        """Whether to go without."""
        return self.line > 0

    def end(self) -> None:
        """The next may begin."""
        with self.lock:
            self.line -= 1

    def scan(self) -> int:
        """How many slots are empty."""
        with self.lock:
            return sum(1 for page in self.slots if page is None)


class EverybodyShrinks(Shrinkable):
    def is_taken(self) -> bool:
        return False


class ShrinkableWorkload(RingWorkload):
    """The ring's, under memory pressure."""

    factory = Shrinkable
    driver: Shrinkable

    @operation()
    def shrink(self) -> None:
        self.driver.shrink()

    def invariant(self) -> None:
        longest = self.driver.longest
        assert longest <= 1, f"{longest} tasks stood in line for the pool's lock"


EXHIBITS = (
    Exhibit(
        id="Z13",
        slug="zs-shrinker-pileup",
        year=2023,
        commit="d2658f2052c7",
        layer="driver zsmalloc",
        title="everybody who reclaims memory stands in line to compact the same pool",
        story="""
            Every task that is short of memory calls the pool's shrinker, which compacts the pool under its lock. One such task
            is enough; the others wait for the lock, find nothing to do, and hold up everybody who wants an object.
        """,
        fix="A flag that compaction is going on; whoever finds it set goes without.",
        rules=("D54",),
        broken=EverybodyShrinks,
        twin=Shrinkable,
        workload=ShrinkableWorkload,
        depth=(3, 0),
    ),
)
