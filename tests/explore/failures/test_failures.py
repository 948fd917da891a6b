"""From a failure to something a person can use: shrinking, tokens, replay, timelines, the audit."""

import base64
import json
import random
import re
import zlib
from collections.abc import Callable
from pathlib import Path

import pytest

from movable.explore import ExploreError, NonDeterminism, Options, Scene, explain, explore, replay
from movable.explore.detect.commutativity import audit
from movable.explore.engine import Scheduler
from movable.explore.failure import Failure
from movable.explore.failures.recorder import record
from movable.explore.failures.schedule_token import BadToken, decode, encode
from movable.explore.failures.shrink import Shrinker
from movable.explore.failures.timeline import chrome, save_chrome, text
from movable.explore.program import Program
from movable.explore.runner import execute, follow
from movable.explore.schedulers.dfs import Dfs
from movable.explore.schedulers.replay import Choices, Decision, Follow
from movable.explore.schedulers.urw import Sampler
from tests.explore.toys import TOYS, lost_update

PLAIN = Options(order=False)


def _any_failure(program: Program, seed: int) -> Failure:
    """A failure as a random walk finds it, pre-emptions everywhere."""
    strategy = Sampler(seed)
    for _ in range(30_000):
        run = execute(program, strategy, PLAIN)
        assert run is not None
        if run.failure is not None:
            return run.failure
    raise AssertionError("no failure found")


def _fewest(program: Program) -> int:
    """The fewest pre-emptions that fail, by brute force over the bound."""
    for bound in range(4):
        strategy = Dfs(bound)
        while (run := execute(program, strategy, PLAIN)) is not None:
            if run.failure is not None:
                return bound
    raise AssertionError("no failure within three pre-emptions")


@pytest.mark.parametrize("name", TOYS)
def test_shrinking_reaches_the_true_minimum_from_anywhere(name: str) -> None:
    program = TOYS[name](padding=4)
    fewest = _fewest(program)
    for seed in range(3):
        shrunk = explain(program, _any_failure(program, seed), PLAIN)
        assert shrunk.preemptions == fewest
        assert shrunk.switches <= 2 * fewest + 1


def test_delta_debugging_alone_goes_most_of_the_way(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Shrinker, "_search", lambda self: None)
    program = lost_update()
    for seed in range(5):
        raw = _any_failure(program, seed)
        shrinker = Shrinker(program, raw, PLAIN)
        assert len(shrinker.shrink()) <= 2
        assert shrinker.cost[0] <= 2  # one is the minimum; the search closes the gap
        assert not shrinker.minimal


def test_a_minimum_is_proved_or_not_claimed() -> None:
    program = TOYS["missed_putback"](padding=4)
    proved = Shrinker(program, _any_failure(program, 0), PLAIN)
    proved.shrink()
    assert (proved.cost[0], proved.minimal) == (2, True)
    hurried = Shrinker(program, _any_failure(program, 0), PLAIN, tries=3)
    hurried.shrink()
    assert hurried.used <= 4
    assert not hurried.minimal


def test_shrinking_can_be_left_out() -> None:
    program = lost_update()
    raw = _any_failure(program, 0)
    kept = explain(program, raw, PLAIN, shrink=False)
    assert kept.choices == raw.choices
    assert kept.preemptions > explain(program, raw, PLAIN).preemptions


@pytest.mark.parametrize("name", TOYS)
def test_a_token_replays_exactly(name: str) -> None:
    program = TOYS[name]()
    found = explore(program, options=PLAIN).failure
    assert found is not None
    again = replay(program, found.token, PLAIN)
    assert again.failure is not None
    assert again.failure.message == found.message
    assert tuple(line.task for line in again.lines) == found.choices
    assert len(found.token) < 60


def test_any_execution_has_a_token() -> None:
    program = TOYS["depth_three"](fixed=True)
    strategy = Sampler(3)
    for _ in range(20):
        run = execute(program, strategy, PLAIN)
        assert run is not None
        learned = Choices([step[0] for step in run.steps])
        execute(program, learned, PLAIN)
        schedule, length, _ = decode(encode(tuple(learned.made), run.steps))
        again, _ = follow(program, schedule, PLAIN, strict=True)
        assert again.steps == run.steps
        assert length == len(run.steps)


def _sealed(body: bytes) -> str:
    whole = (zlib.crc32(body) & 0xFFFF).to_bytes(2, "big") + body
    return "x1-" + base64.urlsafe_b64encode(whole).decode().rstrip("=")


@pytest.mark.parametrize(
    ("spoil", "words"),
    [
        (lambda token: "", "begins with 'x1-'"),
        (lambda token: "hello", "begins with 'x1-'"),
        (lambda token: token[:5], "cut off"),
        (lambda token: token[:-3], "check sum is wrong"),
        (lambda token: token[:8] + ("A" if token[8] != "A" else "B") + token[9:], "check sum is wrong"),
        (lambda token: token + "!", "letters, digits"),
        (lambda token: token + "é", "letters, digits"),
        (lambda token: _sealed(b"abcd\x05\x01"), "decisions of three"),
        (lambda token: _sealed(b"abcd\x85"), "middle of a number"),
        (lambda token: _sealed(b"abcd" + b"\xff" * 9 + b"\x01"), "beyond any schedule"),
    ],
)
def test_an_unreadable_token_says_why(spoil: Callable[[str], str], words: str) -> None:
    found = explore(lost_update(), options=PLAIN).failure
    assert found is not None
    with pytest.raises(BadToken, match=words):
        replay(lost_update(), spoil(found.token))


