"""Mutants: a correct trace with one event dropped, doubled, moved or altered, by a seeded generator."""

from __future__ import annotations

import gzip
import random
import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from movable.trace.judge.conformance import Result, check_trace
from tests.trace.recordings import TRACES

BASES = (("bad/mode_10", 0, 3400), ("bad/mode_00", 2000, 2800), ("e", 58000, 2600), ("z3", 20000, 2400))
"""Windows of correct recordings: name, first line, number of lines."""

CALLBACK = re.compile(r"^(?:zs|z3|bad|balloon)_(isolate|migrate|putback)(_ret)?$")
MUTATED = frozenset(
    (
        *("isolate_movable_page", "isolate_movable_page_ret", "isolate_page", "isolate_page_ret", "migrate_page"),
        *("migrate_page_ret", "putback_page", "putback_page_ret", "set_page_movable", "clear_page_movable"),
        *("folio_unlock", "folio_put_final", "free_unref_page", "move_to_new_folio", "move_to_new_folio_ret"),
        *("migrate_pages", "migrate_pages_ret"),
    )
)
"""Events that are mutated, callbacks under the name of the callback."""


def event_of(line: str) -> str:
    """The event of a line, callbacks of every driver under one name; empty for a line that is not mutated."""
    parts = line.split(": ", 2)
    if len(parts) < 2:
        return ""
    name = parts[1].rstrip(":")
    match = CALLBACK.match(name)
    if match:
        name = f"{match[1]}_page{match[2] or ''}"
    return name if name in MUTATED else ""


LONGER = {
    **dict.fromkeys(("isolate_page", "migrate_page", "putback_page", "set_page_movable"), ("keep a reference",)),
    "folio_put_final": ("free twice",),
}
"""Mutations of more than one line, by the event that they begin at."""


REASONS = (
    (r".*", "free_unref_page", False, "it repeats what folio_put_final has shown"),
    (r"drop|double|delay|other task", "folio_put_final", False, "the release is seen twice, and a frame may come back unseen"),
    (r"alter one reference more", ".*", False, "anybody may hold a reference for a while"),
    (r"alter lock bit", "isolate_movable_page", False, "the attempt looks at the page without any lock"),
    (r"drop|double|delay|other task", "folio_unlock", False, "locking is not probed, so only unlocks in callbacks can be judged"),
    (r"drop|double|delay|other task", "set_page_movable", False, "a page may be marked unseen; a mark is owed only in a callback"),
    (r"drop|double|delay|other task", "clear_page_movable", False, "un-marking is free; it is owed only in a callback"),
    (r"drop|double|delay|other task", "migrate_pages(_ret)?", False, "a run that began before the trace looks the same"),
    (r"drop|double|delay|other task", "move_to_new_folio(_ret)?", False, "the callback's own entry and return tell the same"),
    (r"alter lock bit", "move_to_new_folio", True, "the lock bit is judged at the callback, one line later"),
    (r"alter lock bit", "folio_unlock|folio_put_final", True, "no rule looks at the lock bit of an unlock or a release"),
    (r"alter isolated bit", "(set|clear)_page_movable|folio_.*", True, "PG_isolated is judged where the page's life is known"),
    (r"delay", "isolate_movable_page_ret", False, "other tasks' lines may come in between"),
    (r"drop", "isolate_movable_page_ret", True, "the last call of a task looks as if it were under way at the end"),
    (r"alter mark", "folio_unlock", True, "only unlocks in a call and right after a callback are read; the others are too many"),
    (r"alter one reference less", ".*", True, "the count is judged at isolate_page and when a move ends"),
    (r"alter whose mark", "set_page_movable", False, "a page may be anybody's until a callback is called for it"),
    (r"alter marked already", "set_page_movable", True, "an owner's own marks are not judged, only those in a callback"),
    (r"keep a reference", ".*", True, "who holds references is not probed, and a page may outlive the recording"),
)
"""Mutations that may pass: kind, event, whether the meaning changes (a gap in the rules), and why they pass."""


def reason(mutant: Mutant) -> str:
    """Why a mutant may pass; empty when it must not."""
    for kind, event, _, why in REASONS:
        if re.fullmatch(kind, mutant.kind) and re.fullmatch(event, mutant.event):
            return why
    return ""


@dataclass(frozen=True)
class Mutant:
    """A mutated trace: which kind of mutation, of which event, of which line of the base."""

    base: str
    kind: str
    event: str
    line: int
    lines: tuple[str, ...]


def window(name: str, first: int, count: int) -> list[str]:
    """The lines of a base."""
    with gzip.open(TRACES / name / "trace.txt.gz", "rt", encoding="latin-1") as stream:
        return stream.read().splitlines()[first : first + count]


