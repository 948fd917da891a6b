"""From a failing execution to a story: the rule it breaks, the fewest pre-emptions, the fewest operations, and a token."""

from __future__ import annotations

import time
from collections.abc import Hashable
from dataclasses import dataclass, field, replace
from itertools import product
from typing import Any

from movable.concurrent.execution import Broken, Trial
from movable.concurrent.failures.annotate import in_words
from movable.concurrent.stage import Stage, Subject, token_features
from movable.errors import UsageError, passes
from movable.explore import Failure, NonDeterminism, Options, explain
from movable.explore import failure as kinds
from movable.explore.failures import timeline
from movable.explore.failures.recorder import record
from movable.explore.failures.schedule_token import decode
from movable.explore.runner import execute, follow
from movable.explore.schedulers.preemption_bounded import Bounded
from movable.explore.schedulers.replay import Schedule
from movable.explore.schedulers.shared_locations import Expanded
from movable.introspection import PATHS
from movable.rules.rule import MUST
from movable.rules.stream.monitor import rule_of
from movable.rules.table import RULES
from movable.sequential.faults import over
from movable.shown import first_line
from movable.workload.scenario import Scenario, encode
from movable.workload.workload import Handle

OPTIONS = Options(limit=3000, quiet=PATHS)
"""How executions are run, and whose lines are not shown where a driver's can be."""
SHRINKING_EXECUTIONS = 400
"""Executions spent on making one schedule smaller."""
SMALLER_EXECUTIONS = 60
"""Executions spent on each smaller scenario that might fail in the same way."""
BOUND, AGAIN = 2, 1000
"""Pre-emptions and executions of a search for a failure whose own schedule, with every point in place, leads elsewhere."""
MIN_SHRINKING_EXECUTIONS = 20
"""Executions spent on making a schedule smaller where the time is over."""


@dataclass(slots=True)
class Explanation:
    """A failure, explained: ``what`` in a few words, ``lines`` as text with a lane for each task, ``rows`` as plain values.

    ``description`` is the scenario in words, with handles by name. ``follows`` is a rule that the same schedule breaks before.
    """

    rule: str
    scenario: Scenario
    what: str
    token: str = ""
    lines: list[str] = field(default_factory=list)
    rows: dict[str, Any] = field(default_factory=dict)
    preemptions: int = -1
    switches: int = -1
    description: str = ""
    follows: str = ""

    @property
    def does(self) -> str:
        """What the tasks do, in words."""
        return self.description or str(self.scenario)


RULE_OF_KIND = {
    kinds.DEADLOCK: "D49", kinds.SELF_DEADLOCK: "D49", kinds.LOST_WAKEUP: "D49", kinds.LOCK_ORDER: "D49",
    kinds.LIVELOCK: "D51", kinds.RACE: "D53", kinds.HUNG: "D51", kinds.ENDED: "D52",
}  # fmt: skip


def rule_of_failure(failure: Failure) -> str:
    """The number of the rule that a failure breaks."""
    if failure.cause in RULES:
        return failure.cause
    if failure.kind in RULE_OF_KIND:
        return RULE_OF_KIND[failure.kind]
    if isinstance(failure.error, Broken):
        return failure.error.rule
    return rule_of(failure.error) if failure.error is not None else "D52"


def words_of(failure: Failure) -> str:
    """What happened, in a line or two."""
    if failure.kind in RULE_OF_KIND:
        return f"{failure.kind}: {failure.message}"
    if failure.cause in RULES:
        return failure.message.replace(f"{failure.cause}: ", "", 1)
    return failure.message


def unreduced(trial: Trial, scenario: Scenario | None = None) -> Trial:
    """The same trial, or that of another scenario, to be run with every scheduling point, and without the monitor to begin with."""
    made = Trial(trial.subject, scenario or trial.scenario, None if scenario else trial.orders)
    made.known = trial.known
    made.monitored = made.equivalents = False
    return made


@dataclass(frozen=True, slots=True)
class Sighting:
    """A failure as a search met it: of which trial, how executions were run, and which locations it knew to be shared then."""

    trial: Trial
    failure: Failure
    options: Options
    shared: frozenset[Hashable] | None = None


def explain_failure(sighting: Sighting, end: float | None = None) -> Explanation:
    """Make the failure of a reduced execution small, and tell it, by the moment ``end``; None: it does not depend on the clock."""
    trial, failure, options = sighting.trial, sighting.failure, sighting.options
    rule = rule_of_failure(failure)
    if failure.choices:
        program = unreduced(trial)
        found = _expanded(program, sighting, rule) or _by_any_schedule(program, options, rule)
        if found is not None:
            return explanation_of(program, found, options, rule, end)
    return Explanation(rule, trial.scenario, f"{words_of(failure)} (no schedule can show it again, so there is no token)")


def explanation_of(program: Trial, failure: Failure, options: Options, rule: str, end: float | None = None) -> Explanation:
    """The same for a failure of an execution in which no point was left out."""
    made = Explanation(rule, program.scenario, words_of(failure))
    try:
        began = time.monotonic()
        follow(program, (), options)
        cost = max(time.monotonic() - began, 1e-4)
        small = explain(program, failure, options, tries=_tries(SHRINKING_EXECUTIONS, end, cost))
        program, small = _fewer_actions(program, small, options, rule, end, cost)
        schedule, _, _ = decode(small.token)
        story = record(program, schedule, options)
    except NonDeterminism as error:
        made.what += f" ({first_line(error)})"
        return made
    made.scenario = program.scenario
    made.description = in_words(program.subject, program.scenario)
    made.what = words_of(story.failure or small)
    try:
        how = {"races": options.races, "monitored": bool(program.monitored), "features": token_features(program.subject)}
        made.token = encode(program.scenario, schedule=small.token, **how)
    except UsageError as error:
        made.what += f" (it has no token: {error})"
    made.follows = _broken_first(program, schedule, rule)
    made.lines = timeline.text(story, timeline.WIDE_LANE).splitlines()
    made.rows = timeline.rows(story)
    made.preemptions, made.switches = small.preemptions, small.switches
    return made


