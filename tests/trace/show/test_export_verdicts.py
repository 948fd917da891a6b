"""An export is judged like the trace that it was made from, or more cautiously: never with more held, nor with more broken."""

from __future__ import annotations

import gzip
import json
import re
from pathlib import Path

import pytest

from movable.contract.verdict import BROKEN, HELD, NOT_APPLICABLE, UNPROVEN
from movable.events import write_events
from movable.trace.judge.conformance import Result, check_trace
from movable.trace.read.model_file import model_events
from movable.trace.read.source import Source
from movable.trace.show.export import ftrace_of, knowing_reader
from tests.trace.judge.test_clock_skew import two_tasks
from tests.trace.recordings import HEADER, TRACES, Script, life

FORMS = ("ftrace", "events")


def export(path: Path, form: str) -> Path:
    """The trace in another form."""
    out = path.with_suffix(f".{form}")
    with Source(str(path)) as source, out.open("w") as stream:
        reader = knowing_reader(source)
        if form == "events":
            write_events(model_events(reader), stream)
        else:
            stream.writelines(ftrace_of(reader))
    return out


def table(result: Result) -> dict[str, str]:
    return {id: one.verdict for id, one in result.verdicts.items()}


def check_no_stronger(path: Path) -> None:
    """Neither form, nor one made of the other, may say more than the trace."""
    plain = check_trace(str(path))
    for form in FORMS:
        first = export(path, form)
        for out in (first, export(first, "events" if form == "ftrace" else "ftrace")):
            result = check_trace(str(out))
            assert result.era == plain.era
            for id, verdict in table(result).items():
                assert verdict in (plain.verdicts[id].verdict, UNPROVEN), f"{id} in {out.name}"
            assert (result.holes > 0) == (plain.holes > 0)


def lines_of(name: str) -> list[str]:
    with gzip.open(TRACES / name / "trace.txt.gz", "rt", encoding="latin-1") as stream:
        return stream.read().splitlines()


def written(lines: list[str], folder: Path) -> Path:
    path = folder / "t.txt"
    path.write_text("\n".join(lines) + "\n", encoding="latin-1")
    return path


@pytest.mark.unmeasured
@pytest.mark.parametrize("name", ["soft", "bad/mode_14", "bad/mode_02", "bad/mode_05", "bad/mode_10", "bad/mode_00"])
def test_an_export_gives_the_same_verdicts(name: str, tmp_path: Path) -> None:
    path = written(lines_of(name), tmp_path)
    plain = check_trace(str(path))
    for form in FORMS:
        assert table(check_trace(str(export(path, form)))) == table(plain)
    check_no_stronger(path)


