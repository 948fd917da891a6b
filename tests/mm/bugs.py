"""What the machine raises where a driver does what a rule forbids."""

from __future__ import annotations

import pytest

from movable import VMBug


def bug(rule: str) -> pytest.RaisesExc[VMBug]:
    """The error that names ``rule``."""
    return pytest.RaisesExc(VMBug, check=lambda error: error.rule == rule)
