"""Plays recorded programs and compares every field with the recording; the first difference of a program is told."""

from __future__ import annotations

import re
from dataclasses import asdict, dataclass
from typing import Any

from movable.numa.play import Player
from movable.numa.program import Program

FIELDS = ("ret", "e", "t", "status", "mode", "mask", "words", "mems", "st", "nm")
"""What is compared after each step, in this order."""
ACTIVE = re.compile(r" active=\d+")


@dataclass(frozen=True)
class Difference:
    """Where a program first differs: ``step`` counts from 0 (-1: before the first), ``here`` and ``recorded`` are the values."""

    program: int
    step: int
    text: str
    field: str
    here: Any
    recorded: Any

    def as_json(self) -> dict[str, Any]:
        """The fields by name."""
        return asdict(self)

    def __str__(self) -> str:
        return (
            f"program {self.program}, step {self.step} ({self.text}), {self.field}: here {self.here!r}, recorded {self.recorded!r}"
        )


def replay(program: Program, era: str, active: bool = False) -> Difference | None:
    """Play one program; its first difference, or None. ``active`` compares the ``active=`` of numa_maps too."""
    player = Player(program, era)
    if player.mems() != program.mems:
        return Difference(program.number, -1, "at the start", "mems", player.mems(), program.mems)
    for number, (step, recorded) in enumerate(zip(program.steps, program.recorded, strict=True)):
        found = player.step(step)
        if bool(found.get("skip")) != bool(recorded.get("skip")):
            return Difference(program.number, number, step.text, "skip", found.get("skip"), recorded.get("skip"))
        for field in FIELDS if "skip" not in recorded else ():
            here, there = found.get(field), recorded.get(field)
            if field == "nm" and not active:
                here, there = without_active(here), without_active(there)
            if here != there:
                return Difference(program.number, number, step.text, *_smallest(field, here, there))
    here, there = player.numa_maps(), program.numa_maps
    if not active:
        here, there = without_active(here), without_active(there)
    if here != there:
        return Difference(program.number, len(program.steps), "at the end", *_smallest("nm", here, there))
    return None


def without_active(maps: Any) -> Any:
    """Lines of numa_maps without their ``active=``."""
    if maps is None:
        return None
    return {name: [ACTIVE.sub("", line) for line in lines] for name, lines in maps.items()}


def _smallest(field: str, here: Any, there: Any) -> tuple[str, Any, Any]:
    """The part of a value that differs, with its name."""
    if isinstance(here, dict) and isinstance(there, dict):
        for key in sorted({*here, *there}):
            if here.get(key) != there.get(key):
                name = f"{field} of {key}" if field in ("st", "nm", "mems") else f"{field}, {key}"
                return _smallest(name, here.get(key), there.get(key))
    if isinstance(here, list) and isinstance(there, list) and len(here) == len(there) and field.startswith("nm"):
        for line, other in zip(here, there, strict=True):
            if line != other:
                return field, line, other
    return field, here, there
