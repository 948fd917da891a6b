"""The VMware-like balloon as each era has it: sizes, moves, and moves of which only the first half goes well."""

from __future__ import annotations

from errno import EAGAIN, EBUSY

import pytest

from movable import (
    MIGRATE_SYNC,
    MIGRATE_SYNC_NO_COPY,
    MR_COMPACTION,
    VM,
    ListHead,
    UsageError,
    isolate_movable_page,
    list_add_tail,
    migrate_pages,
    putback_movable_pages,
)
from movable.eras import ERAS
from movable.mm.page import Page
from movable.mm.validate import validate_vm
from movable_balloon import Balloon
from movable_vmballoon import VmBalloon

NODES = [(0, "Normal", 64), (1, "Normal", 64)]


def machine(era: str) -> VM:
    return VM(layout=NODES, pageblock_order=3, era=era)


def in_use(vm: VM) -> list[Page]:
    return [page for page in vm.pages.values() if page._refcount]


def isolated(vm: VM) -> ListHead:
    taken = ListHead("taken")
    for page in in_use(vm):
        assert isolate_movable_page(page, 8) == 0
        list_add_tail(page._lru, taken)
    return taken


def move(vm: VM, taken: ListHead, nid: int = 0) -> int:
    return migrate_pages(taken, lambda page, nid: vm.alloc_page(nid=nid), None, nid, MIGRATE_SYNC, MR_COMPACTION)


@pytest.mark.parametrize("era", ERAS)
def test_a_life(era: str) -> None:
    """It follows its target, moves to another node and back, and goes; nothing is lost and every counter comes back."""
    vm = machine(era)
    managed = [zone.managed_pages for zone in vm.zones]
    balloon = VmBalloon(vm, target=20)
    vm.run_work()
    assert balloon.num_pages == 20 and len(balloon.host.locked) == 20
    for nid in (1, 0):
        taken = isolated(vm)
        assert balloon.books.isolated == 20
        assert move(vm, taken, nid) == 0
        assert balloon.books.held() == 20 and balloon.books.isolated == 0
        assert vm.zones[nid].managed_pages == 44 and vm.zones[1 - nid].managed_pages == 64
        assert balloon.host.locked == {page.pfn for page in in_use(vm)}
    balloon.set_target(5)
    vm.run_work()
    assert balloon.num_pages == 5
    balloon.remove()
    balloon.remove()
    assert [zone.managed_pages for zone in vm.zones] == managed and not in_use(vm) and not vm.bad_pages
    assert vm.vmstat["balloon_inflate"] == vm.vmstat["balloon_deflate"] == 20 and vm.vmstat["balloon_migrate"] == 40
    validate_vm(vm)


@pytest.mark.parametrize("era", ERAS)
def test_frames_that_the_hypervisor_refuses(era: str) -> None:
    """They are kept aside until the end of the inflation, or it would get them again and again."""
    vm = machine(era)
    balloon = VmBalloon(vm, pinned_every=5)
    assert balloon.inflate(40) == 40 and balloon.refused == 10
    assert len(in_use(vm)) == 40 and not any(pfn % 5 == 0 for pfn in balloon.host.locked)
    balloon.host.pinned_every = 1
    assert balloon.inflate(30) == 0 and balloon.refused == 40  # a batch at a time
    balloon.host.refuse_unlocks = 3
    assert balloon.deflate(10) == 7 and balloon.num_pages == balloon.books.held() == 33
    balloon.remove()
    assert not in_use(vm) and vm.zones[0].managed_pages == 64
    validate_vm(vm)


@pytest.mark.parametrize("era", ERAS)
def test_a_move_whose_second_half_fails(era: str) -> None:
    """The old page is given back, the new one is not taken: the balloon is a page smaller, whatever the kernel calls that."""
    vm = machine(era)
    balloon = VmBalloon(vm)
    balloon.inflate(1)
    taken = isolated(vm)
    balloon.host.refuse_locks = 1
    left = move(vm, taken)
    assert left == (0 if ERAS[era].async_first else 1)  # a later part of the same call finds that nobody has the page any more
    putback_movable_pages(taken)
    assert balloon.num_pages == balloon.books.held() == balloon.books.isolated == 0 and not balloon.host.locked
    assert not in_use(vm) and vm.zones[0].managed_pages == 64
    assert vm.vmstat["balloon_deflate"] == 1 and not vm.vmstat["balloon_migrate"]
    validate_vm(vm)


@pytest.mark.parametrize("era", ERAS)
def test_a_move_whose_first_half_fails(era: str) -> None:
    """Nothing has changed; kernels that ask again after a final error move the page then."""
    vm = machine(era)
    balloon = VmBalloon(vm)
    balloon.inflate(1)
    taken = isolated(vm)
    balloon.host.refuse_unlocks = 1
    left = move(vm, taken)
    assert left == (0 if ERAS[era].async_first else 1)
    putback_movable_pages(taken)
    assert balloon.num_pages == balloon.books.held() == 1 and len(in_use(vm)) == 1
    balloon.remove()
    validate_vm(vm)


def test_what_the_hook_answers() -> None:
    vm = machine("7.3")
    balloon = VmBalloon(vm)
    balloon.inflate(1)
    page, other = in_use(vm)[0], vm.alloc_page()
    assert other is not None
    balloon.conf.lock()
    assert balloon.hook(None, other, page, 0) == -EAGAIN
    balloon.conf.unlock()
    balloon.host.refuse_unlocks = 1
    assert balloon.hook(None, other, page, 0) == -EBUSY and balloon.size == 1


def test_copies_are_refused_where_they_can_be_asked_for() -> None:
    vm = machine("4.19")
    balloon = VmBalloon(vm)
    balloon.inflate(1)
    taken = isolated(vm)
    rc = migrate_pages(taken, lambda page, vm: vm.alloc_page(), None, vm, MIGRATE_SYNC_NO_COPY, MR_COMPACTION)
    assert rc == 1 and balloon.num_pages == 1


def test_two_balloons_on_one_machine() -> None:
    """A balloon core serves both; before it, the page type has one owner; and before that, every page its own."""
    for era in ("4.19", "6.1", "7.3"):
        vm = machine(era)
        one, two = VmBalloon(vm), Balloon(vm)
        one.inflate(3)
        two.fill_balloon(4)
        assert move(vm, isolated(vm)) == 0 and one.num_pages == 3 and two.num_pages == 4
        one.remove()
        two.remove()
        assert not in_use(vm)
    vm = machine("6.17")
    Balloon(vm)
    with pytest.raises(UsageError, match="taken"):
        VmBalloon(vm)


def test_sizes_that_cannot_be() -> None:
    with pytest.raises(UsageError, match="-1 pages is not possible"):
        VmBalloon(machine("6.1"), target=-1)
    with pytest.raises(UsageError, match="pinned_every is -2"):
        VmBalloon(machine("6.1"), pinned_every=-2)
