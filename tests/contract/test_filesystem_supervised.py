"""A check of a file system that does what it likes to its process: one verdict, the rest of the search, and in time."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from movable import AddressSpace, Page
from movable.contract import check
from movable.contract.report import Report
from movable.filesystem import Inode
from movable.supervise.supervisor import TIME
from movable_filesystems import Ramfs
from tests.drivers_for_tests import hostile_drivers
from tests.drivers_for_tests.bad_filesystems import F6

SUPERVISED = True


@pytest.fixture(autouse=True)
def quick(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    """What hangs is given little time, everything else as much as a busy machine may need. Workers are forks of this process."""
    hangs = hasattr(request.node, "callspec") and request.node.callspec.params.get("rule") == "F13"
    monkeypatch.setattr("movable.contract.supervised.PATIENCE_SECONDS", 0.4 if hangs else 30.0)


class Hostile(Ramfs):
    def migratepage(self, mapping: AddressSpace, newpage: Page, page: Page, mode: int) -> int:
        self.act()
        return super().migratepage(mapping, newpage, page, mode)

    def act(self) -> None:
        """Nothing."""


def does(driver: type[hostile_drivers.Hostile]) -> type[Hostile]:
    """A file system that does to its process what the driver does."""
    return type(driver.__name__, (Hostile,), {"act": driver.act})


Exits, Forks, Sleeps, Interrupts = map(
    does, (hostile_drivers.Exits, hostile_drivers.Forks, hostile_drivers.Sleeps, hostile_drivers.Interrupts)
)


class Spins(Hostile):
    def act(self) -> None:
        while True:
            pass


class Leaves(Hostile):
    def act(self) -> None:
        raise GeneratorExit


class CannotBeMounted(Ramfs):
    def __init__(self, vm: object) -> None:
        raise RuntimeError("no such disk")


class SaysNoNumber(Ramfs):
    def statfs(self) -> str:
        return "many"


def checked(fs: type, executions: int = 0) -> Report:
    return check(fs, examples=3, executions=executions)


@pytest.mark.unmeasured
@pytest.mark.parametrize(
    ("fs", "rule", "words"),
    [
        (Exits, "F1", "ended itself with exit status 0"),
        (Forks, "F1", "was forked"),
        (Sleeps, "F13", "stood still"),
        (Spins, "F13", "processor time"),
        (Interrupts, "F1", "raised KeyboardInterrupt"),
        (Leaves, "F1", "GeneratorExit"),
        (CannotBeMounted, "F1", "no such disk"),
        (SaysNoNumber, "F1", "'many'"),
    ],
)
def test_whatever_it_does_to_its_process_costs_a_verdict(fs: type, rule: str, words: str) -> None:
    report = checked(fs, executions=0 if fs in (Sleeps, Spins) else 11)
    assert report.broken == [rule] and words in report.verdicts[rule].what and report.code() == 1


def test_the_search_goes_on_where_it_was(tmp_path: Path) -> None:
    class ExitsOnce(F6):
        def readpage(self, inode: Inode, page: Page) -> int:
            if not (tmp_path / "once").exists():
                (tmp_path / "once").touch()
                os._exit(0)
            return super().readpage(inode, page)

    report = check(ExitsOnce, examples=6, executions=0, era="6.1")
    assert report.broken == ["F1", "F6"] and report.examples == 6
    assert "step" in report.verdicts["F1"].what and "exit status 0" in report.verdicts["F1"].what
    assert report.verdicts["F1"].token


def test_the_search_is_over_once_what_was_expected_has_broken() -> None:
    report = check(F6, examples=200, era="6.1", until={"F6"})
    assert report.broken == ["F6"] and report.examples + report.executions < 100


def test_a_check_by_time_ends_in_its_time(monkeypatch: pytest.MonkeyPatch) -> None:
    """The file system would sleep for much longer, and nobody else would lose patience."""
    for name in ("PATIENCE_SECONDS", "MIN_PATIENCE"):
        monkeypatch.setattr(f"movable.contract.supervised.{name}", 900)
    report = check(Sleeps, budget=1.0)
    assert not report.passed() and report.seconds < 100


def test_what_had_not_ended_when_the_time_was_over_is_named_and_not_blamed(monkeypatch: pytest.MonkeyPatch) -> None:
    """The file system would sleep for much longer; that nobody has patience stands for that the time is over."""
    monkeypatch.setattr("movable.supervise.supervisor.STILL", TIME)
    monkeypatch.setattr("movable.contract.supervised.PATIENCE_SECONDS", 0.6)
    report = checked(Sleeps)
    assert report.code() == 3 and not report.broken and report.stopped.startswith("stopped early: program 0")
