"""Traces of a 7.3 kernel: recognised, read in the words of older ones, and judged; right drivers pass, wrong hooks are told."""

from __future__ import annotations

import gzip
from pathlib import Path

import pytest

from movable.errors import UsageError
from movable.trace.judge.conformance import check_trace
from movable.trace.read.sticky import in_old_words, slot

DATA = Path(__file__).parents[2] / "data" / "traces-7.3"
PLAIN = "sh-1 [001] ..... 47.7: "
STATE = "flags=0xfffffc0010009 type=0xf6 refs=2 mapping=0x0 lru=0xffffea00004de008 private=0xffff888008569ee0"


@pytest.mark.parametrize("name", ["zsmalloc-compaction", "zsmalloc-released", "balloon-busy", "hook-busy", "hook-enoent"])
def test_right_drivers_pass(name: str) -> None:
    result = check_trace(str(DATA / f"{name}.txt.gz"))
    assert result.era == "7.3" and result.broken == [] and result.count("held") > 10, result.notes


@pytest.mark.parametrize(
    ("name", "rules"),
    [
        ("hook-takes-a-reference", {"D57"}),
        ("hook-positive", {"D16", "D57"}),
        ("hook-unlocks", {"D29"}),
        ("hook-clears-the-pointer", {"D26", "D56"}),
    ],
)
def test_wrong_hooks_are_told(name: str, rules: set[str]) -> None:
    assert set(check_trace(str(DATA / f"{name}.txt.gz")).broken) == rules


def edited(tmp_path: Path, name: str, old: str, new: str, count: int = -1) -> str:
    text = gzip.open(DATA / f"{name}.txt.gz", "rt").read()  # noqa: SIM115
    assert old in text
    file = tmp_path / "edited.txt"
    file.write_text(text.replace(old, new, count))
    return str(file)


def test_a_cleared_bit_of_the_cores(tmp_path: Path) -> None:
    """The core finds the isolated bit gone when it clears it."""
    text = gzip.open(DATA / "hook-busy.txt.gz", "rt").read()  # noqa: SIM115
    lines = text.splitlines(keepends=True)
    at = next(number for number, line in enumerate(lines) if " clear_isolated: (migrate_pages_batch" in line)
    lines[at] = lines[at].replace("10009 type", "00009 type")
    file = tmp_path / "edited.txt"
    file.write_text("".join(lines))
    assert "D30" in check_trace(str(file)).broken


@pytest.mark.parametrize(("answer", "private", "broken"), [(1, 0, ["D56"]), (0, 0, []), (1, 0xFFFF888004B1C2F0, [])])
def test_a_released_page_is_not_isolated(tmp_path: Path, answer: int, private: int, broken: list[str]) -> None:
    """The back pointer at entry says whether the page has an owner."""
    state = f"flags=0xfffffc0000009 type=0xf1 refs=2 mapping=0x0 lru=0xffffc900001efd98 private={private:#x}"
    page = "page=0xffffea000008c9c0 mode=0x8"
    events = (
        f"isolate_movable_ops_page: (isolate_movable_ops_page+0x4/0x120) {page} {state}",
        f"balloon_isolate: (balloon_page_isolate+0x4/0xa0) {page} {state}",
        f"balloon_isolate_ret: (isolate_movable_ops_page+0xe3/0x120 <- balloon_page_isolate) ret={answer}",
    )
    file = tmp_path / "isolated.txt"
    file.write_text("".join(f"  gtool-280  [001] .....  45.29{n}: {event}\n" for n, event in enumerate(events)))
    assert check_trace(str(file)).broken == broken


def test_an_era_that_contradicts_the_lines() -> None:
    with pytest.raises(UsageError, match=r"has events of kernels from 6\.17 on, and --era 6\.1 was given"):
        check_trace(str(DATA / "hook-busy.txt.gz"), era="6.1")
    assert check_trace(str(DATA / "zsmalloc-compaction.txt.gz"), era="6.17").era == "6.17"


