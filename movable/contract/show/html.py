"""A certificate as one HTML page: no network, readable on a phone, with the timeline of each failure."""

from __future__ import annotations

from collections.abc import Sequence

from movable.concurrent.failures import timeline as lanes
from movable.contract.report import BROKEN, HELD, NOT_APPLICABLE, UNPROVEN, VERDICTS, WAIVED, Report, Verdict
from movable.contract.show.causes import by_cause
from movable.rules.table import ALL_RULES as RULES
from movable.shown import in_html

STYLE = """
:root { color-scheme: light dark; --held: #2e7d32; --broken: #c62828; --waived: #b26a00; --unproven: #5f6b76; --na: #8a94a0;
  --line: #8884; --paper: #fff; --ink: #1a1d21; --soft: #f3f5f7; }
@media (prefers-color-scheme: dark) { :root { --held: #66bb6a; --broken: #ef7a74; --waived: #ffb74d; --unproven: #9aa7b4;
  --na: #78838f; --paper: #14171a; --ink: #e8eaed; --soft: #1e2327; } }
* { box-sizing: border-box; }
body { margin: 0 auto; max-width: 60rem; padding: 1rem; background: var(--paper); color: var(--ink);
  font: 16px/1.5 system-ui, sans-serif; overflow-wrap: anywhere; }
h1 { font-size: 1.4rem; margin: 0 0 .2rem; } h2 { font-size: 1.1rem; margin: 1.8rem 0 .4rem; }
.facts { color: var(--unproven); margin: 0 0 1rem; }
.bar { display: flex; height: 1.6rem; border-radius: .3rem; overflow: hidden; }
.bar span { min-width: .5rem; } .legend { display: flex; flex-wrap: wrap; gap: .2rem 1rem; padding: 0; list-style: none; }
.legend b { display: inline-block; width: .8rem; height: .8rem; border-radius: .2rem; margin-right: .3rem; }
.held { background: var(--held); } .broken { background: var(--broken); } .waived { background: var(--waived); }
.unproven { background: var(--unproven); } .na { background: var(--na); }
article { border-left: .3rem solid var(--broken); border-radius: .3rem; background: var(--soft); padding: .8rem 1rem;
  margin: 1rem 0; }
article h3 { margin: 0; font-size: 1rem; } .what { font-weight: 600; white-space: pre-line; }
ol.story { list-style: none; margin: .6rem 0; padding: 0 0 0 .6rem; border-left: 2px solid var(--line); }
ol.story li { padding: .1rem .6rem; font: 13px/1.5 ui-monospace, monospace; white-space: pre-wrap; }
ol.story li.step { font-weight: 700; margin-top: .4rem; } ol.story li.seen { color: var(--broken); }
ol.story li.call { border-left: 3px solid var(--waived); }
code { font: 13px/1.5 ui-monospace, monospace; background: var(--soft); padding: .1rem .3rem; }
table { border-collapse: collapse; width: 100%; }
td, th { text-align: left; padding: .25rem .5rem; border-top: 1px solid var(--line); vertical-align: top; }
.rules td:first-child, .rules td:nth-child(2), .rules td:last-child { white-space: nowrap; }
th { overflow-wrap: normal; }
@media (max-width: 30rem) { td, th { padding: .25rem .3rem; font-size: 14px; } }
.dot { display: inline-block; width: .7rem; height: .7rem;
  border-radius: 50%; margin-right: .4rem; }
"""


def to_html(reports: Sequence[Report]) -> str:
    """The whole page for one or more certificates."""
    title = ", ".join(report.driver for report in reports)
    body = "\n".join(_report(report) for report in reports)
    return (
        '<!doctype html>\n<html lang="en"><head><meta charset="utf-8">'
        '<meta name="viewport" content="width=device-width, initial-scale=1">'
        f"<title>Certificate: {in_html(title)}</title><style>{STYLE}{lanes.STYLE}</style></head>\n<body>\n{body}\n</body></html>\n"
    )


def css(verdict: str) -> str:
    """The class name of a verdict."""
    return "na" if verdict == NOT_APPLICABLE else verdict


def _report(report: Report) -> str:
    shares = [(verdict, report.count(verdict)) for verdict in VERDICTS]
    bar = "".join(
        f'<span class="{css(name)}" style="flex:{count}" title="{count} {name}"></span>' for name, count in shares if count
    )
    legend = "".join(f'<li><b class="{css(name)}"></b>{count} {name}</li>' for name, count in shares)
    outcome = "certified" if report.passed() and not report.idle else "not certified" if report.failing else report.outcome
    failures = "".join(_failure(report, report.verdicts[id], cause) for id, cause in by_cause(report.verdicts, report.broken))
    return (
        f"<header><h1>{in_html(report.driver)}: {outcome}</h1>"
        f'<p class="facts">{in_html(report.target)} with {in_html(report.workload)}, '
        f"era {in_html(report.era)}, seed {report.seed}.<br>"
        f"{in_html(report.summary)}. {in_html(report.refused)} {in_html(report.stopped)}</p></header>"
        f'<div class="bar" role="img" aria-label="verdicts">{bar}</div><ul class="legend">{legend}</ul>'
        f"{'<h2>Broken rules</h2>' + failures if failures else ''}<h2>Every rule</h2>{_table(report)}"
        f"{_scenarios(report)}"
    )


def _failure(report: Report, found: Verdict, cause: str) -> str:
    rule = RULES[found.rule]
    told = "".join(f'<li class="{_kind(line)}">{in_html(line.strip())}</li>' for line in found.story)
    story = lanes.html(found.lanes) if found.lanes else f'<ol class="story">{told}</ol>'
    if cause:
        story = story if found.lanes else ""
        story = f'<p>Follows from <a href="#{cause}">{cause}</a>: the same failure breaks {cause} first.</p>{story}'
    scenario = f"<p>Scenario: {in_html(found.scenario)}</p>" if found.scenario else ""
    again = f"<p>See it again: <code>{in_html(report.replay)} {in_html(found.token)}</code></p>" if found.token else ""
    return (
        f'<article id="{rule.id}"><h3>{rule.id} ({rule.level}): {in_html(rule.title)}</h3><p>{in_html(rule.sentence)}</p>'
        f'{scenario}<p class="what">{in_html(found.what)}</p>{story}{again}</article>'
    )


def _kind(line: str) -> str:
    """How a line of a story looks: the heading of a step, a call of the driver, what was seen, or anything else."""
    if not line.startswith(" "):
        return "step"
    words = line.strip()
    return "seen" if words.startswith("seen:") else "call" if words[:2] in ("->", "<-") else "plain"


def _table(report: Report) -> str:
    order = {BROKEN: 0, WAIVED: 1, UNPROVEN: 2, HELD: 3, NOT_APPLICABLE: 4}
    rows = sorted(report.verdicts.values(), key=lambda found: order[found.verdict])
    cells = "".join(
        f'<tr><td><span class="dot {css(found.verdict)}"></span>{found.rule}</td><td>{found.verdict}</td>'
        f"<td>{in_html(RULES[found.rule].title)}{'<br>' + in_html(found.reason) if found.reason else ''}</td>"
        f"<td>{found.exercised}</td></tr>"
        for found in rows
    )
    head = "<tr><th>rule</th><th>verdict</th><th></th><th>exercised</th></tr>"
    return f'<table class="rules"><thead>{head}</thead><tbody>{cells}</tbody></table>'


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
