"""How many pageblocks of a real machine have which migratetype."""

from __future__ import annotations

from pathlib import Path

from movable.frames.machine import machine_of
from movable.frames.snapshot import MOVABLE_CODE, Snapshot, Span
from tests.frames.test_machine import words


def test_zspages_and_pageblock_types_are_as_many_as_the_kernel_counts(tmp_path: Path) -> None:
    span = Span(0, "Normal", 0, 4096)
    flags = words("k" * 512 + "s" * 512 + "kf" * 256 + "f" * 2560)
    snapshot = Snapshot("counted", flags, [span], zspages={span: 200}, block_counts={span: {"Unmovable": 1, "Reclaimable": 1}})
    vm = machine_of(snapshot)
    assert list(vm.zones[0].pageblocks) == [2, 0, 1, 1, 1, 1, 1, 1]
    assert vm.pages.codes.count(MOVABLE_CODE) == 200 and not vm.pages.codes[:1024].count(MOVABLE_CODE)
