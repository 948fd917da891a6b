"""What an action does when it runs alone: pages, handles, answers, and every location that it uses with the locks it holds there.

Two actions that use one location, one of them to change it, with no lock in common are where a race is most likely (as in the
lockset analysis of Eraser: Savage et al., TOCS 1997). Here that decides only what is explored first, never what is reported.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Hashable
from contextlib import suppress
from dataclasses import dataclass, field
from types import CodeType
from typing import Any

from movable.concurrent.linearizability import SECONDS_PER_ORDER
from movable.concurrent.seam import watch
from movable.concurrent.stage import Stage, Subject
from movable.errors import Blocked, DeadlockError, by_hand, passes
from movable.explore.dependence import Part
from movable.explore.instrument.hooks import Hooks
from movable.explore.schedulers.shared_locations import READS
from movable.introspection import of_an_author
from movable.sequential.faults import watchdog
from movable.workload.action import Action
from movable.workload.scenario import Scenario

Uses = dict[Hashable, tuple[bool, frozenset[Hashable], bool]]
"""By location: whether it is changed, the locks that were held at every use, whether every use was atomic."""

Path = frozenset[tuple[CodeType, int]]

UNORDERED, ORDERED, APART = range(3)
"""How two actions meet: on a location with no lock in common; only under a common lock or atomically; not at all."""

_TAKES = ("lock", "rlock", "try", "rtry")


class _Notes:
    """A scheduler that writes down what is used, and under which locks. Other tasks run only where the action waits for them."""

    current = "main"

    def __init__(self, workload: Any = None) -> None:
        self._read = getattr(getattr(workload, "read", None), "__code__", None)
        self.peeks = False
        self.path: set[tuple[CodeType, int]] = set()
        self._others: list[Callable[[], object]] = []
        self.uses: Uses = {}
        self._held: list[Hashable] = []

    def point(self, op: str, key: Hashable) -> None:
        caller = of_an_author(sys._getframe(1))
        if caller is not None:
            self.peeks = self.peeks or caller.f_code is self._read
            self.path.add((caller.f_code, caller.f_lineno))
        if op in _TAKES:
            self._held.append(key)
        elif op in ("unlock", "runlock"):
            if key in self._held:
                self._held.remove(key)
        else:
            base = key.base if type(key) is Part else key
            write, locks, atomic = self.uses.get(base, (False, None, True))
            held = frozenset(self._held)
            self.uses[base] = (write or op not in READS, held if locks is None else locks & held, atomic and op[0] == "a")

    def wait(
        self, key: Hashable, ready: Callable[[], bool], what: str, condition: Any = None, *, op: str = "wait", daemon: bool = False
    ) -> None:
        self.point(op, key)
        while not ready():
            if not self._others:
                raise DeadlockError(f"nobody else runs, and the only task waits for {what}")
            held = list(self._held)
            with suppress(DeadlockError):  # it sleeps from there on, as far as this action is concerned
                self._others.pop(0)()
            self._held = held

    def spawn(self, name: str, fn: Callable[[], object], *, daemon: bool = False) -> None:
        self._others.append(fn)

    def note(self, text: str, **facts: object) -> None:
        pass


@dataclass(frozen=True, slots=True)
class Effect:
    """What an action did alone: frame numbers ``touched``, ``made`` and ``gone``; handles ``gained`` and ``lost``; whether anything
    reads otherwise now; whether work was ``queued``; whether it refused; whether it ``took`` frames that it did not mark movable;
    what it ``uses``; whether the workload's ``read`` ``peeks`` at what is the driver's, and does not ask it; and the lines that its
    ``path`` through the driver's code came by."""

    action: Action
    touched: tuple[int, ...]
    made: tuple[int, ...]
    gone: tuple[int, ...]
    gained: int
    lost: int
    changed: bool
    queued: bool
    refused: bool
    took: bool
    uses: Uses = field(compare=False, repr=False)
    peeks: bool = False
    path: Path = field(default=frozenset(), compare=False, repr=False)

    @property
    def kind(self) -> tuple[object, ...]:
        """Two arguments of one operation with the same kind of effect need not both be tried."""
        moves = (bool(self.touched), bool(self.made), bool(self.gone), self.gained > 0, self.lost > 0)
        return (*moves, self.queued, self.refused, self.took)

    @property
    def page(self) -> int | None:
        """The frame that a migration should be after."""
        return next(iter((*self.touched, *self.made)), None)


def meeting(one: Effect, two: Effect) -> int:
    """UNORDERED, ORDERED or APART."""
    found = APART
    for location, (write, locks, atomic) in one.uses.items():
        other = two.uses.get(location)
        if other is not None and (write or other[0]):
            if not locks & other[1] and not (atomic and other[2]):
                return UNORDERED
            found = ORDERED
    return found


_RAISED = object()


def _answer(stage: Stage, action: Action, notes: _Notes, raised: Callable[[BaseException], object]) -> object:
    """What the action answers while ``notes`` are taken of what it uses; _RAISED when it raises, which is handed to ``raised``."""
    hooks: Hooks | None = None
    try:
        _, hooks = watch(notes, stage.vm, stage.workload)
        if stage.subject.ambient:
            stage.subject.ambient.watch(hooks)
        notes.uses.clear()
        notes.path.clear()
        with watchdog(SECONDS_PER_ORDER):
            return stage.do(stage.users[0], action)
    except BaseException as error:
        if by_hand(error) or isinstance(error, Blocked):
            raise
        raised(error)
        return _RAISED
    finally:
        stage.vm.install(None)
        if hooks is not None:
            hooks.release()


def probe(
    subject: Subject, prefix: tuple[Action, ...], action: Action, variant: int = 0, raised: Callable[[BaseException], object] = str
) -> Effect | None:
    """Do one action after a prefix, alone; None when it raises, which is handed to ``raised``."""
    try:
        with watchdog(SECONDS_PER_ORDER * 4):
            stage = Stage(subject, Scenario("", ((action,),), prefix, variant=variant))
    except BaseException as error:
        if passes(error):
            raise
        return None
    vm, user = stage.vm, stage.users[0]
    notes = _Notes(subject.workload)
    before, in_use = set(stage.pages or ()), stage.frames_in_use()
    reads = stage.readings(())
    answer = _answer(stage, action, notes, raised)
    if answer is _RAISED:
        return None
    after = {page.pfn for page in stage.workload.pages()}
    touched = {key[1] for key in notes.uses if isinstance(key, tuple) and key[0] == "page" and len(key) == 3}
    gained = sum(1 for key in user.model if key not in stage.before)
    lost = sum(1 for key in stage.before if key not in user.model)
    nothing = not gained and not lost and after == before
    made = after - before
    changed = stage.readings((0,)) != reads
    taken, queued = stage.frames_in_use() - in_use, any(queue.items for queue in vm.workqueues)
    if vm.workqueues and not (made or gained or lost):
        made = _made_later(stage) - before
    return Effect(
        action, tuple(sorted(touched & before)), tuple(sorted(made)), tuple(sorted(before - after)), gained, lost,
        changed, queued, answer is False or (answer is None and nothing and not changed),
        taken > len(made) - len(before - after), notes.uses, notes.peeks, frozenset(notes.path),
    )  # fmt: skip


def _made_later(stage: Stage) -> set[int]:
    """The pages once what was queued is done: a thread or a work item of the driver's may be what makes them."""
    try:
        with watchdog(SECONDS_PER_ORDER):
            stage.vm.run_work()
            return {page.pfn for page in stage.workload.pages()}
    except BaseException as error:
        if passes(error):
            raise
        return set()
