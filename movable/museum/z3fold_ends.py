"""F03, F06 and F08: z3fold's headers, and how its pools end."""

from __future__ import annotations

import copy

from movable import Page
from movable.contract.museum import Exhibit
from movable.museum.bases.pool import Header, Pool, PoolWorkload


class CopiesTheLinks(Pool):
    def move_header(self, newpage: Page, old: Header) -> Header:
        header = copy.copy(old)
        header.page = newpage
        newpage.private = header
        return header

    def home(self, header: Header) -> None:
        header.away = False
        if header.used and header.next is header:  # not on the circle yet
            header.link(self.room)


class StopsTheWrongWorkerFirst(Pool):
    def stop_workers(self) -> None:
        self.release_wq.destroy()
        self.claim_wq.destroy()


class WaitsForTheOpposite(Pool):
    def drain(self) -> None:
        self.drained.wait_event(lambda: not self.is_idle())


EXHIBITS = (
    Exhibit(
        id="F03",
        slug="z3-memcpy-header",
        year=2019,
        commit="c92d2f38563d",
        layer="driver z3fold",
        title="a list node that is copied with its page still belongs to the old page's list",
        story="""
            What the pool knows of a page stands in the page itself, and so it is copied along with the bytes. Part of it is a
            list node. A node on no list leads to itself; its copy leads to the original, in the old page. The pool takes it for
            linked, and the first one to unlink it writes into a page that is free.
        """,
        fix="Set up the fields that lead to themselves afresh in the copy: list nodes, locks, work items.",
        rules=("D14",),
        broken=CopiesTheLinks,
        twin=Pool,
        workload=PoolWorkload,
    ),
    Exhibit(
        id="F06",
        slug="z3-workqueue-order",
        year=2019,
        layer="driver z3fold",
        title="two work queues are destroyed in the wrong order",
        story="""
            One worker finds empty pages and hands them to the other, which frees them. When the pool goes, the second queue is
            destroyed first. A job that was still waiting on the first one then queues work on a queue that is gone.
        """,
        fix="Stop who makes work before who does it.",
        rules=("D41",),
        broken=StopsTheWrongWorkerFirst,
        twin=Pool,
        workload=PoolWorkload,
    ),
    Exhibit(
        id="F08",
        slug="z3-inverted-drain",
        year=2019,
        commit="6e73fd25e2c7",
        layer="driver z3fold",
        title="a pool that goes waits until a page is isolated, not until none is",
        story="""
            Before a pool goes it must wait for its isolated pages. The condition came out the wrong way round: with nothing
            isolated, the ordinary case, it sleeps for ever, and it would go on at the one moment when it must not.
        """,
        fix="The change was taken back. The right condition is that no page is isolated.",
        rules=("D49",),
        broken=WaitsForTheOpposite,
        twin=Pool,
        workload=PoolWorkload,
    ),
)
