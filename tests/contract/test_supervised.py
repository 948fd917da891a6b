"""A check of a driver that does what it likes to its process: one verdict, in time, and nothing left behind."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest
from hypothesis import strategies as st

from docs.drivers.ring import Ring, RingWorkload
from movable.contract import check, operation
from movable.contract.budget import LIMIT_SECONDS
from movable.contract.report import Report
from movable.contract.supervised import by_the_clock
from movable.errors import UsageError
from movable.sequential.faults import CLOCK_TIMES_PROCESSOR
from movable.supervise.supervisor import TIME
from tests.drivers_for_tests import hostile_drivers as hostile

SUPERVISED = True
ROOT = Path(__file__).parents[2]
BUSY = 3.0
"""Seconds that a check may take more on a machine that is busy with other things."""

ENDS = [
    (hostile.Exits, "D52", "ended itself with exit status 0"),
    (hostile.ExitsWithTwo, "D52", "ended itself with exit status 2"),
    (hostile.Crashes, "D52", "SIGSEGV"),
    (hostile.Forks, "D52", "was forked"),
    (hostile.Sleeps, "D51", "killed"),
    (hostile.LocksForReal, "D51", "killed"),
    (hostile.CallsC, "D51", "killed"),
    (hostile.Backtracks, "D51", "killed"),
    (hostile.Deaf, "D51", "killed"),
    (hostile.Swallows, "D51", "killed"),
    (hostile.EndlessFinalizer, "D51", "processor time|killed"),
    (hostile.Recurses, "D23", "RecursionError"),
    (hostile.OutgrowsMemory, "D23|D52", "MemoryError|memory"),
    (hostile.Closes, "D52", "closed the descriptors"),
    (hostile.Floods, "D52", "output"),
    (hostile.Forges, "D52", "ended itself with exit status 0"),
    (hostile.Unspeakable, "D23", "cannot be shown"),
    (hostile.Talkative, "D23", "xxx"),
    (hostile.Interrupts, "D23", "raised KeyboardInterrupt"),
    (hostile.InterruptsItself, "D52", "SIGINT"),
    (hostile.Naps, "D51", "processor time|killed"),
    (hostile.ForksBehindPython, "D52", "was forked"),
    (hostile.Breeds, "D52", "others came of it"),
    (hostile.BreedsAsAKeeper, "D52", "others came of it"),
    (hostile.EndsItsFirstThread, "D51", "stood still"),
    (hostile.WaitsForAChild, "D51", "stood still"),
    (hostile.Replaces, "D52", "movable.mm.vm.VM.alloc_page was replaced"),
    (hostile.AnswersTooMuch, "D23", "of 16610 bits"),
    (hostile.AnswersWithATrap, "D23", "hostile_drivers.EndsWhoLooks object> to"),
    (hostile.Stops, "D51", "killed"),
    (hostile.KillsItsKeeper, "D23|D52", "SIGKILL|PermissionError"),
    (hostile.LowersTheLimit, "D23|D52", ""),
]


@pytest.fixture(autouse=True)
def quick(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    """What hangs is given little time, everything else as much as a busy machine may need. Workers are forks of this process."""
    hangs = "D51" in str(request.node.callspec.params.get("rules")) if hasattr(request.node, "callspec") else False
    monkeypatch.setattr("movable.contract.supervised.PATIENCE_SECONDS", 0.4 if hangs else 30.0)
    monkeypatch.setattr("movable.supervise.keeper.MOST_PROCESSES", 20)
    monkeypatch.setattr("movable.supervise.keeper.LOOK_SECONDS", 0.05)


def checked(driver: type) -> Report:
    return check(driver, examples=2, interleavings=0.0)


@pytest.mark.unmeasured
@pytest.mark.parametrize(("driver", "rules", "words"), ENDS, ids=lambda value: getattr(value, "__name__", None))
def test_whatever_a_driver_does_to_its_process_costs_a_verdict(driver: type, rules: str, words: str) -> None:
    report = checked(driver)
    found = [report.verdicts[rule] for rule in rules.split("|") if rule in report.broken]
    assert found and not report.passed() and report.code() == 1
    assert any(word in found[0].what for word in words.split("|")) and len(found[0].what) < 5000


@pytest.mark.campaign
@pytest.mark.parametrize("driver", [hostile.Deaf, hostile.Sleeps, hostile.Backtracks])
def test_a_check_ends_in_its_time(driver: type, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("movable.contract.supervised.PATIENCE_SECONDS", 60)
    for options in ({"limit": 1.5}, {"budget": 1.5}):
        began = time.monotonic()
        report = check(driver, **options)  # type: ignore[arg-type]
        assert time.monotonic() - began < 2.5 + BUSY and not report.passed()


def test_what_had_not_ended_when_the_time_was_over_is_named_and_not_blamed(monkeypatch: pytest.MonkeyPatch) -> None:
    """That nobody has patience stands for that the time is over."""
    monkeypatch.setattr("movable.supervise.supervisor.STILL", TIME)
    monkeypatch.setattr("movable.contract.supervised.PATIENCE_SECONDS", 0.6)
    report = checked(hostile.Sleeps)
    assert not report.broken and report.code() == 3 and report.stopped.startswith("stopped early: step")


def test_a_program_that_ended_the_process_is_told_rather_than_an_end_while_scenarios_were_planned() -> None:
    report = check(hostile.Exits, examples=2, executions=10)
    found = report.verdicts["D52"]
    assert "while scenarios were planned" in report.refused and found.what.startswith("step") and found.token


def test_a_verdict_names_the_operation_and_repeats() -> None:
    found = checked(hostile.Exits).verdicts["D52"]
    assert found.what.partition(":")[0].startswith(("step", "at the end")) and found.token and found.story
    done = movable("replay", "tests/drivers_for_tests/hostile_drivers.py:Exits", found.token)
    assert done.returncode == 1 and "D52" in done.stderr and "exit status 0" in done.stderr


class EndsTheReader(BaseException):
    """No Exception, as the outcomes of pytest are none."""


class DropsWithUsageError(hostile.Hostile):
    def drop(self, slot: int) -> None:
        raise UsageError("all is well")


class EndsWhoAsks(Exception):
    def __str__(self) -> str:
        raise SystemExit(0)


class DropsWithoutWords(hostile.Hostile):
    def drop(self, slot: int) -> None:
        raise EndsWhoAsks


class MovesWithUsageError(hostile.Hostile):
    def act(self) -> None:
        raise UsageError("all is well")


class ReadsWithBaseException(hostile.Hostile):
    def read(self, slot: int, length: int) -> bytes:
        raise EndsTheReader


@pytest.mark.parametrize(
    ("driver", "rule", "words"),
    [
        (DropsWithUsageError, "D52", "raised UsageError: all is well at test_supervised.py"),
        (DropsWithoutWords, "D52", "raised EndsWhoAsks: (EndsWhoAsks that cannot be shown"),
        (MovesWithUsageError, "D23", "raised UsageError: all is well at test_supervised.py"),
        (ReadsWithBaseException, "D52", "raised EndsTheReader"),
    ],
)
def test_whatever_a_driver_raises_costs_a_verdict(driver: type, rule: str, words: str) -> None:
    report = check(driver, examples=4, executions=4)
    assert rule in report.broken and words in report.verdicts[rule].what and not report.refused


@pytest.mark.unmeasured
def test_the_search_goes_on_where_it_was_and_comes_to_the_same(tmp_path: Path) -> None:
    """One program of forty ends its process: the others count as if it were not there."""

    def count(driver: type) -> Report:
        return check(driver, examples=40, interleavings=0.0)

    class ExitsLate(hostile.Hostile):
        calls = 0

        def act(self) -> None:
            self.calls += 1
            if self.calls == 3 and not (tmp_path / "once").exists():
                (tmp_path / "once").touch()
                os._exit(0)

    whole, broken = count(hostile.Hostile), count(ExitsLate)
    assert broken.broken == ["D52"] and broken.examples == whole.examples
    assert 0 < whole.steps - broken.steps < 50 and not whole.broken


class ExitsBetween(Ring):
    """Ends its process only where a write comes in the middle of a migration."""

    workload = RingWorkload
    moving = False

    def migratepage(self, mapping: Any, newpage: Any, page: Any, mode: int) -> int:
        self.moving = True
        try:
            return super().migratepage(mapping, newpage, page, mode)
        finally:
            self.moving = False

    def write(self, slot: int, data: bytes) -> bool:
        if self.moving:
            os._exit(0)
        return super().write(slot, data)


@pytest.mark.unmeasured
def test_an_interleaving_that_ends_the_process_has_a_token_and_the_others_are_explored(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("movable.contract.supervised.PATIENCE_SECONDS", 60.0)  # nothing hangs here, however busy the machine
    report = check(ExitsBetween, examples=1, executions=150, waive={"D53": "it ends before that"})
    found = report.verdicts["D52"]
    assert report.broken == ["D52"] and found.what == "the process ended itself with exit status 0" and found.scenario
    ended = [one for one in report.scenarios if one.left_out]
    assert ended and all("exit status 0" in one.left_out for one in ended) and found.scenario in [one.what for one in ended]
    assert sum(one.executions for one in report.scenarios if not one.left_out) > 50
    done = movable("replay", "tests/contract/test_supervised.py:ExitsBetween", found.token)
    assert done.returncode == 1 and "D52: the replay: the process ended itself with exit status 0" in done.stderr


class DrawsWorkload(RingWorkload):
    """``late`` is what happens when arguments are drawn after something of the driver has run."""

    factory = Ring
    late: Any = None
    ran = False

    @operation(slot=st.integers(0, 3).map(lambda slot: DrawsWorkload.late() if DrawsWorkload.ran else slot))
    def poke(self, slot: int) -> None:
        DrawsWorkload.ran = True


def asks_for_what_is_not_there() -> None:
    raise UsageError("there is none")


@pytest.mark.parametrize(
    ("late", "code", "words"),
    [
        (lambda: os._exit(0), 1, "cannot be drawn: the process ended itself with exit status 0"),
        (lambda: os.kill(os.getpid(), signal.SIGSEGV), 1, "SIGSEGV"),
        (asks_for_what_is_not_there, 2, "there is none"),
    ],
)  # fmt: skip
def test_what_was_found_before_an_end_outside_of_programs_is_shown(
    late: Any, code: int, words: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The end is the driver's where something of it has run, an error the workload's or the kit's: then it says what it is."""
    monkeypatch.setattr(DrawsWorkload, "late", staticmethod(late))
    report = check(Ring, DrawsWorkload, examples=400, interleavings=0.0)
    assert report.code() == code and 0 < report.examples < 400 and report.verdicts["D4"].verdict == "held"
    told = report.verdicts["D52"].what if code == 1 else report.refused
    assert words in told and bool(report.trace) == (code == 2)


