"""A certificate: what was found out about a driver, rule by rule, as an object, as text and as JSON."""

from __future__ import annotations

import textwrap
from collections import Counter
from collections.abc import Callable
from dataclasses import asdict, dataclass, field
from typing import TYPE_CHECKING, Any

from movable.contract.budget import Budget
from movable.contract.show.causes import by_cause
from movable.contract.show.matrix import matrix, matrix_text
from movable.contract.verdict import HELD, NOT_APPLICABLE, UNPROVEN, VERDICTS, WAIVED, Judgement, RuleVerdict
from movable.eras import ERAS, as_in
from movable.explore.coverage import Explored
from movable.mm.address_space import FORMS
from movable.rules.rule import CHECKED, Rule
from movable.rules.table import ALL_RULES as RULES
from movable.shown import name, shown

if TYPE_CHECKING:
    from movable.sequential.search import Found

SCHEMA = "movable.certificate/1"
TEXT_COLUMNS = 100
MAX_LINES = 20
"""Lines of what happened that are shown."""
LONGEST_LINE_CHARACTERS = 150_000
"""A line with a token in it may be as long as a command line."""


@dataclass(slots=True)
class Verdict(RuleVerdict):
    """What is known about one rule.

    Of a failure, ``what`` says what happened, ``story`` tells it in order, ``token`` replays it.

    Of a failure that takes two tasks, ``scenario`` says what they do, ``preemptions`` and ``switches`` how often its schedule
    changes between them (-1 for a sequential failure), and ``lanes`` holds its steps as plain values
    (movable.explore.failures.timeline.rows).
    ``stale`` says that what is broken is a waiver that is not needed any more. ``follows`` is a rule that the same failure breaks
    before this one, which is then its cause.
    """

    what: str = ""
    story: list[str] = field(default_factory=list)
    token: str = ""
    scenario: str = ""
    preemptions: int = -1
    switches: int = -1
    lanes: dict[str, Any] = field(default_factory=dict)
    stale: bool = False
    follows: str = ""


