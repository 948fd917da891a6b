"""What strangers type around files: filters with files, sudo, tee, sysctl, patterns of paths."""

from __future__ import annotations

import pytest

from movable.sh.commands import Shell
from movable.sh.failure import CommandFailed
from movable.sh.machine import boot


@pytest.fixture(scope="module")
def shell() -> Shell:
    return Shell(boot("16M", 1, "zsmalloc,balloon", 0, empty=True))


@pytest.mark.parametrize(
    ("line", "same"),
    [
        ("grep compact_st /proc/vmstat", "cat /proc/vmstat | grep compact_st"),
        ("head -n 2 /proc/zoneinfo", "cat /proc/zoneinfo | head -2"),
        ("tail -n3 /proc/zoneinfo", "cat /proc/zoneinfo | tail -3"),
        ("sudo cat /proc/buddyinfo", "cat /proc/buddyinfo"),
        ("watch -d cat /proc/buddyinfo", "cat /proc/buddyinfo"),
        ("cat /sys/devices/system/memory/memory[01]/state",
         "cat /sys/devices/system/memory/memory0/state /sys/devices/system/memory/memory1/state"),
        ("sysctl vm.extfrag_threshold", "echo vm.extfrag_threshold = 500"),
    ],
)  # fmt: skip
def test_two_ways_to_ask_for_the_same(shell: Shell, line: str, same: str) -> None:
    assert shell.run(line) == shell.run(same) != ""


def test_several_files_are_told_apart(shell: Shell) -> None:
    found = shell.run("grep -n . /sys/devices/system/memory/memory*/state").splitlines()
    assert found[0] == "/sys/devices/system/memory/memory0/state:1:online" and len(found) > 4
    assert shell.run("head -1 /proc/buddyinfo /proc/vmstat").startswith("==> /proc/buddyinfo <==\n")
    assert shell.run("wc -l /proc/buddyinfo") == "1 /proc/buddyinfo\n"


SAYS = [
    ("grep -c zone /proc/buddyinfo /proc/vmstat; true", "/proc/buddyinfo:1\n/proc/vmstat:0\n"),
    ("grep -l Normal /proc/buddyinfo /proc/vmstat", "/proc/buddyinfo\n"),
    ("grep -L Normal /proc/buddyinfo /proc/vmstat", "/proc/vmstat\n"),
    ("grep -c nothing /proc/vmstat || echo $?", "0\n1\n"),
    ("printf 'ab\\nabc\\n' | grep -x ab", "ab\n"),
    ("seq 5 | tail -n +4", "4\n5\n"),
    ("seq 5 | head -n -3", "1\n2\n"),
    ("seq 3 | tail -f -n 1", "3\n"),
    ("echo a bc | wc", "      1       2       5\n"),
    ("echo a bc | wc -w", "2\n"),
    ("seq 9 > /tmp/x; wc /tmp/x", " 9  9 18 /tmp/x\n"),
    ("wc -l /tmp/x /tmp/x", " 9 /tmp/x\n 9 /tmp/x\n18 total\n"),
]


@pytest.mark.parametrize(("line", "output"), SAYS)
def test_options_mean_what_they_mean_elsewhere(shell: Shell, line: str, output: str) -> None:
    shell.run("seq 9 > /tmp/x")
    assert shell.run(line) == output


def test_tee_and_sysctl_write(shell: Shell) -> None:
    assert shell.run("echo 1 | sudo tee /proc/sys/vm/nr_hugepages") == "1\n"
    assert shell.run("sysctl -w vm.nr_hugepages=2; cat /proc/sys/vm/nr_hugepages") == "vm.nr_hugepages = 2\n2\n"


def test_grep_shows_lines_around_a_match(shell: Shell) -> None:
    assert shell.run("grep -A2 'pages free' /proc/zoneinfo").splitlines() == shell.run("head -4 /proc/zoneinfo").splitlines()[1:]
    assert shell.run("grep -n -B 1 low /proc/zoneinfo").splitlines()[0].startswith("3-        min")
    assert shell.run("grep -m1 -c state /proc/zoneinfo; true") == "0\n"
    assert "--\n" in shell.run("grep -C1 compact_s /proc/vmstat; grep -A1 -E 'compact_stall|nr_free' /proc/vmstat")


FAILS = ["grep x /nope", "head -x /proc/vmstat", "sysctl vm.nope", "grep", "cat /nope/*", "echo 1 | tee /proc/nope"]
FAILS += ["grep -A x /proc/vmstat"]


@pytest.mark.parametrize("line", FAILS)
def test_what_fails_says_so(shell: Shell, line: str) -> None:
    with pytest.raises(CommandFailed) as error:
        shell.run(line)
    assert error.value.output.startswith(line.split("|")[-1].split()[0])
