"""Scripts of NUMA commands: the output of the real tools, the reasons that ``why`` gives, and errors with their line."""

from __future__ import annotations

import io
from errno import EINVAL, ENOENT
from pathlib import Path

import pytest

from movable.cli import main
from movable.errors import UsageError
from movable.mm.cpuset import Cpuset
from movable.mm.memory_hotplug import offline_pages
from movable.mm.mempolicy_calls import sys_set_mempolicy_home_node
from movable.mm.mm_types import VM_READ, VM_WRITE
from movable.mm.mmap import do_mmap
from movable.mm.mprotect import do_mprotect
from movable.mm.page import get_page
from movable.mm.page_flags import PG_writeback
from movable.mm.pgtable import PTE_SHIFT
from movable.mm.validate import validate_vm
from movable.mm.vm import VM
from movable.mm.vmscan_isolate import count_isolated, isolate_lru_page
from movable.mm.vmstat import mod_node_page_state
from movable.numa.shapes import DATA
from movable.numa.shell import Shell
from movable.numa.why import why


def shell(era: str = "6.1", nodes: int = 2) -> Shell:
    return Shell(VM(nodes << 25, nodes=nodes, era=era))


def play(made: Shell, *lines: str) -> list[str]:
    """What the last command prints; the machine must add up after each."""
    out: list[str] = []
    for line in lines:
        out = list(made.run(iter([line]), "script"))[1:]
        made.user.lru_add_drain_all()
        validate_vm(made.vm)
    return out


def test_a_process_moves_as_a_whole() -> None:
    made = shell()
    before = play(made, "numactl --membind=0 --cpunodebind=0 -- touch 1M", "cat /proc/101/numa_maps")
    assert before == [
        "00400000 bind:0 file=/bin/touch mapped=4 active=0 N0=4 kernelpagesize_kB=4",
        "01e00000 bind:0 heap anon=3 dirty=3 active=0 N0=3 kernelpagesize_kB=4",
        "7f0000000000 bind:0 anon=256 dirty=256 active=0 N0=256 kernelpagesize_kB=4",
        "7ffd00000000 bind:0 stack anon=3 dirty=3 active=0 N0=3 kernelpagesize_kB=4",
    ]
    assert play(made, "migratepages 101 0 1") == []
    assert play(made, "cat /proc/101/numa_maps") == [line.replace("N0=", "N1=") for line in before]
    assert made.task("101").read(DATA + 4096, 8) == (DATA + 4096).to_bytes(8, "little")


def test_what_a_kernel_or_a_process_lacks_is_said_and_the_script_goes_on() -> None:
    made = shell()
    assert play(made, "numactl -w 0-1 -- touch 4K") == ["set_mempolicy: Invalid argument"]
    assert play(made, "sysctl vm.compact_memory") == ['sysctl: permission denied on key "vm.compact_memory"']
    for path in ("/proc/sys/vm/compact_memory", "/sys/devices/system/memory/soft_offline_page"):
        assert play(made, f"cat {path}") == [f"cat: {path}: Permission denied"]
    shown = play(made, "numactl -i 0,1 --show")
    assert shown[1:4] == ["preferred node: 0 (interleave next)", "interleavemask: 0 1 ", "interleavenode: 0"]
    assert play(made, "cat /proc/55/num*") == ["cat: /proc/55/num*: No such file or directory"]
    files = "/proc/meminfo /proc/55/status /proc/sys/vm/compact_memory"
    gone, closed = "/proc/55/status: No such file or directory", "/proc/sys/vm/compact_memory: Permission denied"
    assert play(made, f"cat {files}")[-2:] == [f"cat: {gone}", f"cat: {closed}"]
    assert play(made, f"grep MemTotal {files}")[1:] == [f"grep: {gone}", f"grep: {closed}"]
    assert play(made, "why 2 0")[0].startswith("Process 2 is a thread of the kernel and has no memory: every call")
    assert play(made, "why 101 0") == ["There is no process 101: every call on it fails with ESRCH (3)."]
    assert "PPid:\t1" in play(made, "touch 4K", "fork 101", "kill 101", "cat /proc/102/status")
    late = shell("7.3")
    play(late, "numactl --weighted-interleave=0-1 -- touch 4K")
    assert "weighted interleave:0-1" in play(late, "cat /proc/101/numa_maps")[0]


