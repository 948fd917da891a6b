"""Watermarks and sizes of zones."""

from __future__ import annotations

from tests.explain.material import (
    MEM_INFO,
    ZONEINFO,
)  # fmt: skip
from tests.explain.test_reading import read_one


def test_mem_info_with_watermarks_and_the_request() -> None:
    material = read_one(MEM_INFO)
    assert material.free[0].counts == [1056, 1027, 400, 287, 105, 71, 42, 10, 0, 0, 0] and material.free[0].whole
    assert material.marks[0].values["low"] == 27700 // 4
    assert [(one.task, one.order, one.gfp) for one in material.requests] == [("kworker/u8:3", 4, ("GFP_KERNEL",))]


def test_zoneinfo_without_the_counts_of_its_cpus() -> None:
    zone = read_one(ZONEINFO).marks[0]
    assert {name: zone.values[name] for name in ("free", "min", "low", "high", "managed", "nr_zspages")} == {
        "free": 3808, "min": 190, "low": 237, "high": 284, "managed": 3840, "nr_zspages": 12,
    }  # fmt: skip
