"""N39: a core that asks about each page of a batch as soon as it has its locks, as kernels before 6.3 did."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from movable.contract.museum import Exhibit
from movable.mm.migrate_batch import TwoPartLoop, two_parts
from movable.museum.bases.ring import RingWorkload
from movable.museum.invented.sticky import Sticky

if TYPE_CHECKING:
    from movable.mm.list import ListHead
    from movable.mm.page import Page
    from movable.mm.vm import VM


class PairByPair(TwoPartLoop):
    """Every page of a part is a batch of its own, but for the passes."""

    __slots__ = ()

    def part(self, todo: list[Page], mode: int, passes: int) -> tuple[int, list[Page], list[Page], int]:
        pairs: list[tuple[Page, Page]] = []
        hard: list[Page] = []
        self.begin_pass(0, mode)
        for page in todo:
            if self.unmap(page, mode, pairs):
                hard.append(page)
            for stuck, newpage in self.move(pairs, mode, passes, hard):
                self.undo_target(stuck, newpage)
                hard.append(stuck)
            pairs.clear()
        return len(hard), hard, [], len(hard)


def pair_by_pair(vm: VM, pages: ListHead, get: Any, put: Any, private: Any, mode: int, reason: int) -> int:
    return PairByPair(vm, pages, get, put, private, mode, reason).run()


EXHIBITS = (
    Exhibit(
        id="N39",
        slug="core-pair-by-pair",
        layer="core migrate",
        title="a batch is not locked together",
        story="""
            A hurried part collects a batch: a target and both locks for every page. Only then it asks the drivers, and so a driver
            may be called while other pages of its own are locked. This core asks about each page as soon as it has its locks; a
            driver that waits for the lock of another of its pages passes every test with it, and stops a real kernel.
        """,
        fix="Collect the whole batch, then ask.",
        kin="the loop of kernels up to 6.2",
        rules=("V37",),
        broken=Sticky,
        twin=Sticky,
        workload=RingWorkload,
        era="6.17",
        core_patch={two_parts: pair_by_pair},
    ),
)
