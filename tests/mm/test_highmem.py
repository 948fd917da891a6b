"""The content of whole pages, copied and cleared."""

from __future__ import annotations

from movable import GFP_KERNEL, PAGE_SIZE, clear_highpage, copy_highpage
from movable.bench import VM


def test_a_copy_is_whole_and_stays_when_its_source_changes() -> None:
    vm = VM(1 << 20)
    source, target = vm.alloc_page(GFP_KERNEL), vm.alloc_page(GFP_KERNEL)
    assert source is not None and target is not None
    source.data[:] = bytes(range(256)) * (PAGE_SIZE // 256)
    copy_highpage(target, source)
    source.data[:4] = b"left"
    assert bytes(target.data) == bytes(range(256)) * (PAGE_SIZE // 256)
    clear_highpage(target)
    assert bytes(target.data) == bytes(PAGE_SIZE) and bytes(source.data[:4]) == b"left"
