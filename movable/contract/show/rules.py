"""What ``movable rules`` prints: the table, and one rule with its story."""

from __future__ import annotations

import textwrap
from collections.abc import Iterable

from movable.contract.report import TEXT_COLUMNS
from movable.eras import Era
from movable.rules.bugs import BUGS
from movable.rules.rule import KINDS, LEVELS, SHOWS, Rule
from movable.rules.table import ALL_RULES, declared_in, later_text, occasions_text, rule, source_text


def rules_text(rules: Iterable[Rule] | None = None, width: int = TEXT_COLUMNS, era: Era | None = None) -> str:
    """The table of rules: number, level, kind, whether a trace can show it, and the title; for an era those that hold there."""
    chosen = list(ALL_RULES.values() if rules is None else rules)
    if era is not None:
        chosen = [found.said_in(era.name) for found in chosen if era.name in found.eras]
    lines = [f"{'rule':5} {'level':6} {'kind':10} {'trace':6} title"]
    for found in chosen:
        title = textwrap.shorten(found.title, max(20, width - 32), placeholder=" ...")
        lines.append(f"{found.id:5} {found.level:6} {found.kind:10} {found.shown:6} {title}")
    there, more = ("", "") if era is None else (f" of kernels {era.kernels}", f" --era {era.name}")
    lines.append(f"{len(chosen)} rules{there}; 'movable rules D17{more}' tells about one")
    return "\n".join(lines)


def rule_text(id: str, width: int = TEXT_COLUMNS, era: Era | None = None) -> str:
    """One rule with its reason, its source and the bugs that broke it; for an era, in the words of its kernels.

    Without one, what later kernels have instead is told too. Raises UsageError for an unknown number.
    """
    found = rule(id)
    holds = [] if era is None or era.name in found.eras else [f"It does not hold in kernels {era.kernels} (era {era.name})."]
    found, later = (found, later_text(found)) if era is None else (found.said_in(era.name), "")
    whose = {"driver": "binds drivers", "core": "binds the core", "file system": "binds file systems"}[found.scope]
    paragraphs = [
        f"{found.id}: {found.title}",
        found.sentence,
        *holds,
        f"Why: {found.why}",
        *([later] if later else []),
        f"Level: {found.level} ({LEVELS[found.level]}). It {whose}.",
        f"Kind: {found.kind} ({KINDS[found.kind]}). Exercised by: {occasions_text(found)}.",
        f"Kernels: {', '.join(found.eras)}. From {source_text(found)}.",
        SHOWS[found.shown],
        f"Declared in {declared_in(found)}.",
    ]
    text = [textwrap.fill(paragraph, width) for paragraph in paragraphs]
    if found.bugs:
        text.append("Broken by:")
        text += [f"  {BUGS[bug]}: {BUGS[bug].symptom}" for bug in found.bugs]
    return "\n".join(text)
