"""Texts as people paste them into reports, from kernels 2.6.32 to 7.x and the usual tools: what each says, and what is left."""

from __future__ import annotations

import html
from collections import Counter
from pathlib import Path

import pytest

from movable.explain.answers import answers
from movable.explain.material import Material
from movable.explain.reading import read
from movable.explain.record import record
from movable.explain.zones import at, last, wanted_order
from movable.trace.read.tracepoints import tracepoints
from tests.explain.material import EVERYTHING

FOLDER = Path(__file__).parents[1] / "data" / "pastes"
PASTES = {path.stem: path.read_text() for path in sorted(FOLDER.glob("*.txt"))}
LEFT_OVER = {
    "mail_quoted": [1, 6], "joined_buddy": [1], "buddy_meminfo_64k": [2], "buddy_free": [8], "cma_real": [18],
    "dump_quoted_printable": [2, 3], "dump_cut": [12], "runs_table": [1], "two_boots": [1, 9],
    "cut_row": [1, 1], "table_of_sizes": [1], "messages": [16],
    "talos": [1], "funclatency": [1],
    "ansible_forms": [8], "yaml": [1, 3],
    "balloon_files": [1], "gpu_pinned": [3], "cma_boot_failed": [9],
    "chat_irc": [1, 2, 6, 14, 15], "chat_telegram": [1, 5], "german_free": [11], "netconsole": [1],
    "cma_parted": [2], "cri": [1], "ftrace_dump": [1],
    "later_table": [1, 5], "messages_more": [2, 6, 9], "jira_table": [1],
    "question": [1, 3, 18, 20, 21], "bpftrace": [6], "thp_kern": [7, 8], "interleaved": [2],
}  # fmt: skip
"""Lines that are listed as not understood; none of the other pastes has one."""
FRAGMENTED = "The reason is fragmentation"
SAYS = {
    "zone_dma_only": ["may not take what is free in zone DMA32: 1838800 kB", "The reason is lack of memory"],
    "zone_movable_full": ["may not take what is free in zone Movable: 16424920 kB", "The reason is lack of memory"],
    "perf_top": ["71.3 % of the samples"],
    "zoneinfo_boost": ["32768 pages higher for a while"],
    "two_hosts_meminfo": ["a: Memory of the whole machine (meminfo)\n1500000 kB of 65801212", "b: Settings\n"],
    "oom_slab": ["kmalloc-64 (12912012 kB)", "a cache that only grows is a leak"],
    "page_owner_stacks": ["page_cache_ra_unbounded (901212), nvidia_open [nvidia] (16643)"],
    "allocinfo": ["alloc_slab_page (mm/slub.c:2319) 12582912 kB in 3145728", "foo_alloc [foo]"],
    "requests_traced": ["requests of order 9 that failed (mm_page_alloc): 1"],
    "oom_chosen": ["dockerd (801) was killed"],
    "messages_more": ["(java, pid: 12345)", "what tcp_mem allows them", "512 KiB GFP_KERNEL", "A promise of memory was refused",
                      "off (never)"],
    "contradicting": ["701052 kB are free in 131455 blocks", "2800000 kB, the blocks in the tables are 701052 kB"],
    "vmstat_more": ["990 of the refused had no room in a memory cgroup", "12 given, 901 refused", "90121 with too few pages in use",
                    "880 huge pages had to be split", "89 % of the faults", "90133 pages are isolated", "none was isolated"],
    "dump_keepers": ["memory of a confidential guest (guest_memfd), which lets no page move", "secret memory of a process"],
    "dump_dma_owner": ["from wlan_alloc_ring [ath11k]"],
    "dump_3-10": ["Page 0x3a4000: did not migrate\nIt is page cache: its references were as expected", "migration counts on 3"],
    "memory_block_loop": ["1 of 3 that are online are of zone Movable (memory34)"],
    "cpuset_nodes": ["bound to node 1 by a cpuset", "The reason is lack of memory"],
    "above_largest": ["A request above the largest order\n", "neither free memory nor compaction can serve that"],
    "percpu": ["alloc from reserved chunk failed"],
    "later_table": [f"{FRAGMENTED}: enough is free in node 0 Normal", "0 to 20100 blocks of order 4"],
    "two_prompts": ["db01: Node 0, zone Normal", "db02: Counters, since boot\n12 requests"],
    "two_hosts": ["db01: Request of java\nA request of order 4 (64 kB) failed.", "db02.lan: Request of perl\n",
                  "lack of memory: no zone", f"{FRAGMENTED}: enough is free", "db01: Node 0, zone Normal, order 4"],
    "typed_by_hand": ["Request of swapper\n", "It may not wait", f"{FRAGMENTED}: enough is free", "41200 kB are free"],
    "dump_page_table": ["a page table", "end the process whose page tables they are"],
    "dump_4-19": ["page cache (ext4_da_aops) of libc-2.27.so", "migration counts on 3"],
    "dump_ksm": ["one that KSM shares", "migration counts on 41"],
    "dump_balloon": ["a page of a driver (balloon)"],
    "dump_hwpoison": ["out of use for good"],
    "virtio_mem_refused": ["unplugging memory failed: -16", "the host wants 1024 MiB"],
    "offlined": ["32768 pages went offline"],
    "cma_meminfo": ["12 kB of all areas are free", "maxchunk"],
    "compaction_3-x": ["zone 0x100000 to 0x240000: 1 run, 0.100000 s, ended 1 status 2"],
    "pairs_free": ["701052 kB are free in 131455 blocks", "The row ends at order 3"],
    "header_rows": ["zone Normal, order 9", "701052 kB are free", "47912 kB are free"],
    "spreadsheet": ["701052 kB are free in 131455 blocks", "47912 kB are free"],
    "page_types_runs": ["Of 3 pageblocks that are listed whole 0 are free, compaction could empty 1, and 2 are held",
                        "Block 0x100200 is held by frame 0x100200 (slab)."],
    "zoneinfo_first": ["401212 requests stalled", "31800 pages are kept"],
    "wrapped_report": ["Request of ksoftirqd/3\n", "It may not wait", "too little is free there", "14.2 GiB (45 %)"],
    "jira_table": ["Request of ksoftirqd/3\n", "It may not wait", "14.2 GiB (45 %)"],
    "rhel6": ["order 2 (16 kB) failed", "may not wait", f"{FRAGMENTED}: enough is free in node 0 Normal", "16120 pages are kept"],
    "arm_pi": ["The reason is lack of memory", "free pages (1043) are below the min watermark (2048)"],
    "arm64_64k": ["order 5 (2 MiB)", f"{FRAGMENTED}: enough is free in node 0 Normal", "1824064 kB are free"],
    "ppc": ["order 8 (16 MiB) failed (vmemmap alloc failure)", FRAGMENTED, "may not take pages of this zone"],
    "highmem32": [FRAGMENTED, "zone HighMem, order 4", "The request of usb-storage may not take pages of this zone"],
    "oom_modern": ["The limit of a memory cgroup was reached (2097152 kB used of 2097152 kB)", "Neither fragmentation"],
    "oom_global": ["Order 0 needs no contiguous memory", "below the min watermark (11654)"],
    "numa_many": ["Node 4, zone Movable, order 9", "65536 of order 9 can be had", "82."],
    "ansible": ["web01: Node 0, zone Normal", "web02: Node 0, zone Normal", "202 of order 9"],
    "ansible_json": ["zone DMA32, order 9", "7932 kB are free"],
    "json_escaped": ["zone DMA,", "8028 kB are free"],
    "joined": ["zone DMA32, order 9", "49 of 1016 pageblocks are not movable"],
    "markdown": ["8028 kB are free in 1995 blocks"],
    "html_entities": ["1200 requests stalled", "8028 to 4224 kB free"],
    "kubectl": ["8028 kB are free", "1200 requests stalled", "(madvise), and nowhere else"],
    "journal_precise": ["Request of kworker/0:1\n", "cannot move"],
    "dmesg_json": ["Request of sh\n", "59704 kB are free"],
    "pagetype_64k": ["order 13 (512 MiB, a pageblock)"],
    "buddy_meminfo_64k": ["order 13 (512 MiB, a huge page of 512 MiB)", "1824064 kB are free"],
    "buddy_free": ["1239040 kB of 65755136 kB are free, 42990592 kB are cache"],
    "zoneinfo_new": ["below min", "8100 of the free pages are CMA"],
    "vmstat_cols": ["1188 requests stalled", "89 got their block, 1099 did not (93 %)", "173.1 pages were scanned"],
    "vmstat_paste": ["1188 requests stalled", "5200 pages were migrated"],
    "vmstat_side_by_side": ["1188 requests stalled", "Huge pages at faults: 0 given"],
    "vmstat_table_md": ["1188 requests stalled"],
    "csv": ["1188 requests stalled"],
    "watch_d": ["1198 requests stalled", "1189 refused"],
    "sar_B": ["21012.01 pages by tasks themselves", "Memory was short"],
    "sar_W": ["1302.20 pages a second were swapped out"],
    "numastat_m": ["Memory of node 1", "8194048 of 9237626 kB"],
    "numastat": ["9462462 pages came from another node"],
    "page_owner": ["0x12a31c (order 3, Unmovable, of kworker/3:1) lies in a Movable pageblock"],
    "page_owner_sorted": ["systemd (1207)", "pid 0 (704)"],
    "dump_2-6": ["Page 0x11a4e: nonzero _count"],
    "dump_folio": ["512 references more"],
    "dump_slab": ["kernel objects lie in it"],
    "cma_real": ["That is said 2 times", "the longest has 1024", "[0x3e400, 0x3e600) and 1 more range"],
    "hugetlb": ["128 huge pages of 1.00 GiB were asked for, 97 could be made"],
    "thp": ["(madvise), and nowhere else", "hugepages-64kB enabled never"],
    "smaps": ["204800 kB of 1048576 kB", "843776 kB more could be"],
    "smaps_grep": ["206848 kB", "1204800 kB of anonymous memory are in huge pages"],
    "zswap": ["zswap keeps 302101 pages", "14021 pages found no memory"],
    "zsmalloc_classes": ["could give 14 pages back"],
    "funccount": ["compact_zone: 120"],
    "bpftrace": ["116 values, most of them in [8, 16)"],
    "perf_report": ["47.2 % of the samples"],
    "page_types": ["slab: 41012"],
    "offline": ["signal ended the attempt", "Not removable: 0x0000000128000000-0x000000012fffffff"],
    "wrapped_meminfo_row": ["59704 kB are free in 2998 blocks"],
    "cont_lines": ["28 kB are free in 5 blocks"],
    "prom": ["26268 kB are free", "1198 requests stalled"],
    "k7": [f"{FRAGMENTED}: enough is free in node 0 Normal"],
    "psi": ["12.20 % of the last 10 s some task waited"],
    "free_wide": ["5452595 kB of 8074035 kB are free"],
    "wrapped_dump": ["Page 0x442b6a: migration failure", "It is anonymous", "pid 14926 (hmm-swap)"],
    "quoted_printable": ["Page 0x442b6a: migration failure", "It is anonymous"],
    "same_page": ["It was dumped 2 times", "hugetlb", "there was no page to move it to"],
    "joined_log": ["15728 kB are free in 17 blocks"],
    "prompts": ["26168 kB are free", "(always)"],
    "talos": ["Request of sh\n", FRAGMENTED],
    "memory_stat": ["57 % of its anonymous memory is in huge pages", "12 faults wanted a huge page"],
    "funclatency": ["29 values, most of them in 64 -> 127"],
    "diffu": ["0 to 202 blocks of order 9, 8780 to 434396 kB free"],
    "diffvm": ["Counters, between the two", "1188 requests stalled"],
    "top": ["1239244 kB of 65755238 kB are free"],
    "arm16k": ["order 7 (2 MiB)", "Pages have 16 kB here", FRAGMENTED],
    "cmaonly": ["The reason is the type of the free blocks", "All of them are CMA"],
    "oom_cpuset": ["The reason is lack of memory", "may not take pages of this zone"],
    "yaml": ["8028 kB are free", "1200 requests stalled"],
    "ansible_forms": ["web01: Node 0, zone DMA", "web02: Node 0", "web03: Node 0"],
    "many_machines_vm": ["n01: Counters, since boot\n1200 requests", "n02: Counters, since boot\n12 requests"],
    "ansible_vmstat": ["web01: Counters, since boot\n1200 requests", "web02: Counters, since boot\n12 requests"],
    "corelens": ["Node 1, zone Normal, order 9", "390576508 kB are free in 119760 blocks"],
    "hotsos": ["Node 1, zone Normal, order 9", "4044496 kB are free in 626887 blocks", "the largest is of order 4"],
    "virsh": ["Node 1: 3519821 pages of 4 KiB are free (14079284 kB)", "Node 0: 512 huge pages of 2048 KiB are free in the pool"],
    "crash_kmem": ["zone DMA, order 9", "14372 kB are free in 6 blocks"],
    "mmtests": ["4.5-rc1 5-test: Counters, in one run\n1235 requests stalled", "69 %", "Percentage huge-3: 70.93"],
    "cma_boot": ["16384 pages (65536 kB) were wanted", "The largest area has 524288 kB: the request wants 13 %"],
    "cma_drm": ["63 buffers of 54168 kB", "That is said 2 times"],
    "hardware": ["Ignored\nThe hardware reported an error in it, and the kernel could do nothing", "hugetlb", "took it out of use"],
    "cut_row": ["zone HighMem", "The row ends at order 5: whether a block of order 9 is free cannot be said"],
    "oom_killed": ["java (3301) was killed; 7012345 kB"],
    "pi5_cma": ["The reason is the type of the free blocks", "60480 kB of what is free are CMA"],
    "compsnoop_headless": ["4 ended as complete: the whole zone was gone over, as was asked for"],
    "zswap_cli": ["zswap keeps 11626 pages", "7475912 kB of 8388604 kB are used"],
    "huge_pools": ["Huge pages of 1048576 kB: 16 now", "hugepages-1Mi refused to a pod"],
    "cma_debugfs": ["Area reserved: 15319 of 16384 pages are used; the longest free run has 1024"],
    "refused": ["A memory block did not go offline: /sys/devices/system/memory/memory52/state\n-EBUSY", "has 128 MiB",
                "memory52/valid_zones Normal", "3968M of 4096M went offline", "3 of 4 ranges"],
    "cgroup_files": ["2097148 kB are used of 2097152 kB", "ended 3 of its tasks"],
    "numa_huge": ["1073216 kB in 7 mappings: node 0: 526396 kB, node 1: 546820 kB", "1069056 kB of it are huge pages"],
    "dump_beheaded": ["PAGE_FLAGS_CHECK_AT_FREE", "a check of the kernel failed: it is a bug"],
    "oom_2-6-9": ["34 of order 3 can be had", "zone Normal, order 3"],
    "report_end": ["158551 of them reserved", "2389248 kB of 18431996 kB of swap are used"],
    "sar_old": ["At most 5 faults a second had to read from disk"],
    "balloons": ["The guest could not give 1 pages", "Balloon of Hyper-V"],
    "numactl": ["Memory of node 1", "41178112 kB of 67108864 kB are free"],
    "vmstat_s": ["812332 kB of 65807104 kB are free"],
    "crash_zones": ["2212 pages are free of 782297", "below min", "849248 kB of 65648928 kB are free"],
    "atop": ["At most 4312 requests stalled in compaction in one interval"],
    "function_graph": ["migrate_pages: 1 times, 12312.1 us at most", "compact_zone: 1 times, 1812.3 us"],
    "top_kcompactd": ["kcompactd0 takes 99.7 % of a processor"],
    "messages": ["The task kcompactd1:331 ran for long", "Low-memory killer", "DPDK", "QEMU", "PostgreSQL"],
    "table_of_sizes": ["zone Normal, order 9", "353620 kB are free in 54261 blocks"],
    "pool_asked": ["2048 huge pages were asked for.\n1189 could be made: for the other 859"],
    "s390": ["order 8 (1 MiB) failed", FRAGMENTED, "None can be had: free memory is broken up"],
    "dma_messages": ["A driver got no contiguous memory for DMA (3 times)", "The bounce buffers were full", "descriptor ring"],
    "sar_tables": ["At least 712332 kB were free", "312.21 pages by tasks themselves"],
    "sadf": ["312.21 pages by tasks themselves, 1231.11 by kswapd"],
    "vmstat_wide": ["At least 702332 were free", "At most 120 a second were swapped out"],
    "status": ["7112312 kB are in memory", "may have transparent huge pages"],
    "cma_trace": ["CMA busy, tried again: 1, failed: 1", "2 of other requests into movable blocks"],
    "perf_trace": ["1 run, 0.456666 s, ended 1 complete", "512 frames scanned, 3 taken", "kcompactd woken 1 time"],
    "page_owner_times": ["nobody known (1231), kworker/3:1 (12)"],
    "dump_quoted_printable": ["Page 0x442b6a: migration failure\nIt is anonymous: 1 reference more"],
    "dump_cut": ["It is shared memory (tmpfs) of dev/zero", "Page 0xaef223: did not migrate\n1 page of the list did not move"],
    "cma_old_list": ["357 of 2048 pages of the area are free in 7 runs; the longest has 166"],
    "cma_elided": ["17671 of 65536 pages of the area are free; how long their runs are was left out", "from reserved"],
    "runs_table": ["redesign: Counters, in one run\n2059 requests stalled", "3.1 pages were scanned"],
    "robot": ["the second kernel: Counters, in one run\n3493 requests stalled", "20.3 pages were scanned"],
    "two_boots": ["fell", "Counters of table 2, since boot\n4 requests stalled"],
    "exporter_zones": ["free pages (14231) are below the min watermark (16231)", "Compaction would be skipped"],
    "oom_pod": ["python3 (123123) was killed; 515732 kB", "The limit of a memory cgroup was reached (524288 kB"],
    "dma_old": ["Blocks of order 6 were there when this was written (node 0 DMA):", "insmod may not take pages of this zone"],
    "huge_files": ["1024 huge pages of 2048 kB, 12 of them free, 0 promised", "Node 1: 512 huge pages of 2048 kB."],
    "types_cma": ["41 of order 9 can be had at once", "All of them are CMA: most requests may not take them"],
    "free_old": ["8424355 kB are cache"],
    "oom_huge_pool": ["huge pages of the pool 56.0 GiB (89 %)", "40.0 GiB of the pool's huge pages are free", "(4411) 868 MiB"],
    "dma_empty": ["It may only take memory of zone DMA, and there is none", "Nothing is free: the zone has no memory.\n"],
    "oom_lowmem": ["The reason is lack of memory: in node 0 Normal hardly more", "Xorg may not take pages of this zone"],
    "slabinfo": ["ext4_inode_cache (435648 kB)", "627089 kB of it can be reclaimed"],
    "types_quoted_tabs": ["30 of order 9 can be had", "10033 of 15076 pageblocks are not movable"],
    "types_grepped": ["All of them are CMA or kept for atomic requests", "10033 of 15076 pageblocks are not movable"],
    "oom_bound": ["bound to node 0 by a memory policy: 33001120 kB that are free on other nodes"],
    "dump_allocated_by": ["from bnxt_alloc_rx_page [bnxt_en]", "migration counts on 514", "page of a driver (balloon)",
                          "2 more times that it did not move: -EAGAIN", "buffers) may be held"],
    "gigantic": ["4 huge pages of 1048576 kB were asked for on node 1.\n1 could be made", "longer than any block of the"],
    "contig_pinned": ["[0x140000, 0x148000) were busy (2 times)", "Of these, the kernel dumped 0x141a33", "pinned for DMA (1 pin"],
    "virtio_mem": ["8192 MiB are plugged, the host wants 2048 MiB", "memory44 did not go offline", "could not give memory back"],
    "cma_sysfs": ["Area reserved: 3011 of 65536 pages are free", "1912 pages could not be given, 40112 were"],
    "khugepaged": ["1 ended as alloc_huge_page_failed: no huge page was free"],
    "cma_boot_failed": ["No room was found for an area of 512 MiB", "The largest area has 327680 kB", "memory from its area"],
    "rhel5": ["It may not wait", f"{FRAGMENTED}: enough is free in node 0 Normal"],
    "cut_report": ["Why, this text does not say: what was free is not in it"],
    "thp_stats": ["Huge pages of 2048 kB at faults: 1011 given, 90112 refused (99 %)", "64 kB at faults: 12011 given"],
    "page_owner_trace": ["jbd2_journal_add_journal_head [jbd2] (2), pte_alloc_one (1)", "of containerd, from pte_alloc_one)"],
    "interleaved": ["A request of order 0 (4 kB) failed.", "16832 kB are free in 4185 blocks"],
    "two_cpus": ["120332 kB are free in 24023 blocks"],
    "json_own": ["zone Normal, order 9", "697560 kB are free in 131245 blocks", "1022 requests stalled"],
    "json_types": ["Node 1, zone Normal, order 9", "32 of order 9 can be had"],
    "json_orders": ["697560 kB are free in 131245 blocks", "13572 kB are free in 24 blocks"],
    "free_headless": ["1239040 kB of 65755136 kB are free, 40003764 kB are cache", "1022332 kB of 8388604 kB of swap are used"],
    "not_readable": ["/proc/pagetypeinfo is for root only", "debugfs is not mounted", "compact_memory is for root only"],
    "question": ["49.3 % of the samples are in compaction", "faults stop waiting for compaction"],
    "oom_cgroup": ["The limit of a memory cgroup was reached (1048576 kB used", "Largest tasks: node (812331) 953 MiB"],
    "vmstat_73": ["Pages asked of CMA: 812 succeeded, 200 failed (20 %)", "100001 pins are held", "from the allocator: 512"],
    "order_1": [f"{FRAGMENTED}: enough is free in node 0 Normal", "broken up (fragmentation index 0.500"],
    "order_2": [f"{FRAGMENTED}: enough is free in node 0 Normal", "bash may not take pages of this zone"],
    "hugetlb_boot": ["64 huge pages of 1.00 GiB were asked for, 61 could be made", "That was at boot"],
    "extfrag": ["0.998: none is free, because free memory is broken up", "0.348: none is free, for lack of memory"],
    "sysrq_f": ["The OOM killer was called by hand (sysrq f): no request failed"],
    "memory_blocks": ["Memory blocks: 2 online, 1 going-offline, 1 offline", "1 of 2 that are online are of zone Movable (memory33",
                      "Not removable, by the kernel's own word: memory32"],
    "hugetlb_unmovable": ["the kernel does not move huge pages of its size"],
    "cma_vc4": ["The display driver uses 45 buffers of 42468 kB", "1012 kB more are buffers that it keeps for later"],
    "balloon_files": ["target: 1048576 pages, current: 524288 pages", "has 2097152 kB, the host wants it to have 4194304 kB"],
    "gpu_pinned": ["120112 pages are pinned by the graphics driver", "Balloon of Xen"],
    "numa_counters": ["2.2 % of the pages came from another node", "20594688 kB of 33004544 kB are free"],
    "perf_spaced": ["2.1 % of the samples"],
    "chat_irc": ["order 9", "223456 requests stalled", "(99 %)"],
    "chat_telegram": ["12 huge pages", "12000 requests stalled"],
    "syslog_json": ["Request of kworker/u8:3\n", "60104 kB are free in 11759 blocks", FRAGMENTED],
    "french": ["Request of java\n", "1258291 kB of 131072000 kB are free", "no swap"],
    "japanese": ["Request of nginx\n", "It may not wait", FRAGMENTED],
    "german_free": ["1263616 kB of 32749568 kB are free, 5760000 kB are cache"],
    "netconsole": ["Request of ksoftirqd/1\n", "may not wait", FRAGMENTED],
    "oom_2-6-31": ["slab 786 MiB (7 %)", "cache of files 7075 MiB (59 %)"],
    "perf_kmem": ["12345 requests, of which 12 failed (0 %)", "order 9: 388", "56 % asked for memory that cannot be moved"],
    "perf_kmem_slab": ["10.398047%"], "kernel_2-4": ["order 4 (64 kB) failed", "httpd was killed"],
    "dump_in_folio": ["Page 0x1a2a00: migration failure\nIt is anonymous: it is pinned for DMA (2 pins", "1 more time that"],
    "offline_xfs": ["page cache (xfs_address_space_operations) of journal.log"],
    "cma_parted": ["1657 of 4096 pages of the area are free in 4 runs; the longest has 1024", "No run is long enough"],
    "cri": ["10 requests stalled", "45056 kB are free"], "stalls": ["had to wait 10.0 s and still waits", "lack of memory"],
    "vmstat_labels": ["100 got their block, 1100 did not (92 %)", "100 given, 3000 refused (97 %)"],
    "vmstat_arrows": ["1200 requests stalled", "1111111 pages were migrated", "faults: 3000 refused."],
    "buddy_csv": ["1392376 kB are free in 6122 blocks"], "pool_echoed": ["1211 could be made: for the other 789"],
    "buddy_case": ["zone Normal, order 9", "zone DMA32, order 9", "4 of order 9 can be had"],
    "zram_named": ["1133048 kB of memory", "1234 pages would not get smaller"], "numastat_p": ["4411 (qemu-kvm): node 0 16384"],
    "deadlocked": ["It found nobody whom it may end"], "qemu_memory": ["memory of the guest (pc.ram) could not be had"],
    "this_node": ["as node 0 has blocks", "node 1 Normal, in blocks that are too small; too little is free there for compaction"],
    "cma_3-x": ["no place in the area was free", "set aside: 16384 kB"], "cma_isolated": ["[0x3ef00, 0x3f000) and 1 more range"],
    "compact_teed": ["Since the first table: 9 to 3309 blocks of order 9"],
    "ftrace_dump": ["512 frames scanned, 16 taken", "0.000200 s, ended 1 no_suitable_page", "kcompactd 0.000200 s"],
    "vmstat_3-x": ["50000 pages were moved by compaction, 12000 did not"],
    "vmalloc": ["made of single pages: fragmentation has no part"],
    "cma_order_0": ["most are CMA's, or kept for others; of the rest too little", "kswapd0 may not take pages of this zone"],
    "buddy_dates": ["Since the first table: 4 to 0 blocks of order 9"],
    "cut_zones": ["lowmem_reserve tells of higher zones that could serve it, whose rows are not in this text"],
    "command_line": ["512 huge pages were asked for at boot.\n311 are there", "(always)"],
    "three_reports": [
        "worker\nA request of order 0 (4 kB) called the OOM killer.\nThe limit of a memory cgroup was reached (524288 kB used",
        f"modprobe\nA request of order 7 (512 kB) failed.\nIt is a costly order (above 3): the kernel gives up where compaction "
        f"does not help.\n{FRAGMENTED}", "mysqld\nA request of order 0", "The reason is lack of memory: no zone",
    ],
}  # fmt: skip


