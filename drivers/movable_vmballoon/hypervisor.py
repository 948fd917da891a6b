"""The hypervisor's side: it locks frames for itself and gives them back, a batch of them at a time, each with its own answer."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from movable import VM, Page, UsageError, VMBug

BATCH_MAX_PAGES = 512
"""Entries of one batch: frame numbers that fill one page of memory."""

SUCCESS, PPN_PINNED, BUSY = 0, 5, 8
"""Answers to one entry of a batch, as the VMware balloon numbers them."""


class Hypervisor:
    """What the guest talks to by batches.

    ``target`` is the size that it wants the balloon to have, in pages, and ``locked`` the frames that are its own now.
    ``pinned_every`` makes every frame whose number it divides one that can never be given away, 0 makes none so.
    ``refuse_locks`` and ``refuse_unlocks`` count entries of the next batches that are answered with an error.
    """

    def __init__(self, vm: VM, pinned_every: int = 0) -> None:
        if pinned_every < 0:
            raise UsageError(f"pinned_every is {pinned_every}; give 0 for no pinned frames, or how many frames lie between two")
        self.vm = vm
        self.pinned_every = pinned_every
        self.target = 0
        self.locked: set[int] = set()
        self.refuse_locks = 0
        self.refuse_unlocks = 0
        self.batches = 0
        self.on_target: Callable[[], None] | None = None

    def set_target(self, pages: int) -> None:
        """Want another size, and say so. Raises UsageError below 0."""
        if pages < 0:
            raise UsageError(f"a balloon of {pages} pages is not possible; ask for 0 or more")
        self.target = pages
        if self.on_target is not None:
            self.on_target()

    def lock(self, pages: Sequence[Page]) -> list[int]:
        """Take the frames of a batch; returns an answer for each. Raises VMBug for one that is taken already."""
        self.batches += 1
        return [self._lock(page) for page in pages]

    def unlock(self, pages: Sequence[Page]) -> list[int]:
        """Give the frames of a batch back; returns an answer for each. Raises VMBug for one that was never taken."""
        self.batches += 1
        return [self._unlock(page) for page in pages]

    def owns(self, pfn: int) -> bool:
        """Whether the frame is the hypervisor's: whoever uses it now uses memory that is not there."""
        return pfn in self.locked

    def _lock(self, page: Page) -> int:
        if page.pfn in self.locked:
            raise VMBug("D43", "the hypervisor was given a page that it has already", "one lock for one unlock", page)
        if self.refuse_locks:
            self.refuse_locks -= 1
            return PPN_PINNED
        if self.pinned_every and page.pfn % self.pinned_every == 0:
            return PPN_PINNED
        self.locked.add(page.pfn)
        self.vm.host_discard(page)
        return SUCCESS

    def _unlock(self, page: Page) -> int:
        if page.pfn not in self.locked:
            raise VMBug("D43", "the hypervisor was asked for a page that it does not have", "one lock for one unlock", page)
        if self.refuse_unlocks:
            self.refuse_unlocks -= 1
            return BUSY
        self.locked.remove(page.pfn)
        return SUCCESS
