"""What is behind a wake-up that was lost: the driver, or that the core clears PG_isolated after the callback that wakes.

A driver learns of the end of an isolation in ``migratepage`` or ``putback_page``. PG_isolated is still set then, so whoever is
woken there and looks at the flag at once sleeps on, and nobody wakes it again. Waiting for an isolation to end is right all the
same, and a driver cannot be called after the flag is cleared: this is told as a rule of its own (D63), not as a wait without end.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from movable.mm.page_flags import ISOLATED

if TYPE_CHECKING:
    from movable.concurrent.execution import Execution
    from movable.explore.engine import Task
    from movable.mm.page import Page


def cause_of_sleep(execution: Execution, tasks: Sequence[Task]) -> str:
    """ "D63" where each of the tasks was woken by the callback that ended an isolation and waits for PG_isolated; else ""."""
    return "D63" if all(_waits_for_the_flag(execution, task) for task in tasks) else ""


def _waits_for_the_flag(execution: Execution, task: Task) -> bool:
    """Whether the wait would go on if PG_isolated of one page were still set, which was cleared right after a wake-up."""
    pages = execution.stage.vm.pages
    return any(_hinges_on(pages[pfn], task) for pfn in _cleared_after_waking(execution, task) if pfn in pages)


def _cleared_after_waking(execution: Execution, task: Task) -> set[int]:
    """The pages whose flags a task changed after it had woken the queue of ``task``, since it last changed them before."""
    found: set[int] = set()
    woken: dict[int, set[int]] = {}  # by task: the pages of which it has not changed the flags since it woke the queue
    for who, op, key in execution.steps:
        if op == "wake" and key == task.key:
            woken[who] = set(execution.stage.vm.pages)
        elif op == "aw" and (pfn := _of_flags(key)) in woken.get(who, ()):
            woken[who].discard(pfn)
            found.add(pfn)
    return found


def _of_flags(key: Any) -> int:
    """The page whose flags a location is, -1 for any other."""
    return int(key[1]) if isinstance(key, tuple) and len(key) == 3 and (key[0], key[2]) == ("page", "flags") else -1


def _hinges_on(page: Page, task: Task) -> bool:
    flags = page._flags
    if flags & ISOLATED or task.condition is None:
        return False
    page._flags = flags | ISOLATED
    try:
        return not task.condition()
    finally:
        page._flags = flags
