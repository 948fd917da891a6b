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
from movable.filesystems import program as files
from movable.supervise import relay
from movable.workload import packing, token
from movable.workload import program as programs
from movable.workload import scenario as scenarios
from movable.workload.action import ACTIONS, ALONE, TOGETHER, Action, show
from movable.workload.fits import check_sequence, check_tasks
from movable.workload.generate import steps_by_kind
from movable.workload.workload import Workload, workload_for
from tests.workload.token_mutants import mutants, pack

HALF = "tests.drivers_for_tests.bad_drivers:Half"
SCENARIO = scenario("two", action("write", slot=0, data=b"a"), scenarios.migrate(), prefix=[action("write", slot=1, data=b"b")])
PROGRAM: programs.Program = (
    ("variant", 0),
    ("op", "write", {"slot": 1, "data": b"abc"}),
    ("op", "drop", {"slot": 3}),
    ("isolate", 0, 4),
    ("finish", 2, "zone"),
    ("fault", "alloc", 1),
)
MOVED: programs.Program = (("migrate", 0, 2, "any"), ("isolate", 0, 0), ("give_back",))
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
        text = packing.pack((value,))
    except UsageError as error:
        assert "nested" in str(error)
        return
    found = packing.unpack(text)
    assert type(found[0]) is type(value) and packing.pack(found) == text  # a value that is no number equals nothing


@pytest.mark.parametrize("value", [object(), int, st.integers(), Ring, 1j, bytearray(), range(3), (1 << 20_000,)])
def test_what_is_not_plain_has_no_token(value: object) -> None:
    with pytest.raises(UsageError, match="plain values only"):
        packing.pack((value,))


def test_what_is_too_large_has_no_token() -> None:
    with pytest.raises(UsageError, match="too large"):
        packing.pack((b"x" * packing.MAX_BYTES,))


@pytest.mark.parametrize("name", hostile_tokens())
def test_tokens_of_older_versions_are_refused_unread(name: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["replay", "docs/drivers/ring.py:Ring", hostile_tokens()[name]]) == 2
    err = capsys.readouterr().err
    assert err.count("\n") == 1 and "of an older version" in err


def test_nothing_is_unpickled() -> None:
    packed = base64.urlsafe_b64encode(zlib.compress(pickle.dumps((0, ())))).decode()
    for head in token.READERS:
        with pytest.raises(UsageError, match="cannot be read"):
            token.decode(head + packed)


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("", "does not begin"),
        ("m3.", "ends too early"),
        ("m3." + "A" * 200_000, "has 200000 letters"),
        ("m3.é", "not made of letters"),
        ("m3.AAAA", "lost or changed"),
        (pack("m3.", " " * (1 << 20) + "[]"), "too long"),
        (pack("m3.", "[" * 100_000), "recursion|overflow"),
        (pack("m3.", '["t",' * 20 + "0" + "]" * 20), "nested too deeply"),
        (pack("m3.", "NaN"), "no number"),
        (pack("m3.", '{"a":1}'), "not known"),
        (pack("m3.", '["d",1]'), "without a value"),
        (pack("m3.", '["s",["l"]]'), "does not hold what it should"),
        (pack("m3.", "[]"), "not known"),
        (pack("m3.", "3"), "no list of tasks"),
    ],
)
def test_why_a_token_cannot_be_read(text: str, why: str) -> None:
    with pytest.raises(UsageError, match=why) as caught:
        token.decode(text)
    assert "\n" not in str(caught.value) and len(str(caught.value)) < 200


def test_a_program_and_a_scenario_come_back() -> None:
    assert programs.decode(programs.encode(PROGRAM, 7), RingWorkload) == (PROGRAM, 7)
    features = (("atomic_isolated_flag", False),)
    text = scenarios.encode(SCENARIO, schedule="x1-abc", features=features, monitored=True)
    found = token.Reproducer(
        SCENARIO.tasks, "two", SCENARIO.prefix, schedule="x1-abc", features=features, races=True, monitored=True
    )
    assert scenarios.decode(text, RingWorkload) == (SCENARIO, found)


