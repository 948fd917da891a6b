"""The data structures of the headers answer as a kernel's do, in each kernel's form."""

from __future__ import annotations

import pytest

from movable.c.target import find
from movable.mm.vm import VM
from tests.c.building import DATA, needs_compiler


@needs_compiler
@pytest.mark.parametrize("era", ["4.19", "7.3"])
def test_structures(era: str) -> None:
    vm = VM(layout=[(0, "Normal", 64)], pageblock_order=2, era=era)
    driver = find(str(DATA / "structures.c"), "")(vm)  # its init function fails with the line that is not so
    driver.remove()
    assert vm.warnings == []
