"""Runs a program for a file system again, and tells every step."""

from __future__ import annotations

from movable.eras import Era
from movable.filesystems import program
from movable.filesystems.machine import Factory
from movable.rules.table import FILESYSTEM_RULES
from movable.workload.replayed import Replayed
from movable.workload.token import Reproducer


class Files(Replayed):
    """One program on one file system. Raises UsageError for a token of something else."""

    def __init__(self, factory: Factory, found: Reproducer, era: Era) -> None:
        self.title = getattr(factory, "__qualname__", "a file system")
        self.run = program.run(factory, era, program.steps_of(found))
        self.broken = [self.run.rule] if self.run.rule else []

    def lines(self) -> list[str]:
        """As in Replayed: a line a step."""
        if not self.broken:
            return [*self.run.story, "no rule is broken"]
        rule = FILESYSTEM_RULES[self.run.rule]
        return [*self.run.story, f"BROKEN {rule.id} ({rule.level}) {rule.title}: {self.run.what}"]
