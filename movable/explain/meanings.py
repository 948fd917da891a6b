"""What codes and states mean, and what to do next: errors of migration and of contiguous allocation, statuses of compaction."""

from __future__ import annotations

import errno

from movable.shown import many

RETURNS = {
    -errno.EAGAIN: "the page could not be moved just now: somebody held a reference or its lock; trying again may work",
    -errno.ENOMEM: "there was no page to move it to; free memory on the target nodes, or fewer pages at once",
    -errno.EBUSY: "a page in the range is in use and could not be moved or isolated",
    -errno.EINVAL: "the page's owner, or the range, does not allow this at all",
    -errno.EINTR: "a signal ended the attempt; run it again, without a time limit",
    -errno.EIO: "writing the page out failed",
    -errno.ENOSPC: "no space was left where pages were to go",
    -errno.ENOSYS: "the kernel cannot migrate pages of this kind",
    -errno.ENOENT: "no page is there",
    -errno.EFAULT: "the address is not mapped, or is of the zero page",
    -errno.EACCES: "the page is mapped by several processes; moving it needs MPOL_MF_MOVE_ALL and CAP_SYS_NICE",
}

STATUSES = {
    "success": "a block of the wanted order became free",
    "complete": "the whole zone was gone over, and no block came free",
    "partial_skipped": "a part of the zone was gone over, and no block came free",
    "skipped": "compaction did not start: too little free memory to move pages into; free memory first",
    "deferred": "compaction did not start: it failed a short while ago and waits",
    "contended": "compaction gave up because others waited for its locks or the task had to run on",
    "no_suitable_page": "a block came free, but not one that this request may use",
    "not_suitable_zone": "compaction cannot help in this zone: fragmentation is not the reason",
    "continue": "compaction may go on",
    "partial": "a block of the wanted order became free",
}

AGAIN = (
    "run it again: references taken for a moment are gone soon; sync and drop caches first (echo 3 > /proc/sys/vm/drop_caches) "
    "where file pages are in the way"
)
OWNERS = "boot with page_owner=on and read /sys/kernel/debug/page_owner to learn who allocated the page"


OFFLINING = "memory offlining failed: "
"""How the reason of a range begins that did not go offline."""
OFFLINE_REASONS = {
    "failure to isolate range": (
        "a page in it can never move, or its pageblocks are taken by somebody else",
        f"{OWNERS}; grep . /sys/devices/system/memory/memory*/valid_zones: only blocks of Movable can be counted on",
    ),
    "unmovable page": ("a page in it can never move", OWNERS),
    "signal backoff": ("a signal ended the attempt", "run it again, without a time limit"),
    "failure to dissolve huge pages": ("a huge page of the pool is in use and none can take its place", "lower nr_hugepages"),
    "multizone range": ("the block belongs to two zones", "take another block"),
    "memory holes": ("the block has holes", "take another block"),
    "notifier failure": ("a driver, or another part of the kernel, refused when it was asked (its memory notifier)",
                         "dmesg: which one said so; a balloon, virtio-mem and KASAN have such notifiers"),
    "no reason given": ("the kernel gives no reason; it did not before 5.0", "look at the page dumps around it, if there are any"),
}


def of_offlining(reason: str) -> tuple[str, str]:
    """Why a memory block did not go offline, and what to do: for the kernel's own word."""
    said = (f"the kernel says '{reason}'", "look at the page dumps around it: they name the page in the way")
    return next((found for word, found in OFFLINE_REASONS.items() if word in reason), said)


POISONED = {
    "Recovered": "the hardware reported an error in it, and the kernel took it out of use",
    "Delayed": "the hardware reported an error in it, and the kernel takes it out of use when somebody next asks for it",
    "Ignored": "the hardware reported an error in it, and the kernel could do nothing: it stays in use",
    "Failed": "the hardware reported an error in it, and the kernel could not free it: whoever touches it is killed",
}
"""How a memory failure ended, by the kernel's word for it."""


def of_memory_failure(reason: str) -> tuple[str, str]:
    """What became of a page with an error of the hardware, and what to do."""
    said = next((meaning for word, meaning in POISONED.items() if reason.endswith(word)), "the hardware reported an error in it")
    return said, "replace the memory module"


def of_return(ret: int) -> str:
    """A return value in words: an error, or how many pages were left."""
    if ret > 0:
        return f"{many(ret, 'page')} of the list did not move"
    if ret == 0:
        return "all pages moved"
    name = errno.errorcode.get(-ret, "")
    said = RETURNS.get(ret, "an error of the page's owner")
    return f"{'-' + name if name else ret}: {said}"


def of_status(status: str) -> str:
    """A status of compaction in words, "" for one that is unknown."""
    return STATUSES.get(status.lower().removeprefix("compact_"), "")
