"""A balloon device of kernels from 6.18 on, correct: it keeps its host told, and the balloon core does all the rest.

The device's mutex is innermost but for the core's lock; the hook only tries it, for it may be taken by who waits for the hook.
"""

from __future__ import annotations

from errno import EAGAIN

from movable import VM, Page, put_page
from movable.balloon import BalloonDevInfo, balloon_page_alloc, balloon_page_dequeue, balloon_page_enqueue
from movable.contract import Workload, operation


class Device:
    """Its host knows which frames it has; ``given`` is what the device told it."""

    balloon_device = True

    def __init__(self, vm: VM) -> None:
        self.vm = vm
        self.busy = vm.mutex("device")
        self.given: set[int] = set()
        self.back = vm.wait_queue("device")
        self.info = BalloonDevInfo(vm, self.hook, isolation_ended=self.back.wake_up, owner=self)

    def hook(self, info: BalloonDevInfo, newpage: Page, page: Page, mode: int) -> int:
        """A page moves: the host gets the new frame and gives the old one back."""
        if not self.busy.trylock():
            return -EAGAIN
        self.given.add(newpage.pfn)
        self.given.discard(page.pfn)
        self.busy.unlock()
        return 0

    def inflate(self) -> None:
        """One page more for the host."""
        page = balloon_page_alloc(self.vm)
        if page is None:
            return
        with self.busy:
            self.given.add(page.pfn)
            balloon_page_enqueue(self.info, page)

    def deflate(self) -> bool:
        """One page less; False where none is at hand."""
        with self.busy:
            page = balloon_page_dequeue(self.info) if self.info.has_pages() else None
            if page is None:
                return False
            self.given.discard(page.pfn)
        put_page(page)
        return True

    def size(self) -> int:
        """How many pages the host has."""
        with self.busy:
            return len(self.given)

    def remove(self) -> None:
        """Give everything back, and wait for pages that are on their way."""
        while self.size():
            if not self.deflate():
                self.back.wait_event(self.info.has_pages)


class DeviceWorkload(Workload):
    """It grows and shrinks. What is in its pages is the host's."""

    factory = Device
    driver: Device
    preserves_content = False

    @operation()
    def inflate(self) -> None:
        self.driver.inflate()

    @operation()
    def deflate(self) -> None:
        self.driver.deflate()
