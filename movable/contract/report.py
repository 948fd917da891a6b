"""A certificate: what was found out about a driver, rule by rule, as an object, as text and as JSON."""

from __future__ import annotations

import textwrap
from collections import Counter
from dataclasses import asdict, dataclass, field
from typing import Any

from movable.rules.rule import CHECKED
from movable.rules.table import RULES

HELD, BROKEN, WAIVED, NOT_APPLICABLE, UNPROVEN = "held", "broken", "waived", "n/a", "unproven"
VERDICTS = (HELD, BROKEN, WAIVED, NOT_APPLICABLE, UNPROVEN)
SCHEMA = "movable.certificate/1"
WIDTH = 100


@dataclass(slots=True)
class Verdict:
    """What is known about one rule.

    ``verdict`` is one of VERDICTS, ``exercised`` how often the rule had a chance to be broken. ``reason`` explains a waiver or why
    the rule does not apply. Of a failure, ``what`` says what happened, ``story`` tells it in order, ``token`` replays it.

    Of a failure that takes two tasks, ``scenario`` says what they do, ``preemptions`` and ``switches`` how often its schedule
    changes between them (-1 for a sequential failure), and ``lanes`` holds its steps as plain values
    (movable.concurrent.timeline.rows).
    ``stale`` says that what is broken is a waiver that is not needed any more.
    """

    rule: str
    verdict: str
    exercised: int = 0
    reason: str = ""
    what: str = ""
    story: list[str] = field(default_factory=list)
    token: str = ""
    scenario: str = ""
    preemptions: int = -1
    switches: int = -1
    lanes: dict[str, Any] = field(default_factory=dict)
    stale: bool = False


@dataclass(slots=True)
class Explored:
    """What is known about one concurrent scenario.

    ``what`` says what its tasks do. ``covered`` says in words which interleavings were tried, ``complete`` that it was all of them.
    ``rules`` are the broken ones that it showed. ``left_out`` says why it was not explored at all, else "". ``unwatched`` names
    what may change without a scheduling point, so that nothing is claimed about it.
    """

    name: str
    what: str
    executions: int = 0
    steps: int = 0
    covered: str = "nothing"
    complete: bool = False
    rules: list[str] = field(default_factory=list)
    left_out: str = ""
    unwatched: list[str] = field(default_factory=list)


@dataclass(slots=True)
class Report:
    """A certificate.

    ``target`` names the driver as it was given, ``driver`` and ``workload`` the classes; ``replay`` is the command that a token
    completes. ``examples`` programs of ``steps`` steps
    in all were run; they passed through ``states`` distinct states and made ``callbacks`` calls of each kind. ``stopped`` is "" or
    says why the search ended early. ``scenarios`` says what of each concurrent scenario was explored, ``refused`` in one line why
    none could be, else "". ``hint`` says what to do where no callback of the driver was ever made,
    ``not_asked`` which must rules the workload gives no occasion for, and need not.
    """

    target: str
    driver: str
    workload: str
    era: str
    seed: int
    replay: str = "movable replay"
    verdicts: dict[str, Verdict] = field(default_factory=dict)
    examples: int = 0
    steps: int = 0
    states: int = 0
    callbacks: Counter[str] = field(default_factory=Counter)
    stopped: str = ""
    scenarios: list[Explored] = field(default_factory=list)
    refused: str = ""
    hint: str = ""
    not_asked: frozenset[str] = frozenset()

    @property
    def idle(self) -> bool:
        """Whether no callback was made at all: then what is held says nothing about the driver."""
        return not self.callbacks.total() and not self.executions

    @property
    def untried(self) -> list[str]:
        """Must rules of the driver that were never exercised, although a workload could."""
        unproven = (RULES[id] for id, found in self.verdicts.items() if found.verdict == UNPROVEN and not found.exercised)
        wanted = ("must", "driver", CHECKED)
        return [rule.id for rule in unproven if (rule.level, rule.scope, rule.kind) == wanted and rule.id not in self.not_asked]

    @property
    def executions(self) -> int:
        """Interleavings that were run, of all scenarios together."""
        return sum(one.executions for one in self.scenarios)

    def count(self, verdict: str) -> int:
        """How many rules have this verdict."""
        return sum(1 for found in self.verdicts.values() if found.verdict == verdict)

    @property
    def broken(self) -> list[str]:
        """Ids of the broken rules, in the order of the table."""
        return [id for id, found in self.verdicts.items() if found.verdict == BROKEN]

    def passed(self, strict: bool = False) -> bool:
        """Whether no must rule is broken, and no waiver out of date.

        ``strict`` asks that no rule at all is broken, and that every must rule was exercised that can be.
        """
        if strict:
            return not self.broken and not self.untried
        return not any(RULES[id].level == "must" or self.verdicts[id].stale for id in self.broken)

    @property
    def summary(self) -> str:
        """The last line: the five verdicts counted, and what was exercised."""
        counts = ", ".join(f"{self.count(verdict)} {verdict}" for verdict in VERDICTS)
        calls = ", ".join(f"{self.callbacks[name]} {name}" for name in ("isolate_page", "migratepage", "putback_page"))
        programs = f"{self.examples} examples, {self.steps} steps, {self.states} distinct states; {calls}"
        explored = sum(1 for one in self.scenarios if one.executions)
        return f"{counts}; {programs}; {self.executions} executions of {explored} scenarios"


