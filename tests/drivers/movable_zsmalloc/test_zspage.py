"""Zspages, and the fullness lists of their classes."""

from __future__ import annotations

from movable_zsmalloc import Zsmalloc
from movable_zsmalloc.zspage import (
    ZS_ALMOST_EMPTY,
    ZS_ALMOST_FULL,
    ZS_EMPTY,
    ZS_FULL,
    fullness_group,
)
from tests.drivers.movable_zsmalloc.movers import check


def test_fullness_groups_end_at_three_quarters() -> None:
    groups = [fullness_group(inuse, 9) for inuse in range(10)]
    assert groups == [ZS_EMPTY] + [ZS_ALMOST_EMPTY] * 6 + [ZS_ALMOST_FULL] * 2 + [ZS_FULL]
    assert fullness_group(1, 1) == ZS_FULL
    assert fullness_group(1, 2) == ZS_ALMOST_EMPTY


def groups_of(zs: Zsmalloc, size: int) -> list[list[int]]:
    return [[zspage.inuse for zspage in zspages] for zspages in zs.size_class(size // 16 - 2).lists]


def test_zspage_moves_between_groups_and_a_fuller_head_stays_in_front(zs: Zsmalloc) -> None:
    handles = [zs.zs_malloc(504) for _ in range(24)]  # class 512: 8 objects in a page, 3 zspages
    assert groups_of(zs, 512) == [[], [], [], [8, 8, 8]]
    for index in (0, 1):
        zs.zs_free(handles[index])
    assert groups_of(zs, 512) == [[], [6], [], [8, 8]]
    zs.zs_free(handles[8])
    assert groups_of(zs, 512) == [[], [6], [7], [8]]
    for index in (9, 10):
        zs.zs_free(handles[index])
    # A zspage with as many objects as the head goes in front; counts change in place afterwards.
    assert groups_of(zs, 512) == [[], [5, 6], [], [8]]
    for index in (16, 17, 18, 19):
        zs.zs_free(handles[index])
    assert groups_of(zs, 512) == [[], [4, 5, 6], [], []]
    check(zs)


def test_sparser_zspage_goes_behind_the_head(zs: Zsmalloc) -> None:
    size_class = zs.size_class(30)
    for index in range(3):
        first = zs.zs_malloc(504)
        rest = [zs.zs_malloc(504) for _ in range(7)]
        if index == 2:
            for handle in rest[:3]:
                zs.zs_free(handle)
        assert first
    taken = size_class.take((ZS_FULL,))
    assert taken is not None
    taken.inuse = 1
    size_class.insert_zspage(taken)
    taken.inuse = 8
    assert [zspage is taken for zspage in size_class.lists[ZS_ALMOST_EMPTY]] == [False, True]


def test_allocation_prefers_the_fuller_zspage(zs: Zsmalloc) -> None:
    handles = [zs.zs_malloc(504) for _ in range(16)]
    first, second = (zs.handles[handles[index]].location[0] for index in (0, 8))
    for index in (0, 1, 2):
        zs.zs_free(handles[index])
    zs.zs_free(handles[8])
    assert zs.handles[zs.zs_malloc(504)].location[0] == second
    assert zs.handles[zs.zs_malloc(504)].location[0] == first
