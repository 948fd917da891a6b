"""What a machine costs before anybody uses it: time to boot, and resident memory of a large one."""

from __future__ import annotations

import subprocess
import sys
import timeit

import pytest

from movable.mm.gfp import GFP_HIGHUSER_MOVABLE
from movable.mm.page import put_page
from movable.mm.page_alloc import alloc_pages
from movable.mm.vm import VM

pytestmark = pytest.mark.benchmark

GIB = 1 << 30

BOOT_AND_MEASURE = """
import time
import movable
started = time.perf_counter()
vm = movable.VM(16 << 30, nodes=2)
took = time.perf_counter() - started
page = vm.alloc_page(movable.GFP_KERNEL)
page.data[:] = b"x" * len(page.data)
resident = next(line.split()[1] for line in open("/proc/self/status") if line.startswith("VmRSS:"))
print(took, int(resident) << 10)
"""


def best(work: object, number: int, repeat: int = 60) -> float:
    """Seconds of one call, the fastest of many short rounds, so that one of them runs undisturbed."""
    return min(timeit.repeat(work, number=number, repeat=repeat)) / number  # type: ignore[arg-type]


def empty() -> None:
    """The bare floor: what a call costs on this machine, now."""


def test_a_small_machine_boots_in_the_time_of_5000_empty_calls(capsys: pytest.CaptureFixture[str]) -> None:
    """On the machine that this was written on an empty call takes 30 ns, so that this says 150 us."""
    floor, took = best(empty, 1000), best(VM, 20)
    with capsys.disabled():
        print(f"\nboot of 64 frames: {took * 1e6:.0f} us, {took / floor:.0f} empty calls")
    assert took < 5000 * floor


def test_16_gib_boot_in_less_than_300_ms_and_100_mb(capsys: pytest.CaptureFixture[str]) -> None:
    """In a process of its own, so that nothing but the machine is counted."""
    done = subprocess.run([sys.executable, "-c", BOOT_AND_MEASURE], capture_output=True, text=True, check=True)
    took, resident = done.stdout.split()
    with capsys.disabled():
        print(f"\nboot of 16 GiB: {float(took) * 1e3:.1f} ms, {int(resident) / 1e6:.0f} MB resident with the interpreter")
    assert float(took) < 0.3
    assert int(resident) < 100e6


@pytest.mark.parametrize(("frames", "what"), [(64, "64 frames"), (16 * GIB >> 12, "16 GiB")])
def test_one_page_there_and_back(frames: int, what: str, capsys: pytest.CaptureFixture[str]) -> None:
    vm = VM(frames << 12)
    keep = alloc_pages(vm, GFP_HIGHUSER_MOVABLE)
    assert keep is not None

    def there_and_back() -> None:
        page = alloc_pages(vm, GFP_HIGHUSER_MOVABLE)
        assert page is not None
        put_page(page)

    floor, took = best(empty, 1000), best(there_and_back, 200)
    with capsys.disabled():
        print(f"\nallocate and free a page, {what}: {took * 1e9:.0f} ns, {took / floor:.0f} empty calls")
    assert took < 100 * floor
