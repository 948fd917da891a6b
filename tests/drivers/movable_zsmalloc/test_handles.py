"""Handles: what is huge, dead or foreign."""

from __future__ import annotations

import pytest

import movable
from movable import (
    PAGE_SIZE,
    PG_owner_priv_1,
    PG_private,
    UsageError,
)
from movable_zsmalloc import Zsmalloc
from tests.drivers.movable_zsmalloc.movers import pages_of, pattern, store


def test_huge_object_keeps_its_handle_outside(zs: Zsmalloc) -> None:
    content = pattern(3, PAGE_SIZE)
    handle = store(zs, content)
    (page,) = pages_of(zs)
    assert page.data.tobytes() == content
    assert page.index == handle | 1
    assert movable.test_page_flag(page, PG_owner_priv_1) and movable.test_page_flag(page, PG_private)


def test_dead_and_foreign_handles_are_refused(zs: Zsmalloc) -> None:
    handle = zs.zs_malloc(100)
    zs.zs_free(handle)
    for call in (zs.zs_free, zs.zs_map_object):
        with pytest.raises(UsageError, match=f"handle {handle:#x} is not live"):
            call(handle)
    assert zs.zs_malloc(100) != handle
