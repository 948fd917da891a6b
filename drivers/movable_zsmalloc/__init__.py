"""zsmalloc as a movable-page driver, and a compressed block store on top of it."""

from __future__ import annotations

from movable_zsmalloc.driver import Zsmalloc
from movable_zsmalloc.geometry import (
    RULES,
    ClassRow,
    distinct_classes,
    huge_watermark,
    pages_by_least_waste,
    pages_by_percent,
    size_class_index,
    size_class_table,
    zs_huge_class_size,
)
from movable_zsmalloc.mapping import ZS_MM_RO, ZS_MM_RW, ZS_MM_WO
from movable_zsmalloc.zram.codecs import CODECS, make_codec
from movable_zsmalloc.zram.zram_drv import MmStat, ZramDevice

__all__ = [
    "CODECS",
    "RULES",
    "ZS_MM_RO",
    "ZS_MM_RW",
    "ZS_MM_WO",
    "ClassRow",
    "MmStat",
    "ZramDevice",
    "Zsmalloc",
    "distinct_classes",
    "huge_watermark",
    "make_codec",
    "pages_by_least_waste",
    "pages_by_percent",
    "size_class_index",
    "size_class_table",
    "zs_huge_class_size",
]
