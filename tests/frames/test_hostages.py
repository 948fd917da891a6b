"""Pageblocks of real machines: kinds, free blocks as the allocator has them, and who holds which block."""

from __future__ import annotations

import gzip
import json
import os
from array import array
from pathlib import Path

import pytest

from movable.cli import main
from movable.errors import UsageError
from movable.frames.hostages import count, lines
from movable.frames.snapshot import Snapshot, Span, era_of, take
from movable.mm.proc import parse_buddyinfo

PRESSURE = Path(__file__).parents[1] / "data" / "frames" / "pressure"
FREE_WORD, ANON_WORD, SLAB_WORD, KERNEL_WORD = 1 << 10, 1 << 5 | 1 << 12, 1 << 7, 0


def machine(*stretches: tuple[int, int]) -> Snapshot:
    """A zone of stretches: (frames, word)."""
    words = array("Q", [word for frames, word in stretches for _ in range(frames)])
    return Snapshot("made", memoryview(words.tobytes()).cast("Q"), [Span(0, "Normal", 0, len(words))], 9)


def test_free_frames_of_a_real_kernel_are_the_blocks_of_its_allocator() -> None:
    """Two zones agree to the block; the third had work going on between the reading of the two files."""
    snapshot = take(PRESSURE)
    recorded = {(row.nid, row.zone): list(row.counts) for row in parse_buddyinfo((PRESSURE / "buddyinfo").read_text())}
    found = {(span.node, span.zone): snapshot.free_blocks(span) for span in snapshot.zones}
    assert found.keys() == recorded.keys()
    assert found[0, "DMA"] == recorded[0, "DMA"] and found[1, "DMA32"] == recorded[1, "DMA32"]
    assert all(abs(ours - theirs) <= 5 for ours, theirs in zip(found[0, "DMA32"], recorded[0, "DMA32"], strict=True))


def test_blocks_are_counted_by_who_holds_them() -> None:
    snapshot = machine(
        (512, FREE_WORD), (500, FREE_WORD), (12, ANON_WORD), (511, FREE_WORD), (1, SLAB_WORD), (510, ANON_WORD), (1, SLAB_WORD),
        (1, KERNEL_WORD), (512, KERNEL_WORD), (100, FREE_WORD),
    )  # fmt: skip
    [zone] = count(snapshot)
    assert (zone.blocks, zone.free, zone.movable, zone.several) == (5, 1, 1, 1)
    assert zone.alone == {"slab": 1, "kernel or driver": 1}
    nearest = [(block.start, block.holders) for block in zone.nearest]
    assert nearest[:2] == [(1024, {"slab": 1}), (1536, {"slab": 1, "kernel or driver": 1})]
    assert sum(zone.frames.values()) == len(snapshot.flags)
    assert "1 are held by slab alone" in "\n".join(lines([zone], 9))


def test_blocks_with_holes_do_not_count() -> None:
    [zone] = count(machine((511, FREE_WORD), (1, 1 << 20), (512, FREE_WORD)))
    assert (zone.blocks, zone.free) == (1, 1)


def test_runs_are_cut_as_they_align() -> None:
    snapshot = machine((1, SLAB_WORD), (7, FREE_WORD), (1016, FREE_WORD))
    assert snapshot.free_blocks(snapshot.zones[0]) == [1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 0]


def test_the_command(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    assert main(["lab", "hostages", str(PRESSURE), "--json", str(tmp_path / "h.json")]) == 0
    assert "Node 1, zone DMA32: frames 131072 to 262111, 255 whole pageblocks" in capsys.readouterr().out
    record = json.loads((tmp_path / "h.json").read_text())
    zone = record["zones"][2]
    assert record["schema"] == "movable.hostages/1"
    assert zone["blocks"] == zone["free"] + zone["movable"] + sum(zone["held_alone"].values()) + zone["held_by_several"]


def test_a_pipe_in_a_folder_is_not_waited_for(tmp_path: Path) -> None:
    for name in ("kpageflags", "uname"):
        os.mkfifo(tmp_path / name)
    with pytest.raises(UsageError, match="kpageflags: is a pipe"):
        take(tmp_path)
    assert era_of(tmp_path) == "6.1"


@pytest.mark.parametrize(
    ("files", "what"),
    [
        ({}, "has no kpageflags"),
        ({"kpageflags": b"1234567"}, "no whole words of 8"),
        ({"kpageflags": bytes(80)}, "has no zoneinfo"),
        ({"kpageflags": bytes(80), "zoneinfo": b"nothing"}, "no zone with"),
        ({"kpageflags.gz": gzip.compress(bytes(80))[:20]}, "cannot be read"),
    ],
)
def test_bad_folders_are_one_line(files: dict[str, bytes], what: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    for name, data in files.items():
        (tmp_path / name).write_bytes(data)
    with pytest.raises(UsageError, match=what):
        take(tmp_path)
    assert main(["lab", "hostages", str(tmp_path)]) == 2
    error = capsys.readouterr().err
    assert error.count("\n") == 1 and "save /proc/kpageflags" in error
    assert main(["lab", "hostages"]) == 2