def said(material: Material) -> str:
    order, why = wanted_order(material, None)
    return "\n".join(line for one in answers(material, order, why) for line in (one.title, *one.facts, *one.advice, ""))


@pytest.mark.parametrize("name", PASTES)
def test_what_people_paste_is_read_and_has_an_answer(name: str) -> None:
    material = read([(name, PASTES[name])])
    text = said(material)
    assert [line.number for line in material.unread] == LEFT_OVER.get(name, [])
    assert not [phrase for phrase in SAYS.get(name, []) if phrase not in text], text
    order, why = wanted_order(material, None)
    whole = record(material, answers(material, order, why), order)
    assert whole["answers"] and whole["answers"][0]["facts"]
    assert whole["page_kb"] == {"ppc": 64, "arm16k": 16, "pi5_cma": 16}.get(name, 64 if "64k" in name else 4)


def test_machines_of_one_text_are_kept_apart() -> None:
    rows = last(read([("x", PASTES["ansible"])]))
    assert [(row.line.machine, row.zone, at(row, 9).usable_blocks) for row in rows] == [
        ("web01", "DMA", 7), ("web01", "Normal", 0), ("web02", "DMA", 7), ("web02", "Normal", 202),
    ]  # fmt: skip


ROW = "Node 0, zone   Normal 14241 7126 2 0 0 0 0 0 0 0 0 0 0 0\n"


