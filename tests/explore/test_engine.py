"""The engine: every kind of failure, determinism, spawning, teardown."""

import gc
import random
from collections.abc import Callable

import pytest

from movable.explore import ExploreError, NonDeterminism, Options, Scene, explore, same_twice
from movable.explore import failure as kinds
from movable.explore.engine import Scheduler
from movable.explore.failure import Failure
from movable.explore.program import Program
from movable.explore.runner import execute
from movable.explore.schedulers.dpor import Dpor
from movable.explore.schedulers.replay import Follow
from tests.explore.harness import reach

Body = Callable[[Scheduler], None]
NO_ORDER = Options(order=False)


def scene(*bodies: Body, check: Callable[[], None] | None = None) -> Program:
    def build(scheduler: Scheduler) -> Scene:
        return Scene([(f"t{i}", lambda body=body: body(scheduler)) for i, body in enumerate(bodies)], check)  # type: ignore[misc]

    return build


def only(program: Program, options: Options | None = None) -> Failure:
    found = explore(program, options=options, executions=500).failure
    assert found is not None
    assert found.token
    assert found.timeline
    return found


def take(scheduler: Scheduler, name: str, free: Callable[[], bool], op: str = "lock") -> None:
    scheduler.wait(name, free, f"the lock {name}", op=op)


def test_an_exception_names_the_task() -> None:
    def bad(scheduler: Scheduler) -> None:
        scheduler.point("r", "x")
        raise KeyError("gone")

    found = only(scene(bad))
    assert (found.kind, found.message) == (kinds.EXCEPTION, "t0: KeyError: 'gone'")


def test_an_exception_before_the_first_point_counts_too() -> None:
    def bad(scheduler: Scheduler) -> None:
        raise KeyError("early")

    assert only(scene(bad, lambda s: s.point("r", "x"))).message == "t0: KeyError: 'early'"


def test_a_failed_check() -> None:
    def check() -> None:
        raise AssertionError("wrong end")

    assert only(scene(lambda s: s.point("r", "x"), check=check)).message == "AssertionError: wrong end"


def test_a_deadlock_names_who_waits_for_what() -> None:
    found = only(scene(lambda s: s.wait("q", lambda: False, "the page lock of pfn 12")))
    assert (found.kind, found.message) == (kinds.DEADLOCK, "t0 waits for the page lock of pfn 12")


def test_a_daemon_may_sleep_for_ever() -> None:
    def parent(scheduler: Scheduler) -> None:
        scheduler.point("r", "x")
        scheduler.spawn("worker", lambda: scheduler.wait("q", lambda: False, "work"), daemon=True)

    assert explore(scene(parent)).failure is None
    assert explore(scene(lambda s: s.wait("q", lambda: False, "work", daemon=True))).failure is None


def test_a_lost_wakeup_is_told_from_a_deadlock() -> None:
    def build(scheduler: Scheduler) -> Scene:
        state = {"full": False, "woken": False, "asleep": False}

        def sleeper() -> None:
            scheduler.point("ar", "full")
            if not state["full"]:
                scheduler.point("wait", "q")
                state["asleep"] = True
                scheduler.wait("q", lambda: state["woken"], "the buffer to fill", lambda: state["full"])

        def filler() -> None:
            scheduler.point("aw", "full")
            state["full"] = True
            scheduler.point("wake", "q")
            if state["asleep"]:
                state["woken"] = True

        return Scene([("sleeper", sleeper), ("filler", filler)])

    found = only(build)
    assert found.kind == kinds.LOST_WAKEUP
    assert found.message.startswith("sleeper waits for the buffer to fill")
    assert found.preemptions == 1


def test_a_self_deadlock_in_either_form_of_lock() -> None:
    def one_step(scheduler: Scheduler) -> None:
        owner: list[str] = []
        for _ in range(2):
            take(scheduler, "L", lambda: not owner)
            owner.append(scheduler.current)

    def two_steps(scheduler: Scheduler) -> None:
        scheduler.point("lock", "L")
        scheduler.point("lock", "L")

    for body in (one_step, two_steps):
        found = only(scene(body))
        assert found.kind == kinds.SELF_DEADLOCK, body
    assert "t0 asks for L, which it holds already" in only(scene(two_steps)).message


def test_reading_twice_is_no_self_deadlock_and_a_failed_try_holds_nothing() -> None:
    def readers(scheduler: Scheduler) -> None:
        for op in ("rlock", "rlock", "runlock", "runlock", "try", "lock", "unlock"):
            scheduler.point(op, "R")

    assert explore(scene(readers)).failure is None


