"""Searches one driver with programs, one after the other, and makes what fails small.

Work is counted, never timed: the same seed runs the same programs on any machine. Only who asks for seconds gets them.
"""

from __future__ import annotations

import sys
import time
from collections import Counter
from collections.abc import Callable, Collection, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from types import CodeType, FrameType
from typing import Any

from movable.errors import UsageError, by_hand
from movable.rules.table import RULES
from movable.sequential.faults import over
from movable.sequential.harness import Machine
from movable.supervise import board
from movable.workload.generate import Roles, programs, shrink, steps_by_kind
from movable.workload.program import Program, Step, encode
from movable.workload.simplify import simplified
from movable.workload.workload import GenericWorkload, Workload

MAX_BARREN_PROGRAMS = 40
"""After so many failing programs in a row without a new rule, more of the same teaches nothing."""
MIN_PROGRAMS, PATIENCE = 25, 3
"""In a search by time so many programs are run at least, unless that takes so many times as long as there is time for."""
MAX_FATAL = 8
"""After so many programs that ended the process they ran in the search ends too."""
MAX_HANGS = 3
"""After so many programs that had to be stopped the search ends: each takes as long as hundreds of others."""
SHRINK_STEPS, SHRINK_ALL_STEPS = 4000, 24_000
"""Steps run to make the program of one broken rule small, and those of all together."""
PROGRAMS_LISTENED = 60
"""Programs of a driver without a workload in which it is noted which of its methods run."""
HANG_STEPS = 2000
"""What a program that had to be stopped counts for among them."""
STAYING = frozenset({"D50", "D62"})
"""What a page breaks that does not move."""
RELIEF_ARGUMENTS = 3
"""Arguments of each operation with which it is asked whether it lets a page go that stays."""
INTERRUPTED = "interrupted: this is the report so far"

Progress = Callable[[int, float], None]


@dataclass(frozen=True, slots=True)
class Found:
    """The work done when the first rule that counts broke: programs, executions of interleavings, and seconds since the begin."""

    rule: str
    programs: int
    executions: int
    seconds: float


