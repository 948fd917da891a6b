"""How far a check has come, as plain values: a fresh worker goes on from there, and a certificate can be made of it."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING

from movable.contract.report import Report, Verdict
from movable.contract.verdict import BROKEN, HELD, NOT_APPLICABLE, UNPROVEN, WAIVED
from movable.explore.coverage import Explored
from movable.rules.rule import CHECKED
from movable.rules.table import RULES

if TYPE_CHECKING:
    from movable.concurrent.failures.explain import Explanation


@dataclass(slots=True)
class Checkpoint:
    """What a check knows after some of its work.

    ``report`` is the certificate so far, all but the verdicts. ``first`` leads from broken rules to tokens of the programs that
    broke them first, ``what`` to words; ``exercised`` counts chances to be broken. ``away`` says which rules do not bind the
    driver. ``barren`` and ``hangs`` are those of the search. ``explored`` says that the interleavings are done, ``by_tasks`` what
    they broke, ``seen`` what they broke and has no story yet. ``verdicts`` are the finished ones.
    """

    report: Report
    first: dict[str, str] = field(default_factory=dict)
    what: dict[str, str] = field(default_factory=dict)
    exercised: Counter[str] = field(default_factory=Counter)
    away: dict[str, str] = field(default_factory=dict)
    barren: int = 0
    hangs: int = 0
    explored: bool = False
    scenarios: list[Explored] = field(default_factory=list)
    by_tasks: dict[str, Verdict] = field(default_factory=dict)
    seen: dict[str, str] = field(default_factory=dict)
    seconds: float = 0.0


def explained(found: Explanation | Verdict, exercised: int = 0) -> Verdict:
    """A failure of two tasks as a verdict; what a worker before this one has explained is one already."""
    if isinstance(found, Verdict):
        return replace(found, exercised=exercised)
    return Verdict(
        found.rule, BROKEN, exercised, what=found.what, story=found.lines, token=found.token, scenario=found.does,
        preemptions=found.preemptions, switches=found.switches, lanes=found.rows, follows=found.follows,
    )  # fmt: skip


def stale_waiver(id: str, exercised: int, reason: str) -> Verdict:
    """The verdict on a waiver of a rule that was tried and held: it is out of date."""
    what = f"it is waived ({reason}), and held in {exercised} tries; take the waiver away"
    return Verdict(id, BROKEN, exercised, what=what, stale=True)


def verdict_of(checkpoint: Checkpoint, id: str, waivers: Mapping[str, str]) -> Verdict:
    """The verdict on a rule from what is known: a failure that nobody could look at again has its words and its token."""
    found, exercised = RULES[id], checkpoint.exercised[id]
    if checkpoint.report.era not in found.eras:
        return Verdict(id, NOT_APPLICABLE, reason=f"not in era {checkpoint.report.era}")
    if id in checkpoint.first or id in checkpoint.by_tasks or id in checkpoint.seen:
        return Verdict(id, WAIVED, exercised, waivers[id]) if id in waivers else _broken(checkpoint, id, exercised)
    if id in waivers and found.kind == CHECKED and exercised:
        return stale_waiver(id, exercised, waivers[id])
    if id in checkpoint.away:
        return Verdict(id, NOT_APPLICABLE, exercised, checkpoint.away[id])
    return Verdict(id, HELD if exercised else UNPROVEN, exercised)


def _broken(checkpoint: Checkpoint, id: str, exercised: int) -> Verdict:
    if id in checkpoint.first:
        what = checkpoint.what.get(id, "")
        return Verdict(id, BROKEN, exercised, what=f"{what} (there was no time to tell more)", token=checkpoint.first[id])
    if id in checkpoint.by_tasks:
        return explained(checkpoint.by_tasks[id], exercised)
    return Verdict(id, BROKEN, exercised, what=f"{checkpoint.seen[id]} (there was no time to tell more)")
