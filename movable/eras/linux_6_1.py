"""6.1 as distributions ship it: operations of their own kind behind the mark, and the caller puts back what did not move."""

from __future__ import annotations

from errno import EINVAL, ENOMEM

from movable.eras.era import Era

ERA = Era(
    name="6.1",
    kernels="6.0 to 6.16",
    # the form of a driver
    migrate_name="migrate_page",
    mapping_argument=False,
    former_forms=("4.19",),
    # struct page
    flag_names=tuple(
        (
            "locked referenced uptodate dirty lru active workingset waiters error slab owner_priv_1 arch_1 reserved private "
            "private_2 writeback head mappedtodisk reclaim swapbacked unevictable mlocked uncached hwpoison arch_2"
        ).split()
    ),
    atomic_isolated_flag=True,
    sticky_mark=False,
    page_types={"balloon": ~0x100, "offline": ~0x100, "table": ~0x200, "guard": ~0x400},
    movable_types=(),
    # the loop
    batch_pages=512,
    async_first=0,
    passes=10,
    sync_passes=10,
    force_after=2,
    released_by_refs=True,
    core_puts_back=False,
    enomem_aborts=True,
    target_lru_detour=False,
    keeps_poisoned_source=True,
    migrate_reasons=tuple(
        (
            "compaction memory_failure memory_hotplug syscall_or_cpuset mempolicy_mbind numa_misplaced contig_range "
            "longterm_pin demotion"
        ).split()
    ),
    weaker_modes=True,
    no_copy_mode=True,
    # callers of the loop
    compact_gap_limit=0,
    compaction_frees_targets=False,
    compaction_overfills=True,
    contig_ends_on_enomem=True,
    offline_pages_at_once=0,
    offline_stops_at_refusal=False,
    soft_offline_busy=True,
    soft_offline_again=0,
    # the memory of processes
    absent_anon_enoent=False,
    protnone_pages_seen=False,
    weighted_interleave=False,
    balancing_preferred_many=False,
    balancing_keeps_user_mask=True,
    file_interleave_by_inode=False,
    mbind_places_by_call=False,
    migrate_counts_untaken=False,
    merge_into_fresh=False,
    empty_mems_with_tasks=False,
    # zsmalloc
    zs_locking="pool",
    zs_chain=4,
    zs_class_rule="percent",
    zs_fullness_groups=4,
    zs_obj_bits=(0, 23, 1),
    zs_busy_error=0,
    zs_free_takes_pool_lock=True,
    zs_frees_outside_lock=False,
    zs_malloc_errors=(-EINVAL, -EINVAL, -ENOMEM),
    # the balloon
    balloon_core=False,
    balloon_oom="notifier",
)
