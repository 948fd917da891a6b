"""The reader: what each line becomes, how entries meet their returns, and what it makes of other machines' traces."""

from __future__ import annotations

import re
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from movable.errors import UsageError
from movable.events import write_events
from movable.mm.page_flags import ISOLATED as MODEL_ISOLATED
from movable.mm.page_flags import LOCKED as MODEL_LOCKED
from movable.trace.read.ftrace import Reader
from movable.trace.read.model_file import model_events
from movable.trace.read.source import Source
from movable.trace.read.vocabulary import UNSEEN, meaning
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
    kinds,
    life,
    pointer,
    read,
    state,
)


def test_a_life_in_order(tmp_path: Path) -> None:
    reader, events = read(life().write(tmp_path))
    isolation = [
        "isolate_movable_page",
        "isolate_page",
        "isolate_page_ret",
        "unlock_page",
        "isolate_movable_page_ret",
    ]
    again = ["move_to_new_page", "migratepage", "migratepage_ret", "move_to_new_page_ret", "unlock_page"]
    success = [
        "move_to_new_page",
        "migratepage",
        "set_page_movable",
        "clear_page_movable",
        "migratepage_ret",
        "move_to_new_page_ret",
        "unlock_page",
        "unlock_page",
        "free_page",
    ]
    assert kinds(events) == [
        *("set_page_movable", "unlock_page"),
        *isolation,
        *("putback_page", "putback_page_ret", "unlock_page"),
        *isolation,
        *again,
        *success,
        *("clear_page_movable", "unlock_page", "free_page"),
    ]
    assert reader.damaged == reader.lost == 0
    assert reader.drivers == {OPS: "zsmalloc"}
    assert reader.caller == "compact_zone"


def test_fields_are_the_models(tmp_path: Path) -> None:
    _, events = read(life().write(tmp_path))
    mark, _, isolating, isolate, returned, unlock, done = events[:7]
    assert (mark.seq, mark.task, mark.pfn, mark.flags, mark.mapping, mark.refs) == (3, "sh-7", 5, MODEL_LOCKED, 0, 1)
    assert mark.args == {"ops": OPS, "owner": ""}
    assert (isolating.flags, isolating.mapping, isolating.refs, isolating.args) == (0, MARKED, 1, {"mode": 8})
    assert isolate.args == {"mode": 8, "driver": "zsmalloc"}
    assert returned.args == {"ret": True, "driver": "zsmalloc"} and returned.pfn == 5
    assert (returned.flags, returned.mapping, returned.refs) == (UNSEEN, UNSEEN, UNSEEN)
    assert unlock.flags == MODEL_LOCKED | MODEL_ISOLATED
    assert done.args == {"ret": 0} and done.pfn == 5
    migrate = next(event for event in events if event.kind == "migratepage")
    assert migrate.args == {"newpage": 9, "mode": 2, "new_flags": MODEL_LOCKED, "driver": "zsmalloc"}
    assert next(e for e in events if e.kind == "migratepage_ret").args == {"ret": -11, "driver": "zsmalloc", "newpage": 9}


def test_both_unlocks_of_a_move_are_told(tmp_path: Path) -> None:
    with Source(str(life().write(tmp_path))) as source:
        told = [event.pfn for event in Reader(source, every_unlock=False).events() if event.kind == "unlock_page"]
    with Source(str(life().write(tmp_path))) as source:
        every = [event.pfn for event in Reader(source).events() if event.kind == "unlock_page"]
    assert told == every[1:-1]  # all but those of the owner, which marks and releases


def test_recording_shows_its_base() -> None:
    reader, _ = read(TRACES / "a1" / "trace.txt.gz")
    assert (reader.base, reader.base_from) == (BASE, "objects of zs_malloc")


def test_flag_bits_of_an_older_kernel_are_found_out(tmp_path: Path) -> None:
    reader, events = read(life(isolated=1 << 17).write(tmp_path))
    assert reader.layout == "4.19" and reader.layout_known
    assert events[5].flags == MODEL_LOCKED | MODEL_ISOLATED
    _, newer = read(life().write(tmp_path, "new.txt"))
    assert events == newer
    with pytest.raises(UsageError, match=r"bit 17, which is the one of era 4\.19, and --era 6\.1 was given"):
        read(life(isolated=1 << 17).write(tmp_path), era="6.1")


