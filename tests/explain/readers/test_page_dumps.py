"""Pages that the kernel dumped."""

from __future__ import annotations

from tests.explain.material import (
    DUMP,
)  # fmt: skip
from tests.explain.test_reading import read_one


def test_page_dumps() -> None:
    page = read_one(DUMP).pages[0]
    assert (page.pfn, page.ret, page.refcount, page.aops, page.name) == (0x2A41C, -11, 3, "ext4_da_aops", "data.db")
    assert "private" in page.flags and page.reason == "migration failure" and "postgres" in page.owner


def test_two_dumps_are_two_pages() -> None:
    pages = read_one(DUMP + DUMP.replace("2a41c", "2a41d")).pages
    assert [page.pfn for page in pages] == [0x2A41C, 0x2A41D]
