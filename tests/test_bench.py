"""The door of a test bench: everything that it names is there, light, and documented."""

from __future__ import annotations

import subprocess
import sys

from movable import bench


def test_every_name_is_there_and_documented() -> None:
    assert all(getattr(bench, name).__doc__ for name in bench.__all__)


def test_a_machine_from_the_bench_alone() -> None:
    vm = bench.VM(4 << 20)
    assert bench.offline_pages(vm, 0, 256) == 0 and bench.online_pages(vm, 0, 256) == 0
    assert bench.alloc_contig_range(vm, 0, 64) == 0
    bench.free_contig_range(vm, 0, 64)
    bench.compact_memory(vm)
    bench.validate_vm(vm)


def test_the_bench_is_light() -> None:
    code = "import movable.bench, sys; print(sorted({'pytest', 'hypothesis', 'numpy', 'rich'} & set(sys.modules)))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"