def test_trace_cmd_report(tmp_path: Path) -> None:
    """Other columns, padding after the name, and addresses instead of symbols."""
    text = life().text().replace(HEADER, "cpus=2\n")
    head = r"\[(\d+)\] \.\.\.\.\. +([\d.]+): (\w+): "
    text = re.sub(head + r"\(f\+0x0/0x10\)", r"[\1]    \2: \3:              (ffffffff812b9f60)", text)
    text = re.sub(head + r"\([^)]* <- [^)]*\)", r"[\1]    \2: \3:   (ffffffff8133 <- ffffffffc05)", text)
    assert "+0x" not in text
    path = tmp_path / "report.txt"
    path.write_text(text)
    reader, events = read(path)
    _, plain = read(life().write(tmp_path))
    assert [event[1:] for event in events] == [event[1:] for event in plain]
    assert not reader.damaged  # not even the line that counts CPUs


@pytest.mark.parametrize("name", ["sh", "nginx: a-b]c", "a[1]: b"])
def test_times_of_lines_with_more_brackets(name: str, tmp_path: Path) -> None:
    script = life()
    script.task = f"{name}-7"
    script.add("zs_isolate_ret", "ret=1", "isolate_movable_page+0x1/0x2 <- zs_page_isolate [zsmalloc]")
    script.page("zs_putback", 70, LOCKED | ISOLATED, MARKED, 2)
    lines = [line.replace("f+0x0/0x10", "zs_page+0x0/0x10 [zsmalloc]") for line in script.lines]
    path = tmp_path / "t.txt"
    path.write_text("\n".join(lines) + "\n")
    with Source(str(path)) as source:
        reader = Reader(source)
        stamps = [(event.seq, reader.stamp) for event in reader.events()]
    assert stamps and all(stamp == pytest.approx(10 + (line - 1) / 1e5) for line, stamp in stamps)


@pytest.mark.parametrize("comm", ["", " ", "   ", "-", "a - b"])
def test_names_that_are_hardly_any(comm: str, tmp_path: Path) -> None:
    """A task may call itself anything, blanks too."""
    script = life()
    path = script.write(tmp_path)
    _, plain = read(path)
    path.write_text(re.sub(r"^ *sh-7", f"     {comm}-7", path.read_text(), flags=re.MULTILINE))
    reader, events = read(path)
    assert not reader.damaged and [event[2:] for event in events] == [event[2:] for event in plain]
    assert {event.task for event in events} == {f"{comm.strip()}-7"} and reader.timed


def test_a_long_blank_line_costs_no_time(tmp_path: Path) -> None:
    path = life().write(tmp_path)
    path.write_text(path.read_text() + " " * 60_000 + "-x [0\n" + "-1 [" * 10_000 + "\n")
    begun = time.process_time()
    reader, _ = read(path)
    assert reader.damaged == 2 and time.process_time() - begun < 60


def test_a_pipe_that_brings_a_line_in_pieces(tmp_path: Path) -> None:
    """What the first bytes are is judged by the first line, however many readings it takes; and so is the page array's place."""
    path = tmp_path / "t.jsonl"
    with Source(str(life().write(tmp_path))) as source, path.open("w") as stream:
        write_events(model_events(Reader(source)), stream)
    for whole in (path, life(base=0xFFFFEA0000000000 + (77 << 30)).write(tmp_path)):
        _, plain = read(whole)

        class Slow(Source):
            def blocks(self) -> Iterator[list[str]]:
                for block in super().blocks():
                    yield from ([], [], *([line] for line in block))

        with Slow(str(whole)) as source:
            assert list(Reader(source).events()) == plain


