"""The summary of a trace as one page with pictures over time; it needs no network and fits a phone."""

from __future__ import annotations

from movable.contract.show.page import page
from movable.shown import in_html
from movable.trace.judge.compaction import Compaction
from movable.trace.show.compaction import compaction_svg, compaction_text
from movable.trace.show.pictures import tasks_svg, work_svg
from movable.trace.show.summary import Summary, summary_text
from movable.trace.show.svg import isolated_svg

PAGE = (
    "figure { margin: 0; overflow-x: auto; border: 1px solid var(--line); border-radius: .3rem; } "
    "svg { display: block; width: 100%; min-width: 44rem; height: auto; } "
    "pre { white-space: pre; overflow-x: auto; background: var(--soft); padding: .6rem; font-size: 13px; } "
    "pre.wrapped { white-space: pre-wrap; }"
)


def summary_html(summary: Summary | None, compaction: Compaction | None, name: str) -> str:
    """Whatever a trace held: what its drivers did, and what its tracepoints of compaction tell."""
    body = f"<header><h1>{in_html(name)}</h1></header>"
    if compaction is not None:
        title, *lines = compaction_text(compaction)
        body += f'<h2>{in_html(title)}</h2><pre class="wrapped">{in_html(chr(10).join(lines))}</pre>'
        if any(compaction.points.values()):
            body += _picture("Where the two scanners were", compaction_svg(compaction, name))
        if compaction.work:
            body += _picture("Frames scanned and taken, added up", work_svg(compaction, name))
        if compaction.spans:
            body += _picture("Who compacted when", tasks_svg(compaction, name))
    if summary is not None:
        body += f"<h2>Pages of drivers</h2><pre>{in_html(summary_text(summary))}</pre>"
        body += _picture("Isolated pages over time", isolated_svg(summary))
    return page(f"Trace summary: {name}", body, PAGE)


def _picture(title: str, svg: str) -> str:
    """A picture below its title. On a phone it keeps its size, so that its words can be read, and is scrolled."""
    return f"<h2>{title}</h2><figure>{svg}</figure>"
