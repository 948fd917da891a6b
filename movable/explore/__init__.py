"""Interleavings of tasks: run a small concurrent program under many schedules, find the one that breaks it, make it small.

Knows tasks and accesses to named locations, and nothing of pages. `search` is where it begins, `engine` runs one execution,
`campaign` spreads work. The rooms inside: `schedulers` choose schedules, `instrument` gives plain Python scheduling points,
`detect` watches, `failures` makes what was found small and tells it.
"""

from movable.explore.failure import ExploreError, Failure, NonDeterminism
from movable.explore.program import Named, Program, Scene
from movable.explore.runner import Options, same_twice
from movable.explore.search import Report, explain, explore, replay

__all__ = [
    "ExploreError", "Failure", "Named", "NonDeterminism", "Options", "Program", "Report", "Scene",
    "explain", "explore", "replay", "same_twice",
]  # fmt: skip
