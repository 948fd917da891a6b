"""A real machine's layout as a machine of the model, and its compaction beside the real one."""

from __future__ import annotations

import gzip
import json
from array import array
from pathlib import Path

import pytest

from movable import GFP_HIGHUSER_MOVABLE, VM, ClearPageMovable, list_del, lock_page, put_page, unlock_page
from movable.cli import main
from movable.frames.imported import play
from movable.frames.machine import machine_of
from movable.frames.snapshot import FREE_CODE, MOVABLE_CODE, Snapshot, Span, era_of, free_blocks, read_zoneinfo, take
from movable.mm.compaction import compact_memory
from movable.mm.proc import buddyinfo, pagetypeinfo, vmstat, zoneinfo
from movable.mm.proc_page import KPF_ANON, KPF_BUDDY, KPF_LRU, KPF_NOPAGE, KPF_SLAB
from tests.lab.broken import Pages

PRESSURE = Path(__file__).parents[1] / "data" / "frames" / "pressure"


def words(codes: str) -> memoryview:
    """Flags of frames: a letter for each, f free, a anonymous, s slab, h hole."""
    bits = {"f": 1 << KPF_BUDDY, "a": 1 << KPF_ANON | 1 << KPF_LRU, "s": 1 << KPF_SLAB, "h": 1 << KPF_NOPAGE, "k": 0}
    return memoryview(array("Q", [bits[letter] for letter in codes]))


def save(vm: VM, folder: Path, movable: set[int]) -> None:
    """What the real /proc would have of a machine whose pages in ``movable`` are anonymous."""
    folder.mkdir()
    free = {pfn + at for zone in vm.zones for pfn, order in zone.free_blocks() for at in range(1 << order)}
    letters = "".join("f" if pfn in free else "a" if pfn in movable else "s" for pfn in range(vm.nr_frames))
    (folder / "kpageflags.gz").write_bytes(gzip.compress(words(letters).tobytes()))
    for name, text in (("zoneinfo", zoneinfo), ("buddyinfo", buddyinfo), ("pagetypeinfo", pagetypeinfo), ("vmstat", vmstat)):
        (folder / name).write_text(text(vm))


def test_free_blocks_of_a_real_machine_are_on_the_lists_of_the_imported_one() -> None:
    snapshot = take(PRESSURE)
    vm = machine_of(snapshot)
    on_lists = [[area.nr_free for area in zone.free_area] for zone in vm.zones]
    assert on_lists == [snapshot.free_blocks(span) for span in snapshot.zones]
    told = read_zoneinfo((PRESSURE / "zoneinfo").read_text())
    assert [zone.watermark[0] for zone in vm.zones] == [one["min"] for one in told.values()]


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


@pytest.mark.parametrize("era", ["4.19", "6.1", "6.17", "7.3"])
def test_pages_move_and_none_is_lost(era: str) -> None:
    snapshot = Snapshot("made", words("af" * 4096 + "s" * 512 + "h" * 512 + "fa" * 1024), [Span(0, "Normal", 0, 8192 + 3072)])
    vm = machine_of(snapshot, era)
    assert vm.zones[0].nr_free == 5120 and vm.zones[0].present_pages == 8192 + 3072 - 512
    compact_memory(vm)
    assert vm.vmstat["pgmigrate_success"] > 2000 and vm.zones[0].nr_free == 5120
    in_use = sum(1 for pfn in range(vm.nr_frames) if (page := vm.pages.get(pfn)) is not None and page._refcount)
    assert in_use == 5120
    assert sum(area.nr_free << area.order for area in vm.zones[0].free_area[9:]) >= 4096


def test_holes_gaps_and_odd_bounds() -> None:
    flags = words("h" + "f" * 4095 + "f" * 1000 + "h" * 3000 + "a" * 96 + "f" * 1000)
    spans = [Span(1, "Normal", 8192 + 96, 9192), Span(0, "DMA", 1, 4096), Span(0, "DMA32", 4096, 5096)]
    vm = machine_of(Snapshot("odd", flags, spans))
    assert [(zone.node.nid, zone.name) for zone in vm.zones] == [(0, "DMA"), (0, "DMA32"), (1, "Normal")]
    assert [zone.nr_free for zone in vm.zones] == [4095, 1000, 1000]
    assert vm.zones[1].offline and vm.zones[1].present_pages == 1096 and vm.zones[0].present_pages == 4095
    assert vm.pages.get(0) is None and vm.pages.get(9999) is None
    assert vm.pages.get(8100)._refcount == 1


def test_free_blocks_align() -> None:
    codes = bytes([MOVABLE_CODE] + [FREE_CODE] * 7 + [MOVABLE_CODE] + [FREE_CODE] * 4000)
    assert list(free_blocks(codes, 0, 16)) == [(1, 0), (2, 1), (4, 2), (9, 0), (10, 1), (12, 2)]
    assert sum(1 << order for _, order in free_blocks(codes, 0, len(codes))) == 4007


def test_zspages_and_pageblock_types_are_as_many_as_the_kernel_counts(tmp_path: Path) -> None:
    span = Span(0, "Normal", 0, 4096)
    flags = words("k" * 512 + "s" * 512 + "kf" * 256 + "f" * 2560)
    snapshot = Snapshot("counted", flags, [span], zspages={span: 200}, block_counts={span: {"Unmovable": 1, "Reclaimable": 1}})
    vm = machine_of(snapshot)
    assert list(vm.zones[0].pageblocks) == [2, 0, 1, 1, 1, 1, 1, 1]
    assert vm.pages.codes.count(MOVABLE_CODE) == 200 and not vm.pages.codes[:1024].count(MOVABLE_CODE)


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


@pytest.mark.parametrize(
    ("name", "text", "what"),
    [
        ("zoneinfo", "Node 0, zone Normal\n", "no zone with 'spanned'"),
        ("zoneinfo", "Node 0, zone HighMem\n spanned 512\n start_pfn: 0\n", "the model has zones"),
        ("buddyinfo", "nonsense\n", "is no line of /proc/buddyinfo"),
        ("pagetypeinfo", "nonsense\n", "does not belong in /proc/pagetypeinfo"),
        ("pagetypeinfo", "Page block order: 13\nNode 0, zone Normal, type Movable 1 2\n", "orders up to 10"),
    ],
)
def test_bad_files_are_one_line(name: str, text: str, what: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "kpageflags").write_bytes(words("f" * 1024).tobytes())
    (tmp_path / "zoneinfo").write_text("Node 0, zone Normal\n spanned 1024\n start_pfn: 0\n")
    (tmp_path / name).write_text(text)
    assert main(["lab", "import", str(tmp_path)]) == 2
    err = capsys.readouterr().err
    assert what in err and err.count("\n") == 1


def test_eras_by_release(tmp_path: Path) -> None:
    for text, era in (("6.1.0-56-amd64", "6.1"), ("Linux x 6.8.0-40 y", "6.1"), ("7.9", "7.3"), ("3.10.0", "4.19"), ("?", "6.1"),
                      ("6.18.3", "7.3"), ("6.0.1", "6.1"), ("6.17.0-14", "6.17"), ("5.15", "4.19")):  # fmt: skip
        (tmp_path / "uname").write_text(text)
        assert era_of(tmp_path) == era


def test_one_of_folder_and_live(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["lab", "import"]) == 2 and main(["lab", "import", "x", "--live"]) == 2
    assert capsys.readouterr().err.count("and not both") == 2