@dataclass(slots=True)
class Report(Judgement):
    """A certificate.

    ``target`` names the driver as it was given, ``driver`` and ``workload`` the classes; ``replay`` is the command that a token
    completes. ``examples`` programs of ``steps`` steps
    in all were run; they passed through ``states`` distinct states and made ``callbacks`` calls of each kind. ``stopped`` is "" or
    says why the search ended early. ``scenarios`` says what of each concurrent scenario was explored,
    ``left_out`` counts by kind those for which the plan had no room. ``refused`` says in one line what part of the search could not
    be done and why, else "", and ``trace`` is the traceback to that, for --debug. ``hint`` says what to do where no callback of the
    driver was ever made, ``not_asked`` which must rules the workload gives no occasion for, and need not.

    ``budget`` is what was to be done, and ``cut`` says that its limit came first. ``operations`` counts how often programs ran each
    operation; ``uncalled`` are the driver's methods that nobody called, for want of a workload. ``first_failure`` says what was
    done until the first must rule broke.
    ``called`` are the callbacks that are counted by name. ``former_form`` is the name of the migrate callback where it has the form
    of earlier kernels and is called all the same, else "". ``scope`` is whom the rules bind, as in ``Rule``.
    ``seconds`` are those of the whole check, ``phase_seconds`` of its parts.
    """

    target: str
    driver: str
    workload: str
    era: str
    seed: int
    budget: Budget = field(default_factory=Budget)
    replay: str = "movable replay"
    verdicts: dict[str, Verdict] = field(default_factory=dict)
    examples: int = 0
    steps: int = 0
    states: int = 0
    callbacks: Counter[str] = field(default_factory=Counter)
    stopped: str = ""
    scenarios: list[Explored] = field(default_factory=list)
    left_out: dict[str, int] = field(default_factory=dict)
    unplanned: dict[str, str] = field(default_factory=dict)
    refused: str = ""
    trace: str = ""
    hint: str = ""
    not_asked: frozenset[str] = frozenset()
    cut: bool = False
    operations: Counter[str] = field(default_factory=Counter)
    uncalled: list[str] = field(default_factory=list)
    first_failure: Found | None = None
    called: tuple[str, ...] = ("isolate_page", "migratepage", "putback_page")
    former_form: str = ""
    scope: str = "driver"
    seconds: float = 0.0
    phase_seconds: dict[str, float] = field(default_factory=dict)

    @property
    def said(self) -> Callable[[str], str]:
        """What gives functions and flags the names that they have in the era; those of a file system stay, as in its rules."""
        return str if self.scope == "file system" else as_in(self.era, self.former_form)

    def rule(self, id: str) -> Rule:
        """A rule in the words of the era; a callback that keeps its former form keeps its name."""
        return RULES[id].said_in(self.era, self.former_form)

    @property
    def form(self) -> str:
        """One line about a driver in the form of earlier kernels, else ""."""
        if not self.former_form:
            return ""
        there = ERAS[self.era]
        return (
            f"written in the form of {', '.join(there.former_forms)}: {FORMS[True]} is called as it is; kernels of era {self.era} "
            f"call {FORMS[False]} (movable port shows all that changes)"
        )

    @property
    def idle(self) -> bool:
        """Whether no callback was made at all, in interleavings either: then what is held says nothing about the driver."""
        isolated = self.verdicts.get("D11") if "isolate_page" in self.called else None
        explored = self.executions if isolated is None else isolated.exercised  # at each isolate_page
        return not self.callbacks.total() and not explored and not self.broken

    @property
    def untried(self) -> list[str]:
        """Must rules of the driver that were never exercised, although a workload could."""
        unproven = (RULES[id] for id, found in self.verdicts.items() if found.verdict == UNPROVEN and not found.exercised)
        wanted = [rule for rule in unproven if rule.level == "must" and rule.scope != "core" and rule.kind == CHECKED]
        return [rule.id for rule in wanted if rule.id not in self.not_asked]

    @property
    def executions(self) -> int:
        """Interleavings that were run, of all scenarios together."""
        return sum(one.executions for one in self.scenarios)

    def passed(self, strict: bool = False) -> bool:
        """Whether the search was done to its end, no must rule is broken, and no waiver out of date.

        ``strict`` asks that no rule at all is broken, that every must rule was exercised that can be, and every operation was run.
        """
        if self.refused or self.cut or self.interrupted:
            return False
        return not (self.broken or self.untried or self.unexercised) if strict else not self.failing

    @property
    def interrupted(self) -> bool:
        """Whether somebody ended it by hand."""
        return self.stopped.startswith("interrupted")

    @property
    def failing(self) -> list[str]:
        """The broken rules that fail a certificate: must rules, and waivers that are out of date."""
        return [id for id in self.broken if RULES[id].level == "must" or self.verdicts[id].stale]

    @property
    def never_ran(self) -> list[str]:
        """Operations of the workload that neither a program nor an interleaving ran."""
        together = {name for one in self.scenarios if one.executions for name in one.operations}
        return [name for name, times in self.operations.items() if not times and name not in together]

    @property
    def unexercised(self) -> str:
        """How much of the driver nobody ever used, in words, or ""."""
        if not self.operations:
            methods = f"{len(self.uncalled)} of the driver's methods never ran ({', '.join(self.uncalled)})"
            return f"there is no workload: {methods if self.uncalled else 'no operation was asked for'}"
        if self.never_ran:
            return f"{len(self.never_ran)} of {len(self.operations)} operations never ran ({', '.join(self.never_ran)})"
        return ""

    def code(self, strict: bool = False) -> int:
        """The exit code: 130 interrupted, 1 a rule is broken that counts, 2 the search could not be done, 3 it was cut short, 0."""
        if self.interrupted:
            return 130
        if self.failing:
            return 1
        if self.refused:
            return 2
        return 3 if self.cut else 0 if self.passed(strict) else 1

    @property
    def outcome(self) -> str:
        """What all this comes to, with which the last line begins."""
        programs, executions = (
            ("", "") if self.budget.by_time else (f" of {self.budget.programs}", f" of {self.budget.executions}")
        )
        done = f"{self.examples}{programs} programs and {self.executions}{executions} executions"
        cut = f"cut short after {done}" if self.cut else ""
        if self.failing:
            return f"NOT passed ({', '.join(self.failing)}){', ' + cut if cut else ''}"
        if self.interrupted:
            return "NOT passed, interrupted"
        if self.refused:
            return "NOT passed, part of the search could not be done"
        if cut:
            return cut
        if self.idle:
            return f"nothing proven, for {self.unexercised}" if self.executions and self.unexercised else "nothing proven"
        return f"passed, but {self.unexercised}" if self.unexercised else "passed"

    def _repr_html_(self) -> str:
        """How a notebook shows it: the page, in a frame of its own so that its style does not leak."""
        from movable.contract.show.html import to_html
        from movable.shown import in_html

        whole = to_html([self])
        page = in_html(whole, len(whole))
        return f'<iframe srcdoc="{page}" style="width:100%;height:32rem;border:0" title="Certificate"></iframe>'

    @property
    def summary(self) -> str:
        """The last line: the outcome, the five verdicts counted, and what was exercised."""
        counts = ", ".join(f"{self.count(verdict)} {verdict}" for verdict in VERDICTS)
        calls = self.said(", ".join(f"{self.callbacks[name]} {name}" for name in self.called))
        programs = f"{self.examples} examples, {self.steps} steps, {self.states} distinct states; {calls}"
        explored = sum(1 for one in self.scenarios if one.executions)
        return f"{self.outcome}: {counts}; {programs}; {self.executions} executions of {explored} scenarios"


