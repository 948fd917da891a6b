"""What CMA prints when it fails."""

from __future__ import annotations

from tests.explain.material import (
    CMA,
)  # fmt: skip
from tests.explain.test_reading import read_one


def test_cma() -> None:
    failure, busy = read_one(CMA).cma
    assert (failure.area, failure.wanted, failure.ret, failure.free, failure.total) == ("reserved", 512, -16, 357, 4096)
    assert failure.runs == [(4, 572), (7, 585), (346, 1701)] and busy.busy == (0xA0000, 0xA0200)
    assert read_one("4@572+7@585 => 357 free\n").cma[0].runs == [(4, 572), (7, 585)]
