"""Runs the schedule of a token again: as lanes, as a trace file, as a page, or into the debugger at one of its steps."""

from __future__ import annotations

import pdb
import sys
from collections.abc import Callable, Hashable
from dataclasses import replace
from pathlib import Path
from types import FrameType
from typing import Any

from movable.concurrent.execution import Trial
from movable.concurrent.failures.annotate import in_words
from movable.concurrent.failures.explain import OPTIONS, rule_of_failure, words_of
from movable.concurrent.stage import BUILT, subject
from movable.errors import UsageError
from movable.explore import ExploreError, replay
from movable.explore.engine import Scheduler
from movable.explore.failures import timeline
from movable.explore.failures.recorder import Story
from movable.explore.failures.schedule_token import decode as decode_schedule
from movable.explore.runner import execute
from movable.explore.schedulers.replay import Follow
from movable.introspection import MODULES, outward
from movable.rules.table import RULES
from movable.shown import first_line, in_html
from movable.workload.replayed import Replayed
from movable.workload.scenario import scenario_of
from movable.workload.token import Reproducer
from movable.workload.workload import Workload

SKIPPED = [
    *(f"{name}*" for name in MODULES if name != "movable.mm."),
    *("movable.mm.seam", "movable.mm.tracepoints", "movable.mm.watched", "greenlet"),
]
"""Modules that the debugger does not stop in."""


class Interleaving(Replayed):
    """One schedule of one driver. Raises UsageError for a token that is another's."""

    style = timeline.STYLE

    def __init__(self, factory: Callable[..., Any], found: Reproducer, workload: type[Workload], era: str) -> None:
        self.scenario, self.schedule, self.monitored = scenario_of(found, workload), found.schedule, found.monitored
        given = dict(found.features)
        made = given.pop(BUILT, "")
        self.subject = subject(workload, factory, era=era, features=given)
        self.title = f"{factory.__qualname__}: {self.scenario.name}"
        self.note = _another_build(made, factory, era)
        self.options = replace(OPTIONS, races=found.races)
        try:
            self.story: Story = replay(self.trial(), self.schedule, self.options)
        except (ExploreError, UsageError) as error:
            why = self.note or first_line(error)
            raise UsageError(f"the token does not fit this driver: {why}") from None
        self.broken = [] if self.story.failure is None else [rule_of_failure(self.story.failure)]

    def trial(self) -> Trial:
        """The program of the token."""
        made = Trial(self.subject, self.scenario)
        made.monitored = self.monitored
        return made

    def lines(self) -> list[str]:
        """The lanes as text, and the verdict."""
        lines = [f"scenario: {in_words(self.subject, self.scenario)}", *timeline.text(self.story, timeline.WIDE_LANE).splitlines()]
        if self.note:
            lines.insert(0, f"note: {self.note}; what follows is what its schedule means now")
        failure = self.story.failure
        if failure is None:
            return [*lines, "no rule was broken"]
        rule = RULES[self.broken[0]]
        return [*lines, self.subject.words(f"BROKEN {rule.id} ({rule.level}) {rule.title}: {first_line(words_of(failure))}")]

    def html(self) -> str:
        """As in Replayed, with a lane for each task."""
        return f"<p>{in_html(in_words(self.subject, self.scenario))}</p>{timeline.html(timeline.rows(self.story))}"

    def chrome(self, path: str | Path) -> None:
        """Write a trace that ui.perfetto.dev opens."""
        timeline.save_chrome(self.story, path)

    def debug(self, step: int) -> None:
        """Run it once more and stop in the debugger before ``step``, in the task that takes it, at the driver's line.

        Raises UsageError for a step that the schedule does not have.
        """
        if not 0 <= step < len(self.story.lines):
            raise UsageError(f"step {step} does not exist; this schedule has steps 0 to {len(self.story.lines) - 1}")
        schedule, _, _ = decode_schedule(self.schedule)

        class Stopping(_Stopping):
            wanted = step

        execute(self.trial(), Follow(schedule), self.options, kind=Stopping)


def _another_build(made: str, factory: Any, era: str) -> str:
    """Why a token of a compiled driver may not mean what it meant, "" where source and compiler are the same."""
    built = getattr(factory, "built", None)
    now = "" if built is None or not made else built(era)
    return "" if made == now or not now else f"it was made of another source, or by another compiler ({made}, and now {now})"


class _Stopping(Scheduler):
    """A scheduler that enters the debugger when the turn of one step has come."""

    wanted = -1
    asking = False
    """Somebody stands at the prompt: what is looked at there is no step, or others would run meanwhile."""

    def point(self, op: str, key: Hashable) -> None:
        """As in Scheduler."""
        if self.asking:
            return
        super().point(op, key)
        self._stop_here()

    def wait(
        self, key: Hashable, ready: Callable[[], bool], what: str, condition: Callable[[], bool] | None = None,
        *, op: str = "wait", daemon: bool = False,
    ) -> None:  # fmt: skip
        """As in Scheduler; at the prompt nobody would come to end the wait."""
        if self.asking:
            if not ready():
                raise ExploreError(f"nobody else runs while you are asked, so the wait for {what} would not end")
            return
        super().wait(key, ready, what, condition, op=op, daemon=daemon)
        self._stop_here()

    def _stop_here(self) -> None:
        if self._running is not None and len(self.steps) == self.wanted + 1:
            self.wanted = -1
            task, op, key = self.steps[-1]
            where = key if isinstance(key, str) else " ".join(map(str, key)) if type(key) is tuple else str(key)
            print(f"step {len(self.steps) - 1}: task {self.tasks[task].name} is about to do: {op} {where}")
            for line in _inside(sys._getframe(2)):
                print(f"  {line}")
            _interact(_driver_frame(sys._getframe(2)), self)


class _Debugger(pdb.Pdb):
    """A debugger that looks without taking steps."""

    scheduler: _Stopping

    def interaction(self, *arguments: Any) -> None:
        """The prompt, at the first stop and at each one that stepping comes to."""
        self.scheduler.asking = True
        try:
            super().interaction(*arguments)
        finally:
            self.scheduler.asking = False

    def break_here(self, frame: FrameType) -> bool:
        """Whether to stop; the condition of a breakpoint is a look too."""
        before, self.scheduler.asking = self.scheduler.asking, True
        try:
            return bool(super().break_here(frame))
        finally:
            self.scheduler.asking = before


def _interact(frame: FrameType, scheduler: _Stopping) -> None:
    """The debugger's prompt at ``frame`` now, before the step is done; stepping passes over the machinery of the explorer."""
    debugger = _Debugger(skip=SKIPPED)
    debugger.scheduler = scheduler
    debugger.reset()
    for outer in outward(frame):
        outer.f_trace = debugger.trace_dispatch
        debugger.botframe = outer
    debugger.interaction(frame, None)
    if not debugger.quitting and (debugger.stoplineno != -1 or debugger.breaks):
        sys.settrace(debugger.trace_dispatch)


def _inside(frame: FrameType | None) -> list[str]:
    """What a driver that is not Python holds at the step, innermost function first."""
    for one in outward(frame):
        inside = one.f_globals.get("__inside__")
        found = None if inside is None else inside(one)
        if found is not None:
            return list(found)
    return []


def _driver_frame(frame: FrameType) -> FrameType:
    """The nearest frame that is not the model's own; the given one where there is none."""
    for nearest in outward(frame):
        name = nearest.f_code.co_filename
        if not any(part in name for part in OPTIONS.quiet) and not name.endswith("greenlet.py"):
            return nearest
    return frame