def test_a_livelock_is_one_only_under_fair_turns() -> None:
    def spin(scheduler: Scheduler) -> None:
        for _ in iter(lambda: False, True):
            scheduler.point("ar", "flag")

    found = only(scene(spin, spin), Options(limit=50))
    assert found.kind == kinds.LIVELOCK
    assert "no end after 100 steps" in found.message

    def build(scheduler: Scheduler) -> Scene:
        flag: list[bool] = []

        def waiter() -> None:
            while not flag:
                scheduler.point("ar", "flag")

        def setter() -> None:
            scheduler.point("aw", "flag")
            flag.append(True)

        return Scene([("waiter", waiter), ("setter", setter)])

    fine = explore(build, options=Options(limit=50), executions=60)
    assert fine.failure is None
    assert not fine.complete
    assert "all interleavings" not in fine.covered


def test_a_data_race_names_both_lines_and_needs_no_bad_end() -> None:
    found = only(scene(lambda s: s.point("w", "x"), lambda s: s.point("r", "x")))
    assert found.kind == kinds.RACE
    assert found.message.splitlines()[0] == "t0 (writes x) and t1 (reads x) with nothing that orders them"
    assert found.message.count("test_engine.py:") == 2


@pytest.mark.parametrize(
    ("first", "second", "racy"),
    [
        ("r", "r", False), ("r", "w", True), ("w", "w", True), ("ar", "aw", False), ("aw", "aw", False),
        ("ar", "w", True), ("aw", "r", True), ("aw", "w", True), ("ar", "r", False),
    ],
)  # fmt: skip
def test_which_accesses_race(first: str, second: str, racy: bool) -> None:
    for one, two in ((first, second), (second, first)):
        program = scene(lambda s, op=one: s.point(op, "x"), lambda s, op=two: s.point(op, "x"))  # type: ignore[misc]
        run = execute(program, Follow(), Options())  # one order is enough to see it
        assert run is not None
        assert (run.failure is not None) == racy, (one, two)


def test_synchronisation_orders_accesses() -> None:
    def locked(scheduler: Scheduler) -> Scene:
        owner: list[str] = []

        def body() -> None:
            take(scheduler, "L", lambda: not owner)
            owner.append(scheduler.current)
            scheduler.point("w", "x")
            scheduler.point("unlock", "L")
            owner.clear()

        return Scene([("a", body), ("b", body)])

    def spawning(scheduler: Scheduler) -> Scene:
        def parent() -> None:
            scheduler.point("w", "x")
            scheduler.spawn("child", lambda: scheduler.point("r", "x"))

        return Scene([("parent", parent)])

    def published(scheduler: Scheduler) -> Scene:
        ready: list[bool] = []

        def writer() -> None:
            scheduler.point("w", "x")
            scheduler.point("aw", "flag")
            ready.append(True)

        def reader() -> None:
            scheduler.point("ar", "flag")
            if ready:
                scheduler.point("r", "x")

        return Scene([("writer", writer), ("reader", reader)])

    for program in (locked, spawning, published):
        found = explore(program)
        assert found.failure is None, f"{program.__name__}: {found}"
        assert found.complete

    def after_spawn(scheduler: Scheduler) -> Scene:
        def parent() -> None:
            scheduler.point("ar", "y")
            scheduler.spawn("child", lambda: scheduler.point("r", "x"))
            scheduler.point("w", "x")

        return Scene([("parent", parent)])

    assert only(after_spawn).kind == kinds.RACE


def test_a_release_covers_only_what_came_before_it() -> None:
    def writer(scheduler: Scheduler) -> None:
        scheduler.point("aw", "flag")
        scheduler.point("w", "x")

    def reader(scheduler: Scheduler) -> None:
        scheduler.point("ar", "flag")
        scheduler.point("r", "x")

    run = execute(scene(writer, reader), Follow(), Options())
    assert run is not None
    assert run.failure is not None
    assert run.failure.kind == kinds.RACE
    assert run.failure.steps == (1, 3)


def nested(*orders: str) -> Program:
    """Each task takes locks in the order of its letters; small letters are try-locks, which succeed; one after the other."""

    def task(order: str) -> Body:
        def body(scheduler: Scheduler) -> None:
            for lock in order:
                scheduler.point("lock" if lock.isupper() else "try", lock.upper())
            for lock in reversed(order):
                scheduler.point("unlock", lock.upper())

        return body

    return scene(*(task(order) for order in orders))


