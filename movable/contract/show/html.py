"""A certificate as one HTML page: no network, readable on a phone, with the timeline of each failure."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from movable.contract.show.causes import by_cause
from movable.contract.show.page import bar, page, rules_table
from movable.explore.failures import timeline
from movable.shown import in_html

if TYPE_CHECKING:
    from movable.contract.report import Report, Verdict


def to_html(reports: Sequence[Report]) -> str:
    """The whole page for one or more certificates; several have a table in front."""
    title = ", ".join(dict.fromkeys(report.driver for report in reports))
    places = [f"certificate-{number}-" if len(reports) > 1 else "" for number, _ in enumerate(reports, 1)]
    body = "\n".join(_report(report, place) for report, place in zip(reports, places, strict=True))
    if len(reports) > 1:
        body = _contents(reports, places) + body
    return page(f"Certificate: {title}", f"\n{body}\n", timeline.STYLE)


def _contents(reports: Sequence[Report], places: Sequence[str]) -> str:
    rows = "".join(
        f'<tr><td><a href="#{place}top">{in_html(report.driver)}</a></td><td>{in_html(report.era)}</td><td>{report.seed}</td>'
        f"<td>{in_html(report.outcome)}</td></tr>"
        for report, place in zip(reports, places, strict=True)
    )
    head = "<thead><tr><th>driver</th><th>era</th><th>seed</th><th>outcome</th></tr></thead>"
    return f'<h1>{len(reports)} certificates</h1><table class="contents">{head}<tbody>{rows}</tbody></table>'


def _report(report: Report, place: str) -> str:
    """One certificate; ``place`` is in front of the names of its parts, which links lead to."""
    outcome = "certified" if report.passed() and not report.idle else "not certified" if report.failing else report.outcome
    causes = by_cause(report.verdicts, report.broken)
    failures = "".join(_failure(report, report.verdicts[id], cause, place) for id, cause in causes)
    return (
        f'<header id="{place}top"><h1>{in_html(report.driver)}: {outcome}</h1>'
        f'<p class="facts">{in_html(report.target)} with {in_html(report.workload)}, '
        f"era {in_html(report.era)}, seed {report.seed}.<br>{in_html(report.form)}{'.<br>' if report.form else ''}"
        f"{in_html(report.summary)}. {in_html(report.refused)} {in_html(report.stopped)}</p></header>"
        f"{bar(report)}{'<h2>Broken rules</h2>' + failures if failures else ''}<h2>Every rule</h2>{rules_table(report)}"
        f"{_scenarios(report)}"
    )


def _failure(report: Report, found: Verdict, cause: str, place: str) -> str:
    rule = report.rule(found.rule)
    steps = "".join(f'<li class="{_kind(line)}">{in_html(line.strip())}</li>' for line in found.story)
    story = timeline.html(found.lanes) if found.lanes else f'<ol class="story">{steps}</ol>'
    if cause:
        story = story if found.lanes else ""
        story = f'<p>Follows from <a href="#{place}{cause}">{cause}</a>: the same failure breaks {cause} first.</p>{story}'
    scenario = f"<p>Scenario: {in_html(found.scenario)}</p>" if found.scenario else ""
    again = f"<p>See it again: <code>{in_html(report.replay)} {in_html(found.token)}</code></p>" if found.token else ""
    return (
        f'<article id="{place}{rule.id}"><h3>{rule.id} ({rule.level}): {in_html(rule.title)}</h3><p>{in_html(rule.sentence)}</p>'
        f'{scenario}<p class="what">{in_html(report.said(found.what))}</p>{story}{again}</article>'
    )


def _kind(line: str) -> str:
    """How a line of a story looks: the heading of a step, a call of the driver, what was seen, or anything else."""
    if not line.startswith(" "):
        return "step"
    words = line.strip()
    return "seen" if words.startswith("seen:") else "call" if words[:2] in ("->", "<-") else "plain"


def _scenarios(report: Report) -> str:
    if not report.scenarios:
        return ""
    rows = "".join(
        f"<tr><td>{in_html(one.name)}</td><td>{in_html(one.left_out or one.covered)} {', '.join(one.rules)}</td>"
        f"<td>{one.executions}</td></tr>"
        for one in report.scenarios
    )
    head = "<thead><tr><th>scenario</th><th>explored</th><th>executions</th></tr></thead>"
    return f"<h2>Interleavings</h2><table>{head}<tbody>{rows}</tbody></table>"
