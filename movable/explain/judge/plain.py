"""Figures in words: a number, and a list of what was read."""

from __future__ import annotations

from movable.explain.material import Answer, Figure

BLOCKS = "cat /proc/buddyinfo: these figures do not say in which blocks free memory lies"
MAX_SHOWN = 6


def read_too(rows: list[Figure], answer: Answer) -> None:
    """Say what was read, the first dozen of it."""
    said = [f"{one.name} {', '.join(plain(value) for value in one.values.values())}".strip() for one in rows]
    answer.facts.append(f"Read: {'; '.join(said[:12])}{f' and {len(said) - 12} more' if len(said) > 12 else ''}.")


def percent(part: int, whole: int) -> int:
    """A share in hundredths, the nearest; 100 only where it is all, and 0 where there is no whole."""
    return 0 if whole <= 0 or part <= 0 else 100 if part >= whole else min((200 * part + whole) // (2 * whole), 99)


def plain(value: float) -> str:
    """A number without what is not needed behind its point."""
    return f"{value:.0f}" if value == int(value) else f"{value:.2f}"
