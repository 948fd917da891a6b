"""The eras side by side, as a table made from the data."""

from __future__ import annotations

import re
from collections.abc import Collection
from dataclasses import asdict, fields
from textwrap import dedent
from typing import Any

from movable.eras import ERAS, Era

ENTRY = re.compile(r"((?:``\w+``(?:, | and )?)+): (.*?)(?=[;.]\n|[;.]$)", re.DOTALL)
BITS = ("reclaim", "uptodate", "private")
"""Flags whose bits a reader of a trace looks for: isolated, movable where marks stay, first of a zspage."""

NAMED = ("migratepage", "__SetPageMovable", "PG_isolated")
"""Names that drivers meet."""


def meanings() -> dict[str, str]:
    """What each feature means, from the description of ``Era``; of several that are explained together, the same text."""
    found: dict[str, str] = {}
    for names, text in ENTRY.findall(dedent(Era.__doc__ or "")):
        for name in re.findall(r"``(\w+)``", names):
            found[name] = " ".join(text.split())
    return found


def features() -> list[str]:
    """What an era says, in order, beside its name and the kernels that it stands for."""
    return [field.name for field in fields(Era) if field.name not in ("name", "kernels")]


def differing(eras: Collection[Era] = tuple(ERAS.values())) -> list[str]:
    """The features that are not the same in all ``eras``, in their order."""
    return [name for name in features() if len({repr(getattr(era, name)) for era in eras}) > 1]


def shown(era: Era, name: str) -> str:
    """The value of a feature in the words of a table; of flags and types those that drivers meet, of long lists the last."""
    value = getattr(era, name)
    if name == "flag_names":
        return ", ".join(f"{flag} {value.index(flag)}" for flag in BITS)
    if name == "page_types":
        return ", ".join(f"{kind} {value[kind] & 0xFFFFFFFF:#x}" for kind in ("zsmalloc", "offline", "balloon") if kind in value)
    if name == "names":
        return ", ".join(value.get(former, former) for former in NAMED)
    if name in ("migrate_reasons", "migrate_trace_fields", "node_meminfo"):
        return f"{len(value)}, to {value[-1]}"
    if isinstance(value, bool):
        return "yes" if value else "no"
    return " ".join(map(str, value)) or "-" if isinstance(value, tuple) else str(value)


def markdown(eras: Collection[Era] = tuple(ERAS.values())) -> str:
    """The table of docs/eras.md: one row for each behaviour that differs between ``eras``; of one alone, all that it says."""
    said = meanings()
    lines = [f"| feature | what it says | {' | '.join(era.name for era in eras)} |", f"|{'---|' * (2 + len(eras))}"]
    for name in differing(eras) if len(eras) > 1 else features():
        values = " | ".join(shown(era, name) for era in eras)
        lines.append(f"| `{name}` | {said[name].replace('``', '`')} | {values} |")
    return "\n".join(lines) + "\n"


def to_json(eras: Collection[Era] = tuple(ERAS.values())) -> dict[str, Any]:
    """The values as they are, in schema movable.eras/1: for each era its ``kernels`` and every feature; and what features mean."""
    said = {name: text.replace("``", "") for name, text in meanings().items()}
    return {"schema": "movable.eras/1", "eras": {era.name: asdict(era) for era in eras}, "meanings": said}