@pytest.mark.unmeasured
@pytest.mark.parametrize("where", ["first", "middle", "last"])
def test_lost_events_stay_lost(where: str, tmp_path: Path) -> None:
    lines = lines_of("bad/mode_14")
    lines.insert({"first": 0, "middle": len(lines) // 2, "last": len(lines)}[where], "CPU:0 [LOST 12 EVENTS]")
    path = written(lines, tmp_path)
    check_no_stronger(path)
    for form in FORMS:
        result = check_trace(str(export(path, form)))
        assert result.lost == 12 and not result.count(HELD) and not result.broken


def test_other_holes_stay_holes(tmp_path: Path) -> None:
    begun = life().mark(20).isolate(20).putback(20)
    answers = [line for line in begun.lines if " zs_putback_ret: " in line]
    for changed in (
        [line for line in begun.lines if " zs_putback: " not in line],  # a return without a call
        [line for line in begun.lines if line not in answers[:1]],  # a call without a return
        [*begun.lines[:9], begun.lines[9][:-60] + " flags=zzz", *begun.lines[10:]],  # a line that cannot be read
        ["# movable: lost=0 missed=3", *begun.lines],
        begun.page("isolate_movable_page", 20, 0, 0x1002, 1, "mode=0x8 ").lines,  # a contradiction
    ):
        check_no_stronger(written(changed, tmp_path))


@pytest.mark.unmeasured
@pytest.mark.parametrize(
    "gone",
    [
        r" mode=\S+", r" nflags=\S+", r" newpage=\S+", r" mops=\S+", r" refs=\S+", r" mapping=\S+", r" flags=\S+", r" ret=\S+",
        r".*bad_isolate_ret: .*", r".*bad_putback_ret: .*", r".*set_page_movable: .*", r".*folio_unlock: .*",
        r".*isolate_movable_page_ret: .*", r".*_ret: .*",
    ],
)  # fmt: skip
def test_what_a_trace_lacks_its_export_lacks_too(gone: str, tmp_path: Path) -> None:
    for name in ("bad/mode_14", "bad/mode_00"):
        path = written([re.sub(gone, "", line) for line in lines_of(name)[:4500]], tmp_path)
        check_no_stronger(path)
        assert set(check_trace(str(path)).broken) <= {"D26"}


def test_an_older_kernel_stays_one(tmp_path: Path) -> None:
    """The bits of its flags are known only after some lines."""
    script = Script(isolated=1 << 17).mark(3).mark(4)
    script.lines += life(isolated=1 << 17).lines
    path = script.write(tmp_path)
    check_no_stronger(path)
    for form in FORMS:
        result = check_trace(str(export(path, form)))
        assert result.era == "4.19" and result.verdicts["V34"].verdict != NOT_APPLICABLE


def test_two_tasks_stay_as_far_apart(tmp_path: Path) -> None:
    """A finding that rests on the order of two tasks' lines counts by their times, which an export keeps."""
    for apart in (0.01, 0):
        path = written([HEADER, *two_tasks(apart)], tmp_path)
        plain = check_trace(str(path))
        assert bool(plain.broken) == bool(apart)
        for form in FORMS:
            assert check_trace(str(export(path, form))).broken == plain.broken


@pytest.mark.parametrize("form", FORMS)
def test_an_export_without_its_end_may_have_lost_anything(form: str, tmp_path: Path) -> None:
    out = export(written(lines_of("bad/mode_00"), tmp_path), form)
    assert check_trace(str(out)).count(HELD) > 20
    out.write_text("".join(out.read_text().splitlines(keepends=True)[:-1]))
    result = check_trace(str(out))
    assert not result.count(HELD) and not result.broken and any("end of this export is missing" in note for note in result.notes)


def test_events_say_where_they_come_from(tmp_path: Path) -> None:
    lines = export(written(lines_of("bad/mode_00"), tmp_path), "events").read_text().splitlines()
    first, last = json.loads(lines[0]), json.loads(lines[-1])
    assert (first["kind"], first["text"], first["era"]) == ("note", "from a trace, era 6.1", "6.1")
    assert last["kind"] == "note" and (last["lost"], last["missed"], last["damaged"]) == (0, 0, 0)


@pytest.mark.parametrize(
    ("old", "new", "lost"),
    [
        ('"lost":0', '"lost":"many"', 1),
        ('"missed":0', '"missed":-4', 1),
        ('"unpaired":0', '"unpaired":7', 7),
        ('"damaged":0', '"damaged":2.5', 1),
    ],
)
def test_what_a_note_says_is_never_taken_for_less(old: str, new: str, lost: int, tmp_path: Path) -> None:
    out = export(written(lines_of("bad/mode_00"), tmp_path), "events")
    text = out.read_text()
    assert old in text
    out.write_text(text.replace(old, new).replace('"at":', '"at":"?","was":', 3).replace('"caller":"', '"caller":5,"was":"', 2))
    result = check_trace(str(out))
    assert result.holes == lost and not result.count(HELD)


def test_the_end_of_a_leak_is_not_guessed(tmp_path: Path) -> None:
    """An export has fewer lines, so a leak that the trace shows may come too near to the end."""
    script = life().mark(5).isolate(5).migrate(5, 9)
    script.lines = script.lines[:-2]
    script.lines[-1] = script.lines[-1].replace("refs=1", "refs=2")
    for pfn in range(100, 355):
        script.mark(pfn)
    for _ in range(30):
        script.add("mm_migrate_pages", "nr=1")
    path = script.write(tmp_path)
    assert check_trace(str(path)).broken == ["D18"]
    check_no_stronger(path)
    path.write_text("".join(path.read_text().splitlines(keepends=True)[:-60]))
    assert check_trace(str(path)).verdicts["D18"].verdict == UNPROVEN
    assert BROKEN not in table(check_trace(str(path))).values()
