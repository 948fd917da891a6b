"""The three callbacks: what moves, what is refused, and what both ends of an isolation owe."""

from __future__ import annotations

from errno import EAGAIN, EINVAL

import pytest

from movable import (
    GFP_HIGHUSER_MOVABLE,
    MIGRATE_ASYNC,
    MIGRATE_SYNC,
    MIGRATE_SYNC_NO_COPY,
    VM,
    DeadlockError,
    Page,
    VMBug,
    bit_spin_lock,
    bit_spin_unlock,
    get_page,
    lock_page,
    page_mapping,
    put_page,
    putback_movable_pages,
    unlock_page,
)
from movable_zsmalloc import ClassRow, Zsmalloc, distinct_classes, migrate, zspage_alloc
from movable_zsmalloc.handles import HANDLE_PIN_BIT
from movable_zsmalloc.zspage import ZS_EMPTY, get_zspage
from tests.drivers.movable_zsmalloc.movers import check, isolate, load, move, pages_of, pattern, store


@pytest.fixture
def zs() -> Zsmalloc:
    return Zsmalloc(VM(512 << 12))


def pristine(page: Page) -> bool:
    """As the allocator handed it out, apart from the lock."""
    return (page.private, page.index, page.mapping, page._flags & ~1, page._refcount) == (0, 0, 0, 0, 1)


@pytest.mark.parametrize("row", distinct_classes(), ids=lambda row: f"{row.size}")
def test_every_page_of_every_class_moves(row: ClassRow) -> None:
    zs = Zsmalloc(VM(512 << 12, nodes=2))
    size = row.size if row.huge else row.size - 8
    contents = {store(zs, pattern(i, size)): pattern(i, size) for i in range(row.objs)}
    handles = list(contents)
    for handle in handles[1::2]:
        zs.zs_free(handle)
        del contents[handle]
    before = pages_of(zs)
    assert move(zs, isolate(before), nid=1) == 0
    after = pages_of(zs)
    assert len(after) == len(before) and not set(before) & set(after)
    check(zs)
    for handle, content in contents.items():
        assert load(zs, handle, size) == content
    more = [store(zs, pattern(i, size)) for i in range(len(handles) - len(contents))]  # the free list moved as well
    assert pages_of(zs) == after
    for handle in [*contents, *more]:
        zs.zs_free(handle)
    check(zs)
    zs.remove()


def test_one_page_of_a_chain_moves_alone(zs: Zsmalloc) -> None:
    handles = [store(zs, pattern(i, 3000)) for i in range(4)]
    for at in range(3):
        old = list(get_zspage(zs.vm.page(zs.handles[handles[0]].location[0])).pages())
        assert move(zs, isolate([old[at]])) == 0
        new = list(get_zspage(zs.vm.page(zs.handles[handles[0]].location[0])).pages())
        assert [a is b for a, b in zip(old, new, strict=True)] == [i != at for i in range(3)]
        check(zs)
    assert [load(zs, handles[i], 3000) for i in range(4)] == [pattern(i, 3000) for i in range(4)]


def test_move_to_another_node_takes_the_zone_statistics_along() -> None:
    vm = VM(512 << 12, nodes=2)
    zs = Zsmalloc(vm)
    handles = [store(zs, pattern(i, 3000)) for i in range(40)]
    pages = zs.zs_get_total_pages()
    assert [zone.vmstat["nr_zspages"] for zone in vm.zones] == [pages, 0]
    assert move(zs, isolate(pages_of(zs)), nid=1) == 0
    assert [zone.vmstat["nr_zspages"] for zone in vm.zones] == [0, pages]
    assert all(page.node == 1 for page in pages_of(zs))
    check(zs)
    assert all(load(zs, handle, 3000) == pattern(i, 3000) for i, handle in enumerate(handles))
    zs.remove()
    assert [zone.vmstat["nr_zspages"] for zone in vm.zones] == [0, 0]


def test_no_copy_is_refused(zs: Zsmalloc) -> None:
    store(zs, b"x")
    (page,) = pages_of(zs)[:1]
    lock_page(page)
    target = zs.vm.alloc_page()
    assert target is not None
    assert zs.migratepage(zs.mapping, target, page, MIGRATE_SYNC_NO_COPY) == -EINVAL
    unlock_page(page)
    assert pristine(target)
    isolated = isolate([page])
    assert move(zs, isolated, mode=MIGRATE_SYNC_NO_COPY) == 1
    assert not isolated
    assert pages_of(zs)[0] is page


