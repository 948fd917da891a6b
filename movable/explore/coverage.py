"""How far a scenario was explored: what a certificate says of its interleavings."""

from __future__ import annotations

from dataclasses import dataclass, field


@dataclass(slots=True)
class Explored:
    """What is known about one concurrent scenario.

    ``what`` says what its tasks do. ``covered`` says in words which interleavings were tried, ``complete`` that it was all of them.
    ``rules`` are the broken ones that it showed. ``left_out`` says why it was not explored at all, else "". ``unwatched`` names
    what may change without a scheduling point, so that nothing is claimed about it. ``operations`` are those of the workload
    that it runs, ``tasks`` what runs at the same time, ``variant`` the configuration, where there are several.
    """

    name: str
    what: str
    executions: int = 0
    steps: int = 0
    covered: str = "nothing"
    complete: bool = False
    rules: list[str] = field(default_factory=list)
    left_out: str = ""
    unwatched: list[str] = field(default_factory=list)
    operations: list[str] = field(default_factory=list)
    tasks: list[str] = field(default_factory=list)
    variant: str = ""
