"""What could not be done is never called passed: each part of a check is made to fail from inside."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from docs.drivers.ring import Ring, RingWorkload
from movable import UsageError
from movable.cli import main
from movable.concurrent.plan.derive import Plan
from movable.contract import GenericWorkload, certify, check
from movable.contract.report import text, to_json
from movable.contract.show.html import to_html
from movable.eras import ERAS
from movable.workload.program import encode
from tests.drivers_for_tests import bad_drivers as bad

RING = "docs/drivers/ring.py:Ring"
PHASES = {
    "the driver's modules": "movable.concurrent.stage.subject",
    "drawing programs": "movable.workload.generate.steps_by_kind",
    "running a program": "movable.sequential.harness.Machine.run",
    "planning scenarios": "movable.concurrent.search.derive",
    "checking a scenario beforehand": "movable.concurrent.search.precheck",
    "what a scenario may come to": "movable.concurrent.search.Trial",
    "preparing a scenario": "movable.concurrent.search.ScenarioSearch.prepare",
    "one execution": "movable.concurrent.search.ScenarioSearch._execute",
    "taking turns": "movable.concurrent.search._Turns.go",
    "the whole search": "movable.concurrent.search.interleavings",
    "the verdicts": "movable.contract.judge.declared_away",
}


def raising(error: BaseException) -> Callable[..., Any]:
    def fail(*args: Any, **options: Any) -> Any:
        raise error

    return fail


@pytest.mark.parametrize("error", [RuntimeError("it broke"), UsageError("it cannot"), KeyError("k")], ids=repr)
@pytest.mark.parametrize("place", PHASES.values(), ids=PHASES)
def test_a_part_that_fails_inside_never_passes(
    place: str, error: Exception, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(place, raising(error))
    assert main(["check", RING, "--examples", "12", "--executions", "40"]) == 2
    captured = capsys.readouterr()
    assert captured.err.count("\n") == 1
    assert str(error) in captured.err
    if captured.out:
        assert captured.out.splitlines()[-1].startswith("NOT passed, part of the search could not be done: ")


def test_a_search_without_any_execution_never_passes(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("movable.concurrent.search.derive", lambda *args, **options: Plan())
    report = check(Ring, examples=5)
    assert not report.passed() and report.code() == 2
    assert report.refused == "Ring: interleavings were not explored: there is no scenario for it"
    assert to_json(report)["passed"] is False and to_json(report)["refused"] == report.refused
    assert "<h1>Ring: certified" not in to_html([report])


def test_programs_that_stop_early_cost_no_interleavings() -> None:
    """A waived rule that each program breaks is no reason to look for nothing else."""
    report = check(bad.Half, examples=60, executions=80, waive={"D15": "the tail is never used"})
    assert not report.stopped and report.executions and report.examples == 60
    assert report.verdicts["D15"].verdict == "waived" and "D53" in report.broken


def test_a_hang_that_is_waived_is_no_pass(monkeypatch: pytest.MonkeyPatch) -> None:
    report = check(bad.HangsInTheSeam, examples=2, waive={"D51": "known"})
    assert not report.executions
    assert "interleavings were not explored" in report.refused
    assert not report.passed() and report.code() in (1, 2)


@pytest.mark.parametrize("verb", ["check", "replay"])
def test_an_unknown_era_is_refused(verb: str, capsys: pytest.CaptureFixture[str]) -> None:
    arguments = [verb, RING, *([encode((("compact",),))] if verb == "replay" else [])]
    assert main([*arguments, "--era", "3.11"]) == 2
    captured = capsys.readouterr()
    assert captured.out == "" and captured.err.count("\n") == 1
    assert captured.err.startswith("movable: unknown era '3.11'; known are 4.19")
    with pytest.raises(UsageError, match=r"unknown era"):
        certify(Ring, era="2.6")


@pytest.mark.parametrize(
    "words",
    [["check", RING, "--examples", "1", "--executions", "1"], ["new", "nothing"], ["lab", "import", "nowhere"], ["run"]],
)
def test_an_empty_era_is_none(
    words: list[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """As a shell makes of a variable that is not set; nobody is then certified for a kernel that nobody named."""
    if words[0] == "new":
        monkeypatch.chdir(tmp_path)
    assert main([*words, "--era", ""]) == 2
    captured = capsys.readouterr()
    assert captured.out == "" and captured.err.count("\n") == 1
    assert captured.err.startswith("movable: unknown era ''; known are 4.19")
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("era", ERAS)
def test_a_check_of_any_era_runs_interleavings(era: str, capsys: pytest.CaptureFixture[str]) -> None:
    """A driver with a lost write is caught whatever kernel it is judged as, or the check says that it could not be done."""
    racy = "tests.drivers_for_tests.racy_drivers:CopiesUnderAnotherLock"
    code = main(["check", racy, "--era", era, "--examples", "5", "--executions", "900"])
    assert code == 1 if era == "4.19" else code in (1, 2)
    assert "\npassed" not in capsys.readouterr().out


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (["--budget", "5s", "--examples", "5"], "--budget is time, and --examples is for a search by work"),
        (["--budget", "5s", "--limit", "5s"], "--budget is time, and --limit is for a search by work"),
        (["--budget", "5s", "--jobs", "2"], "--budget is time, and --jobs is for a search by work"),
        (["--jobs", "3000"], "3000 jobs are not possible; use 1 to 256"),
        (["--seed", "1", "--seeds", "0-2"], "--seed is one, --seeds are several"),
        (["--jobs", "2", "--campaign", "x", "--seeds", "0-2"], "--campaign keeps the pieces of one seed"),
    ],
)
def test_options_that_contradict_one_another(options: list[str], message: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["check", RING, *options]) == 2
    captured = capsys.readouterr()
    assert captured.out == "" and message in captured.err and captured.err.count("\n") == 1


def test_a_limit_cuts_short_and_says_so(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["check", RING, "--examples", "100000", "--limit", "0.01s"]) == 3
    last = capsys.readouterr().out.splitlines()[-1]
    assert last.startswith("cut short after ")
    assert " of 100000 programs and " in last and " of 500000 executions: " in last


def test_a_limit_that_cuts_only_interleavings_short() -> None:
    report = check(Ring, examples=1, executions=1_000_000, limit=0.01)
    assert report.cut and report.code() == 3 and not report.passed()
    assert "cut short after 1 of 1 programs and " in text(report).splitlines()[-1]


def test_pytest_fails_for_a_search_that_was_not_done(tmp_path: Path) -> None:
    from tests.contract.test_pytest_items import run_pytest

    (tmp_path / "test_it.py").write_text(
        "from movable.contract import certify, examine\nfrom docs.drivers.ring import Ring\n"
        "examine.ISOLATE = False\ntest_ring = certify(Ring, examples=100000, limit=0.01)\n"
    )
    result = run_pytest(tmp_path, "-k", "search")
    assert "cut short after" in result.stdout and "1 failed" in result.stdout


def test_every_era_in_one_table(capsys: pytest.CaptureFixture[str]) -> None:
    """What a kernel cannot call is refused in its own line, and the others are checked."""
    keeper = "tests.drivers_for_tests.keeper:Keeper"
    assert main(["check", keeper, "--era", "all", "--examples", "1", "--interleavings", "0"]) == 2
    out, err = capsys.readouterr()
    rows = [line.split()[:2] for line in out.splitlines()[-6:]]
    assert [row[0] for row in rows] == ["era", "4.19", "6.1", "6.17", "7.3", "passed"] and rows[-2] == ["7.3", "refused"]
    assert "movable: era 7.3: Keeper.migratepage" in err
    assert main(["check", keeper, "--era", "all", "--seeds", "0-1"]) == 2
    assert "--era all makes a certificate for each era" in capsys.readouterr().err


def test_seeds_make_one_table(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["check", RING, "--examples", "2", "--executions", "20", "--seeds", "0-2,7"]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert [line.split()[0] for line in lines[-5:-1]] == ["0", "1", "2", "7"]
    assert lines[-1] == "passed with 4 of 4 seeds"
    half = "tests.drivers_for_tests.bad_drivers:Half"
    assert main(["check", half, "--examples", "10", "--executions", "100", "--seeds", "0-1"]) == 1
    out = capsys.readouterr().out
    assert out.splitlines()[-1] == "NOT passed (D15, D53): 2 of 2 seeds failed or were not done to their end"
    assert out.count("BROKEN D15") == 1 and " after " in out


def test_a_workload_of_which_little_ran_does_not_pass_alone() -> None:
    class Half(RingWorkload):
        def write(self, slot: int, data: bytes) -> bool:
            return False

    class Filled(Ring):
        def populate(self, count: int) -> None:
            for slot in range(count):
                self.write(slot, b"filled")

    report = check(Filled, GenericWorkload, examples=5)
    last = text(report).splitlines()[-1]
    assert last.startswith("passed, but there is no workload: 1 of the driver's methods never ran (read): ")
    assert report.passed() and not report.passed(strict=True)
    Half.write.movable_operation = RingWorkload.write.movable_operation  # type: ignore[attr-defined]
    report = check(Ring, Half, examples=30)
    assert report.never_ran == ["drop", "overwrite"]
    assert "2 of 3 operations never ran (drop, overwrite)" in text(report).splitlines()[-1]
    assert not report.passed(strict=True)
