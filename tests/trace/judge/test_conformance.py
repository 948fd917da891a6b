"""The truth table: right drivers pass, wrong ones are told by the rule that names the defect; and what a recording may lack."""

from __future__ import annotations

import gzip
import random
import re
from pathlib import Path
from typing import Any

import pytest

from movable.contract.verdict import BROKEN, HELD, NOT_APPLICABLE, UNPROVEN
from movable.errors import UsageError
from movable.rules.rule import HELD_OR_BROKEN, NOTHING
from movable.rules.stream.monitor import Monitor
from movable.rules.table import RULES
from movable.trace.judge.clock_skew import LINES_UNTIL_LEAKED
from movable.trace.judge.conformance import Result, check_trace
from movable.trace.judge.gaps import Consistency
from movable.trace.read.ftrace import Reader
from movable.trace.read.source import Source
from movable.trace.show.verdicts import verdicts_html, verdicts_text
from tests.trace.recordings import (
    BASE,
    EXCERPTS,
    HEADER,
    ISOLATED,
    LOCKED,
    MARKED,
    OPS,
    TRACES,
    WHOLE,
    Script,
    life,
    others,
    pointer,
)

WRONG = {
    "bad/mode_01": ("D19", "left page 102906 marked movable"),
    "bad/mode_02": ("D18", "never freed: a reference to it is left"),
    "bad/mode_05": ("D2", "without its lock"),
    "bad/mode_08": ("D23", "answered 5"),
    "bad/mode_11": ("D16", "did not mark 105161 movable"),
    "bad/mode_14": ("D26", "answered -11 for page 103855 and un-marked it"),
}
"""Recordings of wrong drivers: the rule that names the defect, and words that the finding must have."""
UNSEEN_BY_PROBES = ("bad/mode_16", "bad/mode_21")
"""Wrong drivers whose defect no probe shows: PG_isolated cleared in the callback, and content not copied."""
ADVICE = "bad/mode_09"
"""Legal but unusual: -ENOMEM, against which D25 advises."""
RIGHT = sorted({*WHOLE, *EXCERPTS} - {*WRONG, ADVICE})


def check(folder: str, **options: Any) -> Result:
    return check_trace(str(TRACES / folder / "trace.txt.gz"), **options)


def written(script: Script, folder: Path, **options: Any) -> Result:
    return check_trace(str(script.write(folder)), **options)


@pytest.mark.parametrize("name", RIGHT)
def test_right_drivers_pass(name: str) -> None:
    result = check(name)
    assert not result.broken and result.passed and result.holes == 0
    assert result.count(HELD) >= 20 or name == "f-excerpt"


@pytest.mark.parametrize("folder", others(), ids=lambda path: path.name)
def test_more_recordings_pass_unless_marked_wrong(folder: Path) -> None:
    notes = folder / "notes.md"
    if notes.exists() and "WRONG" in notes.read_text():
        pytest.skip("a wrong driver")
    assert check_trace(str(folder / "trace.txt.gz")).passed


@pytest.mark.parametrize("name", sorted(WRONG))
def test_wrong_drivers_are_told_by_their_rule(name: str) -> None:
    rule, words = WRONG[name]
    result = check(name)
    assert result.broken == [rule] and not result.passed
    found = result.verdicts[rule]
    assert words in found.findings[0].text
    assert found.times >= len(found.findings) > 0


def test_legal_but_unusual_passes_with_advice() -> None:
    result = check(ADVICE)
    assert result.broken == ["D25"] and result.passed and RULES["D25"].level == "may"


def test_findings_come_with_the_lines_that_prove_them() -> None:
    finding = check("bad/mode_14").verdicts["D26"].findings[0]
    with gzip.open(TRACES / "bad/mode_14/trace.txt.gz", "rt") as stream:
        lines = stream.read().splitlines()
    assert all(lines[number - 1].strip() == text for number, text in finding.lines)
    events = [text.split(": ")[1] for _, text in finding.lines]
    assert events[-4:] == ["clear_page_movable", "bad_migrate_ret", "move_to_new_folio_ret", "folio_unlock"]
    assert events[0] == "set_page_movable" and finding.line == finding.lines[-1][0] == 3992


def test_a_leak_is_proved_by_what_came_later() -> None:
    finding = check("bad/mode_02").verdicts["D18"].findings[0]
    assert any("isolate_movable_page:" in text and "mapping=0x2 refs=1" in text for _, text in finding.lines)


