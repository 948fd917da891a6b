"""6.17: a mark is a page type with a flag, both stay until the page is free, and operations belong to the type."""

from __future__ import annotations

from errno import EINVAL, ENOMEM, ENOSPC

from movable.eras.era import Era
from movable.eras.page_types import TOP_BYTE

ERA = Era(
    name="6.17",
    kernels="6.17",
    # the form of a driver
    migrate_name="migrate_page",
    mapping_argument=False,
    former_forms=("4.19",),
    # struct page
    flag_names=tuple(
        (
            "locked writeback referenced uptodate dirty lru head waiters active workingset owner_priv_1 owner_2 arch_1 "
            "reserved private private_2 reclaim swapbacked unevictable dropbehind mlocked hwpoison young idle"
        ).split()
    ),
    atomic_isolated_flag=True,
    sticky_mark=True,
    page_types=TOP_BYTE,
    movable_types=("offline", "zsmalloc"),
    # the loop
    batch_pages=512,
    async_first=3,
    passes=10,
    sync_passes=7,
    force_after=-1,
    released_by_refs=True,
    core_puts_back=False,
    enomem_aborts=False,
    target_lru_detour=False,
    keeps_poisoned_source=True,
    migrate_reasons=tuple(
        (
            "compaction memory_failure memory_hotplug syscall_or_cpuset mempolicy_mbind numa_misplaced contig_range "
            "longterm_pin demotion damon"
        ).split()
    ),
    weaker_modes=True,
    no_copy_mode=False,
    # callers of the loop
    compact_gap_limit=0,
    compaction_frees_targets=True,
    compaction_overfills=True,
    contig_ends_on_enomem=True,
    offline_pages_at_once=0,
    offline_stops_at_refusal=False,
    soft_offline_busy=True,
    soft_offline_again=0,
    # the memory of processes
    absent_anon_enoent=True,
    protnone_pages_seen=True,
    weighted_interleave=True,
    balancing_preferred_many=True,
    balancing_keeps_user_mask=False,
    file_interleave_by_inode=True,
    mbind_places_by_call=True,
    migrate_counts_untaken=True,
    merge_into_fresh=True,
    empty_mems_with_tasks=True,
    # zsmalloc
    zs_locking="zspage",
    zs_chain=8,
    zs_class_rule="least-waste",
    zs_fullness_groups=12,
    zs_obj_bits=(0, 24, 0),
    zs_busy_error=-EINVAL,
    zs_free_takes_pool_lock=True,
    zs_frees_outside_lock=False,
    zs_malloc_errors=(-EINVAL, -ENOSPC, -ENOMEM),
    # the balloon
    balloon_core=False,
    balloon_oom="notifier",
)
