"""The virtio memory balloon: pages that the guest gives to its host (drivers/virtio/virtio_balloon.c).

Lock order: page lock, ``balloon_lock``, ``pages_lock``. A migration comes with page locks held, possibly out of our
own allocation, so it only tries ``balloon_lock``; for the same reason pages are allocated *before* it is taken.
``balloon_lock`` protects ``num_pages`` and ``pfns``, the buffer of the request under way. A page is told to the host
before it is used for anything else, and a migration inflates the new page before it deflates the old one, so that no
frame is ever both the host's and free.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from errno import EAGAIN
from typing import Any

from movable import (
    VM,
    AddressSpace,
    ListHead,
    Page,
    UsageError,
    VMBug,
    Work,
    adjust_managed_page_count,
    balloon,
    get_page,
    list_del,
    put_page,
)
from movable_balloon import balloon_compaction
from movable_balloon.balloon_compaction import (
    BalloonDevInfo,
    balloon_page_finalize,
    balloon_page_pop,
    balloon_page_push,
    balloon_page_replace,
)
from movable_balloon.host import Host
from movable_balloon.oom import BalloonShrinker, OomNotifier
from movable_balloon.stats import Stat, update_balloon_stats
from movable_balloon.virtqueue import VirtQueue

VIRTIO_BALLOON_ARRAY_PFNS_MAX = 256
"""How many frame numbers fit one request."""

VIRTIO_BALLOON_F_MUST_TELL_HOST = 0
VIRTIO_BALLOON_F_STATS_VQ = 1
VIRTIO_BALLOON_F_DEFLATE_ON_OOM = 2
VIRTIO_BALLOON_F_FREE_PAGE_HINT = 3
VIRTIO_BALLOON_F_PAGE_POISON = 4
VIRTIO_BALLOON_F_REPORTING = 5

PAGE_POISON_WORD = 0xAAAAAAAA
"""What a guest that poisons freed pages tells the host about their content."""


class VirtioBalloon:
    """The guest's side of one balloon device, without the callbacks that make its pages movable.

    ``features`` is the set of VIRTIO_BALLOON_F_* in use. ``num_pages`` is the size in pages, ``host`` the other side,
    ``starved`` true while the worker rests because a round brought it nothing.
    """

    def __init__(
        self, vm: VM, host: Host, features: frozenset[int], oom: str | None = None, hugetlb: bool = True
    ) -> None:
        oom = vm.era.balloon_oom if oom is None else oom
        if oom not in ("shrinker", "notifier"):
            raise UsageError(f"a balloon cannot deflate by {oom!r}; use 'shrinker' (4.19) or 'notifier' (5.10)")
        self.vm = vm
        self.host = host
        self.features = features
        self.hugetlb = hugetlb
        self.num_pages = 0
        self.pfns: list[int] = []
        self.balloon_lock = vm.mutex("balloon_lock")
        self.stop_update_lock = vm.spinlock("stop_update_lock")
        self.stop_update = False
        self.starved = False
        self.acked = vm.wait_queue("balloon acked")
        self.isolation_ended = vm.wait_queue("balloon isolation")
        self.workqueue = vm.workqueue("balloon")
        self.update_balloon_size_work = Work(self.update_balloon_size_func, "update_balloon_size_func")
        self.update_balloon_stats_work = Work(self.update_balloon_stats_func, "update_balloon_stats_func")
        self.core_owns = vm.era.balloon_core  # lists, marks, references and counters are the balloon core's
        self.layer: Any = balloon if self.core_owns else balloon_compaction
        self.vb_dev_info: BalloonDevInfo | balloon.BalloonDevInfo = self.new_dev_info()
        self.inflate_vq = VirtQueue("inflate", host.handle_inflate, self.balloon_ack)
        self.deflate_vq = VirtQueue("deflate", host.handle_deflate, self.balloon_ack)
        self.stats_vq = VirtQueue("stats", host.handle_stats, self.stats_request)
        self._shrinker = BalloonShrinker(self) if oom == "shrinker" else None
        self._notifier = OomNotifier(self) if oom == "notifier" else None

    def new_dev_info(self, mapping: AddressSpace | None = None) -> BalloonDevInfo | balloon.BalloonDevInfo:
        """The pages of this device, marked with ``mapping`` where they can move and the device marks them itself."""
        if not self.core_owns:
            hook = self.virtballoon_migratepage if mapping is not None else None
            return BalloonDevInfo(self.vm, mapping, hook)
        return balloon.BalloonDevInfo(
            self.vm, self.virtballoon_migratepage, self.adjusts_managed(), self.isolation_ended.wake_up, owner=self
        )

    def adjusts_managed(self) -> bool:
        """Whether ballooned frames are taken out of the managed pages: not where they come back in need."""
        return not self.virtio_has_feature(VIRTIO_BALLOON_F_DEFLATE_ON_OOM)

    def virtio_has_feature(self, feature: int) -> bool:
        """Whether guest and host agreed on a feature."""
        return feature in self.features

    def device_ready(self) -> None:
        """The end of the probe: offer statistics, listen to the host, help in need."""
        poisons = self.virtio_has_feature(VIRTIO_BALLOON_F_PAGE_POISON)
        self.host.connect(self.virtballoon_changed, PAGE_POISON_WORD if poisons else 0)
        if self.virtio_has_feature(VIRTIO_BALLOON_F_STATS_VQ):
            self.stats_vq.add_buffer(update_balloon_stats(self.vm, self.hugetlb))
            self.stats_vq.kick()
        if self.virtio_has_feature(VIRTIO_BALLOON_F_DEFLATE_ON_OOM):
            self._register_oom()
        if self.towards_target():
            self.virtballoon_changed()

    def _register_oom(self) -> None:
        if self._shrinker is not None:
            self.vm.shrinkers.append(self._shrinker)
        if self._notifier is not None:
            self.vm.oom_notifiers.append(self._notifier)

    def _unregister_oom(self) -> None:
        if self._shrinker in self.vm.shrinkers:
            self.vm.shrinkers.remove(self._shrinker)
        if self._notifier in self.vm.oom_notifiers:
            self.vm.oom_notifiers.remove(self._notifier)

    # talking to the host

    def balloon_ack(self, vq: VirtQueue) -> None:
        """Interrupt: the host has answered a request."""
        self.acked.wake_up()

    def tell_host(self, vq: VirtQueue) -> None:
        """Send the frames in ``pfns`` and sleep until the host has answered. The caller holds ``balloon_lock``."""
        if len(self.pfns) > VIRTIO_BALLOON_ARRAY_PFNS_MAX:
            raise VMBug("D43", f"a request of {len(self.pfns)} pages", f"at most {VIRTIO_BALLOON_ARRAY_PFNS_MAX}")
        vq.add_buffer(tuple(self.pfns))
        vq.kick()
        self.acked.wait_event(lambda: vq.get_buffer() is not None)

    # inflating and deflating

    def fill_balloon(self, num: int) -> int:
        """Give up to ``num`` pages, at most 256, to the host; returns how many there were."""
        pages = self._allocate(min(num, VIRTIO_BALLOON_ARRAY_PFNS_MAX))
        adjusts = self.adjusts_managed() and not self.core_owns
        with self.balloon_lock:
            self.pfns.clear()
            while (page := balloon_page_pop(pages)) is not None:
                self.layer.balloon_page_enqueue(self.vb_dev_info, page)
                self.pfns.append(page.pfn)
                self.num_pages += 1
                if adjusts:
                    adjust_managed_page_count(page, -1)
            num_allocated_pages = len(self.pfns)
            if self.pfns:
                self.tell_host(self.inflate_vq)
        return num_allocated_pages

    def _allocate(self, num: int) -> ListHead:
        """Up to ``num`` pages, without any lock of ours: the allocation may compact, and so call our own callbacks."""
        pages = ListHead("balloon fill")
        for _ in range(num):
            page = self.layer.balloon_page_alloc(self.vm)
            if page is None:
                break
            balloon_page_push(pages, page)
        return pages

    def leak_balloon(self, num: int) -> int:
        """Take up to ``num`` pages, at most 256, back from the host and free them; returns how many there were.

        Fewer come back when pages are isolated, or locked by somebody.
        """
        pages = ListHead("balloon leak")
        with self.balloon_lock:
            self.pfns.clear()
            for _ in range(min(num, VIRTIO_BALLOON_ARRAY_PFNS_MAX, self.num_pages)):
                page = self.layer.balloon_page_dequeue(self.vb_dev_info)
                if page is None:
                    break
                self.pfns.append(page.pfn)
                balloon_page_push(pages, page)
                self.num_pages -= 1
            num_freed_pages = len(self.pfns)
            # The host must hear of it before the pages are used, whatever it said about having to be told.
            if self.pfns:
                self.tell_host(self.deflate_vq)
            self.release_pages_balloon(pages)
        return num_freed_pages

    def release_pages_balloon(self, pages: ListHead) -> None:
        """Free pages that the host gave back. Raises VMBug for one that the host still owns."""
        adjusts = self.adjusts_managed() and not self.core_owns
        for page in pages:
            if self.host.owns(page.pfn):
                raise VMBug("D43", "about to be freed while the host owns it", "the host to be told first", page)
            if adjusts:
                adjust_managed_page_count(page, 1)
            list_del(page.lru)
            put_page(page)

    # the size

    def size(self) -> int:
        """How many pages the balloon holds. The kernel reads the number without the lock, which is a data race."""
        with self.balloon_lock:
            return self.num_pages

    @contextmanager
    def host_is_busy(self) -> Iterator[None]:
        """Inside the block the host owes an answer to an earlier request: a migration that meets it is told to try again."""
        taken = self.balloon_lock.trylock()
        try:
            yield
        finally:
            if taken:
                self.balloon_lock.unlock()

    def towards_target(self) -> int:
        """How many pages to inflate; below zero: to deflate."""
        return self.host.read_target() - self.size()

    def update_balloon_size(self) -> None:
        """Write the size into the device's configuration, for the host to see."""
        self.host.write_actual(self.size())

    def virtballoon_changed(self) -> None:
        """Interrupt: the host wants another size."""
        with self.stop_update_lock:
            if not self.stop_update:
                self.workqueue.queue_work(self.update_balloon_size_work)

    def update_balloon_size_func(self) -> None:
        """The worker: one request towards the target, and another while that is not reached.

        The kernel tries for ever, with 200 ms of sleep whenever it finds no page; under pressure its own shrinker may undo
        each round. There are no clocks here: after a round that brought nothing the worker rests until the host asks again.
        """
        diff = self.towards_target()
        if diff > 0:
            self.fill_balloon(diff)
        elif diff < 0:
            self.leak_balloon(-diff)
        self.update_balloon_size()
        left = self.towards_target()
        self.starved = left != 0 and abs(left) >= abs(diff)
        if left and not self.starved:
            self.virtballoon_changed()

    # moving

    def virtballoon_migratepage(self, dev_info: Any, newpage: Page, page: Page, mode: int) -> int:
        """Put ``newpage`` in the place of ``page``; both are locked. Returns 0, or -EAGAIN during a request.

        Sleeps for the host's answers in every mode. From 6.18 on the host is all that this is about.
        """
        # The holder may be waiting for a page lock, or be this very task, compacting on behalf of its own allocation.
        if not self.balloon_lock.trylock():
            return -EAGAIN
        try:
            if not self.core_owns:
                self._take_in(dev_info, newpage, page)
            self.pfns[:] = (newpage.pfn,)
            self.tell_host(self.inflate_vq)
            if not self.core_owns:
                balloon_page_finalize(dev_info, page)
            self.pfns[:] = (page.pfn,)
            self.tell_host(self.deflate_vq)
        finally:
            self.balloon_lock.unlock()
        if self.host.owns(page.pfn):
            raise VMBug("D43", "about to be dropped while the host owns it", "the host to be told first", page)
        if not self.core_owns:
            put_page(page)
        return 0

    def _take_in(self, dev_info: BalloonDevInfo, newpage: Page, page: Page) -> None:
        """What a device did itself until the balloon core took over: reference, managed pages, list."""
        get_page(newpage)
        if page.zone is not newpage.zone and self.adjusts_managed():
            adjust_managed_page_count(page, 1)
            adjust_managed_page_count(newpage, -1)
        balloon_page_replace(dev_info, newpage)

    # statistics

    def stats(self) -> tuple[Stat, ...]:
        """The statistics as they are now, pairs of tag and value (movable_balloon.stats)."""
        return update_balloon_stats(self.vm, self.hugetlb)

    def stats_request(self, vq: VirtQueue) -> None:
        """Interrupt: the host gave the statistics buffer back, which means that it wants a new one."""
        with self.stop_update_lock:
            if not self.stop_update:
                self.workqueue.queue_work(self.update_balloon_stats_work)

    def update_balloon_stats_func(self) -> None:
        """The worker: fill the buffer anew and offer it."""
        stats = update_balloon_stats(self.vm, self.hugetlb)
        if self.stats_vq.get_buffer() is None:
            return
        self.stats_vq.add_buffer(stats)
        self.stats_vq.kick()

    # going

    def stop(self) -> None:
        """The first part of a removal: no more help in need, no more work."""
        self._unregister_oom()
        with self.stop_update_lock:
            self.stop_update = True
        self.workqueue.cancel_work_sync(self.update_balloon_size_work)
        self.workqueue.cancel_work_sync(self.update_balloon_stats_work)

    def reset(self) -> None:
        """The last part of a removal: the device forgets the guest, its queues go."""
        self.update_balloon_size()
        self.host.reset()
        for vq in (self.inflate_vq, self.deflate_vq, self.stats_vq):
            vq.delete()
        self.workqueue.destroy()

    @property
    def mapping(self) -> AddressSpace | None:
        """What the pages are marked with; None where they cannot move, or where the mark is the balloon core's."""
        return self.vb_dev_info.mapping if isinstance(self.vb_dev_info, BalloonDevInfo) else None
