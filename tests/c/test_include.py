"""The headers answer as a kernel's do, in each kernel's form."""

from __future__ import annotations

import pytest

from movable.c.target import find
from movable.mm.vm import VM
from tests.c.building import DATA, needs_compiler


@needs_compiler
@pytest.mark.parametrize("era", ["4.19", "7.3"])
@pytest.mark.parametrize("file", ["structures.c", "helpers.c"])
def test_answers(file: str, era: str) -> None:
    vm = VM(layout=[(0, "Normal", 64)], pageblock_order=2, era=era)
    driver = find(str(DATA / file), "")(vm)  # its init function fails with the line that is not so
    driver.remove()
    assert vm.warnings == []
