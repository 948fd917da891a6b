"""Interleavings of drivers: the right ones have no failure, the racy ones break their rules, what no schedule governs is told."""

from __future__ import annotations

import json
import re
import subprocess
import sys
import time
from concurrent.futures import Executor, Future
from pathlib import Path
from typing import Any

import pytest

from docs.drivers.aio_ring import AioRing
from docs.drivers.ring import Ring, RingWorkload
from docs.drivers.slab import SlabCache
from movable import UsageError
from movable.cli import main
from movable.concurrent.campaign import spread
from movable.concurrent.execution import Trial, broken
from movable.concurrent.failures.explain import MIN_SHRINKING_EXECUTIONS, OPTIONS, RULE_OF_KIND, _tries, rule_of_failure
from movable.concurrent.failures.replay import Interleaving
from movable.concurrent.search import Interleavings, interleavings
from movable.concurrent.stage import Stage, Subject, subject
from movable.contract import check, finish, isolate, migrate, op, scenario, teardown
from movable.contract.report import Report, text, to_json
from movable.contract.show.html import to_html
from movable.contract.show.replay import replay
from movable.contract.verdict import BROKEN, HELD, WAIVED
from movable.explore import Failure, Named, campaign
from movable.explore import failure as kinds
from movable.explore.campaign import Chunk, planned, work
from movable.registry import find
from movable.rules.table import RULES
from movable.supervise import board
from movable.supervise.channel import Closed
from movable.workload import program
from movable.workload.scenario import Scenario, decode, encode
from movable.workload.workload import workload_for
from tests.drivers_for_tests import ambient_drivers as ambient
from tests.drivers_for_tests import racy_drivers as racy

OLD = op("write", slot=0, data=b"old")
NEW = op("write", slot=0, data=b"new!")
BESIDE: dict[str, Scenario] = {
    "write and migration": scenario("write and migration", NEW, migrate(0), prefix=[OLD]),
    "writes": scenario("writes", NEW, op("write", slot=1, data=b"x")),
    "drop and migration": scenario("drop and migration", op("drop", slot=0), migrate(0), prefix=[OLD]),
    "removal": scenario("removal", teardown(), finish(), prefix=[OLD, isolate(0)]),
    "late drop": scenario("late drop", op("drop", slot=0), finish(), prefix=[OLD, isolate(0)]),
}
RACY = "tests.drivers_for_tests.racy_drivers"


def explored(driver: type, name: str, executions: int = 400, **more: Any) -> Interleavings:
    return interleavings(Subject(RingWorkload, driver), executions=executions, scenarios=[BESIDE[name]], **more)


def test_a_removal_that_does_not_end_has_a_token_and_a_story() -> None:
    found = explored(racy.WaitsForItsCount, "writes", executions=100).broken["D51"]
    assert found.what.startswith("the removal of the driver afterwards does not end: 10000 events, and it goes on at racy_drivers")
    assert found.token and found.lines and found.follows == "D53"



# --- right ones ---


@pytest.mark.unmeasured
@pytest.mark.parametrize("driver", [Ring, SlabCache, AioRing, "balloon", "zsmalloc"])
def test_no_false_alarm(driver: Any) -> None:
    factory = find(driver) if isinstance(driver, str) else driver
    found = interleavings(Subject(workload_for(factory), factory), executions=2000 if driver is SlabCache else 600)
    assert not found.refused
    assert not found.broken, "\n".join(f"{rule}: {told.what}" for rule, told in found.broken.items())
    assert not [one.name for one in found.scenarios if one.left_out]
    assert found.executions >= 400
    assert all(found.exercised[rule] for rule in ("D49", "D51", "D53", "D34", "D8", "D23"))


def test_small_scenarios_are_covered_completely() -> None:
    found = explored(Ring, "write and migration")
    assert found.scenarios[0].complete
    assert found.scenarios[0].covered == "all interleavings"
    assert 10 < found.executions < 400


def test_a_large_one_says_how_far_it_got() -> None:
    found = explored(Ring, "drop and migration", 60)
    assert not found.scenarios[0].complete
    assert "at most" in found.scenarios[0].covered or "samples" in found.scenarios[0].covered


# --- racy ones ---


