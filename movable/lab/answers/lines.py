"""The lines of a file of scripted answers: one JSON object a page, with its script, its log, and where it stood at the end."""

from __future__ import annotations

import gzip
import json
import zlib
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from movable.errors import UsageError
from movable.files import lines_of, unpacked

SOFT, DIRECT, LIST = "soft", "direct", "list"
DRIVERS = {"randmov": "6.1", "randops": "7.3", "randball": "7.3"}
"""Whose scripts there are, and the era of the kernel that each was recorded on."""
CALLERS = ("compact_memory", "offline", "alloc_contig_range")

WHENS = ("pre", "iso", "mig", "put")
HOLDS = ("none", "iso", "mig")
LARGEST_NUMBERS = {"trig": 1000, "n": 100_000, "rounds": 1000, "calls": 100, "mode": 3, "ntgt": 1_000_000_000}
"""The largest values that a line may have, so that playing it ends."""

Event = list[Any]


@dataclass(frozen=True, slots=True)
class Script:
    """What a driver was told to answer for one page.

    ``iso`` and ``mig`` are answers in order, ``rest`` what comes after the last of ``mig``. ``rel`` is (when, how often before) the
    owner releases the page. ``relist``: put-back lists the page again. ``xref``: somebody holds one more reference. ``hold``: who
    holds the page lock when ("iso", "mig" or "none"). ``trig``: so many triggers at most.
    """

    iso: tuple[int, ...]
    mig: tuple[int, ...]
    rest: int
    rel: tuple[str, int] | None
    relist: bool
    xref: bool
    hold: str
    trig: int


@dataclass(frozen=True, slots=True)
class Group:
    """Which pages are migrated together by the caller itself, and how: the fields of ``grp``."""

    g: int
    pos: int
    n: int
    rounds: int
    mode: int
    isomode: int
    reason: int
    ntgt: int
    putcb: int
    calls: int


@dataclass(frozen=True, slots=True)
class Line:
    """One page of a file. ``log`` and ``end`` are what a kernel did; ``grp`` is None outside the part "direct"."""

    number: int
    run: str
    id: int
    drv: str
    part: str
    how: str
    grp: Group | None
    script: Script
    log: list[Event]
    end: dict[str, int] | None
    cut: bool

    @property
    def name(self) -> str:
        """Which page this is, for a report."""
        return f"{self.run} {self.drv} page {self.id} ({self.part})"


def read_lines(path: str) -> Iterator[Line]:
    """The pages of a file, plain or gzipped. Raises UsageError that names the first line that is none, or is of a page again."""
    seen: dict[tuple[str, str, int], int] = {}
    try:
        with unpacked(path) as stream:
            for number, text in enumerate(lines_of(stream, path), 1):
                if text.strip():
                    line = _line(path, number, text)
                    before = seen.setdefault((line.run, line.drv, line.id), number)
                    if before != number:
                        raise UsageError(f"{path}, line {number}: {line.name} is in line {before} already; a page has one line")
                    yield line
    except (EOFError, zlib.error, gzip.BadGzipFile, UnicodeDecodeError) as error:
        raise UsageError(f"{path}: damaged ({error}); expected lines of scripted answers, plain or gzipped") from None


def _line(path: str, number: int, text: str) -> Line:
    try:
        return _parsed(number, json.loads(text))
    except KeyError as error:
        raise UsageError(f"{path}, line {number}: no field {error}; see docs/answers.md for what a line holds") from None
    except (ValueError, TypeError, AttributeError) as error:
        raise UsageError(f"{path}, line {number}: not a page of scripted answers ({error})") from None


def _check(script: Script, group: Group | None) -> None:
    """Raises ValueError for a script that no page can have had."""
    if script.rel is not None and script.rel[0] not in WHENS:
        raise ValueError(f"unknown time of a release {script.rel[0]!r}; known are {', '.join(WHENS)}")
    if script.hold not in HOLDS:
        raise ValueError(f"unknown time of a held lock {script.hold!r}; known are {', '.join(HOLDS)}")
    values = {"trig": script.trig, **({} if group is None else {name: getattr(group, name) for name in Group.__slots__})}
    for name, most in LARGEST_NUMBERS.items():
        if values.get(name, 0) > most:
            raise ValueError(f"{name} is {values[name]}, and {most} is the largest that is played")


def _parsed(number: int, record: dict[str, Any]) -> Line:
    drv, part, raw = record["drv"], record["part"], record["script"]
    if drv not in DRIVERS:
        raise ValueError(f"unknown driver {drv!r}; known are {', '.join(DRIVERS)}")
    if part not in (SOFT, DIRECT, LIST):
        raise ValueError(f"unknown part {part!r}")
    how = record["how"] if part == LIST else ""
    if part == LIST and how not in CALLERS:
        raise ValueError(f"unknown caller {how!r}; known are {', '.join(CALLERS)}")
    rel = raw["rel"]
    script = Script(
        tuple(int(answer) for answer in raw["iso"]),
        tuple(int(answer) for answer in raw["mig"]),
        int(raw["rest"]),
        None if rel is None else (str(rel[0]), int(rel[1])),
        bool(raw["relist"]),
        bool(raw["xref"]),
        str(raw["hold"]),
        int(raw["trig"]),
    )
    group = Group(**{name: int(record["grp"][name]) for name in Group.__slots__}) if part == DIRECT else None
    _check(script, group)
    log = [list(event) for event in record["log"]]
    if not all(event and isinstance(event[0], str) for event in log):
        raise ValueError("an event without a name")
    return Line(
        number,
        str(record["run"]),
        int(record["id"]),
        drv,
        part,
        how,
        group,
        script,
        log,
        record.get("end"),
        bool(record.get("cut")),
    )
