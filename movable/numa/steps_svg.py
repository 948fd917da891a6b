"""The steps of one page's migration as a picture: a line for each, with the two pages and who leads to which."""

from __future__ import annotations

from collections.abc import Iterator

from movable.numa.steps import ENTRY, NEW, OLD, Frame, Life, Row, last_line, title
from movable.shown import in_html, many

LINE = 27
TOP = 112
NUMBER, WORDS = 40, 58
LANES = {OLD: 480, ENTRY: 660, NEW: 740}
"""Where the old page, what is on its way, and the new page begin."""
FRAME, CHIP = 62, 46
WIDTH = 920
INK, PALE, LOCKED, CONTENT = "#222222", "#999999", "#b03a2e", "#cfe3f5"
COLOURS = {"table": "#2e7d4f", "tree": "#8a5a00"}
LEGEND = (
    "Blue: the page holds the content. Red frame: it is locked. Its references are counted. What a step changes is bold.",
    "Table and tree lead to a page: the process's page table, and the slot of the file. Who meets a migration entry waits.",
)


def picture(life: Life) -> str:
    """An SVG document of a life."""
    height = TOP + LINE * len(life.rows) + 56
    body = [line for number, row in enumerate(life.rows) for line in _row(row, life.rows[max(number - 1, 0)], TOP + LINE * number)]
    end = TOP + LINE * len(life.rows)
    head = [
        f'<svg xmlns="http://www.w3.org/2000/svg" width="{WIDTH}" height="{height}" viewBox="0 0 {WIDTH} {height}"'
        ' font-family="sans-serif" font-size="13">',
        f"<title>{in_html(title(life))}</title>",
        f"<desc>{in_html(' '.join(LEGEND))}</desc>",
        f'<rect width="{WIDTH}" height="{height}" fill="#ffffff"/>',
        _text(NUMBER - 16, 30, title(life), size=18, bold=True),
        *(_text(NUMBER - 16, 50 + 18 * number, line, colour="#555555") for number, line in enumerate(LEGEND)),
        _text(LANES[OLD], TOP - 14, "old page", bold=True),
        _text(LANES[NEW], TOP - 14, "new page", bold=True),
    ]
    return "\n".join([*head, *body, _text(WORDS, end + 22, last_line(life), colour="#555555"), "</svg>"]) + "\n"


def _text(x: float, y: float, text: str, *, bold: bool = False, colour: str = INK, anchor: str = "start", size: int = 13) -> str:
    style = f' font-size="{size}"' * (size != 13) + ' font-weight="bold"' * bold + f' text-anchor="{anchor}"' * (anchor != "start")
    return f'<text x="{x:g}" y="{y:g}" fill="{colour}"{style}>{in_html(text)}</text>'


def _row(row: Row, before: Row, y: int) -> Iterator[str]:
    """One step, at ``y``; ``before`` is the line above."""
    changed = (row.table, row.tree, row.old, row.new) != (before.table, before.tree, before.old, before.new)
    middle = y + 18
    yield f'<line x1="{NUMBER - 16}" y1="{y}" x2="{WIDTH - 20}" y2="{y}" stroke="#e4e4e4"/>'
    yield _text(NUMBER, middle, str(row.step or ""), bold=True, anchor="end")
    yield _text(WORDS, middle, row.what, bold=changed)
    yield from _frame(LANES[OLD], y, row.old, row.old != before.old)
    yield from _frame(LANES[NEW], y, row.new, row.new != before.new)
    yield from _chip("table", row.table, y, row.table != before.table)
    if row.tree:
        yield from _chip("tree", row.tree, y, row.tree != before.tree)


def _frame(x: int, y: int, frame: Frame, changed: bool) -> Iterator[str]:
    stroke, thick = (LOCKED, 2.5) if frame.locked else (PALE, 1)
    fill = CONTENT if frame.content else "#ffffff"
    yield f'<rect x="{x}" y="{y + 4}" width="{FRAME}" height="19" rx="3" fill="{fill}" stroke="{stroke}" stroke-width="{thick}"/>'
    yield _text(x + FRAME / 2, y + 18, many(frame.refs, "ref"), size=12, bold=changed, anchor="middle")


def _chip(what: str, lane: str, y: int, changed: bool) -> Iterator[str]:
    """The page table or the tree, beside the page that it leads to, or on its own while it leads to none."""
    x = LANES[lane] if lane == ENTRY else LANES[lane] + FRAME + 6 + (CHIP + 4) * (what == "tree")
    dashes = ' stroke-dasharray="3 2"' if lane == ENTRY else ""
    word = ENTRY if lane == ENTRY else what
    colour = COLOURS[what]
    fill = colour if changed else "#ffffff"
    yield f'<rect x="{x}" y="{y + 5}" width="{CHIP}" height="17" rx="8" fill="{fill}" stroke="{colour}"{dashes}/>'
    yield _text(x + CHIP / 2, y + 18, word, size=12, colour="#ffffff" if changed else colour, anchor="middle")
