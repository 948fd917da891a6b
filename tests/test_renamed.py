"""Old names of modules lead to what they are called today."""

from __future__ import annotations

import importlib
import importlib.util
import sys
import warnings

import pytest

from movable.renamed import MOVED, MOVED_NAMES


def test_every_new_name_is_a_module_and_no_old_one_is() -> None:
    lost = [new for new in MOVED.values() if importlib.util.find_spec(f"movable.{new}") is None]
    assert not lost


def test_an_old_name_is_the_same_module_and_says_so() -> None:
    sys.modules.pop("movable.mm.contig", None)
    with pytest.warns(DeprecationWarning, match=r"movable\.mm\.contig is now movable\.mm\.page_alloc_contig"):
        old = importlib.import_module("movable.mm.contig")
    assert old is importlib.import_module("movable.mm.page_alloc_contig")


@pytest.mark.parametrize("old", [*MOVED_NAMES, "mm.pagemap", "lab.experiment"])
def test_a_name_that_went_elsewhere_is_the_same_object_and_says_so(old: str) -> None:
    if old in MOVED:  # found anew, whoever used it before
        sys.modules.pop(f"movable.{old}", None)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        module = importlib.import_module(f"movable.{old}")
    for home, words in MOVED_NAMES[MOVED.get(old, old)].items():
        for word in words.split():
            with pytest.warns(DeprecationWarning, match=rf"{word} is now in movable\.{home}"):
                found = getattr(module, word)
            assert found is getattr(importlib.import_module(f"movable.{home}"), word)
    with pytest.raises(AttributeError, match="has no attribute 'nonsense'"):
        getattr(module, "nonsense")  # noqa: B009


def test_a_name_that_never_was_is_not_found() -> None:
    with pytest.raises(ModuleNotFoundError):
        importlib.import_module("movable.mm.nonsense")
