"""B02 and C14: compaction that follows a mapping which nobody holds still."""

from __future__ import annotations

from movable import (
    VM,
    AddressSpace,
    Page,
    PageMovableHint,
    VMBug,
    get_page_unless_zero,
    page_mapping,
    put_page,
    trylock_page,
    unlock_page,
)
from movable.contract.museum import Exhibit
from movable.mm.compaction_scan import _isolate as compaction_isolates
from movable.mm.page_flags import PAGE_MAPPING_FLAGS
from movable.museum.bases.ring import Ring, RingWorkload
from movable.workload.scenario import compact, op, scenario, teardown


def read_through(vm: VM, page: Page, word: int) -> AddressSpace:
    """What a mapping word leads to, at the moment in which it is followed."""
    if vm.seam is not None:
        vm.seam.point("ar", ("page", page.pfn, "mapping"))
    space = vm.address_spaces.get(word & ~PAGE_MAPPING_FLAGS)
    if space is None:
        raise VMBug("D46", f"the mapping word {word:#x} is followed and leads nowhere", "a page whose owner is held still", page)
    return space


def knows_a_balloon_by_its_mapping(page: Page, mode: int) -> bool:
    """Compaction that follows the mapping of any page, to see whose it is."""
    space = page_mapping(page)
    if space is None or read_through(page.vm, page, space.addr).host is None:
        return False
    return compaction_isolates(page, mode)


def looks_before_it_locks(page: Page, mode: int) -> bool:
    """Compaction that reads a property of the mapping of a page that it has not locked."""
    if not PageMovableHint(page):
        return False
    space = page_mapping(page)
    if space is not None and is_unmovable(page.vm, page, space):
        return False
    return compaction_isolates(page, mode)


def looks_under_the_lock(page: Page, mode: int) -> bool:
    """The same under the page lock, which keeps the mapping where it is."""
    if not PageMovableHint(page) or not get_page_unless_zero(page):
        return False
    if not trylock_page(page):
        put_page(page)
        return False
    space = page_mapping(page)
    stays = space is not None and is_unmovable(page.vm, page, space)
    unlock_page(page)
    put_page(page)
    return not stays and compaction_isolates(page, mode)


def is_unmovable(vm: VM, page: Page, space: AddressSpace) -> bool:
    """AS_UNMOVABLE of a mapping; no driver here sets it."""
    return read_through(vm, page, space.addr).host is None


class CompactedWorkload(RingWorkload):
    """The ring's; it is removed while the core compacts."""

    scenarios = (scenario("removal beside compaction", teardown(), compact(), prefix=[op("write", slot=0, data=b"a")]),)


EXHIBITS = (
    Exhibit(
        id="B02",
        slug="bal-anon-probe",
        year=2014,
        commit="d6d86c0a7f8d",
        layer="core compaction, balloon",
        title="compaction follows the mapping of any page to see whether it is a balloon's",
        story="""
            The scanner wants to know whose a page is, and reads a flag behind its mapping, without a lock and for every page
            that it comes by. In a page that is being given up the pointer leads to an owner that is gone by the time it is
            followed; in others it is no such pointer at all.
        """,
        fix="Tell pages apart by a mark in the page itself, and follow nothing without the page lock.",
        rules=("D46",),
        broken=Ring,
        twin=Ring,
        workload=CompactedWorkload,
        depth=(2, 1),
        core_patch={compaction_isolates: knows_a_balloon_by_its_mapping},
    ),
    Exhibit(
        id="C14",
        slug="core-mapping-unlocked",
        year=2023,
        layer="core compaction",
        title="a property of the mapping is read without the page lock",
        story="""
            Compaction passes by pages whose mapping says that they cannot move. It loads the mapping of a page that it has not
            locked, and reads the bit. Between the two the page is taken out of its file, and the mapping is freed.
        """,
        fix="Only under the page lock, which is tried; a cheap hint first keeps most pages from being locked for nothing.",
        rules=("D46",),
        broken=Ring,
        twin=Ring,
        workload=CompactedWorkload,
        depth=(2, 1),
        core_patch={compaction_isolates: looks_before_it_locks},
        twin_patch={compaction_isolates: looks_under_the_lock},
    ),
)
