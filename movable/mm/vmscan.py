"""Reclaim (mm/vmscan.c, include/linux/shrinker.h): shrinkers, pressed ever harder.

There is no kswapd in this model: who needs memory reclaims it, from the LRU lists (vmscan_lru.py) and from shrinkers. Every loop
has the kernel's limit.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from movable.mm.vm import VM

SHRINK_STOP = -1
"""What ``scan_objects`` returns when it must be left alone for now."""
DEF_PRIORITY = 12
SWAP_CLUSTER_MAX = 32
"""How many pages or objects are looked at in one go."""
SHRINK_BATCH = 128


class Shrinker(Protocol):
    """What an owner of reclaimable objects registers (include/linux/shrinker.h)."""

    def count_objects(self) -> int:
        """How many objects could be freed."""

    def scan_objects(self, nr: int) -> int:
        """Try ``nr`` objects; returns how many were freed, SHRINK_STOP (-1) to be left alone."""


def try_to_free_pages(vm: VM) -> int:
    """Press the LRU lists and the shrinkers ever harder until a batch of pages is free; returns how many frames came free."""
    before = sum(zone.nr_free for zone in vm.zones)
    user = vm.userspace
    for priority in range(DEF_PRIORITY, -1, -1):
        for node in vm.nodes if user is not None else ():
            assert user is not None
            user.shrink_node(user, node, priority)
        for shrinker in list(vm.shrinkers):
            shrink_slab(vm, shrinker, priority)
        freed = sum(zone.nr_free for zone in vm.zones) - before
        if freed >= SWAP_CLUSTER_MAX:
            break
    return max(0, freed)


def shrink_slab(vm: VM, shrinker: Shrinker, priority: int) -> int:
    """One shrinker at one priority; returns how many objects it freed (do_shrink_slab)."""
    freeable = shrinker.count_objects()
    if freeable <= 0:
        return 0
    left = min(2 * (freeable >> priority), 2 * freeable)
    freed = 0
    while left > 0 and (left >= SHRINK_BATCH or left >= freeable):
        batch = min(SHRINK_BATCH, left)
        done = shrinker.scan_objects(batch)
        if done == SHRINK_STOP:
            break
        freed += done
        vm.vmstat["slabs_scanned"] += batch
        left -= batch
    return freed
