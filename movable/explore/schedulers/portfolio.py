"""The default strategy: pre-emption bounds in turn, then complete reduction, then the random walks until the budget ends."""

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING

from movable.explore.schedulers.dpor import Dpor
from movable.explore.schedulers.pos import Pos
from movable.explore.schedulers.preemption_bounded import Bounded
from movable.explore.schedulers.strategy import Strategy
from movable.explore.schedulers.surw import Surw
from movable.explore.schedulers.urw import Urw

if TYPE_CHECKING:
    from movable.explore.engine import Scheduler, Task

BOUND_SHARE = (0.1, 0.2, 0.2)
"""Which part of the budget the bounds 0, 1 and 2 may use up."""
DPOR_SHARE = 0.2
RANDOM: tuple[Callable[[int], Strategy], ...] = (Surw, Urw, Pos)


class Portfolio:
    """Several strategies under one budget.

    Parameters: ``executions``, the whole budget, from which the shares of the systematic stages follow; ``seed``, for the
    random ones. Ends early when a systematic stage has covered everything.
    """

    name = "portfolio"

    def __init__(self, executions: int = 10_000, seed: int = 0) -> None:
        self.complete = False
        self.claims: list[str] = []
        self._stages: list[tuple[Strategy, int]] = [
            (Bounded(bound), max(20, int(executions * share))) for bound, share in enumerate(BOUND_SHARE)
        ]
        self._stages.append((Dpor(), max(20, int(executions * DPOR_SHARE))))
        self._seed = seed
        self._random: list[Strategy] = []  # made when their turn comes, which it seldom does where spaces are small
        self._stage, self._left = self._stages.pop(0)
        self.choose: Callable[[Task | None, Sequence[Task]], Task | None] = self._stage.choose
        self.samples = 0

    @property
    def claim(self) -> str:
        """What has been covered: the strongest finished stage, and the samples."""
        parts = self.claims[-1:]
        if self.samples:
            parts.append(f"{self.samples} samples")
        return " and ".join(parts) or "some interleavings"

    @property
    def stage(self) -> str:
        """The strategy at work."""
        bound = getattr(self._stage, "bound", None)
        return self._stage.name if bound is None else f"{self._stage.name} {bound}"

    def begin(self, run: "Scheduler") -> bool:
        """Prepare the next execution of the stage, or go to the next stage."""
        while self._left <= 0 or not self._stage.begin(run):
            if self._stage.complete and self._stage.claim != "some interleavings":
                self.claims.append(self._stage.claim)
                if self._stage.claim == "all interleavings":
                    self.complete = True
                    return False
            self._advance()
        self._left -= 1
        self.choose = self._stage.choose
        return True

    def _advance(self) -> None:
        if self._stages:
            self._stage, self._left = self._stages.pop(0)
        else:
            self._random = self._random or [make(self._seed) for make in RANDOM]
            self._stage = self._random.pop(0)
            self._random.append(self._stage)
            self._left = 1

    def end(self, run: "Scheduler") -> None:
        """Pass on; a stage that ran out of its share still ends if this was its last execution."""
        self._stage.end(run)
        if self._stage in self._random:
            self.samples += 1
