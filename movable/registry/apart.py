"""What a command asks about drivers before it runs one, answered by a worker: none of them is imported here."""

from __future__ import annotations

from dataclasses import asdict

from movable.eras import DEFAULT
from movable.errors import UsageError
from movable.registry import Found, find, installed, is_built, own_era, tidy
from movable.supervise.channel import Record, Sender
from movable.supervise.interrupt import of_this_command
from movable.supervise.relay import complain, error_of
from movable.supervise.supervisor import DONE, FAILED, INTERRUPTED, TIME, Supervisor

FIELDS = ("name", "distribution", "version", "where", "problem")
MAX_FATAL_DRIVERS = 100
"""Drivers that may end the process that imports them before nobody looks any more."""


def installed_apart() -> list[Found]:
    """As ``registry.installed``, without factories. A driver that ends its process or hangs has that as its problem."""
    problems: dict[str, str] = {}
    found: list[Found] = []
    looked_at = ""

    def work(tell: Sender, given: Record) -> None:
        for driver in installed(given["problems"], lambda who: tell("looking", who=who)):
            tell("driver", **{**asdict(driver), "factory": None})

    def take(record: Record) -> str | None:
        nonlocal looked_at
        if record["kind"] == "looking":
            looked_at = str(record["who"])
        elif record["kind"] == "driver":
            name, distribution, version, where, problem = (str(record.get(field, "")) for field in FIELDS)
            found.append(Found(name, distribution, version, where, problem, None))
        return None

    with Supervisor(work) as supervisor:
        for _ in range(MAX_FATAL_DRIVERS):
            found.clear()
            ending = supervisor.run({"problems": problems}, take)
            if ending.how == DONE:
                break
            if ending.how == INTERRUPTED:
                raise of_this_command()
            if ending.how == FAILED:
                raise error_of(ending)
            problems[looked_at] = f"cannot be imported: {ending.words}"
    return list(found)


def era_apart(target: str, deadline: float | None = None) -> str | None:
    """The era that a driver in another language is written for; None for one in Python, which says so where it runs.

    Raises UsageError for a driver that cannot be imported, or built before the moment ``deadline``.
    """
    if not is_built(target):
        return None
    eras: list[str] = []

    def work(tell: Sender, given: Record) -> None:
        tell("era", era=own_era(find(target)))

    with Supervisor(work) as supervisor:
        ending = supervisor.run({}, lambda record: eras.append(str(record.get("era"))), deadline)
    if ending.how != DONE:
        tidy(target)
    if ending.how == INTERRUPTED:
        raise of_this_command()
    complain(ending, target)
    if ending.how == TIME:
        raise UsageError(f"{target}: it was not built in the time of the check")
    return eras[-1] if eras else DEFAULT