def text(report: Report) -> str:
    """The certificate for a terminal: failures first, told in order, then the verdicts, then the line that counts."""
    lines = [f"{report.target}: {report.driver} with {report.workload}, era {report.era}, seed {report.seed}", ""]
    for id in report.broken:
        lines += failure(report, report.verdicts[id])
    for verdict in (WAIVED, UNPROVEN, NOT_APPLICABLE, HELD):
        found = [one for one in report.verdicts.values() if one.verdict == verdict]
        if verdict == WAIVED:
            lines += [f"waived   {one.rule} {RULES[one.rule].title}: {one.reason}" for one in found]
        elif found:
            lines += textwrap.wrap(
                " ".join(one.rule for one in found), WIDTH, initial_indent=f"{verdict:8} ", subsequent_indent=" " * 9
            )
    lines += interleavings(report)
    if report.stopped:
        lines.append(report.stopped)
    if report.idle:
        lines.append(f"NOTHING WAS EXERCISED: no callback of the driver was ever made; {report.hint}")
    lines.append(report.summary)
    return "\n".join(lines)


def interleavings(report: Report) -> list[str]:
    """What was explored: scenarios by what is claimed about them."""
    if report.refused:
        return [report.refused]
    claims: dict[str, list[str]] = {}
    for one in report.scenarios:
        failed = f"failed ({', '.join(one.rules)})" if one.rules else ""
        covered = f"{one.covered} of what is watched" if one.unwatched and one.covered != "nothing" else one.covered
        claims.setdefault(f"left out, {one.left_out}" if one.left_out else failed or covered, []).append(one.name)
    lines = []
    for claim, names in claims.items():
        text = f"{claim}: {'; '.join(names)}" if claim != "nothing" else _not_reached(len(names))
        lines += textwrap.wrap(text, WIDTH, initial_indent="explored ", subsequent_indent=" " * 9)
    unwatched = dict.fromkeys(name for one in report.scenarios for name in one.unwatched)
    if unwatched:
        text = f"not watched, so that no task was interrupted between two uses of it: {'; '.join(unwatched)}"
        lines += textwrap.wrap(text, WIDTH, subsequent_indent=" " * 9)
    return lines


def _not_reached(count: int) -> str:
    return f"nothing, for want of time: {count} {'scenario was' if count == 1 else 'scenarios were'} not reached"


def failure(report: Report, found: Verdict) -> list[str]:
    """One broken rule in plain words: the rule, what happened, the story, and how to see it again."""
    rule = RULES[found.rule]
    lines = [f"BROKEN {rule.id} ({rule.level}): {rule.title}"]
    lines += textwrap.wrap(rule.sentence, WIDTH, initial_indent="  ", subsequent_indent="  ")
    if found.scenario:
        lines += textwrap.wrap(f"Scenario: {found.scenario}", WIDTH, initial_indent="  ", subsequent_indent="    ")
    first, *others = found.what.splitlines() or [""]
    lines += textwrap.wrap(f"What happened: {first}", WIDTH, initial_indent="  ", subsequent_indent="    ")
    for other in others:
        lines += textwrap.wrap(other.strip(), WIDTH, initial_indent="    ", subsequent_indent="      ")
    lines += [f"    {line}" for line in found.story]
    if found.token:
        lines.append(f"  See it again: {report.replay} {found.token}")
    return [*lines, ""]


def to_json(report: Report) -> dict[str, Any]:
    """The certificate as plain values, in schema movable.certificate/1 (docs/certificate.md)."""
    return {
        "schema": SCHEMA,
        "target": report.target,
        "driver": report.driver,
        "workload": report.workload,
        "era": report.era,
        "seed": report.seed,
        "passed": report.passed(),
        "counts": {verdict: report.count(verdict) for verdict in VERDICTS},
        "examples": report.examples,
        "steps": report.steps,
        "states": report.states,
        "callbacks": {name: report.callbacks[name] for name in ("isolate_page", "migratepage", "putback_page")},
        "stopped": report.stopped,
        "idle": report.idle,
        "interleavings": {
            "executions": report.executions,
            "refused": report.refused,
            "scenarios": [asdict(one) for one in report.scenarios],
        },
        "rules": [
            {
                "id": found.rule,
                "level": RULES[found.rule].level,
                "title": RULES[found.rule].title,
                "verdict": found.verdict,
                "exercised": found.exercised,
                "reason": found.reason,
                "what": found.what,
                "story": found.story,
                "token": found.token,
                "scenario": found.scenario,
                "preemptions": found.preemptions,
                "switches": found.switches,
                "lanes": found.lanes,
            }
            for found in report.verdicts.values()
        ],
    }