def text(report: Report, verbose: bool = False) -> str:
    """The certificate for a terminal: failures first, told in order, then the verdicts, then the line that counts.

    It is the same each time, on any machine, if the search was one by work; ``verbose`` adds the seconds.
    """
    who = f"{name(report.target)}: {name(report.driver)} with {name(report.workload)}"
    lines = [f"{who}, era {report.era}, seed {report.seed}", *textwrap.wrap(report.form, TEXT_COLUMNS), ""]
    for id, cause in by_cause(report.verdicts, report.broken):
        lines += failure(report, report.verdicts[id], cause)
    for verdict in (WAIVED, UNPROVEN, NOT_APPLICABLE, HELD):
        found = [one for one in report.verdicts.values() if one.verdict == verdict]
        if verdict == WAIVED:
            lines += [f"waived   {one.rule} {report.rule(one.rule).title}: {one.reason}" for one in found]
        elif found:
            lines += textwrap.wrap(
                " ".join(one.rule for one in found), TEXT_COLUMNS, initial_indent=f"{verdict:8} ", subsequent_indent=" " * 9
            )
    lines += interleavings(report)
    lines += [line for line in (report.refused, report.stopped, _bought(report), _first_failure(report)) if line]
    if verbose:
        took = (f"{seconds:.1f} s ({name.replace('_', ' ')})" for name, seconds in _seconds(report).items())
        lines.append(f"took {', '.join(took)}")
    if report.idle:
        hint = "the time was over before the first program ended" if report.cut and not report.examples else report.hint
        lines.append(f"NOTHING WAS EXERCISED: no callback of the driver was ever made; {hint}")
    lines.append(report.summary)
    return "\n".join(shown(line, LONGEST_LINE_CHARACTERS) for line in lines)  # a name with a line end in it makes no line


def interleavings(report: Report) -> list[str]:
    """What was explored: a matrix of what ran at the same time and how far it got, what failed, and what was left out."""
    if not report.scenarios:
        return []
    lines = [*matrix_text(report.scenarios), *_remarks(report)]
    unwatched = dict.fromkeys(name for one in report.scenarios for name in one.unwatched)
    if unwatched:
        text = f"not watched, so that no task was interrupted between two uses of it: {'; '.join(unwatched)}"
        lines += textwrap.wrap(text, TEXT_COLUMNS, subsequent_indent=" " * 9)
    return lines


def _remarks(report: Report) -> list[str]:
    """Scenarios that failed or could not be run, and how many were left out."""
    claims: dict[str, list[str]] = {}
    for one in report.scenarios:
        if one.left_out or one.rules:
            claim = f"left out, {one.left_out}" if one.left_out else f"failed ({', '.join(one.rules)})"
            claims.setdefault(claim, []).append(one.name)
    lines = []
    for claim, names in claims.items():
        lines += textwrap.wrap(f"{claim}: {'; '.join(names)}", TEXT_COLUMNS, initial_indent="explored ", subsequent_indent=" " * 9)
    missing = []
    not_reached = sum(1 for one in report.scenarios if not one.executions and not one.left_out)
    if not_reached:
        missing.append(f"{not_reached} planned scenario{'s were' if not_reached > 1 else ' was'} not reached")
    if report.left_out:
        kinds = ", ".join(f"{count} {kind}" for kind, count in report.left_out.items())
        missing.append(f"{sum(report.left_out.values())} more did not fit into the plan ({kinds}); a larger budget takes them in")
    missing += [f"{name}, in no scenario: {why}" for name, why in report.unplanned.items()]
    if missing:
        lines += textwrap.wrap(f"left out: {'; '.join(missing)}", TEXT_COLUMNS, subsequent_indent=" " * 9)
    return lines


