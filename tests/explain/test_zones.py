"""The numbers of a zone."""

from __future__ import annotations

from movable.explain.zones import at, every, last
from tests.explain.material import BUDDY
from tests.explain.test_answers import ask


def test_the_numbers_of_a_zone() -> None:
    material, _ = ask(BUDDY)
    normal = at(last(material)[2], 9)
    assert (normal.free_blocks, normal.usable_blocks, normal.fragmentation_index, normal.unusable_index) == (0, 0, 998, 1000)
    assert normal.blocks_if_compacted == 1983 >> 9
    dma = at(last(material)[0], 9)
    assert (dma.free_blocks, dma.usable_blocks, dma.fragmentation_index) == (1, 7, -1000)
    assert len(list(every(material))) == 33