@pytest.mark.parametrize("name", ["bad/mode_00", "bad/mode_10", "z3", "e", "d-excerpt"])
def test_any_cut_of_a_right_trace_passes(name: str, tmp_path: Path) -> None:
    """A trace may begin in the middle of lives, with pages isolated and calls under way, and end so."""
    with gzip.open(TRACES / name / "trace.txt.gz", "rt") as stream:
        lines = stream.read().splitlines()
    rng = random.Random(name)
    path = tmp_path / "t.txt"
    for _ in range(5):
        first = rng.randrange(12, len(lines) // 2)
        path.write_text("\n".join(lines[first : first + rng.randrange(500, 4000)]))
        result = check_trace(str(path))
        assert result.passed and set(result.broken) <= {"D24"} and not result.holes  # D24: a cut may show -EAGAIN only


def test_kaslr_gives_the_same_verdicts(tmp_path: Path) -> None:
    with gzip.open(TRACES / "bad/mode_14/trace.txt.gz", "rt") as stream:
        text = stream.read()
    shift = (0x123 << 30) + (7 << 30)
    moved = re.sub(r"\b0xffffea00[0-9a-f]{8}\b", lambda found: hex(int(found[0], 16) + shift), text)
    path = tmp_path / "t.txt"
    path.write_text(moved)
    plain, other = check("bad/mode_14"), check_trace(str(path))
    assert other.notes and "--vmemmap-base" in other.notes[0]
    findings = [(one.pfn, one.line, one.text) for one in plain.verdicts["D26"].findings]
    assert findings == [(one.pfn, one.line, one.text) for one in other.verdicts["D26"].findings]
    assert {one.verdict for one in plain.verdicts.values()} == {one.verdict for one in other.verdicts.values()}
    assert not check_trace(str(path), vmemmap_base=BASE + shift).notes


def test_pages_below_the_guessed_base(tmp_path: Path) -> None:
    with gzip.open(TRACES / "bad/mode_02/trace.txt.gz", "rt") as stream:
        text = stream.read()

    def spread(found: re.Match[str]) -> str:
        pointer = int(found[0], 16) + (0x123 << 30)
        return hex(pointer - (3 << 30) if pointer // 64 % 7 < 3 else pointer)  # as on a machine of 200 GiB and more

    path = tmp_path / "t.txt"
    path.write_text(re.sub(r"\b0xffffea00[0-9a-f]{8}\b", spread, text))
    plain, other = check("bad/mode_02"), check_trace(str(path))
    assert not other.holes and other.broken == plain.broken
    for id, verdict in plain.verdicts.items():
        assert (verdict.verdict, verdict.times) == (other.verdicts[id].verdict, other.verdicts[id].times)
        lines = [[line for line, _ in one.lines] for one in verdict.findings]
        assert lines == [[line for line, _ in one.lines] for one in other.verdicts[id].findings]


def test_an_older_kernel_is_judged_by_its_own_rules(tmp_path: Path) -> None:
    result = written(life(isolated=1 << 17), tmp_path)
    assert result.era == "4.19" and not result.broken
    assert result.verdicts["V34"].verdict != NOT_APPLICABLE
    assert written(life(), tmp_path).verdicts["V34"].verdict == NOT_APPLICABLE
    path = life().write(tmp_path)
    path.write_text("# movable: driver=zsmalloc era=4.19 lost=0 missed=0 refused=\n" + life(isolated=1 << 17).text())
    assert check_trace(str(path)).era == "4.19"


def test_one_driver_of_several() -> None:
    both = check("soft")
    assert both.drivers == ["balloon", "zsmalloc"]
    one, other = check("soft", driver="zs"), check("soft", driver="balloon")
    assert (one.driver, other.driver) == ("zsmalloc", "balloon")
    assert one.verdicts["D23"].exercised + other.verdicts["D23"].exercised == both.verdicts["D23"].exercised == 40
    with pytest.raises(UsageError, match="no pages of driver 'z3fold'; it shows balloon, zsmalloc"):
        check("soft", driver="z3fold")


@pytest.mark.parametrize("name", ["bad/mode_08", "bad/mode_14", "e", "z3"])
def test_unlocks_that_are_left_out_change_no_verdict(name: str) -> None:
    """Reading only the unlocks in and after calls is a matter of speed."""
    path = str(TRACES / name / "trace.txt.gz")
    numbers = []
    for every_unlock in (True, False):
        monitor = Monitor(era="6.1")
        with Source(path) as source:
            for event in Reader(source, every_unlock=every_unlock).events():
                monitor.feed(event)
        monitor.finish(False)
        numbers.append((monitor.exercised, monitor.times))
    assert numbers[0] == numbers[1]


def test_the_unlock_after_a_put_back_counts(tmp_path: Path) -> None:
    script = life().mark(20).isolate(20).putback(20)
    script.lines[-1] = script.lines[-1].replace("flags=0x1 ", "flags=0x40001 ")
    assert written(script, tmp_path).broken == ["V13"]


def test_another_drivers_fault_is_not_held_against_one(tmp_path: Path) -> None:
    script = life().page("set_page_movable", 50, 0, 0, 1, f"mops={OPS + 64:#x} ")  # without the lock, of who is not known yet
    script.isolate(50, "bad", OPS + 64).migrate(50, 51, "bad", OPS + 64, ret=5)
    assert written(script, tmp_path).broken == ["D2", "D23"]
    assert not written(script, tmp_path, driver="zsmalloc").broken
    assert written(script, tmp_path, driver="bad").broken == ["D2", "D23"]


# --- what a recording may lack ---


def test_answers_that_no_line_shows_contradict_nothing(tmp_path: Path) -> None:
    script = life()
    script.lines = [line.removesuffix(" ret=1") if " zs_isolate_ret: " in line else line for line in script.lines]
    result = written(script, tmp_path)
    assert not result.broken and not result.holes and result.verdicts["D8"].verdict != HELD


def without(script: Script, *words: str) -> Script:
    script.lines = [line for line in script.lines if not any(f" {word}: " in line for word in words)]
    return script


@pytest.mark.parametrize(
    ("event", "rules"),
    [
        ("set_page_movable", ["D2", "D16", "D27"]),
        ("clear_page_movable", ["D19", "D21"]),
        ("folio_unlock", ["D17", "D18", "D26", "D29", "V4", "V11", "V14"]),
        ("zs_migrate_ret", ["D16", "D23", "D26"]),
        ("migrate_pages", ["V8", "V9", "V10"]),
    ],
)
def test_rules_without_their_probes_are_unproven(event: str, rules: list[str], tmp_path: Path) -> None:
    script = without(life(), event)
    if event == "folio_unlock":
        script = without(script, "free_unref_page", "folio_put_final")
    result = written(script, tmp_path)
    assert not result.broken
    assert {result.verdicts[rule].verdict for rule in rules} == {UNPROVEN}


def test_fields_that_were_not_fetched(tmp_path: Path) -> None:
    path = tmp_path / "t.txt"
    path.write_text(re.sub(r" flags=\S+", "", life().text()))
    result = check_trace(str(path))
    assert result.verdicts["D2"].verdict == UNPROVEN and "set_page_movable.flags" in result.verdicts["D2"].reason
    assert not result.broken and result.verdicts["D23"].verdict == HELD


def test_a_header_says_which_probes_were_there(tmp_path: Path) -> None:
    """No mark was ever seen: without a header nobody knows whether marks were probed; with one the driver never marks."""
    script = without(Script().isolate(5).migrate(5, 9), "set_page_movable")
    script.lines = [line for line in script.lines if f") page={pointer(9)} " not in line]
    path = script.write(tmp_path)
    assert check_trace(str(path)).verdicts["D16"].verdict == UNPROVEN
    path.write_text("# movable: driver=zsmalloc era=6.1 lost=0 missed=0 refused=\n" + script.text())
    assert check_trace(str(path)).broken == ["D16"]
    path.write_text("# movable: driver=zsmalloc era=6.1 lost=0 missed=0 refused=set_page_movable\n" + script.text())
    assert not check_trace(str(path)).broken


@pytest.mark.parametrize("lost", ["# movable: lost=3", "CPU:0 [LOST 3 EVENTS]", "# entries-in-buffer/entries-written: 1/4 #P:2"])
def test_lost_events_leave_nothing_held(lost: str, tmp_path: Path) -> None:
    path = tmp_path / "t.txt"
    with gzip.open(TRACES / "bad/mode_00/trace.txt.gz", "rt") as stream:
        path.write_text(f"{lost}\n" + stream.read())
    result = check_trace(str(path))
    assert result.holes == 3 and not result.count(HELD) and not result.broken
    assert "3 events lost" in result.notes[0]


def test_lost_events_never_break_a_rule(tmp_path: Path) -> None:
    """The mark of the new page is not there. Was it forgotten, or lost?"""
    with gzip.open(TRACES / "bad/mode_11/trace.txt.gz", "rt") as stream:
        text = stream.read()
    path = tmp_path / "t.txt"
    path.write_text("# movable: lost=1\n" + text)
    result = check_trace(str(path))
    assert not result.broken and "looks broken, but events were lost" in result.verdicts["D16"].reason
    with gzip.open(TRACES / "bad/mode_05/trace.txt.gz", "rt") as stream:
        path.write_text("# movable: lost=1\n" + stream.read())
    assert check_trace(str(path)).broken == ["D2"]  # one line alone proves that


def test_a_lost_isolation_is_not_held_against_the_put_back_before(tmp_path: Path) -> None:
    script = Script().mark(5).isolate(5).putback(5).isolate(5).putback(5)
    begun = len(Script().mark(5).isolate(5).putback(5).lines) - 1
    lines = script.lines[:begun] + script.lines[begun + 4 :]  # up to the unlock of the second isolation
    assert "folio_unlock" in lines[begun] and hex(ISOLATED | LOCKED) in lines[begun]
    path = tmp_path / "t.txt"
    path.write_text("CPU:0 [LOST 4 EVENTS]\n" + "\n".join(lines) + "\n")
    result = check_trace(str(path))
    assert not result.broken and "V13" in {one.rule for one in result.verdicts.values() if "looks broken" in one.reason}


def test_a_missed_return_is_noticed(tmp_path: Path) -> None:
    script = life().mark(20).isolate(20).putback(20)
    del script.lines[next(i for i, line in enumerate(script.lines) if "zs_isolate_ret" in line)]
    result = written(script, tmp_path)
    assert result.holes and not result.broken and "without entry or return" in result.notes[-1]


def test_a_trace_may_begin_inside_of_an_isolation(tmp_path: Path) -> None:
    script = Script().isolate(5).putback(5).isolate(5).migrate(5, 9)
    for first in range(6):
        path = tmp_path / "t.txt"
        path.write_text("\n".join(script.lines[first:]) + "\n")
        result = check_trace(str(path))
        assert not result.holes and not result.broken, first
    path.write_text("\n".join(script.lines[:8] + script.lines[9:]) + "\n")  # the second isolate_movable_page
    assert check_trace(str(path)).holes == 1


# --- the order of lines ---


def test_a_frame_that_comes_back_before_its_release_is_printed(tmp_path: Path) -> None:
    script = Script().mark(5).release(5)
    release = script.lines[-2:]
    script.task, script.cpu = "sh-8", 1
    script.mark(5).isolate(5).migrate(5, 6)
    mark = script.lines[-len(script.lines) + 6 : 7]
    others_ = [line for line in script.lines if line not in release and line not in mark]
    path = tmp_path / "t.txt"
    path.write_text(HEADER + "\n".join([*others_[:4], *mark, *release, *others_[4:]]) + "\n")
    assert not check_trace(str(path)).broken


# --- single rules, on lines written by hand ---


def test_an_extra_reference_for_a_while_is_no_leak(tmp_path: Path) -> None:
    def old_page_stays() -> Script:
        script = life().mark(5).isolate(5).migrate(5, 9)
        script.lines = script.lines[:-2]
        script.lines[-1] = script.lines[-1].replace("refs=1", "refs=2")
        for pfn in range(100, 100 + LINES_UNTIL_LEAKED // 2 + 5):
            script.mark(pfn)
        return script

    assert written(old_page_stays(), tmp_path).broken == ["D18"]
    assert not written(old_page_stays().free(5), tmp_path).broken
    too_short = old_page_stays()
    del too_short.lines[-20:]
    assert not written(too_short, tmp_path).broken  # the page may still be freed


@pytest.mark.parametrize(
    ("rule", "event"),
    [
        ("V1", lambda: life().page("zs_isolate", 7, 0, MARKED, 2, "mode=0x8 ")),
        ("D4", lambda: life().page("set_page_movable", 7, LOCKED, 0, 1, f"mops={OPS + 0x101:#x} ")),
        ("D21", lambda: life().mark(7).page("clear_page_movable", 7, 0, MARKED, 1)),
        ("D19", lambda: life().mark(7).release(7).mark(7).page("clear_page_movable", 7, LOCKED, 2, 1)),
        ("V13", lambda: life().page("zs_putback", 7, LOCKED, MARKED, 2)),
        ("V26", lambda: life().page("zs_putback", 7, LOCKED | ISOLATED, 2, 2)),
        ("D23", lambda: life().mark(7).isolate(7).migrate(7, 8, ret=1)),
    ],
)
def test_single_faults(rule: str, event: Any, tmp_path: Path) -> None:
    path = tmp_path / "t.txt"
    path.write_text("# movable: driver=zsmalloc era=6.1 lost=0 missed=0 refused=\n" + event().text())
    result = check_trace(str(path))
    assert rule in result.broken or (rule == "D19" and result.holes)


# --- the table, the texts ---


@pytest.mark.parametrize("name", ["bad/mode_11", "bad/mode_14", RIGHT[0], RIGHT[-1]])
def test_a_verdict_says_no_more_than_the_rule_says_of_traces(name: str) -> None:
    for id, one in check(name).verdicts.items():
        shown = RULES[id].shown
        assert one.verdict != HELD or shown == HELD_OR_BROKEN, id
        assert one.verdict != BROKEN or shown != NOTHING, id
        assert (one.reason == "a trace cannot show it") <= (shown == NOTHING), id


def test_a_page_that_is_freed_twice(tmp_path: Path) -> None:
    script = life().mark(5).release(5)
    assert not written(script, tmp_path).holes
    result = written(script.free(5), tmp_path)
    assert result.holes == 1 and "page 5 is freed again" in result.notes[0]
    assert not written(without(life().mark(5).release(5).free(5), "set_page_movable"), tmp_path).broken


def test_freed_frames_do_not_pile_up(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("movable.trace.judge.gaps.FREED_LIMIT", 3)
    consistency = Consistency()
    script = Script()
    for pfn in range(20):
        script.mark(pfn).release(pfn)
    with Source(str(script.write(tmp_path))) as source:
        for event in Reader(source).events():
            consistency.feed(event)
    assert not consistency.holes and len(consistency._freed) == 3


@pytest.mark.parametrize("lost", [False, True])
def test_a_trace_that_proves_nothing_says_so(lost: bool, tmp_path: Path) -> None:
    if lost:
        path = life().write(tmp_path)
        path.write_text("CPU:0 [LOST 3 EVENTS]\n" + path.read_text())
        result = check_trace(str(path))
    else:
        result = check("f-excerpt")  # a recording in which no movable page takes part
    assert result.passed and result.count(HELD) == 0
    assert verdicts_text(result).splitlines()[-1].startswith("nothing proven: 0 held, 0 broken")
    assert ": nothing proven</h1>" in verdicts_html(result)
    plain = result.to_dict()
    assert plain["passed"] is True and plain["outcome"] == "nothing proven"


def test_how_other_judgements_end() -> None:
    assert [check(name).outcome for name in ("soft", "bad/mode_09", "bad/mode_05")] == ["passed", "passed", "not passed"]


def test_an_answer_that_is_neither_yes_nor_no(tmp_path: Path) -> None:
    script = life().mark(20).isolate(20).putback(20)
    at = [index for index, line in enumerate(script.lines) if "zs_isolate_ret" in line][-1]
    script.lines[at] = script.lines[at].replace("ret=1", "ret=2")
    result = written(script, tmp_path)
    assert result.broken == ["D8"] and not result.holes
    path = script.write(tmp_path)
    path.write_text("CPU:0 [LOST 3 EVENTS]\n" + path.read_text())
    assert check_trace(str(path)).broken == ["D8"]  # one line alone proves it


def test_an_answer_that_the_core_contradicts(tmp_path: Path) -> None:
    script = life().mark(20).isolate(20).putback(20)
    assert not check_trace(str(script.write(tmp_path))).holes
    at = [index for index, line in enumerate(script.lines) if "isolate_movable_page_ret" in line][-1]
    script.lines[at] = script.lines[at].replace("ret=0", "ret=-16")
    result = check_trace(str(script.write(tmp_path)))
    assert result.holes and any("its driver had answered otherwise" in note for note in result.notes)
