"""A guarded pattern finds what the pattern finds: in whatever it matches, and in lines of every kind of material."""

from __future__ import annotations

import importlib
import pkgutil
import re

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from movable.explain import readers
from movable.explain.guarded import Guarded
from tests.explain.material import EVERYTHING

MODULES = [one.name for one in pkgutil.walk_packages(readers.__path__, readers.__name__ + ".")]
PATTERNS = {
    f"{module.rpartition('.')[2]}.{name}": value
    for module in MODULES
    for name, value in vars(importlib.import_module(module)).items()
    if isinstance(value, Guarded)
}
LINES = [line for text in EVERYTHING.values() for line in text.splitlines() if line]
ASCII = st.characters(max_codepoint=127)
QUICK = settings(max_examples=5, deadline=None, database=None)


@pytest.mark.parametrize("name", PATTERNS)
def test_every_match_of_a_pattern_is_found(name: str) -> None:
    one = PATTERNS[name]
    whole = re.compile(one.pattern, one.flags)

    @QUICK
    @given(st.from_regex(whole, alphabet=ASCII), st.sampled_from(LINES))
    def same(text: str, line: str) -> None:
        for tried in (text, line, line + text, text + line):
            found, expected = one.search(tried), whole.search(tried)
            assert (found is None) == (expected is None)
            if whole.groups and expected is not None and found is not None:
                assert found.groups() == expected.groups()

    same()


def test_there_are_patterns() -> None:
    assert len(PATTERNS) > 20


@pytest.mark.parametrize(
    ("pattern", "words"),
    [
        (r"\bHardware name:|\bCall Trace:", {"Hardware name:", "Call Trace:"}),
        (r"(?:red|green) pages?", {" page"}),
        (r"a(?:b|c\|d)x[|]y|z", {"x|y", "z"}),
        (r"\bflags: (?:0x)?[0-9a-f]+\(([^)]*)\)", {"flags: "}),
        (r"^\s*\d+ pages", set()),
        (r"(?i:word)|other", {"other"}),
        (r"(?:maybe)*|(?:once)+", {"once"}),
    ],
)
def test_the_words_are_those_that_a_match_must_have(pattern: str, words: set[str]) -> None:
    assert {word for word, _ in Guarded(pattern)._guards} == words


def test_case_may_not_count() -> None:
    one = Guarded("some word", re.IGNORECASE)
    assert one.search("any SOME WORD") and not one.search("some")


def test_the_other_methods_are_those_of_the_pattern() -> None:
    one = Guarded(r"(\d)a")
    assert one.findall("1a 2a") == ["1", "2"] and one.match("1a") and one.fullmatch("1a") and not one.match("x1a")
