"""Drivers that wait without ever sleeping: they look again and again whether what the core has isolated came back.

A sleeper is met in `VM.wait`: the core's isolations end before it would sleep for ever. A busy wait ends in no such place, so a
step that goes on and on lets others run where the driver leaves its last lock, as they would on another processor.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable

from movable.errors import Hang
from movable.mm.page import Page
from movable.mm.page_flags import PageLocked
from movable.mm.vm import VM

EVENT_LIMIT = 100_000
"""Events of a whole run."""
PATIENCE_EVENTS = 4_000
"""Events of one step before others run where the driver holds no lock."""


class BusyWaits:
    """The events of a run, step by step. ``until`` is the event at which somebody has to look."""

    def __init__(self, vm: VM, held: Iterable[Page], end_isolations: Callable[[], bool]) -> None:
        self.vm = vm
        self.held = held
        self.end_isolations = end_isolations
        self.last = EVENT_LIMIT

    def begin(self, event: int) -> int:
        """A step begins: until when it may go on."""
        self.vm.meanwhile = None
        return min(self.last, event + PATIENCE_EVENTS)

    def anew(self, event: int) -> int:
        """A rule was broken; what follows has a limit of its own."""
        self.last = event + EVENT_LIMIT
        return self.last

    def late(self, event: int) -> int:
        """A step went on so long: others run from now on, until the limit. Raises Hang beyond it."""
        if event >= self.last:
            raise Hang(f"{EVENT_LIMIT} events and no end")
        self.vm.meanwhile = self._others_run
        return self.last

    def _others_run(self) -> None:
        self.vm.meanwhile = None  # put-back takes and leaves the driver's locks, too
        if any(map(PageLocked, self.held)) or not self.end_isolations():
            self.vm.meanwhile = self._others_run
