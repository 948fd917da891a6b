"""A budget of the command line counts from the moment that the command was started."""

from __future__ import annotations

import time
from types import SimpleNamespace

import pytest

from movable.contract import supervised
from movable.contract.budget import budget_of
from movable.supervise.board import PREPARE, Place
from movable.supervise.limits import age
from movable.supervise.supervisor import TIME, Ending


def test_what_the_command_took_to_start_is_time_of_its_first_check(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(supervised, "command_began", time.monotonic() - 0.8)
    assert 0.4 < supervised._late(30.0) < 0.4 + age()
    monkeypatch.setattr(supervised, "command_began", time.monotonic() - 100)
    assert supervised._late(3.0) == 2.5 and supervised._late(0.2) == 0.0
    monkeypatch.setattr(supervised, "command_began", time.monotonic() - 100)
    assert supervised._late(None) == 0.0


@pytest.mark.parametrize(
    ("started", "used", "seconds", "deadline"),
    [(0.5, 0.45, 10.0, 10.55), (4.0, 0.4, 10.0, 9.5), (4.0, 0.4, 3.0, 4.75), (20.0, 0.0, 3.0, 20.75)],
    ids=["quiet", "a tenth of the machine", "hardly any time left", "none left"],
)
def test_on_a_busy_machine_a_check_ends_sooner_so_that_its_command_ends_in_time(
    started: float, used: float, seconds: float, deadline: float, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Seconds from the start of the command: what it took to start, the processor that it had for that."""
    monkeypatch.setattr(supervised, "command_began", 100.0)
    monkeypatch.setattr(supervised, "time", SimpleNamespace(monotonic=lambda: 100.0 + started))
    monkeypatch.setattr(supervised, "os", SimpleNamespace(times=lambda: (used, 0.0, 0.0, 0.0, 0.0)))
    time = supervised.Time.of(budget_of(seconds))
    assert time.deadline == pytest.approx(100.0 + deadline)
    assert time.began + seconds + supervised.GRACE_SECONDS == time.deadline


def test_the_age_of_a_process_grows() -> None:
    first = age()
    assert 0 < first <= age() < time.clock_gettime(time.CLOCK_BOOTTIME)


def test_a_driver_that_had_no_processor_is_not_blamed() -> None:
    """The time of the check was over while its import waited for one."""
    place = Place(0, 0, PREPARE, "driver 'd.py' cannot be imported", "", "")
    said = [str(supervised._nothing(Ending(TIME, place, lasted=lasted))) for lasted in (0.1, 1.0)]
    assert "the time of the check was over; give it more" in said[0]
    assert said[1].startswith("driver 'd.py' cannot be imported: it did not end")
