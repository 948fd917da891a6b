"""Free page reporting over its queue: what the host hears, and what it leaves alone."""

from __future__ import annotations

import pytest

from movable import VM, UsageError, put_page
from movable.mm.validate import validate_vm
from movable_balloon import Balloon


def machine(page_poisoning: bool = False, delayed_host: bool = False) -> tuple[VM, Balloon]:
    """Four large blocks are free; reports take three of them, and leave one for the watermark."""
    vm = VM(4096 << 12, pageblock_order=2, page_poisoning=page_poisoning)
    balloon = Balloon(vm, reporting=True, delayed_host=delayed_host)
    vm.run_work()
    return vm, balloon


@pytest.mark.parametrize("delayed_host", [False, True])
def test_the_host_hears_of_free_blocks_and_owns_none(delayed_host: bool) -> None:
    vm, balloon = machine(delayed_host=delayed_host)
    assert balloon.host.requests["reporting"] == 1
    assert len(balloon.host.messages[-1].pfns) == 3
    assert not balloon.host.owned
    assert balloon.reporting is not None and balloon.reporting.device.reported == 3
    validate_vm(vm)


def used_and_freed(vm: VM) -> list[bytes]:
    """Write to a block of pages, free them, run what is queued; what they hold then."""
    head = vm.alloc_pages(0, 4)
    assert head is not None
    pages = [vm.page(head.pfn + i) for i in range(16)]
    for page in pages:
        page.data[:] = b"x" * 4096
    put_page(head)
    vm.run_work()
    return [bytes(page.data) for page in pages]


def test_reported_memory_reads_as_zeros_and_is_the_guests_at_once() -> None:
    vm, balloon = machine()
    before = balloon.host.requests["reporting"]
    assert used_and_freed(vm) == [bytes(4096)] * 16
    assert balloon.host.requests["reporting"] == before + 1
    assert balloon.host.check() == []


def test_a_poisoned_page_keeps_its_poison() -> None:
    vm, balloon = machine(page_poisoning=True)
    before = balloon.host.requests["reporting"]
    assert used_and_freed(vm) == [b"\xaa" * 4096] * 16
    assert balloon.host.requests["reporting"] == before + 1
    validate_vm(vm, content=True)


def test_deflated_pages_are_reported_when_they_form_a_block() -> None:
    vm, balloon = machine()
    balloon.set_target(500)
    vm.run_work()
    before = balloon.host.requests["reporting"]
    balloon.set_target(0)
    vm.run_work()
    assert balloon.host.requests["reporting"] > before
    assert not balloon.host.owned
    validate_vm(vm)


def test_a_removal_ends_the_reports() -> None:
    vm, balloon = machine()
    before = balloon.host.requests["reporting"]
    balloon.remove()
    page = vm.alloc_pages(0, 4)
    assert page is not None
    put_page(page)
    assert vm.run_work() == 0 and balloon.host.requests["reporting"] == before


def test_one_device_reports() -> None:
    vm, _ = machine()
    with pytest.raises(UsageError, match="already"):
        Balloon(vm, reporting=True)
