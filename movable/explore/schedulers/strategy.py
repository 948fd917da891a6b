"""What a search strategy is to the engine: it is asked which task goes next, at every scheduling point."""

from collections.abc import Sequence
from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from movable.explore.engine import Scheduler, Task


class Strategy(Protocol):
    """Chooses schedules, one execution after the other.

    ``name`` is for reports; ``complete`` is true once nothing is left to try; ``claim`` says in words what has been covered.
    """

    @property
    def name(self) -> str: ...

    @property
    def complete(self) -> bool: ...

    @property
    def claim(self) -> str: ...

    def begin(self, run: "Scheduler") -> bool:
        """Get ready for the next execution; False when there is none."""
        ...

    def choose(self, me: "Task | None", enabled: "Sequence[Task]") -> "Task | None":
        """Return which of the ``enabled`` tasks takes the next step; None gives the execution up as redundant.

        ``me`` took the last step (None at the first); it may be blocked or finished. ``task.op`` and ``task.key`` are the step
        that a task would take. ``enabled`` is in the order of task numbers, never empty, and must not be changed.
        """
        ...

    def end(self, run: "Scheduler") -> None:
        """Learn from the execution, which is over."""
        ...


def default(me: "Task | None", enabled: "Sequence[Task]") -> "Task":
    """The schedule without pre-emptions: go on while possible, else the first task that can run."""
    return me if me is not None and me in enabled else enabled[0]
