"""Moving balloon pages, the lock that a migration must not wait for, and the removal."""

from __future__ import annotations

from errno import EAGAIN
from typing import Any

import pytest

from movable import (
    GFP_HIGHUSER_MOVABLE,
    MIGRATE_ASYNC,
    MIGRATE_SYNC,
    MIGRATE_SYNC_LIGHT,
    MIGRATE_SYNC_NO_COPY,
    MR_COMPACTION,
    VM,
    DeadlockError,
    ListHead,
    Page,
    PageBalloon,
    PageIsolated,
    PageMovable,
    VMBug,
    Work,
    isolate_movable_page,
    list_add,
    lock_page,
    migrate_pages,
    page_count,
    put_page,
    putback_movable_pages,
    unlock_page,
)
from movable.mm.validate import validate_vm
from movable.registry import load
from movable_balloon import Balloon
from movable_balloon.driver import REMOVE_ROUNDS


def with_balloon(pages: int = 3, vm: VM | None = None, **options: Any) -> tuple[VM, Balloon]:
    vm = vm or VM()
    balloon: Balloon = load(vm, Balloon, **options)
    balloon.set_target(pages)
    vm.run_work()
    return vm, balloon


def isolated(*pages: Page) -> ListHead:
    taken = ListHead("isolated")
    for page in pages:
        assert isolate_movable_page(page, 0) == 0
        list_add(page.lru, taken)
    return taken


def move(vm: VM, pages: ListHead, mode: int = MIGRATE_SYNC, to: Page | None = None) -> int:
    def target(page: Page, private: object) -> Page | None:
        return to or vm.alloc_page(GFP_HIGHUSER_MOVABLE)

    return migrate_pages(pages, target, None, None, mode, MR_COMPACTION)


def first_page(balloon: Balloon) -> Page:
    return next(iter(balloon.vb_dev_info.pages))


def test_the_host_hears_inflate_of_the_new_page_before_deflate_of_the_old() -> None:
    vm, balloon = with_balloon()
    page = first_page(balloon)
    said = len(balloon.host.messages)
    assert move(vm, isolated(page)) == 0
    inflate, deflate = list(balloon.host.messages)[said:]
    newpage = vm.page(inflate.pfns[0])
    assert (inflate.queue, deflate.queue, deflate.pfns) == ("inflate", "deflate", (page.pfn,))
    assert balloon.host.owns(newpage.pfn) and not balloon.host.owns(page.pfn)
    assert newpage is first_page(balloon)
    validate_vm(vm)


def test_a_moved_page_leaves_nothing_behind() -> None:
    vm, balloon = with_balloon()
    page = first_page(balloon)
    assert move(vm, isolated(page)) == 0
    newpage = first_page(balloon)
    assert page_count(page) == 0 and page_count(newpage) == 1
    assert not PageBalloon(page) and PageBalloon(newpage)
    lock_page(newpage)
    assert PageMovable(newpage) and not PageIsolated(newpage)
    unlock_page(newpage)
    assert newpage.private is balloon.vb_dev_info
    assert (balloon.num_pages, balloon.vb_dev_info.isolated_pages, len(balloon.host.owned)) == (3, 0, 3)


def test_counters_of_a_move() -> None:
    vm, balloon = with_balloon()
    assert move(vm, isolated(*balloon.vb_dev_info.pages)) == 0
    stat = vm.vmstat
    assert (stat["balloon_migrate"], stat["pgmigrate_success"]) == (3, 3)
    assert (stat["balloon_inflate"], stat["balloon_deflate"]) == (3, 0)


@pytest.mark.parametrize("mode", [MIGRATE_ASYNC, MIGRATE_SYNC_LIGHT, MIGRATE_SYNC])
def test_a_busy_balloon_asks_to_come_again(mode: int) -> None:
    vm, balloon = with_balloon()
    page = first_page(balloon)
    pages = isolated(page)
    with balloon.balloon_lock:
        assert move(vm, pages, mode) == 1
    assert vm.vmstat["migrate_retries"] == 10
    assert list(pages) == [page] and PageIsolated(page) and page_count(page) == 2
    assert move(vm, pages, mode) == 0
    validate_vm(vm)


