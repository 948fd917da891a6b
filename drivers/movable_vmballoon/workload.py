"""The balloon at work, for the contract kit: it inflates, deflates, follows a target, and meets a hypervisor that refuses."""

from __future__ import annotations

from collections.abc import Iterable

from hypothesis import strategies as st

from movable.contract import Workload, operation
from movable_vmballoon.driver import VmBalloon
from movable_vmballoon.hypervisor import Hypervisor


class VmBalloonWorkload(Workload):
    """Nothing is stored in a balloon, so there is no content to keep."""

    factory = VmBalloon
    preserves_content = False
    may_release_isolated = True  # a move whose second half is refused ends with the page out of the balloon
    unwatched = (Hypervisor,)  # another machine
    variants = ({}, {"pinned_every": 5})
    hostile = ("refuse_locks", "refuse_unlocks")

    def outside(self) -> Iterable[int]:
        """The frames that the hypervisor has."""
        locked: set[int] = self.driver.host.locked
        return locked

    def given(self) -> Iterable[int]:
        """The frames of the balloon."""
        return [page.pfn for page in self.pages()]

    @operation(count=st.integers(1, 12))
    def inflate(self, count: int) -> None:
        """Give up to ``count`` pages to the hypervisor."""
        self.driver.inflate(count)

    @operation(count=st.integers(1, 12))
    def deflate(self, count: int) -> None:
        """Take up to ``count`` pages back."""
        self.driver.deflate(count)

    @operation(pages=st.integers(0, 24))
    def set_target(self, pages: int) -> None:
        """Let the hypervisor ask for another size; the worker sees to it."""
        self.driver.set_target(pages)

    @operation()
    def refuse_locks(self) -> None:
        """The next frame is not taken: one allocated for the balloon, or the target of a move whose first half is done."""
        self.driver.host.refuse_locks = 1

    @operation()
    def refuse_unlocks(self) -> None:
        """The next frame is not given back."""
        self.driver.host.refuse_unlocks = 1

    def invariant(self) -> None:
        """The size, the list of pages and the hypervisor's frames agree."""
        driver: VmBalloon = self.driver
        assert driver.size == driver.books.held(), "pages of the balloon are lost, or counted twice"
        assert driver.size == len(driver.host.locked), "guest and hypervisor disagree about the size of the balloon"
