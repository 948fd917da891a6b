"""Runs a sequence again, and tells every step."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from movable.eras import era as era_called
from movable.mm.address_space import named_for
from movable.rules.table import RULES
from movable.sequential.harness import Machine
from movable.sequential.narrate import sentence
from movable.workload.fits import check_sequence
from movable.workload.replayed import Replayed
from movable.workload.token import Reproducer
from movable.workload.workload import Workload


class Sequence(Replayed):
    """One task on one driver. Raises UsageError for a token that is another driver's."""

    def __init__(self, factory: Callable[..., Any], found: Reproducer, workload: type[Workload], era: str) -> None:
        check_sequence(found.tasks[0], workload)
        self.title = factory.__qualname__
        self.words = named_for(factory, era_called(era))
        self.machine = Machine(workload, factory, era=era, seed=found.seed, keep=True).run(found.tasks[0])
        self.broken = list(self.machine.monitor.broken)

    def lines(self) -> list[str]:
        """As in Replayed: a line an event, with the rule that it breaks below it."""
        machine, violations, said = self.machine, self.machine.monitor.broken, self.words
        proofs = {found[0].seqs[-1]: id for id, found in violations.items() if found[0].seqs}
        lines = []
        for event in machine.events:
            words = sentence(event, said)
            if words:
                lines.append(words if event.kind == "note" else f"{event.seq:6}    {words}")
            if event.seq in proofs:
                lines.append(f"        ^ {proofs[event.seq]} {said(RULES[proofs[event.seq]].title)}")
        lines += [said(f"BROKEN {id} ({RULES[id].level}) {RULES[id].title}: {found[0].text}") for id, found in violations.items()]
        return lines if violations else [*lines, f"no rule was broken in {machine.steps} steps"]