@pytest.mark.parametrize(("text", "nodes"), [("!0", "1-2"), ("+1-2", "1-2"), ("!+0", "1-2"), ("!0-1", "2")])
def test_nodes_may_be_all_others_or_counted_among_those_that_are_allowed(text: str, nodes: str) -> None:
    made = shell(nodes=3)
    play(made, f"numactl --membind={text} -- touch 4K")
    assert f" bind:{nodes} " in play(made, "cat /proc/101/numa_maps")[0]


def test_nodes_are_counted_among_those_that_the_shell_may_use() -> None:
    made = shell(nodes=3)
    made.shell.mems_allowed = 0b110
    assert [made.mask(text).bits for text in ("+0", "+0-1", "!+0")] == [0b010, 0b110, 0b101]


def test_numactl_shows_the_machine() -> None:
    assert play(shell(), "numactl -H") == [
        "available: 2 nodes (0-1)",
        "node 0 cpus: 0",
        "node 0 size: 32 MB",
        "node 0 free: 31 MB",
        "node 1 cpus: 1",
        "node 1 size: 32 MB",
        "node 1 free: 32 MB",
        "node distances:",
        "node   0   1 ",
        "  0:  10  20 ",
        "  1:  20  10 ",
    ]


def test_numastat_of_a_process() -> None:
    out = play(shell(), "numactl -N 1 -i 0-1 touch 1M", "numastat -p 101")
    assert out[1] == "Per-node process memory usage (in MBs) for PID 101 (touch)"
    assert out[2] == "                           Node 0          Node 1           Total"
    assert out[-3].startswith("Private                      0.5")
    assert out[-1] == "Total                        0.52            0.52            1.04"


@pytest.mark.parametrize(
    ("options", "line"),
    [
        ("-m1 -N0", "bind:1 anon=1 dirty=1 active=0 N1=1"),
        ("-c 0 --membind 1 --all", "bind:1 anon=1 dirty=1 active=0 N1=1"),
        ("-b --membin=1 -C0", "bind=balancing:1 anon=1 dirty=1 active=0 N1=1"),
        ("--balancing -l -N 1", "local anon=1 dirty=1 active=0 N1=1"),
    ],
)
def test_options_of_numactl_are_read_as_getopt_reads_them(options: str, line: str) -> None:
    made = shell()
    assert play(made, f"numactl {options} touch 4K") == ["[1] 101"]
    assert f"{DATA:08x} {line} kernelpagesize_kB=4" in play(made, "cat /proc/101/numa_maps")


def test_numastat_by_name_sorted_and_without_zeros() -> None:
    made = shell()
    play(made, "numactl -m 1 touch 4M", "numactl -m 1 touch 8M", "numactl -m 1 file /f 1M")
    assert [line.split()[0] for line in play(made, "numastat -s touch")[4:]] == ["102", "101", "-" * 16, "Total"]
    assert play(made, "numastat -z 103")[2].split() == ["Node", "1", "Total"]
    assert "Huge" not in "".join(play(made, "numastat -zp 103"))
    assert sum("for PID" in line for line in play(made, "numastat -v touch")) == 2


@pytest.mark.parametrize("option", ["-m 1", "-P 1", "-p 1", "-i 1"])
def test_memory_where_a_policy_wants_it_is_no_miss(option: str) -> None:
    counts = {line.split()[0]: line.split()[1:] for line in play(shell(), f"numactl {option} -N 0 touch 64K", "numastat")[1:]}
    assert counts["numa_hit"] == counts["other_node"] == ["0", "26"]
    assert counts["numa_miss"] == counts["numa_foreign"] == counts["local_node"] == ["0", "0"]


def test_vmstat_counts_the_memory_of_processes() -> None:
    made = shell()
    lines = play(made, "numactl -m 1 -N 0 touch 64K", "file /a 16K", "mlock 101 0-1", "grep -E '^(nr|numa)_' /proc/vmstat")
    assert lines[3:9] == ["numa_hit 40", "numa_miss 0", "numa_foreign 0", "numa_interleave 0", "numa_local 14", "numa_other 26"]
    assert lines[9:] == [
        "nr_inactive_anon 38", "nr_active_anon 0", "nr_inactive_file 0", "nr_active_file 0", "nr_unevictable 2",
        "nr_isolated_anon 0", "nr_isolated_file 0",
        "nr_anon_pages 28", "nr_mapped 12", "nr_file_pages 12", "nr_dirty 0", "nr_writeback 0", "nr_shmem 12",
    ]  # fmt: skip
    page = next(page for page in made.vm.pages.values() if page._mapcount >= 0)
    assert isolate_lru_page(page) == 0
    count_isolated(page, 1)
    assert "nr_isolated_anon 1" in list(made.run(iter(["grep isolated_anon /proc/vmstat"]), "script"))
    mod_node_page_state(page.zone.node, "nr_isolated_anon", 1)  # what a driver counts comes on top
    assert "nr_isolated_anon 2" in list(made.run(iter(["grep isolated_anon /proc/vmstat"]), "script"))