def test_a_target_is_untouched_when_the_balloon_is_busy() -> None:
    vm, balloon = with_balloon()
    page, newpage = first_page(balloon), vm.alloc_page(GFP_HIGHUSER_MOVABLE)
    assert newpage is not None and balloon.mapping is not None
    pages = isolated(page)
    lock_page(page)
    lock_page(newpage)
    with balloon.balloon_lock:
        assert balloon.migratepage(balloon.mapping, newpage, page, MIGRATE_SYNC) == -EAGAIN
    assert page_count(newpage) == 1 and not newpage.lru.list and newpage.private == 0 and not PageBalloon(newpage)
    unlock_page(page)
    unlock_page(newpage)
    putback_movable_pages(pages)
    put_page(newpage)
    validate_vm(vm)


def test_no_copy_is_refused_for_good() -> None:
    vm, balloon = with_balloon()
    pages = isolated(first_page(balloon))
    assert move(vm, pages, MIGRATE_SYNC_NO_COPY) == 1
    assert not pages and len(balloon.vb_dev_info.pages) == 3
    validate_vm(vm)


class Interferer:
    """A shrinker whose only act is to migrate a page of the balloon: what compaction does in the allocator's depths."""

    def __init__(self, balloon: Balloon, target: Page) -> None:
        self.balloon = balloon
        self.target = target
        self.answers: list[int] = []

    def count_objects(self) -> int:
        return 0 if self.answers else 1

    def scan_objects(self, nr: int) -> int:
        balloon = self.balloon
        assert not balloon.balloon_lock.held
        pages = isolated(first_page(balloon))
        self.answers.append(move(balloon.vm, pages, MIGRATE_ASYNC, self.target))
        return 1


def test_a_fill_whose_own_allocation_migrates_its_pages() -> None:
    vm, balloon = with_balloon(5, deflate_on_oom=False)
    target = vm.alloc_page(GFP_HIGHUSER_MOVABLE)
    assert target is not None
    while vm.alloc_page() is not None:
        pass
    interferer = Interferer(balloon, target)
    vm.shrinkers.append(interferer)
    # No page could be had before; the move frees one, which the fill then gets.
    assert balloon.fill_balloon(1) == 1
    assert interferer.answers == [0]
    assert balloon.num_pages == 6 and balloon.host.check() == []
    assert balloon.host.owns(target.pfn)
    validate_vm(vm)


def test_a_migration_by_the_task_that_waits_for_the_host_is_turned_away() -> None:
    """The holder of the lock is this very task: waiting for it would never end."""
    vm, balloon = with_balloon(2, delayed_host=True)
    pages = isolated(first_page(balloon))
    answers: list[int] = []

    def interfere() -> None:
        assert balloon.balloon_lock.held
        answers.append(move(vm, pages, MIGRATE_ASYNC))

    queue = balloon.host.worker
    assert queue is not None
    queue.queue_work(Work(interfere, "interfere"))
    assert balloon.fill_balloon(1) == 1
    assert answers == [1]
    putback_movable_pages(pages)
    assert balloon.num_pages == 3
    validate_vm(vm)


@pytest.mark.parametrize("deflate_on_oom", [False, True])
def test_managed_pages_move_between_zones_with_the_page(deflate_on_oom: bool) -> None:
    vm = VM(layout=[(0, "Normal", 64), (1, "Normal", 64)])
    vm, balloon = with_balloon(8, vm, deflate_on_oom=deflate_on_oom)
    page = first_page(balloon)
    there = vm.alloc_page(GFP_HIGHUSER_MOVABLE, nid=1 - page.node)
    here = vm.alloc_page(GFP_HIGHUSER_MOVABLE, nid=page.node)
    assert there is not None and here is not None and there.zone is not page.zone is here.zone
    before = [zone.managed_pages for zone in vm.zones]
    assert sum(before) == (128 if deflate_on_oom else 120)
    assert move(vm, isolated(page), to=here) == 0
    assert [zone.managed_pages for zone in vm.zones] == before
    assert move(vm, isolated(here), to=there) == 0
    moved = 0 if deflate_on_oom else 1
    away = vm.zones.index(there.zone)
    before[away] -= moved
    before[1 - away] += moved
    assert [zone.managed_pages for zone in vm.zones] == before


