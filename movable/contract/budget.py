"""How much a check does: work, which is the same everywhere, or time, which buys more on a faster machine."""

from __future__ import annotations

from dataclasses import dataclass

from movable.errors import UsageError

DEFAULT_PROGRAMS = 400
"""Programs of a check by default: about as long as EXECUTIONS."""
EXECUTIONS = 5000
"""Interleavings of a check by default."""
EXECUTIONS_PER_PROGRAM = 5
"""Interleavings for each program, where somebody says how many programs: both take about as long."""
LIMIT_SECONDS = 60.0
"""Seconds of processor time after which a search by default work is cut short."""
INTERLEAVINGS_SHARE = 0.5
"""The part of a check that goes to interleavings."""
OPENING_SHARE = 0.15
"""The part of the programs that comes before the interleavings: shallow bugs show at once, and races soon after."""


@dataclass(frozen=True, slots=True)
class Budget:
    """Either ``programs`` and ``executions`` are counted, and ``limit`` is the seconds of processor time after which that
    is cut short (None: never); or ``seconds`` is what the search may take, of which ``share`` goes to interleavings.
    """

    programs: int = DEFAULT_PROGRAMS
    executions: int = EXECUTIONS
    limit: float | None = LIMIT_SECONDS
    seconds: float | None = None
    share: float = INTERLEAVINGS_SHARE

    @property
    def by_time(self) -> bool:
        """Whether time is the measure, so that another machine may come to another result."""
        return self.seconds is not None

    @property
    def opening(self) -> int:
        """Programs before the interleavings."""
        return self.programs if not self.executions else max(1, int(self.programs * OPENING_SHARE)) if self.programs else 0

    @property
    def seconds_alone(self) -> float:
        """Seconds for programs, of a search by time."""
        return (self.seconds or 0.0) * (1 - self.share)

    @property
    def seconds_together(self) -> float:
        """Seconds for interleavings, of a search by time."""
        return (self.seconds or 0.0) * self.share


def budget_of(
    seconds: float | None = None,
    programs: int | None = None,
    executions: int | None = None,
    share: float = INTERLEAVINGS_SHARE,
    limit: float | None = None,
) -> Budget:
    """The budget that the options of a check ask for; ``share`` of the whole goes to interleavings, usually 0.5.

    What is counted on demand has no limit but the one that is asked for. Raises UsageError for a share out of range, and for time
    and work at once.
    """
    if not 0 <= share <= 1:
        raise UsageError(f"interleavings={share} is no part of the budget; use 0 to 1")
    if seconds is not None:
        if programs is not None or executions is not None or limit is not None:
            raise UsageError("a budget is time, or work (examples, executions) within a limit; give one of the two")
        return Budget(0, 0, None, seconds, share)
    counted = programs is not None or executions is not None
    if executions is None:
        executions = round(EXECUTIONS * share / INTERLEAVINGS_SHARE) if programs is None else programs * EXECUTIONS_PER_PROGRAM
    if programs is None:
        programs = round(DEFAULT_PROGRAMS * (1 - share) / INTERLEAVINGS_SHARE)
    return Budget(
        programs if share < 1 else 0, executions if share > 0 else 0, limit or (None if counted else LIMIT_SECONDS), None, share
    )  # fmt: skip
