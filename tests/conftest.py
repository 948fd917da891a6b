"""Checks in tests run drivers in the process of the test, where one can look into them; modules with SUPERVISED = True do not."""

from __future__ import annotations

import pytest


@pytest.fixture(autouse=True)
def _drivers_run_here(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    if not getattr(request.module, "SUPERVISED", False):
        monkeypatch.setattr("movable.contract.examine.ISOLATE", False)
