"""Proactive compaction: scores and marks of each era, and when it ends."""

from __future__ import annotations

from unittest.mock import patch

import pytest

from movable import GFP_HIGHUSER_MOVABLE, VM, Page, UsageError
from movable.mm.compaction_proactive import (
    fragmentation_score_node,
    fragmentation_score_wmark,
    fragmentation_score_zone,
    proactive_compact,
    proactive_compact_node,
    should_proactive_compact_node,
)
from tests.mm.test_migrate_batch import Scripted, release


@pytest.mark.parametrize(
    ("era", "eagerness", "low", "high"),
    [("6.1", 20, 80, 90), ("6.1", 100, 5, 15), ("6.1", 0, 100, 100), ("7.3", 20, 80, 90), ("7.3", 100, 0, 0), ("7.3", 90, 10, 15)],
)
def test_marks(era: str, eagerness: int, low: int, high: int) -> None:
    vm = VM(64 << 12, era=era)
    assert fragmentation_score_wmark(vm, eagerness, low=True) == low
    assert fragmentation_score_wmark(vm, eagerness, low=False) == high


def test_an_era_without_it() -> None:
    with pytest.raises(UsageError, match=r"era 4\.19 has no proactive compaction"):
        proactive_compact(VM(64 << 12))


class Movers(Scripted):
    """Its pages can be anywhere."""

    def add(self, count: int, gfp: int = GFP_HIGHUSER_MOVABLE) -> list[Page]:
        with patch.object(self.vm, "alloc_page", lambda gfp: self.vm.alloc_pages(gfp, 0, 0)):
            return super().add(count, gfp)


def checkered(era: str) -> VM:
    """Three of four pages of a zone's first half are free again, so that few blocks are free as a whole."""
    vm = VM(layout=[(0, "Normal", 256), (1, "Normal", 64)], pageblock_order=4, era=era)
    driver = Movers(vm)
    pages = list(driver.add(200))
    for number, page in enumerate(pages):
        if number % 4:
            release(page)
    return vm


@pytest.mark.parametrize("era", ["6.1", "6.17", "7.3"])
def test_a_fragmented_node_is_compacted_until_it_is_good_enough(era: str) -> None:
    vm = checkered(era)
    first, second = vm.nodes
    before = fragmentation_score_node(first)
    assert before > 60 and before == first.zones[0].present_pages * fragmentation_score_zone(first.zones[0]) // 257
    assert fragmentation_score_node(second) == 0 and not should_proactive_compact_node(second, 100)
    assert not should_proactive_compact_node(first, 0)
    assert proactive_compact(vm, 60) == [0]
    after = fragmentation_score_node(first)
    assert after <= 40 < before  # 40 is the low mark
    moved = vm.vmstat["movable_migrated"]
    assert proactive_compact(vm, 60) == [] and vm.vmstat["movable_migrated"] == moved
    proactive_compact_node(first, 100)
    assert fragmentation_score_node(first) < after and vm.vmstat["movable_migrated"] > moved
