"""The balloon as each era has it: who owns lists and counters, and what a hook's answer means."""

from __future__ import annotations

from errno import EAGAIN, EBUSY, ENOENT

import pytest

from movable import VM, ListHead, UsageError, isolate_movable_page, list_add_tail, migrate_pages, putback_movable_pages
from movable.eras import ERAS
from movable.mm.balloon import BalloonDevInfo, balloon_page_alloc, balloon_page_enqueue
from movable.mm.migrate import MIGRATE_SYNC, MR_COMPACTION
from movable.mm.validate import validate_vm
from movable_balloon import Balloon


@pytest.mark.parametrize("era", ERAS)
@pytest.mark.parametrize("deflate_on_oom", [True, False])
def test_a_life(era: str, deflate_on_oom: bool) -> None:
    """Inflate, move every page to another zone and back, deflate, go; nothing is lost and every counter comes back."""
    vm = VM(layout=[(0, "Normal", 64), (1, "Normal", 64)], pageblock_order=3, era=era)
    managed = [zone.managed_pages for zone in vm.zones]
    balloon = Balloon(vm, deflate_on_oom=deflate_on_oom)
    assert balloon.fill_balloon(10) == 10
    for nid in (1, 0, 1):
        pages = ListHead("taken")
        for page in [page for page in vm.pages.values() if page._refcount and page._private]:
            assert isolate_movable_page(page, 8) == 0
            list_add_tail(page._lru, pages)
        assert balloon.vb_dev_info.isolated_pages == 10
        assert migrate_pages(pages, lambda page, nid: vm.alloc_page(nid=nid), None, nid, MIGRATE_SYNC, MR_COMPACTION) == 0
        assert balloon.vb_dev_info.ballooned() == 10 and balloon.vb_dev_info.isolated_pages == 0
        gone = sum(managed) - sum(zone.managed_pages for zone in vm.zones)
        assert gone == (0 if deflate_on_oom else 10) and not balloon.host.check()
    assert vm.vmstat["balloon_migrate"] == 30
    balloon.remove()
    assert [zone.managed_pages for zone in vm.zones] == managed
    assert vm.vmstat["balloon_inflate"] == vm.vmstat["balloon_deflate"] == 10
    assert not any(page._refcount for page in vm.pages.values()) and not vm.bad_pages
    validate_vm(vm)


@pytest.mark.parametrize(("answer", "left", "refs"), [(0, 1, 1), (-ENOENT, 0, 0), (5, 0, 0), (-EBUSY, 1, 1), (-EAGAIN, 1, 1)])
def test_what_the_balloon_core_makes_of_an_answer(answer: int, left: int, refs: int) -> None:
    vm = VM(era="7.3")
    device = BalloonDevInfo(vm, lambda *arguments: answer, adjust_managed_page_count=True)
    page = balloon_page_alloc(vm)
    assert page is not None
    balloon_page_enqueue(device, page)
    pages = ListHead("taken")
    assert isolate_movable_page(page, 8) == 0
    list_add_tail(page._lru, pages)
    rc = migrate_pages(pages, lambda page, vm: vm.alloc_page(), None, vm, MIGRATE_SYNC, MR_COMPACTION)
    assert rc == (answer in (-EBUSY, -EAGAIN))
    putback_movable_pages(pages)
    assert device.ballooned() == left and sum(page._refcount for page in vm.pages.values()) == refs
    assert vm.zones[0].managed_pages == 64 - left and vm.vmstat["balloon_deflate"] == 1 - left
    validate_vm(vm)


def test_the_nodes_counter_is_left_behind_by_a_move() -> None:
    """As the kernel has it: nr_balloon_pages knows nothing of moves to another node."""
    vm = VM(layout=[(0, "Normal", 16), (1, "Normal", 16)], pageblock_order=2, era="7.3")
    balloon = Balloon(vm)
    balloon.fill_balloon(1)
    page = next(page for page in vm.pages.values() if page._refcount)
    pages = ListHead("taken")
    assert isolate_movable_page(page, 8) == 0
    list_add_tail(page._lru, pages)
    assert migrate_pages(pages, lambda page, vm: vm.alloc_page(nid=1), None, vm, MIGRATE_SYNC, MR_COMPACTION) == 0
    assert [node.vmstat["nr_balloon_pages"] for node in vm.nodes] == [1, 0]
    balloon.leak_balloon(1)
    assert [node.vmstat["nr_balloon_pages"] for node in vm.nodes] == [1, -1]


def test_slots_of_operations() -> None:
    vm = VM(era="6.17")
    Balloon(vm)
    with pytest.raises(UsageError, match="taken"):
        Balloon(vm)
    assert vm.set_movable_ops(object(), "slab") == -22 and vm.movable_ops_of("zsmalloc") is None
    with pytest.raises(UsageError, match=r"era 6\.1 has no set_movable_ops"):
        VM(era="6.1").set_movable_ops(object(), "offline")
