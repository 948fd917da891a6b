"""The audit: what the explorer is not told."""

from collections.abc import Callable

import pytest

from movable.explore import ExploreError, Scene
from movable.explore.detect.commutativity import audit
from movable.explore.engine import Scheduler
from movable.explore.program import Program
from tests.explore.toys import TOYS, lost_update


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
