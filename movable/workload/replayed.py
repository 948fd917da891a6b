"""What a token shows when it is run again, whatever it holds."""

from __future__ import annotations

from pathlib import Path
from typing import NoReturn

from movable.errors import UsageError
from movable.shown import in_html


class Replayed:
    """A reproducer that ran again: ``title`` says on what, ``broken`` are the rules that it broke."""

    title: str
    style = ""
    broken: list[str]

    def lines(self) -> list[str]:
        """The story, and the verdict."""
        raise NotImplementedError

    def html(self) -> str:
        """The same as HTML, below the title of a page that has ``style``."""
        items = (f'<li class="{"plain" if line.startswith(" ") else "step"}">{in_html(line)}</li>' for line in self.lines())
        return f'<ol class="story">{"".join(items)}</ol>'

    def chrome(self, path: str | Path) -> None:
        """Write a trace that ui.perfetto.dev opens. Raises UsageError where there is one task only."""
        self._takes_tasks("a trace for ui.perfetto.dev")

    def debug(self, step: int) -> None:
        """Run it once more and stop in the debugger before ``step``. Raises UsageError where there is one task only."""
        self._takes_tasks("the debugger")

    def _takes_tasks(self, what: str) -> NoReturn:
        raise UsageError(f"{what} is for interleavings, and the token is of a sequence, which has one task only")
