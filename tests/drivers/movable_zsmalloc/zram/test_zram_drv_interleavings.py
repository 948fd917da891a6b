"""The block store under many schedules: a page reads as one of the things written to it, and nothing is left at the end."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from movable import PAGE_SIZE, VM, ListHead, Page
from movable.explore import Scene, explore
from movable.explore.instrument.hooks import Hooks
from movable.mm.seam import Seam
from movable.mm.validate import validate_vm
from movable.registry import load
from movable_zsmalloc import ZramDevice, Zsmalloc
from movable_zsmalloc.validate import validate_pool
from tests.drivers.movable_zsmalloc.test_driver_interleavings import LOCKS, scan

HUGE = bytes(range(256)) * 16
OTHER = HUGE[::-1]
SAME = b"\1" * PAGE_SIZE
ZEROS = bytes(PAGE_SIZE)


class Disk:
    """A device of two pages on a small machine; both pages hold something."""

    def __init__(self) -> None:
        self.vm = VM(32 << 12)
        self.zs: Zsmalloc = load(self.vm, Zsmalloc)
        self.zram = ZramDevice(self.zs, 2, codec="identity")
        self.zram.write(0, HUGE)
        self.zram.write(1, OTHER)

    def write(self, content: bytes) -> None:
        self.zram.write(0, content)

    def read(self, *allowed: bytes) -> None:
        assert self.zram.read(0) in allowed, "a page reads as something that nobody wrote"

    def check(self) -> None:
        self.vm.install(None)
        self.vm.run_work()
        validate_vm(self.vm, owner_refs=1)
        validate_pool(self.zs)
        self.read(HUGE, OTHER, SAME, ZEROS)
        assert self.zram.read(1) == OTHER
        self.zram.reset()
        assert self.zram.stat == (0,) * 8
        self.zs.remove()
        assert self.vm.zones[0].nr_free == self.vm.nr_frames


SCENES: dict[str, dict[str, Callable[[Any], object]]] = {
    "two writes": {"one": lambda disk: disk.write(OTHER), "two": lambda disk: disk.write(SAME)},
    "write beside read": {"write": lambda disk: disk.write(SAME), "read": lambda disk: disk.read(HUGE, SAME)},
    "discard beside write": {"discard": lambda disk: disk.zram.discard(0), "write": lambda disk: disk.write(OTHER)},
    "write beside migration": {"write": lambda disk: disk.write(OTHER), "scan": scan(1)},
    "read beside migration": {"read": lambda disk: disk.read(HUGE), "scan": scan(2)},
}


@pytest.mark.parametrize("name", SCENES)
def test_every_schedule_ends_well(name: str) -> None:
    def program(scheduler: Any) -> Scene:
        disk = Disk()
        disk.vm.install(Seam(scheduler))
        Hooks(scheduler, foreign=(Page,), fixed=(VM, ListHead, *LOCKS)).watch(disk.zs, "zs")
        return Scene([(task, lambda body=body: body(disk)) for task, body in SCENES[name].items()], disk.check)  # type: ignore[misc]

    report = explore(program, executions=60, shrink=False)
    assert report.failure is None, str(report.failure)
    assert report.executions > 10 or report.complete


def test_a_slot_without_its_lock_is_found_out(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(ZramDevice, "_lock", staticmethod(lambda slot: None))
    monkeypatch.setattr(ZramDevice, "_unlock", staticmethod(lambda slot: None))

    def program(scheduler: Any) -> Scene:
        disk = Disk()
        disk.vm.install(Seam(scheduler))
        return Scene([("write", lambda: disk.write(SAME)), ("read", lambda: disk.read(HUGE, SAME))], disk.check)

    assert explore(program, executions=200, shrink=False).failure is not None
