"""The monitor: verdicts, files, streams that begin or end anywhere, exceptions, and memory."""

from __future__ import annotations

import io
import random
from errno import EAGAIN

import pytest

from movable import VM, isolate_movable_page
from movable.errors import DeadlockError, DriverError, ListCorruption, SleepInAtomic, UsageError, VMBug
from movable.events import Event, read_events, write_events
from movable.rules.stream.monitor import MAX_STORY, MAX_VIOLATIONS_KEPT, Monitor, error_event, rule_of
from movable.rules.table import RULES
from tests.drivers_for_tests.ring import Ring
from tests.streams.breaks import BREAKS
from tests.streams.recorded import Scene, as_trace, changed, everything, judge, where


@pytest.fixture(scope="module")
def stream() -> list[Event]:
    return everything()


def verdicts(monitor: Monitor) -> dict[str, str]:
    return {id: monitor.verdict(id) for id in RULES}


# --- verdicts ---


def test_verdicts(stream: list[Event]) -> None:
    monitor = judge(BREAKS["D17"][1](stream))
    assert monitor.verdict("D17") == "broken"
    assert monitor.verdict("D18") == "held"
    assert monitor.verdict("D3") == "unproven"
    assert monitor.exercised["D18"] > 1
    assert monitor.exercised["D3"] == 0


def test_nothing_is_held_before_it_was_exercised() -> None:
    assert set(verdicts(Monitor()).values()) == {"unproven"}


def test_only_the_rules_asked_for(stream: list[Event]) -> None:
    monitor = Monitor(["D2", "D18"])
    for event in BREAKS["D17"][1](stream):
        monitor.feed(event)
    assert monitor.broken == {}
    assert monitor.verdict("D17") == "unproven"
    assert set(monitor.exercised) == {"D2", "D18"}


def test_unknown_rules_and_eras() -> None:
    with pytest.raises(UsageError, match="unknown rule 'D170'"):
        Monitor(["D170"])
    with pytest.raises(UsageError, match=r"unknown era '5\.0'"):
        Monitor(era="5.0")


def test_eras(stream: list[Event]) -> None:
    """Where the mark is sticky, taking it back is the sin; elsewhere leaving it is. V18 says who puts back, which changed."""
    assert set(judge(stream, era="6.1").broken) == {"V18"}
    sticky = judge(stream, quiescent=False, era="6.17")
    assert set(sticky.broken) == {"D19b", "V18"}
    kept = [event for event in stream if event.kind != "clear_page_movable"]
    assert set(judge(kept, quiescent=False, era="6.17").broken) == {"V18"}


def test_a_violation_tells_the_story(stream: list[Event]) -> None:
    edited = BREAKS["D17"][1](stream)
    (violation,) = judge(edited).broken["D17"]
    story = {event.seq: event for event in edited if event.seq in violation.seqs}
    assert violation.task == "main"
    assert "took 0 references" in violation.text
    assert list(violation.seqs) == sorted(violation.seqs)
    assert 0 < len(violation.seqs) <= MAX_STORY + 6
    assert story[violation.seqs[-1]].kind == "migratepage_ret"
    assert "set_page_movable" in {event.kind for event in story.values() if event.pfn == violation.pfn}


def test_violations_are_bounded() -> None:
    monitor = Monitor()
    for seq in range(MAX_VIOLATIONS_KEPT * 3):
        monitor.feed(Event(seq, "main", "observation", -1, 0, 0, 0, {"rule": "D15", "ok": False, "what": "byte 5 differs"}))
    assert len(monitor.broken["D15"]) == MAX_VIOLATIONS_KEPT
    assert monitor.times["D15"] == MAX_VIOLATIONS_KEPT * 3


def test_finish_counts_once(stream: list[Event]) -> None:
    monitor = judge(BREAKS["V19"][1](stream))
    monitor.finish(True)
    assert len(monitor.broken["V19"]) == 1


# --- live and from a file ---


def test_live_and_from_a_file_give_the_same(stream: list[Event]) -> None:
    for name in ("D17", "D23", "D12", "V9", "D8"):
        edited = BREAKS[name][1](stream)
        text = io.StringIO()
        write_events(edited, text)
        text.seek(0)
        again = judge(list(read_events(text)))
        direct = judge(edited)
        assert again.broken == direct.broken
        assert again.exercised == direct.exercised


def test_watching_a_machine() -> None:
    vm = VM()
    monitor = Monitor()
    events: list[Event] = []
    vm.observe(monitor.feed)
    vm.observe(events.append)
    ring = Ring(vm)
    page = ring.add()
    assert isolate_movable_page(page, 0) == 0
    monitor.finish()
    assert verdicts(monitor) == verdicts(judge(events, quiescent=False))
    assert monitor.verdict("V1") == "held"
    assert monitor.verdict("V7") == "unproven"


# --- streams that begin or end anywhere ---


