"""What the log of a kernel would say of a request that failed, and that explain reads it."""

from __future__ import annotations

import movable
from movable.bench import VM, alloc_contig_range, offline_pages
from movable.explain.reading import read
from movable.sh.commands import Shell
from movable.sh.dmesg import dmesg
from movable.sh.machine import boot


def test_the_page_in_the_way_is_dumped_and_explain_reads_it() -> None:
    vm = VM(16 << 20)
    assert dmesg(vm) == ""
    page = vm.alloc_page(movable.GFP_HIGHUSER_MOVABLE)
    assert page is not None
    block, end = page.pfn & ~511, (page.pfn | 511) + 1
    for contiguous in (True, False):
        assert (alloc_contig_range(vm, block, end) if contiguous else offline_pages(vm, block, 512)) == -16
        material = read([("dmesg", dmesg(vm))])
        assert not material.unread and material.pages[0].pfn == page.pfn and material.pages[0].reason == "unmovable page"
    assert material.pages[1].reason == "memory offlining failed: failure to isolate range"


def test_a_block_that_could_not_be_had_comes_with_what_was_free() -> None:
    shell = Shell(boot("16M", 1, "balloon", 0, empty=True))
    shell.run("echo 20 > /sys/kernel/mm/hugepages/hugepages-2048kB/nr_hugepages")
    assert int(shell.run("cat /sys/kernel/mm/hugepages/hugepages-2048kB/free_hugepages")) < 20
    material = read([("dmesg", shell.run("dmesg"))])
    assert not material.unread and material.requests[0].order == 9
    assert material.free[0].free == shell.machine.vm.zones[0].nr_free
    assert shell.run("cat /sys/devices/system/memory/memory0/online") == "1\n"
