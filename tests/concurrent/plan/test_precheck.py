"""What no schedule governs, and drivers that cannot be explored: one line, and nothing of what was found is lost."""

from __future__ import annotations

import signal
import sys
from pathlib import Path

import pytest

from docs.drivers.ring import Ring, RingWorkload
from movable import Page
from movable.cli import main
from movable.concurrent.campaign import spread
from movable.concurrent.execution import unfit
from movable.concurrent.plan.precheck import suspicious
from movable.concurrent.search import Interleavings, interleavings
from movable.concurrent.stage import Subject
from movable.contract import check, migrate, op, scenario
from movable.explore import ExploreError
from movable.explore.instrument.hooks import Hooks
from movable.registry import find
from movable.sequential import faults
from movable.sequential.harness import Machine
from movable.workload.workload import workload_for
from tests.concurrent.test_execution import Inline
from tests.drivers_for_tests import outside_drivers as outside
from tests.drivers_for_tests import racy_drivers as racy

HERE = "tests.drivers_for_tests.outside_drivers"
OLD = op("write", slot=0, data=b"old")
WRITES = scenario("writes", op("write", slot=0, data=b"new!"), op("write", slot=1, data=b"x"))


def explored(driver: type, executions: int = 100) -> Interleavings:
    return interleavings(Subject(RingWorkload, driver), executions=executions, scenarios=[WRITES])


@pytest.mark.parametrize(
    ("driver", "words"),
    [
        ("ModuleLock", "outside_drivers.GUARD is a real lock; use vm.mutex(name)"),
        ("NestedLock", "NestedLock.locks.main is a real lock; use vm.mutex(name)"),
        ("ListedLocks", "ListedLocks.locks[0] is a real RLock; use vm.mutex(name)"),
        ("ClosureLock", "lock of _guarded.<locals>.run is a real lock; use vm.mutex(name)"),
        ("RealQueue", "RealQueue.jobs is a real SimpleQueue; use a list under vm.mutex(name)"),
    ],
)
def test_what_blocks_is_found_wherever_it_is_kept(driver: str, words: str) -> None:
    found = explored(getattr(outside, driver))
    entered = f"__enter__() is called at {Path(outside.__file__).name}"  # in Python 3.14 a with statement is a call like others
    assert words in found.refused or (sys.version_info >= (3, 14) and entered in found.refused)
    assert not found.executions


def test_a_lock_that_nobody_names_is_no_matter() -> None:
    assert not explored(outside.Leaves).refused  # its module has a real lock, which another driver uses


