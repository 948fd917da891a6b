"""zs_map_object: in place, through the bounce buffer, and what each mode keeps."""

from __future__ import annotations

import pytest

from movable import PAGE_SIZE, VM, UsageError
from movable_zsmalloc import ZS_MM_RO, ZS_MM_RW, ZS_MM_WO, Zsmalloc, mapping
from tests.drivers.movable_zsmalloc.movers import check, load, pattern, store

SPANNING = 3000


@pytest.fixture
def zs() -> Zsmalloc:
    return Zsmalloc(VM(128 << 12))


def spanning(zs: Zsmalloc) -> int:
    """The second object of 3072 bytes begins at 3072 and ends in the next page."""
    store(zs, pattern(1, SPANNING))
    return store(zs, pattern(2, SPANNING))


def test_object_in_one_page_is_mapped_in_place(zs: Zsmalloc) -> None:
    handle = zs.zs_malloc(100)
    pfn, _ = zs.handles[handle].location
    view = zs.zs_map_object(handle)
    assert len(view) == 112 - 8
    view[:4] = b"here"
    assert zs.vm.page(pfn).data[8:12].tobytes() == b"here"
    zs.zs_unmap_object(handle)


def test_spanning_object_goes_through_a_buffer(zs: Zsmalloc) -> None:
    handle = spanning(zs)
    pfn, obj = zs.handles[handle].location
    page = zs.vm.page(pfn)
    assert obj == 1
    whole = page.data[3072:].tobytes() + page.index.data[:2048].tobytes()
    assert int.from_bytes(whole[:8], "little") == handle | 1
    assert whole[8 : 8 + SPANNING] == pattern(2, SPANNING)
    view = zs.zs_map_object(handle, ZS_MM_RW)
    view[:3] = b"new"
    assert page.data[3080:3083].tobytes() != b"new"
    zs.zs_unmap_object(handle)
    assert page.data[3080:3083].tobytes() == b"new"
    assert int.from_bytes(page.data[3072:3080], "little") == handle | 1
    assert load(zs, handle, SPANNING) == b"new" + pattern(2, SPANNING)[3:]
    check(zs)


def test_read_only_mapping_cannot_be_written(zs: Zsmalloc) -> None:
    for handle in (zs.zs_malloc(100), spanning(zs)):
        view = zs.zs_map_object(handle, ZS_MM_RO)
        with pytest.raises(TypeError, match="read-only"):
            view[0] = 1
        zs.zs_unmap_object(handle)


def test_only_what_may_have_changed_is_written_back(zs: Zsmalloc, monkeypatch: pytest.MonkeyPatch) -> None:
    handle = spanning(zs)
    written: list[object] = []
    monkeypatch.setattr(mapping, "write_object", lambda *arguments: written.append(arguments))
    for mode, writes in ((ZS_MM_RO, 0), (ZS_MM_RW, 1), (ZS_MM_WO, 1)):
        written.clear()
        zs.zs_map_object(handle, mode)
        zs.zs_unmap_object(handle)
        assert len(written) == writes


def test_write_only_mapping_loses_what_is_not_written(zs: Zsmalloc) -> None:
    handle = spanning(zs)
    zs.zs_map_object(handle, ZS_MM_WO)[:3] = b"new"
    zs.zs_unmap_object(handle)
    assert load(zs, handle, SPANNING) == b"new" + bytes(SPANNING - 3)
    read_write = spanning(zs)
    zs.zs_map_object(read_write, ZS_MM_RW)[:3] = b"new"
    zs.zs_unmap_object(read_write)
    assert load(zs, read_write, SPANNING)[3:] == pattern(2, SPANNING)[3:]


def test_write_only_mapping_keeps_the_neighbours(zs: Zsmalloc) -> None:
    handles = [store(zs, pattern(i, SPANNING)) for i in range(4)]
    for handle in handles[1:3]:
        zs.zs_map_object(handle, ZS_MM_WO)[:] = bytes(3072 - 8)
        zs.zs_unmap_object(handle)
    assert [load(zs, handles[i], SPANNING) == pattern(i, SPANNING) for i in range(4)] == [True, False, False, True]
    check(zs)


def test_huge_object_is_the_whole_page(zs: Zsmalloc) -> None:
    handle = zs.zs_malloc(PAGE_SIZE)
    assert len(zs.zs_map_object(handle)) == PAGE_SIZE
    zs.zs_unmap_object(handle)


def test_view_dies_with_the_mapping(zs: Zsmalloc) -> None:
    handle = zs.zs_malloc(100)
    view = zs.zs_map_object(handle)
    zs.zs_unmap_object(handle)
    with pytest.raises(ValueError, match="released"):
        view[0] = 1


def test_one_mapping_at_a_time(zs: Zsmalloc) -> None:
    one, two = zs.zs_malloc(100), zs.zs_malloc(100)
    zs.zs_map_object(one)
    with pytest.raises(UsageError, match="has an object mapped; unmap it first"):
        zs.zs_map_object(two)
    with pytest.raises(UsageError, match="has not mapped handle"):
        zs.zs_unmap_object(two)
    zs.zs_unmap_object(one)
    with pytest.raises(UsageError, match="has not mapped handle"):
        zs.zs_unmap_object(one)
    assert zs.vm.current.atomic == 0


def test_unknown_mode_is_refused(zs: Zsmalloc) -> None:
    with pytest.raises(UsageError, match="unknown mapping mode 3"):
        zs.zs_map_object(zs.zs_malloc(10), 3)
    assert zs.vm.current.atomic == 0


def test_user_of_a_mapping_must_not_sleep(zs: Zsmalloc) -> None:
    handle = zs.zs_malloc(100)
    zs.zs_map_object(handle)
    assert zs.vm.current.atomic == 2
    zs.zs_unmap_object(handle)
    assert zs.vm.current.atomic == 0
