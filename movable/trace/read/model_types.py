"""Model events that come from a file: each value must be of the type that the rules expect."""

from __future__ import annotations

from movable.errors import UsageError
from movable.events import Event

FIELDS = (("task", str), ("pfn", int), ("flags", int), ("mapping", int), ("refs", int))
NUMBERS = frozenset(
    (
        *("mode", "newpage", "ops", "reason", "order", "gfp", "new_flags", "new_mapping", "new_refs", "source", "changed"),
        *("nr", "nr_succeeded", "nr_failed", "nr_left", "nr_pass", "node"),
    )
)
WORDS = frozenset(("driver", "owner", "by", "lock", "type", "field", "text", "what", "rule", "zone"))
MAY_BE_WORDS = frozenset(("reason",))
"""A number in some kinds of events, words in others."""


def check_types(event: Event, line: int) -> None:
    """Raises UsageError naming ``line`` for an event with a value of a wrong type."""
    for name, kind in FIELDS:
        value = getattr(event, name)
        if not isinstance(value, kind):
            raise UsageError(f"line {line}: not an event ({name} is {value!r}); expected what 'movable run --events' writes")
    for name, value in event.args.items():
        if name in NUMBERS:
            fine = isinstance(value, int) or (name in MAY_BE_WORDS and isinstance(value, str))
        elif name in WORDS:
            fine = isinstance(value, str)
        else:
            fine = value is None or isinstance(value, (str, int, float))
        if not fine:
            raise UsageError(f"line {line}: not an event ({name} is {value!r}); expected what 'movable run --events' writes")
