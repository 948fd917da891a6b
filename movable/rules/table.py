"""The rule table: every promise of the contract, by number, with its reason and where it comes from.

D rules bind drivers, V rules bind the core. Every report speaks in these numbers.
"""

from __future__ import annotations

import difflib
from collections.abc import Iterator

from movable.errors import UsageError
from movable.rules.bugs import BUGS
from movable.rules.rows.core import CORE_RULES
from movable.rules.rows.driver import DRIVER_RULES
from movable.rules.rows.kit import KIT_RULES
from movable.rules.rows.owner import OWNER_RULES
from movable.rules.rule import KINDS, LEVELS, Rule

RULES: dict[str, Rule] = {rule.id: rule for rule in (*DRIVER_RULES, *OWNER_RULES, *KIT_RULES, *CORE_RULES)}
"""Every rule by number, in order."""


def rule(id: str) -> Rule:
    """The rule with this number. Raises UsageError that lists near numbers."""
    found = RULES.get(id) or RULES.get(id.upper()) or RULES.get(id[:1].upper() + id[1:].lower())
    if found is None:
        raise UsageError(f"unknown rule {id!r}; {_near(id)}; 'movable rules' lists all")
    return found


def _near(id: str) -> str:
    near = difflib.get_close_matches(id.upper(), RULES, n=4, cutoff=0.5)
    return f"did you mean {', '.join(near)}?" if near else "rules are D1 to D55 and V1 to V35"


def source_text(found: Rule) -> str:
    """The kernel sources of a rule in one line."""
    return ", ".join(f"{file}: {function}" if function else file for file, function in found.source) or "this kit"


# --- docs/contract.md ---

HEAD = """# The contract, rule by rule

Generated from the rule table (`movable.rules.table.render_markdown()`); a test keeps the two equal. `movable rules` prints the
table, `movable rules D17` one rule.

D rules bind the driver, V rules bind the core. The kit judges the core too, so that a verdict about a driver does not rest on
a broken machine.

"""


def render_markdown() -> str:
    """The text of docs/contract.md."""
    return HEAD + "\n".join(_sections())


def _sections() -> Iterator[str]:
    for name, words in (("Level", LEVELS), ("Kind", KINDS)):
        yield f"| {name.lower()} | meaning |\n|---|---|"
        yield from (f"| {word} | {meaning} |" for word, meaning in words.items())
        yield ""
    for scope, title in (("driver", "What a driver owes"), ("core", "What the core promises")):
        yield f"## {title}\n"
        yield "| rule | level | title | in a trace |\n|---|---|---|---|"
        chosen = [found for found in RULES.values() if found.scope == scope]
        for found in chosen:
            yield f"| [{found.id}](#{found.id.lower()}) | {found.level} | {found.title} | {'yes' if found.in_trace else 'no'} |"
        yield ""
        for found in chosen:
            yield from _markdown(found)


def _markdown(found: Rule) -> Iterator[str]:
    yield f"### {found.id}\n"
    yield f"**{found.title}.** {found.sentence}\n"
    yield f"*Why:* {found.intent}\n"
    yield f"*Level:* {found.level}, {found.kind}. *Kernels:* {', '.join(found.eras)}. *From:* {source_text(found)}.\n"
    if found.bugs:
        yield f"*Broken by:* {'; '.join(str(BUGS[id]) for id in found.bugs)}.\n"