@pytest.mark.parametrize(
    ("orders", "bad"),
    [
        (("AB", "BA"), True), (("AB", "AB"), False), (("AB", "BC", "CA"), True), (("GAB", "GBA"), False),
        (("AB", "Ba"), False), (("aB", "BA"), True), (("ABA",), True),
    ],
)  # fmt: skip
def test_lock_order_without_a_deadlock(orders: tuple[str, ...], bad: bool) -> None:
    run = execute(nested(*orders), Follow(), Options())
    assert run is not None
    assert (run.failure is not None) == bad
    if run.failure is not None and len(orders) > 1:
        assert run.failure.kind == kinds.LOCK_ORDER


def test_two_readers_in_two_orders_are_no_ring() -> None:
    def body(first: str, second: str, op: str) -> Body:
        def run(scheduler: Scheduler) -> None:
            scheduler.point(op, first)
            scheduler.point(op, second)
            scheduler.point("unlock", second)
            scheduler.point("unlock", first)

        return run

    for op, bad in (("rlock", False), ("lock", True)):
        run = execute(scene(body("A", "B", op), body("B", "A", op)), Follow(), Options())
        assert run is not None
        assert (run.failure is not None) == bad


def test_same_schedule_same_events_and_what_differed() -> None:
    fine = scene(lambda s: s.point("aw", "x"), lambda s: s.point("aw", "x"))
    assert len(same_twice(fine).steps) == 2
    runs: list[int] = []

    def moody(scheduler: Scheduler) -> None:
        runs.append(1)
        scheduler.point("aw", f"x{len(runs)}")

    with pytest.raises(NonDeterminism, match=r"step 0 was t0 did aw 'x1', then t0 did aw 'x2'"):
        same_twice(scene(moody))
    report = explore(scene(moody))
    assert report.failure is not None
    assert report.failure.kind == kinds.NON_DETERMINISM


def test_dpor_notices_a_prefix_that_changes() -> None:
    runs: list[int] = []

    def moody(scheduler: Scheduler) -> None:
        runs.append(1)
        scheduler.point("aw", "own" if len(runs) < 3 else "other")

    def steady(scheduler: Scheduler) -> None:
        for _ in range(3):
            scheduler.point("aw", "x")

    with pytest.raises(NonDeterminism, match="step 0 t0 was about to do aw 'own' and is now about to do aw 'other'"):
        reach(scene(moody, steady, steady), Dpor())


def test_finalisers_do_not_make_steps() -> None:
    """A cycle with a finaliser that reaches a scheduling point must not run inside an execution."""

    def build(scheduler: Scheduler) -> Scene:
        class Leaky:
            def __init__(self) -> None:
                self.me = self

            def __del__(self) -> None:
                scheduler.point("aw", "finaliser")

        def body() -> None:
            for _ in range(300):
                Leaky()
                scheduler.point("aw", "x")

        return Scene([("a", body)])

    before = gc.get_threshold()
    gc.set_threshold(50)
    try:
        assert len(same_twice(build).steps) == 300
    finally:
        gc.set_threshold(*before)
    assert gc.isenabled()


def test_spawned_tasks_have_names_of_their_own() -> None:
    def parent(scheduler: Scheduler) -> None:
        scheduler.point("aw", "x")
        for _ in range(2):
            scheduler.spawn("worker", lambda: scheduler.point("aw", "x"))
        scheduler.spawn("idle", lambda: None)

    run = execute(scene(parent, parent), Follow(), Options())
    assert run is not None
    assert sorted(task.name for task in run.tasks) == sorted(
        [f"t{i}{rest}" for i in (0, 1) for rest in ("", "/worker", "/worker#2", "/idle")]
    )


def test_what_set_up_spawns_runs_with_the_others() -> None:
    ran: list[str] = []

    def build(scheduler: Scheduler) -> Scene:
        for _ in range(2):
            scheduler.spawn("worker", lambda: ran.append(scheduler.current))
        return Scene([("a", lambda: ran.append(scheduler.current))])

    execute(build, Follow(), Options())
    assert ran == ["a", "main/worker", "main/worker#2"]


def test_current_is_the_running_task() -> None:
    seen: list[str] = []

    def build(scheduler: Scheduler) -> Scene:
        seen.append(scheduler.current)

        def body() -> None:
            scheduler.point("r", "x")
            seen.append(scheduler.current)

        return Scene([("a", body), ("b", body)], lambda: seen.append(scheduler.current))

    execute(build, Follow(), Options())
    assert seen == ["main", "a", "b", "main"]


