"""6.1 as distributions ship it: operations of their own kind behind the mark, and the caller puts back what did not move."""

from __future__ import annotations

from dataclasses import replace
from errno import EINVAL, ENOMEM

from movable.eras.linux_4_19 import ERA as BEFORE

ERA = replace(
    BEFORE,
    name="6.1",
    kernels="6.0 to 6.16",
    # the form of a driver
    migrate_name="migrate_page",
    mapping_argument=False,
    former_forms=("4.19",),
    names={"migratepage": "migrate_page", "migrate_page_move_mapping": "folio_migrate_mapping"},
    # struct page
    flag_names=tuple(
        (
            "locked referenced uptodate dirty lru active workingset waiters error slab owner_priv_1 arch_1 reserved private "
            "private_2 writeback head mappedtodisk reclaim swapbacked unevictable mlocked uncached hwpoison arch_2"
        ).split()
    ),
    atomic_isolated_flag=True,
    page_types={"balloon": ~0x100, "offline": ~0x100, "table": ~0x200, "guard": ~0x400},
    # the loop
    batch_pages=512,
    core_puts_back=False,
    target_lru_detour=False,
    keeps_poisoned_source=True,
    migrate_reasons=(*BEFORE.migrate_reasons, "longterm_pin", "demotion"),
    migrate_trace_fields=(*BEFORE.migrate_trace_fields, "nr_thp_succeeded", "nr_thp_failed", "nr_thp_split"),
    weaker_modes=True,
    lru_add_first=True,
    buffers_count_first=True,
    fallback_gives_up=True,
    # callers of the loop
    proactive_floor=5,
    compaction_finishes_block=True,
    compaction_captures=True,
    compaction_fast_sources=True,
    compaction_fast_targets=True,
    compaction_strides=True,
    compaction_overfills=True,
    skip_bits_sampled=True,
    contig_ends_on_enomem=True,
    offline_pages_at_once=0,
    offline_stops_at_refusal=False,
    soft_offline_busy=True,
    soft_offline_again=0,
    cma_first=True,
    evicts_swap_cache=True,
    # the memory of processes
    migration_wait_takes_ref=False,
    # files of /proc
    free_list_limit=100_000,
    node_meminfo=tuple(
        (
            "MemTotal MemFree MemUsed SwapCached Active Inactive Active(anon) Inactive(anon) Active(file) Inactive(file) "
            "Unevictable Mlocked Dirty Writeback FilePages Mapped AnonPages Shmem KernelStack PageTables SecPageTables "
            "NFS_Unstable Bounce WritebackTmp KReclaimable Slab SReclaimable SUnreclaim AnonHugePages ShmemHugePages "
            "ShmemPmdMapped FileHugePages FilePmdMapped"
        ).split()
    ),
    # zsmalloc
    zs_locking="pool",
    zs_busy_error=0,
    zs_free_takes_pool_lock=True,
    zs_malloc_errors=(-EINVAL, -EINVAL, -ENOMEM),
    # the balloon
    balloon_oom="notifier",
)
