"""What commands answer when they run at the same time: all that can be seen, and nothing that cannot."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from movable.cli import main
from movable.mm import migrate_lru
from movable.mm.fs import Inode
from movable.mm.mm_types import VM_READ, VM_WRITE
from movable.mm.mmap import do_mmap
from movable.mm.mprotect import do_mprotect
from movable.mm.numa_balancing import do_numa_page
from movable.mm.page import Page
from movable.mm.userspace import Userspace, userspace
from movable.mm.vm import VM
from movable.numa.outcomes import Search


def search(*lines: str, executions: int = 300, era: str = "6.1") -> Search:
    return Search(list(lines), "script", 4 << 20, 2, era)


def test_a_fork_beside_a_move() -> None:
    found = search("touch 4K", "together:", "move_pages 101 0 to 1", "fork 101").run(300)
    assert found.complete
    assert set(found.counts) == {("1", "[fork] 102", "101:1 102:1"), ("-13", "[fork] 102", "101:0 102:0")}
    assert found.counts.total() == found.executions


def test_a_move_beside_a_change_of_the_nodes_that_are_allowed() -> None:
    group = ("mkdir /sys/fs/cgroup/a", "echo 0-1 > /sys/fs/cgroup/a/cpuset.mems", "echo 101 > /sys/fs/cgroup/a/cgroup.procs")
    found = search("touch 4K", *group, "together:", "move_pages 101 0 to 1", "echo 0 > /sys/fs/cgroup/a/cpuset.mems").run(60)
    answers = {answer for answer, _, _ in found.counts}
    assert "1" in answers and any("denied" in answer or answer == "-13" for answer in answers)


def test_a_write_beside_a_move_is_never_seen() -> None:
    found = search("share 4K 2", "together:", "move_pages --all 101 0 to 1", "write 102 0", era="7.3").run(300)
    assert found.complete
    assert set(found.counts) == {("1", "-", "101:1 102:1")}


@pytest.mark.parametrize(
    ("other", "answers"),
    [
        ("move_pages 101 0 to 1", {"1", *(f"not reached | move_pages: {why}" for why in ("No such process", "Invalid argument"))}),
        ("read 101 0", {"read 00000000007f0000", "read: No such process"}),
        ("pin 101 0", {"-", "pin: No such process"}),
    ],
)
@pytest.mark.parametrize("first", [True, False])
def test_who_is_killed_ends_its_call_and_keeps_its_memory_until_a_mover_is_done(other: str, answers: set[str], first: bool) -> None:
    """In whatever order the two are written down."""
    both = ["kill 101", other] if first else [other, "kill 101"]
    found = search("touch 4K", "together:", *both).run(300)
    assert found.complete and not found.failure
    assert {row[first] for row in found.counts} == answers


PROCS = "/sys/fs/cgroup/a/cgroup.procs"
REMOVED = "rmdir: failed to remove '/sys/fs/cgroup/a': Device or resource busy"
EXISTS = "mkdir: cannot create directory '/sys/fs/cgroup/b': File exists"
LATE = {"sh: write error: No such file or directory", "sh: write error: No such device"}


@pytest.mark.parametrize(
    ("scene", "tasks", "answers"),
    [
        ([], ["mkdir /sys/fs/cgroup/b", "mkdir /sys/fs/cgroup/b"], {("-", EXISTS), (EXISTS, "-")}),
        ([], ["rmdir /sys/fs/cgroup/a", f"echo 101 > {PROCS}"], {(REMOVED, "-"), *(("-", late) for late in LATE)}),
        ([], [f"cat {PROCS}", f"echo 101 > {PROCS}"], {("-", "-"), ("101", "-")}),
        ([f"echo 101 > {PROCS}"], ["kill 101", "rmdir /sys/fs/cgroup/a"], {("-", "-"), ("-", REMOVED)}),
        ([], ["fork 101", "fork 101"], {("[fork] 102", "[fork] 103"), ("[fork] 103", "[fork] 102")}),
    ],
)
def test_groups_and_pids_are_seen_before_and_after_they_change(
    scene: list[str], tasks: list[str], answers: set[tuple[str, str]]
) -> None:
    found = search("touch 4K", "mkdir /sys/fs/cgroup/a", *scene, "together:", *tasks).run(100)
    assert found.complete and {(first, second) for first, second, _ in found.counts} == answers


def test_two_movers_and_a_limit() -> None:
    found = search("touch 4K", "together:", "move_pages 101 0 to 1", "balance 101 0 to 1").run(25)
    assert not found.complete
    assert not found.failure
    assert {"1"} <= {row[0] for row in found.counts}
    assert all(row[-1] == "101:1" for row in found.counts)


def test_balancing_by_itself() -> None:
    from tests.numa.test_shell import play, shell

    made = shell()
    assert play(made, "touch 8K", "balance 101 0 to 1") == ["moved"]
    assert play(made, "balance 101 0 to 1") == ["stays"]
    assert play(made, "move_pages 101 0-1") == ["0x7f0000000000 1", "0x7f0000001000 0"]
    assert made.vm.vmstat["numa_pages_migrated"] == 1


@pytest.mark.parametrize(
    ("program", "answer"),
    [
        ("numactl -m 0 touch 4K", "stays"), ("numactl -l touch 4K", "stays"), ("numactl -i 0 touch 4K", "stays"),
        ("numactl -b -m 0-1 touch 4K", "moved"), ("numactl -b -m 0 touch 4K", "stays"), ("numactl -N 0 memhog 4K", "moved"),
    ],
)  # fmt: skip
def test_balancing_leaves_what_a_policy_has_placed(program: str, answer: str) -> None:
    from tests.numa.test_shell import play, shell

    assert play(shell(), program, "balance 101 0 to 1") == [answer]


def test_balancing_looks_at_no_file_that_can_only_be_read_and_at_nothing_that_may_not_be_touched() -> None:
    user = userspace(VM(1 << 20, nodes=2, era="6.1"))
    task = user.spawn("work")
    for start, flags in ((0x100, VM_READ), (0x200, VM_READ | VM_WRITE)):
        do_mmap(task, start << 12, 4096, flags, Inode(user, f"/{start}", 1))
        task.read(start << 12, 1)
    user.lru_add_drain_all()
    assert [do_numa_page(task, start, 1) for start in (0x100, 0x200)] == [False, True]
    user.lru_add_drain_all()
    assert do_mprotect(task, 0x200 << 12, 4096, 0) == 0
    assert not do_numa_page(task, 0x200, 0)


def test_what_goes_wrong_is_told(monkeypatch: pytest.MonkeyPatch, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    def forgets(user: Userspace, old: Page, new: Page) -> None:
        pass

    monkeypatch.setattr(migrate_lru, "remove_migration_ptes", forgets)
    script = tmp_path / "script"
    script.write_text("touch 4K\ntogether:\nmove_pages 101 0 to 1\nfork 101\n")
    assert main(["numa", "outcomes", str(script)]) == 1
    assert "migration entry" in capsys.readouterr().out


def test_the_table_and_the_record(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    script, record = tmp_path / "script", tmp_path / "record.json"
    script.write_text("touch 4K\ntogether:\nmove_pages 101 0 to 1\nwrite 101 0\n")
    assert main(["numa", "outcomes", str(script), "--json", str(record)]) == 0
    out = capsys.readouterr().out.splitlines()
    assert out[0].split("  ")[0] == "move_pages 101 0 to 1"
    assert out[-1].startswith("1 outcomes in ")
    assert out[-1].endswith(": all interleavings")
    written = json.loads(record.read_text())
    assert (written["schema"], written["complete"]) == ("movable.numa.outcomes/1", True)
    assert written["outcomes"][0]["answers"] == {"move_pages 101 0 to 1": "1", "write 101 0": "-"}


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("touch 4K\n\n", "script, line 2: no 'together:'"),
        ("", "script, line 1: no 'together:'"),
        ("touch 4K\ntogether:\nfork 101\ntogether:\n", "script, line 4: 'together:' a second time"),
        ("touch 4K\ntogether:\nfork 101\n", "script, line 2: below 'together:' there must be two commands or more"),
        ("touch 2M\ntogether:\ntouch 1500K\ntouch 1M\n", "script, line 4: process 103 (touch) needs a page"),
        ("jump\ntogether:\nfork 101\nfork 101\n", "script, line 1: unknown command"),
        ("touch 4K\ntogether:\nfork 101\njump\n", "script, line 4: unknown command"),
    ],
)
def test_bad_scripts_are_one_line(text: str, words: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    script = tmp_path / "script"
    script.write_text(text)
    assert main(["numa", "outcomes", str(script)]) == 2
    error = capsys.readouterr().err
    assert error.count("\n") == 1
    assert words in error