def _broken_first(program: Trial, schedule: Schedule, rule: str) -> str:
    """The must rule that the schedule breaks first when nothing is passed over, neither races nor what is known already; or ""."""
    whole = unreduced(program)
    whole.known, whole.monitored = frozenset(), True
    run, _ = follow(whole, schedule, OPTIONS)
    first = rule if run.failure is None else rule_of_failure(run.failure)
    return "" if first == rule or RULES[first].level != MUST else first


def _expanded(program: Trial, sighting: Sighting, rule: str) -> Failure | None:
    """The failure again with every scheduling point in place, first by what it shows itself and without the monitor."""
    for equivalents, monitored in product((False, True), (False, True)):
        program.equivalents, program.monitored = equivalents, monitored
        strategy = Expanded(sighting.failure.choices, sighting.shared)
        run = execute(program, strategy, sighting.options)
        if run is not None and run.failure is not None and rule_of_failure(run.failure) == rule:
            return run.failure
    return None


def _by_any_schedule(program: Trial, options: Options, rule: str) -> Failure | None:
    """The same rule broken by any schedule with few pre-emptions, where the one that was met leads elsewhere."""
    program.monitored = True
    return _within_bound(program, BOUND, options, rule, AGAIN)


def _tries(most: int, end: float | None, cost: float) -> int:
    """How many executions that take so long there is time for: ``most``, and MIN_SHRINKING_EXECUTIONS when it is over."""
    return most if end is None else max(MIN_SHRINKING_EXECUTIONS, min(most, int((end - time.monotonic()) / cost)))


def _fewer_actions(
    program: Trial, failure: Failure, options: Options, rule: str, end: float | None, cost: float
) -> tuple[Trial, Failure]:
    """Drop whatever the same failure does not need: actions of the prefix, a third task, actions of a task."""
    shorter = True
    while shorter:
        shorter = False
        for scenario in _smaller(program.scenario):
            if over(end):
                return program, failure
            if not _still_apart(program.subject, program.scenario, scenario):
                continue
            other = unreduced(program, scenario)
            other.monitored, other.equivalents = program.monitored, program.equivalents
            found = _within_bound(other, failure.preemptions, options, rule)
            if found is not None:
                tries = _tries(SHRINKING_EXECUTIONS // 2, end, cost)
                program, failure, shorter = other, explain(other, found, options, tries=tries), True
                break
    return program, failure


def _smaller(scenario: Scenario) -> list[Scenario]:
    tasks, prefix = scenario.tasks, scenario.prefix
    found = []
    if len(tasks) > 2:
        found += [replace(scenario, tasks=(*tasks[:at], *tasks[at + 1 :])) for at in range(len(tasks))]
    found += [replace(scenario, prefix=(*prefix[:at], *prefix[at + 1 :])) for at in range(len(prefix))]
    for at, actions in enumerate(tasks):
        if len(actions) > 1:
            parts = [(*actions[:i], *actions[i + 1 :]) for i in range(len(actions))]
            found += [replace(scenario, tasks=(*tasks[:at], part, *tasks[at + 1 :])) for part in parts]
    return found


def _still_apart(subject: Subject, scenario: Scenario, smaller: Scenario) -> bool:
    """Whether handles that differ in a scenario differ in a smaller one, too: else somebody uses a handle that another gives up."""
    if smaller.prefix == scenario.prefix:
        return True
    try:
        meant, now = _meant(subject, scenario), _meant(subject, smaller)
    except BaseException as error:
        if passes(error):
            raise
        return False  # without that action the others cannot be done
    return len(set(now)) == len(set(meant)) or len(meant) != len(now)


def _meant(subject: Subject, scenario: Scenario) -> list[int]:
    """The handles that the tasks are about, by number."""
    stage = Stage(subject, scenario)
    count = len(stage.live or ())
    numbers = []
    for action in (action for actions in scenario.tasks for action in actions if action[0] == "op"):
        operation = stage.declared.get(action[1])
        kinds = {} if operation is None else operation.arguments
        numbers += [value % count for key, value in action[2].items() if count and isinstance(kinds.get(key), Handle)]
    return numbers


def _within_bound(program: Trial, preemptions: int, options: Options, rule: str, left: int = SMALLER_EXECUTIONS) -> Failure | None:
    """The rule broken with at most so many pre-emptions, fewest first, in at most ``left`` executions; or None."""
    if program.orders.errors and not program.orders.outcomes:
        return None
    for bound in range(max(0, preemptions) + 1):
        strategy = Bounded(bound)
        while left > 0:
            try:
                run = execute(program, strategy, options)
            except NonDeterminism:
                return None
            if run is None:
                break
            left -= 1
            if run.failure is not None and rule_of_failure(run.failure) == rule:
                return run.failure
    return None


__all__ = ["OPTIONS", "Explanation", "Sighting", "explain_failure", "explanation_of", "rule_of_failure", "unreduced", "words_of"]
