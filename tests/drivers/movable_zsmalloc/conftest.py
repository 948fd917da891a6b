"""A pool of 4.19 on a machine of 256 frames."""

from __future__ import annotations

import pytest

from movable import VM
from movable_zsmalloc import Zsmalloc


@pytest.fixture
def zs() -> Zsmalloc:
    """A fresh one for each test; tests that need another machine have a fixture of the same name."""
    return Zsmalloc(VM(256 << 12))