RELEASED = (
    "zs_migrate: (z+0x4/0x9) newpage=0xffffea00007fe280 page=0xffffea00006ae3c0 mode=0 nflags=0xfffffc0000001 nrefs=1 ntype=0xff "
    "flags=0xfffffc0010009 type=0xf6 refs={} mapping=0x0 lru=0xffffea00006ae348 private={}"
)


@pytest.mark.parametrize(
    ("lines", "what"),
    [
        (("{mark}",), ""),
        (("{hook}", "bb_hook_ret: (x <- bb_hook) ret=0", "{mark}"), "a mark that the balloon core makes behind the hook"),
        (("{hook}", "bb_hook_ret: (x <- bb_hook) ret=-2", "{answer}"), "another answer of the balloon core than its device's"),
        (("{hook}", "{mark}", "bb_hook_ret: (x <- bb_hook) ret=0", "{answer}"), ""),
        ((RELEASED.format(1, "0x0"), "zs_migrate_ret: (x <- y) ret=0") * 2, "asked about pages which nobody else holds"),
        ((RELEASED.format(1, "0x0"), "zs_migrate_ret: (x <- y) ret=0"), ""),
        ((RELEASED.format(2, "0xffff888008569ee0"), "zs_migrate_ret: (x <- y) ret=0") * 2, ""),
    ],
)
def test_what_only_later_kernels_do(lines: tuple[str, ...], what: str, tmp_path: Path) -> None:
    """6.17 and 7.3 print the same lines; what is in them tells a recording of 7.3 that is called one of 6.17."""
    said = {
        "mark": f"set_page_movable: (m+0x34/0x80) page=0xffffea0000000040 {STATE.replace('f6', 'f1')}",
        "hook": "bb_hook: (bb_hook+0x4/0x9) b_dev_info=0xffff888000000 newpage=0xffffea0000000040 page=0xffffea0000000080 mode=0",
        "answer": "balloon_migrate_ret: (x <- balloon_page_migrate) ret=0",
    }
    call = RELEASED.format(2, "0xffff888008569ee0").replace("zs_migrate", "balloon_migrate").replace("0xf6", "0xf1")
    inside = [call, *lines] if lines[0].startswith("{") else list(lines)
    file = tmp_path / "trace.txt"
    file.write_text("".join(PLAIN + line.format(**said) + "\n" for line in inside))
    if what:
        with pytest.raises(UsageError, match=rf"has .*{what}.*kernels from 6\.18 on show, and --era 6\.17 was given"):
            check_trace(str(file), era="6.17")
    assert check_trace(str(file), era="6.17" if not what else "7.3").era == ("7.3" if what else "6.17")


def test_a_trace_that_may_be_of_either(tmp_path: Path) -> None:
    """It is judged as the later, which the verdict says, and nobody is blamed for what is right in the other."""
    result = check_trace(str(DATA / "zsmalloc-compaction.txt.gz"))
    note = "kernels of 6.17 print the same lines as those of 7.3, and none here tells which it is: judged as 7.3"
    assert result.era == "7.3" and any(text.startswith(note) for text in result.notes)
    page = "page=0xffffea00006ae3c0"
    state = "type=0xf6 refs={} mapping=0x0 lru=0x0 private=0xffff888008569ee0"
    gone = "type=0xf6 refs=0 mapping=0x0 lru=0x0 private=0x0"
    lines = (
        f"isolate_movable_ops_page: (i+0x4/0x120) {page} mode=0x8 flags=0xfffffc0000008 {state.format(1)}",
        f"zs_isolate: (z+0x4/0x10) {page} mode=0x8 flags=0xfffffc0000009 {state.format(2)}",
        "zs_isolate_ret: (x <- zs_page_isolate) ret=1",
        f"set_isolated: (i+0xff/0x120) {page} flags=0xfffffc0000009 {state.format(2)}",
        "isolate_movable_ops_page_ret: (x <- isolate_movable_ops_page) ret=1",
        f"zs_reset: (z+0x1a1/0x280) {page} flags=0xfffffc0010009 {state.format(2)}",
        f"free_frozen_pages: (f+0x0/0x750) {page} order=0 flags=0xfffffc0010008 {gone}",
    )
    file = tmp_path / "either.txt"
    file.write_text("".join(f"{PLAIN}{line}\n" for line in lines))
    either, later = check_trace(str(file)), check_trace(str(file), era="7.3")
    assert later.broken == ["V39"] and either.broken == [] and either.verdicts["V39"].reason.endswith("of 7.3; give --era")


