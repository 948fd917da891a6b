"""What every check shares: the lives it reads, and how it reports."""

from __future__ import annotations

from collections.abc import Callable

from movable.eras import Era
from movable.events import Event
from movable.rules.history import Call, Lives

Report = Callable[[str, Event, str], None]
"""Called with the rule that was broken, the event that shows it, and what happened in plain words."""


class Check:
    """Part of the rules. A method called like a kind of event is called for every event of that kind.

    ``lives`` is up to date when a method runs. ``broken`` reports. A check
    counts what it sees in attributes; ``tally`` turns them into rules when somebody asks.
    """

    def __init__(self, lives: Lives, era: Era, broken: Report) -> None:
        self.lives = lives
        self.era = era
        self.broken = broken
        self.calls = lives.calls
        self.pages = lives.pages

    def left_behind(self, event: Event, call: Call) -> None:
        """A callback returned with other locks than it was called with (D47)."""
        if call.locks:
            text = f"{call.kind} for page {call.pfn} left {', '.join(call.locks)} locked"
        else:
            text = f"{call.kind} for page {call.pfn} unlocked {', '.join(call.strange)}, which it had not locked"
        self.broken("D47", event, text)

    def tally(self) -> dict[str, int]:
        """How often each rule was exercised."""
        return {}

    def finish(self, last: Event, quiescent: bool) -> None:
        """The stream ends with ``last``; ``quiescent`` means that nothing was under way."""


def who(event: Event) -> str:
    """The driver of a callback event, in words."""
    driver: str = event.args.get("driver", "")
    return driver or "the driver"

