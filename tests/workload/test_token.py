"""Tokens: data with a schema, bounded before they are read, refused in one line."""

from __future__ import annotations

import base64
import pickle
import resource
import time
import tracemalloc
import zlib
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from docs.drivers.ring import Ring, RingWorkload
from movable.cli import main
from movable.contract import Report, check, operation, scenario
from movable.contract import op as action
from movable.errors import UsageError
from movable.supervise import relay
from movable.workload import program as programs
from movable.workload import scenario as scenarios
from movable.workload import token
from movable.workload.action import ACTIONS, STEPS, check_actions, check_steps
from movable.workload.generate import bags
from movable.workload.workload import Workload, workload_for
from tests.workload.token_mutants import mutants, pack

HALF = "tests.drivers_for_tests.bad_drivers:Half"
SCENARIO = scenario("two", action("write", slot=0, data=b"a"), scenarios.migrate(), prefix=[action("write", slot=1, data=b"b")])
PROGRAM: programs.Program = (
    ("variant", 0),
    ("op", "write", {"slot": 1, "data": b"abc"}),
    ("op", "drop", {"slot": 3}),
    ("isolate", 0, 4),
    ("migrate", 2, "zone"),
    ("fault", "alloc", 1),
)
plain = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text() | st.binary(),
    lambda part: st.lists(part) | st.tuples(part, part) | st.dictionaries(st.text() | st.integers(), part) | st.sets(st.integers()),
    max_leaves=12,
)


def hostile_tokens() -> dict[str, str]:
    """Tokens that once cost a traceback or 4 GB, a name and a token a line."""
    lines = (Path(__file__).parent / "hostile_tokens.txt").read_text().splitlines()
    return {line.split(" ", 1)[0]: line.split(" ", 1)[1] for line in lines if line}


@given(plain)
@settings(max_examples=150, deadline=None)
def test_plain_values_come_back_as_they_were(value: Any) -> None:
    try:
        text = token.encode(token.PROGRAM, (value,))
    except UsageError as error:
        assert "nested" in str(error)
        return
    found = token.decode(token.PROGRAM, text)
    assert type(found[0]) is type(value) and token.encode(token.PROGRAM, found) == text  # a value that is no number equals nothing


@pytest.mark.parametrize("value", [object(), int, st.integers(), Ring, 1j, bytearray(), range(3), (1 << 20_000,)])
def test_what_is_not_plain_has_no_token(value: object) -> None:
    with pytest.raises(UsageError, match="plain values only"):
        token.encode(token.PROGRAM, (value,))


def test_what_is_too_large_has_no_token() -> None:
    with pytest.raises(UsageError, match="too large"):
        token.encode(token.PROGRAM, (b"x" * token.MAX_BYTES,))


@pytest.mark.parametrize("name", hostile_tokens())
def test_tokens_of_older_versions_are_refused_unread(name: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["replay", "docs/drivers/ring.py:Ring", hostile_tokens()[name]]) == 2
    err = capsys.readouterr().err
    assert err.count("\n") == 1 and "of an older version" in err


def test_nothing_is_unpickled() -> None:
    packed = base64.urlsafe_b64encode(zlib.compress(pickle.dumps((0, ())))).decode()
    for head in token.KINDS:
        with pytest.raises(UsageError, match="cannot be read"):
            token.decode(head, head + packed)


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("", "does not begin"),
        ("c2.abc", "of an interleaving, and a program"),
        ("m2.", "ends too early"),
        ("m2." + "A" * 200_000, "has 200000 letters"),
        ("m2.é", "not made of letters"),
        ("m2.AAAA", "lost or changed"),
        (pack("m2.", " " * (1 << 20) + "[]"), "too long"),
        (pack("m2.", "[" * 100_000), "recursion"),
        (pack("m2.", '["t",' * 20 + "0" + "]" * 20), "nested too deeply"),
        (pack("m2.", "NaN"), "no number"),
        (pack("m2.", '{"a":1}'), "not known"),
        (pack("m2.", '["d",1]'), "without a value"),
        (pack("m2.", '["s",["l"]]'), "does not hold what it should"),
        (pack("m2.", "[]"), "not known"),
        (pack("m2.", "3"), "no list of parts"),
    ],
)
def test_why_a_token_cannot_be_read(text: str, why: str) -> None:
    with pytest.raises(UsageError, match=why) as caught:
        token.decode(token.PROGRAM, text)
    assert "\n" not in str(caught.value) and len(str(caught.value)) < 200


def test_a_program_and_a_scenario_come_back() -> None:
    assert programs.decode(programs.encode(PROGRAM, 7), RingWorkload) == (PROGRAM, 7)
    text = scenarios.encode(SCENARIO, "x1-abc", (("atomic_isolated_flag", False),), (True, True))
    assert scenarios.decode(text, RingWorkload) == (SCENARIO, "x1-abc", (("atomic_isolated_flag", False),), (True, True))


