"""The commands on a machine: files of /proc and /sys, what writing there does, and how commands fail."""

from __future__ import annotations

import pytest

import movable
from movable.errors import UsageError
from movable.mm.proc import parse_buddyinfo, parse_pagetypeinfo
from movable.sh.commands import Shell
from movable.sh.failure import CommandFailed
from movable.sh.machine import Machine, boot
from movable.sh.session import completions, play


@pytest.fixture(scope="module")
def shell() -> Shell:
    return Shell(boot("32M", 1, "zsmalloc,balloon", 0, empty=False))


def failed(shell: Shell, line: str) -> str:
    with pytest.raises(CommandFailed) as error:
        shell.run(line)
    return error.value.output


def test_what_proc_shows_is_what_the_kernel_s_readers_read(shell: Shell) -> None:
    [row] = parse_buddyinfo(shell.run("cat /proc/buddyinfo").rstrip("\n"))
    free = sum(count << order for order, count in enumerate(row.counts))
    assert free == shell.machine.vm.zones[0].nr_free
    assert parse_pagetypeinfo(shell.run("cat /proc/pagetypeinfo"))[0].pageblock_order == 9
    assert f"pages free     {free}" in shell.run("cat /proc/zoneinfo")
    assert f"MemFree:        {free * 4:8d} kB" in shell.run("cat /proc/meminfo")
    assert "pgmigrate_success" in shell.run("cat /proc/vmstat | grep pgmigrate")


def test_every_file_can_be_read_or_written_and_listed(shell: Shell) -> None:
    for path, file in shell.files.items():
        assert file.read is not None or file.write is not None
        if file.read is not None:
            assert file.read().endswith("\n")
        folder, _, name = path.rpartition("/")
        assert name in shell.run(f"ls {folder}").split()


def test_compaction_makes_huge_pages_and_every_byte_stays() -> None:
    shell = Shell(boot("32M", 2, "zsmalloc,balloon", 3, empty=False))
    before = shell.machine.vm.vmstat["pgmigrate_success"]
    shell.run("echo 1 > /proc/sys/vm/compact_memory")
    assert shell.machine.vm.vmstat["pgmigrate_success"] > before
    shell.run("echo 3 > /proc/sys/vm/nr_hugepages")
    assert shell.run("cat /proc/sys/vm/nr_hugepages") == "3\n" and "HugePages_Total:       3" in shell.run("cat /proc/meminfo")
    shell.run("echo 0 > /proc/sys/vm/nr_hugepages; echo 1 > /sys/devices/system/node/node1/compact")
    assert "byte for byte" in shell.run("verify")


def test_zram_is_compacted(shell: Shell) -> None:
    used = int(shell.run("cat /sys/block/zram0/mm_stat").split()[2])
    shell.run("echo 1 > /sys/block/zram0/compact")
    assert int(shell.run("cat /sys/block/zram0/mm_stat").split()[2]) < used
    assert "class" in shell.run("cat /sys/kernel/debug/zsmalloc/zram0/classes | head -n 1")


def test_the_balloon_gets_its_size(shell: Shell) -> None:
    assert shell.run("balloon 1M") == "balloon: 1 MiB\n" == shell.run("balloon")
    assert "is not a size" in failed(shell, "balloon much")


def test_a_block_goes_offline_and_comes_back() -> None:
    shell = Shell(boot("32M", 1, "zsmalloc,balloon", 0, empty=True))
    state = "/sys/devices/system/memory/memory3/state"
    assert shell.run(f"cat {state}; echo offline > {state}; cat {state}") == "online\noffline\n"
    assert "Invalid argument" in failed(shell, f"echo offline > {state}")
    shell.run(f"echo online > {state}")
    assert shell.run(f"cat {state}") == "online\n"


