"""The timeline of an execution: a lane for each task, as plain values, as text, as HTML, and for the Perfetto viewer."""

from __future__ import annotations

import json
from collections.abc import Hashable, Iterator
from itertools import pairwise
from pathlib import Path
from typing import Any

from movable.explore.failures.recorder import Line, Story
from movable.files import write_text
from movable.shown import in_html, many

LANE, WIDE_LANE = 44, 52
"""Characters of a lane in text; and where the names of locations are long."""
KEPT_IN_TEXT, KEPT_IN_HTML = 3, 4
"""Steps shown at either end of a long block of one task."""
Values = dict[str, Any]
"""An execution, or a step of one, as `rows` has it."""

STYLE = """
.lanes { overflow-x: auto; } .lanes table { border-collapse: collapse; font: 12px/1.45 ui-monospace, monospace; }
.lanes td, .lanes th { border: 0; padding: .1rem .6rem; vertical-align: top; white-space: pre-wrap; min-width: 12rem; }
.lanes td:first-child, .lanes th:first-child { min-width: 3rem; text-align: right; color: var(--unproven); }
.lanes .step { background: var(--paper); border-left: 3px solid var(--held); } .lanes .note { color: var(--waived); }
.lanes .where, .lanes .held { color: var(--unproven); background: none; } .lanes .switch td { border-top: 2px dashed var(--broken);
  color: var(--broken); font-weight: 700; } .lanes .end td { color: var(--broken); font-weight: 700; }
"""


def rows(story: Story) -> Values:
    """The execution as plain values.

    ``tasks`` are their names, ``steps`` the steps in order: task (its number), op, where (the location), place (the line of
    source), switch ("", "goes on" or "pre-empts"), held (locks before the step), notes. ``failure`` says how it ended.
    """
    return {
        "tasks": list(story.names),
        "steps": [_values(line) for line in story.lines],
        "failure": f"{story.failure.kind}: {story.failure.message}" if story.failure is not None else "",
        "preemptions": story.preemptions,
        "switches": story.switches,
    }


def _values(line: Line) -> Values:
    return {
        "task": line.task,
        "op": line.op,
        "where": _words(line.key),
        "place": str(line.place or ""),
        "switch": line.switch,
        "held": [_words(key) for key in line.held],
        "notes": [note + "".join(f" {name}={value}" for name, value in facts.items()) for note, facts in line.notes],
    }


def _words(key: Hashable) -> str:
    if isinstance(key, tuple) and type(key).__str__ is tuple.__str__:
        return " ".join(str(part) for part in key)
    return "" if key is None else str(key)


# --- what is shown of it, whether in text or in HTML ---


def _shown(found: Values, kept: int) -> Iterator[tuple[str, int, Any]]:
    """What to show, in order: ("switch", number, words), ("skipped", task, words), ("step", number, words of the locks held).

    A block is what one task does without another. Steps in its middle that have no notes are only counted.
    """
    steps = found["steps"]
    starts = [at for at in range(len(steps)) if not at or steps[at]["task"] != steps[at - 1]["task"]]
    for first, end in pairwise([*starts, len(steps)]):
        if steps[first]["switch"]:
            yield "switch", first, _switch(found, first)
        skipped = 0
        held: list[str] = []
        for number in range(first, end):
            step = steps[number]
            if first + kept <= number < end - kept and not step["notes"]:
                skipped += 1
                continue
            if skipped:
                yield "skipped", step["task"], f"... {many(skipped, 'step')}"
                skipped = 0
            yield "step", number, f"holding {', '.join(step['held']) or 'nothing'}" if step["held"] != held else ""
            held = step["held"]


def _switch(found: Values, number: int) -> str:
    step, before = found["steps"][number], found["steps"][number - 1]
    where = f" at {step['place']}" if step["place"] else ""
    left = ", which could go on" if step["switch"] == "pre-empts" else ""
    return f"{found['tasks'][step['task']]} {step['switch']}{where}, after {found['tasks'][before['task']]}{left}"


# --- text ---


def text(story: Story, lane: int = LANE) -> str:
    """The execution as text: a lane per task, ``lane`` characters wide; switches, locks held, notes, the failure."""
    found = rows(story)
    tasks = sorted({step["task"] for step in found["steps"]})
    column = {task: at for at, task in enumerate(tasks)}
    drawn = [" step  " + " ".join(_cut(found["tasks"][task], lane).ljust(lane) for task in tasks).rstrip()]
    for kind, number, words in _shown(found, KEPT_IN_TEXT):
        if kind == "switch":
            drawn.append(f"    {'-' * (lane // 2)} {words}")
        elif kind == "skipped":
            drawn.append(_row("", words, column[number], lane))
        else:
            drawn += _step(number, found["steps"][number], words, column, lane)
    if story.failure is not None:
        drawn.append(f"  ==>  {found['failure']}")
    drawn.append(f"       pre-emptions: {story.preemptions}, switches: {story.switches}, steps: {len(story.lines)}")
    return "\n".join(drawn)


