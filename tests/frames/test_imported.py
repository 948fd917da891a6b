"""Compaction played on an imported machine."""

from __future__ import annotations

import gzip
import json
from pathlib import Path

import pytest

from movable import GFP_HIGHUSER_MOVABLE, VM, ClearPageMovable, list_del, lock_page, put_page, unlock_page
from movable.cli import main
from movable.frames.imported import play
from movable.frames.snapshot import take
from movable.mm.compaction import compact_memory
from movable.mm.proc import buddyinfo, pagetypeinfo, vmstat, zoneinfo
from tests.frames.test_machine import words
from tests.lab.broken import Pages


def save(vm: VM, folder: Path, movable: set[int]) -> None:
    """What the real /proc would have of a machine whose pages in ``movable`` are anonymous."""
    folder.mkdir()
    free = {pfn + at for zone in vm.zones for pfn, order in zone.free_blocks() for at in range(1 << order)}
    letters = "".join("f" if pfn in free else "a" if pfn in movable else "s" for pfn in range(vm.nr_frames))
    (folder / "kpageflags.gz").write_bytes(gzip.compress(words(letters).tobytes()))
    for name, text in (("zoneinfo", zoneinfo), ("buddyinfo", buddyinfo), ("pagetypeinfo", pagetypeinfo), ("vmstat", vmstat)):
        (folder / name).write_text(text(vm))


def test_compaction_of_an_imported_machine_is_that_of_the_machine_itself(tmp_path: Path) -> None:
    """Nothing else runs between the two, so that every order is within 10 %."""
    vm = VM(layout=[(0, "DMA", 1024), (0, "Normal", 7168), (1, "Normal", 8192)])
    driver = Pages(vm)
    driver.populate(14000)
    pages = [page for page in vm.pages.values() if page._refcount]
    for page in vm.random.sample(pages, 9000):
        lock_page(page)
        list_del(page.lru)
        ClearPageMovable(page)
        unlock_page(page)
        put_page(page)
    save(vm, tmp_path / "before", {page.pfn for page in pages if page._refcount})
    compact_memory(vm)
    save(vm, tmp_path / "after", {page.pfn for page in vm.pages.values() if page._refcount})
    played = play(take(tmp_path / "before"), take(tmp_path / "after"), "4.19")
    assert all(zone.buddyinfo == zone.imported for zone in played.zones)
    assert all(all(zone.near()) and not zone.other_work for zone in played.zones)
    assert played.moved_after is not None and abs(played.moved - played.moved_after) <= 0.1 * played.moved_after


def test_the_command_compares_and_writes(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    vm = VM(8 << 20)
    pages = [vm.alloc_page(GFP_HIGHUSER_MOVABLE) for _ in range(1500)]
    for page in pages[::2]:
        assert page is not None
        put_page(page)
    held = {page.pfn for page in pages[1::2] if page is not None}
    save(vm, tmp_path / "before", held)
    save(vm, tmp_path / "after", held)
    (tmp_path / "uname").write_text("Linux box 5.15.0-91-generic #101-Ubuntu SMP\n")
    assert main(["lab", "import", str(tmp_path), "--json", str(tmp_path / "out.json")]) == 0
    out = capsys.readouterr().out
    assert "as in Linux 4.19" in out and "recorded after" in out and "pages in the model" in out
    record = json.loads((tmp_path / "out.json").read_text())
    assert record["schema"] == "movable.import/1" and record["zones"][0]["compacted"] != record["zones"][0]["imported"]
    assert main(["lab", "import", str(tmp_path / "before"), "--no-compact", "--era", "7.3"]) == 0
    assert "compacted" not in capsys.readouterr().out
