"""Scenarios: as values and tokens, derived from workloads, and what their operations may come to one after the other."""

from __future__ import annotations

from dataclasses import replace
from types import FunctionType
from typing import Any

import pytest
from hypothesis import strategies as st

from docs.drivers.aio_ring import AioRing, AioRingWorkload
from docs.drivers.ring import Ring, RingWorkload
from docs.drivers.slab import SlabCache, SlabWorkload
from movable import GFP_HIGHUSER_MOVABLE, SetPageMovable, UsageError, list_add_tail, lock_page, unlock_page
from movable.concurrent.execution import Trial
from movable.concurrent.linearizability import Orders, in_time
from movable.concurrent.plan.derive import derive, size_for
from movable.concurrent.search import interleavings
from movable.concurrent.stage import Stage, Subject, subject
from movable.contract import Workload, compact, finish, isolate, migrate, op, operation, put_back, scenario, teardown
from movable.explore.detect.commutativity import audit
from movable.explore.engine import Scheduler
from movable.explore.runner import Options, execute
from movable.explore.schedulers.dpor import Dpor
from movable.explore.schedulers.shared_locations import Reduced
from movable.mm.page_flags import ISOLATED
from movable.registry import find
from movable.workload.action import show
from movable.workload.packing import pack
from movable.workload.scenario import Scenario, decode, encode
from movable.workload.token import HEAD
from movable.workload.workload import GenericWorkload, workload_for
from tests.drivers_for_tests import racy_drivers as racy
from tests.drivers_for_tests.ring import Ring as Unspoken

RING = Subject(RingWorkload, Ring)
WRITE = op("write", slot=0, data=b"old")
QUIET = Options(races=False, order=False)


# --- values ---


def test_a_scenario_in_words() -> None:
    made = scenario("both", op("drop", slot=0), [migrate(1), put_back(0)], prefix=[WRITE, isolate(0)])
    assert made.task_names == ["drop", "migration and put-back"]
    assert str(made) == (
        "after write(slot=0, data=b'old'), isolate page number 0: drop(slot=0) || migrate page number 1, isolate and put back"
        " page number 0"
    )
    assert scenario("same", teardown(), teardown()).task_names == ["tear-down", "tear-down #2"]
    assert show(finish()) == "migrate what is isolated"
    assert show(compact()) == "compact the machine"


@pytest.mark.parametrize(
    ("tasks", "message"),
    [((WRITE,), "takes two to race"), ((WRITE, ("explode",)), "is no action"), ((WRITE, "migrate"), "is no action")],
)
def test_a_scenario_that_is_none(tasks: tuple[object, ...], message: str) -> None:
    with pytest.raises(UsageError, match=message):
        scenario("wrong", *tasks)  # type: ignore[arg-type]


def test_scenarios_survive_a_token() -> None:
    made = scenario("both", op("write", slot=1, data=b"\x00'\xff"), [migrate(1), put_back(0)], prefix=[WRITE], settled=False)
    features = (("atomic_isolated_flag", False),)
    assert decode(encode(made, schedule="x1-abc", features=features, races=False, monitored=True), RingWorkload)[0] == made


def _packed(*parts: object) -> str:
    return HEAD + pack(parts)


@pytest.mark.parametrize(
    "token",
    [
        "", "x", "m3.", "m3.####", "m3.AAAA", encode(Scenario("s", ((WRITE,), (WRITE,))))[:-9], HEAD + "A" * 200_000,
        _packed(1, 2), _packed((), {}), _packed((3, 4), {}), _packed(((), ()), {"races": 2}), _packed(((), ()), {"settled": 1}),
        _packed(((), ()), {"features": ((1, 2),)}), _packed(((), ()), {"what": 1}), _packed(((), ()), {1: 1}),
    ],
)  # fmt: skip
def test_an_unreadable_token_says_why(token: str) -> None:
    with pytest.raises(UsageError, match=r"copied whole|copy the whole") as caught:
        decode(token, RingWorkload)
    assert "\n" not in str(caught.value)


# --- derived ones ---


