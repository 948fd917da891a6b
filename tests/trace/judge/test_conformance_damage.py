"""A damaged recording makes no driver guilty: what is damaged is refused and named, and proves nothing."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Callable
from functools import partial
from pathlib import Path

import pytest

from movable.rules.stream.monitor import Violation
from movable.trace.judge.conformance import Result, check_trace
from movable.trace.judge.proof import doubts
from tests.trace.damage import BASES, CHANGES, MIXED, MOVES, NEWER, REASONS, damaged, judge, newer, reason
from tests.trace.mutants import window

DOCS = Path(__file__).parents[3] / "docs" / "tracing.md"
REFUSED = ("underscore", "octal", "binary", "zeros", "empty", "letters")
"""Changes that the grammar of numbers always sees."""


def fates(seed: int, number: int, folder: Path) -> tuple[Counter[str], list[str]]:
    """What became of damaged traces by kind of damage, and those that broke a rule without a reason."""
    found: Counter[str] = Counter()
    false = []
    for one in damaged(seed, number):
        result = judge(one, folder)
        found[one.kind] += 1
        if result.broken and not reason(one, result.broken):
            false.append(f"{result.broken} by {one.kind} of {one.event} at {one.base}:{one.line}: {one.after!r}")
        if one.base in NEWER:  # fields that tell nothing there may say anything
            continue
        if one.kind in REFUSED and one.event != "free_unref_page":
            assert result.holes and any(f"line {one.line + 1} is refused" in note for note in result.notes), (one.kind, one.after)
        if one.kind == "fault":
            assert any("could not read (fault)" in note for note in result.notes), one.after
    return found, false


@pytest.mark.parametrize(("name", "first", "count"), BASES)
def test_bases_are_right(name: str, first: int, count: int, tmp_path: Path) -> None:
    path = tmp_path / "t.txt"
    path.write_text("\n".join(window(name, first, count)) + "\n", encoding="latin-1")
    result = check_trace(str(path))
    assert not result.broken and not result.holes


@pytest.mark.parametrize("name", NEWER)
def test_newer_bases_are_right(name: str, tmp_path: Path) -> None:
    path = tmp_path / "t.txt"
    path.write_text("\n".join(newer(name)) + "\n", encoding="latin-1")
    result = check_trace(str(path))
    assert not result.broken and not result.holes


@pytest.mark.unmeasured
def test_damage_breaks_no_rule(tmp_path: Path) -> None:
    found, false = fates(1, 60, tmp_path)
    assert not false
    assert set(found) == {*CHANGES, *MOVES, *MIXED}


def changed(base: str, event: str, folder: Path, change: Callable[[list[str], int], None], first: int = 200) -> Result:
    """The verdicts after a change at the first line of an event, some way into a recording."""
    lines = list(newer(base))
    change(lines, next(at for at in range(first, len(lines)) if f": {event}: " in lines[at]))
    (folder / "t.txt").write_text("\n".join(lines) + "\n", encoding="latin-1")
    return check_trace(str(folder / "t.txt"))


def test_flags_that_a_page_is_marked_with_and_unlocked_without_break_no_rule(tmp_path: Path) -> None:
    def change(lines: list[str], at: int) -> None:
        lines[at] = re.sub(r" flags=(0x\w+)01 ", r" flags=\g<1>e1 ", lines[at])

    result = changed("zsmalloc-compaction", "set_page_movable", tmp_path, change)
    assert not result.broken and "no more in line" in result.verdicts["D7"].reason


def test_an_unlock_that_contradicts_the_change_before_it_breaks_no_rule(tmp_path: Path) -> None:
    def change(lines: list[str], at: int) -> None:
        cleared = next(n for n in range(at, len(lines)) if ": clear_isolated: (putback_" in lines[n])
        lines[cleared + 1] = re.sub(r" flags=(0x\w*)0(\w{4}) ", r" flags=\g<1>1\2 ", lines[cleared + 1])

    result = changed("hook-busy", "folio_unlock", tmp_path, change)
    assert not result.broken and "was cleared" in result.verdicts["V13"].reason


@pytest.mark.parametrize("answer", ["1", "-16", "-1"])
def test_an_answer_that_the_core_has_not_heard_breaks_no_rule(answer: str, tmp_path: Path) -> None:
    def change(lines: list[str], at: int) -> None:
        lines[at] = lines[at].replace("ret=0", f"ret={answer}")

    result = changed("zsmalloc-compaction", "zs_migrate_ret", tmp_path, change)
    assert not result.broken and "goes on" in result.verdicts["D27"].reason


@pytest.mark.parametrize(
    ("base", "event", "before", "after", "note"),
    [
        ("e", "zs_isolate_ret", r" ret=1$", "", "unreadable"),
        ("e", "zs_migrate_ret", r" ret=0$", "", "unreadable"),
        ("e", "zs_isolate_ret", r" ret=1$", " ret=1025", "ret=1025 is no byte"),
        ("e", "zs_isolate_ret", r" ret=1$", " ret=3", ""),
        ("z3", "z3_isolate_ret", r" ret=0$", " ret=3", "its driver had answered otherwise"),
        ("a1", "set_page_movable", r" (mops=0x\w+)0 ", r" \g<1>2 ", ""),
    ],
)
def test_one_field_of_a_first_line_breaks_no_rule(
    base: str, event: str, before: str, after: str, note: str, tmp_path: Path
) -> None:
    lines = list(window(base, *{"e": (58000, 1600), "z3": (46000, 900), "a1": (1000, 400)}[base]))
    at = next(at for at, line in enumerate(lines) if f": {event}: " in line and re.search(before, line))
    lines[at] = re.sub(before, after, lines[at])
    (tmp_path / "t.txt").write_text("\n".join(lines) + "\n", encoding="latin-1")
    result = check_trace(str(tmp_path / "t.txt"))
    assert not result.broken and note in " ".join(result.notes)


def test_a_return_that_is_lost_breaks_no_rule(tmp_path: Path) -> None:
    """The page is unlocked behind a callback, which looks as if it were inside."""
    lines = list(window("bad/mode_10", 0, 2400))
    returns = (at for at, line in enumerate(lines) if ": bad_putback_ret: " in line)
    at = next(at for at in returns if ": isolate_movable_page: " in lines[at + 2] and "bad_putback_ret: " in lines[at - 3])
    del lines[at]
    (tmp_path / "t.txt").write_text("\n".join(lines[at - 200 : at + 200]) + "\n", encoding="latin-1")
    result = check_trace(str(tmp_path / "t.txt"))
    assert not result.broken and "no line tells that the callback" in result.verdicts["D29"].reason


def test_a_return_that_comes_too_late_by_its_own_time_breaks_no_rule(tmp_path: Path) -> None:
    result = changed("hook-enoent", "balloon_migrate_ret", tmp_path, lambda lines, at: lines.insert(at + 3, lines.pop(at)))
    assert not result.broken and "out of the order of time" in result.verdicts["D29"].reason


def exchanged(was: str, now: str, lines: list[str], at: int) -> None:
    """A change of one field."""
    lines[at] = lines[at].replace(f" {was} ", f" {now} ")


def test_a_call_that_is_like_none_around_it_breaks_no_rule(tmp_path: Path) -> None:
    def of_another_page(lines: list[str], at: int) -> None:
        pages = [found[1] for line in lines[:at] if (found := re.search(r": zs_migrate: .* (page=\S+) ", line))]
        lines[at] = re.sub(r" page=\S+ ", f" {pages[-10]} ", lines[at])

    for rule, was, now in (("V8", "mode=0", "mode=3"), ("V7", "ntype=0xff", "ntype=0x3f")):
        result = changed("hook-enoent", "balloon_migrate", tmp_path, partial(exchanged, was, now), first=780)
        assert not result.broken and f"has {now}, between calls with {was}" in result.verdicts[rule].reason
    result = changed("zsmalloc-compaction", "zs_migrate", tmp_path, of_another_page, first=1390)
    assert not result.broken and "tells of another page in its place" in result.verdicts["V9"].reason


def test_a_page_that_alone_is_un_marked_without_a_mark_breaks_no_rule(tmp_path: Path) -> None:
    lines = list(window("bad/mode_00", 2000, 1600))
    lines[341] = re.sub(r" mapping=\S+ ", " mapping=0x2 ", lines[341])
    (tmp_path / "t.txt").write_text("\n".join(lines) + "\n", encoding="latin-1")
    result = check_trace(str(tmp_path / "t.txt"))
    assert not result.broken and "alone un-marks a page" in result.verdicts["D19"].reason


def test_a_line_with_the_fields_of_another_event_is_refused(tmp_path: Path) -> None:
    def change(lines: list[str], at: int) -> None:
        lines[at] = lines[at].replace(" page=", " page=0xffffea0000001000 newpage=", 1)

    result = changed("zsmalloc-compaction", "folio_unlock", tmp_path, change)
    assert not result.broken and any("other fields" in note for note in result.notes)


@pytest.mark.campaign
def test_five_thousand_damaged_traces(tmp_path: Path) -> None:
    found, false = fates(7, 5000, tmp_path)
    assert not false
    assert found.total() > 4800


def test_the_documentation_names_every_reason() -> None:
    text = " ".join(DOCS.read_text().split())
    assert not [why for _, _, _, why in REASONS if why not in text]


def test_the_same_seed_gives_the_same_damage() -> None:
    assert list(damaged(5, 8)) == list(damaged(5, 8)) != list(damaged(6, 8))


def test_a_fresh_page_of_many_that_one_line_says_others_know_is_in_doubt() -> None:
    def mark(number: int, refs: int) -> str:
        page = f"page={0xFFFFEA0000C00000 + 64 * number:#x} flags=0x4fffffc0000000 refs={refs} mapping=0x0"
        return f"  insmod-220     [001] d..1.    11.8{number:05}: set_page_movable: (balloon_page_insert+0x34/0x80) {page}"

    found = [Violation("D2", "marked without its lock", (5,), 5, "insmod")]
    one, two = ({at: mark(at, 9 if at in odd else 1) for at in range(1, 11)} for odd in ((5,), (5, 7)))
    assert "alone marks a page with 9 references, of 10" in doubts(found, one, set())[5]
    assert doubts(found, two, set()) == {}


def test_nothing_found_is_nothing_doubted() -> None:
    assert doubts([], {}, set()) == {}
