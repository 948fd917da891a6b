"""N45, N46: hooks of balloons that do more, or say more, than the balloon core of 6.18 wants to hear."""

from __future__ import annotations

from movable import Page, get_page
from movable.balloon import BalloonDevInfo
from movable.contract.museum import Exhibit
from movable.museum.bases.device import Device, DeviceWorkload


class CountsItself(Device):
    def hook(self, info: BalloonDevInfo, newpage: Page, page: Page, mode: int) -> int:
        rc = super().hook(info, newpage, page, mode)
        if rc == 0:
            get_page(newpage)
        return rc


class SaysHowMany(Device):
    def hook(self, info: BalloonDevInfo, newpage: Page, page: Page, mode: int) -> int:
        rc = super().hook(info, newpage, page, mode)
        return 1 if rc == 0 else rc


EXHIBITS = (
    Exhibit(
        id="N45",
        slug="hook-counts-too",
        layer="driver",
        title="the hook takes the owner's reference on the new page, as hooks did up to 6.17",
        story="""
            Up to 6.17 the hook of a balloon did everything: list, marks, references, counters. Since 6.18 the balloon core does it,
            and the hook only talks to the host. A hook that was left as it was counts the new page twice, and no page that ever
            moved is given back to anybody.
        """,
        fix="Leave references, lists and marks to the core.",
        kin="a balloon that was ported by its names only",
        rules=("D57",),
        broken=CountsItself,
        twin=Device,
        workload=DeviceWorkload,
        era="7.3",
    ),
    Exhibit(
        id="N46",
        slug="hook-says-how-many",
        layer="driver",
        title="the hook answers with the number of pages that it moved",
        story="""
            The balloon core takes any answer that is not negative and not 0 for -ENOENT: the old page was deflated, and the new one
            is not wanted. So the page leaves the balloon, and the new one, which the host was given a moment ago, is freed and used
            by others.
        """,
        fix="Answer 0.",
        kin="a count in the place of an error",
        rules=("D57",),
        broken=SaysHowMany,
        twin=Device,
        workload=DeviceWorkload,
        era="7.3",
    ),
)
