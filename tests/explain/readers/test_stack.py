"""Call traces: the first function that is not the allocator's own."""

from __future__ import annotations

import pytest

from movable.explain.readers.stack import caller


@pytest.mark.parametrize(
    ("frame", "function"),
    [
        (" [<ffffffff811a>] ? prep_new_page+0x5c/0x80", ""),
        (" __alloc_pages_nodemask+0x1b/0x2f0", ""),
        (" zs_malloc+0x10/0x20 [zsmalloc]", "zs_malloc [zsmalloc]"),
        ("thanks for any help", None),
    ],
)
def test_a_frame_says_what_the_page_is_for(frame: str, function: str | None) -> None:
    assert caller(frame) == function
