"""4.19, the kernel of the specification text, and what followed it up to 5.19: a mark is a tagged pointer to an address space."""

from __future__ import annotations

from errno import EAGAIN, EBUSY

from movable.eras.era import Era

ERA = Era(
    name="4.19",
    kernels="4.19 to 5.19",
    # the form of a driver
    migrate_name="migratepage",
    mapping_argument=True,
    former_forms=(),
    names={},
    # struct page
    flag_names=tuple(
        (
            "locked error referenced uptodate dirty lru active waiters slab owner_priv_1 arch_1 reserved private private_2 "
            "writeback head mappedtodisk reclaim swapbacked unevictable mlocked hwpoison"
        ).split()
    ),
    atomic_isolated_flag=False,
    sticky_mark=False,
    page_types={"balloon": ~0x100, "offline": ~0x100, "table": ~0x400},
    movable_types=(),
    # the loop
    batch_pages=0,
    async_first=0,
    passes=10,
    sync_passes=10,
    force_after=2,
    released_by_refs=True,
    core_puts_back=True,
    enomem_aborts=True,
    target_lru_detour=True,
    keeps_poisoned_source=False,
    migrate_reasons=tuple(
        (
            "compaction memory_failure memory_hotplug syscall_or_cpuset mempolicy_mbind numa_misplaced contig_range"
        ).split()
    ),
    migrate_trace_fields=("nr_succeeded", "nr_failed"),
    weaker_modes=False,
    no_copy_mode=True,
    lru_add_first=False,
    copies_first=False,
    buffers_count_first=False,
    fallback_writes=True,
    fallback_gives_up=False,
    # callers of the loop
    compact_gap_limit=0,
    proactive_floor=-1,
    proactive_gap_halved=False,
    compact_memory_wants_one=False,
    compaction_finishes_block=False,
    compaction_fast_sources=False,
    compaction_fast_huge=False,
    compaction_fast_targets=False,
    compaction_strides=False,
    compaction_frees_targets=False,
    compaction_captures=False,
    compaction_overfills=False,
    skip_bits_sampled=False,
    contig_ends_on_enomem=False,
    offline_pages_at_once=256,
    offline_stops_at_refusal=True,
    soft_offline_switch=False,
    soft_offline_busy=False,
    soft_offline_again=-EBUSY,
    cma_first=False,
    evicts_swap_cache=False,
    # the memory of processes
    migration_wait_takes_ref=True,
    absent_anon_enoent=False,
    protnone_pages_seen=False,
    weighted_interleave=False,
    balancing_preferred_many=False,
    balancing_keeps_user_mask=True,
    file_interleave_by_inode=False,
    mbind_places_by_call=False,
    migrate_counts_untaken=False,
    merge_into_fresh=False,
    unaccounts_unused=False,
    empty_mems_with_tasks=False,
    second_use_activates=True,
    # files of /proc
    free_list_limit=0,
    counts_free_blocks=False,
    node_meminfo=tuple(
        (
            "MemTotal MemFree MemUsed Active Inactive Active(anon) Inactive(anon) Active(file) Inactive(file) Unevictable Mlocked "
            "Dirty Writeback FilePages Mapped AnonPages Shmem KernelStack PageTables NFS_Unstable Bounce WritebackTmp Slab "
            "SReclaimable SUnreclaim AnonHugePages ShmemHugePages ShmemPmdMapped"
        ).split()
    ),
    # zsmalloc
    zs_locking="pins",
    zs_chain=4,
    zs_class_rule="percent",
    zs_fullness_groups=4,
    zs_obj_bits=(0, 23, 1),
    zs_busy_error=-EAGAIN,
    zs_free_takes_pool_lock=False,
    zs_frees_outside_lock=False,
    zs_malloc_errors=(0, 0, 0),
    # the balloon
    balloon_core=False,
    balloon_oom="shrinker",
)
