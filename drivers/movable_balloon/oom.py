"""Giving pages back when the guest runs out of memory (drivers/virtio/virtio_balloon.c).

4.19 and 5.4 register a shrinker, kernels before and since an OOM notifier. Either way the host's target stays, so
that the next change of it inflates the balloon again.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from movable_balloon.virtio import VirtioBalloon

VIRTIO_BALLOON_OOM_NR_PAGES = 256
"""How many pages the notifier gives back in one call."""


class BalloonShrinker:
    """The balloon as a cache that can shrink (virtio_balloon_shrinker_count, virtio_balloon_shrinker_scan)."""

    def __init__(self, vb: VirtioBalloon) -> None:
        self.vb = vb

    def count_objects(self) -> int:
        """How many pages could come back."""
        return self.vb.size()

    def scan_objects(self, nr_to_scan: int) -> int:
        """Deflate up to ``nr_to_scan`` pages, in requests of at most 256; returns how many came back.

        Ends early where no page can be had: the balloon is empty, or the rest of it isolated.
        """
        vb = self.vb
        freed = 0
        while freed < nr_to_scan:
            got = vb.leak_balloon(nr_to_scan - freed)
            if not got:
                break
            freed += got
        vb.update_balloon_size()
        return freed


class OomNotifier:
    """Called by the allocator as its last resort (virtio_balloon_oom_notify)."""

    def __init__(self, vb: VirtioBalloon) -> None:
        self.vb = vb

    def __call__(self) -> int:
        """Deflate up to 256 pages; returns how many came back."""
        freed = self.vb.leak_balloon(VIRTIO_BALLOON_OOM_NR_PAGES)
        self.vb.update_balloon_size()
        return freed
