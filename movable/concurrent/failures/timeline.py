"""A failing interleaving for the eye: a lane for each task, as text, as plain values, and as HTML."""

from __future__ import annotations

from typing import Any

from movable.explore.failures.recorder import Line, Story
from movable.explore.failures.timeline import text as timeline
from movable.shown import in_html

KEPT = 4
"""Steps shown at either end of a long stretch of one task."""
LANE = 52

STYLE = """
.lanes { overflow-x: auto; } .lanes table { border-collapse: collapse; font: 12px/1.45 ui-monospace, monospace; }
.lanes td, .lanes th { border: 0; padding: .1rem .6rem; vertical-align: top; white-space: pre-wrap; min-width: 12rem; }
.lanes td:first-child, .lanes th:first-child { min-width: 3rem; text-align: right; color: var(--unproven); }
.lanes .step { background: var(--paper); border-left: 3px solid var(--held); } .lanes .note { color: var(--waived); }
.lanes .where, .lanes .held { color: var(--unproven); background: none; } .lanes .switch td { border-top: 2px dashed var(--broken);
  color: var(--broken); font-weight: 700; } .lanes .end td { color: var(--broken); font-weight: 700; }
"""


def text(story: Story) -> list[str]:
    """The execution as lines of text."""
    return timeline(story, LANE).splitlines()


def rows(story: Story) -> dict[str, Any]:
    """The execution as plain values.

    ``tasks`` are their names, ``steps`` the steps in order: task (its number), op, where (the location), place (the line of
    source), switch ("", "goes on" or "pre-empts"), held (locks before the step), notes. ``failure`` says how it ended.
    """
    return {
        "tasks": list(story.names),
        "steps": [_row(line) for line in story.lines],
        "failure": f"{story.failure.kind}: {story.failure.message}" if story.failure is not None else "",
        "preemptions": story.preemptions,
        "switches": story.switches,
    }


def _row(line: Line) -> dict[str, Any]:
    return {
        "task": line.task,
        "op": line.op,
        "where": _words(line.key),
        "place": str(line.place or ""),
        "switch": line.switch,
        "held": [_words(key) for key in line.held],
        "notes": [note for note, _ in line.notes],
    }


def _words(key: Any) -> str:
    if isinstance(key, tuple) and type(key).__str__ is tuple.__str__:
        return " ".join(str(part) for part in key)
    return "" if key is None else str(key)


def html(found: dict[str, Any]) -> str:
    """What ``rows`` returned, as a table with a column for each task that took a step."""
    if not found:
        return ""
    steps = found["steps"]
    lanes = sorted({step["task"] for step in steps})
    head = "".join(f"<th>{in_html(found['tasks'][task])}</th>" for task in lanes)
    body = []
    run: list[tuple[int, dict[str, Any]]] = []
    for number, step in enumerate(steps):
        if run and run[-1][1]["task"] != step["task"]:
            body += _stretch(run, lanes)
            run = []
        if step["switch"]:
            body.append(_switch(found, number, len(lanes)))
        run.append((number, step))
    body += _stretch(run, lanes)
    end = f'<tr class="end"><td></td><td colspan="{len(lanes)}">{in_html(found["failure"])}</td></tr>'
    return f'<div class="lanes"><table><thead><tr><th>step</th>{head}</tr></thead><tbody>{"".join(body)}{end}</tbody></table></div>'


def _switch(found: dict[str, Any], number: int, columns: int) -> str:
    step, before = found["steps"][number], found["steps"][number - 1]
    name, left = found["tasks"][step["task"]], found["tasks"][before["task"]]
    place = f" at {step['place']}" if step["place"] else ""
    how = f"{name} {step['switch']}{place}, after {left}" + (", which could go on" if step["switch"] == "pre-empts" else "")
    return f'<tr class="switch"><td></td><td colspan="{columns}">{in_html(how)}</td></tr>'


def _stretch(run: list[tuple[int, dict[str, Any]]], lanes: list[int]) -> list[str]:
    """The steps of one task in a row; those in the middle without notes are only counted."""
    shown: list[str] = []
    skipped = 0
    held: list[str] = []
    for at, (number, step) in enumerate(run):
        if KEPT <= at < len(run) - KEPT and not step["notes"]:
            skipped += 1
            continue
        if skipped:
            shown.append(_line("", f"... {skipped} step{'s' if skipped > 1 else ''}", step["task"], lanes))
            skipped = 0
        words = f"{in_html(step['op'])} {in_html(step['where'])}<br><span class=\"where\">{in_html(step['place'])}</span>"
        if step["held"] != held:
            words = f"<span class=\"held\">holding {in_html(', '.join(step['held']) or 'nothing')}</span><br>{words}"
        words += "".join(f'<br><span class="note">{in_html(note)}</span>' for note in step["notes"])
        shown.append(_line(str(number), words, step["task"], lanes))
        held = step["held"]
    return shown


def _line(number: str, words: str, task: int, lanes: list[int]) -> str:
    cells = "".join(f'<td class="step">{words}</td>' if lane == task else "<td></td>" for lane in lanes)
    return f"<tr><td>{number}</td>{cells}</tr>"
