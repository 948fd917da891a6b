"""The certificate: correct drivers pass, broken ones fail by name, and nothing brings the kit down."""

from __future__ import annotations

import re

import pytest

from docs.drivers.aio_ring import AioRing
from docs.drivers.ring import Ring, RingWorkload
from docs.drivers.slab import SlabCache
from movable import VM, Page, UsageError
from movable.contract import Workload, certify, check, operation
from movable.contract.report import text, to_json
from movable.contract.show.html import to_html
from movable.contract.show.replay import replay
from movable.contract.verdict import BROKEN, HELD, UNPROVEN
from movable.sequential.harness import Machine
from movable.sequential.search import MIN_PROGRAMS, Search
from movable.workload.generate import programs, shrink
from movable.workload.program import decode, encode
from movable.workload.workload import GenericWorkload, workload_for
from tests.drivers_for_tests import bad_drivers as bad
from tests.drivers_for_tests import idle_drivers
from tests.drivers_for_tests.ring import Ring as Unspoken


@pytest.mark.parametrize("driver", [Ring, SlabCache, AioRing])
def test_the_exemplary_drivers_are_certified(driver: type) -> None:
    report = check(driver, examples=40)
    assert report.passed(), text(report)
    assert not report.broken, text(report)
    assert report.examples == 40
    assert report.steps > 100
    assert report.states > 10
    assert all(report.callbacks[name] > 5 for name in ("isolate_page", "migratepage", "putback_page"))
    for rule in ("D2", "D9", "D15", "D17", "D18", "D26", "D27", "D31", "D50", "V12", "V32"):
        assert report.verdicts[rule].verdict == HELD, rule
        assert report.verdicts[rule].exercised > 0


