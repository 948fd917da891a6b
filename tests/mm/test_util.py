"""Where the mapping of a page leads to."""

from __future__ import annotations

import pytest

from movable import GFP_KERNEL, SetPageMovable, lock_page, page_mapping, set_page_flag
from movable.bench import VM
from movable.mm.page_flags import PG_slab, PG_swapbacked, PG_swapcache
from tests.drivers_for_tests.ring import Ring


@pytest.mark.parametrize("flags", [(), (PG_slab,), (PG_swapbacked,), (PG_swapbacked, PG_swapcache)])
def test_a_mark_leads_to_its_owner_unless_flags_say_that_the_word_is_something_else(flags: tuple[int, ...]) -> None:
    vm = VM(1 << 20)
    ring = Ring(vm)
    page = vm.alloc_page(GFP_KERNEL)
    assert page is not None and page_mapping(page) is None
    lock_page(page)
    SetPageMovable(page, ring.mapping)
    for flag in flags:
        set_page_flag(page, flag)
    swapped = flags == (PG_swapbacked, PG_swapcache)
    owner = vm.swap_space if swapped else None if PG_slab in flags else ring.mapping
    assert page_mapping(page) is owner
