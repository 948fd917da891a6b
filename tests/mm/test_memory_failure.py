"""Soft offline: every answer, and that a retired frame never comes back."""

from __future__ import annotations

from errno import EAGAIN, EBUSY, EINVAL, EIO, ENOMEM, EOPNOTSUPP

import pytest

from movable import GFP_HIGHUSER_MOVABLE, GFP_MEMALLOC, MIGRATE_MOVABLE, VM, Event, UsageError, get_page, put_page
from movable.mm.compaction import compact_memory
from movable.mm.memory_failure import POISONED, soft_offline_page
from movable.mm.page_flags import PG_hwpoison
from movable.mm.page_isolation import start_isolate_page_range
from movable.mm.validate import validate_vm
from tests.drivers_for_tests.keeper import Keeper, free_frames, machine, settle

FRAMES = 256


def halves() -> Keeper:
    return settle(machine(FRAMES), range(1, FRAMES, 2))


def test_a_movable_page_moves_and_its_frame_is_retired() -> None:
    keeper = halves()
    vm = keeper.vm
    events: list[Event] = []
    vm.observe(lambda event: events.append(event) if event.kind in ("isolate_movable_page", "migrate_pages") else None)
    assert soft_offline_page(vm, 77) == 0
    assert vm.bad_pages == [(77, POISONED)]
    assert vm.page(77)._flags >> PG_hwpoison & 1
    assert events[0].args["mode"] == 8
    assert (events[1].args["nr"], events[1].args["mode"], events[1].args["reason"]) == (1, 2, 1)
    assert len(keeper.pages) == FRAMES // 2
    keeper.check()


def test_a_free_frame_is_retired_at_once() -> None:
    keeper = halves()
    vm = keeper.vm
    free = vm.zones[0].nr_free
    assert soft_offline_page(vm, 78) == 0
    assert not keeper.calls
    assert vm.zones[0].nr_free == free - 1
    keeper.check()


@pytest.mark.parametrize("pfn", [0, 1, 100, 255])
def test_a_frame_in_the_middle_of_a_large_free_block(pfn: int) -> None:
    vm = machine(FRAMES)
    assert soft_offline_page(vm, pfn) == 0
    assert free_frames(vm) == set(range(FRAMES)) - {pfn}
    assert vm.zones[0].nr_free == FRAMES - 1
    assert len(list(vm.zones[0].free_blocks())) == 8
    validate_vm(vm)


def test_a_free_frame_of_a_closed_pageblock_did_not_count() -> None:
    vm = machine(FRAMES)
    assert start_isolate_page_range(vm.zones[0], 32, 48, MIGRATE_MOVABLE) is not None
    assert soft_offline_page(vm, 40) == 0
    assert vm.zones[0].nr_free == FRAMES - 16
    validate_vm(vm)


def test_a_retired_frame_is_never_handed_out_again() -> None:
    keeper = halves()
    vm = keeper.vm
    for pfn in (60, 61, 62, 200):
        assert soft_offline_page(vm, pfn) == 0
    compact_memory(vm)
    keeper.check()
    for _ in range(vm.zones[0].nr_free):
        page = vm.alloc_pages(GFP_HIGHUSER_MOVABLE | GFP_MEMALLOC, 0)
        assert page is not None
        assert page.pfn not in (60, 61, 62, 200)
    assert vm.alloc_pages(GFP_HIGHUSER_MOVABLE | GFP_MEMALLOC, 0) is None


def test_a_retired_frame_cannot_be_retired() -> None:
    keeper = halves()
    assert soft_offline_page(keeper.vm, 77) == 0
    assert soft_offline_page(keeper.vm, 77) == -EBUSY
    assert len(keeper.vm.bad_pages) == 1


@pytest.mark.parametrize(("answer", "ret", "calls"), [(-EAGAIN, -EIO, 10), (-EINVAL, -EIO, 1), (-ENOMEM, -ENOMEM, 1)])
def test_a_page_that_does_not_move(answer: int, ret: int, calls: int) -> None:
    keeper = halves()
    keeper.answer = lambda page: answer
    assert soft_offline_page(keeper.vm, 77) == ret
    assert keeper.count("migrate") == calls
    assert keeper.count("putback") == 1
    assert not keeper.vm.bad_pages
    keeper.check()


def test_no_room_elsewhere() -> None:
    vm = machine(64)
    keeper = settle(vm, range(62))
    assert soft_offline_page(vm, 5) == -ENOMEM
    keeper.check()


def test_an_owner_who_does_not_let_go() -> None:
    keeper = halves()
    keeper.isolate_page = lambda page, mode: False  # type: ignore[method-assign]
    keeper.mapping.a_ops = keeper.mapping.a_ops._replace(isolate_page=keeper.isolate_page)
    assert soft_offline_page(keeper.vm, 77) == -EBUSY
    keeper.check()


def test_a_plain_allocation_cannot_move() -> None:
    vm = machine(FRAMES)
    keeper = settle(vm, [1], [9])
    assert soft_offline_page(vm, 9) == -EIO
    assert vm.page(9)._refcount == 1
    keeper.check()


def test_a_frame_that_is_nobodys() -> None:
    vm = machine(FRAMES)
    page = vm.alloc_pages(GFP_HIGHUSER_MOVABLE, 2)
    assert page is not None
    assert soft_offline_page(vm, page.pfn + 1) == -EIO
    with pytest.raises(UsageError, match="frame 256"):
        soft_offline_page(vm, FRAMES)


def test_somebody_elses_reference_keeps_the_frame_in_use() -> None:
    """The owner's content has moved, but the frame is not free, so that it cannot be retired yet; the kernel answers 0 too."""
    keeper = halves()
    page = keeper.vm.page(77)
    get_page(page)
    assert soft_offline_page(keeper.vm, 77) == 0
    assert not keeper.vm.bad_pages
    assert page._refcount == 1
    put_page(page)
    keeper.check()


def test_soft_offlining_can_be_switched_off() -> None:
    vm = VM(64 << 12, era="7.3")
    vm.enable_soft_offline = False
    assert soft_offline_page(vm, 5) == -EOPNOTSUPP
