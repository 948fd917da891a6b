"""Every rule that events show: one edit of a correct stream breaks it and nothing else; the stream itself breaks nothing."""

from __future__ import annotations

import pytest

from movable.events import Event
from movable.rules import lru, sticky
from movable.rules.rule import CHECKED, HELD_OR_BROKEN, OBSERVATION, STOCHASTIC, Rule
from movable.rules.table import RULES
from tests.streams.breaks import BREAKS
from tests.streams.recorded import as_trace, everything, judge
from tests.streams.variants import TRACE_VARIANTS, VARIANTS

OPEN_END = {"D24", "V34"}
"""Edits whose stream ends with pages isolated."""
NOT_AT_ONCE = {"D19b": "holds for other kernels; see test_eras"}


@pytest.fixture(scope="module")
def stream() -> list[Event]:
    return everything()


def test_the_stream_itself_breaks_nothing(stream: list[Event]) -> None:
    assert judge(stream).broken == {}
    assert judge(as_trace(stream), era="6.1").broken == {}


@pytest.mark.parametrize("name", BREAKS)
def test_one_edit_breaks_one_rule(stream: list[Event], name: str) -> None:
    rule, edit = BREAKS[name]
    monitor = judge(edit(stream), quiescent=name not in OPEN_END)
    assert set(monitor.broken) == {rule}
    assert monitor.verdict(rule) == "broken"


@pytest.mark.parametrize("name", VARIANTS)
def test_other_ways_to_break_it(stream: list[Event], name: str) -> None:
    rules, edit = VARIANTS[name]
    assert set(judge(edit(stream)).broken) == set(rules.split())


@pytest.mark.parametrize("name", TRACE_VARIANTS)
def test_what_a_trace_shows(stream: list[Event], name: str) -> None:
    rules, edit = TRACE_VARIANTS[name]
    assert set(judge(edit(as_trace(stream)), era="6.1").broken) == set(rules.split())


@pytest.mark.parametrize("rule", [found.id for found in RULES.values() if found.shown == HELD_OR_BROKEN])
def test_what_the_table_says_about_traces(stream: list[Event], rule: str) -> None:
    """A rule that a trace can show is broken by some edit of a trace, made here or by cutting down an edited stream."""
    if any(rule in rules.split() for rules, _ in TRACE_VARIANTS.values()):
        return
    edit = BREAKS[rule][1]
    assert rule in judge(as_trace(edit(stream)), quiescent=rule not in OPEN_END, era="6.1").broken


def test_every_rule_about_events_has_an_edit() -> None:
    observed = {found.id for found in RULES.values() if found.exercised_by == (OBSERVATION,)}
    judged = {found.id for found in RULES.values() if found.kind in (CHECKED, STOCHASTIC)}
    tried = {rule for rule, _ in BREAKS.values()} | set(NOT_AT_ONCE)
    elsewhere = (lru, sticky)  # see test_lru.py and test_sticky.py
    tried |= {rule.id for module in elsewhere for rule in vars(module).values() if isinstance(rule, Rule)}
    tried |= {rule for rules, _ in VARIANTS.values() for rule in rules.split()}
    assert judged - observed - tried == {"D32"}, "D32 is broken by exceptions; see test_monitor"