def test_memory_of_the_cpuset_is_no_miss() -> None:
    made = shell(nodes=3)
    group = made.groups["a"] = Cpuset(made.user, "a", made.user.top_cpuset)
    assert group.write_mems("1-2") == 0
    task = made.user.spawn("user", cpuset=group)
    do_mmap(task, DATA, 4096, VM_READ | VM_WRITE)
    task.write(DATA, b"here")
    assert [counts[:3] for counts in made.user.numastat] == [[0, 0, 0], [1, 0, 0], [0, 0, 0]]


@pytest.mark.parametrize(
    ("era", "rows", "last"),
    [("4.19", 28, "ShmemPmdMapped"), ("6.1", 33, "FilePmdMapped"), ("6.17", 35, "Balloon"), ("7.3", 37, "GPUReclaim")],
)
def test_memory_of_a_node_has_the_rows_of_its_kernel(era: str, rows: int, last: str) -> None:
    made = shell(era)
    lines = play(made, "touch 4K", "cat /sys/devices/system/node/node1/meminfo")
    mod_node_page_state(made.vm.nodes[1], "nr_balloon_pages", 2)
    held = list(made.run(iter(["grep Balloon /sys/devices/system/node/node1/meminfo"]), "script"))[1:]
    assert held == (["Node 1 Balloon:               8 kB"] if era in ("6.17", "7.3") else [])
    assert lines[rows - 1] == f"Node 1 {last + ':':<15}        0 kB"
    assert lines[rows:] == [f"Node 1 HugePages_{name:<6}     0" for name in ("Total:", "Free:", "Surp:")]


def test_numastat_of_the_machine() -> None:
    out = play(shell(), "numactl --preferred=1 touch 64K", "numastat")
    assert out[0] == "                           node0           node1"
    assert out[1] == "numa_hit                       0              26"
    assert out[6] == "other_node                     0              26"


def test_numastat_of_memory_and_counters_in_megabytes() -> None:
    made = shell()
    out = play(made, "touch 1M", "touch 2M", "numastat -m")
    assert out[:3] == ["", "Per-node system memory usage (in MBs):", " " * 26 + "Node 0          Node 1           Total"]
    assert "MemTotal                   32.00           32.00           64.00" in out
    assert "AnonPages                   3.05            0.00            3.05" in out
    assert play(made, "numastat -n")[4] == "Numa_Hit                    3.06            0.00            3.06"
    assert play(made, "numastat -c") == [
        "", "Per-node numastat info (in MBs):", "                 Node 0 Node 1 Total", "                 ------ ------ -----",
        "Numa_Hit              3      0     3", "Numa_Miss             0      0     0", "Numa_Foreign          0      0     0",
        "Interleave_Hit        0      0     0", "Local_Node            3      0     3", "Other_Node            0      0     0",
    ]  # fmt: skip
    out = play(made, "numastat -p 101 102")
    assert out[2].startswith("PID ")
    assert [line.split()[0] for line in out[4:]] == ["101", "102", "-" * 16, "Total"]
    assert out[4].startswith("101 (touch)                  1.0")


@pytest.mark.parametrize("early", [False, True])
def test_a_node_without_memory_is_there(early: bool) -> None:
    """Whether its memory went before there were processes or after that; it may be a home node, too."""
    vm = VM(2 << 25, nodes=2, era="6.1")
    zone = vm.nodes[1].zones[0]
    made = None if early else Shell(vm)
    assert offline_pages(vm, zone.start_pfn, zone.spanned_pages) == 0
    made = made or Shell(vm)
    files = " ".join(f"/sys/devices/system/node/{name}" for name in ("online", "possible", "has_memory", "has_normal_memory"))
    assert play(made, f"cat {files}") == ["0-1", "0-1", "0", "0"]
    group = "/sys/fs/cgroup/a/cpuset.mems"
    assert play(made, "mkdir /sys/fs/cgroup/a", f"echo 1 > {group}") == []
    assert play(made, f"cat {group} {group}.effective") == ["1", "0"]
    play(made, "touch 4K")
    assert [sys_set_mempolicy_home_node(made.task("101"), DATA, 4096, node, 0) for node in (1, 2)] == [-ENOENT, -EINVAL]


