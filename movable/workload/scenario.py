"""A small concurrent scenario: what happened before, and what two or three tasks then do at the same time.

An action is a tuple: its name, then its arguments. Scenarios are plain values, so that they fit into a token.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from movable.errors import UsageError
from movable.workload import token
from movable.workload.action import Action, check_actions

if TYPE_CHECKING:
    from movable.workload.workload import Workload

MIGRATE_SYNC = 2


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
            name = " and ".join(words(action) for action in actions)
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
        if not isinstance(action, tuple) or not action or action[0] not in WORDS:
            raise UsageError(f"scenario {name!r}: {action!r} is no action; use op(...), {', '.join(sorted(set(WORDS) - {'op'}))}")
    return Scenario(name, lists, tuple(prefix), settled)


WORDS = {
    "op": "", "migrate": "migration", "migrate_frame": "migration", "put_back": "put-back", "put_back_frame": "put-back",
    "isolate": "isolation", "isolate_all": "isolation", "finish": "rest of a migration", "give_back": "late put-back",
    "compact": "compaction", "contig": "contiguous allocation", "offline": "offlining",
    "teardown": "tear-down",
}  # fmt: skip
"""Every action, and what its task is called."""


SENTENCES = {
    "migrate": "migrate page number {0}", "migrate_frame": "migrate page {0}", "put_back": "isolate and put back page number {0}",
    "put_back_frame": "isolate and put back page {0}", "isolate": "isolate page number {0}", "isolate_all": "isolate every page",
    "finish": "migrate what is isolated", "give_back": "put back what is isolated", "compact": "compact the machine",
    "contig": "allocate the pageblock of page number {0}", "offline": "take the pageblock of page number {0} offline",
    "teardown": "remove the driver",
}  # fmt: skip
"""What the core does, in words; pages are those of the driver, counted from 0, or frames."""


def words(action: Action) -> str:
    """What an action is called in the name of a task."""
    return str(action[1]) if action[0] == "op" else WORDS[action[0]]


def show(action: Action) -> str:
    """An action with its arguments."""
    name, *rest = action
    if name == "op":
        return f"{rest[0]}({', '.join(f'{key}={value!r}' for key, value in rest[1].items())})"
    return SENTENCES[name].format(*rest)


# --- tokens ---


How = tuple[bool, bool]
"""How a failure was found: looking for races, and under the monitor."""
ALL_HOW = [(races, monitored) for races in (False, True) for monitored in (False, True)]
FIELDS = (str, tuple, tuple, bool, str, tuple, tuple)
"""Of a token: name, tasks, prefix, settled, schedule, features, how; and the number of the variant, where it is not the first."""
MAX_VARIANTS = 1000
MAX_TASKS = 8
MAX_ACTIONS = 200


def encode(
    scenario: Scenario, schedule: str, features: tuple[tuple[str, Any], ...] = (), how: How = (True, False)
) -> str:
    """A printable token for a scenario, the token of a schedule, the core's features that were set, and how to look.

    Raises UsageError for what cannot be in one.
    """
    content = (scenario.name, scenario.tasks, scenario.prefix, scenario.settled, schedule, features, how)
    return token.encode(token.SCENARIO, (*content, scenario.variant) if scenario.variant else content)


def decode(text: str, workload: type[Workload]) -> tuple[Scenario, str, tuple[tuple[str, Any], ...], How]:
    """What ``encode`` was given. Raises UsageError that says why a token cannot be read, or not be run by ``workload``."""
    content = token.decode(token.SCENARIO, text)
    variant = 0
    if len(content) == len(FIELDS) + 1 and type(content[-1]) is int and 0 < content[-1] < MAX_VARIANTS:
        content, variant = content[:-1], content[-1]
    if len(content) != len(FIELDS) or not all(isinstance(part, kind) for part, kind in zip(content, FIELDS, strict=True)):
        raise UsageError("the token cannot be read (it holds something else than a scenario); was it copied whole?")
    name, tasks, prefix, settled, schedule, features, how = content
    lists = all(isinstance(task, tuple) for task in tasks)
    actions = [action for task in (*tasks, prefix) for action in task] if lists else []
    if not lists or not 2 <= len(tasks) <= MAX_TASKS or len(actions) > MAX_ACTIONS or how not in ALL_HOW:
        raise UsageError(f"the token cannot be read (it does not hold 2 to {MAX_TASKS} tasks with actions); was it copied whole?")
    if not all(isinstance(pair, tuple) and len(pair) == 2 and isinstance(pair[0], str) for pair in features):
        raise UsageError("the token cannot be read (its features have no names); was it copied whole?")
    check_actions(actions, workload)
    return Scenario(name, tasks, prefix, settled, variant), schedule, features, how
