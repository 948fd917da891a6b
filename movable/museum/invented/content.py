"""Invented mistakes in what moves along with the page."""

from __future__ import annotations

import copy

from movable import Page
from movable.contract.museum import Exhibit
from movable.museum.bases.pool import Header, Pool, PoolWorkload
from movable.museum.bases.ring import Ring, RingWorkload


class CopiesTheUsedPart(Ring):
    def copy(self, newpage: Page, page: Page) -> None:
        newpage.data[:8] = page.data[:8]


class KeepsTheWayBack(Pool):
    def move_header(self, newpage: Page, old: Header) -> Header:
        header = copy.copy(old)
        header.reset()
        newpage.private = header
        return header


class LeadsOneHandle(Pool):
    def lead_handles(self, header: Header, old: Header) -> None:
        for number, (held, place) in self.handles.items():
            if held is old:
                self.handles[number] = header, place
                break


EXHIBITS = (
    Exhibit(
        id="N08",
        slug="copies-the-used-part",
        layer="driver",
        title="migratepage copies the part of the page that it believes to be in use",
        story="""
            The driver copies the first few bytes, which is what its header speaks of. A later version stores more, and
            whatever lies behind those bytes is whatever the new page happened to hold.
        """,
        fix="Copy the page.",
        kin="akin to A01",
        rules=("D15",),
        broken=CopiesTheUsedPart,
        twin=Ring,
        workload=RingWorkload,
    ),
    Exhibit(
        id="N11",
        slug="shallow-header",
        layer="driver",
        title="a copied header still leads to the old page",
        story="""
            The header of a page is copied field by field, and one of the fields is the page itself. Every handle leads to
            the new header, and from there to the old page, which is freed a moment later.
        """,
        fix="Set header.page in the copy.",
        kin="akin to F03",
        rules=("D14",),
        broken=KeepsTheWayBack,
        twin=Pool,
        workload=PoolWorkload,
    ),
    Exhibit(
        id="N25",
        slug="first-handle-only",
        layer="driver",
        title="only one of several handles follows the page",
        story="""
            Four objects can lie in a page. The driver looks for the handle of the page, finds one and is content. The other
            handles lead to the old page, which is freed.
        """,
        fix="Lead every handle to the new page, under the lock that readers take.",
        kin="akin to F13",
        rules=("D14",),
        broken=LeadsOneHandle,
        twin=Pool,
        workload=PoolWorkload,
    ),
)
