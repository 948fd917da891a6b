"""The five verdicts, and what every judgement has in common: a certificate of a driver, and a judged trace."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass

from movable.eras import as_in
from movable.rules.rule import Rule
from movable.rules.table import ALL_RULES

HELD, BROKEN, WAIVED, NOT_APPLICABLE, UNPROVEN = "held", "broken", "waived", "n/a", "unproven"
VERDICTS = (HELD, BROKEN, WAIVED, NOT_APPLICABLE, UNPROVEN)
WORST_FIRST = (BROKEN, WAIVED, UNPROVEN, HELD, NOT_APPLICABLE)
"""The order of a table."""


@dataclass(slots=True)
class RuleVerdict:
    """What is known about one rule.

    ``verdict`` is one of VERDICTS, ``exercised`` how often the rule had a chance to be broken. ``reason`` explains a waiver, or why
    the rule does not apply or is not proven.
    """

    rule: str
    verdict: str
    exercised: int = 0
    reason: str = ""


class Judgement:
    """Verdicts on rules, by number, in the order of the table, about kernels of ``era``."""

    __slots__ = ()
    verdicts: Mapping[str, RuleVerdict]
    era: str

    def rule(self, id: str) -> Rule:
        """A rule in the words of the era: every place that shows one asks here."""
        return ALL_RULES[id].said_in(self.era)

    @property
    def said(self) -> Callable[[str], str]:
        """What gives functions and flags the names that they have in the era."""
        return as_in(self.era)

    def count(self, verdict: str) -> int:
        """How many rules have this verdict."""
        return sum(1 for found in self.verdicts.values() if found.verdict == verdict)

    def counts(self) -> dict[str, int]:
        """How many rules have each verdict."""
        return {verdict: self.count(verdict) for verdict in VERDICTS}

    @property
    def broken(self) -> list[str]:
        """Ids of the broken rules, in the order of the table."""
        return [id for id, found in self.verdicts.items() if found.verdict == BROKEN]
