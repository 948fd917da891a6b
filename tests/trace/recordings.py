"""Where the recordings of a real kernel are, and lines made by hand for small tests."""

from __future__ import annotations

import json
import os
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from movable.events import Event
from movable.trace.read.ftrace import Reader
from movable.trace.read.source import Source

TRACES = Path(__file__).parent.parent / "data" / "traces"
WHOLE = ("a1", "e", "i1", "soft", "z3", *(f"bad/mode_{n:02}" for n in (0, 1, 2, 5, 8, 9, 10, 11, 14, 16, 21)))
"""Recordings with a counts.json."""
EXCERPTS = ("d-excerpt", "kmem-excerpt", "f-excerpt")
MORE = Path(os.environ.get("MOVABLE_RECORDINGS", "/nonexistent"))


def others() -> list[Path]:
    """Recordings outside the repository, named by MOVABLE_RECORDINGS, that are not among ours."""
    if not MORE.is_dir():
        return []
    found = sorted(path.parent for path in MORE.rglob("trace.txt.gz") if (path.parent / "counts.json").exists())
    return [path for path in found if str(path.relative_to(MORE)) not in WHOLE]


def counts(folder: Path) -> dict[str, Any]:
    """What the counting script of a recording found."""
    found: dict[str, Any] = json.loads((folder / "counts.json").read_text())
    return found


def read(path: Path, **options: Any) -> tuple[Reader, list[Event]]:
    """The reader after the whole trace, and its events."""
    with Source(str(path)) as source:
        reader = Reader(source, **options)
        return reader, list(reader.events())


BASE = 0xFFFFEA0000000000
OPS = 0xFFFFFFFFC0100000
HEADER = "# tracer: nop\n#\n"


def pointer(pfn: int, base: int = BASE) -> str:
    """The page pointer of a frame."""
    return f"{base + 64 * pfn:#x}"


def state(flags: int, mapping: int, refs: int) -> str:
    """The fields that every probe of a page fetches."""
    return f"flags={flags:#x} mapping={mapping:#x} refs={refs} mapcount=-1 lru=0x0 private=0x0"


LOCKED, ISOLATED = 1, 1 << 18
MARKED = OPS + 2


class Script:
    """A trace written by hand: each call appends the lines that a right driver leaves behind."""

    def __init__(self, base: int = BASE, isolated: int = ISOLATED) -> None:
        self.base = base
        self.isolated = isolated
        self.lines: list[str] = []
        self.task = "sh-7"
        self.cpu = 0

    def add(self, event: str, fields: str, where: str = "f+0x0/0x10") -> Script:
        """One line."""
        stamp = 10 + len(self.lines) / 1e5
        self.lines.append(f"{self.task:>16}      [{self.cpu:03}] ..... {stamp:12.6f}: {event}: ({where}) {fields}".rstrip())
        return self

    def page(self, event: str, pfn: int, flags: int, mapping: int, refs: int, more: str = "") -> Script:
        """One line about a page."""
        return self.add(event, f"page={pointer(pfn, self.base)} {more}{state(flags, mapping, refs)}")

    def mark(self, pfn: int, ops: int = OPS) -> Script:
        """The owner marks a fresh page."""
        self.page("set_page_movable", pfn, LOCKED, 0, 1, f"mops={ops:#x} ")
        return self.page("folio_unlock", pfn, LOCKED, ops + 2, 1)

    def isolate(self, pfn: int, driver: str = "zs", ops: int = OPS) -> Script:
        """A successful isolation by compaction."""
        self.page("isolate_movable_page", pfn, 0, ops + 2, 1, "mode=0x8 ")
        self.page(f"{driver}_isolate", pfn, LOCKED, ops + 2, 2, "mode=0x8 ")
        self.add(f"{driver}_isolate_ret", "ret=1", "isolate_movable_page+0x1/0x2 <- x")
        self.page("folio_unlock", pfn, LOCKED | self.isolated, ops + 2, 2)
        return self.add("isolate_movable_page_ret", "ret=0", "isolate_migratepages_block+0x1/0x2 <- isolate_movable_page")

    def migrate(self, pfn: int, new: int, driver: str = "zs", ops: int = OPS, ret: int = 0) -> Script:
        """A call of the migrate callback that succeeds, or gives up with ``ret``."""
        pages = f"newpage={pointer(new, self.base)} page={pointer(pfn, self.base)} mode=2 nflags=0x1 "
        held = state(LOCKED | self.isolated, ops + 2, 2)
        self.add("move_to_new_folio", f"dst={pointer(new, self.base)} src={pointer(pfn, self.base)} mode=2 {held}")
        self.add(f"{driver}_migrate", pages + held)
        if ret == 0:
            self.page("set_page_movable", new, LOCKED, 0, 2, f"mops={ops:#x} ")
            self.page("clear_page_movable", pfn, LOCKED | self.isolated, ops + 2, 2)
        self.add(f"{driver}_migrate_ret", f"ret={ret}", "move_to_new_folio+0x1/0x2 <- x")
        self.add("move_to_new_folio_ret", f"ret={ret}", "migrate_pages_batch+0x1/0x2 <- move_to_new_folio")
        if ret:
            return self.page("folio_unlock", pfn, LOCKED | self.isolated, ops + 2, 2)
        self.page("folio_unlock", new, LOCKED, ops + 2, 2)
        self.page("folio_unlock", pfn, LOCKED, 2, 1)
        return self.free(pfn)

    def putback(self, pfn: int, driver: str = "zs", ops: int = OPS) -> Script:
        """The core gives an isolated page back."""
        self.page(f"{driver}_putback", pfn, LOCKED | self.isolated, ops + 2, 2)
        self.add(f"{driver}_putback_ret", "", "putback_movable_pages+0x1/0x2 <- x")
        return self.page("folio_unlock", pfn, LOCKED, ops + 2, 2)

    def release(self, pfn: int, ops: int = OPS) -> Script:
        """The owner takes its mark back and drops its reference."""
        self.page("clear_page_movable", pfn, LOCKED, ops + 2, 1)
        self.page("folio_unlock", pfn, LOCKED, 2, 1)
        return self.free(pfn)

    def free(self, pfn: int) -> Script:
        """The last reference is gone."""
        self.page("folio_put_final", pfn, 0, 2, 0)
        return self.page("free_unref_page", pfn, 0, 2, 0, "order=0 ")

    def text(self) -> str:
        """The whole trace."""
        return HEADER + "\n".join(self.lines) + "\n"

    def write(self, folder: Path, name: str = "t.txt") -> Path:
        """The whole trace as a file."""
        path = folder / name
        path.write_text(self.text())
        return path


def life(base: int = BASE, isolated: int = ISOLATED) -> Script:
    """A page that is marked, isolated, put back, isolated again, migrated after one -EAGAIN, and its successor released."""
    script = Script(base, isolated)
    script.mark(5).isolate(5).putback(5).isolate(5).migrate(5, 9, ret=-11).migrate(5, 9)
    return script.release(9)


def kinds(events: Iterable[Event]) -> list[str]:
    """The kinds of events, in order."""
    return [event.kind for event in events]
