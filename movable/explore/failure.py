"""What can go wrong in an interleaving, and the errors of the explorer itself."""

from dataclasses import dataclass, field, replace

EXCEPTION = "exception"
CHECK = "check"
DEADLOCK = "deadlock"
SELF_DEADLOCK = "self-deadlock"
LOST_WAKEUP = "lost wake-up"
LIVELOCK = "livelock"
RACE = "data race"
LOCK_ORDER = "lock order"
NON_DETERMINISM = "non-determinism"
ENDED = "end of the process"
HUNG = "no end"

KINDS = (EXCEPTION, CHECK, DEADLOCK, SELF_DEADLOCK, LOST_WAKEUP, LIVELOCK, RACE, LOCK_ORDER, NON_DETERMINISM, ENDED, HUNG)


@dataclass(frozen=True, slots=True)
class Failure:
    """One way in which one interleaving went wrong.

    ``kind`` is one of `KINDS`; ``message`` says what and who in one or a few lines; ``choices`` is the task number that ran at
    each step; ``steps`` are the step numbers the message speaks of; ``cause`` names the type of the exception that was raised,
    if any, and ``error`` is that exception;
    ``token`` replays the failure, ``timeline`` shows it, ``preemptions`` and ``switches`` count what the schedule needs (all
    four filled in by `explore`).
    """

    kind: str
    message: str
    choices: tuple[int, ...] = ()
    steps: tuple[int, ...] = ()
    cause: str = ""
    error: BaseException | None = field(default=None, compare=False, repr=False)
    token: str = ""
    timeline: str = field(default="", compare=False, repr=False)
    preemptions: int = -1
    switches: int = -1

    def but(self, **changes: object) -> "Failure":
        """Return a copy with some fields replaced."""
        return replace(self, **changes)  # type: ignore[arg-type]

    def __str__(self) -> str:
        text = f"{self.kind}: {self.message}"
        return f"{text}\nreplay with {self.token}" if self.token else text


class ExploreError(Exception):
    """The explorer was used in a way that cannot work; the message says how to put it right."""


class NonDeterminism(ExploreError):
    """The same schedule led to different steps; the message says which step and what differed."""