def test_hooks_that_mark_pages_themselves(tmp_path: Path) -> None:
    """As drivers do up to 6.17: it is told by that, and said to be none of 7.3."""
    moves = []
    for number in range(3):
        page, new = (f"0xffffea00{place + 64 * number:08x}" for place in (0x6A00, 0x7F00))
        call = RELEASED.format(2, "0xffff888008569ee0").replace("zs_migrate", "balloon_migrate").replace("0xf6", "0xf1")
        state = STATE.replace("f6", "f1")
        moves += [
            call.replace("0xffffea00006ae3c0", page).replace("0xffffea00007fe280", new),
            f"bb_hook: (bb_hook+0x4/0x9) b_dev_info=0xffff888000000 newpage={new} page={page} mode=0",
            f"set_page_movable: (m+0x34/0x80) page={new} {state}",
            "bb_hook_ret: (x <- bb_hook) ret=0",
            "balloon_migrate_ret: (x <- balloon_page_migrate) ret=0",
        ]
    file = tmp_path / "trace.txt"
    file.write_text("".join(f"{PLAIN}{line}\n" for line in moves))
    result = check_trace(str(file))
    assert result.era == "6.17" and result.verdicts["D57"].verdict == "n/a"
    with pytest.raises(UsageError, match=r"hooks that mark new pages themselves.*before 6\.18 show, and --era 7\.3 was given"):
        check_trace(str(file), era="7.3")


@pytest.mark.parametrize(("told", "given"), [("7.3", "6.17"), ("6.17", "7.3")])
def test_an_era_that_contradicts_the_heading(told: str, given: str, tmp_path: Path) -> None:
    file = tmp_path / "trace.txt"
    line = f"{PLAIN}zs_putback: (z+0x4/0x9) page=0xffffea0000000040 {STATE}\n"
    file.write_text(f"# movable: driver=zsmalloc era={told} lost=0\n{line}")
    with pytest.raises(UsageError, match=rf"has era {told} in its heading, and --era {given} was given"):
        check_trace(str(file), era=given)
    assert check_trace(str(file), era=told).era == check_trace(str(file)).era == told


def test_an_older_trace_is_not_of_7_3() -> None:
    old = next((Path(__file__).parents[2] / "data" / "traces").rglob("*.txt.gz"))
    with pytest.raises(UsageError, match=r"that kernels from 6\.17 on do not have, and --era 7\.3 was given"):
        check_trace(str(old), era="7.3")


def test_one_line() -> None:
    line = f"{PLAIN}isolate_movable_ops_page: (isolate_movable_ops_page+0x4/0x120) page=0xffffea00004dd000 mode=0x8 {STATE}\n"
    told = in_old_words(line)
    assert ": isolate_movable_page: " in told and f"mapping={slot(0xF6) + 2:#x} refs=2" in told
    released = in_old_words(line.replace("private=0xffff888008569ee0", "private=0x0"))
    assert "mapping=0x2 " in released
    unmarked = in_old_words(line.replace("10009", "10001"))
    assert "mapping=0x0 " in unmarked
    ret = in_old_words(f"{PLAIN}isolate_movable_ops_page_ret: (x <- y) ret=1\n")
    assert ret.endswith("isolate_movable_page_ret: (x <- y) ret=0\n")
    assert in_old_words("# tracer: nop\n") == "# tracer: nop\n"
    assert in_old_words(f"{PLAIN}page_fault: type=7\n") == f"{PLAIN}page_fault: type=7\n"
    assert "(fault)" in in_old_words(line.replace("type=0xf6", "type=(fault)"))
