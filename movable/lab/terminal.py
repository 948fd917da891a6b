"""What a person sees while a run goes on: text on standard output, and a progress line on a terminal only."""

from __future__ import annotations

import sys
from collections.abc import Callable

from movable.files import abandon_stdout
from movable.lab.draw import FrameMap, legend_lines, map_lines
from movable.shown import below, name
from movable.supervise import relay


class Terminal:
    """Where a run talks to.

    ``quiet`` prints nothing on standard output. Progress goes to whoever shows the status of the command; colours only where
    standard output is a terminal. ``steps`` is how many steps the run has. ``error`` is why standard output takes no more, after
    which nothing is printed: a BrokenPipeError where its reader left.
    """

    def __init__(self, steps: int, quiet: bool = False) -> None:
        self.steps = steps
        self.quiet = quiet
        self.error: OSError | None = None
        self.number = 0

    def step(self, what: str) -> None:
        """The next step begins."""
        self.number += 1
        if relay.status is not None:
            relay.status(f"{self.number}/{self.steps} {name(what)}")

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
        try:
            action()
        except OSError as error:
            self.error, self.quiet = error, True
            abandon_stdout()


def _print_in_colour(frame_map: FrameMap) -> None:
    from rich.console import Console
    from rich.text import Text

    console = Console(highlight=False, soft_wrap=True, file=below(sys.stdout))
    colours = {kind.letter: kind.colour for kind in frame_map.kinds}
    for label, letters in map_lines(frame_map):
        line = Text(f"{label}  ")
        for letter in letters:
            line.append(letter, style=colours[letter.lower()])
        console.print(line)
