"""Entries and returns of calls pair up."""

from __future__ import annotations

from pathlib import Path

from movable.trace.read.call_stack import Frame, Task
from tests.trace.recordings import (
    HEADER,
    MARKED,
    Script,
    life,
    read,
)


def test_two_tasks_interleave(tmp_path: Path) -> None:
    """The same calls of two tasks on two CPUs, line by line in turn: each return finds its own entry."""
    one, two = Script(), Script()
    two.task, two.cpu = "sh-8", 1
    one.isolate(5).migrate(5, 6)
    two.isolate(15).migrate(15, 16)
    path = tmp_path / "t.txt"
    path.write_text(HEADER + "\n".join(line for pair in zip(one.lines, two.lines, strict=True) for line in pair) + "\n")
    _, events = read(path)
    for event in events:
        assert (event.pfn > 10) == (event.task == "sh-8")


def test_returns_of_other_pages_are_passed_over(tmp_path: Path) -> None:
    """move_to_new_folio of an ordinary page leaves only its return."""
    script = Script().add("migrate_pages", "list=0x1 first=0x2 mode=2 reason=0").isolate(5)
    script.add("move_to_new_folio_ret", "ret=0", "a+0x1/0x2 <- b").migrate(5, 6)
    script.add("move_to_new_folio_ret", "ret=-11", "a+0x1/0x2 <- b")
    script.add("migrate_pages_ret", "ret=0", "a+0x1/0x2 <- b")
    _, events = read(script.write(tmp_path))
    assert [e.args["ret"] for e in events if e.kind == "move_to_new_page_ret"] == [0]
    assert events[-1].kind == "migrate_pages_ret"


def test_missed_returns_do_not_confuse(tmp_path: Path) -> None:
    script = life()
    script.lines = [line for line in script.lines if "zs_isolate_ret" not in line]
    _, events = read(script.write(tmp_path))
    assert [event.args["ret"] for event in events if event.kind == "migratepage_ret"] == [-11, 0]


def test_a_return_finds_its_own_call_behind_one_that_never_returned() -> None:
    task = Task("sh-7")
    outer = Frame("move_to_new_folio", 5)
    task.push(outer)
    task.push(Frame("zs migratepage", 6))
    assert task.pop("move_to_new_folio") is outer
    assert not task.stack and task.unpaired == {"zs migratepage": 1}


def test_idle_tasks_of_two_cpus_are_two(tmp_path: Path) -> None:
    one, two = Script(), Script()
    one.task = two.task = "<idle>-0"
    two.cpu = 1
    one.page("isolate_movable_page", 5, 0, MARKED, 1, "mode=0x8 ")
    two.page("isolate_movable_page", 6, 0, MARKED, 1, "mode=0x8 ")
    one.add("isolate_movable_page_ret", "ret=0", "a+0x1/0x2 <- b")
    path = tmp_path / "t.txt"
    path.write_text(HEADER + "\n".join([one.lines[0], two.lines[0], one.lines[1]]) + "\n")
    _, events = read(path)
    assert events[-1].pfn == 5
