"""The NUMA tools at the prompt: on the machine that the other commands see."""

from __future__ import annotations

import pytest

from movable.sh.commands import Shell
from movable.sh.failure import CommandFailed
from movable.sh.machine import boot
from movable.sh.session import completions, play


@pytest.fixture
def shell() -> Shell:
    return Shell(boot("16M", 2, "zsmalloc", 0, empty=True))


def test_a_process_is_started_moved_and_ended(shell: Shell) -> None:
    assert shell.run("numactl --membind=0 -- touch 1M") == "[1] 101\n"
    assert "N0=256" in shell.run("cat /proc/101/numa_maps | grep anon=256")
    shell.run("migratepages 101 0 1")
    assert "N1=256" in shell.run("cat /proc/101/numa_maps | grep anon=256")
    assert "PID 101 (touch)" in shell.run("numastat -p 101")
    assert shell.run("move_pages 101 0 to 0").endswith(" 0\n")
    shell.run("kill 101")
    assert "/proc/101/numa_maps" not in shell.files


def test_programs_are_put_into_the_background(shell: Shell) -> None:
    script = "numactl -m 1 -- touch 64K &\nPID=$!\nfor n in 0 1; do touch 4K & done; wait\necho $PID $!\ntouch 4K & touch 4K"
    assert shell.run(script) == "[1] 101\n[2] 102\n[3] 103\n101 103\n[4] 104\n[5] 105\n"


def test_counters_are_those_of_the_machine(shell: Shell) -> None:
    shell.run("touch 1M")
    shell.run("echo 1 > /proc/sys/vm/compact_memory")
    assert "numa_hit" in shell.run("numastat") and "numa_hit" in shell.run("cat /sys/devices/system/node/node0/numastat")
    assert "node 1 size: 8 MB" in shell.run("numactl -H")


def test_a_cpuset(shell: Shell) -> None:
    shell.run("touch 1M")
    shell.run("mkdir /sys/fs/cgroup/A && echo 1 > /sys/fs/cgroup/A/cpuset.mems && echo 101 > /sys/fs/cgroup/A/cgroup.procs")
    assert shell.run("cat /sys/fs/cgroup/A/cpuset.mems /sys/fs/cgroup/A/cgroup.procs") == "1\n101\n"
    with pytest.raises(CommandFailed, match="write error: Invalid argument"):
        shell.run("echo 9 > /sys/fs/cgroup/A/cpuset.mems")
    with pytest.raises(CommandFailed, match="Permission denied"):
        shell.run("echo 1 > /sys/fs/cgroup/A/cpuset.mems.effective")


@pytest.mark.parametrize(
    ("line", "said"),
    [
        ("migratepages 5 0 1", "No such process"),
        ("numactl", "numactl: no program"),
        ("numactl --membind=7 -- touch 1M", "libnuma: Warning: node argument 7 is out of range\n<7> is invalid"),
        ("touch 1G", "needs 262144 pages"),
        ("mkdir /tmp", "mkdir: write mkdir"),
        ("why 1", "why: write why PID ADDRESS"),
    ],
)
def test_a_tool_that_fails_says_so_and_the_script_goes_on(line: str, said: str, shell: Shell) -> None:
    assert said in "".join(play(shell, [line, "cat /proc/buddyinfo"], "script"))


def test_tools_and_files_are_completed(shell: Shell) -> None:
    assert [name for name, _ in completions(shell, "numa")] == ["numactl", "numastat"]
    assert ("numastat", 2) in completions(shell, "cat /sys/devices/system/node/node1/nu")
    assert all(name in shell.run("help") for name in ("numactl", "numastat", "migratepages", "mkdir", "pin"))