# --- removal ---


def test_a_removal_gives_everything_back() -> None:
    vm, balloon = with_balloon(600, VM(1024 << 12))
    balloon.remove()
    assert balloon.num_pages == balloon.host.actual == len(balloon.host.owned) == 0
    assert sum(zone.nr_free for zone in vm.zones) == 1024
    assert not vm.address_spaces and not vm.shrinkers
    validate_vm(vm, content=True)
    balloon.remove()
    balloon.set_target(5)
    assert vm.run_work() == 0


def test_a_removal_while_work_is_queued_does_none_of_it() -> None:
    vm, balloon = with_balloon(0)
    balloon.set_target(50)
    balloon.host.request_stats()
    balloon.remove()
    assert vm.run_work() == 0 and balloon.num_pages == 0


def test_a_host_that_asks_during_a_removal_is_not_heard() -> None:
    vm, balloon = with_balloon(2)
    balloon.stop()
    balloon.set_target(50)
    balloon.host.request_stats()
    assert vm.run_work() == 0 and balloon.num_pages == 2


def test_a_removal_waits_for_isolated_pages() -> None:
    vm, balloon = with_balloon(3)
    pages = isolated(first_page(balloon))
    with pytest.raises(DeadlockError, match="balloon isolation"):
        balloon.remove()
    assert balloon.num_pages == 1 and balloon.mapping is not None
    putback_movable_pages(pages)
    balloon.remove()
    assert balloon.num_pages == 0
    validate_vm(vm)


def test_a_removal_goes_on_when_the_isolation_ends() -> None:
    for ending in ("putback", "migrate"):
        vm, balloon = with_balloon(3)
        pages = isolated(first_page(balloon))

        def end(ending: str = ending, vm: VM = vm, pages: ListHead = pages) -> None:
            if ending == "migrate":
                assert move(vm, pages) == 0
            else:
                putback_movable_pages(pages)

        vm.workqueue("compaction").queue_work(Work(end))
        balloon.remove()
        assert balloon.num_pages == 0 and not balloon.host.owned
        validate_vm(vm)


def test_a_removal_waits_for_a_page_that_somebody_has_locked() -> None:
    _vm, balloon = with_balloon(3)
    page = first_page(balloon)
    lock_page(page)
    with pytest.raises(DeadlockError, match=str(page.pfn)):
        balloon.remove()
    assert balloon.num_pages == 1
    unlock_page(page)


def test_a_removal_does_not_try_for_ever(monkeypatch: pytest.MonkeyPatch) -> None:
    _vm, balloon = with_balloon(1)
    tries: list[int] = []

    def leak(num: int) -> int:
        tries.append(num)
        return 0

    monkeypatch.setattr(balloon, "leak_balloon", leak)
    with pytest.raises(DeadlockError, match="1 balloon pages"):
        balloon.remove()
    assert len(tries) == REMOVE_ROUNDS + 1


def test_nobody_is_called_after_the_removal() -> None:
    _vm, balloon = with_balloon(1)
    page = first_page(balloon)
    balloon.remove()
    assert isolate_movable_page(page, 0) != 0
    with pytest.raises(VMBug, match="D41"):
        balloon.tell_host(balloon.inflate_vq)


def test_the_installed_name_leads_here() -> None:
    assert isinstance(load(VM(), "balloon"), Balloon)


def test_a_balloon_without_compaction_is_not_movable() -> None:
    vm, balloon = with_balloon(3, compaction=False)
    assert isolate_movable_page(first_page(balloon), 0) != 0
    balloon.remove()
    validate_vm(vm)
