"""The balloon core of 7.3, and a device that has nothing but its hook."""

from __future__ import annotations

from errno import EAGAIN, EBUSY, ENOENT
from pathlib import Path

import pytest

from movable import VM, Page, UsageError, count_vm_event, mod_node_page_state, put_page
from movable.balloon import BalloonDevInfo, balloon_page_alloc, balloon_page_dequeue, balloon_page_enqueue
from movable.bench import load, soft_offline_page, validate_vm
from movable.cli import main
from movable.contract import Workload, check, operation
from movable.mm.list import list_first


class Device:
    """Tells its host, and leaves pages, lists and counters to the core."""

    balloon_device = True

    def __init__(self, vm: VM) -> None:
        self.vm = vm
        self.busy = vm.mutex("device")
        self.told: list[tuple[int, int]] = []
        self.host: set[int] = set()
        self.info = BalloonDevInfo(vm, self.hook, owner=self)

    def hook(self, info: BalloonDevInfo, newpage: Page, page: Page, mode: int) -> int:
        if not self.busy.trylock():
            return -EAGAIN
        self.told.append((page.pfn, newpage.pfn))
        self.host = self.host - {page.pfn} | {newpage.pfn}
        self.busy.unlock()
        return 0

    def grow(self) -> None:
        page = balloon_page_alloc(self.vm)
        if page is not None:
            self.host.add(page.pfn)
            balloon_page_enqueue(self.info, page)

    def shrink(self) -> bool:
        page = balloon_page_dequeue(self.info) if self.info.has_pages() else None
        if page is not None:
            self.host.discard(page.pfn)
            put_page(page)
        return page is not None

    def remove(self) -> None:
        while self.shrink():
            pass


class DeviceWorkload(Workload):
    """It grows and shrinks."""

    factory = Device
    driver: Device
    preserves_content = False

    @operation()
    def grow(self) -> None:
        self.driver.grow()

    @operation()
    def shrink(self) -> None:
        self.driver.shrink()

    def outside(self) -> set[int]:
        return self.driver.host


class CountsToo(Device):
    """Counts what the core counts."""

    def hook(self, info: BalloonDevInfo, newpage: Page, page: Page, mode: int) -> int:
        count_vm_event(info.vm, "balloon_migrate")
        return super().hook(info, newpage, page, mode)


class Twice(Device):
    """Takes a reference that the core takes, too."""

    def hook(self, info: BalloonDevInfo, newpage: Page, page: Page, mode: int) -> int:
        page.vm.pages[newpage.pfn]._refcount += 1
        return super().hook(info, newpage, page, mode)


class Positive(Device):
    """Answers with how many pages it has told of."""

    def hook(self, info: BalloonDevInfo, newpage: Page, page: Page, mode: int) -> int:
        super().hook(info, newpage, page, mode)
        return len(self.told)


class CountsNodes(Device):
    """Moves the node's counter, which the core leaves alone."""

    def hook(self, info: BalloonDevInfo, newpage: Page, page: Page, mode: int) -> int:
        mod_node_page_state(newpage.zone.node, "nr_balloon_pages", 1)
        return super().hook(info, newpage, page, mode)


class Deflates(Device):
    """Its host has the old page no more, and it says that it could not tell it."""

    def hook(self, info: BalloonDevInfo, newpage: Page, page: Page, mode: int) -> int:
        self.host.discard(page.pfn)
        return -EBUSY


class Keeps(Device):
    """Says that the old page is deflated, and did not tell its host."""

    def hook(self, info: BalloonDevInfo, newpage: Page, page: Page, mode: int) -> int:
        return -ENOENT


def test_a_device_has_no_callbacks_of_its_own() -> None:
    vm = VM(1 << 20, era="7.3")
    device = load(vm, Device)
    for _ in range(3):
        device.grow()
    assert device.shrink()
    old = list_first(device.info.pages)
    assert old is not None
    assert soft_offline_page(vm, old.pfn) == 0
    assert [one for one, _ in device.told] == [old.pfn]
    assert device.info.ballooned() == 2
    validate_vm(vm)


def test_a_right_device_breaks_nothing_and_a_wrong_one_is_told() -> None:
    def broken(device: type[Device]) -> list[str]:
        work = type("Work", (DeviceWorkload,), {"factory": device})
        return check(device, work, era="7.3", examples=8, interleavings=0.0, isolate=False).broken

    assert broken(Device) == []
    assert [wrong for wrong in (Positive, CountsNodes, Deflates, Keeps) if "D57" not in broken(wrong)] == []
    assert broken(CountsToo) == ["D57"]
    assert broken(Twice)


@pytest.mark.parametrize("era", ["4.19", "6.1", "6.17"])
def test_kernels_without_the_core(era: str) -> None:
    with pytest.raises(UsageError, match=f"era {era} has no balloon core"):
        load(VM(era=era), Device)


def test_who_has_no_callbacks_is_told_what_to_say(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    file = tmp_path / "mine.py"
    file.write_text("class Mine:\n    def __init__(self, vm):\n        pass\n")
    assert main(["run", "--drivers", f"{file}:Mine", "--era", "7.3"]) == 2
    assert "a device of the balloon core of 7.3, which has none of them, says balloon_device = True" in capsys.readouterr().err