@pytest.mark.parametrize(
    ("step", "why"),
    [
        ((), "no name"),
        ("compact", "no name"),
        (("explode",), "no such step"),
        (("compact", 1), "takes 0 arguments"),
        (("isolate", 0), "takes 2 arguments"),
        (("isolate", "0", 4), "out of range"),
        (("isolate", True, 4), "out of range"),
        (("isolate", -1, 4), "out of range"),
        (("fragment", 1 << 40), "out of range, which is 0 to 64"),
        (("migrate", 2, "moon"), "any, zone, node"),
        (("variant", 1), "there are 1 variants"),
        (("op",), "has a name and arguments"),
        (("op", "eat", {}), "no such operation"),
        (("op", "setup", {}), "no such operation"),
        (("op", "write", {"slot": 0}), "takes slot, data"),
        (("op", "write", {"slot": "0", "data": b""}), "is no int"),
        (("op", "write", {"slot": 1 << 30, "data": b"a"}), "out of the range of its strategy"),
        (("op", "write", {"slot": 0, "data": b"a" * 5000}), "out of the sizes of its strategy"),
        (("op", "drop", {"slot": "x"}), "no number of a handle"),
    ],
)
def test_a_step_that_cannot_be_is_told_with_its_number(step: Any, why: str) -> None:
    with pytest.raises(UsageError, match=why) as caught:
        check_steps((("compact",), step), RingWorkload)
    assert str(caught.value).startswith("step 2 of the token")


def test_an_annotation_that_its_strategy_contradicts_says_nothing() -> None:
    class Mine(RingWorkload):
        @operation(slot=st.integers(0, 7).map(str), data=st.binary())
        def write(self, slot: int, data: bytes) -> bool:  # the strategy draws text
            return True

    check_steps([("op", "write", {"slot": "3", "data": b""})], Mine)


@pytest.mark.parametrize("step", [("op", "__init__", {}), ("op", "setup", {"x": 1}), ("op", "factory", {}), ("migrate", 0, 2, 3)])
def test_an_action_that_cannot_be_is_told(step: Any) -> None:
    with pytest.raises(UsageError, match="action 1 of the token"):
        check_actions([step], RingWorkload)


def test_an_author_may_call_any_method_in_a_scenario() -> None:
    class Mine(RingWorkload):
        def note(self, what: str) -> None:
            pass

    check_actions([action("note", what="a")], Mine)


@pytest.mark.parametrize("driver", ["zsmalloc", "balloon", "docs.drivers.ring:Ring", "docs.drivers.slab:SlabCache"])
def test_whatever_is_drawn_fits_the_schema(driver: str) -> None:
    from movable.registry import find

    workload: type[Workload] = workload_for(find(driver))
    for steps in bags(workload, 0).values():
        check_steps(steps, workload)


def test_the_schema_knows_what_machines_and_stages_do() -> None:
    from movable.concurrent.stage import Stage
    from movable.sequential.harness import Machine

    def done_by(cls: type) -> set[str]:
        return {name.removeprefix("_do_") for name in dir(cls) if name.startswith("_do_")} - {"op"}

    assert done_by(Machine) == set(STEPS)
    assert done_by(Stage) == set(ACTIONS) == set(scenarios.WORDS) - {"op"}


def made() -> list[str]:
    """Tokens that a check printed, of programs and of interleavings."""
    report: Report = check(HALF, examples=8, interleavings=0.5, executions=60)
    found = [verdict.token for verdict in report.verdicts.values() if verdict.token]
    return [*found, programs.encode(PROGRAM), scenarios.encode(SCENARIO, "")]


def here(verb: Callable[[], int], what: str) -> int:
    """A command without a worker: the driver of these tests does nothing to its process."""
    return verb()


def torment(tokens: list[str], number: int, seed: int, capsys: pytest.CaptureFixture[str], whole: int = 1) -> float:
    """Replay changed tokens, each ``whole``-th of them in a worker; the seconds of the slowest."""
    slowest = 0.0
    supervised = relay.relayed
    for nth, text in enumerate(mutants(tokens, number, seed)):
        relay.relayed = supervised if nth % whole == 0 else here  # type: ignore[assignment]
        began = time.process_time()
        code = main(["replay", HALF, "--", text])
        slowest = max(slowest, time.process_time() - began)
        captured = capsys.readouterr()
        assert code in (0, 1, 2), text
        if code == 2:
            assert captured.err.count("\n") == 1 and captured.err.startswith("movable: ") and len(captured.err) < 700, text
            assert "fault of movable's own" not in captured.err, (text, captured.err)
        else:
            assert not captured.err, (text, captured.err)
        assert all(one.isprintable() or one == "\n" for one in captured.out + captured.err), text
    relay.relayed = supervised
    return slowest


def test_changed_tokens_are_one_line_or_a_replay(capsys: pytest.CaptureFixture[str]) -> None:
    torment(made(), 100, 1, capsys, whole=50)


def test_reading_a_token_takes_little_memory() -> None:
    tracemalloc.start()
    try:
        for text in mutants([programs.encode(PROGRAM), scenarios.encode(SCENARIO, "")], 60, 2):
            for head in token.KINDS:
                try:
                    token.decode(head, text)
                except UsageError:
                    pass
        assert tracemalloc.get_traced_memory()[1] < 32 << 20
    finally:
        tracemalloc.stop()


@pytest.mark.campaign
def test_ten_thousand_changed_tokens(capsys: pytest.CaptureFixture[str]) -> None:
    slowest = torment(made(), 10_000, 3, capsys, whole=100)
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss >> 10
    with capsys.disabled():
        print(f"\n10000 tokens: the slowest took {slowest:.2f} s, peak of the whole process {peak} MiB")
    assert slowest < 1 and peak < 400  # pytest and Hypothesis are in it