@pytest.mark.parametrize(
    "line",
    [
        "Heap " + "9" * 4000 + "x", "before after" + " " * 4000 + "x", "a" + "1 " * 4000 + "x", "1@2" + " " * 4000 + "x",
        "1@" + "111@" * 4000 + "x", "SUMMARY (page allocator)\na|" + "|" * 4000 + "!",
        "a" + " " * 3900 + "mm_compaction_begin: x", "\t" * 19_000 + "!",
    ],
)  # fmt: skip
def test_a_long_line_that_almost_fits_is_passed_by_at_once(line: str) -> None:
    assert not read([("x", f"node0 node1\n{line}\n")]).figures and not list(tracepoints([line]))


def test_an_order_that_no_machine_has() -> None:
    failed = "sh: page allocation failure: order:9999, mode:0xcc0(GFP_KERNEL)\n"
    for text in (f"Page block order: {'9' * 30}\n{ROW}", failed + ROW):
        assert "order 9999 (more than any machine has" in said(read([("x", text)]))


def test_an_order_that_cannot_exist_is_said() -> None:
    material = read([("x", "Node 0, zone Normal 5 4 3 2 1 1 1 1 9\n")])
    text = "\n".join(line for one in answers(material, 10, "asked") for line in one.facts)
    assert "No block of order 10 can exist: order 8 is the largest" in text


