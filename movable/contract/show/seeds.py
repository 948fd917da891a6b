"""Several certificates of one driver, one for each seed or for each era, as one table."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from movable.contract.report import failure

if TYPE_CHECKING:
    from movable.contract.report import Report

HEAD = ("outcome", "programs", "executions", "first failure")
WORST = (130, 1, 2, 3, 0)
"""Exit codes, the one that counts most first: a broken rule is broken, whatever else could not be done."""


def worst(codes: Sequence[int]) -> int:
    """The exit code of several checks together."""
    return next((code for code in WORST if code in codes), 0)


def table(reports: Sequence[Report], by: str = "seed", refused: Sequence[str] = ()) -> str:
    """Each broken rule with the story of the first certificate that has it, then a row for each, then what it comes to.

    ``by`` is what tells the certificates apart, "seed" or "era"; ``refused`` are eras whose kernels cannot call the driver.
    """
    first = reports[0]
    same = f"era {first.era}" if by == "seed" else f"seed {first.seed}"
    lines = [f"{first.target}: {first.driver} with {first.workload}, {same}", ""]
    shown: set[str] = set()
    for report in reports:
        for id in report.broken:
            if id not in shown:
                lines.append(f"With {by} {getattr(report, by)}:")
                lines += failure(report, report.verdicts[id])
        shown |= set(report.broken)
    rows = [(by, *HEAD), *((str(getattr(report, by)), *_row(report)) for report in reports)]
    rows += [(one, "refused", "0", "0", "-") for one in refused]
    widths = [max(len(row[at]) for row in rows) for at in range(len(rows[0]))]
    lines += ["  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip() for row in rows]
    return "\n".join([*lines, _last_line(reports, f"of {len(reports) + len(refused)} {by}s")])


def _row(report: Report) -> tuple[str, ...]:
    first = report.first_failure
    when = "-" if first is None else f"{first.rule} after {first.programs} programs, {first.executions} executions"
    return report.outcome, str(report.examples), str(report.executions), when


def _last_line(reports: Sequence[Report], each: str) -> str:
    bad = [report for report in reports if not report.passed()]
    if not bad:
        return f"passed with {len(reports)} {each}"
    rules = dict.fromkeys(id for report in bad for id in report.failing)
    what = f" ({', '.join(rules)})" if rules else ""
    return f"NOT passed{what}: {len(bad)} {each} failed or were not done to their end"