def test_scenarios_follow_from_the_operations() -> None:
    found = {one.name: one for one in derive(RING)}
    assert found.keys() >= {
        "tear-down || migration, a few pages", "tear-down || rest of a migration, all isolated",
        "tear-down || late put-back, one page isolated",
        "drop || migration, one page", "overwrite || migration, one page", "write || migration, one page",
        "migration || migration #2, a few pages", "drop || drop #2, a few pages", "drop || put-back, one page",
        "write || compaction, a few pages", "write || migration, empty", "write || write #2, empty",
        "drop || write || migration, a few pages", "write || late put-back, all isolated",
        "write || write #2 in one place, empty",
    }  # fmt: skip
    assert derive(RING) == list(found.values())
    for one in found.values():
        stage = Stage(RING, one)
        target = next((action[1] for actions in one.tasks for action in actions if action[0] == "migrate_frame"), None)
        assert target is None or target in (stage.pages or []) or "write" in one.name


def test_every_operation_runs_beside_itself_whatever_its_name() -> None:
    """With nine operations, the one that races comes first, although it is last in the alphabet."""
    names = [f"aa{number}" for number in range(7)]

    def reads(self: Any, slot: int) -> bool:
        return self.driver.read(slot, 1) is not None

    made = {name: operation(slot=st.integers(0, 1))(FunctionType(reads.__code__, globals(), name)) for name in names}
    many: Any = type("Many", (RingWorkload,), made)
    found = derive(Subject(many, racy.Counts), size=40)
    beside = [one.name for one in found if " || " in one.name and len(one.tasks) == 2]
    assert any(name.startswith("write || write #2") for name in beside[:16])
    assert {"removal", "operation and itself"}.isdisjoint(found.left_out) or found.left_out
    assert sum(found.left_out.values()) > 40


def test_the_plan_grows_with_the_budget_and_turns_with_the_seed() -> None:
    assert size_for(100) == 40 < size_for(5000) < size_for(20_000)
    small, large = derive(RING, 20), derive(RING, 400)
    assert len(small) == 20 and not large.left_out
    assert sum(small.left_out.values()) == len(large) - 20
    assert {one.name for one in small} < {one.name for one in large}
    turned = [one.name for one in derive(replace(RING, seed=3), 20)]
    assert turned != [one.name for one in small] and turned == [one.name for one in derive(replace(RING, seed=3), 20)]


def test_every_configuration_has_a_plan() -> None:
    class Sized(Ring):
        def __init__(self, vm: Any, size: int = 8) -> None:
            super().__init__(vm)
            self.size = size

    class SizedWorkload(RingWorkload):
        factory = Sized
        variants = ({}, {"size": 4})

    chosen = Subject(SizedWorkload, Sized)
    found = derive(chosen)
    second = [one for one in found if one.variant == 1]
    assert second and all("variant 1" in one.name for one in second)
    stage = Stage(chosen, second[0])
    assert stage.workload.driver.size == 4
    token = encode(second[0], schedule="x1-abc")
    assert decode(token, SizedWorkload)[0] == second[0]
    from movable.concurrent.search import interleavings

    result = interleavings(chosen, executions=60, scenarios=second[:1])
    assert result.scenarios[0].variant == "size=4"


def test_two_operations_come_first_to_one_place() -> None:
    pair = next(one for one in derive(RING) if one.name.endswith("in one place, empty"))
    first, second = (dict(actions[0][2]) for actions in pair.tasks)
    assert first.pop("data") != second.pop("data")
    assert first == second
    assert not pair.prefix


class FillsTwice(Ring):
    """Does not look again under the lock whether a slot is still empty."""

    def _fill(self, slot: int) -> bool:
        page = self.vm.alloc_page(GFP_HIGHUSER_MOVABLE)
        if page is None:
            return False
        lock_page(page)
        with self.lock:
            self.slots[slot] = page
            page.private = slot
            list_add_tail(page.lru, self.idle)
            SetPageMovable(page, self.mapping)
        unlock_page(page)
        return True


def test_a_place_that_is_filled_twice_is_found_without_a_word_of_the_author() -> None:
    from movable.concurrent.search import interleavings

    found = interleavings(Subject(RingWorkload, FillsTwice), executions=1200)
    assert found.broken
    assert any(one.rules for one in found.scenarios if one.name.endswith("in one place, empty"))