def test_tokens_of_earlier_kinds_mean_the_same() -> None:
    """Each was printed before there was one kind."""
    sequence, seed = programs.decode(
        "m2.eNptjksOwjAMRO_itRdtQeEwVRbuBxRh4ipNi8rpsSOaFRt_nmes6SED3rC3VgrslAJFnRr_I7JoeaeQZ9NMuqwsemgRJspkcFDoWte5C3h_-sIqTGZq8HqyV3ikwjqEj8"
        "QZ6kH2olRO8YA_P2qeZcsDjc-qudPG1olZRo2lCb4enjzC",
        RingWorkload,
    )
    assert (sequence, seed) == ((*PROGRAM[:2], ("isolate", 0, 4), ("finish", 2, "zone"), *MOVED, ("fault", "alloc", 1)), 7)
    scenario, found = scenarios.decode(
        "c2.eNp1TtEKgzAM_Jc8Z2B92M9IkWirFCoZbYZ-voki24Tl4UjuuLt0IIAgKwN2tn4A-KWwliTRmKBHzaxCgxBIyMhByacDr_PtXNJcyGwNtjfpX6i7hbZnqJR3RNjcg4bx5zkSXt"
        "LYp8pZm0I_ZZoBJ8o1XoWH18D7Hcx7Q0c",
        RingWorkload,
    )
    assert (scenario, found.schedule, found.features, found.monitored) == (
        SCENARIO, "x1-abc", (("atomic_isolated_flag", False),), True,
    )  # fmt: skip
    varied = token.decode(
        "c2.eNqLVipR0lEqKc9X0okGMRGEUn4BkCgvyixJBYmkADnFOflACQMdpZTEkkSQYBJQ0MxQKRYIkHXmZqYXJYK0GegYoUnhMtQQzVAjiKFpiTnFqTpKEN1QgyBiYDIWaD4AM6o2HQ"
    )
    assert (varied.variant, varied.settled, varied.races) == (2, False, False)
    assert files.decode("f1.eNqLjlYqL8osSVXSMQBCw1idaKXc_DIo1wjELUpNTAFzIRwoNzYWAONpEF0") == files.OPENING[0]


@pytest.mark.parametrize(
    ("step", "why"),
    [
        ((), "no name"),
        ("compact", "no name"),
        (("explode",), "no such step"),
        (("teardown",), "part of an interleaving only"),
        (("compact", 1), "takes 0 arguments"),
        (("isolate",), "takes 2 arguments"),
        (("isolate", "0", 4), "out of range"),
        (("isolate", True, 4), "out of range"),
        (("isolate", -1, 4), "out of range"),
        (("fragment", 1 << 40), "out of range, which is 0 to 64"),
        (("migrate", 0, 2, "moon"), "any, zone, node"),
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
        check_sequence((("compact",), step), RingWorkload)
    assert str(caught.value).startswith("step 2 of the token")


def test_an_annotation_that_its_strategy_contradicts_says_nothing() -> None:
    class Mine(RingWorkload):
        @operation(slot=st.integers(0, 7).map(str), data=st.binary())
        def write(self, slot: int, data: bytes) -> bool:  # the strategy draws text
            return True

    check_sequence([("op", "write", {"slot": "3", "data": b""})], Mine)


@pytest.mark.parametrize(
    "step",
    [
        *[("op", "__init__", {}), ("op", "setup", {"x": 1}), ("op", "factory", {})],
        *[("migrate", 0, 2, "node"), ("contig", 0, 1), ("fault", "alloc", 1)],
    ],
)
def test_an_action_that_cannot_be_is_told(step: Any) -> None:
    with pytest.raises(UsageError, match="action 1 of the token"):
        check_tasks([step], RingWorkload)


def test_an_author_may_call_any_method_in_a_scenario() -> None:
    class Mine(RingWorkload):
        def note(self, what: str) -> None:
            pass

    check_tasks([action("note", what="a")], Mine)


@pytest.mark.parametrize("driver", ["zsmalloc", "balloon", "docs.drivers.ring:Ring", "docs.drivers.slab:SlabCache"])
def test_whatever_is_drawn_fits_the_schema(driver: str) -> None:
    from movable.registry import find

    workload: type[Workload] = workload_for(find(driver))
    for steps in steps_by_kind(workload, 0).values():
        check_sequence(steps, workload)


def test_the_schema_knows_what_machines_and_stages_do() -> None:
    from movable.concurrent.stage import Stage
    from movable.sequential.harness import Machine

    def done_by(cls: type) -> set[str]:
        return {name.removeprefix("_do_") for name in dir(cls) if name.startswith("_do_")} - {"op"}

    assert done_by(Machine) == {name for name, kind in ACTIONS.items() if kind.where != TOGETHER}
    assert done_by(Stage) == {name for name, kind in ACTIONS.items() if kind.where != ALONE}


@pytest.mark.parametrize(
    ("step", "words"),
    [
        (("op", "write", {"slot": 2}), "write(slot=2)"),
        (("migrate", 1, 2, "any"), "migrate page number 1"),
        (("migrate", 1, 0, "node"), "migrate page number 1, mode 0, to another node"),
        (("finish", 3, "none"), "migrate what is isolated, mode 3, with no target to be had"),
        (("isolate", 0, 4), "isolate page number 0, mode 4"),
        (("contig", 2, 1), "allocate the pageblock of page number 2, without target number 1"),
        (("fault", "alloc", 2), "allocation number 2 of the next action fails"),
        (("work", 0), "run queued work"),
        (("work", 2), "run 2 queued work item(s)"),
    ],
)
def test_an_action_in_words(step: Action, words: str) -> None:
    assert show(step) == words


def made() -> list[str]:
    """Tokens that a check printed, of programs and of interleavings."""
    report: Report = check(HALF, examples=8, interleavings=0.5, executions=60)
    found = [verdict.token for verdict in report.verdicts.values() if verdict.token]
    return [*found, programs.encode(PROGRAM), scenarios.encode(SCENARIO)]


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
        for text in mutants([programs.encode(PROGRAM), scenarios.encode(SCENARIO)], 60, 2):
            try:
                token.decode(text)
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
