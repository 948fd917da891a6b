"""A device of the balloon core beside other tasks: what both do with a balloon are steps, and unlocked looks are races."""

from __future__ import annotations

from movable.contract import check
from movable.contract.report import Report
from movable.museum.bases.device import Device, DeviceWorkload


class CountsUnlocked(Device):
    """Looks at the core's count without the core's lock."""

    def deflate(self) -> bool:
        return self.info.isolated_pages == 0 and super().deflate()


def certificate(device: type[Device], executions: int) -> Report:
    work = type("Work", (DeviceWorkload,), {"factory": device})
    return check(device, work, era="7.3", examples=3, executions=executions, isolate=False)


def test_nothing_of_a_device_is_left_unwatched() -> None:
    report = certificate(Device, 60)
    assert report.broken == [] and len(report.scenarios) > 3
    assert not any(one.unwatched for one in report.scenarios)
    assert any(one.covered.startswith("all interleavings") for one in report.scenarios)


def test_an_unlocked_look_at_the_cores_count_is_a_race() -> None:
    assert "D53" in certificate(CountsUnlocked, 60).broken
