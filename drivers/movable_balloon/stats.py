"""The memory statistics that a guest offers to its host (drivers/virtio/virtio_balloon.c, update_balloon_stats)."""

from __future__ import annotations

from movable import PAGE_SIZE, VM

VIRTIO_BALLOON_S_SWAP_IN = 0
VIRTIO_BALLOON_S_SWAP_OUT = 1
VIRTIO_BALLOON_S_MAJFLT = 2
VIRTIO_BALLOON_S_MINFLT = 3
VIRTIO_BALLOON_S_MEMFREE = 4
VIRTIO_BALLOON_S_MEMTOT = 5
VIRTIO_BALLOON_S_AVAIL = 6
VIRTIO_BALLOON_S_CACHES = 7
VIRTIO_BALLOON_S_HTLB_PGALLOC = 8
VIRTIO_BALLOON_S_HTLB_PGFAIL = 9

STAT_NAMES = (
    "swap-in",
    "swap-out",
    "major-faults",
    "minor-faults",
    "free-memory",
    "total-memory",
    "available-memory",
    "disk-caches",
    "hugetlb-allocations",
    "hugetlb-failures",
)
"""Names of the statistics, by tag."""

Stat = tuple[int, int]


def available_pages(vm: VM) -> int:
    """How many pages could be used without swapping (mm/page_alloc.c, si_mem_available).

    Free pages above the high watermarks, and that part of the file pages that need not stay.
    """
    free = sum(zone.nr_free - zone.watermark[2] for zone in vm.zones)
    low = sum(zone.watermark[1] for zone in vm.zones)
    files = sum(node.vmstat["nr_active_file"] + node.vmstat["nr_inactive_file"] for node in vm.nodes)
    return max(0, free + files - min(files // 2, low))


def update_balloon_stats(vm: VM, hugetlb: bool = True) -> tuple[Stat, ...]:
    """Pairs of tag and value in the order in which the kernel writes them: faults are counts, all memory is in bytes.

    ``hugetlb`` says whether the kernel was built with huge pages, and so has their two counters.
    """
    events = vm.vmstat
    huge: tuple[Stat, ...] = ()
    if hugetlb:
        huge = (
            (VIRTIO_BALLOON_S_HTLB_PGALLOC, events["htlb_buddy_alloc_success"]),
            (VIRTIO_BALLOON_S_HTLB_PGFAIL, events["htlb_buddy_alloc_fail"]),
        )
    return (
        (VIRTIO_BALLOON_S_SWAP_IN, events["pswpin"] * PAGE_SIZE),
        (VIRTIO_BALLOON_S_SWAP_OUT, events["pswpout"] * PAGE_SIZE),
        (VIRTIO_BALLOON_S_MAJFLT, events["pgmajfault"]),
        (VIRTIO_BALLOON_S_MINFLT, events["pgfault"]),
        *huge,
        (VIRTIO_BALLOON_S_MEMFREE, sum(zone.nr_free for zone in vm.zones) * PAGE_SIZE),
        (VIRTIO_BALLOON_S_MEMTOT, sum(zone.managed_pages for zone in vm.zones) * PAGE_SIZE),
        (VIRTIO_BALLOON_S_AVAIL, available_pages(vm) * PAGE_SIZE),
        (VIRTIO_BALLOON_S_CACHES, sum(node.vmstat["nr_file_pages"] for node in vm.nodes) * PAGE_SIZE),
    )
