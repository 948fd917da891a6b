"""Transparency: what the core does to a page is nothing to who uses the driver.

An execution is compared with orders of its actions on the same driver (linearizability.py). So an operation that refuses for ever
once a page has moved is no difference: every order refuses as well. Here the model is the driver whose pages nobody touched.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

from movable.concurrent.linearizability import SECONDS_PER_ORDER, refusal
from movable.concurrent.plan.states import candidates
from movable.concurrent.stage import Stage, Subject, operations
from movable.errors import passes
from movable.mm.migrate import putback_movable_pages
from movable.sequential.faults import watchdog
from movable.workload.action import Action, noun, show
from movable.workload.scenario import Scenario

BACK = ("put_back", "put_back_frame", "give_back")
MOVING = ("migrate", "migrate_frame", "finish", "compact", "contig", "offline")
HELD = ("isolate", "isolate_all")
MAX_TRIES = 3
"""How often an operation is asked again, with queued work done in between, before "not now" is taken for "never"."""
MAX_ARGUMENTS = 3
"""Arguments of each operation that are tried."""


@dataclass(frozen=True, slots=True)
class Stuck:
    """An operation that refuses for ever after what the core did: the rule that is broken, and what was seen."""

    rule: str
    what: str


def stuck(subject: Subject, scenario: Scenario) -> Stuck | None:
    """What breaks transparency in a scenario of one operation and one thing that the core does; None where nothing does.

    A refusal is just where an operation can make the other one go again, for then it is a state that users know of; and where the
    core did what was asked for, so that everything is done or refused as it is after the operation. What changes nothing that can
    be told is a question, and may be answered otherwise.
    """
    actions = [action for task in scenario.tasks for action in task]
    ours = [action for action in actions if action[0] == "op"]
    core = [action for action in actions if action[0] in BACK + MOVING]
    if len(actions) != 2 or len(ours) != 1 or len(core) != 1 or ours[0][1] not in operations(subject.workload):
        return None
    asked = _Asked(subject, scenario, ours[0], core[0])
    if not asked.for_ever() or not asked.does_something() or asked.is_policy():
        return None
    where = "D31" if core[0][0] in BACK else "D14"
    what = f"{noun(ours[0])} is done as long as the core does nothing, and refused for ever after {show(core[0])}"
    return Stuck(where, f"{what}; no operation makes it go again")


class _Asked:
    """A driver that is asked the same after this and after that, each time on a fresh machine."""

    def __init__(self, subject: Subject, scenario: Scenario, ours: Action, core: Action) -> None:
        self.subject = subject
        self.scenario = scenario
        self.ours, self.core = ours, core
        self.alone = replace(scenario, prefix=tuple(action for action in scenario.prefix if action[0] not in HELD))
        self.others = [
            action for found in candidates(subject.workload, subject.seed).values() for action in found[:MAX_ARGUMENTS]  # type: ignore[arg-type]
        ]

    def done(self, *actions: Action, tries: int = 1) -> bool | None:
        """Whether the last of some actions is done in so many tries; None where that cannot be told, for it raises or never ends.

        Before each try all work is done, and nothing is isolated.
        """
        try:
            with watchdog(SECONDS_PER_ORDER):
                stage = Stage(self.subject, self.scenario if self.core in actions else self.alone)
                free, nodes = _free(stage), _nodes(stage)
                for action in actions[:-1]:
                    self._do(stage, action)
                if self.core in actions and actions[0] == self.core and len(actions) > 1 and _free(stage) < free:
                    return None  # there is less memory now, which may be why
                if self.core in actions[:-1] and _nodes(stage) != nodes:
                    return None  # pages lie elsewhere now, and users may ask for those of one node
                return any(self._does(stage, actions[-1]) for _ in range(tries))
        except BaseException as error:
            if passes(error):
                raise
            return None

    def _do(self, stage: Stage, action: Action) -> object:
        answer = stage.do(stage.users[0], action)
        stage.vm.run_work()
        if stage.held:
            putback_movable_pages(stage.held)
        return answer

    def _does(self, stage: Stage, action: Action) -> bool:
        """Do it, and say whether it was done: by its answer, or where it answers nothing, by what is different."""
        before = self._seen(stage)
        answer = self._do(stage, action)
        if answer is None:
            return self._seen(stage) != before
        return not refusal(answer)

    def _seen(self, stage: Stage) -> tuple[object, ...]:
        return list(stage.users[0].model), stage.readings((0,)), [page.pfn for page in stage.workload.pages()]

    def for_ever(self) -> bool:
        """Whether the operation refuses after what the core did, however often, and is done where the core did nothing."""
        return bool(self.done(self.ours)) and self.done(self.core, self.ours, tries=MAX_TRIES) is False

    def _all(self, *actions: Action) -> list[bool | None]:
        return [self.done(*actions, other) for other in self.others]

    def does_something(self) -> bool:
        """Whether the operation changes what can be read, or what others do; one that may say busy is no question either."""
        if self.ours[1] in self.subject.workload.busy:
            return True
        stage = Stage(self.subject, self.alone)
        before = self._seen(stage)
        self._do(stage, self.ours)
        return self._seen(stage) != before or self._all() != self._all(self.ours)

    def is_policy(self) -> bool:
        """Whether users know of the state in which it refuses: they can end it, or bring it about with the same operation."""
        if any(self.done(self.core, other, self.ours) for other in self.others):
            return True
        return self._all(self.core) == self._all(self.ours)


def _nodes(stage: Stage) -> list[int]:
    return sorted(page.node for page in stage.workload.pages())


def _free(stage: Stage) -> int:
    return sum(zone.nr_free for zone in stage.vm.zones)