@pytest.mark.parametrize("mode", [MIGRATE_ASYNC, MIGRATE_SYNC])
def test_mapped_object_keeps_its_zspage_in_place(zs: Zsmalloc, mode: int) -> None:
    handles = [store(zs, pattern(i, 3000)) for i in range(4)]
    pages = pages_of(zs)
    target = zs.vm.alloc_page()
    assert target is not None
    isolated = isolate(pages)
    view = zs.zs_map_object(handles[0])
    for page in pages:  # also those that the object does not touch: its zspage is read-locked
        lock_page(page)
        lock_page(target)
        assert zs.migratepage(zs.mapping, target, page, mode) == -EAGAIN
        unlock_page(target)
        unlock_page(page)
        assert pristine(target)
    view[:4] = b"kept"
    zs.zs_unmap_object(handles[0])
    assert move(zs, isolated, mode=mode) == 0
    assert load(zs, handles[0], 4) == b"kept"
    put_page(target)
    check(zs)


def test_pinned_object_keeps_the_page_that_it_begins_in(zs: Zsmalloc) -> None:
    handles = [store(zs, pattern(i, 3000)) for i in range(4)]  # at 0, 3072, 6144, 9216: pages 0, 0, 1, 2
    pages = list(get_zspage(zs.vm.page(zs.handles[handles[0]].location[0])).pages())
    cell = zs.handles[handles[1]]
    words = [zs.handles[handle].word for handle in handles]
    isolated = isolate(pages)
    target = zs.vm.alloc_page()
    assert target is not None
    bit_spin_lock(HANDLE_PIN_BIT, cell)
    lock_page(pages[0])
    lock_page(target)
    assert zs.migratepage(zs.mapping, target, pages[0], MIGRATE_SYNC) == -EAGAIN
    unlock_page(target)
    unlock_page(pages[0])
    assert pristine(target)
    bit_spin_unlock(HANDLE_PIN_BIT, cell)
    assert [zs.handles[handle].word for handle in handles] == words  # those pinned before the refusal were let go
    # The object spills into page 1, which may move: handles lead to where objects begin.
    bit_spin_lock(HANDLE_PIN_BIT, cell)
    lock_page(pages[1])
    lock_page(target)
    assert zs.migratepage(zs.mapping, target, pages[1], MIGRATE_SYNC) == 0
    unlock_page(target)
    unlock_page(pages[1])
    bit_spin_unlock(HANDLE_PIN_BIT, cell)
    assert load(zs, handles[1], 3000) == pattern(1, 3000)
    assert len(isolated) == 3


def test_pin_survives_the_move(zs: Zsmalloc, monkeypatch: pytest.MonkeyPatch) -> None:
    """While a page is being moved its objects stay pinned, before and after their handles are rewritten."""
    handle = store(zs, b"x")
    seen: list[int] = []

    def spy(*arguments: object) -> None:
        seen.append(zs.handles[handle].word & 1)
        replace(*arguments)  # type: ignore[arg-type]
        seen.append(zs.handles[handle].word & 1)

    replace = zspage_alloc.replace_sub_page
    monkeypatch.setattr(migrate, "replace_sub_page", spy)
    assert move(zs, isolate(pages_of(zs)[:1])) == 0
    assert seen == [1, 1]
    assert zs.handles[handle].word & 1 == 0


def test_isolated_zspage_is_off_its_list_and_not_allocated_from(zs: Zsmalloc) -> None:
    handle = store(zs, pattern(0, 3000))
    pages = pages_of(zs)
    zspage = get_zspage(pages[0])
    isolated = isolate(pages[:2])
    assert zspage.isolated == 2 and not zspage.linked
    other = zs.zs_malloc(3000)
    assert zs.handles[other].location[0] not in [page.pfn for page in pages]
    putback_movable_pages(isolated)
    assert zspage.isolated == 0 and zspage.linked
    assert load(zs, handle, 3000) == pattern(0, 3000)
    check(zs)


def test_isolation_is_counted_by_zspage(zs: Zsmalloc) -> None:
    for i in range(8):
        store(zs, pattern(i, 3000))
    pages = pages_of(zs)
    isolated = isolate(pages)
    assert (zs.isolated.read(), len(isolated)) == (2, 6)
    check(zs, quiescent=False)
    putback_movable_pages(isolated)
    assert zs.isolated.read() == 0
    check(zs)


def test_page_of_an_empty_zspage_is_refused(zs: Zsmalloc) -> None:
    handle = zs.zs_malloc(3000)
    pages = pages_of(zs)
    lock_page(pages[0])
    zs.zs_free(handle)
    unlock_page(pages[0])
    assert not isolate(pages)
    assert zs.isolated.read() == 0
    check(zs)


def test_page_under_object_compaction_is_refused(zs: Zsmalloc) -> None:
    store(zs, pattern(0, 3000))
    page = pages_of(zs)[0]
    size_class = get_zspage(page).size_class
    zspage = size_class.take((1, 2))
    assert zspage is not None
    assert not isolate([page])
    assert not zspage.isolated
    size_class.insert_zspage(zspage)
    assert len(isolate([page])) == 1