def test_threads_and_processes_that_are_left_end_with_the_check(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("movable.supervise.landlock.keep_signals", lambda: None)  # so that one of them reaches its keeper
    for driver in (hostile.LeavesThreads, hostile.LeavesProcesses, hostile.StopsItsKeeper):
        report = checked(driver)
        assert report.broken == []
    assert not subprocess.run(["pgrep", "-f", f"^sleep {hostile.SLEEP}$"], capture_output=True, check=False).stdout


def test_with_isolate_off_the_driver_runs_here() -> None:
    hostile.LeavesProcesses.started = False

    class Here(hostile.Hostile):
        pids: set[int] = set()

        def act(self) -> None:
            Here.pids.add(os.getpid())

    check(Here, examples=3, interleavings=0.0)
    assert not Here.pids
    check(Here, examples=3, interleavings=0.0, isolate=False)
    assert Here.pids == {os.getpid()}


def movable(*words: str, folder: Path = ROOT) -> subprocess.CompletedProcess[str]:
    env = {**os.environ, "PYTHONPATH": f"{ROOT}:{ROOT / 'drivers'}"}
    return subprocess.run(
        [sys.executable, "-m", "movable", *words], capture_output=True, text=True, cwd=folder, env=env, check=False, timeout=120
    )


@pytest.mark.parametrize(
    ("line", "words"),
    [
        ("import os; os._exit(0)", "cannot be imported"),
        ("import time; time.sleep(1000)", "cannot be imported|cannot be looked at"),
        ("sum(range(10**14))", "cannot be imported|cannot be looked at"),
        ("raise SystemExit(0)", "cannot be imported"),
        ("import builtins; builtins.len = lambda what: 0", r"before that builtins\.len"),
    ],
)
def test_a_driver_that_ends_while_it_is_imported_is_one_line(line: str, words: str, tmp_path: Path) -> None:
    (tmp_path / "ends.py").write_text(f"{line}\n\nclass Driver: pass\n")
    endless = line.endswith(("sleep(1000)", "sum(range(10**14))"))
    with pytest.raises(UsageError, match=words) as caught:
        check(f"{tmp_path / 'ends.py'}:Driver", limit=2.0 if endless else 60.0)
    assert "\n" not in str(caught.value)


def test_a_busy_machine_does_not_cut_the_usual_search_short() -> None:
    """Its limit is one of processor time; what somebody asks for in seconds is over after so many."""
    assert by_the_clock(LIMIT_SECONDS) == CLOCK_TIMES_PROCESSOR * LIMIT_SECONDS
    assert by_the_clock(2.0) == 2.0