def test_the_beginning_may_be_missing(stream: list[Event]) -> None:
    for start in range(len(stream)):
        assert judge(stream[start:]).broken == {}, start
    trace = as_trace(stream)
    for start in range(len(trace)):
        assert judge(trace[start:], era="6.1").broken == {}, start


def test_the_end_may_be_missing(stream: list[Event]) -> None:
    for end in range(len(stream)):
        assert judge(stream[:end], quiescent=False).broken == {}, end
    trace = as_trace(stream)
    for end in range(len(trace)):
        assert judge(trace[:end], quiescent=False, era="6.1").broken == {}, end


def test_any_window(stream: list[Event]) -> None:
    rng = random.Random(1)
    for _ in range(300):
        start, end = sorted(rng.sample(range(len(stream)), 2))
        assert judge(stream[start:end], quiescent=False).broken == {}, (start, end)


def test_a_broken_rule_is_seen_in_a_stream_that_begins_late(stream: list[Event]) -> None:
    edited = BREAKS["D19"][1](stream)
    late = edited[where(edited, "migrate_pages") :]
    assert set(judge(late).broken) == {"D19"}


def test_unknown_state_is_held_against_nobody(stream: list[Event]) -> None:
    blind = [event._replace(flags=-1, mapping=-1, refs=-1) for event in as_trace(stream)]
    assert judge(blind, quiescent=False, era="6.1").broken == {}


def test_unknown_kinds_are_ignored() -> None:
    monitor = Monitor()
    monitor.feed(Event(0, "main", "something new", 1, 0, 0, 0, {}))
    assert monitor.broken == {}


# --- observations and exceptions ---


def test_observations() -> None:
    monitor = Monitor()
    monitor.feed(Event(0, "main", "observation", 7, 0, 0, 0, {"rule": "D15", "ok": True, "what": ""}))
    monitor.feed(Event(1, "main", "observation", 7, 0, 0, 0, {"rule": "D40", "ok": False, "what": "zone Normal counts 3 of 4"}))
    assert monitor.verdict("D15") == "held"
    assert monitor.verdict("D40") == "broken"
    assert monitor.broken["D40"][0].text == "zone Normal counts 3 of 4"
    assert monitor.broken["D40"][0].pfn == 7


@pytest.mark.parametrize(
    ("error", "rule"),
    [
        (VMBug("D2", "unlocked", "a lock"), "D2"),
        (ListCorruption("D12", "on a list", "none"), "D12"),
        (SleepInAtomic("D48", "sleeps", "no spin lock"), "D48"),
        (DeadlockError("waits for ever"), "D49"),
        (DriverError("ring", "putback_page", "D32", "raised KeyError: 3"), "D32"),
        (VMBug("D999", "a rule of a plug-in", "something"), "D52"),
        (KeyError(3), "D52"),
    ],
)
def test_exceptions_go_on_record(error: Exception, rule: str) -> None:
    monitor = Monitor()
    event = monitor.caught(error)
    assert rule_of(error) == rule
    assert set(monitor.broken) == {rule}
    again = Monitor()
    again.feed(event)
    assert again.broken == monitor.broken


def test_an_exception_names_its_page() -> None:
    vm = VM()
    page = vm.alloc_page()
    assert page is not None
    assert error_event(VMBug("D18", "dropped twice", "once", page), 3).pfn == page.pfn


def test_bad_input_is_no_broken_rule() -> None:
    with pytest.raises(UsageError, match="no such file"):
        Monitor().caught(UsageError("no such file"))


def test_after_an_exception_nothing_is_called_a_leak(stream: list[Event]) -> None:
    monitor = Monitor()
    for event in BREAKS["V19"][1](stream):
        monitor.feed(event)
    monitor.caught(KeyError("x"))
    monitor.finish(quiescent=True)
    assert set(monitor.broken) == {"D52"}


# --- memory ---


def test_ended_lives_are_forgotten() -> None:
    scene = Scene()
    monitor = Monitor()
    scene.vm.observe(monitor.feed)
    for round_ in range(50):
        page = scene.ring.add(round_)
        scene.isolate(page)
        scene.migrate(-EAGAIN)
    scene.end()
    assert not monitor.broken
    assert not monitor.lives.calls
    assert len(monitor.lives.pages) < 20


def test_calls_that_never_return_are_bounded(stream: list[Event]) -> None:
    monitor = Monitor()
    call = stream[where(stream, "isolate_movable_page")]
    for seq in range(500):
        monitor.feed(call._replace(seq=seq))
    assert len(monitor.lives.calls["main"]) <= 64


def test_a_free_is_told_once_but_the_next_life_counts(stream: list[Event]) -> None:
    index = where(stream, "free_page", nth=-1)
    freed = changed(stream, index, mapping=0x102)[index]
    mark = stream[where(stream, "set_page_movable")]._replace(pfn=freed.pfn)
    assert judge([freed, freed]).times["D21"] == 1
    assert judge([freed, mark, freed]).times["D21"] == 2
