"""Messages that mean something by themselves: of balloons, of tasks that hang in compaction, of programs that got no huge page."""

from __future__ import annotations

import errno
import re

from movable.explain.guarded import Guarded
from movable.explain.material import Material
from movable.explain.paste import Line

POOL = "raise nr_hugepages, best at boot (hugepages=), then grep -r . /sys/kernel/mm/hugepages; and cat /proc/buddyinfo"
BLOCK = "dmesg | tail: the kernel dumps the page in the way there; give both to movable explain"
SCANS = "grep compact /proc/vmstat twice, and movable trace summary of mm_compaction_*: does what is scanned move"
EMPTY_POOL = "it wanted huge pages of the pool, and the pool had too few that are free"

MESSAGES: tuple[tuple[Guarded, str, str, str], ...] = tuple(
    (Guarded(pattern), title, meaning, advice)
    for pattern, title, meaning, advice in (
        (r"\bOut of puff! Can't get (?P<what>\d+ pages)", "Balloon of virtio",
         "the guest could not give {what} to its balloon: its own memory is short",
         "a smaller balloon, or more memory for the guest"),
        (r"\bhv_balloon: Balloon (?:request will be partially fulfilled|floor reached)", "Balloon of Hyper-V",
         "the host asked for more than the guest can give: the rest is in use", "more memory for the guest, or a smaller request"),
        (r"\bPurging GPU memory, \d+ pages freed, (?P<what>[1-9]\d*) pages still pinned", "Graphics memory (i915)",
         "{what} pages are pinned by the graphics driver, so that it could give none of them back",
         "end what draws or computes there; cat /sys/kernel/debug/dri/0/i915_gem_objects"),
        (r"\bxen:balloon: (?:Cannot add additional memory \(|.*add_memory\(\) failed: )(?P<what>-\d+)", "Balloon of Xen",
         "memory could not be added ({what})", "grep . /sys/devices/system/memory/auto_online_blocks, and dmesg"),
        (r"\bmemory (?P<what>memory\d+): Offline failed", "Memory offlining",
         "block {what} did not go offline: a page in it could not be moved", BLOCK),
        (r"\bchmem: Memory Block (?P<what>\d+ \([^)]*\)) disable failed: ", "Memory offlining",
         "block {what} did not go offline: a page in it could not be moved", BLOCK),
        (r"\bchmem: Only (?P<what>\S+ of \S+) memory disabled", "Memory offlining", "{what} went offline", BLOCK),
        (r"\bacpi \S+: Still not ejected|\bACPI: \S+: Offline failed|\bOffline failed\.$", "Memory offlining",
         "the memory did not go offline, so that it could not be taken out", BLOCK),
        (r"\bINFO: task (?P<what>(?:kcompactd|khugepaged|kswapd)\S*) blocked for more than \d+ seconds", "A task that hangs",
         "the task {what} waited for long: for a lock, or for the disk", SCANS),
        (r"\bsoft lockup - CPU#\d+ stuck for \d+s! \[(?P<what>(?:kcompactd|khugepaged|kswapd)[^\]]*)\]", "A task that does not end",
         "the task {what} ran for long without a break: it scans and finds little", SCANS),
        (r"\bpage allocation stalls for (?P<what>\d+ms, order:\d+)", "Stalls",
         "an allocation waited {what}: for reclaim or compaction",
         "cat /proc/vmstat twice: compact_stall says compaction, allocstall says reclaim"),
        (r"\bfalling back to vmalloc", "Fallback",
         "a large piece was put together of single pages: memory is broken up, and it works",
         "cat /proc/buddyinfo"),
        (r"\bvmap allocation for size (?P<what>\d+) failed", "Addresses of vmalloc",
         "addresses ran out for {what} bytes, not memory: fragmentation has no part in it", "boot with a larger vmalloc="),
        (r"\bvmalloc: allocation failure|\bvmalloc error: size (?P<what>\d+)", "vmalloc",
         "single pages ran out for vmalloc, or its addresses: fragmentation has no part in it", "cat /proc/meminfo"),
        (r"\bdma_alloc_\w+ of size (?P<what>\d+) failed|\bDMA alloc failed|\bion\b.*\balloc failed size \d+|"
         r"\*ERROR\* [Ff]ailed to allocate (?:buffer with size )?\d+", "DMA memory",
         "a driver got no contiguous memory for DMA", "grep Cma /proc/meminfo where CMA serves it, else cat /proc/buddyinfo"),
        (r"^\s*(?:\S{1,20}: ){1,3}(?:cannot (?:open|create|access) )?'?(?P<what>/(?:proc|sys)/\S+?)'?:? Permission denied",
         "Files that could not be read", "{what} is for root only", "run it again as root (sudo sh -c '...')"),
        (r"^\s*(?:\S{1,20}: ){1,3}(?:cannot (?:open|create|access) )?'?(?P<what>/sys/kernel/debug/\S+?)'?:? No such file",
         "Files that could not be read", "{what} is not there: debugfs is not mounted, or the kernel was built without it",
         "mount -t debugfs none /sys/kernel/debug, as root"),
        (r"^\s*(?:\S{1,20}: ){1,3}(?:cannot (?:open|create|access) )?'?(?P<what>/(?:proc|sys)/\S+?)'?:? "
         r"(?:No such file|Read-only file system)",
         "Files that could not be read",
         "{what} is not there, or may not be written: an older kernel, another configuration, or a container",
         "try it outside the container; grep -E 'COMPACTION|CMA|HUGE|HOTPLUG' /boot/config-$(uname -r)"),
        (r"\bcma: [Ff]ailed to reserve (?P<what>\d+ MiB)", "CMA at boot",
         "no room was found for an area of {what}: other reservations lie there, or a limit is too low",
         "a smaller area, or another place (cma=SIZE@START)"),
        (r"\bdma_alloc_from_contiguous\(\): returned\s+(?:\(null\)|0+\b)", "Contiguous allocation",
         "it failed: no place in the area was free, or could be emptied", "dmesg, with CONFIG_CMA_DEBUG: which ranges were busy"),
        (r"\bdma_contiguous: .*\bfailed\b", "DMA memory",
         "a driver got no contiguous memory from its area", "dmesg | grep cma: which request failed, and how it ended"),
        (r"\bvirtio_mem \S+: (?P<what>(?:unknown error, )?(?:un)?plugging (?:all )?memory failed: -?\d+)",
         "Memory that a host lends (virtio-mem)", "the host refused, or was not ready ({what})",
         "the log of the host (QEMU, cloud-hypervisor)"),
        (r"\bvirtio_mem \S+: (?P<what>offlining \S.*failed\S*(?: \S+)*)", "Memory that a host wants back (virtio-mem)",
         "a part of it could not be emptied ({what})", BLOCK),
        (r"\bpseries-hotplug-mem: (?P<what>(?:Failed to hot-remove|Memory hot-remove failed|Memory indexed-count-remove failed).*)",
         "Memory offlining", "the partition could not give memory back ({what})", BLOCK),
        (r"\bswiotlb buffer is full \(sz: (?P<what>\d+) bytes\)|\bOut of SW-IOMMU space", "Bounce buffers (swiotlb)",
         "the bounce buffers were full, a pool that is made at boot: fragmentation of memory has no part in it",
         "boot with a larger swiotlb="),
        (r"\bUnable to allocate memory for the (?P<what>\w+ descriptor ring)", "Network driver",
         "it got no contiguous memory for its {what}", "smaller rings (ethtool -G), or cat /proc/buddyinfo"),
        (r"\bError allocating memory for compressed page: \d+, size=(?P<what>\d+)", "zram",
         "zsmalloc got no page for {what} bytes: memory is short where it is to be freed", "a larger vm.min_free_kbytes"),
        (r"\bKill(?:ing)? '(?P<what>[^']*)' \(\d+\), (?:uid|adj) ", "Low-memory killer (Android)",
         "the killer ended {what}: memory was short, not broken up", "dumpsys meminfo; /proc/pressure/memory"),
        (r"\bEAL: (?:FATAL: )?(?:No free hugepages reported in |No available |Not enough memory available|Cannot get hugepage|"
         r"Couldn't get fd on hugepage)",
         "DPDK", EMPTY_POOL, POOL),
        (r"\bunable to map backing store for (?:guest RAM: Cannot allocate memory|hugepages)", "QEMU", EMPTY_POOL, POOL),
        (r"\bcannot set up guest memory '(?P<what>[^']*)': Cannot allocate memory", "QEMU",
         "the memory of the guest ({what}) could not be had: too little is free, or the pool of huge pages has too few",
         "free -m; grep Huge /proc/meminfo; cat /proc/sys/vm/overcommit_memory"),
        (r"\b(?P<what>Out of memory and no killable processes|System is deadlocked on memory)", "The OOM killer",
         "it found nobody whom it may end ({what})", "the report before it says what memory is used for; oom_score_adj of others"),
        (r"\bWARNING: .*\bmm/page_alloc\.c:\d+ .*?\b__alloc_(?:frozen_)?pages\w*", "A request above the largest order",
         "somebody asked for a block that is larger than the allocator's largest, or by flags that exclude each other: neither "
         "free memory nor compaction can serve that",
         "look at the call trace below it: who asked has to ask for less, or to use kvmalloc() or CMA"),
        (r"\bWARNING: .*\bmm/util\.c:\d+ .*?\b\w*kvmalloc\w*", "A request above the largest size",
         "somebody asked kvmalloc() for more than 2 GiB at once: it is a mistake of the caller, and no question of free memory",
         "look at the call trace below it: a size that was not checked"),
        (r"\bpercpu: allocation failed, (?P<what>size=\d+ .*)", "Memory of each processor (percpu)",
         "a piece for every processor could not be had ({what}): its chunks are full, or their pages ran out",
         "grep Percpu /proc/meminfo; where the reserved chunk is full, fewer or smaller modules"),
        (r"^\s*cache: (?P<what>[^,]+, object size: \d+.*\border: \d+)", "A cache of kernel objects",
         "the cache got no pages ({what}): where it has a min order, it had tried its default order before",
         "cat /proc/buddyinfo; a larger vm.min_free_kbytes, where requests may not wait (GFP_ATOMIC)"),
        (r"\bOfflined Pages (?P<what>\d+)", "Memory offlining", "{what} pages went offline: nothing was in the way",
         "lsmem says which blocks are left"),
        (r"\bSystem OOM encountered, victim process: (?P<what>.+)", "The OOM killer",
         "the node ran out of memory, and a process was ended ({what}): no limit of a pod was the reason",
         "kubectl describe node: requests and limits; the report of the kernel (dmesg) says what memory was used for"),
        (r"\bDMA: failed to allocate (?P<what>\d+ KiB \S+) pool", "DMA memory",
         "the pool for requests that may not wait could not be made ({what})",
         "boot with a smaller coherent_pool=, or cat /proc/buddyinfo"),
        (r"\b__vm_enough_memory: (?P<what>.*not enough memory for the allocation)|\bfork: (?:retry: )?Cannot allocate memory",
         "Accounting of memory (overcommit)", "a promise of memory was refused, not a page: fragmentation has no part in it",
         "cat /proc/sys/vm/overcommit_memory; grep Commit /proc/meminfo; ulimit -v, and pids.max of the group where fork fails"),
        (r"\bTCP: (?:out of memory|too many orphaned sockets)", "Buffers of TCP",
         "sockets used what tcp_mem allows them: a limit of its own, and no question of fragmentation",
         "cat /proc/net/sockstat /proc/sys/net/ipv4/tcp_mem"),
        (r"\balloc(?:ation)? of (?P<what>rx page|skb) failed|\bFailed to alloc(?:ate)? rx buffer", "Network driver",
         "it got no page for what comes in", "a larger vm.min_free_kbytes; cat /proc/buddyinfo"),
        (r"\bFailed to reserve (?:and commit memory using )?large pages", "Java", EMPTY_POOL, POOL),
        (r"\bHugeTLB: Warning: (?:Failed to allocate|Using conventional)", "MySQL", EMPTY_POOL, POOL),
        (r"\blibhugetlbfs.*(?:WARNING: .*(?:failed|Cannot)|ERROR: .*)", "libhugetlbfs", EMPTY_POOL, POOL),
        (r"\bmmap\(\d+\) with MAP_HUGETLB failed|\bcould not map anonymous shared memory: Cannot allocate memory",
         "PostgreSQL", EMPTY_POOL, POOL),
    )
)  # fmt: skip
_ERRORS = {
    "Device or resource busy": errno.EBUSY, "Cannot allocate memory": errno.ENOMEM, "Invalid argument": errno.EINVAL,
    "Resource temporarily unavailable": errno.EAGAIN, "Permission denied": errno.EACCES, "Interrupted system call": errno.EINTR,
}  # fmt: skip
_REFUSED = Guarded(rf"\bwrite error: ({'|'.join(_ERRORS)})")
_AROUND = Guarded(
    r"\bto free \d+kB on behalf of '|\bcache \d+kB is below limit \d+kB for oom_score_adj|\bFree memory is -?\d+kB above reserved|"
    r"/proc/sys/kernel/hung_task_timeout_secs\" disables|\bHINT: .*\bor huge pages"
)
"""What goes on with such messages, and says nothing new."""
_TARGET = re.compile(r">\s*(/\S+)")
MARKS = (
    "alloc", "puff", "balloon", "ffline", "chmem", "blocked", "lockup", "stalls", "guest RAM", "guest memory",
    "no killable", "deadlocked", "large pages", "HugeTLB",
    "Purging GPU", "huge", "ejected", "Kill", "shared memory", "behalf", "below limit", "above reserved", "hung_task", "HINT",
    "HUGETLB", "write error", "denied", "No such file", "Read-only", "virtio_mem", "cma: ", "dma_contiguous", "from_contiguous",
    "pseries-hotplug-mem", "swiotlb", "SW-IOMMU", "descriptor ring", "WARNING: ", "object size", "Offlined",
    "OOM", "not enough memory", "TCP: ",
)  # fmt: skip


def read(line: Line, material: Material) -> bool:
    """Whether the line is such a message."""
    text = line.text
    if not any(mark in text for mark in MARKS):
        return False
    refused = _REFUSED.search(text) if "write error" in text else None
    if refused is not None:
        target = _TARGET.search(text) or _TARGET.search(line.hint)
        material.refused.append((target[1] if target else "", -_ERRORS[refused[1]]))
        return True
    for pattern, title, meaning, advice in MESSAGES:
        found = pattern.search(text)
        if found is not None:
            what = found.groupdict().get("what") or ""
            material.messages.append((title, meaning.format(what=what), advice))
            return True
    return _AROUND.search(text) is not None