@dataclass(slots=True)
class Search:
    """What the programs run so far have shown.

    ``until`` are rules that are expected to break, ``by_tasks`` those that interleavings broke, ``excused`` the waived ones.
    ``fatal`` leads from keys of programs that ended their process to the rule that says they may not, ``words`` from broken rules
    to what was seen first. Of rules in ``hurried``, and after the moment ``end``, nothing is made small. ``history`` is what each
    program did to ``roles``. ``operations`` counts how often each operation ran, ``entered`` is the code that ran where there are
    none.
    """

    workload: type[Workload]
    factory: Callable[..., Any]
    era: str
    seed: int
    until: frozenset[str] = frozenset()
    excused: frozenset[str] = frozenset()
    by_tasks: frozenset[str] = frozenset()
    fatal: dict[str, str] = field(default_factory=dict)
    first: dict[str, Program] = field(default_factory=dict)
    words: dict[str, str] = field(default_factory=dict)
    exercised: Counter[str] = field(default_factory=Counter)
    callbacks: Counter[str] = field(default_factory=Counter)
    operations: Counter[str] = field(default_factory=Counter)
    states: set[int] = field(default_factory=set)
    entered: set[CodeType] = field(default_factory=set)
    examples: int = 0
    steps: int = 0
    barren: int = 0
    hangs: int = 0
    roles: Roles = field(default_factory=Roles)
    history: list[dict[str, dict[str, int]]] = field(default_factory=list)
    hurry: bool = False
    hurried: frozenset[str] = frozenset()
    end: float = float("inf")
    shrink_steps: int = SHRINK_ALL_STEPS
    programs: Iterator[Program] | None = None
    began: float = field(default_factory=time.monotonic)
    first_failure: Found | None = None
    reliefs: list[Step] = field(default_factory=list)

    def run(self, program: Program, keep: bool = False, known: Collection[str] = ()) -> Machine:
        """One program on a fresh machine, where a page that may stay is not held against the driver (D50, D62).

        Why it may is not asked where all that it would break is ``known`` to be broken.
        """
        machine = self._run(program, keep)
        broken = STAYING & machine.monitor.broken.keys()
        if broken <= set(known):
            return machine
        if "D50" in broken and self._refuses_by_itself(program, machine):
            broken &= {"D50"}
        elif not self._may_stay(program, machine):
            return machine
        for rule in broken:
            del machine.monitor.broken[rule], machine.monitor.observed[rule]
        return machine

    def _run(self, program: Program, keep: bool = False) -> Machine:
        return Machine(self.workload, self.factory, era=self.era, seed=self.seed, keep=keep).run(program)

    def _refuses_by_itself(self, program: Program, machine: Machine) -> bool:
        """Whether isolate_page refused, and does so too where the core has not asked for anything before: that is its right."""
        if not machine.unmoved or not all(refused for _, refused in machine.unmoved):
            return False
        alone = self._run(tuple(step for step in program if step[0] in ("op", "variant")))
        return (0, True) in alone.unmoved

    def _may_stay(self, program: Program, machine: Machine) -> bool:
        """Whether pages are held by what users know of: an operation lets them go, or the world outside refuses every one."""
        if not any(machine.idle.values()) and any(step[:2] == ("fault", "hostile") for step in program):
            return True
        for step in self._reliefs():
            after = self._run((*program, step))
            if machine.idle.keys() <= after.idle.keys() and all(after.idle.values()):
                self.reliefs.remove(step)
                self.reliefs.insert(0, step)
                return True
        return False

    def _reliefs(self) -> list[Step]:
        """Operations that may let a page go, and hostile methods, which may be ways back too; first the last that helped."""
        if not self.reliefs:
            steps = steps_by_kind(self.workload, self.seed)
            self.reliefs = [step for name in self.workload.operations() for step in steps[f"op {name}"][:RELIEF_ARGUMENTS]]
            self.reliefs += [("fault", "hostile", number + 1) for number in range(len(self.workload.hostile))]
        return list(self.reliefs)

    def learn(self, program: Program) -> None:
        """Run a program and add up what it showed; of one that is known to end its process only that."""
        token = self.key(program)
        self.examples += 1
        if token in self.fatal:
            self.hangs += self.fatal[token] == "D51"
            self.history.append({})
            return
        board.enter("programs", "setup", token)
        with self._listening():
            machine = self.run(program, known=self.first)
        self.steps += machine.steps
        self.callbacks.update(machine.callbacks)
        self.operations.update(machine.operations)
        self.history.append({"grown": dict(machine.grown), "shrunk": dict(machine.shrunk)})
        self._play_role(self.history[-1])
        self.exercised.update(machine.monitor.exercised)
        self.states |= machine.states
        new = [id for id in machine.monitor.broken if id not in self.first]
        self.barren = 0 if new or not self.counts(machine.monitor.broken) else self.barren + 1
        self.hangs += "D51" in machine.monitor.broken
        for id in new:
            self.first[id] = program
            self.words[id] = machine.monitor.broken[id][0].text
            if self.first_failure is None and self.counts({id}):
                self.first_failure = Found(id, self.examples, 0, time.monotonic() - self.began)

    @contextmanager
    def _listening(self) -> Iterator[None]:
        """Note which code runs in the first programs of a driver without a workload, of which nobody can say what was exercised."""
        if self.examples >= PROGRAMS_LISTENED or not issubclass(self.workload, GenericWorkload):
            yield
            return

        def enter(frame: FrameType, event: str, argument: object) -> None:
            if event == "call":
                self.entered.add(frame.f_code)

        before = sys.getprofile()
        sys.setprofile(enter)
        try:
            yield
        finally:
            sys.setprofile(before)

    def _play_role(self, seen: dict[str, dict[str, int]]) -> None:
        self.roles.grown.update(seen.get("grown", {}))
        self.roles.shrunk.update(seen.get("shrunk", {}))

    def _from_where_it_was(self) -> Iterator[Program]:
        """The programs after those that ran already: they depend on what was seen of those before them."""
        found = programs(self.workload, self.seed, self.roles)
        for seen in self.history:
            next(found)
            self._play_role(seen)
        return found

    def key(self, program: Program) -> str:
        """What the next program is known by: its token, or its number where its arguments can be in none."""
        try:
            return encode(program, self.seed)
        except UsageError:
            return f"program {self.examples + 1}"

    def counts(self, broken: Collection[str]) -> bool:
        """Whether one of these rules fails a certificate."""
        return any(RULES[id].level == "must" and id not in self.excused for id in broken)

    def go(
        self, examples: int | None, *, seconds: float | None = None, limit: float | None = None, progress: Progress | None = None
    ) -> str:
        """Run programs until there were ``examples`` in all, or for ``seconds``; in any case not beyond the moment ``limit``.

        The next call goes on with the next program. Returns why it ended early, or "".
        """
        start = time.monotonic()
        self.programs = self.programs or self._from_where_it_was()
        try:
            while not self._enough(examples, seconds, time.monotonic() - start):
                if self.examples and over(limit):
                    return ""
                with board.preparing(f"arguments of the operations of {self.workload.__name__} cannot be drawn"):
                    program = next(self.programs)
                self.learn(program)
                if progress is not None:
                    progress(self.examples, time.monotonic() - start)
                reason = self._reason()
                if reason:
                    return reason
        except KeyboardInterrupt as error:
            if not by_hand(error):
                raise
            return INTERRUPTED
        return ""

    def _enough(self, examples: int | None, seconds: float | None, elapsed: float) -> bool:
        """In a search by time a busy machine gets a little longer, so that a certificate rests on MIN_PROGRAMS."""
        if examples is not None:
            return self.examples >= examples
        assert seconds is not None
        return elapsed >= seconds and (self.examples >= MIN_PROGRAMS or elapsed >= PATIENCE * seconds)

    def _reason(self) -> str:
        """Why more programs would not help, or ""."""
        if self.hangs >= MAX_HANGS:
            return f"stopped early: {MAX_HANGS} programs did not end by themselves"
        if len(self.fatal) >= MAX_FATAL:
            return f"stopped early: {len(self.fatal)} programs ended the process that they ran in"
        if self.until:
            over = self.until <= self.first.keys() | self.by_tasks | set(self.fatal.values())
            return f"stopped early: {', '.join(sorted(self.until))} broken, as expected" if over else ""
        if self.barren >= MAX_BARREN_PROGRAMS:
            return f"stopped early: {MAX_BARREN_PROGRAMS} failing programs in a row broke no rule that was not broken already"
        return ""

    def smallest(self, id: str) -> Program:
        """The smallest program found that breaks a rule, within the steps that are left for it."""
        if self.hurry or id in self.hurried or (self.until and id not in self.until) or time.monotonic() > self.end:
            return self.first[id]
        left = spare = min(SHRINK_STEPS, self.shrink_steps)

        def fails(program: Program) -> bool:
            nonlocal left
            if left <= 0 or time.monotonic() > self.end:
                return False
            machine = self.run(program)
            left -= machine.steps + 1 + HANG_STEPS * ("D51" in machine.monitor.broken)
            return id in machine.monitor.broken

        small = simplified(shrink(self.first[id], fails), self.workload, fails)
        self.shrink_steps -= spare - left
        return small
