"""What one era of kernels calls things, allows and does: a row of data with types.

Every field is a behaviour that really changed between kernels. Whoever needs one asks for it by name when a machine is built, so
that nothing is asked in a loop, and nobody compares versions.
"""

from __future__ import annotations

from dataclasses import dataclass, field


@dataclass(frozen=True, slots=True, kw_only=True)
class Era:
    """One era. ``name`` is the version it is called by, ``kernels`` the versions that behave so, in words.

    The form of a driver (movable/registry/__init__.py):
    ``migrate_name``: what the migrate callback is called;
    ``mapping_argument``: it gets the mapping in front of (newpage, page, mode);
    ``former_forms``: eras whose form of the callback is called too, since only its name and the mapping changed;
    ``names``: what functions, flags and files are called there that have another name in 4.19.

    struct page (mm/page_flags.py, eras/page_types.py):
    ``flag_names``: the flag bits, by number, as a trace shows them; reclaim is also isolated, uptodate a mark that stays;
    ``atomic_isolated_flag``: PG_isolated is set and cleared atomically;
    ``sticky_mark``: a mark is a flag and a page type that stay until the page is free, and never a pointer in ``mapping``;
    ``page_types``: what the word over the map count holds for each type;
    ``movable_types``: the types that ``set_movable_ops`` takes; none where every page may be marked.

    The loop (mm/migrate.py, mm/migrate_batch.py):
    ``batch_pages``: how many pages one round takes; 0: all, a target comes before any look at the page, and the core itself puts a
    page back that failed for good;
    ``async_first``: passes over a batch in MIGRATE_ASYNC before the caller's own mode has its turn, 0 for none;
    ``passes``: passes of an asynchronous caller, and of all where ``async_first`` is 0;
    ``sync_passes``: passes of a caller that may wait, behind those in MIGRATE_ASYNC;
    ``force_after``: the pass from which a sync caller waits for a contended page lock; -1: at once;
    ``released_by_refs``: a page that only the isolation holds is completed without asking anybody;
    ``core_puts_back``: ``migrate_pages`` itself puts back a page with a permanent error;
    ``enomem_aborts``: -ENOMEM from the driver ends the run of every other page too;
    ``target_lru_detour``: an unmarked target takes a round trip through the LRU batch before it is freed;
    ``keeps_poisoned_source``: for soft offline the core leaves the last reference to who retires the frame;
    ``migrate_reasons``: why pages are migrated, in the order of the enum;
    ``migrate_trace_fields``: what the tracepoint mm_migrate_pages counts, in front of mode and reason;
    ``weaker_modes``: a driver may be called in a weaker mode than the caller of the loop asked for;
    ``no_copy_mode``: MIGRATE_SYNC_NO_COPY exists and must be refused;
    ``lru_add_first``: the new page of a move is on its LRU list before its mappings come back, and not when it is unlocked;
    ``copies_first``: the content of a page of a process is copied before its place is handed over;
    ``buffers_count_first``: the references to a page with buffers are looked at before its tree is locked;
    ``fallback_writes``: a dirty page of a file system without a migrate callback is written out, so that it can move later;
    ``fallback_gives_up``: where private data cannot be released, only MIGRATE_SYNC tries such a page again.

    Callers of the loop:
    ``compact_gap_limit``: the most free frames beyond the watermark that compaction asks for, 0 for no limit;
    ``proactive_floor``: the least score down to which proactive compaction goes, -1 where there is none;
    ``proactive_gap_halved``: it begins no further above that than half of it;
    ``compact_memory_wants_one``: only "1" may be written to vm.compact_memory;
    ``compaction_finishes_block``: compaction for a request never ends in the middle of a pageblock;
    ``compaction_captures``: a block that a request's own compaction makes free is handed to it at once, and the compaction ends;
    ``compaction_fast_sources``: for a movable request above order 3 compaction empties pageblocks first that the free lists name;
    ``compaction_fast_huge``: for any other request of a pageblock's size too;
    ``compaction_fast_targets``: compaction for a request asks the free lists for targets, before it scans;
    ``compaction_strides``: a scan for targets looks at every frame only where it finds free ones, else at one in up to 32;
    ``compaction_frees_targets``: an unused target passes the checks of a free page before it is used again;
    ``compaction_overfills``: the second batch that compaction takes from a pageblock is all the rest, and not 32 pages at most;
    ``skip_bits_sampled``: the skip bit of a pageblock is forgotten only where a sample finds an LRU page, or a free one to fill;
    ``contig_ends_on_enomem``: without memory ``alloc_contig_range`` gives up at once;
    ``offline_pages_at_once``: how many pages one pass of offlining takes, 0 for all;
    ``offline_stops_at_refusal``: a page that is not isolated ends the pass of offlining;
    ``soft_offline_switch``: vm.enable_soft_offline can switch soft offlining off;
    ``soft_offline_busy``: the error of a page that did not move is -EBUSY and not -EIO;
    ``soft_offline_again``: the result for a frame that is retired already;
    ``cma_first``: a movable request takes CMA first while more than half of what is free is CMA's;
    ``evicts_swap_cache``: a clean page of the swap cache that no process maps is dropped, as one of a file is.

    Files of /proc (mm/proc.py):
    ``free_list_limit``: the longest list of free blocks that pagetypeinfo counts, 0 for no limit;
    ``counts_free_blocks``: vmstat has nr_free_pages_blocks, the free frames of whole free pageblocks;
    ``node_meminfo``: the rows of a node's meminfo in front of those of huge pages.

    zsmalloc (drivers/movable_zsmalloc), its three ways to lock, and what follows:
    ``zs_locking``: "pins" in the handles, one lock of the "pool", or a lock in each "zspage" that writers only try;
    ``zs_chain``: the longest chain of pages;
    ``zs_class_rule``: the rule that chooses a length for a class;
    ``zs_fullness_groups``: lists that zspages of a class are on, by how full they are;
    ``zs_obj_bits``: bits of class, index and tag in a handle's word;
    ``zs_busy_error``: what the migrate callback answers while somebody uses the zspage, 0 where it waits;
    ``zs_free_takes_pool_lock``: a free keeps migrations of the whole pool out;
    ``zs_frees_outside_lock``: the pages of an empty zspage go back after the class lock was dropped;
    ``zs_malloc_errors``: answers for size 0, for a size above a page, and without memory.

    The balloon (drivers/movable_balloon, mm/balloon.py):
    ``balloon_core``: lists, marks, references and counters are the core's, and a device only talks to its host;
    ``balloon_oom``: how a balloon gives pages back in need, by a "shrinker" or a "notifier".

    The memory of processes (mm/memory.py, gup.py, mempolicy.py, mempolicy_calls.py, mmap.py, cpuset.py); answers of kernels other
    than 6.1 and 7.3 are taken from the nearer of the two:
    ``migration_wait_takes_ref``: a task that meets a page on its way holds a reference to it while it waits;
    ``absent_anon_enoent``: for move_pages a page that is not there in an anonymous private area is -ENOENT, else -EFAULT;
    ``protnone_pages_seen``: move_pages finds the pages of PROT_NONE areas;
    ``weighted_interleave``: MPOL_WEIGHTED_INTERLEAVE exists;
    ``balancing_preferred_many``: MPOL_F_NUMA_BALANCING goes with MPOL_PREFERRED_MANY too;
    ``balancing_keeps_user_mask``: MPOL_F_NUMA_BALANCING alone keeps the mask as the user gave it;
    ``file_interleave_by_inode``: the interleave index of a page behind a file's area always counts the inode's number;
    ``mbind_places_by_call``: mbind moves to where its own policy says, not to where the area's policy says afterwards;
    ``migrate_counts_untaken``: migrate_pages counts pages that it could not take, and a walk is not given up early;
    ``merge_into_fresh``: an area with anonymous pages of its own merges with a neighbour that has none;
    ``unaccounts_unused``: an anonymous area that nobody wrote to yet and that may no longer be written is charged no more;
    ``empty_mems_with_tasks``: cpuset.mems may be emptied while tasks are in the group;
    ``second_use_activates``: a page that is used again becomes active; not where the LRU lists have generations (CONFIG_LRU_GEN).
    """

    name: str
    kernels: str
    # the form of a driver
    migrate_name: str
    mapping_argument: bool
    former_forms: tuple[str, ...]
    names: dict[str, str] = field(hash=False)
    # struct page
    flag_names: tuple[str, ...]
    atomic_isolated_flag: bool
    sticky_mark: bool
    page_types: dict[str, int] = field(hash=False)
    movable_types: tuple[str, ...]
    # the loop
    batch_pages: int
    async_first: int
    passes: int
    sync_passes: int
    force_after: int
    released_by_refs: bool
    core_puts_back: bool
    enomem_aborts: bool
    target_lru_detour: bool
    keeps_poisoned_source: bool
    migrate_reasons: tuple[str, ...]
    migrate_trace_fields: tuple[str, ...]
    weaker_modes: bool
    no_copy_mode: bool
    lru_add_first: bool
    copies_first: bool
    buffers_count_first: bool
    fallback_writes: bool
    fallback_gives_up: bool
    # callers of the loop
    compact_gap_limit: int
    proactive_floor: int
    proactive_gap_halved: bool
    compact_memory_wants_one: bool
    compaction_finishes_block: bool
    compaction_captures: bool
    compaction_fast_sources: bool
    compaction_fast_huge: bool
    compaction_fast_targets: bool
    compaction_strides: bool
    compaction_frees_targets: bool
    compaction_overfills: bool
    skip_bits_sampled: bool
    contig_ends_on_enomem: bool
    offline_pages_at_once: int
    offline_stops_at_refusal: bool
    soft_offline_switch: bool
    soft_offline_busy: bool
    soft_offline_again: int
    cma_first: bool
    evicts_swap_cache: bool
    # files of /proc
    free_list_limit: int
    counts_free_blocks: bool
    node_meminfo: tuple[str, ...]
    # zsmalloc
    zs_locking: str
    zs_chain: int
    zs_class_rule: str
    zs_fullness_groups: int
    zs_obj_bits: tuple[int, int, int]
    zs_busy_error: int
    zs_free_takes_pool_lock: bool
    zs_frees_outside_lock: bool
    zs_malloc_errors: tuple[int, int, int]
    # the balloon
    balloon_core: bool
    balloon_oom: str
    # the memory of processes
    migration_wait_takes_ref: bool
    absent_anon_enoent: bool
    protnone_pages_seen: bool
    weighted_interleave: bool
    balancing_preferred_many: bool
    balancing_keeps_user_mask: bool
    file_interleave_by_inode: bool
    mbind_places_by_call: bool
    migrate_counts_untaken: bool
    merge_into_fresh: bool
    unaccounts_unused: bool
    empty_mems_with_tasks: bool
    second_use_activates: bool
