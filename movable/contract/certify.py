"""``test_ring = certify(Ring)``: a certificate that pytest collects, one test for each rule."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from functools import cached_property
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from movable.contract.report import Report
    from movable.rules.rule import Rule
    from movable.workload.workload import Workload


@dataclass(eq=False)
class Certificate:
    """What to certify and how; the search runs once, when the first verdict is asked for. Fields as the arguments of ``check``."""

    target: str | Callable[..., Any]
    workload: type[Workload] | None = None
    waive: Mapping[str, str] = field(default_factory=dict)
    era: str = "4.19"
    budget: float | None = None
    examples: int | None = None
    seed: int = 0
    interleavings: float = 0.5
    executions: int | None = None
    limit: float | None = None
    strict: bool = False

    def look(self) -> None:
        """Raise UsageError when the driver cannot be found, or has no workload. One that is named is imported in a worker only."""
        _ = self.is_filesystem

    @cached_property
    def is_filesystem(self) -> bool:
        """Whether rules of file systems are judged. Raises UsageError as ``look``."""
        from movable.supervise.relay import relayed

        return bool(relayed(self._look, "the driver") if isinstance(self.target, str) else self._look())

    def _look(self) -> int:
        from movable.registry import find
        from movable.registry.filesystems import is_filesystem
        from movable.workload.workload import workload_for

        factory = find(self.target) if isinstance(self.target, str) else self.target
        if is_filesystem(factory):
            return 1
        workload_for(factory, self.workload)
        return 0

    @property
    def rules(self) -> Mapping[str, Rule]:
        """The rules that it is about, of every era."""
        from movable.rules.table import FILESYSTEM_RULES, RULES

        return FILESYSTEM_RULES if self.is_filesystem else RULES

    @cached_property
    def report(self) -> Report:
        """The finished certificate."""
        from movable.contract.examine import check

        return check(
            self.target,
            self.workload,
            era=self.era,
            budget=self.budget,
            examples=self.examples,
            seed=self.seed,
            interleavings=self.interleavings,
            executions=self.executions,
            limit=self.limit,
            waive=self.waive,
        )


def certify(target: str | Callable[..., Any], workload: type[Workload] | None = None, **options: Any) -> Certificate:
    """A certificate to assign to a name that begins with ``test``; pytest then shows one test id for each rule.

    ``options`` are ``waive`` (rule ids to reasons), ``era``, ``seed``, ``budget`` in seconds or ``examples`` and ``executions``
    within ``limit`` seconds, ``interleavings`` (their part of the whole), and ``strict``, which lets broken should rules, unproven
    must rules and operations that never ran fail. Raises UsageError for an unknown rule in ``waive``, for an unknown
    era, and for a budget that contradicts itself.
    """
    from movable.contract.budget import budget_of
    from movable.contract.examine import checked_waivers
    from movable.eras import era

    certificate = Certificate(target, workload, **options)
    checked_waivers(certificate.waive)
    era(certificate.era)
    budget_of(certificate.budget, certificate.examples, certificate.executions, certificate.interleavings, certificate.limit)
    return certificate