@pytest.mark.parametrize(
    ("driver", "name", "rule", "words"),
    [
        (racy.CopiesOutsideTheLock, "write and migration", "D53", "(reads page 0 data)"),
        (racy.CopiesOutsideTheLock, "write and migration", "D15", "reads b'old"),
        (racy.CopiesUnderAnotherLock, "write and migration", "D15", "reads b'old"),
        (racy.ChecksThenActs, "write and migration", "D12", "removed while on no list"),
        (racy.Counts, "writes", "D53", "Counts.writes"),
        (racy.DropsWithoutThePageLock, "drop and migration", "D46", "used by drop after it was freed"),
        (racy.WaitsBadly, "removal", "D49", "lost wake-up"),
        (racy.InvertsLocks, "write and migration", "D49", "lock order"),
        (racy.ReadsAfterFree, "late drop", "D46", "after it was freed"),
    ],
)
def test_a_race_breaks_its_rule_and_is_told(driver: type, name: str, rule: str, words: str) -> None:
    found = explored(driver, name)
    assert rule in found.broken, {id: told.what for id, told in found.broken.items()}
    told = found.broken[rule]
    assert words in told.what
    assert 0 <= told.preemptions <= 1
    assert any("goes on" in line or "pre-empts" in line for line in told.lines)
    assert len(told.scenario.prefix) == len(BESIDE[name].prefix)
    assert {step["task"] for step in told.rows["steps"]} == {0, 1}
    again = replay(driver, told.token, workload=RingWorkload)
    assert again.broken == [rule] and isinstance(again, Interleaving)
    assert again.story.failure is not None
    assert again.lines()[-1].startswith(f"BROKEN {rule} ")


def test_the_same_executions_find_the_same() -> None:
    first, second = (explored(racy.CopiesOutsideTheLock, "write and migration") for _ in range(2))
    assert [(one.token, one.lines) for one in first.broken.values()] == [(one.token, one.lines) for one in second.broken.values()]


def test_what_a_failure_does_not_need_is_left_out() -> None:
    wide = scenario("wide", [op("write", slot=3, data=b"z"), NEW], migrate(0), op("write", slot=2, data=b"y"), prefix=[OLD])
    found = interleavings(Subject(RingWorkload, racy.CopiesUnderAnotherLock), executions=600, scenarios=[wide])
    told = found.broken["D15"]
    assert [len(actions) for actions in told.scenario.tasks] == [1, 1]
    assert told.scenario.prefix == (OLD,)


def test_what_there_is_no_time_for_is_not_begun_and_told() -> None:
    names = ("write and migration", "writes", "removal")
    found = interleavings(Subject(RingWorkload, racy.CopiesOutsideTheLock), seconds=0, scenarios=[BESIDE[name] for name in names])
    assert [one.executions for one in found.scenarios] == [1, 0, 0]
    report = Report("x", "x", "x", "4.19", 0, scenarios=found.scenarios)
    assert "left out: 2 planned scenarios were not reached" in text(report)
    derived = interleavings(Subject(RingWorkload, Ring), seconds=0)
    assert derived.executions == 1
    assert len(derived.scenarios) < 10  # one kind is planned


def test_a_failure_is_made_small_as_far_as_there_is_time() -> None:
    now = time.monotonic()
    assert _tries(400, None, 0.5) == 400
    assert _tries(400, now - 1, 0.5) == MIN_SHRINKING_EXECUTIONS
    assert MIN_SHRINKING_EXECUTIONS < _tries(400, now + 1000, 10.0) <= 100


def test_known_rules_are_not_looked_for_and_expected_ones_end_the_search() -> None:
    found = explored(racy.CopiesOutsideTheLock, "write and migration", known=frozenset({"D53"}))
    assert "D53" not in found.broken
    found = explored(racy.CopiesOutsideTheLock, "write and migration", until=frozenset({"D53"}))
    assert list(found.broken) == ["D53"]
    assert found.executions < 100


def test_a_busy_wait_is_not_the_end_of_the_search() -> None:
    found = explored(racy.Spins, "late drop", 30)
    assert not found.broken
    assert found.executions == 30


def test_the_plain_isolated_flag_is_the_cores_own_race() -> None:
    made = scenario("remove and migration", teardown(), migrate(0), prefix=[OLD])
    plain = subject(RingWorkload, Ring, features={"atomic_isolated_flag": False})
    found = interleavings(plain, executions=600, scenarios=[made])
    assert found.broken.keys() & {"D49", "D53"}
    atomic = interleavings(Subject(RingWorkload, Ring), executions=600, scenarios=[made])
    assert not atomic.broken