def test_teardown_is_bounded_whatever_tasks_do() -> None:
    def stubborn(scheduler: Scheduler) -> None:
        while True:
            try:
                scheduler.wait("q", lambda: False, "nothing")
            except BaseException:
                continue

    def lingering(scheduler: Scheduler) -> None:
        try:
            scheduler.wait("q", lambda: False, "nothing")
        finally:
            while True:
                scheduler.point("aw", "x")

    def tidy(scheduler: Scheduler) -> None:
        try:
            scheduler.wait("q", lambda: False, "nothing")
        finally:
            scheduler.point("unlock", "L")
            done.append(True)

    done: list[bool] = []
    run = execute(scene(stubborn, lingering, tidy), Follow(), NO_ORDER)
    assert run is not None
    assert run.failure is not None
    assert run.failure.kind == kinds.DEADLOCK
    assert done == [True]


def test_a_scene_is_closed_also_after_a_failure() -> None:
    closed: list[bool] = []

    def build(scheduler: Scheduler) -> Scene:
        return Scene([("a", lambda: scheduler.wait("q", lambda: False, "x"))], close=lambda: closed.append(True))

    execute(build, Follow(), Options())
    assert closed == [True]


def test_bad_use_says_what_to_do() -> None:
    for program, words in (
        (lambda s: Scene([("a", lambda: None), ("a", lambda: None)]), "distinct names"),
        (lambda s: Scene([("main", lambda: None)]), "distinct names"),
        (lambda s: Scene([("a", lambda: None)], lambda: s.spawn("w", lambda: None)), "after the tasks have ended"),
        (lambda s: s.wait("q", lambda: False, "the moon"), "nobody can end the wait for the moon"),
    ):
        try:
            said = str(explore(program).failure)
        except ExploreError as error:
            said = str(error)
        assert words in said
    found = only(scene(lambda s: s.point("frob", "x")))
    assert "unknown operation 'frob' on 'x'; known are r, ar" in found.message


def test_errors_inside_ready_come_out() -> None:
    def bad() -> bool:
        raise ZeroDivisionError("in ready")

    with pytest.raises(ZeroDivisionError, match="in ready"):
        explore(scene(lambda s: s.wait("q", bad, "x")))


def test_keep_going_collects_failures_that_differ() -> None:
    def build(scheduler: Scheduler) -> Scene:
        seen: list[str] = []

        def body() -> None:
            scheduler.point("aw", "x")
            seen.append(scheduler.current)
            if seen[0] == "b":
                raise KeyError("b first")

        def check() -> None:
            assert seen[0] == "b", "a first"

        return Scene([("a", body), ("b", body)], check)

    found = explore(build, keep_going=True)
    assert {failure.cause for failure in found.failures} == {"AssertionError", "KeyError"}


def test_random_numbers_seeded_in_set_up_are_fine() -> None:
    def build(scheduler: Scheduler) -> Scene:
        rng = random.Random(1)
        return Scene([("a", lambda: scheduler.point("aw", rng.random()))])

    assert explore(build).failure is None


def test_a_condition_that_raises_while_a_deadlock_is_judged_is_a_failure() -> None:
    """It must not surface in the task that happened to end last."""
    swallowed: list[BaseException] = []

    def build(scheduler: Scheduler) -> Scene:
        state: dict[str, dict[str, bool]] = {}

        def waits() -> None:
            scheduler.point("r", "q")
            try:
                scheduler.wait("q", lambda: False, "a wake-up", lambda: state["x"]["gone"] if state else False)
            except Exception as error:
                swallowed.append(error)

        def breaks() -> None:
            scheduler.point("w", "x")
            state["x"] = {}

        return Scene([("a", waits), ("b", breaks)])

    run = execute(build, Follow(), NO_ORDER)
    assert run is not None and run.failure is not None
    assert run.failure.kind == kinds.EXCEPTION
    assert run.failure.message == "what a task waits for was looked at, and raised KeyError: 'gone'"
    assert not swallowed


def test_a_close_that_raises_leaves_the_collector_on() -> None:
    def build(scheduler: Scheduler) -> Scene:
        def close() -> None:
            raise ValueError("close")

        return Scene([("a", lambda: None)], close=close)

    with pytest.raises(ValueError, match="close"):
        execute(build, Follow(), Options())
    assert gc.isenabled()
