"""The slow, talkative scheduler: runs one schedule again and keeps where each step stands in the source, and every note."""

import sys
from collections.abc import Callable, Hashable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from movable.explore.engine import Scheduler, Task
from movable.explore.failure import RACE, Failure
from movable.explore.program import Program
from movable.explore.runner import Options
from movable.explore.schedulers.replay import Follow, Schedule
from movable.introspection import outward

_HERE = str(Path(__file__).parent.parent)


@dataclass(frozen=True, slots=True)
class Place:
    """A line of source."""

    file: str
    line: int
    function: str

    def __str__(self) -> str:
        return f"{Path(self.file).name}:{self.line} {self.function}"


@dataclass(slots=True)
class Line:
    """One step: who did what where, how it came to run (``switch``), the locks it held before, and the notes made in it."""

    task: int
    op: str
    key: Hashable
    place: Place | None
    switch: str
    held: tuple[Hashable, ...]
    notes: list[tuple[str, dict[str, Any]]] = field(default_factory=list)


@dataclass(slots=True)
class Story:
    """One execution, told: the task names, its lines, how it failed."""

    names: list[str]
    lines: list[Line]
    failure: Failure | None
    preemptions: int
    switches: int


class Recorder(Scheduler):
    """A scheduler that keeps places and notes. ``quiet`` are parts of file names whose frames are not shown where there are others.

    Frames of modules that define ``__tracebackhide__`` are never shown.
    """

    quiet: tuple[str, ...] = ()

    def __init__(self, *args: Any, **more: Any) -> None:
        super().__init__(*args, **more)
        self.lines: list[Line] = []
        self._places: dict[int, Place | None] = {}

    def point(self, op: str, key: Hashable) -> None:
        """As in Scheduler."""
        self._mark()
        super().point(op, key)

    def wait(
        self, key: Hashable, ready: Callable[[], bool], what: str, condition: Callable[[], bool] | None = None,
        *, op: str = "wait", daemon: bool = False,
    ) -> None:  # fmt: skip
        """As in Scheduler."""
        self._mark()
        super().wait(key, ready, what, condition, op=op, daemon=daemon)

    def note(self, text: str, **facts: object) -> None:
        """Keep the line with the current step."""
        if self.lines:
            self.lines[-1].notes.append((text, facts))

    def _mark(self) -> None:
        me = self._running
        if me is not None:
            self._places[me.index] = self._place()

    def _place(self) -> Place | None:
        nearest: Place | None = None
        for frame in outward(sys._getframe(3)):
            name = frame.f_code.co_filename
            elsewhere = frame.f_globals.get("__place__")  # a task may stand in code that is not Python's
            found = None if elsewhere is None else elsewhere(frame)
            if found is not None:
                return Place(*found)
            if not name.startswith(_HERE) and "__tracebackhide__" not in frame.f_globals:
                place = Place(name, frame.f_lineno, frame.f_code.co_name)
                if not any(part in name for part in self.quiet):
                    return place
                nearest = nearest or place
        return nearest

    def _pick(self, me: Task | None) -> Task | None:
        before = len(self.steps)
        able = me is not None and me in self.alive and (me.ready is None or me.ready())
        held = {task.index: tuple(self.locks.held(task.index)) for task in self.alive}
        task = super()._pick(me)
        if len(self.steps) > before:
            index, op, key = self.steps[-1]
            switch = ""
            if me is not None and index != me.index:
                switch = "pre-empts" if able else "goes on"
            self.lines.append(Line(index, op, key, self._places.get(index), switch, held.get(index, ())))
        return task


def record(program: Program, schedule: Schedule, options: Options, *, strict: bool = True) -> Story:
    """Run ``schedule`` and tell it. Raises NonDeterminism where it does not apply."""
    strategy = Follow(schedule, strict=strict)
    run = Recorder(program, strategy, limit=options.limit, races=options.races, order=options.order)
    run.quiet = options.quiet
    strategy.begin(run)
    run.run()
    strategy.end(run)
    failure = run.failure
    if failure is not None and failure.steps:
        failure = failure.but(message=_placed(run, failure))
    return Story([task.name for task in run.tasks], run.lines, failure, strategy.preemptions, strategy.switches)


def _placed(run: Recorder, failure: Failure) -> str:
    """The message with the source lines of the steps it speaks of."""
    seen = [run.lines[number] for number in failure.steps if number < len(run.lines)]
    if failure.kind != RACE:
        seen = [line for line in seen if line.op in ("lock", "rlock")]
    places = [f"  {run.tasks[line.task].name}: {line.op} at {line.place}" for line in seen if line.place is not None]
    return "\n".join([failure.message, *places])


