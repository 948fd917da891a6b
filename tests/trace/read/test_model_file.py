"""A simulated run gives the same verdicts from its events and from its text, which is read back like any trace."""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from movable import (
    GFP_HIGHUSER_MOVABLE,
    ISOLATE_UNEVICTABLE,
    MIGRATE_SYNC,
    MR_COMPACTION,
    VM,
    AddressSpace,
    ClearPageMovable,
    ListHead,
    Page,
    SetPageMovable,
    copy_highpage,
    get_page,
    hookimpl,
    isolate_movable_page,
    list_add_tail,
    migrate_pages,
    put_page,
    putback_movable_pages,
)
from movable.cli import main
from movable.contract.verdict import BROKEN, HELD
from movable.errors import UsageError
from movable.events import Event, machine_note, write_events
from movable.rules.rule import HELD_OR_BROKEN
from movable.rules.table import RULES
from movable.trace.judge.conformance import Result, check_trace
from movable.trace.read.ftrace import Reader
from movable.trace.read.source import Source
from movable.trace.show.export import export_ftrace
from movable.trace.show.summary import summarise, summary_text
from movable.trace.show.svg import isolated_svg
from tests.drivers_for_tests.ring import Ring


class ForgetsToClear(Ring):
    """Leaves the old page marked."""

    @hookimpl
    def migratepage(self, mapping: AddressSpace, newpage: Page, page: Page, mode: int) -> int:
        copy_highpage(newpage, page)
        newpage.private = page.private
        list_add_tail(newpage.lru, self.pages)
        get_page(newpage)
        SetPageMovable(newpage, mapping)
        put_page(page)
        return 0


class ForgetsToMark(Ring):
    """Leaves the new page unmarked."""

    @hookimpl
    def migratepage(self, mapping: AddressSpace, newpage: Page, page: Page, mode: int) -> int:
        copy_highpage(newpage, page)
        list_add_tail(newpage.lru, self.pages)
        get_page(newpage)
        ClearPageMovable(page)
        put_page(page)
        return 0


class AnswersFive(Ring):
    """Answers a positive number."""

    @hookimpl
    def migratepage(self, mapping: AddressSpace, newpage: Page, page: Page, mode: int) -> int:
        return 5


def simulate(driver: Callable[[VM], Ring], answers: tuple[int, ...] = ()) -> list[Event]:
    """The events of a run: mark, isolate, migrate, put back, isolate again, release."""
    vm = VM()
    events: list[Event] = []
    vm.observe(events.append)
    ring = driver(vm)
    ring.answers = list(answers)
    work = ListHead("to migrate")
    pages = [ring.add(fill=number) for number in range(6)]

    def target(page: Page, private: Any) -> Page | None:
        return vm.alloc_page(GFP_HIGHUSER_MOVABLE)

    for page in pages[:4]:
        assert isolate_movable_page(page, ISOLATE_UNEVICTABLE) == 0
        list_add_tail(page.lru, work)
    migrate_pages(work, target, None, None, MIGRATE_SYNC, MR_COMPACTION)
    putback_movable_pages(work)
    assert isolate_movable_page(pages[4], ISOLATE_UNEVICTABLE) == 0
    list_add_tail(pages[4].lru, work)
    putback_movable_pages(work)
    ring.release(pages[5])
    return events


def both(events: list[Event], folder: Path) -> tuple[Result, Result]:
    """The judgement of the events, and of the text that they become."""
    plain, text = folder / "events.jsonl", folder / "trace.txt"
    with plain.open("w") as stream:
        write_events(events, stream)
    header = "# movable: driver=ring era=4.19 lost=0 missed=0 refused=\n"
    text.write_text(header + "".join(export_ftrace(events, "4.19")))
    return check_trace(str(plain)), check_trace(str(text))


