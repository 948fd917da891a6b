"""Traces of a 7.3 kernel of which something is missing: right drivers are not blamed, wrong hooks are told all the same."""

from __future__ import annotations

import gzip
import re
from pathlib import Path

from movable.trace.judge.conformance import Result, check_trace

DATA = Path(__file__).parents[2] / "data" / "traces-7.3"
PAGE = re.compile(r" page=(\S+)")


def lines_of(name: str) -> list[str]:
    with gzip.open(DATA / f"{name}.txt.gz", "rt") as stream:
        return stream.readlines()


def judged(tmp_path: Path, lines: list[str]) -> Result:
    file = tmp_path / "t.txt"
    file.write_text("".join(lines))
    return check_trace(str(file))


def moves(lines: list[str], driver: str) -> list[tuple[int, int, int]]:
    """Where moves that succeed begin, where their callback returns, and where the old page is free."""
    found, begun = [], 0
    for at, line in enumerate(lines):
        if f": {driver}_migrate: " in line:
            begun = at
        elif f": {driver}_migrate_ret: " in line and line.endswith("ret=0\n"):
            page = PAGE.findall(lines[begun])[0]
            end = next((n for n in range(at, len(lines)) if " free_frozen_pages: " in lines[n] and f"={page} " in lines[n]), 0)
            if end:
                found.append((begun, at, end))
    return found


def test_lines_that_are_missing_blame_nobody(tmp_path: Path) -> None:
    """A piece is cut out where nothing says so: within a callback, behind one, and from one callback into the next."""
    for name, driver in (("hook-busy", "balloon"), ("zsmalloc-compaction", "zs")):
        lines = lines_of(name)
        found = moves(lines, driver)
        (begun, ret, end), (_, other, _) = found[0], found[3]
        for first, last in ((ret - 1, other), (ret + 1, end + 1), (begun + 1, other - 1), (ret, ret + 1), (ret - 1, ret)):
            assert judged(tmp_path, lines[:first] + lines[last:]).broken == [], (name, first, last)


def test_the_end_of_an_isolation_is_missing(tmp_path: Path) -> None:
    """The page's bit is seen to be clear, so that nobody isolated it twice."""
    lines = lines_of("balloon-busy")
    asked = next(at for at, line in enumerate(lines) if " isolate_movable_ops_page: " in line)
    page = PAGE.findall(lines[asked])[0]
    again = [re.sub(r"\d+\.\d{6}", lambda time: f"{float(time[0]) + 100:.6f}", line) for line in lines[asked : asked + 6]]
    kept = [line for at, line in enumerate(lines) if f"={page} " not in line or at < asked + 6]
    result = judged(tmp_path, kept + again)
    assert result.broken == [] and result.holes


def test_returns_of_the_hook_are_not_probed(tmp_path: Path) -> None:
    lines = [line for line in lines_of("hook-busy") if "hook_ret: " not in line]
    result = judged(tmp_path, lines)
    assert result.broken == [] and result.verdicts["D57"].verdict == "unproven"
    lines = [line for line in lines_of("hook-busy") if " balloon_migrate_ret: " not in line]
    assert judged(tmp_path, lines).broken == []


def test_who_waits_for_the_lock_of_a_moved_page_leaks_nothing(tmp_path: Path) -> None:
    """The page is freed where the trace does not see it; its unlock has shown a waiter, who held the reference that was left."""
    lines = lines_of("zsmalloc-compaction")
    begun, ret, end = moves(lines, "zs")[0]
    page = PAGE.findall(lines[begun])[0]
    unlock = next(at for at in range(ret, end) if " folio_unlock: " in lines[at] and f"={page} " in lines[at])
    held = lines[unlock].replace("refs=1", "refs=2")
    later = [line for line in lines[unlock + 1 :] if f"={page} " not in line]
    for flags, broken in (("089", []), ("009", ["D18"])):
        changed = re.sub(r"flags=(0x\w+)\w{3}", rf"flags=\g<1>{flags}", held)
        assert judged(tmp_path, [*lines[:unlock], changed, *later]).broken == broken, changed


def test_a_hook_that_drops_the_old_page(tmp_path: Path) -> None:
    """The page is freed inside the callback: that is told, and not that it was never freed."""
    lines = lines_of("hook-takes-a-reference")
    for begun, ret, end in reversed(moves(lines, "balloon")):
        page = PAGE.findall(lines[begun])[0]
        freed = [re.sub(r"flags=\S+", "flags=0xfffffc0010009", line) for line in lines[end - 1 : end + 1]]
        stamp = re.findall(r"\d+\.\d{6}", lines[ret])[0]
        freed = [re.sub(r"\d+\.\d{6}", stamp, line, count=1) for line in freed]
        behind = [line for line in lines[ret + 1 : end + 1] if f"={page} " not in line]
        lines[ret : end + 1] = [*freed, lines[ret], *behind]
    lines = [re.sub(r"refs=3", "refs=2", line) for line in lines]
    assert set(judged(tmp_path, lines).broken) == {"D29", "D57"}


def test_a_type_that_is_no_number_is_a_hole(tmp_path: Path) -> None:
    for word in ("0xxf6", "0x_f6", "f6", "0xF6"):
        lines = lines_of("zsmalloc-compaction")
        for event in ("set_page_movable", "zs_migrate", "set_isolated"):
            at = next(at for at, line in enumerate(lines) if f": {event}: " in line)
            lines[at] = lines[at].replace("type=0xf6", f"type={word}")
        result = judged(tmp_path, lines[:600])
        assert result.broken == [] and result.holes == 3
