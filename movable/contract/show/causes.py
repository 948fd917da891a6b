"""Failures in causal order: what one mistake breaks is ordered together, the cause first and what follows from it behind."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from movable.contract.report import Verdict


def by_cause(verdicts: Mapping[str, Verdict], broken: Sequence[str]) -> list[tuple[str, str]]:
    """(rule, the rule that it follows from or "") of each broken rule; causes as in ``broken``, each before what follows."""
    causes = {id: _cause(verdicts, broken, id) for id in broken}
    ordered: list[tuple[str, str]] = []
    for cause in (id for id in broken if causes[id] == id):
        ordered.append((cause, ""))
        ordered += [(id, cause) for id in broken if id != cause and causes[id] == cause]
    return ordered


def _cause(verdicts: Mapping[str, Verdict], broken: Sequence[str], id: str) -> str:
    """Where the chain of causes begins; of a ring, its first rule."""
    chain = [id]
    while (before := verdicts[chain[-1]].follows) in broken:
        if before in chain:
            return min(chain[chain.index(before) :], key=broken.index)
        chain.append(before)
    return chain[-1]
