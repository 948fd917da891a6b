"""Lines as people paste them: pipes, patterns, $! and what is refused."""

from __future__ import annotations

import pytest

from movable.errors import UsageError
from movable.mm.validate import validate_vm
from movable.mm.vm import VM
from movable.numa.line import Line, filtered, grep, parse
from movable.numa.shell import Shell


def test_a_line_is_taken_apart() -> None:
    assert parse("sudo numastat -p $! | grep -v 'a b' | head -2  # why", 7) == Line(
        ["numastat", "-p", "7"], [["grep", "-v", "a b"], ["head", "-2"]]
    )
    assert parse("touch 4K &", 0) == Line(["touch", "4K"], [])
    assert parse("   # nothing", 0) == Line([], [])


@pytest.mark.parametrize("text", ["a; b", "a && b", "a & b", "a |", "| a", "a || b"])
def test_more_than_one_command_is_refused(text: str) -> None:
    with pytest.raises(UsageError):
        parse(text, 0)


@pytest.mark.parametrize(
    ("words", "kept"),
    [
        ("heap", [0]), ("-v heap", [1, 2]), ("-i HEAP", [0]), ("heap|stack", []), (r"heap\|stack", [0, 1]),
        ("-E heap|stack", [0, 1]), ("-w hea", []), ("^c", [2]), ("N+1", []), ("-E N+1", [0]),
    ],
)  # fmt: skip
def test_grep(words: str, kept: list[int]) -> None:
    lines = ["a heap N1", "a stack", "c"]
    assert grep(lines, words.split()) == [lines[at] for at in kept]
    assert grep(lines, ["-c", *words.split()]) == [str(len(kept))]


def test_other_filters() -> None:
    lines = ["1", "2", "3"]
    for words, left in (("head -n 2", "12"), ("head -1", "1"), ("tail -n 1", "3"), ("tail", "123"), ("wc -l", "3")):
        assert "".join(filtered(lines, [words.split()])) == left


@pytest.mark.parametrize("words", ["sort", "grep", "grep a b", "grep -z a", "grep [", "head x", "wc"])
def test_a_filter_that_is_not_known_is_refused(words: str) -> None:
    with pytest.raises(UsageError):
        list(filtered(["1"], [words.split()]))


SCRIPT = """\
numactl --interleave=all -- touch 16K &
numastat -p touch
cat /proc/$!/numa_maps | grep -c heap
grep -E 'heap|stack' /proc/101/numa_maps | wc -l
cat /sys/devices/system/node/node*/distance
cat /sys/devices/system/node/has_cpu
cat /sys/devices/system/node/node1/cpulist
echo +cpuset > /sys/fs/cgroup/cgroup.subtree_control
mkdir /sys/fs/cgroup/a
echo 1 > /sys/fs/cgroup/a/cpuset.mems
echo $! > /sys/fs/cgroup/a/cgroup.procs
rmdir /sys/fs/cgroup/a
cat /proc/$!/numa_maps | grep -c N0
kill $!
wait
rmdir /sys/fs/cgroup/a
sysctl -w kernel.numa_balancing=0
sysctl kernel.numa_balancing
sysctl vm.compact_memory=1
sleep 1
"""
PRINTED = {
    "cat /proc/$!/numa_maps | grep -c heap": ["1"],
    "grep -E 'heap|stack' /proc/101/numa_maps | wc -l": ["2"],
    "cat /sys/devices/system/node/node*/distance": ["10 20", "20 10"],
    "cat /sys/devices/system/node/has_cpu": ["0-1"],
    "cat /sys/devices/system/node/node1/cpulist": ["1"],
    "rmdir /sys/fs/cgroup/a": ["rmdir: failed to remove '/sys/fs/cgroup/a': Device or resource busy"],
    "cat /proc/$!/numa_maps | grep -c N0": ["0"],
    "sysctl kernel.numa_balancing": ["kernel.numa_balancing = 0"],
    "sysctl vm.compact_memory=1": ["vm.compact_memory = 1"],
}


def test_a_pasted_script() -> None:
    made = Shell(VM(16 << 20, nodes=2, era="6.1"))
    printed: dict[str, list[str]] = {}
    now = ""
    for line in made.run(iter(SCRIPT.splitlines()), "script"):
        if line.startswith("$ "):
            now = line[2:]
        else:
            printed.setdefault(now, []).append(line)
    assert PRINTED.items() <= printed.items()
    assert printed["numastat -p touch"][1].endswith("PID 101 (touch)")
    assert "a" not in made.groups
    validate_vm(made.vm)


@pytest.mark.parametrize(
    ("line", "what"),
    [
        ("cat /sys/devices/system/node/node9/meminfo", "no such file"),
        ("sysctl kernel.numa_balancing=1", "balance PID PAGE"),
        ("rmdir /sys/fs/cgroup/", "write rmdir /sys/fs/cgroup/NAME"),
    ],
)
def test_what_is_not_there_is_one_line(line: str, what: str) -> None:
    made = Shell(VM(16 << 20, nodes=2, era="6.1"))
    with pytest.raises(UsageError, match=f"script, line 1: .*{what}"):
        list(made.run(iter([line]), "script"))
