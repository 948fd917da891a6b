"""Interleavings of tasks: run a small concurrent program under many schedules, find the one that breaks it, make it small.

Knows tasks and accesses to named locations, and nothing of pages. The rooms inside: `engine` runs one execution; `dfs`,
`dpor`, `bounded`, `urw`, `surw`, `pos`, `portfolio` choose schedules; `races`, `lockorder` watch; `shrink`, `token`,
`timeline`, `audit` explain; `hooks` and `opcodes` give plain Python scheduling points; `campaign` spreads work.
"""

from movable.explore.failure import ExploreError, Failure, NonDeterminism
from movable.explore.program import Named, Program, Scene
from movable.explore.runner import Options, same_twice
from movable.explore.search import Report, explain, explore, replay

__all__ = [
    "ExploreError", "Failure", "Named", "NonDeterminism", "Options", "Program", "Report", "Scene",
    "explain", "explore", "replay", "same_twice",
]  # fmt: skip