@pytest.mark.parametrize("kind", sorted(RULE_OF_KIND))
def test_every_kind_of_failure_has_a_rule(kind: str) -> None:
    assert rule_of_failure(Failure(kind, "x")) in RULES
    assert rule_of_failure(Failure(kinds.CHECK, "x", error=broken("D15")("x"), cause="D15")) == "D15"
    assert rule_of_failure(Failure(kinds.EXCEPTION, "x", error=KeyError("x"), cause="KeyError")) == "D52"


def test_the_monitor_watches_every_execution() -> None:
    """A rule that only events show: the driver keeps the core's reference for a while."""

    class Clings(racy.Racy):
        def putback_page(self, page: Any) -> None:
            from movable import list_add_tail, put_page

            with self.lock:
                list_add_tail(page.lru, self.idle)
            put_page(page)

    found = interleavings(
        Subject(RingWorkload, Clings), executions=40, scenarios=[scenario("s", op("put", n=0), teardown())]
    )
    assert found.scenarios[0].left_out  # there is no such method: it fails without any interleaving
    trial = Trial(Subject(RingWorkload, Ring), BESIDE["write and migration"])
    from movable.explore.runner import Options, follow

    for _ in range(3):
        follow(trial, (), Options())
    assert trial.exercised()["D17"] == 3


# --- what no schedule governs ---


@pytest.mark.parametrize(
    ("driver", "words"),
    [
        ("RealLock", "RealLock.guard is a real lock; use vm.mutex(name)"),
        ("RealThread", "is called at racy_drivers.py"),
        ("Clock", "time() is called at racy_drivers.py"),
        ("Dice", "use vm.random"),
        ("Remembers", "the same schedule did not do the same twice"),
    ],
)
def test_what_cannot_be_governed_is_told_in_one_line(driver: str, words: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["check", f"{RACY}:{driver}", "--examples", "4", "--executions", "300"]) == 2
    captured = capsys.readouterr()
    assert words in captured.err
    assert captured.err.count("\n") == 1
    assert "Traceback" not in captured.out + captured.err


