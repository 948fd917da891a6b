"""A failure to look at: as text with one lane per task, and as a trace file for the Perfetto viewer."""

import json
from collections.abc import Hashable
from pathlib import Path
from typing import Any

from movable.explore.failures.recorder import Line, Story
from movable.files import write_text

_LANE = 44
_KEEP = 3  # steps shown at either end of a long stretch of one task


def _words(key: Hashable) -> str:
    if isinstance(key, tuple) and type(key).__str__ is tuple.__str__:
        return " ".join(str(part) for part in key)
    return "" if key is None else str(key)


def _cut(words: str, width: int) -> str:
    return words if len(words) <= width else words[: width - 1] + "…"


def text(story: Story, lane: int = _LANE) -> str:
    """Return the execution as text: a lane per task, ``lane`` characters wide; switches, locks held, notes, the failure."""
    numbers = sorted({line.task for line in story.lines})
    column = {task: at for at, task in enumerate(numbers)}
    rows = [" step  " + " ".join(_cut(story.names[task], lane).ljust(lane) for task in numbers).rstrip()]
    for first, last in _blocks(story.lines):
        line = story.lines[first]
        if line.switch:
            rows.append(_switch(story, first, lane, column))
        rows.extend(_block(story, first, last, column[line.task], lane))
    if story.failure is not None:
        rows.append(f"  ==>  {story.failure.kind}: {story.failure.message}")
    rows.append(f"       pre-emptions: {story.preemptions}, switches: {story.switches}, steps: {len(story.lines)}")
    return "\n".join(rows)


def _blocks(lines: list[Line]) -> list[tuple[int, int]]:
    """The stretches in which one task runs."""
    starts = [n for n in range(len(lines)) if n == 0 or lines[n].task != lines[n - 1].task]
    return list(zip(starts, [*starts[1:], len(lines)], strict=False))


def _block(story: Story, first: int, last: int, at: int, lane: int) -> list[str]:
    """One stretch; steps in its middle that have no notes are only counted."""
    rows: list[str] = []
    skipped = 0
    held: tuple[Hashable, ...] = ()
    for number in range(first, last):
        line = story.lines[number]
        if number - first >= _KEEP and number < last - _KEEP and not line.notes:
            skipped += 1
            continue
        if skipped:
            rows.append(_row("", f"... {skipped} step{'s' if skipped > 1 else ''}", at, lane))
            skipped = 0
        rows.extend(_step(number, line, at, lane, line.held != held))
        held = line.held
    return rows


def _row(number: str, words: str, at: int, lane: int) -> str:
    return f"{number:>5}  " + " " * ((lane + 1) * at) + _cut(words, lane)


def _switch(story: Story, number: int, lane: int, column: dict[int, int]) -> str:
    line, before = story.lines[number], story.lines[number - 1]
    where = f" at {line.place}" if line.place is not None else ""
    left = ", which could go on" if line.switch == "pre-empts" else ""
    dashes = "-" * (lane // 2)
    return f"    {dashes} {story.names[line.task]} {line.switch}{where}, after {story.names[before.task]}{left}"


def _step(number: int, line: Line, at: int, lane: int, changed: bool) -> list[str]:
    held = f"   holding {', '.join(_words(key) for key in line.held) or 'nothing'}" if changed else ""
    place = f"  {line.place}" if line.place is not None else ""
    rows = [_row("", held, at, lane)] if held else []
    rows.append(_row(str(number), f"{line.op} {_words(line.key)}{place}", at, lane))
    for note, facts in line.notes:
        extra = "".join(f" {name}={value}" for name, value in facts.items())
        rows.append(_row("", f"    * {note}{extra}", at, lane))
    return rows


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
