"""A schedule as a word, and back."""

import base64
import random
import zlib
from collections.abc import Callable

import pytest

from movable.explore import ExploreError, NonDeterminism, Scene, explore, replay
from movable.explore.engine import Scheduler
from movable.explore.failures.schedule_token import BadToken, decode, encode
from movable.explore.program import Program
from movable.explore.runner import execute, follow
from movable.explore.schedulers.replay import Choices
from movable.explore.schedulers.urw import Sampler
from tests.explore.failures.test_failures import PLAIN
from tests.explore.toys import TOYS, lost_update


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
