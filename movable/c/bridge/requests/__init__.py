"""What C code can ask of the model, and who answers."""

from __future__ import annotations

from functools import lru_cache
from typing import TYPE_CHECKING, Any

from movable.c.bridge.runtime import REQUESTS

if TYPE_CHECKING:
    from movable.c.bridge.calls import Bridge, Handler


def _unknown(bridge: Bridge) -> Any:
    raise AssertionError(f"request {bridge.request[0]} has no handler")


@lru_cache(maxsize=1)
def handlers() -> list[Handler]:
    """The function for each request, by number."""
    from movable.c.bridge.requests import cpu, faults, locks, memory, page, tasks, waiting

    found: list[Handler] = [_unknown] * len(REQUESTS)
    for table in (cpu.TABLE, faults.TABLE, locks.TABLE, memory.TABLE, page.TABLE, tasks.TABLE, waiting.TABLE):
        for name, handler in table.items():
            found[REQUESTS[name]] = handler
    return found