def test_a_task_that_waits_for_the_outside_world_is_told_and_not_waited_for(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(faults, "TICK_SECONDS", 0.5)
    monkeypatch.setattr(faults, "NEXT_TO_NOTHING_SHARE", 0.2)
    found = explored(outside.Pipes)
    assert "it waits for something outside the model (1 seconds in which nothing happened, at outside_drivers.py:" in found.refused
    assert "use vm.mutex(name)" in found.refused
    assert found.refused.count("\n") == 0


BESIDE = scenario("write beside migration", op("write", slot=0, data=b"new!"), migrate(0), prefix=[OLD])


@pytest.mark.parametrize(
    ("driver", "words"),
    [
        ("BacksOff", "sleep() is called at outside_drivers.py:"),
        ("BacksOffByChance", "Random.random() is called at outside_drivers.py:"),
        ("Addresses", "the same schedule did not do the same twice"),
    ],
)
def test_what_is_done_only_beside_another_task_is_told(driver: str, words: str) -> None:
    found = interleavings(Subject(RingWorkload, getattr(outside, driver)), executions=300, scenarios=[BESIDE])
    assert words in found.refused
    assert found.executions


def test_the_same_on_other_processes() -> None:
    chosen = Subject(RingWorkload, outside.BacksOff)
    found = spread(f"{HERE}:BacksOff", chosen, Inline(), executions=200, scenarios=[BESIDE])
    assert "sleep() is called at outside_drivers.py:" in found.refused


def test_only_who_names_something_is_suspicious() -> None:
    assert suspicious(Subject(RingWorkload, outside.BacksOff))
    assert not suspicious(Subject(RingWorkload, outside.Asserts))
    assert not suspicious(Subject(RingWorkload, Ring))
    for name in ("zsmalloc", "balloon"):
        assert not suspicious(Subject(workload_for(find(name)), find(name)))


def test_a_timer_of_somebody_elses_goes_on() -> None:
    before = signal.setitimer(signal.ITIMER_REAL, 500.0)
    try:
        with faults.watchdog():
            assert signal.getitimer(signal.ITIMER_REAL)[0] <= faults.TICK_SECONDS
        assert faults.TICK_SECONDS < signal.getitimer(signal.ITIMER_REAL)[0] <= 500.0
        signal.setitimer(signal.ITIMER_REAL, 0)
        with faults.watchdog():
            pass
        assert signal.getitimer(signal.ITIMER_REAL) == (0.0, 0.0)
    finally:
        signal.setitimer(signal.ITIMER_REAL, *before)


def test_a_set_up_that_fails_costs_nothing_that_was_found(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.delenv("MOVABLE_TEST_MINORS", raising=False)
    page = tmp_path / "page.html"
    command = ["check", f"{HERE}:Minors", "--interleavings", "1", "--executions", "3000", "--html", str(page)]
    assert main(command) == 2
    captured = capsys.readouterr()
    assert "RuntimeError: no minor numbers left, raised at outside_drivers.py:" in captured.err
    assert captured.err.count("\n") == 1
    assert captured.out.splitlines()[-1].count(" executions of ")
    assert page.exists()


def test_what_the_explorer_says_against_a_driver_is_no_broken_rule(monkeypatch: pytest.MonkeyPatch) -> None:
    def complain(hooks: Hooks) -> None:
        raise ExploreError("slots cannot be followed; do otherwise")

    monkeypatch.setattr(Hooks, "check", complain)
    found = explored(Ring)
    assert found.refused == "Ring: interleavings were not explored: slots cannot be followed; do otherwise"
    assert not found.broken


def test_nor_is_it_where_a_callback_comes_to_it(monkeypatch: pytest.MonkeyPatch) -> None:
    """The core wraps what a callback raises."""

    class Complains(racy.Racy):
        def isolate_page(self, page: Page, mode: int) -> bool:
            if self.vm.seam is not None and self.vm.seam.scheduler is not None:
                raise ExploreError("slots cannot be followed; do otherwise")
            return super().isolate_page(page, mode)

    beside = scenario("write beside migration", op("write", slot=1, data=b"x"), migrate(0), prefix=[OLD])
    found = interleavings(Subject(RingWorkload, Complains), executions=60, scenarios=[beside])
    assert found.refused.endswith("slots cannot be followed; do otherwise")
    assert not found.broken


def test_an_exception_that_is_none_breaks_a_rule_and_no_check() -> None:
    report = check(outside.Leaves, examples=20, executions=60)
    assert "raised GeneratorExit: left at outside_drivers.py" in report.verdicts["D52"].what
    report = check(outside.OddRing, examples=20, executions=60)
    assert "raised Odd: drop at outside_drivers.py" in report.verdicts["D52"].what
    alone = check(outside.OddRing, interleavings=1.0, executions=60)
    assert not alone.refused
    assert all("Odd: drop" in one.left_out for one in alone.scenarios if one.name.startswith("drop ||"))


def test_a_chain_of_exceptions_may_be_a_ring() -> None:
    one, two = KeyError("one"), ValueError("two")
    one.__cause__, two.__cause__ = two, one
    assert unfit(one) is None
    two.__cause__ = complaint = ExploreError("no")
    assert unfit(one) is complaint


def test_an_interruption_is_one_in_a_program_too() -> None:
    machine = Machine(RingWorkload, Ring)

    def interrupted() -> None:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        machine._guard("x", interrupted)


def test_an_assertion_without_words_has_some() -> None:
    report = check(outside.Asserts, examples=30, interleavings=0)
    assert "an assertion failed at outside_drivers.py" in report.verdicts["D54"].what
