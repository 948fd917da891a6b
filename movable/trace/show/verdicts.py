"""A judged trace in words: for a terminal, and as one HTML page."""

from __future__ import annotations

import textwrap

from movable.contract.report import BROKEN, HELD, NOT_APPLICABLE, UNPROVEN, VERDICTS, WAIVED
from movable.contract.show.html import STYLE, css
from movable.rules.rule import MAY
from movable.rules.table import RULES
from movable.shown import in_html
from movable.trace.judge.conformance import Finding, Result, RuleVerdict

WIDTH = 100
LINES_SHOWN = 16
"""Lines of a page's life on a terminal; the last ones count most."""
LEFT_OUT = ("mapcount=", "lru=", "private=", "zspage=", "zsbits=", "inuse=")


def verdicts_text(result: Result) -> str:
    """The judgement for a terminal: broken rules with the lines that prove them, the other verdicts, and the counts."""
    lines = [_facts(result), *(f"  note: {note}" for note in result.notes), ""]
    for id in result.broken:
        lines += _broken(result.verdicts[id])
    reasons: dict[tuple[str, str], list[str]] = {}
    for one in result.verdicts.values():
        if one.verdict != BROKEN:
            reasons.setdefault((one.verdict, one.reason), []).append(one.id)
    for verdict in (WAIVED, UNPROVEN, NOT_APPLICABLE, HELD):
        for (found, reason), ids in reasons.items():
            if found == verdict:
                words = f"{' '.join(ids)}{f' ({reason})' if reason else ''}"
                lines += textwrap.wrap(words, WIDTH, initial_indent=f"{verdict:8} ", subsequent_indent=" " * 9)
    return "\n".join([*lines, _counts(result)]) + "\n"


def _facts(result: Result) -> str:
    drivers = ", ".join(result.drivers) or "none"
    only = f", judged: pages of {result.driver}" if result.driver else ""
    return f"{result.name}: {result.lines} lines, era {result.era}, drivers seen: {drivers}{only}"


def _counts(result: Result) -> str:
    counts = ", ".join(f"{result.count(verdict)} {verdict}" for verdict in VERDICTS)
    return f"{result.outcome.replace('not passed', 'NOT passed')}: {counts}"


def _times(one: RuleVerdict) -> str:
    return f"{one.times} time{'s' if one.times != 1 else ''}"


def _broken(one: RuleVerdict) -> list[str]:
    rule = RULES[one.id]
    level = "advice" if rule.level == MAY else rule.level
    lines = [f"BROKEN {rule.id} ({level}), {_times(one)}: {rule.title}"]
    lines += textwrap.wrap(rule.sentence, WIDTH, initial_indent="  ", subsequent_indent="  ")
    for index, finding in enumerate(one.findings):
        lines += textwrap.wrap(f"line {finding.line}: {finding.text}", WIDTH, initial_indent="  ", subsequent_indent="    ")
        if not index:
            lines += _life(finding)
    return [*lines, ""]


def _life(finding: Finding) -> list[str]:
    """The lines of the page's life so far, the one that shows the violation marked."""
    shown = finding.lines[-LINES_SHOWN:]
    left_out = len(finding.lines) - len(shown)
    lines = [f"    ... {left_out} earlier lines of this page"] if left_out else []
    return lines + [f"  {'>' if number == finding.line else ' '} {number:>8}  {short(text)}" for number, text in shown]


def short(line: str) -> str:
    """A trace line without the columns and fields that prove nothing."""
    head, _, rest = line.partition(": ")
    words = [word for word in rest.split() if not word.startswith(LEFT_OUT)]
    return f"{head.split()[0] if head.split() else ''}: {' '.join(words)}"


# --- HTML ---


def verdicts_html(result: Result) -> str:
    """The judgement as one page that needs no network."""
    shares = [(verdict, result.count(verdict)) for verdict in VERDICTS]
    bar = "".join(f'<span class="{css(name)}" style="flex:{n}" title="{n} {name}"></span>' for name, n in shares if n)
    legend = "".join(f'<li><b class="{css(name)}"></b>{n} {name}</li>' for name, n in shares)
    notes = "".join(f"<br>{in_html(note)}." for note in result.notes)
    failures = "".join(_article(result.verdicts[id]) for id in result.broken)
    return (
        '<!doctype html>\n<html lang="en"><head><meta charset="utf-8">'
        '<meta name="viewport" content="width=device-width, initial-scale=1">'
        f"<title>Trace: {in_html(result.name)}</title><style>{STYLE}</style></head>\n<body>"
        f"<header><h1>{in_html(', '.join(result.drivers) or 'no driver')}: {result.outcome}</h1>"
        f'<p class="facts">{in_html(_facts(result))}.{notes}</p></header>'
        f'<div class="bar" role="img" aria-label="verdicts">{bar}</div><ul class="legend">{legend}</ul>'
        f"{'<h2>Broken rules</h2>' + failures if failures else ''}<h2>Every rule</h2>{_table(result)}</body></html>\n"
    )


def _article(one: RuleVerdict) -> str:
    rule = RULES[one.id]
    findings = "".join(
        f'<p class="what">line {finding.line}: {in_html(finding.text)}</p><ol class="story">'
        + "".join(
            f'<li class="{"seen" if number == finding.line else "plain"}">{number:>8}  {in_html(short(text))}</li>'
            for number, text in finding.lines
        )
        + "</ol>"
        for finding in one.findings
    )
    return (
        f'<article id="{rule.id}"><h3>{rule.id} ({rule.level}), {_times(one)}: {in_html(rule.title)}</h3>'
        f"<p>{in_html(rule.sentence)}</p>{findings}</article>"
    )


def _table(result: Result) -> str:
    order = {BROKEN: 0, WAIVED: 1, UNPROVEN: 2, HELD: 3, NOT_APPLICABLE: 4}
    rows = "".join(
        f'<tr><td><span class="dot {css(one.verdict)}"></span>{one.id}</td><td>{one.verdict}</td>'
        f"<td>{in_html(RULES[one.id].title)}{'<br>' + in_html(one.reason) if one.reason else ''}</td><td>{one.exercised}</td></tr>"
        for one in sorted(result.verdicts.values(), key=lambda one: order[one.verdict])
    )
    return f"<table><thead><tr><th>rule</th><th>verdict</th><th></th><th>exercised</th></tr></thead><tbody>{rows}</tbody></table>"
