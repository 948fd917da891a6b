"""Counters of /proc/vmstat, before and after."""

from __future__ import annotations

import pytest

from tests.explain.material import (
    VMSTAT_AFTER,
    VMSTAT_BEFORE,
)  # fmt: skip
from tests.explain.test_reading import values


@pytest.mark.parametrize("between", ["", "\n\n", "after:\n", "$ cat /proc/vmstat\n"])
def test_vmstat_before_and_after(between: str) -> None:
    change = values(VMSTAT_BEFORE + between + VMSTAT_AFTER)["counters_change"]
    assert change["compact_stall"] == 1188 and change["compact_fail"] == 234


def test_vmstat_side_by_side_and_by_grep() -> None:
    assert values("compact_stall 10 1198\ncompact_fail 1 235\n")["counters_change"] == {"compact_stall": 1188, "compact_fail": 234}
    assert values("/proc/vmstat:compact_stall 7\n")["counters"] == {"compact_stall": 7}
