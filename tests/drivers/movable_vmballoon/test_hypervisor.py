"""The hypervisor answers each frame of a batch by itself, and notices when it is told nonsense."""

from __future__ import annotations

import pytest

from movable import VM, VMBug
from movable_vmballoon.hypervisor import BUSY, PPN_PINNED, SUCCESS, Hypervisor


def test_answers_of_a_batch() -> None:
    vm = VM(64 << 12)
    host = Hypervisor(vm, pinned_every=3)
    pages = [vm.pages.get(pfn) or vm.page(pfn) for pfn in range(1, 7)]
    assert host.lock(pages) == [SUCCESS, SUCCESS, PPN_PINNED] * 2
    assert host.locked == {1, 2, 4, 5} and host.owns(4) and not host.owns(3)
    host.refuse_unlocks = 1
    assert host.unlock([pages[0], pages[1]]) == [BUSY, SUCCESS] and host.batches == 2
    host.refuse_locks = 1
    assert host.lock([pages[1], pages[1]]) == [PPN_PINNED, SUCCESS]


def test_nonsense() -> None:
    vm = VM(64 << 12)
    host = Hypervisor(vm)
    page = vm.page(1)
    host.lock([page])
    with pytest.raises(VMBug, match="has already"):
        host.lock([page])
    host.unlock([page])
    with pytest.raises(VMBug, match="does not have"):
        host.unlock([page])
