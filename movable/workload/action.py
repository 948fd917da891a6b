"""What can be done to a driver, action by action: one vocabulary for sequences, which are programs of one task, and for scenarios,
in which tasks act at the same time.

An action is a tuple: its name, then its arguments. ``op`` is an operation of the workload, whose arguments are those that its
strategies draw; all others are what the core does, or the world around it (perform.py). Pages and handles are named by number
("the n-th that there is, counted around"), so that a sequence still means something after other actions were taken out of it.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from movable.mm.migrate import MIGRATE_SYNC
from movable.workload.handle_names import call

Action = tuple[Any, ...]
Range = range | tuple[str, ...]

TARGETS = ("any", "zone", "node", "none", "locked")
"""Where a migration target comes from: anywhere, another zone, another node, nowhere, or a page that somebody has locked."""
MODES = (0, 1, 2, 3, 7)
"""Every migrate mode, and one that no kernel has."""
FAULTS = ("alloc", "reenter", "oom", "hostile", "locked", "delay")
"""An allocation that fails, one that enters compaction, one that ends in the out-of-memory notifiers, a hostile outside world, a
page lock held by somebody else, and a third party's plug-in that delays every callback (from the start of the program)."""

NUMBER = range(1 << 16)
"""A page or a handle is named by number: the n-th that there is, counted around."""
MODE = range(256)
FRAME = range(1 << 20)
SHORT = range(3)

BOTH, ALONE, TOGETHER = "both", "a sequence", "an interleaving"


@dataclass(frozen=True, slots=True)
class Kind:
    """A kind of action: what its ``arguments`` may be, of which ``optional`` at the end may be left out; where it can be done;
    ``noun``, what a task that does it is called; and ``sentence``, how a story tells it, with the arguments by number.
    """

    arguments: tuple[Range, ...]
    sentence: str
    noun: str = ""
    optional: int = 0
    where: str = BOTH


ACTIONS: dict[str, Kind] = {
    "isolate": Kind((NUMBER, MODE), "isolate page number {0}", "isolation", 1),
    "isolate_all": Kind((), "isolate every page", "isolation", where=TOGETHER),
    "finish": Kind((MODE, TARGETS), "migrate what is isolated", "rest of a migration", 2),
    "give_back": Kind((), "put back what is isolated", "late put-back"),
    "migrate": Kind((NUMBER, MODE, TARGETS), "migrate page number {0}", "migration", 2),
    "migrate_frame": Kind((FRAME, MODE), "migrate page {0}", "migration", 1, TOGETHER),
    "put_back": Kind((NUMBER,), "isolate and put back page number {0}", "put-back"),
    "put_back_frame": Kind((FRAME,), "isolate and put back page {0}", "put-back", where=TOGETHER),
    "compact": Kind((), "compact the machine", "compaction"),
    "contig": Kind((NUMBER, SHORT), "allocate the pageblock of page number {0}", "contiguous allocation", 1),
    "offline": Kind((NUMBER, SHORT), "take the pageblock of page number {0} offline", "offlining", 1),
    "teardown": Kind((), "remove the driver", "tear-down", where=TOGETHER),
    "fragment": Kind((range(65),), "take {0} pages that cannot move, and give back every second", where=ALONE),
    "fault": Kind((FAULTS, range(1, 17)), "", where=ALONE),
    "work": Kind((range(17),), "", optional=1, where=ALONE),
    "variant": Kind((range(1 << 10),), "the driver's configuration is number {0}", where=ALONE),
    "leave": Kind((range(17),), "{0} page(s) will be isolated when the driver is removed", where=ALONE),
    "strange": Kind((range(17),), "a page that is no driver's comes in the way of the core (kind {0})", where=ALONE),
    "taken": Kind((), "another driver has every slot of operations", where=ALONE),
}
"""Every action but ``op``. Targets of another kind than "any", and targets that are not there, are for sequences."""

FAULT_SENTENCES = {
    "alloc": "allocation number {0} of the next action fails",
    "reenter": "allocation number {0} of the next action compacts the machine first",
    "oom": "allocation number {0} of the next action ends in the out-of-memory notifiers",
    "hostile": "the world outside refuses (method number {0})",
    "locked": "somebody else has the lock of the page that is next",
    "delay": "another plug-in delays every callback",
}
TARGET_WORDS = {
    "zone": "to another zone",
    "node": "to another node",
    "none": "with no target to be had",
    "locked": "to a target that is locked",
}


def noun(action: Action) -> str:
    """What a task that does the action is called."""
    return str(action[1]) if action[0] == "op" else ACTIONS[action[0]].noun


def show(action: Action) -> str:
    """An action in plain words, with its arguments."""
    name, *rest = action
    if name == "op":
        return call(*rest)
    if name == "work":
        return f"run {rest[0]} queued work item(s)" if rest and rest[0] else "run queued work"
    if name == "fault":
        return FAULT_SENTENCES[rest[0]].format(*rest[1:])
    return ", ".join([ACTIONS[name].sentence.format(*rest), *_details(name, rest)])


def _details(name: str, rest: list[Any]) -> list[str]:
    """What an action says beside its page: the mode and the target, where they are not the usual ones."""
    if name in ("contig", "offline"):
        return [f"without target number {short}" for short in rest[1:] if short]
    modes = rest[1:2] if name in ("migrate", "migrate_frame", "isolate") else rest[:1] if name == "finish" else []
    usual = 0 if name == "isolate" else MIGRATE_SYNC
    targets = [TARGET_WORDS[one] for one in rest if one in TARGET_WORDS]
    return [*(f"mode {mode}" for mode in modes if mode != usual), *targets]
