"""Whose page is in the way, and why it did not move."""

from __future__ import annotations

import pytest

from movable.explain.hostages import judge, kind_of
from movable.explain.material import PageDump
from movable.explain.paste import Line
from movable.explain.reading import read
from tests.explain.material import DUMP


def page(**fields: object) -> PageDump:
    made = PageDump(Line("pasted", 1, "", ""))
    for name, value in fields.items():
        setattr(made, name, value)
    return made


@pytest.mark.parametrize(
    ("fields", "kind"),
    [
        ({"flags": ("slab",)}, "slab"),
        ({"flags": ("uptodate", "swapbacked"), "mapping": 1}, "anonymous"),
        ({"aops": "swap_aops", "flags": ("swapbacked",)}, "anonymous, in the swap cache"),
        ({"aops": "shmem_aops"}, "shared memory (tmpfs)"),
        ({"aops": "ext4_da_aops"}, "page cache (ext4_da_aops)"),
        ({"page_type": "offline", "refcount": 2}, "page of a driver (offline)"),
        ({"mapping": 0xFFFFFFFFC0123452, "refcount": 2}, "page of a driver (movable)"),
        ({"flags": ("reserved",)}, "reserved"),
        ({"refcount": 1, "flags": ("uptodate",)}, "kernel page"),
        ({}, "unknown"),
    ],
)
def test_whose_page_it_is(fields: dict[str, object], kind: str) -> None:
    assert kind_of(page(**fields)) == kind


def test_why_a_page_did_not_move() -> None:
    file = judge(read([("pasted", DUMP)]).pages[0])
    assert (file.held, file.expected) == (3, 3) and file.why == "its lock is held"
    pinned = judge(page(aops="ext4_da_aops", refcount=2 + 2 * 1024, mapcount=0))
    assert pinned.why.startswith("it is pinned for DMA (2 pins")
    extra = judge(page(flags=("swapbacked",), mapping=1, refcount=3, mapcount=0))
    assert extra.expected == 1 and extra.why.startswith("2 references more")
    assert "written out" in judge(page(aops="x", flags=("writeback",))).why
    assert "kernel objects" in judge(page(flags=("slab",))).why
    assert "as expected" in judge(page(aops="swap_aops", refcount=2, mapcount=0)).why
    assert judge(page(ret=-12)).why.startswith("-ENOMEM")
