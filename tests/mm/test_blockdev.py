"""A simulated disk: pages and their blocks, what was never written, and what fails."""

from __future__ import annotations

import pytest

from movable import PAGE_SIZE
from movable.bench import VM
from movable.mm.blockdev import Disk


def test_a_page_is_kept_in_blocks_until_it_is_discarded() -> None:
    disk = Disk(VM(1 << 20), 16)
    page = bytes(range(256)) * (PAGE_SIZE // 256)
    disk.write(1, page)
    assert sorted(disk.blocks) == [4, 5, 6, 7] and (disk.read(1), disk.read(0)) == (page, bytes(PAGE_SIZE))
    assert (disk.writes, disk.reads) == (4, 8)
    disk.discard(1)
    assert disk.read(1) == bytes(PAGE_SIZE) and not disk.blocks


@pytest.mark.parametrize(("index", "failing", "fails"), [(4, set(), False), (0, {3}, False), (0, set(), True)])
def test_a_block_that_is_not_there_or_fails_is_an_error(index: int, failing: set[int], fails: bool) -> None:
    disk = Disk(VM(1 << 20), 16)
    disk.failing, disk.fails = failing, fails
    with pytest.raises(OSError, match="cannot be used"):
        disk.read(index)
    with pytest.raises(OSError, match="cannot be used"):
        disk.write(index, bytes(PAGE_SIZE))
