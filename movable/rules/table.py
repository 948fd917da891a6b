"""The rule table: every promise of the contract, by number, with its reason and where it comes from.

D rules bind drivers, V rules bind the core, F rules bind file systems. Every report speaks in these numbers.
"""

from __future__ import annotations

import difflib
from collections.abc import Iterator
from pathlib import Path

from movable.eras import as_in
from movable.errors import UsageError
from movable.rules import (
    filesystem,
    freeing,
    isolation,
    judged_elsewhere,
    locking,
    lru,
    marking,
    migrate_loop,
    migration,
    putback,
    references,
    sticky,
)
from movable.rules.bugs import BUGS
from movable.rules.rule import DECLARED, KINDS, LEVELS, SHOWS, STICKY, Check, Rule

JUDGES = (marking, isolation, migration, references, putback, locking, freeing, migrate_loop, lru, sticky, judged_elsewhere)
"""The files that declare rules, each beside what judges it."""

CHECKS: tuple[type[Check], ...] = (
    freeing.AfterFree,
    marking.Marks,
    isolation.Isolation,
    migration.Migration,
    references.References,
    putback.PutBack,
    putback.Settling,
    locking.Locks,
    migrate_loop.Core,
    freeing.Release,
    sticky.Sticky,
    lru.Lru,
)
"""The checks, in the order in which they look at an event."""


def _place(id: str) -> tuple[str, int, str]:
    digits = id.strip("DFVb")
    return id[0], int(digits), id


FILESYSTEM_RULES: dict[str, Rule] = {id: DECLARED[id] for id in sorted(DECLARED, key=_place) if id[0] == "F"}
"""The rules of file systems by number, in order."""

RULES: dict[str, Rule] = {id: DECLARED[id] for id in sorted(DECLARED, key=_place) if id[0] != "F"}
"""Every rule of drivers and of the core by number, in order."""

ALL_RULES: dict[str, Rule] = {**RULES, **FILESYSTEM_RULES}
"""Every rule."""


def rule(id: str) -> Rule:
    """The rule with this number. Raises UsageError that lists near numbers."""
    found = ALL_RULES.get(id) or ALL_RULES.get(id.upper()) or ALL_RULES.get(id[:1].upper() + id[1:].lower())
    if found is None:
        raise UsageError(f"unknown rule {id!r}; {_near(id)}; 'movable rules' lists all")
    return found


def _near(id: str) -> str:
    near = difflib.get_close_matches(id.upper(), ALL_RULES, n=4, cutoff=0.5)
    return f"did you mean {', '.join(near)}?" if near else f"rules are {_spans()}"


def _spans() -> str:
    """The numbers that there are, in words."""
    return ", ".join(f"{scope}1 to {[id for id in ALL_RULES if id[0] == scope][-1]}" for scope in "DVF")


def source_text(found: Rule) -> str:
    """The kernel sources of a rule in one line."""
    return ", ".join(found.kernel) or "this kit"


def later_text(found: Rule) -> str:
    """What a rule says in kernels whose marks stay, where that is not what it says before; else ""."""
    words = " ".join(text for text in (found.sticky.sentence, found.sticky.why) if text)
    return f"In {' and '.join(STICKY)}: {as_in(STICKY[0])(words)}" if words else ""


def declared_in(found: Rule) -> str:
    """The file that declares a rule; it has the code that judges it too, or names it."""
    files = [Path(module.__file__ or "") for module in (*JUDGES, filesystem)]
    home = next((file for file in files if f"{found.id} = rule(" in file.read_text()), files[0])
    return str(home.relative_to(Path(__file__).parents[2]))


def occasions_text(found: Rule) -> str:
    """The events on which a rule can be broken, by kind, in one line; and who looks for it where no event shows it."""
    seen: list[str] = []
    for check in CHECKS:
        for occasion, kinds in check.occasions.items():
            seen += kinds.split() if occasion in found.exercised_by else []
    if found.judged_by:
        file, _, name = found.judged_by.partition(":")
        seen.append(f"the check in movable/{file.replace('.', '/')}.py{f' ({name})' if name else ''}")
    return ", ".join(dict.fromkeys(seen)) or "nothing: it is not judged"


# --- docs/contract.md ---

HEAD = """# The contract, rule by rule

Generated from the rule table (`movable.rules.table.render_markdown()`); a test keeps the two equal. `movable rules` prints the
table, `movable rules D17` one rule.

D rules bind the driver, V rules bind the core, F rules bind a file system ([filesystems.md](filesystems.md)). The kit judges the
core too, so that a verdict about a driver does not rest on a broken machine.

"""


def render_markdown() -> str:
    """The text of docs/contract.md."""
    return HEAD + "\n".join(_sections())


def _sections() -> Iterator[str]:
    for name, words in (("Level", LEVELS), ("Kind", KINDS)):
        yield f"| {name.lower()} | meaning |\n|---|---|"
        yield from (f"| {word} | {meaning} |" for word, meaning in words.items())
        yield ""
    yield "| in a trace | meaning |\n|---|---|"
    yield from (f"| {word} | {meaning} |" for word, meaning in SHOWS.items())
    yield ""
    scopes = {"driver": "What a driver owes", "core": "What the core promises", "file system": "What a file system owes"}
    for scope, title in scopes.items():
        yield f"## {title}\n"
        yield "| rule | level | title | in a trace |\n|---|---|---|---|"
        chosen = [found for found in ALL_RULES.values() if found.scope == scope]
        for found in chosen:
            yield f"| [{found.id}](#{found.id.lower()}) | {found.level} | {found.title} | {found.shown} |"
        yield ""
        for found in chosen:
            yield from _markdown(found)


def _markdown(found: Rule) -> Iterator[str]:
    yield f"### {found.id}\n"
    yield f"**{found.title}.** {found.sentence}\n"
    yield f"*Why:* {found.why}\n"
    if later_text(found):
        yield f"*{later_text(found).replace(': ', ':* ', 1)}\n"
    yield f"*Level:* {found.level}, {found.kind}. *Kernels:* {', '.join(found.eras)}. *From:* {source_text(found)}.\n"
    yield f"*Exercised by:* {occasions_text(found)}.\n"
    if found.bugs:
        yield f"*Broken by:* {'; '.join(str(BUGS[id]) for id in found.bugs)}.\n"
