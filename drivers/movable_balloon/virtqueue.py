"""A ring between guest and host: one adds buffers and kicks, the other gives them back (drivers/virtio/virtio_ring.c)."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from typing import Any

from movable import UsageError, VMBug

RING_SIZE = 128
"""How many buffers may be on their way at once."""


class VirtQueue:
    """One ring.

    ``device`` is the host's handler: it gets the queue and a buffer, and calls ``complete`` when it is done with it,
    at once or later. ``callback`` is the guest's interrupt handler, called with the queue whenever a buffer came
    back; it must not sleep.
    """

    def __init__(
        self, name: str, device: Callable[[VirtQueue, Any], None], callback: Callable[[VirtQueue], None]
    ) -> None:
        self.name = name
        self.device = device
        self.callback = callback
        self.available: deque[Any] = deque()
        self.used: deque[Any] = deque()
        self.in_flight = 0
        self.broken = False

    def add_buffer(self, buffer: Any) -> None:
        """Offer a buffer to the host (virtqueue_add_outbuf). Raises VMBug on a full ring, or one that was deleted."""
        if self.broken:
            raise VMBug("D41", f"a buffer for the deleted queue {self.name!r}", "no traffic after the removal")
        if self.in_flight + len(self.available) + len(self.used) >= RING_SIZE:
            raise VMBug("D43", f"the queue {self.name!r} is full", "used buffers to be fetched")
        self.available.append(buffer)

    def kick(self) -> None:
        """Tell the host that there is something to fetch (virtqueue_kick)."""
        while self.available:
            buffer = self.available.popleft()
            self.in_flight += 1
            self.device(self, buffer)

    def complete(self, buffer: Any) -> None:
        """For the host: give a buffer back and raise the interrupt."""
        if not self.in_flight:
            raise UsageError(f"queue {self.name!r}: the host completed a buffer that it does not have; complete each once")
        self.in_flight -= 1
        self.used.append(buffer)
        self.callback(self)

    def get_buffer(self) -> Any:
        """A buffer that came back, or None (virtqueue_get_buf)."""
        return self.used.popleft() if self.used else None

    def delete(self) -> None:
        """No more traffic (del_vqs)."""
        self.broken = True
        self.available.clear()
        self.used.clear()
