"""The eras side by side, as a table made from the data."""

from __future__ import annotations

import re
from dataclasses import fields
from textwrap import dedent

from movable.eras import ERAS, Era

ENTRY = re.compile(r"((?:``\w+``(?:, | and )?)+): (.*?)(?=[;.]\n|[;.]$)", re.DOTALL)
LONG = 40
"""Letters of a value that a table still shows."""


def meanings() -> dict[str, str]:
    """What each feature means, from the description of ``Era``; of several that are explained together, the same text."""
    found: dict[str, str] = {}
    for names, text in ENTRY.findall(dedent(Era.__doc__ or "")):
        for name in re.findall(r"``(\w+)``", names):
            found[name] = " ".join(text.split())
    return found


def differing() -> list[str]:
    """The features that are not the same in all eras, in their order."""
    names = [field.name for field in fields(Era) if field.name not in ("name", "kernels")]
    return [name for name in names if len({repr(getattr(era, name)) for era in ERAS.values()}) > 1]


def shown(value: object) -> str:
    """A value in the words of a table."""
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, tuple):
        text = " ".join(map(str, value)) or "-"
    elif isinstance(value, dict):
        text = ", ".join(f"{name} {word & 0xFFFFFFFF:#x}" for name, word in value.items())
    else:
        text = str(value)
    return text if len(text) <= LONG else f"{text[:LONG]}..."


def markdown() -> str:
    """The table of docs/eras.md: one row for each behaviour that differs."""
    said = meanings()
    lines = [f"| feature | what it says | {' | '.join(ERAS)} |", f"|{'---|' * (2 + len(ERAS))}"]
    for name in differing():
        values = " | ".join(shown(getattr(era, name)) for era in ERAS.values())
        lines.append(f"| `{name}` | {said[name]} | {values} |")
    return "\n".join(lines) + "\n"