ENDLESS = ["node_buddyinfo_blocks{node='0',zone='Normal',size='0'} 1e999".replace("'", '"'), f"Node 0 MemFree: {'9' * 400} kB"]


@pytest.mark.parametrize("line", ENDLESS)
def test_a_number_that_no_machine_has_is_not_believed(line: str) -> None:
    material = read([("x", f"{line}\n{ROW}")])
    assert [one.number for one in material.unread] == [1] and material.recognised == 1


NO_NUMBERS = [
    "MiB Mem :  1.2.3 total,  1.. free,  2 used.",
    "12:00:01 pswpin/s pswpout/s\n12:00:02 inf nan",
    "# hostname;interval;timestamp;pswpin/s;pswpout/s\nn1;1;2026-01-01;nan;inf",
    "COMM PID NODE ZONE ORDER MODE LAT(ms) STATUS\nsh 1 0 ZONE_NORMAL 9 SYNC inf success",
]


@pytest.mark.parametrize("text", NO_NUMBERS)
def test_what_is_no_number_is_not_taken_for_one(text: str) -> None:
    material = read([("x", f"{text}\n")])
    assert not material.figures and not material.runs and len(material.unread) == 1


def test_a_comma_of_a_locale() -> None:
    [row] = read([("x", "# hostname;interval;timestamp;pswpin/s;pswpout/s\nn1;1;2026-01-01;0,00;12,50\n")]).figures
    assert row.values == {"pswpin/s": 0, "pswpout/s": 12.5}


