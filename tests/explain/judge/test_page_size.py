"""How large a page is, by what stands beside the blocks."""

from __future__ import annotations

import pytest

from movable.explain.reading import read
from tests.explain.test_paste import ROW, said


@pytest.mark.parametrize(
    ("beside", "size"),
    [
        ("", 64), ("$ getconf PAGESIZE\n4096\n", 4), ("Hugepagesize:     524288 kB\n", 64), ("Hugepagesize: 32768 kB\n", 16),
        ("MemFree:  1824060 kB\n", 64), ("MemFree:   114004 kB\n", 4), ("Page block order: 13\n", 64),
        ("CONFIG_ARM64_16K_PAGES=y\n", 16),
        ("7f0000000000 default anon=3 N0=3 kernelpagesize_kB=4\n", 4),
    ],
)  # fmt: skip
def test_the_size_of_a_page_is_told_by_what_stands_beside_the_blocks(beside: str, size: int) -> None:
    material = read([("x", ROW + beside)])
    assert (material.page_kb, material.free[0].page_kb) == (size, size)
    assert f"{material.free[0].free * size} kB are free" in said(material)
