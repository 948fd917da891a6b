"""The balloon at work, for the contract kit: it inflates, deflates, follows a target, and answers the host's questions."""

from __future__ import annotations

from collections.abc import Iterable

from hypothesis import strategies as st

from movable.contract import Workload, operation
from movable_balloon.driver import Balloon
from movable_balloon.host import Host
from movable_balloon.oom import OomNotifier
from movable_balloon.virtqueue import VirtQueue


class BalloonWorkload(Workload):
    """Nothing is stored in a balloon, so there is no content to keep; its callback sleeps for the host's answers."""

    factory = Balloon
    preserves_content = False
    unwatched = (Host, VirtQueue)  # another machine, and the wire to it
    event_counters = {"balloon_migrate": "movable_migrated"}

    def outside(self) -> Iterable[int]:
        """The frames that the host has."""
        owned: set[int] = self.driver.host.owned
        return owned

    def given(self) -> Iterable[int]:
        """The frames of the balloon."""
        return [page.pfn for page in self.pages()]

    @operation(count=st.integers(1, 12))
    def inflate(self, count: int) -> None:
        """Give up to ``count`` pages to the host."""
        self.driver.fill_balloon(count)

    @operation(count=st.integers(1, 12))
    def deflate(self, count: int) -> None:
        """Take up to ``count`` pages back."""
        self.driver.leak_balloon(count)

    @operation(pages=st.integers(0, 24))
    def set_target(self, pages: int) -> None:
        """Let the host ask for another size; the worker sees to it."""
        self.driver.set_target(pages)

    @operation()
    def out_of_memory(self) -> None:
        """What the allocator does as its last resort."""
        OomNotifier(self.driver)()

    def invariant(self) -> None:
        """The guest's books, the list of pages and the host's books agree."""
        balloon: Balloon = self.driver
        assert balloon.num_pages == balloon.vb_dev_info.ballooned(), "pages of the balloon are lost, or counted twice"
        assert balloon.num_pages == len(balloon.host.owned), "guest and host disagree about the size of the balloon"
        findings = balloon.host.check()
        assert not findings, findings[0]
