"""Whose code a place is in, where something happened, and what an object holds."""

from __future__ import annotations

import gc
import os

import pytest

from movable.bench import VM
from movable.errors import UsageError
from movable.introspection import kit_raised, no_collection, of_the_kit_alone, of_the_library, raised_at, vars_of
from movable.mm.nodemask import parse_nodelist


class Base:
    __slots__ = ("__hidden", "__weakref__", "low", "never")

    def __init__(self) -> None:
        self.__hidden = 0


class Slotted(Base):
    __slots__ = ("__dict__", "high")


def test_attributes_come_from_the_dict_and_the_slots_of_every_class() -> None:
    one = Slotted()
    one.low, one.high, one.other = 1, 2, 3  # type: ignore[attr-defined]
    assert vars_of(one) == {"_Base__hidden": 0, "low": 1, "high": 2, "other": 3}


def test_an_error_of_the_kits_is_told_from_an_authors() -> None:
    with pytest.raises(UsageError) as ours:
        VM(1)
    with pytest.raises(UsageError) as theirs:
        raise UsageError("an author's own")
    assert kit_raised(ours.value) and not kit_raised(theirs.value)
    assert raised_at(theirs.value).startswith("test_introspection.py:")
    assert raised_at(ours.value).startswith("test_introspection.py:")  # the line that asked for what cannot be had


def test_a_mistake_has_an_author_where_a_line_of_one_is_in_its_traceback() -> None:
    try:
        parse_nodelist(None)  # type: ignore[arg-type]
    except (AttributeError, TypeError) as error:
        assert not of_the_kit_alone(error)
        assert error.__traceback__ is not None
        assert of_the_kit_alone(error.with_traceback(error.__traceback__.tb_next))


def test_files_of_python_are_its_own() -> None:
    assert of_the_library(os.__file__) and not of_the_library(__file__) and not of_the_library(pytest.__file__)


def test_collection_is_as_it_was() -> None:
    assert gc.isenabled()
    with no_collection():
        assert not gc.isenabled()
    assert gc.isenabled()
