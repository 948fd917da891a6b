"""Which kernel a trace is of: told by its lines, by its heading or by an option; and refused where nothing tells it."""

from __future__ import annotations

from pathlib import Path

import pytest

from movable.cli import main
from movable.eras import ERAS
from movable.errors import UsageError
from movable.trace.judge.conformance import check_trace
from movable.trace.read.era_signs import CLEARED, STAYS, Signs, could_count, heading, moved, sign
from tests.trace.recordings import TRACES

LINE = "sh-1 [001] ..... 47.7: "
BARE = (
    f"{LINE}zs_isolate: (zs_page_isolate+0x0/0x10) page=0xffffea0000001400 mode=0x8\n"
    f"{LINE}zs_isolate_ret: (x <- zs_page_isolate) ret=0\n"
)
COUNTS = f"{LINE}mm_migrate_pages: nr_succeeded=4 nr_failed=0 "
THP = "nr_thp_succeeded=0 nr_thp_failed=0 nr_thp_split=0 "
END = "mode=MIGRATE_SYNC reason=compaction\n"
CALL = f"{LINE}migrate_pages: (migrate_pages+0x0/0x10) list=0xffff8880 first=0xffffea00 mode=2 reason=3\n"


@pytest.mark.parametrize(
    ("told", "rest"),
    [
        (STAYS, "isolate_movable_ops_page_ret: (x <- y) ret=1"),
        (STAYS, "folio_unlock: (folio_unlock+0x4/0x10) page=0xffffea0000001400 flags=0x1 type=0xff refs=1 mapping=0x0"),
        (STAYS, "zs_migrate: (z) newpage=0x1 page=0x2 mode=0 nflags=0x1 nrefs=1 ntype=0xff flags=0x1"),
        (STAYS, "set_movable_ops: (set_movable_ops+0x4/0x70) mops=0xffffffffc059f130 pgty=0xf5"),
        (CLEARED, "isolate_movable_page: (isolate_movable_page+0x0/0x10) page=0xffffea0000001400 mode=0x8"),
        (CLEARED, "zs_putback: (zs_page_putback+0x0/0x10) page=0xffffea0000001400 flags=0x1 mapping=0xffffffffc0100002 refs=1"),
        (CLEARED, "set_page_movable: (z) page=0xffffea0000001400 mops=0xffffffffc0100000 flags=0x1"),
        ("", "zs_putback: (zs_page_putback+0x0/0x10) page=0xffffea0000001400 flags=0x1 mapping=0xffff888000000001 refs=1"),
        ("", "remove_migration_pte: addr=7f00 pte=2 order=0"),
    ],
)
def test_signs(told: str, rest: str) -> None:
    assert sign([LINE + "page_fault: type=7\n", f"{LINE}{rest}\n"]) == told


def seen(*lines: str) -> Signs:
    signs = Signs()
    for line in lines:
        signs.see([line])
    return signs


def counted(*lines: str) -> str:
    return seen(*lines).era


def test_counts_of_the_tracepoint() -> None:
    assert counted(COUNTS + END) == "4.19"
    assert counted(CALL, COUNTS + THP + END) == "6.1"
    assert counted(COUNTS + THP + "nr_split=0 " + END) == list(ERAS)[-1]
    assert counted(COUNTS + "nr_of_another_kernel=1 " + END, CALL) == ""


def test_which_era_can_count_so() -> None:
    two = ("nr_succeeded", "nr_failed")
    five = (*two, "nr_thp_succeeded", "nr_thp_failed", "nr_thp_split")
    six = (*five, "nr_split")
    told = {fields: [era for era in ERAS if could_count(era, fields)] for fields in (two, five, six, (*six, "nr_more"))}
    assert list(told.values()) == [["4.19"], ["4.19", "6.1"], ["6.1", "6.17", "7.3"], ["7.3"]]


