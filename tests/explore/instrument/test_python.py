"""Which Pythons the hooks work in."""

from __future__ import annotations

import sys

import pytest

from movable.explore import ExploreError
from movable.explore.instrument import python
from movable.explore.instrument.hooks import Hooks
from movable.explore.instrument.opcodes import Opcodes
from tests.explore.instrument.test_hooks import Tape


@pytest.mark.parametrize("version", [(3, 10), (3, 15), (4, 0)])
def test_in_a_python_that_is_not_known_nothing_is_searched(version: tuple[int, int], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "version_info", (*version, 0))
    with pytest.raises(ExploreError, match=rf"3\.11, 3\.12, 3\.13, 3\.14, and this is {version[0]}\.{version[1]}"):
        Hooks(Tape())
    with pytest.raises(ExploreError, match="nothing could be claimed"):
        Opcodes(Tape(), __file__)


def test_this_python_is_known() -> None:
    assert sys.version_info[:2] in python.KNOWN and not python.refusal()


def test_without_the_interpreter_lock_nothing_is_searched(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "_is_gil_enabled", lambda: False, raising=False)
    with pytest.raises(ExploreError, match="interpreter lock"):
        Hooks(Tape())
