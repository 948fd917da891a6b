"""Pages as a trace shows them."""

from __future__ import annotations

from pathlib import Path

import pytest

from movable.errors import UsageError
from movable.trace.read.ftrace import Reader
from movable.trace.read.source import Source
from movable.trace.show.isolations import FREED, PUT_BACK, Lives
from tests.trace.recordings import Script, life
from tests.trace.show.test_summary import summary_of


def test_a_frame_that_comes_back_unseen_begins_another_life(tmp_path: Path) -> None:
    script = Script().mark(5).isolate(5)
    script.mark(5).isolate(5).putback(5)  # nobody saw how the first page ended
    summary = summary_of(script.write(tmp_path))
    assert [one.outcome for one in sorted(summary.longest, key=lambda one: one.begun)] == [FREED, PUT_BACK]
    assert summary.series["zsmalloc"].now == 0


def test_pages_that_only_looked_movable_are_forgotten(tmp_path: Path) -> None:
    script = Script()
    for pfn in range(50):
        script.page("isolate_movable_page", pfn, 0, 2, 1, "mode=0x8 ")
        script.add("isolate_movable_page_ret", "ret=-16", "isolate_migratepages_block+0x1/0x2 <- isolate_movable_page")
    lives = Lives()
    with Source(str(script.write(tmp_path))) as source:
        for event in Reader(source).events():
            lives.feed(event, 0.0)
    assert not lives.pages


def test_pages_and_drivers_without_end_are_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    text = life().text()
    (tmp_path / "t").write_text(text)
    assert summary_of(tmp_path / "t").lines
    limits = {"movable.rules.stream.history.MAX_PAGES": "pages", "movable.trace.show.isolations.DRIVERS_LIMIT": "drivers"}
    for what, words in limits.items():
        with monkeypatch.context() as patch, pytest.raises(UsageError, match=f"more than 0 {words}"):
            patch.setattr(what, 0)
            summary_of(tmp_path / "t")
