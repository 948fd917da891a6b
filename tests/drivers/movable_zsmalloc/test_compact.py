"""zs_compact and the shrinker."""

from __future__ import annotations

import pytest

from movable import SHRINK_STOP, VM, bit_spin_lock, bit_spin_unlock, lock_page, putback_movable_pages, unlock_page
from movable_zsmalloc import Zsmalloc
from movable_zsmalloc.compact import DESTINATIONS, SOURCES
from movable_zsmalloc.handles import HANDLE_PIN_BIT
from movable_zsmalloc.zspage import SizeClass, Zspage
from tests.drivers.movable_zsmalloc.movers import check, isolate, load, pages_of, pattern, store


@pytest.fixture
def zs() -> Zsmalloc:
    return Zsmalloc(VM(512 << 12))


def sparse(zs: Zsmalloc, size: int, count: int, keep: int) -> dict[int, bytes]:
    """``count`` objects of which every ``keep``-th stays."""
    contents = {store(zs, pattern(i, size)): pattern(i, size) for i in range(count)}
    for i, handle in enumerate(list(contents)):
        if i % keep:
            zs.zs_free(handle)
            del contents[handle]
    return contents


@pytest.mark.parametrize("size", [40, 104, 504, 1200, 3000, 3200])
def test_objects_move_together_and_pages_come_free(zs: Zsmalloc, size: int) -> None:
    contents = sparse(zs, size, 120, 3)
    row = zs.size_class(-(-(size + 8 - 32) // 16))
    before = zs.zs_get_total_pages()
    possible = row.zs_can_compact()
    freed = zs.zs_compact()
    assert freed == possible == before - zs.zs_get_total_pages()
    assert row.zs_can_compact() == 0
    check(zs)
    for handle, content in contents.items():
        assert load(zs, handle, size) == content
    assert zs.zs_compact() == 0
    zs.remove()


def test_return_value_is_per_call_and_the_statistic_is_the_sum(zs: Zsmalloc) -> None:
    sparse(zs, 504, 64, 4)
    first = zs.zs_compact()
    sparse(zs, 1200, 30, 3)
    second = zs.zs_compact()
    assert first > 0 and second > 0
    assert zs.zs_pool_stats() == {"pages_compacted": first + second}


def test_full_and_single_zspages_are_left_alone(zs: Zsmalloc) -> None:
    handles = [store(zs, pattern(i, 504)) for i in range(17)]
    places = [zs.handles[handle].location for handle in handles]
    assert zs.zs_compact() == 0
    assert [zs.handles[handle].location for handle in handles] == places
    check(zs)


def test_pinned_object_stays_and_compaction_ends(zs: Zsmalloc) -> None:
    contents = sparse(zs, 504, 64, 4)
    pinned = next(iter(contents))
    place = zs.handles[pinned].location
    bit_spin_lock(HANDLE_PIN_BIT, zs.handles[pinned])
    freed = zs.zs_compact()
    bit_spin_unlock(HANDLE_PIN_BIT, zs.handles[pinned])
    assert zs.handles[pinned].location == place
    check(zs)
    assert freed + zs.zs_compact() == 6
    assert all(load(zs, handle, 504) == content for handle, content in contents.items())


def test_every_object_pinned_moves_nothing(zs: Zsmalloc, monkeypatch: pytest.MonkeyPatch) -> None:
    taken: list[tuple[int, ...]] = []
    take = SizeClass.take

    def spy(self: SizeClass, groups: tuple[int, ...]) -> Zspage | None:
        if self.objs_used:
            taken.append(groups)
        return take(self, groups)

    monkeypatch.setattr(SizeClass, "take", spy)
    contents = sparse(zs, 504, 64, 4)
    for handle in contents:
        bit_spin_lock(HANDLE_PIN_BIT, zs.handles[handle])
    assert zs.zs_compact() == 0
    assert taken == [SOURCES, DESTINATIONS]  # one try is enough to see it
    for handle in contents:
        bit_spin_unlock(HANDLE_PIN_BIT, zs.handles[handle])
    check(zs)


def test_isolated_zspages_take_no_part(zs: Zsmalloc) -> None:
    contents = sparse(zs, 504, 64, 4)
    pages = pages_of(zs)
    isolated = isolate(pages[:4])
    where = {handle: zs.handles[handle].location for handle in contents}
    assert zs.zs_compact() == 3
    held = {page.pfn for page in pages[:4]}
    assert all(zs.handles[handle].location == place for handle, place in where.items() if place[0] in held)
    putback_movable_pages(isolated)
    assert zs.zs_compact() == 3
    check(zs)


def test_source_with_a_locked_page_is_freed_by_the_worker(zs: Zsmalloc) -> None:
    sparse(zs, 504, 64, 4)
    for page in pages_of(zs):
        lock_page(page)
    assert zs.zs_compact() == 6
    assert zs.zs_get_total_pages() == 8
    for page in pages_of(zs):
        unlock_page(page)
    zs.vm.run_work()
    assert zs.zs_get_total_pages() == 2
    check(zs)


def test_second_compaction_returns_at_once(zs: Zsmalloc) -> None:
    sparse(zs, 504, 64, 4)
    zs.compacting.lock()
    assert zs.zs_compact() == 0
    zs.compacting.unlock()
    assert zs.zs_compact() == 6


def test_shrinker_counts_and_frees(zs: Zsmalloc) -> None:
    sparse(zs, 504, 64, 4)
    sparse(zs, 3000, 40, 4)
    (shrinker,) = zs.vm.shrinkers
    count = shrinker.count_objects()
    assert count > 6
    assert shrinker.scan_objects(1) == count
    assert shrinker.count_objects() == 0
    assert shrinker.scan_objects(1) == SHRINK_STOP


def test_reclaim_compacts_the_pool_when_memory_runs_out() -> None:
    zs = Zsmalloc(VM(64 << 12))
    contents = sparse(zs, 504, 8 * 40, 8)
    hoard = []
    while (page := zs.vm.alloc_page()) is not None:
        hoard.append(page)
    assert zs.zs_pool_stats()["pages_compacted"] > 0
    assert all(load(zs, handle, 504) == content for handle, content in contents.items())
    check(zs)