def change(line: str, field: str, new: object) -> str:
    """The line with another value of a field."""
    return re.sub(rf"\b{field}=\S+", f"{field}={new}", line, count=1)


def field_of(line: str, field: str) -> str:
    """The value of a field; empty where the line has none."""
    match = re.search(rf"\b{field}=(\S+)", line)
    return match[1] if match else ""


def alterations(line: str, event: str) -> dict[str, str]:
    """Every way to alter one line so that it says something else."""
    found: dict[str, str] = {}
    flags, refs, ret = (field_of(line, name) for name in ("flags", "refs", "ret"))
    mapping = field_of(line, "mapping")
    if flags:
        found["lock bit"] = change(line, "flags", hex(int(flags, 16) ^ 1))
        found["isolated bit"] = change(line, "flags", hex(int(flags, 16) ^ 1 << 18))
    if refs:
        found["one reference more"] = change(line, "refs", int(refs) + 1)
        if int(refs):
            found["one reference less"] = change(line, "refs", int(refs) - 1)
    if mapping not in ("", "0x0"):
        found["mark"] = change(line, "mapping", "0x2" if mapping != "0x2" else "0xffffffffc0000002")
    if ret and event == "migrate_page_ret":
        found["ret to -EAGAIN"] = change(line, "ret", -11 if ret != "-11" else 0)
        found["ret to positive"] = change(line, "ret", 5)
    elif ret and event in ("isolate_page_ret", "isolate_movable_page_ret"):
        yes, no = (1, 0) if event == "isolate_page_ret" else (0, -16)
        found["ret"] = change(line, "ret", no if ret == str(yes) else yes)
    if event == "set_page_movable":
        found["whose mark"] = change(line, "mops", hex(int(field_of(line, "mops"), 16) ^ 0xF000))
        if mapping == "0x0":
            found["marked already"] = change(line, "mapping", hex(int(field_of(line, "mops"), 16) + 2))
        found["tag in the mapping"] = change(line, "mops", hex(int(field_of(line, "mops"), 16) | 1))
    return found


def mutants(seed: int, each: int) -> Iterator[Mutant]:
    """``each`` mutants of every kind of mutation and event, over all bases; the same seed gives the same mutants."""
    rng = random.Random(seed)
    bases = {name: window(name, first, count) for name, first, count in BASES}
    places: dict[tuple[str, str], list[tuple[str, int]]] = {}
    for name, lines in bases.items():
        for at in range(200, len(lines) - 700):  # room for a life before, and for what follows
            event = event_of(lines[at])
            if event:
                kinds = ["drop", "double", "delay", "other task", *LONGER.get(event, ())]
                kinds += [f"alter {what}" for what in alterations(lines[at], event)]
                for kind in kinds:
                    places.setdefault((kind, event), []).append((name, at))
    for (kind, event), found in sorted(places.items()):
        for name, at in rng.sample(found, min(each, len(found))):
            lines = list(bases[name])
            mutate(lines, at, kind, event, rng)
            yield Mutant(name, kind, event, at, tuple(lines))


def mutate(lines: list[str], at: int, kind: str, event: str, rng: random.Random) -> None:
    """Change one event."""
    line = lines[at]
    if kind == "drop":
        del lines[at]
    elif kind == "double":
        lines.insert(at + 1, line)
    elif kind == "delay":
        del lines[at]
        lines.insert(at + rng.randint(3, 30), line)
    elif kind == "keep a reference":
        keep_reference(lines, at)
    elif kind == "free twice":
        release = lines[at : at + 2]  # folio_put_final and free_unref_page
        assert "free_unref_page" in release[1]
        lines[at:at] = release
    elif kind == "other task":
        lines[at] = re.sub(r"^ *\S+-\d+", "          other-4711", line)
    else:
        lines[at] = alterations(line, event)[kind.removeprefix("alter ")]


def keep_reference(lines: list[str], at: int) -> None:
    """From line ``at`` on the page has a reference more, so that its life does not end."""
    page = re.compile(rf"\b(page|src)={field_of(lines[at], 'page')}\b")
    gone = []
    for index in range(at + 1, len(lines)):
        line = lines[index]
        if page.search(line) is None:
            continue
        event = event_of(line)
        if event == "set_page_movable" and field_of(line, "mapping") == "0x0":
            break
        if event in ("folio_put_final", "free_unref_page"):
            gone.append(index)
        elif field_of(line, "refs"):
            lines[index] = change(line, "refs", int(field_of(line, "refs")) + 1)
    for index in reversed(gone):
        del lines[index]


def judge(mutant: Mutant, folder: Path) -> Result:
    """The verdicts on a mutant."""
    path = folder / "mutant.txt"
    path.write_text("\n".join(mutant.lines) + "\n", encoding="latin-1")
    return check_trace(str(path))
