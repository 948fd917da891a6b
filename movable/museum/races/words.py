"""C01 and C02: words of a page that change between two looks."""

from __future__ import annotations

from errno import EBUSY

from movable import (
    GFP_KERNEL,
    AddressSpace,
    Page,
    PageMovableHint,
    clear_page_flag,
    isolate_movable_page,
    put_page,
    set_page_flag,
    test_page_flag,
)
from movable.contract.museum import Exhibit
from movable.mm.migrate import _isolate as isolate
from movable.mm.page_flags import PAGE_MAPPING_MOVABLE, PG_slab, movable_owner
from movable.museum.bases.ring import Ring, RingWorkload
from movable.workload.scenario import op, scenario

LIST_POISON = 0xDEAD_0000_0000_0122


# C02


def tests_slab_once(page: Page, mode: int) -> int:
    """Isolation that asks for PG_slab in the beginning only."""
    return -EBUSY if test_page_flag(page, PG_slab) else isolate(page, mode)


def believes_the_word(page: Page) -> AddressSpace | None:
    """movable_owner that follows whatever looks like a mark."""
    if not PageMovableHint(page) or page._mapping == PAGE_MAPPING_MOVABLE:
        return None
    return page.vm.address_spaces[page._mapping - PAGE_MAPPING_MOVABLE]


class SlabWorkload(RingWorkload):
    """The ring's, beside a slab allocator that keeps list poison where other pages have their mapping."""

    scenarios = (scenario("a page becomes slab", op("slab"), op("look"), prefix=[op("note")]),)
    frame = 0

    def note(self) -> None:
        """Remember which frame comes next."""
        self.slab()

    def slab(self) -> None:
        """A slab comes and goes."""
        page = self.vm.alloc_page(GFP_KERNEL)
        if page is None:
            return
        self.frame = page.pfn
        set_page_flag(page, PG_slab)
        self.set_word(page, LIST_POISON)
        self.set_word(page, 0)
        clear_page_flag(page, PG_slab)
        put_page(page)

    def set_word(self, page: Page, word: int) -> None:
        """The word that is a mapping in other pages."""
        if page.seam is not None:
            page.seam.point("aw", ("page", page.pfn, "mapping"))
        page._mapping = word

    def look(self) -> None:
        """The core tries to isolate the frame."""
        assert isolate_movable_page(self.vm.page(self.frame), 0) == -EBUSY


EXHIBITS = (
    Exhibit(
        id="C01",
        slug="core-flag-rmw",
        year=2022,
        commit="356ea3865687",
        layer="core migrate",
        title="PG_isolated is set by a load and a store, and a waiter's bit is lost in between",
        story="""
            The core holds the page lock and sets PG_isolated: it loads the flags, and stores them with the bit. Another task
            comes to wait for the page lock and sets PG_waiters in the same word, after the load and before the store. The
            store wipes its bit out. The unlock sees no waiter, and the waiter sleeps for ever.
        """,
        fix="Set and clear PG_isolated atomically: the page lock does not cover the other bits of the word.",
        rules=("D49", "D53"),
        broken=Ring,
        twin=Ring,
        workload=RingWorkload,
        depth=(2, 1),
        features={"atomic_isolated_flag": False},
    ),
    Exhibit(
        id="C02B",
        slug="core-slab-too-early",
        year=2022,
        commit="8b8817630ae8",
        layer="core migrate, slab",
        title="a page becomes a slab page after the core has asked",
        story="""
            C02 with a test that comes too early. A slab page uses the word of the mapping for a list link, and the poison of a
            deleted link looks like a mark. The core asks first whether the page is a slab page, and reads the word later.
            Between the two the page becomes a slab page, and the core follows the poison.
        """,
        fix="Ask again after the word was read; the slab allocator sets its flag before it uses the word.",
        rules=("D52",),
        broken=Ring,
        twin=Ring,
        workload=SlabWorkload,
        depth=(2, 1),
        core_patch={isolate: tests_slab_once, movable_owner: believes_the_word},
    ),
)
