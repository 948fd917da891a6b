"""Z03, Z04 and N32: how isolations and drivers end while somebody else is at work."""

from __future__ import annotations

from movable.contract.museum import Exhibit
from movable.museum.bases.balloon import Balloon, BalloonWorkload
from movable.museum.bases.pool import Pool, PoolWorkload


class LeavesTheEmptyOne(Pool):
    def migrated(self) -> None:
        self.isolated -= 1
        self.drained.wake_up()


class GoesBesideMigration(Pool):
    def drain(self) -> None:
        pass


class GoesWithoutItsPages(Balloon):
    def is_idle(self) -> bool:
        return True


EXHIBITS = (
    Exhibit(
        id="Z03",
        slug="zs-empty-strand",
        year=2019,
        commit="1a87aa03597e",
        layer="driver zsmalloc",
        title="a page that is emptied while it is isolated, and then migrated, is never freed",
        story="""
            The last object of an isolated page is freed. The page cannot go while the core has it; whoever ends the isolation
            must see to that. Put-back wakes the worker that frees empty pages. A successful migration forgets to, and the
            empty page lies around until something else happens to wake the worker.
        """,
        fix="Both ends of an isolation do the same follow-up work, in one function.",
        rules=("D54",),
        broken=LeavesTheEmptyOne,
        twin=Pool,
        workload=PoolWorkload,
        depth=(2, 1),
    ),
    Exhibit(
        id="Z04",
        slug="zs-destroy-late-work",
        year=2019,
        commit="701d678599d0",
        layer="driver zsmalloc",
        title="a pool is destroyed while one of its pages is being migrated",
        story="""
            The pool stops its workers and goes. A migration of one of its pages is under way. When that is done it gives the
            worker another page to free, on a queue that is gone; the page itself names operations that are gone.
        """,
        fix="Count isolated pages, refuse new isolations, and wait until the count is zero before the workers are stopped.",
        rules=("D41",),
        broken=GoesBesideMigration,
        twin=Pool,
        workload=PoolWorkload,
        depth=(2, 1),
    ),
    Exhibit(
        id="N32",
        slug="goes-without-its-pages",
        layer="driver",
        title="the driver is removed and does not wait for isolated pages",
        story="""
            Removal gives back every page on the driver's list, finds the list empty and goes. An isolated page is on no list of
            the driver's. It comes back later, to an owner that does not exist.
        """,
        fix="Refuse new isolations, and wait for the isolated pages before anything is taken apart.",
        kin="akin to Z04",
        rules=("D41",),
        broken=GoesWithoutItsPages,
        twin=Balloon,
        workload=BalloonWorkload,
        depth=(2, 1),
    ),
)
