"""What a person sees while a run goes on: text on standard output, and a progress line on a terminal only."""

from __future__ import annotations

import sys
from collections.abc import Callable
from types import TracebackType
from typing import TYPE_CHECKING

from movable.files import abandon_stdout
from movable.lab.draw import FrameMap, legend_lines, map_lines

if TYPE_CHECKING:
    from rich.progress import Progress


class Terminal:
    """Where a run talks to.

    ``quiet`` prints nothing on standard output. Progress goes to standard error and only where that is a terminal; colours only
    where standard output is one. ``steps`` is how many steps the run has. ``error`` is why standard output takes no more, after
    which nothing is printed: a BrokenPipeError where its reader left.
    """

    def __init__(self, steps: int, quiet: bool = False) -> None:
        self.steps = steps
        self.quiet = quiet
        self.error: OSError | None = None
        self.progress: Progress | None = None

    def __enter__(self) -> Terminal:
        if sys.stderr.isatty():
            from rich.console import Console
            from rich.progress import BarColumn, Progress, TextColumn

            columns = (BarColumn(bar_width=20), TextColumn("{task.fields[number]}/{task.total:.0f} {task.description}"))
            self.progress = Progress(*columns, console=Console(stderr=True), transient=True)
            self.progress.add_task("", total=self.steps, number=0)
            self.progress.start()
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        if self.progress is not None:
            self.progress.stop()

    def step(self, what: str) -> None:
        """The next step begins."""
        if self.progress is not None:
            task = self.progress.tasks[0]
            number = task.fields["number"] + 1  # the bar shows what is done, and this is not
            self.progress.update(task.id, description=what, completed=number - 1, number=number, refresh=True)

    def say(self, text: str = "") -> None:
        """Print a line."""
        self._print(lambda: print(text, flush=True))

    def show(self, frame_map: FrameMap) -> None:
        """Print a map with its legend, in colour on a terminal."""
        self.say(f"memory {frame_map.title}")
        if sys.stdout.isatty():
            self._print(lambda: _print_in_colour(frame_map))
        else:
            for label, letters in map_lines(frame_map):
                self.say(f"{label}  {letters}")
        for line in legend_lines(frame_map):
            self.say(f"  {line}")

    def _print(self, action: Callable[[], None]) -> None:
        """Print between two states of the progress line; the run goes on when nobody can be reached any more."""
        if self.quiet:
            return
        self._pause()
        try:
            action()
        except OSError as error:
            self.error, self.quiet = error, True
            abandon_stdout()
        self._resume()

    def _pause(self) -> None:
        if self.progress is not None:
            self.progress.stop()

    def _resume(self) -> None:
        if self.progress is not None:
            self.progress.start()


def _print_in_colour(frame_map: FrameMap) -> None:
    from rich.console import Console
    from rich.text import Text

    console = Console(highlight=False, soft_wrap=True)
    colours = {kind.letter: kind.colour for kind in frame_map.kinds}
    for label, letters in map_lines(frame_map):
        line = Text(f"{label}  ")
        for letter in letters:
            line.append(letter, style=colours[letter.lower()])
        console.print(line)