def test_a_mistake_of_the_kits_own_is_no_verdict_on_the_driver(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("movable.concurrent.linearizability.can_be_over", tuple.index)
    found = explored(Ring, "writes", 20)
    assert not found.broken and "a mistake of the kit's own, not of the driver" in found.refused
    assert "raised at" in found.refused and "while a machine was set up" not in found.refused


def test_an_error_of_an_authors_code_is_no_mistake_of_the_kits(monkeypatch: pytest.MonkeyPatch) -> None:
    def fails(*given: object) -> bool:
        raise ValueError("hello")

    monkeypatch.setattr("movable.concurrent.linearizability.can_be_over", fails)
    found = explored(Ring, "writes", 20)
    assert set(found.broken) == {"D52"} and found.broken["D52"].what == "ValueError: hello" and not found.refused


@pytest.mark.parametrize("where", ["_Turns.go", "explain_failure"])
def test_who_has_lost_the_supervisor_says_nothing_of_the_driver(where: str, monkeypatch: pytest.MonkeyPatch) -> None:
    def lost(*given: object) -> None:
        raise Closed

    monkeypatch.setattr(f"movable.concurrent.search.{where}", lost)
    with pytest.raises(Closed):
        explored(racy.CopiesUnderAnotherLock, "write and migration")


def test_the_machines_own_dice_are_fine() -> None:
    assert not interleavings(Subject(RingWorkload, racy.MachineDice), executions=60).refused


# --- the certificate ---


def test_a_check_spends_a_part_of_its_budget_on_interleavings(tmp_path: Path) -> None:
    report = check(racy.CopiesUnderAnotherLock, examples=6, executions=900)
    assert report.verdicts["D15"].verdict == BROKEN
    assert report.verdicts["D15"].token.startswith("m3.")
    assert report.verdicts["D53"].verdict == HELD
    assert report.verdicts["D53"].exercised == report.executions >= 600
    assert text(report).splitlines()[-1].endswith(f"{report.executions} executions of {len(report.scenarios)} scenarios")
    assert "explored" in text(report) and "all: all interleavings" in text(report)
    record = json.loads(json.dumps(to_json(report)))
    assert record["interleavings"]["executions"] == report.executions
    assert record["interleavings"]["scenarios"][0].keys() == {
        "name", "what", "executions", "steps", "covered", "complete", "rules", "left_out", "unwatched", "operations",
        "tasks", "variant",
    }  # fmt: skip
    found = next(one for one in record["rules"] if one["id"] == "D15")
    assert 1 <= found["preemptions"] <= 2  # by the content that is drawn, which Hypothesis takes from the modules that are loaded
    assert found["lanes"]["tasks"]
    assert found["lanes"]["steps"][0].keys() == {"task", "op", "where", "place", "switch", "held", "notes"}
    page = to_html([report])
    assert '<div class="lanes">' in page
    assert "pre-empts" in page


def test_a_race_hides_no_other_rule_in_what_is_claimed() -> None:
    """A race ends its execution. Where all interleavings are claimed, the rules are those of a search that knows of the race."""
    chosen = subject(RingWorkload, racy.CopiesOutsideTheLock)
    old, new = op("write", slot=0, data=b"old"), op("write", slot=0, data=b"new")
    made = [scenario("write and migration", new, migrate(0), prefix=[old])]
    with_race = interleavings(chosen, executions=3000, scenarios=made)
    without = interleavings(chosen, executions=3000, scenarios=made, known=frozenset({"D53"}))
    assert with_race.scenarios[0].complete and without.scenarios[0].complete
    assert set(with_race.broken) == {"D53", "D15"}
    assert set(without.broken) == {"D15"}
    assert with_race.executions > without.executions


def test_a_race_does_not_wait_for_all_the_programs() -> None:
    """Of the 50 seconds for programs only an opening comes first, and none is left once what is expected broke."""
    report = check(racy.Counts, budget=100.0, until=("D53",))
    assert report.stopped == "stopped early: D53 broken, as expected"
    assert report.verdicts["D53"].lanes
    whole = check(racy.Counts, examples=21, executions=400)
    assert "D53" in whole.broken and not whole.stopped
    assert whole.examples == 21 and whole.executions > 20


def test_interleavings_can_be_left_out_and_waived() -> None:
    report = check(Ring, examples=3, interleavings=0)
    assert not report.scenarios
    assert not report.executions
    report = check(racy.Counts, examples=3, executions=400, waive={"D53": "the count is only a hint"})
    assert report.verdicts["D53"].verdict == WAIVED
    report = check(Ring, executions=20, interleavings=1.0)
    assert not report.examples
    assert report.executions == 20
    with pytest.raises(UsageError, match="use 0 to 1"):
        check(Ring, interleavings=2)


def test_an_interrupt_keeps_the_report_so_far(monkeypatch: pytest.MonkeyPatch) -> None:
    import gc

    calls = []

    def interrupted(*arguments: Any) -> None:
        calls.append(arguments)
        if len(calls) > 3:
            raise KeyboardInterrupt

    monkeypatch.setattr(gc, "collect", interrupted)
    report = check(racy.CopiesOutsideTheLock, examples=2, executions=2000)
    assert report.stopped == "interrupted: this is the report so far"
    assert 0 < report.executions < 2000


# --- again ---


@pytest.fixture(scope="module")
def failing() -> tuple[str, str]:
    """A target and a token."""
    return f"{RACY}:CopiesUnderAnotherLock", explored(racy.CopiesUnderAnotherLock, "write and migration").broken["D15"].token


def test_replay_shows_the_lanes(failing: tuple[str, str], tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    trace, page = tmp_path / "t.json", tmp_path / "p.html"
    assert main(["replay", *failing, "--chrome", str(trace), "--html", str(page)]) == 1
    out = capsys.readouterr().out
    assert "write pre-empts" in out or "migration pre-empts" in out
    assert "* -> ring.migratepage(new 1, old 0" in out
    assert "* read b'old" in out
    assert "BROKEN D15 (must)" in out
    events = json.loads(trace.read_text())["traceEvents"]
    assert {event["ph"] for event in events} >= {"M", "X", "i"}
    assert page.read_text().count("<tr") > 10


def test_replay_stops_in_the_debugger_before_a_step(failing: tuple[str, str]) -> None:
    replayed = replay(*failing)
    assert isinstance(replayed, Interleaving)
    step = next(n for n, line in enumerate(replayed.story.lines) if line.place and "racy_drivers" in line.place.file)
    line = replayed.story.lines[step].place
    command = [sys.executable, "-m", "movable.cli", "replay", *failing, "--pdb", str(step)]
    done = subprocess.run(command, input="p type(self).__name__\ncontinue\n", capture_output=True, text=True, timeout=60)
    assert done.returncode == 1, done.stderr
    assert f"step {step}: task migration is about to do:" in done.stdout
    assert line is not None and f"racy_drivers.py({line.line}){line.function}()" in done.stdout
    assert "'CopiesUnderAnotherLock'" in done.stdout


def test_a_look_at_the_prompt_is_no_step() -> None:
    """Before, an expression about the driver let the other task run where the schedule has a switch."""
    driver = Subject(ambient.AmbientWorkload, ambient.InAttribute)
    found = interleavings(driver, executions=400, scenarios=[BESIDE["writes"]], known=frozenset({"D53"}))
    token, target = found.broken["D15"].token, "tests.drivers_for_tests.ambient_drivers:InAttribute"
    again = replay(ambient.InAttribute, token, workload=ambient.AmbientWorkload)
    assert isinstance(again, Interleaving)
    lines = again.story.lines
    step = next(n for n, line in enumerate(lines) if lines[n + 1].switch == "pre-empts")
    command = [sys.executable, "-m", "movable.cli", "replay", target, token, "--pdb", str(step)]
    looks = "p 'a', self.number\np 'b', self.number, len(self.slots)\np 'c', self.number\ncontinue\n"
    done = subprocess.run(command, input=looks, capture_output=True, text=True, timeout=60)
    assert done.returncode == 1, done.stderr
    assert re.findall(r"\('(\w)', (\d+)", done.stdout) == [("a", "0"), ("b", "0"), ("c", "0")], done.stdout


@pytest.mark.parametrize(
    ("more", "message"),
    [
        (["--pdb", "999"], "step 999 does not exist; this schedule has steps 0 to"),
        (["--era", "2.4"], "unknown era '2.4'"),
    ],
)
def test_bad_replays(failing: tuple[str, str], more: list[str], message: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["replay", *failing, *more]) == 2
    err = capsys.readouterr().err
    assert message in err
    assert err.count("\n") == 1


def test_a_token_of_another_driver_is_refused(failing: tuple[str, str], capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["replay", "docs.drivers.slab:SlabCache", failing[1]]) == 2
    assert "'write', is none that SlabWorkload can do (free, overwrite" in capsys.readouterr().err
    assert main(["replay", f"{RACY}:ChecksThenActs", failing[1]]) == 2
    assert "the token does not fit this driver" in capsys.readouterr().err
    assert main(["replay", "docs/drivers/ring.py:Ring", program.encode((("compact",),)), "--pdb", "3"]) == 2
    assert "is for interleavings" in capsys.readouterr().err


# --- many processes ---


class Inline(Executor):
    """Does the work where it is asked for; ``after`` pieces it dies."""

    def __init__(self, after: int = 1 << 30) -> None:
        self.left = after

    def submit(self, fn: Any, /, *arguments: Any, **more: Any) -> Future[Any]:
        if self.left == 0 and fn is not planned:
            raise KeyboardInterrupt
        self.left -= fn is not planned
        future: Future[Any] = Future()
        future.set_result(fn(*arguments, **more))
        return future


def spread_out(executor: Executor, directory: Path | None = None) -> Interleavings:
    return spread(
        f"{RACY}:CopiesOutsideTheLock",
        Subject(RingWorkload, racy.CopiesOutsideTheLock),
        executor,
        executions=400,
        directory=None if directory is None else str(directory),
        scenarios=[BESIDE["write and migration"], BESIDE["writes"]],
    )


def said(found: Interleavings) -> list[Any]:
    return [
        [(one.name, one.executions, one.covered, one.rules) for one in found.scenarios],
        [(rule, told.what, told.token) for rule, told in found.broken.items()],
    ]


def test_a_campaign_finds_the_same_on_any_executor_and_goes_on_after_a_kill(tmp_path: Path) -> None:
    whole = spread_out(Inline())
    assert whole.broken.keys() == {"D53", "D15"}
    killed = spread_out(Inline(after=3), tmp_path / "c")
    assert killed.stopped
    resumed = spread_out(Inline(), tmp_path / "c")
    assert said(resumed) == said(whole)
    nothing_left = spread_out(Inline(after=0), tmp_path / "c")
    assert said(nothing_left) == said(whole)


def test_a_campaign_counts_what_was_judged_and_keeps_to_its_budget() -> None:
    """What its workers judged counts as here, piece by piece, and whatever ran in their process before."""
    plain = [BESIDE["write and migration"], BESIDE["writes"]]
    here = interleavings(Subject(RingWorkload, Ring), executions=400, scenarios=plain)

    def spread_plain(executions: int) -> Interleavings:
        return spread("docs.drivers.ring:Ring", Subject(RingWorkload, Ring), Inline(), executions=executions, scenarios=2 * plain)

    there, again = spread_plain(400), spread_plain(400)
    assert there.exercised.keys() >= {"D8", "D15", "D17", "D53"} and there.exercised.keys() == here.exercised.keys()
    assert there.exercised == again.exercised
    for most in (5, 60, 100):
        assert 0 < spread_plain(most).executions <= most
    assert spread_plain(5).scenarios[-1].executions == 0
    racy_one = spread_out(Inline())  # the second look, without races, counts too
    assert racy_one.executions <= 400


def test_a_piece_of_a_campaign_counts_the_same_whatever_its_process_did_before(monkeypatch: pytest.MonkeyPatch) -> None:
    """The second piece of a scenario, alone and after the first."""
    token = encode(BESIDE["write and migration"])
    name = Named("movable.concurrent.campaign:load", ("docs.drivers.ring:Ring", "", token, [], "4.19", 0))
    first, *_, last = (Chunk(**chunk) for chunk in planned(name, 400, 0, OPTIONS))
    counts = []
    for before in ([], [first]):
        monkeypatch.setattr(campaign, "_LAST", {})
        for chunk in before:
            work(name, chunk, OPTIONS)
        counts.append(work(name, last, OPTIONS)["exercised"])
    assert counts[0] and counts[0] == counts[1]


def test_a_campaign_of_something_else_is_refused(tmp_path: Path) -> None:
    spread_out(Inline(), tmp_path / "c")
    with pytest.raises(UsageError, match="belongs to another campaign"):
        spread(
            "docs.drivers.ring:Ring",
            Subject(RingWorkload, Ring),
            Inline(),
            directory=str(tmp_path / "c"),
            scenarios=[BESIDE["write and migration"]],
        )


def test_jobs_on_the_command_line(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    target = f"{RACY}:CopiesAndWrites"
    budget = ["--examples", "2", "--executions", "300"]
    assert main(["check", target, *budget, "--jobs", "2", "--campaign", str(tmp_path / "c"), "--json", str(tmp_path / "j")]) == 1
    assert list((tmp_path / "c").glob("*.jsonl"))
    record = json.loads((tmp_path / "j").read_text())
    assert {one["id"] for one in record["rules"] if one["verdict"] == "broken"} >= {"D53"}
    assert main(["check", target, *budget, "--campaign", str(tmp_path / "c")]) == 2
    assert "give both" in capsys.readouterr().err


def test_a_campaign_of_a_driver_that_was_edited_is_refused(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Verdicts on the older source would be a false green."""
    file = tmp_path / "edited_ring.py"
    whole = "from tests.drivers_for_tests.racy_drivers import {0} as Base, OnlyWrites\n\n\n"
    whole += "class Edited(Base):\n    workload = OnlyWrites\n"
    file.write_text(whole.format("Racy"))
    command = ["check", f"{file}:Edited", "--interleavings", "1", "--executions", "60", "--jobs", "1"]
    command += ["--campaign", str(tmp_path / "c")]
    assert main(command) == 0
    file.write_text(whole.format("CopiesAndWrites"))
    capsys.readouterr()
    assert main(command) == 2
    err = capsys.readouterr().err
    assert "was changed since" in err and err.count("\n") == 1


def test_tokens_carry_the_features(failing: tuple[str, str]) -> None:
    assert decode(failing[1], RingWorkload)[1].features == ()


def test_a_supervisor_sees_that_machines_are_set_up(monkeypatch: pytest.MonkeyPatch) -> None:
    """A driver that takes its time to be made is none that hangs."""
    seen = board.Board()
    monkeypatch.setattr(board, "current", seen)
    before = seen.moves
    Stage(Subject(RingWorkload, Ring), Scenario("", ((),), ()))
    assert seen.moves > before
