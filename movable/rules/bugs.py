"""Historic bugs that broke a rule: what they are called here, when and where they were, and the commit that tells."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Bug:
    """A bug that really happened. ``commit`` is empty where the fix is known but its hash was not confirmed."""

    id: str
    slug: str
    year: int
    where: str
    symptom: str
    commit: str = ""

    def __str__(self) -> str:
        commit = f", {self.commit}" if self.commit else ""
        return f"{self.id} {self.slug} ({self.where}, {self.year}{commit})"


_BUGS = (
    Bug("Z01", "zs-record-drops-pin", 2016, "zsmalloc", "an object is freed twice", "c102f07ca0b0"),
    Bug("Z03", "zs-empty-strand", 2019, "zsmalloc", "empty pages are never freed", "1a87aa03597e"),
    Bug("Z04", "zs-destroy-late-work", 2019, "zsmalloc", "a page outlives its owner", "701d678599d0"),
    Bug("Z06", "zs-chain-walk", 2022, "zsmalloc", "use after free, a stranger's page unlocked", "2505a981114d"),
    Bug("Z09", "zs-zone-stat", 2019, "zsmalloc", "the counter of a zone drifts", "ac8f05da5174"),
    Bug("Z11", "zs-gfp-movable-lie", 2025, "zsmalloc", "unmovable pages in a movable zone", "694d6b99923e"),
    Bug("Z13", "zs-shrinker-pileup", 2023, "zsmalloc", "reclaimers queue on one lock", "d2658f2052c7"),
    Bug("F01", "z3-mark-unlocked", 2019, "z3fold", "a half-made page is isolated"),
    Bug("F02", "z3-trylock-self", 2019, "z3fold", "no page ever migrates", "be03074c9af2"),
    Bug("F03", "z3-memcpy-header", 2019, "z3fold", "a corrupt list", "c92d2f38563d"),
    Bug("F06", "z3-workqueue-order", 2019, "z3fold", "work on a destroyed queue"),
    Bug("F08", "z3-inverted-drain", 2019, "z3fold", "destroying an idle pool blocks for ever", "6e73fd25e2c7"),
    Bug("F09", "z3-missing-unlock", 2019, "z3fold", "a lock is left held", "14108b9131a4"),
    Bug("F11", "z3-headless-claim", 2021, "z3fold", "a page is freed twice", "6d679578fe9c"),
    Bug("F13", "z3-old-header-via-handle", 2022, "z3fold", "the old page is used after migration", "943fb61dd66f"),
    Bug("F16", "z3-sleep-under-spinlock", 2022, "z3fold", "a sleeping allocation under a spin lock", "4c6bdb36408f"),
    Bug("B01", "bal-lru-leak", 2013, "core migrate", "a driver's page ends on the LRU lists", "117aad1e9e4d"),
    Bug("B02", "bal-anon-probe", 2014, "core compaction, balloon", "a wild read while scanning", "d6d86c0a7f8d"),
    Bug("B03", "bal-nocompact-deflate", 2014, "balloon", "the balloon never deflates"),
    Bug("B05", "bal-pfns-clobber", 2015, "virtio balloon", "pages are lost for ever", "f68b992bbb47"),
    Bug("B08", "bal-self-compaction", 2012, "virtio balloon", "a thread waits for its own mutex"),
    Bug("B09", "bal-oom-deadlock", 2017, "virtio balloon", "the OOM notifier waits for the allocator", "c7cdff0e8647"),
    Bug("B12", "bal-double-listdel", 2019, "balloon core", "a page is unlinked twice"),
    Bug("B14", "cmm-migrate-event", 2025, "pseries cmm", "an event is not counted", "0da2ba35c0d5"),
    Bug("B15", "cmm-uninit", 2025, "pseries cmm", "a list and a lock are used before they exist", "fc6bcf9ac4de"),
    Bug("B17", "bal-lock-behind-private", 2026, "balloon core", "the way to the lock is cleared first", "8202313e3dfa"),
    Bug("C01", "core-flag-rmw", 2022, "core migrate", "a waiter for the page lock sleeps for ever", "356ea3865687"),
    Bug("C02", "core-slab-poison", 2022, "core migrate", "list poison is read as a mapping", "8b8817630ae8"),
    Bug("C04", "core-nr-isolated-nonlru", 2016, "core compaction", "reclaim stalls", "6afcf8ef0ca0"),
    Bug("C06", "core-stat-width", 2020, "core vmscan", "contiguous allocation hangs", "2da9f6305f30"),
    Bug("C07", "core-isolate-overrun", 2020, "core compaction", "isolates past its limit and hangs", "38935861d85a"),
    Bug("C09", "core-callers-assume-lru", 2017, "core callers", "offlining fails on driver pages"),
    Bug("C10", "core-batch-deadlock", 2023, "core migrate", "two tasks wait for each other's page", "fb3592c41a44"),
    Bug("C12", "core-batched-writeback", 2023, "core migrate, ZFS", "a page under writeback is moved"),
    Bug("C13", "core-null-ops", 2025, "core migrate", "a call through no operations", "053c8ebe74f7"),
    Bug("C14", "core-mapping-unlocked", 2023, "core compaction", "a freed mapping is read"),
    Bug("C15", "core-secretmem-null", 2021, "core gup", "a mapping is loaded twice", "79f9bc584314"),
    Bug("A01", "aio-lost-update", 2014, "fs/aio", "an update goes to the old page", "fa8a53c39f3f"),
    Bug("S01", "ubifs-private-flag", 2016, "ubifs", "the private flag stays behind"),
    Bug("S03", "iomap-private-ref", 2018, "iomap", "no page ever migrates", "8e47a457321c"),
    Bug("S04", "hugetlb-private-dropped", 2019, "hugetlbfs", "quota leaks"),
    Bug("S07", "bh-sleep-in-atomic", 2025, "core buffer migration", "a sleeping copy under a spin lock", "2d900efff915"),
)

BUGS = {bug.id: bug for bug in _BUGS}
"""Every bug by its id."""
