"""Certifies a driver: runs programs until the budget ends, makes each failure small, and gives a verdict on every rule."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass, field
from typing import Any

from movable.contract.draw import programs, shrink
from movable.contract.machine import Machine
from movable.contract.program import Program, encode
from movable.contract.report import BROKEN, HELD, NOT_APPLICABLE, UNPROVEN, WAIVED, Report, Verdict
from movable.contract.rule_table import CHECKED
from movable.contract.rules import RULES, rule
from movable.contract.story import tell
from movable.contract.workload import GenericWorkload, Workload, workload_for
from movable.errors import UsageError
from movable.registry import find

BUDGET = 10.0
"""Seconds that a check takes by default."""
ENOUGH = 40
"""After so many failing programs in a row without a new rule, more of the same teaches nothing."""
HANGS = 3
"""After so many programs that had to be stopped the search ends: each takes as long as hundreds of others."""
SHRINK_SECONDS = 1.0

Progress = Callable[[int, float], None]


@dataclass(slots=True)
class Search:
    """What the programs run so far have shown."""

    workload: type[Workload]
    factory: Callable[..., Any]
    era: str
    seed: int
    first: dict[str, Program] = field(default_factory=dict)
    exercised: Counter[str] = field(default_factory=Counter)
    callbacks: Counter[str] = field(default_factory=Counter)
    states: set[int] = field(default_factory=set)
    examples: int = 0
    steps: int = 0
    barren: int = 0
    hangs: int = 0
    until: frozenset[str] = frozenset()

    def run(self, program: Program, keep: bool = False) -> Machine:
        """One program on a fresh machine."""
        return Machine(self.workload, self.factory, era=self.era, seed=self.seed, keep=keep).run(program)

    def learn(self, program: Program) -> None:
        """Run a program and add up what it showed."""
        machine = self.run(program)
        self.examples += 1
        self.steps += machine.steps
        self.callbacks.update(machine.callbacks)
        self.exercised.update(machine.monitor.exercised)
        self.states |= machine.states
        new = [id for id in machine.monitor.broken if id not in self.first]
        self.barren = 0 if new or not machine.monitor.broken else self.barren + 1
        self.hangs += "D51" in machine.monitor.broken
        for id in new:
            self.first[id] = program

    def go(self, budget: float, examples: int | None = None, progress: Progress | None = None) -> str:
        """Run programs for ``budget`` seconds, or ``examples`` of them; returns why it ended early, or ""."""
        start = time.monotonic()
        try:
            for program in programs(self.workload, self.seed):
                self.learn(program)
                elapsed = time.monotonic() - start
                if progress is not None:
                    progress(self.examples, elapsed)
                if self.examples >= examples if examples is not None else elapsed >= budget:
                    return ""
                if self.until and self.until <= self.first.keys():
                    return f"stopped early: {', '.join(sorted(self.until))} broken, as expected"
                if self.hangs >= HANGS:
                    return f"stopped early: {HANGS} programs did not end by themselves"
                if self.barren >= ENOUGH and not self.until:
                    return f"stopped early: {ENOUGH} failing programs in a row broke no rule that was not broken already"
        except KeyboardInterrupt:
            return "interrupted: this is the report so far"
        return ""

    def failing(self, id: str) -> Callable[[Program], bool]:
        """Whether a program breaks one rule, for the shrinker; says no once its time is up."""
        deadline = time.monotonic() + SHRINK_SECONDS
        return lambda program: time.monotonic() < deadline and id in self.run(program).monitor.broken


def check(
    target: str | Callable[..., Any],
    workload: type[Workload] | None = None,
    *,
    era: str = "4.19",
    budget: float = BUDGET,
    examples: int | None = None,
    seed: int = 0,
    waive: Mapping[str, str] | None = None,
    until: Collection[str] = (),
    progress: Progress | None = None,
) -> Report:
    """Certify one driver.

    ``target`` is a driver class or a name for ``registry.find``. ``budget`` is in seconds; ``examples``, when given, is how many
    programs to run instead, which makes the result repeatable. ``waive`` leads from rule ids to reasons. ``until`` names rules that
    are expected to break: once all of them have, the search is over, and only their failures are made small. ``progress`` is called
    with (examples, seconds) now and then. Raises UsageError for an unknown driver, era or rule, and for a waiver without a reason.
    """
    factory = find(target) if isinstance(target, str) else target
    waivers = checked_waivers(waive or {})
    chosen = workload_for(factory, workload)
    search = Search(chosen, factory, era, seed, until=frozenset(until))
    stopped = search.go(budget, examples, progress)
    name = target if isinstance(target, str) else f"{factory.__module__}:{factory.__qualname__}"
    report = Report(name, getattr(factory, "__name__", name), chosen.__name__, era, seed)
    report.examples, report.steps, report.states = search.examples, search.steps, len(search.states)
    report.callbacks, report.stopped = search.callbacks, stopped
    for id in RULES:
        report.verdicts[id] = _verdict(search, id, waivers)
    return report


def checked_waivers(waive: Mapping[str, str]) -> Mapping[str, str]:
    """``waive`` itself. Raises UsageError for an unknown rule, naming the near ones, and for a missing reason."""
    for id, reason in waive.items():
        rule(id)
        if not reason.strip():
            raise UsageError(f"waiver of {id} has no reason; write {id}=REASON")
    return waive


def _verdict(search: Search, id: str, waivers: Mapping[str, str]) -> Verdict:
    found = RULES[id]
    exercised = search.exercised[id]
    if search.era not in found.eras:
        return Verdict(id, NOT_APPLICABLE, reason=f"not in era {search.era}")
    if id in search.first:
        if id in waivers:
            return Verdict(id, WAIVED, exercised, waivers[id])
        return _broken(search, id, exercised)
    if id in waivers and found.kind == CHECKED:
        what = f"it is waived ({waivers[id]}), and held in {exercised} tries; take the waiver away"
        return Verdict(id, BROKEN, exercised, what=what)
    reason = declared_away(search.workload, id)
    if reason:
        return Verdict(id, NOT_APPLICABLE, exercised, reason)
    return Verdict(id, HELD if exercised else UNPROVEN, exercised)


def declared_away(workload: type[Workload], id: str) -> str:
    """Why a rule does not bind a driver with this workload's declarations, or ""."""
    if id == "D15" and not workload.preserves_content and not issubclass(workload, GenericWorkload):
        return "the driver declares that it does not preserve content"
    if id == "D50" and workload.may_refuse and not issubclass(workload, GenericWorkload):
        return "the driver declares that it may refuse for ever"
    return ""


def _broken(search: Search, id: str, exercised: int) -> Verdict:
    """The verdict on a broken rule, with the smallest program found and its story."""
    program = search.first[id]
    if not search.until or id in search.until:
        program = shrink(program, search.failing(id))
    machine = search.run(program, keep=True)
    if id not in machine.monitor.broken:  # not the same twice: show the program as it was found
        program = search.first[id]
        machine = search.run(program, keep=True)
    violations = machine.monitor.broken.get(id)
    token = encode(program, search.seed)
    if not violations:
        what = "it was broken once and not when the same program ran again: the driver uses time, randomness or state of its own"
        return Verdict(id, BROKEN, exercised, what=what, token=token)
    violation = violations[0]
    last = violation.seqs[-1] if violation.seqs else len(machine.events)
    story = tell([event for event in machine.events if event.seq <= last], violation.pfn)
    return Verdict(id, BROKEN, exercised, what=violation.text, story=story, token=token)
