"""Another class for an object that exists."""

import copy
import gc
import sys
import weakref
from typing import Any

import pytest

from movable.explore.instrument.class_swap import swap
from movable.explore.instrument.classes import WRAPPED
from movable.explore.instrument.hooks import Hooks
from tests.explore.instrument.test_hooks import Box, Tape, taped
from tests.explore.instrument.test_hooks_aliases import PLAIN, Row, hooked


@pytest.mark.unmeasured
@pytest.mark.parametrize("value", [value for value in PLAIN if type(value) in WRAPPED], ids=lambda value: type(value).__name__)
def test_classes_hold_as_many_references_as_they_have_objects(value: Any) -> None:
    made = WRAPPED[type(value)]
    hooked(copy.copy(value))
    gc.collect()
    before = sys.getrefcount(made), sys.getrefcount(type(value))
    for n in range(600):
        mine = copy.copy(value)
        hooks = Hooks(Tape())
        hooks.watch(Box(), "d").values = mine
        assert type(mine) is made
        if n % 3 == 0:
            hooks.release()
            assert type(mine) is type(value)
        elif n % 3 == 1 and hasattr(mine, "clear"):
            mine.clear()
    del mine, hooks
    gc.collect()
    after = sys.getrefcount(made), sys.getrefcount(type(value))
    assert max(abs(one - two) for one, two in zip(before, after, strict=True)) <= 4, (before, after)


def test_hooked_garbage_is_collected() -> None:
    class Marked:
        pass

    thing = Marked()
    seen = weakref.ref(thing)
    ring: dict[str, Any] = {"thing": [thing]}
    ring["self"] = ring
    hooked(ring)
    taped(Box())  # the next execution forgets the containers of the one before
    del ring, thing
    gc.collect()
    assert seen() is None


def test_objects_of_other_layout_do_not_become_hooked_ones() -> None:
    with pytest.raises(TypeError, match="cannot become"):
        swap([], WRAPPED[dict], builtin=True)
    with pytest.raises(TypeError, match="cannot become"):
        swap(Row(), WRAPPED[list], builtin=True)
