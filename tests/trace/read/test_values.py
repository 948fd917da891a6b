"""Pointers of pages, and words of flags."""

from __future__ import annotations

from pathlib import Path

import pytest

from movable.mm.page_flags import PG_NAMES
from movable.trace.read.vocabulary import FLAG_LAYOUTS, UNSEEN, kernel_flags, model_flags
from tests.trace.recordings import (
    BASE,
    OPS,
    Script,
    life,
    read,
)


@pytest.mark.parametrize("base", [BASE + (77 << 30), 0xFFFFD00000000000 + (5 << 30)])
def test_kaslr_moves_the_page_array(tmp_path: Path, base: int) -> None:
    reader, events = read(life(base).write(tmp_path))
    assert (reader.base, reader.base_from) == (base, "guessed")
    _, plain = read(life().write(tmp_path, "plain.txt"))
    assert events == plain


def test_flag_words_go_both_ways() -> None:
    for layout in FLAG_LAYOUTS:
        for bit, name in enumerate(PG_NAMES):
            if name in FLAG_LAYOUTS[layout]:
                assert model_flags(kernel_flags(1 << bit, layout), layout) == 1 << bit
    assert model_flags(0xFFFFFC0042001, "6.1") == 1 | 1 << PG_NAMES.index("private") | 1 << PG_NAMES.index("reclaim")


def test_memory_that_could_not_be_read(tmp_path: Path) -> None:
    path = tmp_path / "t.txt"
    path.write_text(Script().mark(5).text().replace("refs=1", "refs=(fault)"))
    reader, events = read(path)
    assert not reader.damaged and {event.refs for event in events} == {UNSEEN}


def test_values_do_not_pile_up(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("movable.trace.read.values.CACHE_LIMIT", 50)
    monkeypatch.setattr("movable.trace.read.ftrace.NAMES_LIMIT", 5)
    script = Script()
    for pfn in range(200):
        script.task = f"t-{pfn}"
        script.page("clear_page_movable", pfn, 1, OPS + 16 * pfn + 2, pfn)
    reader, events = read(script.write(tmp_path))
    assert [event.pfn for event in events] == [event.refs for event in events] == list(range(200))
    for cache in (reader._pages, reader._flags, reader._mappings, reader._counts):
        assert len(cache) <= 51
    assert len(reader._tasks) <= 6 and len(reader._by_pid) <= 6