def test_no_task_uses_a_handle_that_another_gives_up() -> None:
    pair = next(one for one in derive(RING) if one.name == "drop || overwrite, a few pages")
    assert [actions[0][2]["slot"] for actions in pair.tasks] == [0, 1]
    pair = next(one for one in derive(RING) if one.name.startswith("overwrite || overwrite #2, a few"))
    assert [actions[0][2]["slot"] for actions in pair.tasks] == [0, 0]


@pytest.mark.parametrize("target", ["zsmalloc", "balloon"])
def test_prefixes_of_the_bundled_drivers(target: str) -> None:
    factory = find(target)
    chosen = Subject(workload_for(factory), factory)
    found = derive(chosen)
    kinds = {one.name.rpartition(", ")[2].partition(" #")[0] for one in found}
    assert kinds >= {"one page", "a few pages", "all isolated", "empty"}
    isolated = next(one for one in found if one.name.endswith("all isolated"))
    stage = Stage(chosen, isolated)
    assert stage.held
    assert all(page._flags & ISOLATED for page in stage.held)
    if target == "balloon":
        assert any(not one.settled for one in found)  # a deferred worker beside a migration
        full = next(one for one in found if one.name.endswith("nearly full"))
        assert Stage(chosen, full).vm.zones[0].nr_free < 12


class Populated(Unspoken):
    """Brings pages, but no workload."""

    def populate(self, count: int) -> None:
        for _ in range(count):
            self.add()


def test_what_is_written_while_a_worker_writes_back_is_evicted_when_it_is_done() -> None:
    chosen = Subject(racy.WritesBackWorkload, racy.WritesBack, seed=1)
    rows = [one for one in derive(chosen, 50) if not one.settled and len(one.tasks[0]) == 2]
    assert [one.task_names for one in rows] == [["write and evict"]]
    assert "D15" in interleavings(chosen, executions=400, scenarios=rows).broken


def test_a_driver_without_a_workload_still_has_scenarios() -> None:
    assert derive(Subject(GenericWorkload, Unspoken)) == []
    found = derive(Subject(GenericWorkload, Populated))
    assert {"tear-down || migration, a few pages", "migration || migration #2, a few pages"} <= {one.name for one in found}


def test_an_authors_own_scenarios_come_first() -> None:
    class Spoken(RingWorkload):
        scenarios = (scenario("two writers", WRITE, op("write", slot=0, data=b"new")),)

    found = derive(Subject(Spoken, Ring))
    assert found[0].name == "two writers"
    assert len(found) == len(derive(RING)) + 1


def test_a_feature_that_no_kernel_has() -> None:
    with pytest.raises(UsageError, match="unknown feature 'warp'"):
        subject(RingWorkload, Ring, features={"warp": True})
    assert subject(RingWorkload, Ring).machine().era.atomic_isolated_flag
    assert not subject(RingWorkload, Ring, features={"atomic_isolated_flag": False}).machine().era.atomic_isolated_flag


# --- what operations may come to ---


def outcomes(chosen: Subject, made: Scenario) -> set[str]:
    return {repr((outcome.answers, outcome.readings)) for outcome in Orders(chosen, made).outcomes}


def test_every_order_of_the_operations_is_a_model() -> None:
    two = scenario("two", op("write", slot=0, data=b"aa"), op("write", slot=0, data=b"b"), prefix=[WRITE])
    found = Orders(RING, two).outcomes
    assert {outcome.readings for outcome in found} == {((("before", 0), b"aa"),), ((("before", 0), b"b"),)}
    assert {outcome.sequence for outcome in found} == {((0, 0), (1, 0)), ((1, 0), (0, 0))}


def test_an_answer_may_depend_on_an_isolation_under_way() -> None:
    chosen = Subject(SlabWorkload, SlabCache)
    beside = scenario("store", op("store", data=b"a"), migrate(0), prefix=[op("store", data=b"b")])
    assert len(Orders(chosen, beside).outcomes) >= 2  # before, during and after the isolation


def test_handles_are_compared_by_where_they_came_from() -> None:
    chosen = Subject(SlabWorkload, SlabCache)
    both = scenario("stores", op("store", data=b"a"), op("store", data=b"b"))
    labels = {label for outcome in Orders(chosen, both).outcomes for label, _ in outcome.readings}
    assert labels == {(0, 0), (1, 0)}


