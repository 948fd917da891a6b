"""Several certificates of one driver, one for each seed, as one table."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from movable.contract.report import failure

if TYPE_CHECKING:
    from movable.contract.report import Report

HEAD = ("seed", "outcome", "programs", "executions", "first failure")
WORST = (130, 1, 2, 3, 0)
"""Exit codes, the one that counts most first: a broken rule is broken, whatever else could not be done."""


def worst(codes: Sequence[int]) -> int:
    """The exit code of several checks together."""
    return next((code for code in WORST if code in codes), 0)


def table(reports: Sequence[Report]) -> str:
    """Each broken rule with the story of the first seed that broke it, then a row for each seed, then what it comes to."""
    first = reports[0]
    lines = [f"{first.target}: {first.driver} with {first.workload}, era {first.era}", ""]
    shown: set[str] = set()
    for report in reports:
        for id in report.broken:
            if id not in shown:
                lines.append(f"With seed {report.seed}:")
                lines += failure(report, report.verdicts[id])
        shown |= set(report.broken)
    rows = [HEAD, *(_row(report) for report in reports)]
    widths = [max(len(row[at]) for row in rows) for at in range(len(HEAD))]
    lines += ["  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip() for row in rows]
    return "\n".join([*lines, _last_line(reports)])


def _row(report: Report) -> tuple[str, ...]:
    first = report.first_failure
    when = "-" if first is None else f"{first.rule} after {first.programs} programs, {first.executions} executions"
    return str(report.seed), report.outcome, str(report.examples), str(report.executions), when


def _last_line(reports: Sequence[Report]) -> str:
    bad = [report for report in reports if not report.passed()]
    if not bad:
        return f"passed with {len(reports)} of {len(reports)} seeds"
    rules = dict.fromkeys(id for report in bad for id in report.failing)
    what = f" ({', '.join(rules)})" if rules else ""
    return f"NOT passed{what}: {len(bad)} of {len(reports)} seeds failed or were not done to their end"
