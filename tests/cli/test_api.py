"""The reference page, the list of public names and the code say the same."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

import movable
from movable import bench
from movable.cli.api import MAY_SLEEP, render

PAGE = Path(__file__).parents[2] / "docs" / "api.md"


@pytest.mark.skipif(sys.version_info >= (3, 14), reason="Python 3.14 writes annotations in another way")
def test_the_page_is_what_the_code_says() -> None:
    assert PAGE.read_text() == render(), "write it again: python -m movable.cli.api > docs/api.md"


def test_every_public_name_is_on_the_page() -> None:
    page = PAGE.read_text()
    assert [name for name in (*movable.__all__, *bench.__all__) if f"`{name}" not in page] == []
    for lock in ("#### `SpinLock", "#### `Mutex"):  # what their class has from another is told as theirs
        assert "| `trylock() -> bool` |" in page.partition(lock)[2].partition("####")[0]


def test_every_public_name_is_documented() -> None:
    named = [getattr(movable, name) for name in movable.__all__] + [getattr(bench, name) for name in bench.__all__]
    assert [value for value in named if not isinstance(value, (int, bytes, str)) and not value.__doc__] == []


def test_what_sleeps_is_marked() -> None:
    """A few of those that are marked, under a spin lock: each is refused."""
    assert set(movable.__all__) | set(bench.__all__) >= MAY_SLEEP
    vm = bench.VM(4 << 20)
    with vm.spinlock("s"):
        with pytest.raises(movable.SleepInAtomic):
            vm.alloc_page(movable.GFP_KERNEL)
        with pytest.raises(movable.SleepInAtomic):
            vm.mutex("m").lock()
        with pytest.raises(movable.SleepInAtomic):
            vm.wait_queue("q").wait_event(lambda: False)