def test_numactl_shows_the_policy() -> None:
    assert play(shell(), "numactl --show") == [
        "policy: default", "preferred node: current", "physcpubind: 0 1 ", "cpubind: 0 1 ", "nodebind: 0 1 ", "membind: 0 1 ",
    ]  # fmt: skip
    assert play(shell(), "numactl -m 1 -s")[::5] == ["policy: bind", "membind: 1 "]
    assert play(shell(), "numactl -i all --show")[2] == "interleavemask: 0 1 "
    assert play(shell(), "numactl --cpunodebind=0 --show")[2:5] == ["physcpubind: 0 ", "cpubind: 0 ", "nodebind: 0 "]
    assert play(shell(nodes=4), "numactl -C 1-2 --show")[2:5] == ["physcpubind: 1 2 ", "cpubind: 1 2 ", "nodebind: 1 2 "]
    assert " N1=4 " in play(shell(), "numactl --physcpubind=1 touch 16K", "cat /proc/101/numa_maps")[2]


@pytest.mark.parametrize(
    ("option", "policy"),
    [
        ("-m 1", "bind:1"),
        ("--membind=0-1", "bind:0-1"),
        ("-i all", "interleave:0-1"),
        ("-p 1", "prefer:1"),
        ("-P 0,1", "prefer (many):0-1"),
        ("-l", "local"),
        ("", "default"),
    ],
)
def test_policies(option: str, policy: str) -> None:
    out = play(shell(), f"numactl {option} -- touch 16K", "cat /proc/101/numa_maps")
    assert out[0].startswith(f"00400000 {policy} file=")


def test_weighted_interleave_where_it_exists() -> None:
    out = play(shell("7.3"), "numactl --weighted-interleave=all touch 16K", "cat /proc/101/numa_maps")
    assert out[2].startswith("7f0000000000 weighted interleave:0-1 anon=4")


def test_shared_pages_move_only_for_all() -> None:
    made = shell()
    assert play(made, "share 8K 3") == ["[1] 101 102 103"]
    assert play(made, "move_pages 102 0-1 to 1") == [f"{DATA:#x} -13", f"{DATA + 4096:#x} -13"]
    assert play(made, "move_pages --all 102 0-1 to 1") == [f"{DATA:#x} 1", f"{DATA + 4096:#x} 1"]
    assert play(made, "move_pages 103 0") == [f"{DATA:#x} 1"]


def test_pages_follow_a_cpuset() -> None:
    made = shell()
    play(made, "touch 16K", "mkdir /sys/fs/cgroup/g", "echo 1 > /sys/fs/cgroup/g/cpuset.mems")
    assert play(made, "echo 101 > /sys/fs/cgroup/g/cgroup.procs", "move_pages 101 0-1") == [
        f"{DATA:#x} 1",
        f"{DATA + 4096:#x} 1",
    ]
    assert play(made, "cat /sys/fs/cgroup/g/cgroup.procs /sys/fs/cgroup/g/cpuset.mems.effective") == ["101", "1"]
    assert play(made, "move_pages 101 0 to 0")[-1] == "move_pages: Permission denied"


def test_errors_of_calls_are_those_of_the_tools() -> None:
    made = shell()
    play(made, "touch 16K", "setuid 101 1000", "touch 16K")
    assert play(made, "migratepages --as 101 102 0 1") == ["migrate_pages: Operation not permitted"]
    assert play(made, "move_pages --as 101 102 0 to 1")[-1] == "move_pages: Operation not permitted"
    assert play(made, "move_pages 101 0 to 7") == [f"{DATA:#x} not reached", "move_pages: No such device"]
    assert play(made, "kill 102", "move_pages 102 0 to 1")[-1] == "move_pages: No such process"
    assert play(made, "migratepages 102 0 1") == ["migrate_pages: No such process"]


