"""The machine of a scenario as it stands before its tasks begin, put back instead of built anew for every execution.

Set-up and prefix do the same each time. Once they have run, everything they built is kept (machine, driver, hooks, monitor) and
put back in place for the next execution; only the scheduler is another one. A driver with something that cannot be put back, or
whose code has to be traced, is built anew each time, as in a replay: both give the same executions.
"""

from __future__ import annotations

import mmap
from contextlib import suppress
from typing import TYPE_CHECKING, Any

from movable.concurrent.end_state import Unreadable, roots_of
from movable.concurrent.fingerprint import Fingerprint
from movable.concurrent.stage import Subject
from movable.eras import Era
from movable.explore.engine import Scheduler
from movable.explore.instrument.hooks import Hooks, Seen
from movable.explore.instrument.snapshot import Snapshot, Unfit
from movable.explore.schedulers.shared_locations import Sharing
from movable.mm.page import PAGE_SHIFT, PAGE_SIZE
from movable.workload.scenario import Scenario
from movable.workload.workload import Handle, Operation

if TYPE_CHECKING:
    from movable.concurrent.execution import Execution

_CONSTANT = (memoryview, mmap.mmap, Hooks, Seen, Era, Subject, Scenario, Operation, Handle, Sharing)
"""Types of objects that no execution changes, or that are put back by other means."""


def keep(execution: Execution, scheduler: Scheduler) -> Rewind | None:
    """What can bring ``execution`` back to where it is, which is before its tasks begin; None where that cannot be done."""
    if execution.wrappers or type(scheduler).spawn is not Scheduler.spawn or "spawn" in vars(scheduler):
        return None
    try:
        return Rewind(execution, scheduler)
    except Unfit:
        return None


class Rewind:
    """The state of one execution before its tasks begin. Raises Unfit."""

    def __init__(self, execution: Execution, scheduler: Scheduler) -> None:
        self._first = execution
        self._early = list(scheduler._early)
        self._hooks = execution.hooks.state()
        vm = execution.stage.vm
        self._content = None if vm._memory is None else vm._memory.tobytes()
        self._memory = vm._memory
        slots = execution.ambient.slots if execution.ambient else []
        self._slots = [(slot, slot.get()) for slot in slots]
        seen, _, looked, boxes, *_ = self._hooks
        roots = [execution.stage, execution.seam, *looked.values(), *(box[2] for box in boxes.values())]
        roots += [one.obj for one in seen.values()] + [value for _, value in self._slots]
        backing, seam = vm.backing, execution.seam
        self._backing = None if backing is None else backing.keep()
        constant = () if backing is None else backing.constant
        seam.scheduler, seam.journal, seam.freed, journal = None, None, None, seam.journal
        try:
            self._snapshot = Snapshot(roots, constant=(*_CONSTANT, *constant), never=[scheduler])
        finally:
            seam.scheduler, seam.journal = execution.scheduler, journal
            execution.begin(scheduler)
        self._journal = journal
        with suppress(Unreadable):
            execution.fingerprint = Fingerprint([*roots_of(execution.stage), *(value for _, value in self._slots)])

    def execution(self, scheduler: Any) -> Execution:
        """The execution once more, under ``scheduler`` from the same state."""
        made = self._first
        vm = made.stage.vm
        used = list(vm.pages)
        if made.ambient:
            made.ambient.reset()
        if vm.backing is not None:
            vm.backing.put_back(self._backing)
        self._snapshot.restore()
        for slot, value in self._slots:
            if slot.get() is not value:
                slot.put(value)
        if self._content is not None:
            content, memory = self._content, self._memory
            assert memory is not None
            for pfn in used:
                start = pfn << PAGE_SHIFT
                memory[start : start + PAGE_SIZE] = content[start : start + PAGE_SIZE]
        made.scheduler = made.seam.scheduler = scheduler
        made.seam.journal = self._journal
        made.hooks.put_back(self._hooks, scheduler)
        scheduler._early += self._early
        made.begin(scheduler)
        return made