def _bought(report: Report) -> str:
    """What time has bought, where time was the measure."""
    if not report.budget.by_time:
        return ""
    what = f"{report.examples} programs and {report.executions} executions"
    return f"{report.budget.seconds:g} s bought {what}; another machine, or another hour, may buy more or less"


def _first_failure(report: Report) -> str:
    first = report.first_failure
    if first is None:
        return ""
    return f"first failure: {first.rule}, after {first.programs} programs and {first.executions} executions"


def failure(report: Report, found: Verdict, cause: str = "") -> list[str]:
    """One broken rule in plain words: the rule, what happened, the story, and how to see it again.

    What follows from a ``cause`` that is told before has no story of its own here; in interleavings it has, where what comes of a
    race shows in another schedule than the race.
    """
    rule = report.rule(found.rule)
    lines = [f"BROKEN {rule.id} ({rule.level}): {rule.title}"]
    lines += textwrap.wrap(rule.sentence, TEXT_COLUMNS, initial_indent="  ", subsequent_indent="  ")
    if found.scenario:
        lines += textwrap.wrap(f"Scenario: {shown(found.scenario)}", TEXT_COLUMNS, initial_indent="  ", subsequent_indent="    ")
    first, *others = report.said(found.what).splitlines() or [""]
    lines += textwrap.wrap(f"What happened: {shown(first, 1000)}", TEXT_COLUMNS, initial_indent="  ", subsequent_indent="    ")
    for other in others[:MAX_LINES]:
        lines += textwrap.wrap(shown(other.strip()), TEXT_COLUMNS, initial_indent="    ", subsequent_indent="      ")
    if cause:
        lines.insert(1, f"  Follows from {cause}: the same failure breaks {cause} first.")
    lines += [] if cause and not found.lanes else [f"    {shown(line)}" for line in found.story]
    if found.token:
        lines.append(f"  See it again: {report.replay} {found.token}")
    return [*lines, ""]


def _seconds(report: Report) -> dict[str, float]:
    took = {"all": report.seconds, **report.phase_seconds}
    if report.first_failure is not None:
        took["first_failure"] = report.first_failure.seconds
    return {name: round(seconds, 3) for name, seconds in took.items()}


def to_json(report: Report) -> dict[str, Any]:  # long: a key a line
    """The certificate as plain values, in schema movable.certificate/1 (docs/certificate.md).

    Only what lies under "seconds" depends on the clock, if the search was one by work.
    """
    first = report.first_failure
    return {
        "schema": SCHEMA,
        "target": report.target,
        "driver": report.driver,
        "workload": report.workload,
        "era": report.era,
        "form": report.form,
        "seed": report.seed,
        "passed": report.passed(),
        "counts": report.counts(),
        "examples": report.examples,
        "steps": report.steps,
        "states": report.states,
        "callbacks": {name: report.callbacks[name] for name in report.called},
        "stopped": report.stopped,
        "outcome": report.outcome,
        "budget": {"by": "time" if report.budget.by_time else "work", **asdict(report.budget)},
        "cut": report.cut,
        "refused": report.refused,
        "seconds": _seconds(report),
        "first_failure": None if first is None else {name: getattr(first, name) for name in ("rule", "programs", "executions")},
        "operations": dict(report.operations),
        "never_ran": report.never_ran,
        "uncalled": report.uncalled,
        "idle": report.idle,
        "interleavings": {
            "executions": report.executions,
            "refused": report.refused,
            "scenarios": [asdict(one) for one in report.scenarios],
            "matrix": matrix(report.scenarios),
            "left_out": report.left_out,
            "unplanned": report.unplanned,
        },
        "rules": [
            {
                "id": found.rule,
                "level": RULES[found.rule].level,
                "title": report.rule(found.rule).title,
                "verdict": found.verdict,
                "exercised": found.exercised,
                "reason": found.reason,
                "what": report.said(found.what),
                "story": found.story,
                "token": found.token,
                "scenario": found.scenario,
                "follows": found.follows,
                "preemptions": found.preemptions,
                "switches": found.switches,
                "lanes": found.lanes,
            }
            for found in report.verdicts.values()
        ],
    }
