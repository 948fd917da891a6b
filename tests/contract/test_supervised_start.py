"""A budget of the command line counts from the moment that the command was started."""

from __future__ import annotations

import time

import pytest

from movable.contract import supervised
from movable.supervise.process import age


def test_what_the_command_took_to_start_is_time_of_its_first_check(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(supervised, "command_began", time.monotonic() - 0.8)
    assert 0.4 < supervised._late(30.0) < 0.4 + age()
    monkeypatch.setattr(supervised, "command_began", time.monotonic() - 100)
    assert supervised._late(3.0) == 2.5 and supervised._late(0.2) == 0.0
    monkeypatch.setattr(supervised, "command_began", time.monotonic() - 100)
    assert supervised._late(None) == 0.0


def test_the_age_of_a_process_grows() -> None:
    first = age()
    assert 0 < first <= age() < time.clock_gettime(time.CLOCK_BOOTTIME)