@pytest.mark.unmeasured
@pytest.mark.parametrize(
    ("driver", "rule", "message"),
    [
        (bad.Hangs, "D51", r"seconds of processor time, at bad_drivers\.py"),
        (bad.HangsInTheSeam, "D51", "100000 events and no end"),
        (bad.Raises, "D23", r"raised KeyError: 'no such handle' at bad_drivers\.py:\d+"),
        (bad.RaisesInAnOperation, "D52", r"drop: raised ValueError: cannot drop at bad_drivers\.py:\d+|raised ValueError"),
        (bad.Leaves, "D52", r"SystemExit: bye\) at bad_drivers\.py:\d+"),
        (bad.Twice, "D54", "handed out again"),
        (bad.Corrupts, "V32", "nr_free says"),
        (bad.CorruptsLists, "D12", "links of 'ring pages' disagree"),
        (bad.LocksTheFreed, "D46", r"the lock of page \d+ was asked for after the page had been freed|is used by"),
        (bad.PutsBackTwice, "D31", "added to 'ring pages' while on 'ring pages'"),
        (bad.KeepsTheOldPage, "D14", "a handle of the driver still leads to page"),
        (bad.DropsTooMuch, "D33", "reference"),
        (bad.Half, "D15", r"was stored; page \d+ differs from page \d+, which moved there, from byte 0 on"),
    ],
)
def test_whatever_a_driver_does_becomes_a_broken_rule(
    driver: type, rule: str, message: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    if driver is bad.Hangs:  # its bound is time, and one hang is as good as another
        monkeypatch.setattr("movable.sequential.faults.MAX_PROCESSOR_SECONDS", 0.2)
    report = check(driver, examples=25)
    assert rule in report.broken, text(report)
    assert re.search(message, report.verdicts[rule].what), report.verdicts[rule].what
    assert not report.passed()


def test_the_lock_of_a_free_page_is_seen_in_a_plain_run_too() -> None:
    found = check(bad.LocksTheFreed, examples=25, interleavings=0).verdicts["D46"]
    assert found.verdict == BROKEN and "was asked for after the page had been freed" in found.what


def test_a_failure_is_small_told_and_replayable() -> None:
    report = check(bad.Half, examples=25)
    found = report.verdicts["D15"]
    program, _ = decode(found.token, RingWorkload)
    assert len(program) == 1
    assert any("migratepage(new" in line for line in found.story)
    assert "was stored; page 33 differs from page 32, which moved there" in found.story[-1]
    again = replay("tests.drivers_for_tests.bad_drivers:Half", found.token)
    assert "D15" in again.broken
    assert any(line.startswith("BROKEN D15 (must)") for line in again.lines())
    assert any("^ D15" in line for line in again.lines())


def test_the_same_number_of_examples_gives_the_same_certificate() -> None:
    first, second = (check(bad.Half, examples=30, seed=5) for _ in range(2))
    assert text(first) == text(second)
    one, two = to_json(first), to_json(second)
    assert one.pop("seconds").keys() == two.pop("seconds").keys()
    assert one == two


def test_a_busy_machine_gets_more_time_but_not_for_ever() -> None:
    search = Search(RingWorkload, Ring, "4.19", 0)
    assert search._enough(None, 1.0, 10.0) and not search._enough(None, 1.0, 0.5)
    assert not search._enough(None, 1.0, 2.0)
    search.examples = MIN_PROGRAMS
    assert search._enough(None, 1.0, 2.0)
    assert not search._enough(MIN_PROGRAMS + 1, None, 2.0)


def test_strict_asks_for_what_a_workload_can_exercise() -> None:
    few, many = check(Ring, examples=1, interleavings=0), check(Ring, examples=80)
    assert few.passed() and not few.passed(strict=True) and few.untried
    assert many.passed(strict=True) and not many.untried
    assert many.verdicts["D3"].verdict == UNPROVEN


def test_what_exercises_nothing_says_so() -> None:
    report = check(bad.Idle, examples=3)
    assert report.idle and to_json(report)["idle"]
    assert "NOTHING WAS EXERCISED" in text(report) and "populate(count)" in text(report)
    assert "nothing proven" in to_html([report]) and text(report).splitlines()[-1].startswith("nothing proven: ")
    report.cut, report.examples = True, 0
    assert "the time was over before the first program" in text(report) and "populate(count)" not in text(report)
    lost = check(idle_drivers.Idle, examples=3)
    assert "IdleWorkload lies beside it and names no factory" in text(lost)
    assert not check(Ring, examples=3).idle


def test_a_workload_is_looked_at_before_it_is_used() -> None:
    with pytest.raises(UsageError, match="slot=7 is no Hypothesis strategy"):
        operation(slot=7)(RingWorkload.drop)

    class Small(RingWorkload):
        frames = 3

    with pytest.raises(UsageError, match=r"Small\.frames is 3; its pageblocks of order 3 need 64"):
        check(Ring, workload=Small, examples=1)
    with pytest.raises(UsageError, match="unknown era"):
        certify(Ring, era="9.9")


def test_a_class_is_looked_at_before_it_is_used() -> None:
    """A callback that cannot be called as kernels do is refused, not blamed for the error of the call."""

    class Wrong(Ring):
        def migratepage(self, newpage, page, mode, more):  # type: ignore[no-untyped-def, override]
            return 0

    with pytest.raises(UsageError, match=r"Wrong\.migratepage wants an argument 'more'; it gets \(mapping, newpage, page, mode\)"):
        check(Wrong, RingWorkload, examples=1, interleavings=0, isolate=False)


def test_a_driver_may_say_that_it_cannot_be_made() -> None:
    class NoDevice(Ring):
        def __init__(self, vm: VM) -> None:
            raise UsageError("there is no such device")

    with pytest.raises(UsageError, match="there is no such device"):
        check(NoDevice, RingWorkload, examples=1, interleavings=0, isolate=False)


def test_strict_wants_every_must_rule_exercised() -> None:
    report = check(Ring, examples=3)
    assert report.passed()
    assert report.count(UNPROVEN)
    assert not report.passed(strict=True)


def test_a_driver_without_a_workload_proves_little() -> None:
    assert workload_for(Unspoken) is GenericWorkload
    report = check(Unspoken, examples=10)
    assert report.passed()
    assert report.verdicts["D15"].verdict == UNPROVEN


def test_finding_a_workload() -> None:
    class Named(Ring):
        workload = "docs.drivers.ring:RingWorkload"

    assert workload_for(Named) is RingWorkload
    assert workload_for(Ring) is RingWorkload
    assert workload_for(Unspoken, RingWorkload) is RingWorkload

    class Astray(Ring):
        workload = "docs.drivers.ring:Nothing"

    with pytest.raises(UsageError, match="cannot be loaded"):
        workload_for(Astray)

    class Wrong(Ring):
        workload = 3

    with pytest.raises(UsageError, match="must be a subclass of Workload"):
        workload_for(Wrong)


def test_an_operation_needs_a_strategy_for_each_argument() -> None:
    from movable.contract import operation

    with pytest.raises(UsageError, match="called slot"):

        @operation()
        def write(self: Workload, slot: int) -> None:
            pass


@pytest.mark.parametrize(
    "step",
    [("juggle", 1), ("move", 1), ("op",), ("op", "shrink", {}), ("op", "write", {"slot": 1}), ("op", "write", None)],
)
def test_the_token_of_another_driver_is_no_failure_of_this_one(step: tuple[object, ...]) -> None:
    with pytest.raises(UsageError, match=r"^step 2 of the token, .* is none that RingWorkload can do \(drop, overwrite, write\)"):
        replay("docs.drivers.ring:Ring", encode((("compact",), step)))


def test_programs_survive_a_token() -> None:
    drawn = programs(RingWorkload, 3)
    for _ in range(20):
        program = next(drawn)
        assert decode(encode(program, 7), RingWorkload) == (program, 7)


def test_programs_are_the_same_for_the_same_seed() -> None:
    first, second, other = (programs(RingWorkload, seed) for seed in (3, 3, 4))
    ours = [next(first) for _ in range(10)]
    assert ours == [next(second) for _ in range(10)]
    assert ours != [next(other) for _ in range(10)]


def test_shrinking_finds_the_one_step_that_matters() -> None:
    program = tuple(("op", str(number)) for number in range(40))
    assert shrink(program, lambda part: ("op", "17") in part) == (("op", "17"),)
    assert shrink(program, lambda part: {("op", "3"), ("op", "30")} <= set(part)) == (("op", "3"), ("op", "30"))


def test_a_machine_sees_the_same_story_twice() -> None:
    program = next(iter(programs(RingWorkload, 9)))
    runs = [Machine(RingWorkload, Ring, keep=True).run(program).events for _ in range(2)]
    assert runs[0] == runs[1]


def test_a_plug_in_that_delays_is_between_the_core_and_the_driver() -> None:
    program = (("op", "write", {"slot": 1, "data": b"x"}), ("migrate", 0, 2, "any"), ("fault", "delay", 1))
    machine = Machine(RingWorkload, Ring).run(program)
    assert not machine.monitor.broken
    assert machine.callbacks["migratepage"] >= 1
    assert machine.workload is not None
    assert machine.workload.driver.mapping.a_ops.isolate_page != machine.workload.driver.isolate_page


class Terse(Ring):
    """Takes no argument that it does not need."""

    workload = RingWorkload

    def isolate_page(self, page: Page) -> bool:  # type: ignore[override]
        return super().isolate_page(page, 0)


def test_a_callback_with_fewer_arguments_is_certified_too() -> None:
    report = check(Terse, examples=10)
    assert not report.broken, text(report)
    assert report.callbacks["isolate_page"] > 0