def test_other_commands() -> None:
    made = shell()
    play(made, "file /tmp/data 64K", "pin 101 1", "echo 1 > /proc/sys/vm/compact_memory")
    assert play(made, "migratepages 101 0 1") == ["1 pages did not move"]
    assert play(made, "unpin 101", "migratepages 101 0 1") == []
    assert play(made, "fork 101") == ["[fork] 102"]
    assert play(made, "write 102 0 900")[-1].startswith("process 102: SIGSEGV at 0x7f")
    assert play(made, "mlock 101 0", "cat /sys/devices/system/node/node1/meminfo")[11] == "Node 1 Mlocked:               4 kB"
    assert play(made, "cat /sys/devices/system/node/node1/distance") == ["20 10"]
    assert play(made, "cat /proc/buddyinfo")[0].startswith("Node 0, zone   Normal")
    assert play(made, "kill 101 102", "numastat")[0]


def test_processes_are_found_by_name() -> None:
    made = shell()
    play(made, "touch 4K", "memhog 4K", "touch 8K")
    assert play(made, "pgrep tou") == ["101", "103"] and play(made, "pidof touch") == ["103 101"]
    assert play(made, "pidof nobody") == play(made, "kill 102", "pgrep memhog") == []


def test_words_as_people_write_them() -> None:
    made = shell()
    play(made, "touch 64K", *["mkdir -p /sys/fs/cgroup/my-jobs"] * 2, "echo 1 >/sys/fs/cgroup/my-jobs/cpuset.mems")
    assert play(made, "echo 0-7 > /sys/fs/cgroup/my-jobs/cpuset.mems") == ["sh: write error: Invalid argument"]
    assert play(made, "echo 101 > /sys/fs/cgroup/my-jobs/cgroup.procs", "cat /proc/101/cgroup") == ["0::/my-jobs"]
    assert play(made, "move_pages 101 0-1,5") == [f"{DATA + page * 4096:#x} 1" for page in (0, 1, 5)]
    assert play(made, "cat /proc/101/status")[::6] == ["Name:\ttouch", "VmRSS:\t     104 kB"]
    assert play(made, "cat /proc/101/status")[-1] == "Mems_allowed_list:\t1"
    assert play(made, "cat /proc/meminfo")[0].startswith("MemTotal:")
    assert play(made, "cat /proc/zoneinfo")[0].startswith("Node 0, zone")
    assert play(made, "sudo kill -9 101", "numastat -c")[0] == ""


# --- why ---


def said(made: Shell, words: str) -> str:
    return " ".join(play(made, f"why {words}"))


def test_why_a_page_does_not_move() -> None:
    made = shell()
    play(made, "touch 64K", "share 8K 2")
    assert said(made, "101 0").endswith("Nothing keeps it: it moves when it is told to.")
    assert "Nothing is mapped at 0x1000" in said(made, "101 0x1000")
    assert "mapped 2 times, by processes 102 and 103" in said(made, "102 0")
    play(made, "pin 101 1")
    assert "A pipe of process 101 holds a reference" in said(made, "101 1")
    play(made, "mlock 101 2")
    assert "does not keep it from moving" in said(made, "101 2")
    play(made, "move_pages 101 0x1000 to 1")
    assert said(made, "101 0x1000").startswith("move_pages said -14 (EFAULT).")
    play(made, "setuid 102 1000")
    assert "may not look at process 101" in said(made, "--as 102 101 0")


OLD = "Since then another page has come there: that word is out of date."


def test_why_tells_what_the_last_call_said() -> None:
    made = shell()
    play(made, "numactl -N 0 touch 16K", "pin 101 2", "move_pages 101 1 2 3 to 0", "move_pages 101 1 2 3 to 1")
    for page in (1, 2, 3):
        assert said(made, f"101 {page}").startswith("The last move_pages wrote no status for it: a page of its batch")
    play(made, "move_pages 101 0 0 to 1")
    assert said(made, "101 0").startswith("move_pages said node 1 and -16 (EBUSY). The page stands in that call more than once")
    play(made, "move_pages 101 0 to 9")
    assert said(made, "101 0").startswith("The last move_pages wrote no status for it: there is no node 9 with memory")
    play(made, "move_pages 101 3 to 1")
    assert OLD not in said(made, "101 3")
    play(made, "migratepages 101 1 0")
    assert said(made, "101 3").startswith(f"move_pages said node 1. {OLD}")
    play(made, "mkdir /sys/fs/cgroup/g", "echo 0 > /sys/fs/cgroup/g/cpuset.mems", "echo 101 > /sys/fs/cgroup/g/cgroup.procs")
    play(made, "move_pages 101 3 to 1")
    assert said(made, "101 3").startswith("The last move_pages wrote no status for it: the cpuset of the process lacks node 1")
    with pytest.raises(UsageError, match="0-1 is more than one page"):
        play(made, "why 101 0-1")


