"""A small concurrent scenario: what happened before, and what two or three tasks then do at the same time.

An action is a tuple: its name, then its arguments. Scenarios are plain values, so that they fit into a token.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from movable.errors import UsageError
from movable.mm.migrate import MIGRATE_SYNC
from movable.workload import token
from movable.workload.action import ACTIONS, ALONE, Action, noun, show
from movable.workload.fits import check_tasks
from movable.workload.token import Reproducer

if TYPE_CHECKING:
    from movable.workload.workload import Workload


def op(name: str, **arguments: Any) -> Action:
    """The operation ``name`` of the workload, or any other of its methods; a handle is named by its number, counted from 0."""
    return ("op", name, arguments)


def migrate(page: int = 0, mode: int = MIGRATE_SYNC) -> Action:
    """The core isolates the ``page``-th page of the driver (by frame number), migrates it, and puts it back if that fails."""
    return ("migrate", page, mode)


def put_back(page: int = 0) -> Action:
    """The core isolates the ``page``-th page of the driver and puts it back."""
    return ("put_back", page)


def isolate(page: int = 0) -> Action:
    """For a prefix: the ``page``-th page stays isolated until a task says ``finish`` or ``give_back``, or until the end."""
    return ("isolate", page)


def finish(mode: int = MIGRATE_SYNC) -> Action:
    """The core migrates the pages that the prefix isolated, and puts back the rest."""
    return ("finish", mode)


def give_back() -> Action:
    """The core puts back the pages that the prefix isolated."""
    return ("give_back",)


def compact() -> Action:
    """The core compacts the whole machine."""
    return ("compact",)


def contig(page: int = 0) -> Action:
    """The core takes the pageblock of the ``page``-th page for somebody who wants contiguous memory, and gives it back."""
    return ("contig", page)


def offline(page: int = 0) -> Action:
    """The core takes the pageblock of the ``page``-th page offline, and brings it back."""
    return ("offline", page)


def teardown() -> Action:
    """The driver is removed."""
    return ("teardown",)


KNOWN = ("op", *sorted(name for name, kind in ACTIONS.items() if kind.where != ALONE))
"""Actions that a task can do."""


@dataclass(frozen=True, slots=True)
class Scenario:
    """``prefix`` happens first, then each of ``tasks`` does its actions. ``settled``: queued work has run before they begin.

    ``variant`` is the number of the configuration, of ``Workload.variants``.
    """

    name: str
    tasks: tuple[tuple[Action, ...], ...]
    prefix: tuple[Action, ...] = ()
    settled: bool = True
    variant: int = 0

    @property
    def task_names(self) -> list[str]:
        """What reports call the tasks: after what they do, numbered where two do the same."""
        names: list[str] = []
        for actions in self.tasks:
            name = " and ".join(noun(action) for action in actions)
            again = sum(1 for other in names if other.partition(" #")[0] == name)
            names.append(f"{name} #{again + 1}" if again else name)
        return names

    @property
    def operations(self) -> list[str]:
        """The operations of the workload that it runs, sorted."""
        actions = [*self.prefix, *(action for task in self.tasks for action in task)]
        return sorted({str(action[1]) for action in actions if action[0] == "op"})

    def __str__(self) -> str:
        before = f"after {', '.join(show(action) for action in self.prefix)}: " if self.prefix else ""
        return before + " || ".join(", ".join(show(action) for action in actions) for actions in self.tasks)


def scenario(
    name: str, *tasks: Action | list[Action], prefix: tuple[Action, ...] | list[Action] = (), settled: bool = True
) -> Scenario:
    """A named scenario for ``Workload.scenarios``; each task is an action or a list of actions.

    Raises UsageError for fewer than two tasks and for an unknown action.
    """
    if len(tasks) < 2:
        raise UsageError(f"scenario {name!r} has {len(tasks)} task(s); it takes two to race")
    lists = tuple(tuple(task) if isinstance(task, list) else (task,) for task in tasks)
    for action in (*prefix, *(action for task in lists for action in task)):
        if not isinstance(action, tuple) or not action or action[0] not in KNOWN:
            raise UsageError(f"scenario {name!r}: {action!r} is no action; use op(...), {', '.join(KNOWN[1:])}")
    return Scenario(name, lists, tuple(prefix), settled)


# --- tokens ---


def encode(scenario: Scenario, **how: Any) -> str:
    """A printable token for a scenario; ``how`` are the other fields of Reproducer. Raises UsageError for what cannot be in one."""
    found = Reproducer(scenario.tasks, scenario.name, scenario.prefix, scenario.settled, scenario.variant, **how)
    return token.encode(found)


def decode(text: str, workload: type[Workload]) -> tuple[Scenario, Reproducer]:
    """The scenario of a token, and all that it holds. Raises UsageError that says why it cannot be read, or not be run by
    ``workload``.
    """
    found = token.decode(text)
    if found.alone:
        raise UsageError("the token is of a sequence, and one of an interleaving is wanted here")
    return scenario_of(found, workload), found


def scenario_of(found: Reproducer, workload: type[Workload]) -> Scenario:
    """The scenario that a token holds. Raises UsageError where ``workload`` cannot do it."""
    check_tasks(found.actions, workload)
    return Scenario(found.name, found.tasks, found.prefix, found.settled, found.variant)
