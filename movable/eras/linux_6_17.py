"""6.17: a mark is a page type with a flag, both stay until the page is free, and operations belong to the type."""

from __future__ import annotations

from dataclasses import replace
from errno import EINVAL, ENOMEM, ENOSPC

from movable.eras.linux_6_1 import ERA as BEFORE
from movable.eras.page_types import TOP_BYTE

ERA = replace(
    BEFORE,
    name="6.17",
    kernels="6.17",
    # the form of a driver
    names={
        **BEFORE.names,
        "PG_isolated": "PG_movable_ops_isolated",
        "__SetPageMovable": "SetPageMovableOps",
        "isolate_movable_page": "isolate_movable_ops_page",
        "move_to_new_page": "migrate_movable_ops_page",
        "putback_movable_page": "putback_movable_ops_page",
        "unmap_and_move": "migrate_pages_batch",
        "__unmap_and_move": "migrate_folio_move",
        "isolate_lru_page": "folio_isolate_lru",
        "putback_lru_page": "folio_putback_lru",
    },
    # struct page
    flag_names=tuple(
        (
            "locked writeback referenced uptodate dirty lru head waiters active workingset owner_priv_1 owner_2 arch_1 "
            "reserved private private_2 reclaim swapbacked unevictable dropbehind mlocked hwpoison young idle"
        ).split()
    ),
    sticky_mark=True,
    page_types=TOP_BYTE,
    movable_types=("offline", "zsmalloc"),
    # the loop
    async_first=3,
    sync_passes=7,
    force_after=-1,
    enomem_aborts=False,
    migrate_reasons=(*BEFORE.migrate_reasons, "damon"),
    migrate_trace_fields=(*BEFORE.migrate_trace_fields, "nr_split"),
    no_copy_mode=False,
    copies_first=True,
    fallback_writes=False,
    # callers of the loop
    proactive_floor=0,
    proactive_gap_halved=True,
    compact_memory_wants_one=True,
    compaction_fast_huge=True,
    compaction_frees_targets=True,
    soft_offline_switch=True,
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
    unaccounts_unused=True,
    empty_mems_with_tasks=True,
    second_use_activates=False,
    # files of /proc
    node_meminfo=(*BEFORE.node_meminfo, "Unaccepted", "Balloon"),
    # zsmalloc
    zs_locking="zspage",
    zs_chain=8,
    zs_class_rule="least-waste",
    zs_fullness_groups=12,
    zs_obj_bits=(0, 24, 0),
    zs_busy_error=-EINVAL,
    zs_malloc_errors=(-EINVAL, -ENOSPC, -ENOMEM),
)