def test_why_knows_pages_that_are_not_there() -> None:
    made = shell()
    play(made, "touch 16K")
    task = made.task("101")
    start = DATA + (1 << 20)
    do_mmap(task, start, 3 * 4096, VM_READ | VM_WRITE)
    task.read(start, 1)
    task.write(start + 8192, b"x")
    do_mprotect(task, start + 8192, 4096, 0)
    assert "zero page" in said(made, f"101 {start:#x}")
    assert "never touched" in said(made, f"101 {start + 4096:#x}")
    assert "PROT_NONE" in said(made, f"101 {start + 8192:#x}")


def test_why_knows_who_else_holds_a_page() -> None:
    made = shell()
    play(made, "touch 16K")
    task = made.task("101")
    assert task.mm is not None
    page = made.vm.pages[task.mm.pgtable[DATA >> 12] >> PTE_SHIFT]
    get_page(page)
    page._flags |= 1 << PG_writeback
    text = " ".join(why(made.shell, task, DATA))
    assert "1 more references are held by nobody" in text
    assert "being written out" in text
    isolate_lru_page(page)
    assert "isolated it already" in " ".join(why(made.shell, task, DATA))
    task.exit(reap=False)
    assert "has exited" in " ".join(why(made.shell, task, DATA))


# --- bad input ---


