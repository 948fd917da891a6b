"""The host's side of the balloon: which frames it owns, and the memory that it really takes back.

A frame that was told on the inflate queue is the host's until it is told on the deflate queue. Whoever uses it in
between uses memory that is not there: ``owns`` answers for one frame, ``check`` looks at all, ``watch`` sees every
access of a watched machine.
"""

from __future__ import annotations

from collections import Counter, deque
from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

from movable import VM, Event, PageBalloon, UsageError, VMBug, Work, WorkQueue, page_count
from movable_balloon.virtqueue import VirtQueue

KEPT_MESSAGES = 4096
"""How many messages a host remembers."""

WATCHED = {
    "alloc_page": "was handed out",
    "free_page": "was freed",
    "write_data": "was written",
    "copy_page": "was copied to",
}
"""Kinds of events that must not happen to a frame of the host's."""


class Message(NamedTuple):
    """What the guest said: on which queue, and about which frames."""

    queue: str
    pfns: tuple[int, ...]


class Host:
    """The hypervisor's balloon device.

    ``num_pages`` is the size that it wants, ``actual`` the size that the guest reports, both in pages of 4 KiB;
    ``poison_val`` is what the guest says free pages hold. ``messages`` holds the last things said. With ``delayed``
    it answers on a work queue, so that other tasks run between a request and its acknowledgement.
    ``config_lock`` protects the configuration, and the device's interrupts come under it.
    """

    def __init__(self, vm: VM, *, delayed: bool = False) -> None:
        self.vm = vm
        self.num_pages = 0
        self.actual = 0
        self.poison_val = 0
        self.owned: set[int] = set()
        self.messages: deque[Message] = deque(maxlen=KEPT_MESSAGES)
        self.requests: Counter[str] = Counter()
        self.violations: list[str] = []
        self.on_config_change: Callable[[], None] | None = None
        self.config_lock = vm.spinlock("balloon config_lock")
        # Made before the guest's own queues, so that a waiting guest finds the host's answer first.
        self.worker: WorkQueue | None = vm.workqueue("balloon host") if delayed else None
        self._stats: tuple[VirtQueue, Any] | None = None
        self.last_stats: tuple[tuple[int, int], ...] | None = None

    # what an operator does

    def set_target(self, pages: int) -> None:
        """Ask for a balloon of ``pages`` pages. Raises UsageError below 0."""
        if pages < 0:
            raise UsageError(f"a balloon of {pages} pages is not possible; ask for 0 or more")
        with self.config_lock:
            self.num_pages = pages
            if self.on_config_change is not None:
                self.on_config_change()

    def request_stats(self) -> None:
        """Ask for fresh statistics by giving the guest's buffer back. Raises UsageError while there is none to give."""
        with self.config_lock:
            held, self._stats = self._stats, None
        if held is None:
            raise UsageError("the guest has offered no statistics buffer; is the balloon attached, with its stats queue?")
        queue, buffer = held
        queue.complete(buffer)

    # what the guest's queues lead to

    def handle_inflate(self, queue: VirtQueue, buffer: Any) -> None:
        """A request on the inflate queue: a sequence of frame numbers."""
        self._answer(queue, buffer, self._inflate)

    def handle_deflate(self, queue: VirtQueue, buffer: Any) -> None:
        """A request on the deflate queue: a sequence of frame numbers."""
        self._answer(queue, buffer, self._deflate)

    def handle_reporting(self, queue: VirtQueue, buffer: Any) -> None:
        """A request on the reporting queue: a sequence of (first frame, number of frames)."""
        self._answer(queue, buffer, self._report)

    def handle_stats(self, queue: VirtQueue, buffer: Any) -> None:
        """A statistics buffer: read, and kept until ``request_stats``."""
        with self.config_lock:
            self.last_stats = tuple(buffer)
            self.requests[queue.name] += 1
            self._stats = (queue, buffer)

    # what the guest reads and writes

    def read_target(self) -> int:
        """The size that the host wants, in pages."""
        with self.config_lock:
            return self.num_pages

    def write_actual(self, pages: int) -> None:
        """The size that the guest has reached, in pages."""
        with self.config_lock:
            self.actual = pages

    def connect(self, on_config_change: Callable[[], None], poison_val: int) -> None:
        """The guest's driver is ready: call it when the configuration changes. It must not sleep."""
        with self.config_lock:
            self.poison_val = poison_val
            self.on_config_change = on_config_change

    def reset(self) -> None:
        """The guest's driver is going: no more interrupts, and its buffers are gone."""
        with self.config_lock:
            self.on_config_change = None
            self._stats = None

    def _answer(self, queue: VirtQueue, buffer: Any, handle: Callable[[str, Sequence[Any]], None]) -> None:
        if self.worker is None:
            handle(queue.name, buffer)
            queue.complete(buffer)
            return

        def answer() -> None:
            handle(queue.name, buffer)
            queue.complete(buffer)

        self.worker.queue_work(Work(answer, f"host answers {queue.name}"))

    def _inflate(self, name: str, pfns: Sequence[int]) -> None:
        self._record(name, pfns)
        for pfn in pfns:
            page = self.vm.page(pfn)
            if pfn in self.owned:
                raise VMBug("D43", "the host was given a page that it owns already", "one inflate for one deflate",
                page)
            self.owned.add(pfn)
            if self.vm.seam is not None:
                self.vm.seam.event("note", page, text="host inflate")
            self.vm.host_discard(page)

    def _deflate(self, name: str, pfns: Sequence[int]) -> None:
        self._record(name, pfns)
        for pfn in pfns:
            if pfn not in self.owned:
                page = self.vm.page(pfn)
                raise VMBug("D43", "the host was asked for a page that it does not own", "one inflate for one deflate", page)
            self.owned.remove(pfn)
            if self.vm.seam is not None:
                self.vm.seam.event("note", self.vm.page(pfn), text="host deflate")

    def _report(self, name: str, ranges: Sequence[tuple[int, int]]) -> None:
        self._record(name, [first for first, _ in ranges])
        if self.poison_val:
            return  # the guest expects to find its poison again, and discarded memory reads as zeros
        for first, count in ranges:
            for pfn in range(first, first + count):
                page = self.vm.pages.get(pfn)  # a frame that nobody ever used holds no memory
                if page is not None:
                    self.vm.host_discard(page)

    def _record(self, name: str, pfns: Sequence[int]) -> None:
        self.messages.append(tuple.__new__(Message, (name, tuple(pfns))))  # Message(...), for each page that moves
        self.requests[name] += 1

    # what tests and rules ask

    def owns(self, pfn: int) -> bool:
        """Whether the frame is the host's: whoever uses it now uses memory that is not there."""
        return pfn in self.owned

    def check(self) -> list[str]:
        """What is wrong with the frames of the host's, a line each: freed, or no longer in the balloon."""
        findings = list(self.violations)
        for pfn in sorted(self.owned):
            page = self.vm.page(pfn)
            if not page_count(page):
                findings.append(f"D43: page {pfn} is free, and the host still owns it; tell the host before freeing")
            elif not PageBalloon(page):
                findings.append(f"D43: page {pfn} left the balloon, and the host still owns it; tell the host first")
        return findings

    def watch(self) -> None:
        """Record every use of a frame of the host's in ``violations`` from now on."""
        self.vm.observe(self._see)

    def _see(self, event: Event) -> None:
        if event.kind in WATCHED and event.pfn in self.owned:
            self.violations.append(f"D43: page {event.pfn} {WATCHED[event.kind]} by {event.task} while the host owned it")