def test_a_block_in_use_names_the_frame() -> None:
    machine = boot("32M", 1, "zsmalloc", 0, empty=True)
    page = machine.vm.alloc_page(movable.GFP_KERNEL)
    assert page is not None
    shell = Shell(machine)
    assert shell.run("obstacles") == "nothing has failed\n"
    size = int(shell.run("cat /sys/devices/system/memory/block_size_bytes"), 16) >> 12
    state = f"/sys/devices/system/memory/memory{page.pfn // size}/state"
    assert failed(shell, f"echo offline > {state}") == "echo: write error: Device or resource busy\n"
    assert f"frame {page.pfn}: unmarked" in shell.run("obstacles")
    movable.put_page(page)
    assert "nothing is in the way any more" in shell.run("obstacles")


def test_soft_offline(shell: Shell) -> None:
    free = next(pfn for zone in shell.machine.vm.zones for pfn in zone.buddy)
    shell.run(f"echo {free << 12:#x} > /sys/devices/system/memory/soft_offline_page")
    assert "No such device" in failed(shell, "echo 0xffffffffff000 > /sys/devices/system/memory/soft_offline_page")
    assert "Invalid argument" in failed(shell, "echo ten > /sys/devices/system/memory/soft_offline_page")


@pytest.mark.parametrize(
    ("line", "said"),
    [
        ("cat /proc/nonsense", "cat: /proc/nonsense: No such file or directory\n"),
        ("cat /proc", "cat: /proc: Is a directory\n"),
        ("cat /proc/sys/vm/compact_memory", "cat: /proc/sys/vm/compact_memory: Permission denied\n"),
        ("echo x > /proc/buddyinfo", "sh: /proc/buddyinfo: Permission denied\n"),
        ("echo many > /proc/sys/vm/nr_hugepages", "echo: write error: Invalid argument\n"),
        ("echo 1_0 > /proc/sys/vm/nr_hugepages", "echo: write error: Invalid argument\n"),
        ("ls /nowhere", "ls: cannot access '/nowhere': No such file or directory\n"),
        ("cat /proc/vmstat | grep -E '('", "grep: missing ), unterminated subpattern at position 0\n"),
        ("cat /proc/vmstat | head -n x", "head: 'x' is no number of lines\n"),
    ],
)
def test_commands_fail_as_they_do_elsewhere(shell: Shell, line: str, said: str) -> None:
    assert failed(shell, line) == said


def test_small_commands(shell: Shell) -> None:
    assert shell.run("echo -n a") == "a" and shell.run("true && echo yes") == "yes\n"
    assert failed(shell, "cat /nothing && echo no") == "cat: /nothing: No such file or directory\n"
    lines = len(shell.run("cat /proc/vmstat").splitlines())
    assert shell.run("cat /proc/vmstat | wc -l") == f"{lines}\n"
    assert shell.run("cat /proc/vmstat | grep -v . -c; true") == "0\n"
    assert len(shell.run("cat /proc/vmstat | tail -2").splitlines()) == 2
    assert "zsmalloc" in shell.run("map") and "cat FILE" in shell.run("help") and "true && echo yes" in shell.run("history")
    with pytest.raises(UsageError, match="there is no command 'format'"):
        shell.run("format c:")


def test_completion(shell: Shell) -> None:
    assert ("cat", 2) in completions(shell, "ca") and completions(shell, "cat pro") == []
    assert ("buddyinfo", 3) in completions(shell, "cat /proc/bud") and ("proc/", 1) in completions(shell, "cat /p")
    assert ("grep", 1) in completions(shell, "cat /proc/vmstat | g")


def test_a_script_goes_on_after_a_failure_and_names_the_line_of_a_mistake(shell: Shell) -> None:
    output = "".join(play(shell, ["# why", "cat /nothing", "", "echo 1"], "s"))
    assert output == "# why\n# cat /nothing\ncat: /nothing: No such file or directory\n\n# echo 1\n1\n"
    with pytest.raises(UsageError, match=r"^s:2: there is no command 'oops'"):
        list(play(shell, ["echo 1", "oops"], "s"))


def test_a_machine_without_a_balloon() -> None:
    assert "no driver" in failed(Shell(boot("16M", 1, "zsmalloc", 0, empty=True)), "balloon 1M")
    assert isinstance(boot("16M", 1, "balloon", 0, empty=True), Machine)
