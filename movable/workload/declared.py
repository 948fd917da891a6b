"""What a workload declares, checked before anything runs: each attribute has a type and a range, and a line that says so."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any

from movable.errors import UsageError
from movable.shown import literal

if TYPE_CHECKING:
    from movable.workload.workload import Workload

MAX_FRAMES = 1 << 20
MAX_PAGEBLOCK_ORDER = 9
"""As on x86: a pageblock of 2 MiB."""
METHODS = (
    "setup", "teardown", "read", "invariant", "ledger", "mapped", "outside", "snapshot", "left_behind", "run", "finish", "pages"
)  # fmt: skip

Test = Callable[[Any], bool]


def _whole(least: int, most: int) -> Test:
    return lambda value: type(value) is int and least <= value <= most


def _all(kind: type | tuple[type, ...]) -> Test:
    return lambda value: isinstance(value, tuple | list | frozenset | set) and all(isinstance(part, kind) for part in value)


def _counters(value: Any) -> bool:
    return isinstance(value, Mapping) and all(isinstance(part, str) for pair in value.items() for part in pair)


def _variants(value: Any) -> bool:
    if not isinstance(value, tuple | list) or not value:
        return False
    return all(isinstance(one, Mapping) and all(isinstance(key, str) for key in one) for one in value)


def _truth(value: Any) -> bool:
    return isinstance(value, bool)


def _scenarios(value: Any) -> bool:
    from movable.workload.scenario import Scenario

    return _all(Scenario)(value)


DECLARATIONS: dict[str, tuple[Test, str]] = {
    "preserves_content": (_truth, "True or False"),
    "may_release_isolated": (_truth, "True or False"),
    "may_refuse": (_truth, "True or False"),
    "pageblock_order": (_whole(1, MAX_PAGEBLOCK_ORDER), f"a whole number from 1 to {MAX_PAGEBLOCK_ORDER}"),
    "frames": (_whole(1, MAX_FRAMES), f"a whole number up to {MAX_FRAMES}"),
    "hostile": (_all(str), "a tuple of names of operations"),
    "variants": (_variants, "a tuple of one dict or more, each of keyword arguments for the driver"),
    "zone_counters": (_all(str), "a tuple of names of counters"),
    "event_counters": (_counters, "a dict from names of events to names of events"),
    "scenarios": (_scenarios, "a tuple of scenario(...)"),
    "scenario_frames": (lambda value: _whole(4, MAX_FRAMES)(value) and value % 4 == 0, "a multiple of 4"),
    "unwatched": (_all((type, str)), "a tuple of classes and names of attributes"),
    "busy": (_all(str), "a tuple of names of operations"),
    "advice": (lambda value: isinstance(value, str), "a sentence"),
}
"""Attribute -> (whether a value will do, what it has to be in words)."""


def check_declarations(workload: type[Workload]) -> None:
    """Raises UsageError that names the first attribute of a workload that cannot be."""
    for name, (fits, words) in DECLARATIONS.items():
        value = getattr(workload, name)
        if not fits(value):
            raise UsageError(f"{workload.__name__}.{name} is {literal(value, 60)}; it must be {words}")
    for name in METHODS:
        if not callable(getattr(workload, name)):
            raise UsageError(f"{workload.__name__}.{name} is {literal(getattr(workload, name), 60)}; it must be a method")
    for name in ("hostile", "busy"):
        for operation in getattr(workload, name):
            if not callable(getattr(workload, operation, None)):
                raise UsageError(f"{workload.__name__}.{name} names {literal(operation, 60)}, and it has no such operation")
