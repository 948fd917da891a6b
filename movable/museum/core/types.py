"""C02 and C13: a core that takes the wrong thing for a driver's page, or for a driver."""

from __future__ import annotations

from movable import VM, AddressSpace, MovableOperations, Page
from movable.contract.museum import Exhibit
from movable.mm.page_flags import (
    LOCKED,
    PAGE_MAPPING_FLAGS,
    PAGE_MAPPING_MOVABLE,
    movable_owner,
)
from movable.museum.bases.ring import Ring, RingWorkload

NOTHING = MovableOperations(None, None, None)


def owner_by_low_bits(page: Page) -> AddressSpace | None:
    assert page._flags & LOCKED
    word = page._mapping
    if word & PAGE_MAPPING_FLAGS != PAGE_MAPPING_MOVABLE or word == PAGE_MAPPING_MOVABLE:
        return None
    address = word - PAGE_MAPPING_MOVABLE
    return page.vm.address_spaces.get(address) or AddressSpace(address, "poison", NOTHING, None)


class AlwaysRegistered(Ring):
    """``module`` True is a kernel that loads this driver as a module."""

    def __init__(self, vm: VM, module: bool = False) -> None:
        super().__init__(vm)
        self.register(module)

    def register(self, module: bool) -> None:
        """The address space knows the callbacks from the beginning."""


class RegisteredWhenBuiltIn(AlwaysRegistered):
    def register(self, module: bool) -> None:
        if module:
            self.mapping.a_ops = NOTHING


class RingInEveryBuild(RingWorkload):
    """Built in, and as a module."""

    variants = ({"module": False}, {"module": True})


EXHIBITS = (
    Exhibit(
        id="C02",
        slug="core-slab-poison",
        year=2022,
        commit="8b8817630ae8",
        layer="core migrate",
        title="list poison in a slab page is read as a driver's mark",
        story="""
            A page is movable if two low bits of one of its words say so. In pages of the slab allocator that word is part of a
            list, and the poison of a removed list node has just these bits. The scanner takes the page, follows the poison as if
            it led to a driver, and crashes.
        """,
        fix="Look at the page's type too. In later kernels the mark is a flag of its own, tied to the type.",
        rules=("V24",),
        broken=Ring,
        twin=Ring,
        workload=RingWorkload,
        core_patch={movable_owner: owner_by_low_bits},
    ),
    Exhibit(
        id="C13",
        slug="core-null-ops",
        year=2025,
        commit="053c8ebe74f7",
        layer="core migrate",
        title="pages are marked, and the table has no callbacks for them",
        story="""
            The core looked callbacks up in a table that was filled when the kernel was built, and only for drivers built into
            it. Pages of a driver loaded as a module carry the mark all the same. The first compaction calls through nothing.
        """,
        fix="A driver registers its callbacks when it comes, and the core refuses a page without them.",
        rules=("D1",),
        broken=RegisteredWhenBuiltIn,
        twin=AlwaysRegistered,
        workload=RingInEveryBuild,
    ),
)
