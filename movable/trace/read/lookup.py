"""Looking a part of a trace up again, after it was read: its events from some line on, every unlock too."""

from __future__ import annotations

from collections.abc import Iterator

from movable.events import Event
from movable.trace.read.ftrace import Reader
from movable.trace.read.sticky import translated


class Part(Reader):
    """Reads a part of a trace that ``whole`` has read. ``events()`` begin at ``line``, or a little before."""

    def __init__(self, whole: Reader, line: int) -> None:
        era = whole.layout if whole.layout_known else None
        super().__init__(whole.source, era=era, vmemmap_base=None if whole.base < 0 else whole.base)
        self.layout, self.base_from = whole.layout, whole.base_from
        self.is_model, self.model_events.of_trace = whole.is_model, whole.model_events.of_trace
        self.marks_stay = whole.marks_stay
        self.line, self._by_pid = whole.open_calls.before(line - 1)
        self.trace_lines = 1  # it was one as a whole

    def events(self) -> Iterator[Event]:
        """The events, in the order of lines."""
        read = self.model_events.block if self.is_model else self.block
        for first, block in self.source.blocks_from(self.line + 1):
            rest = block[max(0, self.line + 1 - first) :]
            yield from read(translated(rest) if self.marks_stay else rest)
