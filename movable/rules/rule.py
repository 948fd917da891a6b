"""What a rule is, and the words that the table of rules uses."""

from __future__ import annotations

from dataclasses import dataclass

from movable.eras import ERAS as KNOWN

MUST, SHOULD, MAY = "must", "should", "may"
LEVELS = {
    MUST: "breaking it corrupts, leaks or stops a machine",
    SHOULD: "breaking it is an error that the machine survives",
    MAY: "advice: breaking it can be a choice",
}
CHECKED, STOCHASTIC, UNTESTED = "checked", "stochastic", "untested"
KINDS = {
    CHECKED: "judged wherever it is exercised",
    STOCHASTIC: "judged by how often something happens",
    UNTESTED: "stated, and judged only where the core happens to notice",
}
ERAS = tuple(KNOWN)
STICKY = tuple(name for name, era in KNOWN.items() if era.sticky_mark)
CLEARED = tuple(name for name, era in KNOWN.items() if not era.sticky_mark)


@dataclass(frozen=True, slots=True)
class Rule:
    """One rule.

    ``id`` is its number ("D17"), ``level`` one of LEVELS, ``kind`` one of KINDS, ``eras`` the kernels that it holds for. ``title``
    is a few words, ``sentence`` the rule, ``intent`` why it exists. ``source`` names (file, function) pairs of the kernel, ``bugs``
    the historic bugs (see bugs.py) that broke it. ``scope`` is "driver" or "core". ``needs`` lists the kinds of event without
    which it cannot be exercised; ``in_trace`` says whether a trace of a real kernel can show it.
    """

    id: str
    level: str
    kind: str
    eras: tuple[str, ...]
    title: str
    sentence: str
    intent: str
    source: tuple[tuple[str, str], ...]
    bugs: tuple[str, ...]
    scope: str
    needs: tuple[str, ...]
    in_trace: bool


def driver_rule(
    id: str,
    level: str,
    title: str,
    sentence: str,
    intent: str,
    source: tuple[tuple[str, str], ...],
    bugs: str = "",
    needs: str = "observation",
    *,
    kind: str = CHECKED,
    eras: tuple[str, ...] = ERAS,
    scope: str = "driver",
    in_trace: bool = False,
) -> Rule:
    """One row of the table; ``bugs`` and ``needs`` are words separated by spaces."""
    return Rule(
        id,
        level,
        kind,
        eras,
        title,
        sentence,
        intent,
        source,
        tuple(bugs.split()),
        scope,
        tuple(needs.split()),
        in_trace,
    )


def core_rule(
    id: str,
    level: str,
    title: str,
    sentence: str,
    intent: str,
    source: tuple[tuple[str, str], ...],
    bugs: str = "",
    needs: str = "observation",
    *,
    kind: str = CHECKED,
    eras: tuple[str, ...] = ERAS,
    in_trace: bool = False,
) -> Rule:
    """A row about the core."""
    return driver_rule(
        id, level, title, sentence, intent, source, bugs, needs, kind=kind, eras=eras, scope="core", in_trace=in_trace
    )