@pytest.mark.parametrize(("counts", "era"), [(THP, "7.3"), (THP + "nr_split=0 ", "4.19"), ("", "6.1")])
@pytest.mark.parametrize("part", ["check", "summary", "export"])
def test_an_option_that_the_counts_contradict(
    part: str, counts: str, era: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    file = written(tmp_path, CALL + COUNTS + counts + END)
    out = ["--events", str(tmp_path / "out")] if part == "export" else []
    assert main(["trace", part, file, "--era", era, *out]) == 2
    text = capsys.readouterr().err
    assert f"and --era {era} was given; leave --era out" in text and text.count("\n") == 1


@pytest.mark.parametrize("part", ["check", "summary"])
@pytest.mark.parametrize("era", ["7.3", "5.4"])
def test_a_wrong_era_is_told_where_compaction_was_recorded_too(part: str, era: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["trace", part, str(TRACES / "e" / "trace.txt.gz"), "--era", era]) == 2
    text = capsys.readouterr().err
    assert era in text and text.count("\n") == 1


@pytest.mark.parametrize(("name", "era"), [("move_to_new_page", "4.19"), ("move_to_new_folio", "6.1")])
def test_the_end_of_a_move(name: str, era: str, tmp_path: Path) -> None:
    line = f"{LINE}move_to_new_folio_ret: (migrate_pages+0x462/0xc70 <- {name}) ret=0\n"
    assert moved([CALL, line]) == era and not moved([CALL])
    assert check_trace(written(tmp_path, CALL + line)).era == era
    with pytest.raises(UsageError, match="no line tells"):
        check_trace(written(tmp_path, CALL + line + BARE))


def test_a_heading() -> None:
    assert heading(["# tracer: nop\n", "# movable: driver=zsmalloc era=6.17 lost=0\n"]) == "6.17"
    assert heading(["# movable: era=9.9\n"]) == ""


def written(tmp_path: Path, text: str) -> str:
    file = tmp_path / "trace.txt"
    file.write_text(text)
    return str(file)


@pytest.mark.parametrize("counts", ["", COUNTS + END, COUNTS + THP + "nr_split=0 " + END])
def test_movable_pages_of_no_kernel_are_refused(counts: str, tmp_path: Path) -> None:
    """A tracepoint alone is no proof: kernels of several eras print the same."""
    path = written(tmp_path, counts + BARE)
    with pytest.raises(UsageError, match=r"no line tells which kernel.*give --era with 4\.19, 6\.1, 6\.17 or 7\.3"):
        check_trace(path)
    for era in ERAS:
        if not counts or could_count(era, seen(counts).counts):
            assert check_trace(written(tmp_path, counts + BARE), era=era).era == era
        assert check_trace(written(tmp_path, f"# movable: era={era} lost=0 missed=0\n" + BARE)).era == era


@pytest.mark.parametrize(("counts", "era"), [(THP, "6.1"), (THP + "nr_split=0 ", "7.3")])
def test_without_movable_pages_a_tracepoint_is_enough(counts: str, era: str, tmp_path: Path) -> None:
    result = check_trace(written(tmp_path, CALL + COUNTS + counts + END))
    assert result.era == era and result.outcome == "nothing proven"
    with pytest.raises(UsageError, match="no line tells"):
        check_trace(written(tmp_path, CALL))


def test_the_heading_of_a_recording_counts_for_its_lines(tmp_path: Path) -> None:
    mark = f"{LINE}isolate_movable_ops_page: (i+0x4/0x10) page=0xffffea0000001400 mode=0x8 flags=0x9 type=0xf6 refs=2\n"
    assert check_trace(written(tmp_path, "# movable: driver=zsmalloc era=6.17 lost=0 missed=0\n" + mark)).era == "6.17"
    assert check_trace(written(tmp_path, mark)).era == "7.3"


@pytest.mark.parametrize("verb", ["check", "summary"])
def test_one_line_and_exit_code_two(verb: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["trace", verb, written(tmp_path, COUNTS + END + BARE)]) == 2
    shown = capsys.readouterr()
    assert len(shown.err.splitlines()) == 1 and "--era" in shown.err