def _step(number: int, step: Values, held: str, column: dict[int, int], lane: int) -> list[str]:
    at = column[step["task"]]
    place = f"  {step['place']}" if step["place"] else ""
    return [
        *([_row("", f"   {held}", at, lane)] if held else []),
        _row(str(number), f"{step['op']} {step['where']}{place}", at, lane),
        *(_row("", f"    * {note}", at, lane) for note in step["notes"]),
    ]


def _row(number: str, words: str, at: int, lane: int) -> str:
    return f"{number:>5}  " + " " * ((lane + 1) * at) + _cut(words, lane)


def _cut(words: str, width: int) -> str:
    return words if len(words) <= width else words[: width - 1] + "…"


# --- HTML ---


def html(found: Values) -> str:
    """What ``rows`` returned, as a table with a column for each task that took a step."""
    if not found:
        return ""
    lanes = sorted({step["task"] for step in found["steps"]})
    head = "".join(f"<th>{in_html(found['tasks'][task])}</th>" for task in lanes)
    body = []
    for kind, number, words in _shown(found, KEPT_IN_HTML):
        if kind == "switch":
            body.append(f'<tr class="switch"><td></td><td colspan="{len(lanes)}">{in_html(words)}</td></tr>')
        elif kind == "skipped":
            body.append(_line("", words, number, lanes))
        else:
            body.append(_line(str(number), _cell(found["steps"][number], words), found["steps"][number]["task"], lanes))
    end = f'<tr class="end"><td></td><td colspan="{len(lanes)}">{in_html(found["failure"])}</td></tr>'
    return f'<div class="lanes"><table><thead><tr><th>step</th>{head}</tr></thead><tbody>{"".join(body)}{end}</tbody></table></div>'


def _cell(step: Values, held: str) -> str:
    words = f"{in_html(step['op'])} {in_html(step['where'])}<br><span class=\"where\">{in_html(step['place'])}</span>"
    if held:
        words = f"<span class=\"held\">{in_html(held)}</span><br>{words}"
    return words + "".join(f'<br><span class="note">{in_html(note)}</span>' for note in step["notes"])


def _line(number: str, words: str, task: int, lanes: list[int]) -> str:
    cells = "".join(f'<td class="step">{words}</td>' if lane == task else "<td></td>" for lane in lanes)
    return f"<tr><td>{number}</td>{cells}</tr>"


# --- Perfetto ---


def chrome(story: Story) -> dict[str, Any]:
    """Return the execution as a Chrome trace (a JSON object that ui.perfetto.dev opens); one step lasts one microsecond."""
    events: list[dict[str, Any]] = [
        {"ph": "M", "name": "thread_name", "pid": 1, "tid": task, "args": {"name": name}} for task, name in enumerate(story.names)
    ]
    for number, line in enumerate(story.lines):
        facts = {"location": _words(line.key), "held": [_words(key) for key in line.held], "place": str(line.place or "")}
        name = f"{line.op} {_words(line.key)}".strip()
        events.append({"ph": "X", "name": name, "cat": "step", "pid": 1, "tid": line.task, "ts": number, "dur": 1, "args": facts})
        if line.switch:
            label = f"{story.names[line.task]} {line.switch}"
            events.append({"ph": "i", "s": "p", "name": label, "cat": "switch", "pid": 1, "tid": line.task, "ts": number})
        for note, more in line.notes:
            args = {name: str(value) for name, value in more.items()}
            events.append(
                {"ph": "i", "s": "t", "name": note, "cat": "note", "pid": 1, "tid": line.task, "ts": number, "args": args}
            )
    if story.failure is not None:
        end = {"ph": "i", "s": "g", "name": story.failure.kind, "cat": "failure", "pid": 1, "tid": 0, "ts": len(story.lines)}
        events.append({**end, "args": {"message": story.failure.message}})
    return {"traceEvents": events, "displayTimeUnit": "ns"}


def save_chrome(story: Story, path: str | Path) -> Path:
    """Write `chrome` to ``path``, whole or not at all, and return the path. Raises OSError with the path."""
    write_text(str(path), json.dumps(chrome(story)))
    return Path(path)