@pytest.mark.parametrize(
    ("line", "words"),
    [
        ("format c:", "unknown command 'format'"),
        ("touch 3G", "make the machine larger"),
        ("touch lots", "is not a size"),
        ("touch", "touch takes 1 arguments"),
        ("numactl --membind=x -- touch 4K", "is no list of nodes"),
        ("numactl --membind=0 -i 1 -- touch 4K", "conflicting policies"),
        ("numactl -l --membind=0 --show", "conflicting policies"),
        ("kill", "write kill"),
        ("pidof", "write pidof NAME"),
        ("pgrep touch memhog", "write pgrep NAME"),
        ("kill -9", "write kill"),
        ("fork x", "'x' is no process"),
        ("cat /sys/fs/cgroup/cpuset.mems", "No such file or directory"),
        ("numactl --fast -- touch 4K", "option --fast not recognized"),
        ("numactl --preferred=0-1 -- touch 4K", "takes one node"),
        ("numactl -C x -- touch 4K", "is no list of processors"),
        ("numactl -- sleep 1", "unknown program 'sleep'"),
        ("numactl", "no program"),
        ("migratepages 1 2", "write migratepages PID"),
        ("migratepages x 0 1", "is no process"),
        ("move_pages 101 0 to x", "is no node"),
        ("cat /etc/passwd", "no such file"),
        ("echo 1 > /etc/passwd", "no such file"),
        ("echo hello", "write echo VALUE"),
        ("mkdir /tmp/x", "mkdir /sys/fs/cgroup/NAME"),
        ("numastat -k", "numastat -p PID"),
        ("numastat -p", "numastat -p PID"),
        ("share 4K many", "no number of processes"),
        ("why", "write why PID"),
        ("touch 'unfinished", "No closing quotation"),
        ("setuid 1", "setuid PID UID"),
        ("move_pages 101 0x to 1", "'0x' is no page"),
        ("move_pages 101 0xffffffffffffffffff to 1", "is no page"),
    ],
)
def test_a_bad_line_is_one_error_with_its_place(
    line: str, words: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    script = tmp_path / "script"
    script.write_text(f"# a comment\n{line}\n")
    assert main(["numa", "run", str(script)]) == 2
    error = capsys.readouterr().err
    assert error.count("\n") == 1
    assert f"{script}, line 2: " in error
    assert words in error


@pytest.mark.parametrize(
    ("line", "answer", "era"),
    [
        ("mkdir /sys/fs/cgroup/a", "mkdir: cannot create directory '/sys/fs/cgroup/a': File exists", "6.1"),
        ("echo 0 > /sys/fs/cgroup/cpuset.mems", "sh: write error: Permission denied", "6.1"),
        ("kill 999", "kill: (999) - No such process", "6.1"),
        ("numactl --membind=7 -- touch 4K", "libnuma: Warning: node argument 7 is out of range\n<7> is invalid", "6.1"),
        ("numactl -m !0-1 touch 4K", "libnuma: Warning: node argument !0-1 is out of range\n<!0-1> is invalid", "6.1"),
        ("numactl -C 9 touch 4K", "libnuma: Warning: cpu argument 9 is out of range\n<9> is invalid", "6.1"),
        ("migratepages 101 0 5", "libnuma: Warning: node argument 5 is out of range\n<5> is invalid", "6.1"),
        ("numastat nobody", 'Found no processes containing pattern: "nobody"', "6.1"),
        ("numastat -p 999", "Can't read /proc/999/numa_maps", "6.1"),
        ("fork 999", "fork: No such process", "6.1"),
        ("pin 999 0", "pin: No such process", "6.1"),
        ("setuid 999 1", "setuid: No such process", "6.1"),
        ("rmdir /sys/fs/cgroup/b", "rmdir: failed to remove '/sys/fs/cgroup/b': No such file or directory", "6.1"),
        ("echo 999 > /sys/fs/cgroup/a/cgroup.procs", "sh: write error: No such process", "6.1"),
        ("echo work > /sys/fs/cgroup/a/cgroup.procs", "sh: write error: Invalid argument", "6.1"),
        ("echo abc > /sys/devices/system/memory/soft_offline_page", "sh: write error: Invalid argument", "6.1"),
        ("echo 0x7ffffffff000 > /sys/devices/system/memory/soft_offline_page", "sh: write error: No such device or address", "6.1"),
        ("echo 2 > /proc/sys/vm/compact_memory", "", "6.1"),
        ("echo 2 > /proc/sys/vm/compact_memory", "sh: write error: Invalid argument", "7.3"),
    ],
)
def test_what_the_kernel_refuses_is_said_as_the_tools_say_it(line: str, answer: str, era: str) -> None:
    made = shell(era=era)
    play(made, "mkdir /sys/fs/cgroup/a")
    assert "\n".join(play(made, line)) == answer


def test_who_is_killed_beside_one_that_there_is_not() -> None:
    made = shell()
    assert play(made, "touch 4K", "kill 999 101", "kill 101") == ["kill: (101) - No such process"]


def test_a_file_grows_to_what_is_mapped_of_it() -> None:
    made = shell()
    area = play(made, "file /a 64K", "file /a 128K", "file /a 64K", "cat /proc/102/numa_maps")[2]
    assert area.startswith("7f0000000000 default file=/a dirty=32 mapmax=3 ")
    assert made.user.files["/a"].size == 32


def test_pages_must_be_given_in_a_way_that_is_known() -> None:
    made = shell()
    play(made, "touch 4K")
    much = ("move_pages 101 0-99999999999 to 1", "more pages than the machine")
    for line, words in (("move_pages 101 x to 1", "is no page"), much, ("move_pages 101 to 1", "no pages given")):
        with pytest.raises(Exception, match=words):
            play(made, line)


def test_a_script_on_standard_input(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    monkeypatch.setattr("sys.stdin", io.StringIO("touch 4K\nmove_pages 101 0\n"))
    assert main(["numa", "run", "--memory", "32M", "--era", "7.3"]) == 0
    assert capsys.readouterr().out == f"$ touch 4K\n[1] 101\n$ move_pages 101 0\n{DATA:#x} 0\n"


@pytest.mark.parametrize(
    "options", [["--nodes", "0"], *(["--memory", size] for size in ("much", "4K", "999999G")), ["--era", "9.9"]]
)
def test_bad_machines(options: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["numa", "run", *options, "-"]) == 2
    assert capsys.readouterr().err.count("\n") == 1


@pytest.mark.parametrize(("nodes", "memory", "size"), [(3, "256M", 84), (1, "3M", 3), (7, "100M", 14), (3, "5M", 1)])
def test_memory_is_shared_out_to_any_number_of_nodes(
    nodes: int, memory: str, size: int, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("sys.stdin", io.StringIO("numactl -H"))
    assert main(["numa", "run", "--nodes", str(nodes), "--memory", memory]) == 0
    assert f"node {nodes - 1} size: {size} MB" in capsys.readouterr().out