@pytest.mark.parametrize("name", PASTES)
def test_quotes_colours_fences_and_margins_change_no_answer(name: str) -> None:
    lines = PASTES[name].split("\n")
    mailed = "\r\n".join(f"> \x1b[0;33m{line}\x1b[0m" for line in lines)
    fenced = "\n".join(["```", *(f"    {line}" for line in lines), "```"])
    answer = said(read([("x", PASTES[name])]))
    assert said(read([("x", mailed)])) == answer
    if "{" not in PASTES[name] and "</" not in PASTES[name]:
        assert said(read([("x", f"<pre>{html.escape(PASTES[name])}</pre>\n")])) == answer
    assert said(read([("x", fenced)])) == answer


PAIRS = (
    ("funccount", "vmstat"), ("compsnoop", "oom_modern"), ("zoneinfo", "json_orders"), ("zoneinfo_boost", "vmstat"),
    ("buddyinfo", "exporter_zones"), ("dump", "dump_beheaded"), ("vmstat", "vmstat_side_by_side"), ("diffvm", "vmstat"),
    ("zoneinfo", "vmstat"), ("vmstat", "zoneinfo"),
)  # fmt: skip


@pytest.mark.parametrize("pair", PAIRS, ids="+".join)
def test_one_kind_behind_another_is_read_as_alone(pair: tuple[str, str]) -> None:
    texts = [EVERYTHING.get(name) or PASTES[name] for name in pair]
    both, first, second = (_counts(text) for text in ("\n".join(texts), *texts))
    assert both == first + second


def _counts(text: str) -> Counter[str]:
    material = read([("x", text)])
    rows = ("free", "types", "marks", "pages", "requests", "figures", "runs", "unread")
    found = Counter({name: len(getattr(material, name)) for name in rows})
    found["counters"] = sum(len(one.values) for one in material.counters)
    found["recognised"] = material.recognised
    return found


@pytest.mark.parametrize("name", ["two_hosts", "ansible_vmstat", "json_types", "atop"])
def test_the_blanks_and_the_mark_of_an_editor_change_no_answer(name: str) -> None:
    text = PASTES[name]
    plain, marked, set_anew = (said(read([(name, one)])) for one in (text, "\ufeff" + text, text.replace(" ", "\u00a0")))
    assert plain == marked == set_anew