def test_zspage_emptied_while_isolated_is_freed_after_putback(zs: Zsmalloc) -> None:
    handles = [zs.zs_malloc(3000) for _ in range(4)]
    isolated = isolate(pages_of(zs)[:2])
    for handle in handles:
        zs.zs_free(handle)
    assert zs.zs_get_total_pages() == 3
    check(zs, quiescent=False)
    putback_movable_pages(isolated)
    assert zs.zs_get_total_pages() == 3
    assert zs.vm.run_work() == 1
    assert zs.zs_get_total_pages() == 0 and not pages_of(zs)
    check(zs)


def test_zspage_emptied_while_isolated_is_freed_after_migration(zs: Zsmalloc) -> None:
    handles = [zs.zs_malloc(3000) for _ in range(4)]
    isolated = isolate(pages_of(zs)[:2])
    for handle in handles:
        zs.zs_free(handle)
    assert move(zs, isolated) == 0
    assert zs.size_class(190).lists[ZS_EMPTY]
    assert zs.vm.run_work() == 1
    assert zs.zs_get_total_pages() == 0 and not pages_of(zs)
    assert zs.vm.zones[0].vmstat["nr_zspages"] == 0
    check(zs)


def test_objects_freed_while_isolated_change_the_group_in_absence(zs: Zsmalloc) -> None:
    handles = [zs.zs_malloc(504) for _ in range(8)]
    isolated = isolate(pages_of(zs))
    for handle in handles[:5]:
        zs.zs_free(handle)
    assert not any(zs.size_class(30).lists)
    putback_movable_pages(isolated)
    assert [len(zspages) for zspages in zs.size_class(30).lists] == [0, 1, 0, 0]
    check(zs)


def test_old_page_goes_back_clean(zs: Zsmalloc) -> None:
    store(zs, pattern(0, 4096))
    (old,) = pages_of(zs)
    free = zs.vm.zones[0].nr_free
    assert move(zs, isolate([old])) == 0
    assert old._refcount == 0 and zs.vm.zones[0].nr_free == free
    assert not zs.vm.bad_pages
    (new,) = pages_of(zs)
    assert page_mapping(new) is zs.mapping and new._refcount == 1


def test_rest_behind_the_last_object_is_no_object(zs: Zsmalloc) -> None:
    """93 objects of 176 bytes leave 16 bytes of four pages, which may hold anything."""
    contents = [store(zs, pattern(i, 160)) for i in range(93)]
    last = list(get_zspage(pages_of(zs)[0]).pages())[3]
    last.data[-16:] = b"\xff" * 16
    assert move(zs, isolate([last])) == 0
    zs.zs_free(contents.pop(0))
    assert zs.zs_compact() == 0
    check(zs)


@pytest.mark.parametrize("size", [3000, 4096])
def test_old_page_forgets_its_zspage(zs: Zsmalloc, size: int) -> None:
    store(zs, pattern(0, size))
    old = pages_of(zs)[0]
    get_page(old)
    assert move(zs, isolate([old])) == 0
    assert (old.private, old.index, old._flags, old._refcount) == (0, 0, 0, 1)
    put_page(old)
    check(zs)


def test_migration_under_memory_pressure_gives_up_and_puts_back(zs: Zsmalloc) -> None:
    handles = [store(zs, pattern(i, 3000)) for i in range(8)]
    hoard = []
    while (page := zs.vm.alloc_page(GFP_HIGHUSER_MOVABLE)) is not None:
        hoard.append(page)
    isolated = isolate(pages_of(zs))
    assert move(zs, isolated) < 0
    assert len(isolated) == 6
    putback_movable_pages(isolated)
    check(zs)
    assert all(load(zs, handle, 3000) == pattern(i, 3000) for i, handle in enumerate(handles))


def test_page_with_a_foreign_private_field_is_reported(zs: Zsmalloc) -> None:
    store(zs, b"x")
    page = pages_of(zs)[0]
    page.private = None
    with pytest.raises(VMBug, match="private is None"):
        isolate([page])


def test_page_outside_its_chain_is_reported(zs: Zsmalloc) -> None:
    store(zs, pattern(0, 3000))
    page = zs.vm.alloc_page()
    assert page is not None
    page.private = zspage = get_zspage(pages_of(zs)[0])
    with pytest.raises(VMBug, match="does not hold it"):
        zspage.number_of(page)
    next(zspage.pages()).index.index.index = page
    with pytest.raises(VMBug, match="its chain goes on with page"):
        list(zspage.pages())


def test_free_of_a_mapped_object_is_a_deadlock(zs: Zsmalloc) -> None:
    handle = store(zs, b"x")
    zs.zs_map_object(handle)
    with pytest.raises((DeadlockError, VMBug), match="lock bit of handle"):
        zs.zs_free(handle)
