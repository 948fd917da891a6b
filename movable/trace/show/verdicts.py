"""A judged trace in words: for a terminal, and as one HTML page."""

from __future__ import annotations

import textwrap

from movable.contract.report import TEXT_COLUMNS
from movable.contract.show.page import bar, page, rules_table
from movable.contract.verdict import BROKEN, HELD, NOT_APPLICABLE, UNPROVEN, VERDICTS, WAIVED
from movable.rules.rule import MAY
from movable.shown import in_html, many
from movable.trace.judge.conformance import Finding, Result, TraceVerdict

LINES_SHOWN = 16
"""Lines of a page's life on a terminal; the last ones count most."""
LEFT_OUT = ("mapcount=", "lru=", "private=", "zspage=", "zsbits=", "inuse=")


def verdicts_text(result: Result) -> str:
    """The judgement for a terminal: broken rules with the lines that prove them, the other verdicts, and the counts."""
    lines = [_facts(result), *(f"  note: {note}" for note in result.notes), ""]
    for id in result.broken:
        lines += _broken(result, result.verdicts[id])
    reasons: dict[tuple[str, str], list[str]] = {}
    for one in result.verdicts.values():
        if one.verdict != BROKEN:
            reasons.setdefault((one.verdict, one.reason), []).append(one.rule)
    for verdict in (WAIVED, UNPROVEN, NOT_APPLICABLE, HELD):
        for (found, reason), ids in reasons.items():
            if found == verdict:
                words = f"{' '.join(ids)}{f' ({reason})' if reason else ''}"
                lines += textwrap.wrap(words, TEXT_COLUMNS, initial_indent=f"{verdict:8} ", subsequent_indent=" " * 9)
    return "\n".join([*lines, _counts(result)]) + "\n"


def _facts(result: Result) -> str:
    drivers = ", ".join(result.drivers) or "none"
    only = f", judged: pages of {result.driver}" if result.driver else ""
    return f"{result.name}: {result.lines} lines, era {result.era}, drivers seen: {drivers}{only}"


def _counts(result: Result) -> str:
    counts = ", ".join(f"{result.count(verdict)} {verdict}" for verdict in VERDICTS)
    return f"{result.outcome.replace('not passed', 'NOT passed')}: {counts}"


def _times(one: TraceVerdict) -> str:
    return many(one.times, "time")


def _broken(result: Result, one: TraceVerdict) -> list[str]:
    rule = result.rule(one.rule)
    level = "advice" if rule.level == MAY else rule.level
    lines = [f"BROKEN {rule.id} ({level}), {_times(one)}: {rule.title}"]
    lines += textwrap.wrap(rule.sentence, TEXT_COLUMNS, initial_indent="  ", subsequent_indent="  ")
    for index, finding in enumerate(one.findings):
        what = f"line {finding.line}: {result.said(finding.text)}"
        lines += textwrap.wrap(what, TEXT_COLUMNS, initial_indent="  ", subsequent_indent="    ")
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
    notes = "".join(f"<br>{in_html(note)}." for note in result.notes)
    failures = "".join(_article(result, result.verdicts[id]) for id in result.broken)
    body = (
        f"<header><h1>{in_html(', '.join(result.drivers) or 'no driver')}: {result.outcome}</h1>"
        f'<p class="facts">{in_html(_facts(result))}.{notes}</p></header>'
        f"{bar(result)}{'<h2>Broken rules</h2>' + failures if failures else ''}<h2>Every rule</h2>{rules_table(result)}"
    )
    return page(f"Trace: {result.name}", body)


def _article(result: Result, one: TraceVerdict) -> str:
    rule = result.rule(one.rule)
    findings = "".join(
        f'<p class="what">line {finding.line}: {in_html(result.said(finding.text))}</p><ol class="story">'
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
