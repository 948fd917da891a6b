"""The exceptions of the model; each message says what, which page, which rule, and what to do."""

from __future__ import annotations

from collections.abc import Callable

interrupted_from_outside: Callable[[], bool] | None = None
"""In a process that hears of interruptions from another: whether it has."""


def by_hand(error: BaseException) -> bool:
    """Whether an exception is an interruption by a person: code that is tested may raise a KeyboardInterrupt of its own."""
    return isinstance(error, KeyboardInterrupt) and (interrupted_from_outside is None or interrupted_from_outside())


class Halt(BaseException):
    """Ends what runs, wherever that is: what passes by an exception of the code that runs must let this one through."""


def passes(error: BaseException) -> bool:
    """Whether an exception is none of the code that was called, but ends it: an interruption, a watchdog's, an execution's end."""
    return by_hand(error) or isinstance(error, Halt)


class MovableError(Exception):
    """Base of every error that this package raises on purpose."""


class UsageError(MovableError):
    """Bad input from a person: one line that says what, where and what to do (exit code 2)."""


class VMBug(MovableError):
    """A violated assertion, where the kernel has ``VM_BUG_ON_PAGE``.

    Parameters: ``rule`` is the id in the rule table ("D2", "V7", ...), ``what`` says what was found, ``expected`` what
    the contract wants, ``page`` is the page concerned, if any.
    """

    def __init__(self, rule: str, what: str, expected: str, page: object = None) -> None:
        self.rule = rule
        self.what = what
        self.expected = expected
        self.page = page
        where = "" if page is None else f"{page!r}: "
        super().__init__(f"{rule}: {where}{what}; expected {expected}")


class ListCorruption(VMBug):
    """An intrusive list whose links disagree, as ``CONFIG_DEBUG_LIST`` reports it (lib/list_debug.c)."""


class DeadlockError(MovableError):
    """An operation would block for ever; the message says who waits for what, and who holds it."""


class SleepInAtomic(VMBug):
    """Something that may sleep was called while a spin lock was held (kernel/sched/core.c, ``might_sleep``)."""


class DriverError(MovableError):
    """A driver callback raised, or returned something that the contract does not allow.

    Parameters: ``driver`` and ``callback`` name the culprit, ``rule`` is the id of the rule that it broke.
    """

    def __init__(self, driver: str, callback: str, rule: str, what: str) -> None:
        self.driver = driver
        self.callback = callback
        self.rule = rule
        super().__init__(f"{rule}: {driver}.{callback}: {what}")


class Hang(Halt):
    """Too many steps. Not an Exception, so that a driver's own handlers let it pass."""


class Blocked(Hang):
    """Code waits for something outside the model. What that is nobody can say, only where."""


class InvalidState(MovableError):
    """``validate_vm`` found two things that disagree; ``findings`` lists them all, a line each.

    ``rule`` is the number of the rule that the first of them breaks for which an owner of pages answers, else that of the core.
    """

    def __init__(self, findings: list[str], rules: list[str] | None = None) -> None:
        self.findings = findings
        found = [rule for rule in rules or () if rule[0] == "D"]
        self.rule = found[0] if found else "V32"
        super().__init__("; ".join(findings))
