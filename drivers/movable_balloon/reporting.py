"""Free page reporting over virtio: the host hears which free blocks hold nothing, and takes their memory back
(virtio_balloon.c of 5.10).

Nothing is owed for a reported block: the guest may use it at any time, and finds zeros.
"""

from __future__ import annotations

from collections.abc import Sequence

from movable import VM, PageReporting, page_reporting_register, page_reporting_unregister
from movable_balloon.host import Host
from movable_balloon.virtqueue import VirtQueue


class FreePageReporting:
    """The reporting queue of one balloon. ``device`` is its registration with the page allocator."""

    def __init__(self, vm: VM, host: Host) -> None:
        self.acked = vm.wait_queue("balloon reporting acked")
        self.reporting_vq = VirtQueue("reporting", host.handle_reporting, self.reporting_ack)
        self.device: PageReporting = page_reporting_register(vm, self.virtballoon_free_page_report)

    def reporting_ack(self, vq: VirtQueue) -> None:
        """Interrupt: the host has answered a report."""
        self.acked.wake_up()

    def virtballoon_free_page_report(self, blocks: Sequence[tuple[int, int]]) -> int:
        """Tell the host of free blocks, pairs of first frame and number of frames, and wait for its answer; returns 0."""
        vq = self.reporting_vq
        vq.add_buffer(tuple(blocks))
        vq.kick()
        self.acked.wait_event(lambda: vq.get_buffer() is not None)
        return 0

    def unregister(self) -> None:
        """No more reports."""
        page_reporting_unregister(self.device)
        self.reporting_vq.delete()