def test_operations_see_only_what_their_own_user_knows() -> None:
    # One overwrite reverses what it believes to be stored: as the other's user has not told it, the old content.
    both = scenario("both", op("overwrite", slot=0), op("write", slot=0, data=b"xyz"), prefix=[WRITE])
    assert {dict(one.readings)["before", 0] for one in Orders(RING, both).outcomes} == {b"dlo", b"xyz"}


def test_an_order_in_which_the_driver_would_wait_for_ever_is_no_model() -> None:
    chosen = Subject(SlabWorkload, SlabCache)
    made = scenario("removal", teardown(), finish(), prefix=[op("store", data=b"a"), isolate(0)])
    orders = Orders(chosen, made)
    assert orders.impossible > 0
    assert orders.outcomes
    assert not orders.errors


def test_an_order_keeps_what_had_ended_before_in_front() -> None:
    one_first, other_first = ((0, 0), (1, 0)), ((1, 0), (0, 0))
    apart = [[(0, 5)], [(5, 9)]]
    assert in_time(one_first, apart)
    assert not in_time(other_first, apart)
    overlapping = [[(0, 6)], [(5, 9)]]
    assert in_time(one_first, overlapping)
    assert in_time(other_first, overlapping)


class LostUpdates(Ring):
    """Reads and writes in two critical sections."""

    def append(self, slot: int, byte: int) -> bytes:
        content = self.read(slot, 3) or b""
        content = bytes([*content[1:], byte])
        self.write(slot, content)
        return content


class Appends(RingWorkload):
    factory = LostUpdates

    def append(self, byte: int) -> bytes:
        return self.driver.append(0, byte)  # type: ignore[no-any-return, attr-defined]


def test_answers_that_no_order_gives_break_a_rule() -> None:
    from movable.concurrent.search import interleavings

    made = scenario("appends", op("append", byte=1), op("append", byte=2), prefix=[WRITE])
    found = interleavings(Subject(Appends, LostUpdates), executions=200, scenarios=[made])
    assert list(found.broken) == ["D15"]
    assert "no order of the operations" in found.broken["D15"].what


# --- leaving points out ---


def states(made: Scenario, kind: type[Scheduler], chosen: Subject = RING) -> set[object]:
    """The end states of all interleavings."""
    trial = Trial(chosen, made)
    trial.audited = True
    trial.monitored = False
    for _ in range(30):
        found: set[object] = set()
        strategy = Dpor()
        for _ in range(3000):
            run = execute(trial, strategy, QUIET, kind=kind)
            if run is None or (kind is Reduced and trial.sharing.grew):
                break
            assert run.failure is None, run.failure
            if not run.pruned:
                found.add(run.state)
        if not trial.sharing.grew:
            assert strategy.complete
            return found
        trial.sharing.grew = False
    raise AssertionError("the search started again and again")


@pytest.mark.parametrize(
    "made",
    [
        scenario("writes", op("write", slot=0, data=b"a"), op("write", slot=1, data=b"b")),
        scenario("write and drop", op("write", slot=0, data=b"a"), op("drop", slot=0), prefix=[WRITE]),
        scenario("write and put-back", op("write", slot=0, data=b"a"), put_back(0), prefix=[WRITE]),
    ],
    ids=lambda made: made.name,
)
def test_points_that_are_left_out_hide_no_end_state(made: Scenario) -> None:
    assert states(made, Reduced) == states(made, Scheduler)


@pytest.mark.parametrize(
    ("driver", "workload"), [(Ring, RingWorkload), (SlabCache, SlabWorkload), (AioRing, AioRingWorkload)]
)
def test_the_machine_hides_nothing_that_tasks_share(driver: type, workload: type[Workload]) -> None:
    chosen = Subject(workload, driver)
    for made in derive(chosen)[:8]:
        trial = Trial(chosen, made)
        trial.audited = True
        trial.monitored = False
        found = audit(trial, samples=6)
        assert not found, found[0].message


def test_a_location_that_becomes_shared_late_is_not_missed() -> None:
    trial = Trial(Subject(RingWorkload, racy.Counts), scenario("w", WRITE, op("write", slot=1, data=b"b")))
    strategy = Dpor()
    execute(trial, strategy, QUIET, kind=Reduced)
    assert trial.sharing.grew
    assert "Counts.writes" in trial.sharing.shared
    assert "Counts.idle" not in trial.sharing.shared
