"""Where the fields of a line stand."""

from __future__ import annotations

import re
from pathlib import Path

from movable.trace.read.vocabulary import UNSEEN
from tests.trace.recordings import (
    life,
    read,
)


def test_columns_of_thread_groups_and_odd_names(tmp_path: Path) -> None:
    text = life().text().replace("            sh-7 ", "   nginx: a-b]c-7 (    7) ")
    path = tmp_path / "t.txt"
    path.write_text(text)
    reader, events = read(path)
    assert not reader.damaged
    assert {event.task for event in events} == {"nginx: a-b]c-7"}


def test_fewer_fields(tmp_path: Path) -> None:
    """Probes set by hand that fetch the page only."""
    text = re.sub(r" (?:mapcount|lru|private|refs|flags|mapping)=\S+", "", life().text())
    path = tmp_path / "t.txt"
    path.write_text(text)
    _, events = read(path)
    _, full = read(life().write(tmp_path, "full.txt"))
    assert [(e.kind, e.pfn) for e in events] == [(e.kind, e.pfn) for e in full]
    assert {(e.flags, e.mapping, e.refs) for e in events} == {(UNSEEN, UNSEEN, UNSEEN)}
