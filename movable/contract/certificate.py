"""``test_ring = certify(Ring)``: a certificate that pytest collects, one test for each rule."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from functools import cached_property
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from movable.contract.report import Report
    from movable.workload.workload import Workload


@dataclass(eq=False)
class Certificate:
    """What to certify and how; the search runs once, when the first verdict is asked for. Fields as the arguments of ``check``."""

    target: str | Callable[..., Any]
    workload: type[Workload] | None = None
    waive: Mapping[str, str] = field(default_factory=dict)
    era: str = "4.19"
    budget: float = 10.0
    examples: int | None = None
    seed: int = 0
    interleavings: float = 0.5
    strict: bool = False

    @cached_property
    def factory(self) -> Callable[..., Any]:
        """The driver. Raises UsageError when it cannot be found."""
        from movable.registry import find

        return find(self.target) if isinstance(self.target, str) else self.target

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
            waive=self.waive,
        )


def certify(target: str | Callable[..., Any], workload: type[Workload] | None = None, **options: Any) -> Certificate:
    """A certificate to assign to a name that begins with ``test``; pytest then shows one test id for each rule.

    ``options`` are ``waive`` (rule ids to reasons), ``era``, ``budget`` in seconds or ``examples``, ``seed``, ``interleavings``
    (the part of the budget for them), and ``strict``, which lets broken should rules and unproven must rules fail.
    Raises UsageError for an unknown rule in ``waive``, and for an unknown era.
    """
    from movable.contract.examine import checked_waivers
    from movable.eras import era

    certificate = Certificate(target, workload, **options)
    checked_waivers(certificate.waive)
    era(certificate.era)
    return certificate
