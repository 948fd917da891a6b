"""What services that gather logs put around each line: fields of the journal, of spreadsheets, of shippers; labels, headers."""

from __future__ import annotations

import csv
import re
from collections.abc import Sequence

from movable.explain.layouts.markup import BAR

_STRING = r'"(?:[^"\\]|\\.)*"'
_JOURNAL = re.compile(r"^\s*MESSAGE=(.*)$")
_FIELD = re.compile(r"^\s*_{0,2}[A-Z][A-Z0-9_]{2,40}=")
_ENTRY = re.compile(r"^\s*[^\W\d]{2,9}\.? \d{4}-\d\d-\d\d .{4,40} \[s=[0-9a-f]+;.*\]\s*$")
"""With what ``journalctl -o verbose`` begins an entry."""
_LABELS = re.compile(
    rf"^\s*([\d:.TZ+-]{{8,40}}\s+)?\{{\w+={_STRING}(?:,\s?\w+={_STRING})*\}}(?:[ \t]|$)(?(1)|(?=.*[A-Za-z]))"
)
_LOGFMT = re.compile(rf'^\s*(?:[\w.@/-]+=(?:{_STRING}|[^\s"]*)\s+)*(?:msg|message|log|line)=({_STRING})')
_HASH = re.compile(rf'"(?:msg|message|log|MESSAGE)"\s*=>\s*({_STRING})')
_SYSLOG = re.compile(r"^\s*<\d{1,3}>1 \S+ \S+ \S+ \S+ \S+ (?:-|(?:\[[^\]]*\])+) ?\ufeff?")
_SERVICE = re.compile(
    r"^\s*\d{4}-\d\d-\d\d[T ][\d:.,]{8,}(?:Z|[+-]\d\d:?\d\d)? \S+ (?=[A-Z][a-z]{2}\s+\d+ [\d:]{8} \S+ kernel:|\[\s*\d+\.\d{6}\] )"
)
"""A stream of a service that keeps logs: its own time and name before a whole line of syslog, or of dmesg."""
_TIMED_ROW = re.compile(r"^\s*\|\s*[\d.:/TZ+ -]*\d\d:\d\d[\d.:/TZ+ -]*\|(.*)\|\s*$")
_HOUR = re.compile(r"\d\d:\d\d")
_KEY = re.compile(r'\s*"[^"]*"\s*:')
_HEADING = re.compile(r"[^\W\d][\w.@ -]{0,40}")
DELIMITERS = ",;\t"
MOST_FIELDS = 12


def opened(lines: Sequence[str]) -> list[str]:
    """The lines without such envelopes; what is only about an envelope is empty. Other texts stay as they are."""
    journal = any("MESSAGE=" in line and _JOURNAL.match(line) for line in lines)
    found = [_journal(line) for line in lines] if journal else list(lines)
    rows: dict[int, list[str]] = {}
    for at, line in enumerate(found):
        if line[:40].lstrip()[:1] == "<" or line[:1].isdecimal():
            found[at] = line = _SERVICE.sub("", _SYSLOG.sub("", line, 1), 1)
        elif (timed := _TIMED_ROW.match(line) if line.lstrip()[:1] == "|" else None) is not None:
            found[at] = line = max(BAR.split(timed[1].replace("\\|", "\0")), key=len).replace("\0", "|")
        if '"' in line:
            rows[at] = _cells(line)
            found[at] = line if rows[at] else _of_keys(line)
    _take_column(found, {at: row for at, row in rows.items() if row})
    return found


def _take_column(lines: list[str], rows: dict[int, list[str]]) -> None:
    """Put into each line that is a row of a spreadsheet what its widest column has, and empty the line that names the columns."""
    if not rows:
        return
    first = min(rows)
    many = len(rows[first])
    alike = [row for row in rows.values() if len(row) == many]
    widest = max(range(many), key=lambda column: sum(len(row[column]) for row in alike))
    for at, row in rows.items():
        lines[at] = row[widest] if len(row) == many else max(row, key=len)
    _drop_heading(lines, first, many)


def _journal(line: str) -> str:
    message = _JOURNAL.match(line)
    if message is not None:
        return message[1]
    return "" if _FIELD.match(line) or _ENTRY.match(line) else line


def _of_keys(line: str) -> str:
    """What one of several keys has that stands for the line itself."""
    labels = _LABELS.match(line) if "{" in line else None
    if labels is not None:
        return line[labels.end() :]
    found = _HASH.search(line) if "=>" in line else _LOGFMT.match(line) if '="' in line else None
    return line if found is None else found[1][1:-1].replace('\\"', '"')


def _cells(line: str) -> list[str]:
    """The fields of a row of a spreadsheet of which one is a line of a log and another its time; else none."""
    bare = line.strip()
    if not bare.endswith('"') or _KEY.match(bare) or _HOUR.search(bare) is None:
        return []
    for delimiter in DELIMITERS:
        if f'{delimiter}"' in bare:
            try:
                fields = next(csv.reader([bare], delimiter=delimiter, strict=True))
            except (csv.Error, StopIteration):
                continue
            timed = sum(1 for field in fields[:-1] if _HOUR.search(field) and len(field) < 40)
            if 2 <= len(fields) <= MOST_FIELDS and timed:
                return fields
    return []


def _drop_heading(lines: list[str], at: int, columns: int) -> None:
    """Empty the line that names the columns of the row at ``at``, where it stands right before."""
    before = next((place for place in range(at - 1, -1, -1) if lines[place].strip()), at)
    names = re.split(f"[{DELIMITERS}]", lines[before].replace('"', "").strip())
    if before < at and len(names) == columns and all(_HEADING.fullmatch(name.strip()) for name in names):
        lines[before] = ""
