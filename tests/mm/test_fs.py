"""File systems: they are mounted by name, and what cannot be one is refused."""

from __future__ import annotations

import pytest

from movable import VM, UsageError, registry
from movable.filesystem import SuperBlock
from movable_filesystems import Blockfs


def test_it_is_mounted_by_name() -> None:
    sb = registry.load(VM(256 << 12), "blockfs")
    assert isinstance(sb, SuperBlock)
    assert isinstance(sb.fs, Blockfs)
    with pytest.raises(UsageError, match="exists"):
        (sb.create("/a"), sb.create("/a"))


@pytest.mark.parametrize(("members", "problem"), [
    ({"readpage": 5}, "not a function"),
    ({"readpage": lambda self, file, page: 0, "migrate_folio": lambda self: 0}, "calls it migratepage"),
    ({"readpage": lambda self, a, b, c: 0}, "takes \\(a, b, c\\); it gets \\(inode, page\\)"),
])  # fmt: skip
def test_what_cannot_be_a_file_system_is_refused(members: dict[str, object], problem: str) -> None:
    with pytest.raises(UsageError, match=problem):
        registry.load(VM(), type("Odd", (), members))