def test_random_tokens_never_crash() -> None:
    rng = random.Random(0)
    program = lost_update()
    for _ in range(300):
        body = bytes(rng.randrange(256) for _ in range(rng.randrange(4, 14)))
        with pytest.raises(ExploreError):
            replay(program, _sealed(body), PLAIN)


def test_a_token_of_another_program_is_refused() -> None:
    found = explore(lost_update(padding=8), options=PLAIN).failure
    assert found is not None
    with pytest.raises(NonDeterminism, match=r"this program took|ended without it|cannot run"):
        replay(lost_update(padding=2), found.token, PLAIN)
    def steps(*ops: str) -> Program:
        def build(scheduler: Scheduler) -> Scene:
            def body() -> None:
                for op in ops:
                    scheduler.point(op, "x")

            return Scene([("a", body)])

        return build

    run, _ = follow(steps("ar", "aw"), (), PLAIN)
    token = encode((), run.steps)
    assert replay(steps("ar", "aw"), token, PLAIN).failure is None
    with pytest.raises(NonDeterminism, match="this program took 2 other ones"):
        replay(steps("aw", "ar"), token, PLAIN)
    with pytest.raises(NonDeterminism):
        replay(TOYS["free_beside_migrate"](), found.token, PLAIN)


def test_strict_replay_refuses_what_does_not_apply() -> None:
    program = lost_update(padding=0)
    with pytest.raises(NonDeterminism, match="task number 7 does not exist"):
        follow(program, (Decision(0, 1, 7),), PLAIN, strict=True)
    with pytest.raises(NonDeterminism, match="ended without it"):
        follow(program, (Decision(0, 99, 1),), PLAIN, strict=True)
    run, strategy = follow(program, (Decision(0, 99, 1), Decision(0, 1, 7)), PLAIN)
    assert run.failure is None
    assert strategy.made == []


def noted() -> Program:
    def build(scheduler: Scheduler) -> Scene:
        seen: list[int] = []

        def body() -> None:
            scheduler.point("lock", "guard")
            scheduler.point("aw", ("page", 12, "flags"))
            scheduler.note("saw the page", flags=len(seen))
            seen.append(1)
            scheduler.point("unlock", "guard")
            for _ in range(10):
                scheduler.point("ar", "own")
            assert len(seen) < 2, "both were here"

        return Scene([("migrate", body), ("compact", body)])

    return build


def test_the_text_timeline_shows_lanes_switches_locks_notes_and_lines() -> None:
    found = explore(noted(), options=PLAIN).failure
    assert found is not None
    rows = found.timeline.splitlines()
    assert "migrate" in rows[0]
    assert "compact" in rows[0]
    column = rows[0].index("compact")
    assert any(row[column:].startswith("aw page 12 flags  test_failures.py:") for row in rows), found.timeline
    assert any("* saw the page flags=1" in row for row in rows)
    assert any("holding guard" in row for row in rows)
    assert any(re.fullmatch(r" +\.\.\. \d+ steps", row) for row in rows)
    assert any("compact goes on at test_failures.py:" in row and "after migrate" in row for row in rows)
    assert any("==>  exception: compact: AssertionError: both were here" in row for row in rows)
    preempted = explore(lost_update(), options=PLAIN).failure
    assert preempted is not None
    assert "two pre-empts at toys.py:" in preempted.timeline
    assert "after one, which could go on" in preempted.timeline


def test_quiet_files_are_looked_through() -> None:
    program = lost_update()
    token = explore(program, options=PLAIN).failure
    assert token is not None
    quiet = replay(program, token.token, Options(order=False, quiet=("toys.py",)))
    shown = {line.place.file for line in quiet.lines if line.place is not None}
    assert all(name.endswith("toys.py") for name in shown), "only where no other line is left"


def test_the_chrome_trace_is_complete_json(tmp_path: Path) -> None:
    story = record(noted(), (), PLAIN)
    path = save_chrome(story, tmp_path / "trace.json")
    loaded = json.loads(path.read_text())
    assert loaded == chrome(story)
    events = loaded["traceEvents"]
    steps = [event for event in events if event["ph"] == "X"]
    assert len(steps) == len(story.lines)
    assert [event["ts"] for event in steps] == list(range(len(steps)))
    assert {event["args"]["name"] for event in events if event["ph"] == "M"} == {"migrate", "compact"}
    assert {"switch", "note", "failure"} <= {event.get("cat") for event in events}
    assert "==>" in text(story)


def hidden(announced: bool) -> Program:
    """Two tasks share a list; with ``announced`` they say so."""

    def build(scheduler: Scheduler) -> Scene:
        shared: list[str] = []

        def body(name: str) -> Callable[[], None]:
            def run() -> None:
                scheduler.point("aw", "shared" if announced else f"own of {name}")
                shared.append(name)

            return run

        return Scene([("a", body("a")), ("b", body("b"))], state=lambda: tuple(shared))

    return build


def test_the_audit_finds_hidden_sharing_and_nothing_else() -> None:
    found = audit(hidden(False), samples=10)
    assert found
    assert "did aw 'own of" in found[0].message
    assert "the other way round ('b', 'a')" in found[0].message or "the other way round ('a', 'b')" in found[0].message
    assert audit(hidden(True), samples=10) == []
    assert audit(lost_update(), samples=30) == []


def test_the_audit_needs_a_state() -> None:
    with pytest.raises(ExploreError, match="give the scene a `state` function"):
        audit(TOYS["lock_order"]())


def test_replaying_choices_learns_the_decisions() -> None:
    strategy = Choices([1, 1, 0, 0])
    program = lost_update(padding=0)
    execute(program, strategy, PLAIN)
    assert strategy.made == [Decision(-1, 0, 1)]
    assert (strategy.preemptions, strategy.switches) == (0, 1)
    assert Follow().claim == "one interleaving"