@pytest.mark.parametrize(
    ("driver", "answers", "broken"),
    [
        (Ring, (), []),
        (Ring, (-11, -11, -16), []),
        (Ring, (-12,), ["D25"]),
        (ForgetsToClear, (), ["D19"]),
        (ForgetsToMark, (), ["D16"]),
        (AnswersFive, (), ["D23"]),
    ],
)
def test_events_and_text_give_the_same_verdicts(
    driver: Callable[[VM], Ring], answers: tuple[int, ...], broken: list[str], tmp_path: Path
) -> None:
    model, text = both(simulate(driver, answers), tmp_path)
    assert model.drivers == text.drivers == ["ring"]
    assert model.era == text.era == "4.19" and not text.holes, text.notes
    assert text.broken == broken
    assert [id for id in model.broken if RULES[id].shown == HELD_OR_BROKEN] == broken
    told = {id: one.verdict for id, one in text.verdicts.items() if one.verdict in (HELD, BROKEN)}
    assert len(told) >= 15
    assert told == {id: model.verdicts[id].verdict for id in told}


def test_the_summary_knows_who_asked(tmp_path: Path) -> None:
    path = tmp_path / "t.jsonl"
    zone = Event(0, "main", "compact_zone", -1, 0, 0, 0, {"node": 0, "zone": "Normal", "order": 9, "mode": 2})
    events = simulate(Ring)
    with path.open("w") as stream:
        write_events([zone, *events, zone._replace(kind="compact_zone_ret"), *events], stream)
    with Source(str(path)) as source:
        summary = summarise(Reader(source))
    # the second time no compaction is around; what is migrated says why, what is put back without being migrated does not
    assert {caller: sum(n for (_, c, _), n in summary.outcomes.items() if c == caller) for caller in ("compact_zone", "")} == {
        "compact_zone": 9,
        "": 1,
    }


def test_the_events_of_a_machine_say_its_era(tmp_path: Path) -> None:
    """They are judged by its rules, and so is what is exported of them; another era is refused."""
    path, again, text = (tmp_path / name for name in ("t.jsonl", "again.jsonl", "t.txt"))
    with path.open("w") as stream:
        write_events([machine_note("6.1"), *simulate(Ring)], stream)
    assert main(["trace", "export", str(path), "--events", str(again)]) == 0
    assert main(["trace", "export", str(path), "--ftrace", str(text)]) == 0
    for file in (path, again, text):
        assert check_trace(str(file)).era == check_trace(str(file), era="6.1").era == "6.1"
        with pytest.raises(UsageError, match=r"6\.1.*and --era 4\.19 was given"):
            check_trace(str(file), era="4.19")


def test_the_summary_of_a_simulation_has_no_times(tmp_path: Path) -> None:
    path, text = tmp_path / "t.jsonl", tmp_path / "t.txt"
    events = simulate(Ring, (-11,))
    with path.open("w") as stream:
        write_events(events, stream)
    with Source(str(path)) as source:
        summary = summarise(Reader(source))
    words = summary_text(summary)
    assert words.startswith(f"{path}: {len(events)} events, no times\n")
    words = words.removeprefix(str(path))  # a folder may be called anything, "5s" too
    assert "longest" not in words and not re.search(r"\d(us|ms|s)\b", words)
    plain = summary.to_dict()
    assert plain["seconds"] is plain["microseconds_until_end"] is plain["longest"][0]["seconds"] is None
    assert ">events</text>" in isolated_svg(summary) and ">seconds</text>" not in isolated_svg(summary)
    text.write_text("".join(export_ftrace(events, "4.19")))
    with Source(str(text)) as source:
        outcomes = summarise(Reader(source)).outcomes
    assert {caller for _, caller, _ in outcomes} == {"compact_zone", "unknown"}


def test_line_numbers_lead_into_the_file(tmp_path: Path) -> None:
    events = simulate(AnswersFive)
    model, _ = both(events, tmp_path)
    finding = model.verdicts["D23"].findings[0]
    assert events[finding.line - 1].kind == "migratepage_ret"
    assert finding.lines[-1][1].startswith('{"seq":')


def test_events_of_another_shape_are_refused(tmp_path: Path) -> None:
    path = tmp_path / "t.jsonl"
    for line, words in (
        ('{"seq":0,"task":"a","kind":"note","pfn":"x","flags":0,"mapping":0,"refs":0}', "line 1: not an event .pfn is 'x'"),
        ('{"seq":0,"task":"a","kind":"nosuch","pfn":1,"flags":0,"mapping":0,"refs":0}', "unknown kind of event"),
    ):
        path.write_text(line + "\n")
        with pytest.raises(UsageError, match=words):
            check_trace(str(path))