def test_names_that_tools_make_up() -> None:
    for name in ("p_folio_unlock_0", "p___folio_put_0", "r_isolate_movable_page_0", "unlock_page", "__SetPageMovable"):
        assert meaning(name) is not None, name
    assert meaning("p_folio_unlock_0") == meaning("folio_unlock")
    assert meaning("r_migrate_pages_0") == meaning("migrate_pages_ret")
    assert meaning("sched_switch") is None
    mine = meaning("virtio_mem_migrate")
    assert mine is not None and (mine.kind, mine.driver) == ("migratepage", "virtio_mem")


def test_callers(tmp_path: Path) -> None:
    for probe, caller in (("offline_pages", "offline_pages"), ("alloc_contig_range", "alloc_contig_range"), ("", "f2")):
        script = Script()
        if probe:
            script.add(probe, "start_pfn=0 nr_pages=8")
        script.isolate(5)
        script.lines[-1] = script.lines[-1].replace("isolate_migratepages_block", "f2")
        reader, _ = read(script.write(tmp_path))
        assert reader.caller == caller


def test_lost_events_are_counted(tmp_path: Path) -> None:
    lines = life().text().splitlines()
    lines[1:1] = ["# entries-in-buffer/entries-written: 10/15   #P:2", "CPU:1 [LOST 23 EVENTS]", "CPU:0 [4 EVENTS DROPPED]"]
    path = tmp_path / "t.txt"
    path.write_text("\n".join(["# movable: driver=x era=4.19 lost=2 missed=3 refused=a,b", *lines]))
    reader, _ = read(path)
    assert (reader.lost, reader.missed) == (5 + 23 + 4 + 2, 3)
    assert reader.header["refused"] == "a,b" and reader.header["driver"] == "x"


@pytest.mark.parametrize(
    "line", ["# movable: lost=%s", "CPU:0 [LOST %s EVENTS]", "# entries-in-buffer/entries-written: 1/%s #P:2"]
)
def test_a_count_that_nobody_can_count(line: str, tmp_path: Path) -> None:
    path = life().write(tmp_path)
    path.write_text(line % ("9" * 5000) + "\n" + path.read_text())
    assert read(path)[0].lost > 10**17


def test_first_line_of_a_kind_cut_short(tmp_path: Path) -> None:
    script = Script().mark(5).mark(6).mark(7)
    script.lines[0] = script.lines[0].partition(" flags=")[0]
    reader, events = read(script.write(tmp_path))
    marks = [event for event in events if event.kind == "set_page_movable"]
    assert [mark.pfn for mark in marks] == [5, 6, 7] and marks[1].refs == 1
    assert reader.damaged == 0


def test_last_line_cut_short(tmp_path: Path) -> None:
    text = life().text()
    path = tmp_path / "t.txt"
    path.write_text(text[: text.rindex("folio_put_final") + 40])
    reader, events = read(path)
    assert reader.damaged == 1 and reader.holes == 0 and events[-1].kind == "unlock_page"


@pytest.mark.parametrize("name", [*WHOLE, *EXCERPTS])
def test_every_line_of_a_recording_is_understood(name: str) -> None:
    reader, _ = read(TRACES / name / "trace.txt.gz")
    assert reader.damaged == 0 and not reader.lost


def test_refusals(tmp_path: Path) -> None:
    cases = {
        "prose\nand more prose\n": "no ftrace text",
        "x\n" * 3000: "no ftrace text in the first 2001 lines",
        HEADER: "no ftrace text",
        "   sh-1  [000] .....  1.5: sched_switch: prev=a next=b\n": "without the needed events .* it has sched_switch",
        Script().page("folio_unlock", 5, 1, 0, 1).free(5).text(): "without the needed events .* it has folio_put_final, ",
        '{"seq": 1}\n': "line 1: not an event",
    }
    for text, words in cases.items():
        path = tmp_path / "t.txt"
        path.write_text(text)
        with pytest.raises(UsageError, match=words) as caught:
            read(path)
        assert "\n" not in str(caught.value)
    with pytest.raises(UsageError, match="unknown era"):
        read(path, era="9.9")


def test_state_of_hand_made_lines() -> None:
    assert pointer(1) == "0xffffea0000000040" and state(1, 2, 3).startswith("flags=0x1 mapping=0x2 refs=3 ")
