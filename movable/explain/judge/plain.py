"""Figures in words: a number, and a list of what was read."""

from __future__ import annotations

from movable.explain.material import Answer, Figure

BLOCKS = "cat /proc/buddyinfo: these figures do not say in which blocks free memory lies"
MAX_SHOWN = 6


def read_too(rows: list[Figure], answer: Answer) -> None:
    """Say what was read, the first dozen of it."""
    said = [f"{one.name} {', '.join(plain(value) for value in one.values.values())}".strip() for one in rows]
    answer.facts.append(f"Read: {'; '.join(said[:12])}{f' and {len(said) - 12} more' if len(said) > 12 else ''}.")


def plain(value: float) -> str:
    """A number without what is not needed behind its point."""
    return f"{value:.0f}" if value == int(value) else f"{value:.2f}"
