"""Rules that no event shows by itself: each names the code that looks for it, and says what it saw."""

from __future__ import annotations

from movable.rules.rule import MAY, MUST, SHOULD, UNTESTED, Words, rule

D1 = rule(
    "D1", SHOULD, "three callbacks",
    "A driver provides isolate_page, migratepage and putback_page.",
    why="A page whose owner lacks isolate_page is simply not movable; one that lacks another is a crash waiting to happen.",
    kernel="include/linux/fs.h: struct address_space_operations",
    bugs="C13 B15", judged_by="sequential.observers:CallbackObserver.watch",
    sticky=Words(
        why="Nobody tests for them: one that is missing is a call through no pointer.",
    ),
)  # fmt: skip

D14 = rule(
    "D14", MUST, "everything follows the page",
    "After success all of the owner's state that named the old page names the new one before the page locks drop.",
    why="Whoever still finds the old page uses memory that belongs to somebody else.",
    kernel="mm/zsmalloc.c: zs_page_migrate",
    bugs="F13 F03 Z06 S01", judged_by="sequential.observers:CallbackObserver._moved",
)  # fmt: skip

D15 = rule(
    "D15", MUST, "content survives",
    "After success the new page holds what the old one held, as far as the driver promises content at all.",
    why="A copy that misses bytes, or a write that goes to the old page after the copy, loses data.",
    kernel="mm/zsmalloc.c: zs_page_migrate, fs/aio.c: aio_migratepage",
    bugs="A01 F13 Z01", judged_by="sequential.observers:CallbackObserver._compare",
)  # fmt: skip

D31 = rule(
    "D31", MUST, "put-back restores",
    "After putback_page the page is in the driver's structures again: usable, freeable, counted, exactly once.",
    why="What isolation took out and put-back forgets is leaked; what it adds twice is freed twice.",
    kernel="mm/zsmalloc.c: zs_page_putback, mm/balloon_compaction.c: balloon_page_putback",
    bugs="Z03 B12", judged_by="sequential.observers:CallbackObserver._putback",
)  # fmt: skip

D34 = rule(
    "D34", MUST, "freed once",
    "What is freed while its page is isolated is freed exactly once: deferred, or released at once, never both.",
    why="Both exits from an isolation owe the same follow-up work, and only one may do it.",
    kernel="mm/zsmalloc.c: zs_free",
    bugs="Z03 F11 Z01 B05", judged_by="sequential.harness:Machine._teardown",
)  # fmt: skip

D39 = rule(
    "D39", MUST, "what is mapped stays",
    "An object that a user has mapped does not move; migratepage answers -EAGAIN, or waits spinning.",
    why="The user's address would lead to the old page.",
    kernel="mm/zsmalloc.c: zs_map_object",
    bugs="F13 A01", judged_by="sequential.observers:CallbackObserver._migrate",
)  # fmt: skip

D40 = rule(
    "D40", SHOULD, "accounting follows the zone",
    "Counters of a zone or node move with the page when the target lies elsewhere.",
    why="One zone's counter grows for ever and the other's goes negative.",
    kernel="mm/zsmalloc.c: zs_page_migrate, drivers/virtio/virtio_balloon.c: virtballoon_migratepage",
    bugs="Z09 B14", judged_by="workload.workload:Workload._zone_books",
)  # fmt: skip

D43 = rule(
    "D43", MUST, "order of outside effects",
    "At no moment is a page both free in the guest and held by the device, or in use and given to the host.",
    why="Between two side effects the host may act on either.",
    kernel="drivers/virtio/virtio_balloon.c: virtballoon_migratepage",
    bugs="B05", judged_by="sequential.bookkeeping:outside_books",
)  # fmt: skip

D44 = rule(
    "D44", MUST, "exact counts",
    "The driver's own counts match what it has: every isolation ends in one move, put-back or release.",
    why="A count that drifts makes the driver wait for ever, or not at all.",
    kernel="mm/balloon_compaction.c: balloon_page_isolate, mm/zsmalloc.c: dec_zspage_isolation",
    bugs="Z09 B14 C06 S04", judged_by="sequential.bookkeeping:Audit.settled",
)  # fmt: skip

D45 = rule(
    "D45", MAY, "movable memory for movable pages",
    "A driver asks for movable memory only for pages that it marks movable later.",
    why="An unmarked page in a movable block cannot be moved out of it.",
    kernel="mm/balloon_compaction.c: balloon_page_alloc, mm/zsmalloc.c: zs_create_pool",
    bugs="Z11 B03", judged_by="sequential.bookkeeping:Audit.settled",
)  # fmt: skip

D49 = rule(
    "D49", MUST, "waits end",
    "No task waits for ever: no deadlock, no wait for one's own lock, no wake-up that is lost.",
    why="A stuck callback stops compaction, and with it every allocation that waits for it.",
    kernel="mm/filemap.c: __lock_page, mm/z3fold.c: z3fold_destroy_pool",
    bugs="F08 B08 B09 C01 C10 F09 C07 B03", judged_by="rules.stream.monitor:rule_of",
)  # fmt: skip

D50 = rule(
    "D50", SHOULD, "progress",
    "An idle movable page can be migrated within a bounded number of tries.",
    why="A page that claims to be movable and never moves is worse than one that does not.",
    kernel="mm/migrate.c: migrate_pages",
    bugs="F02 S03 B03 Z11 C04 C09", judged_by="sequential.harness:Machine._progress",
)  # fmt: skip

D51 = rule(
    "D51", MUST, "callbacks end",
    "Every callback and every operation of the driver ends within a bounded number of steps.",
    why="A retry that never gives up hangs the caller.",
    kernel="mm/migrate.c: migrate_pages",
    bugs="C06 C07", judged_by="sequential.harness:Machine._guard",
)  # fmt: skip

D52 = rule(
    "D52", MUST, "no stray exception",
    "No operation of the driver raises an exception that it does not document.",
    why="In a kernel this is an oops, with locks held and pages half moved.",
    bugs="B02 C15 B15", judged_by="sequential.harness:Machine._guard",
)  # fmt: skip

D53 = rule(
    "D53", MUST, "no data race",
    "Two tasks do not use the same field without an order between them, unless both only read.",
    why="What one of them did is lost, or seen half done.",
    kernel="tools/memory-model/Documentation/explanation.txt",
    bugs="C01 C15 Z06", judged_by="concurrent.search",
)  # fmt: skip

D54 = rule(
    "D54", MUST, "the driver's own invariants",
    "What the driver's author says must always hold does hold at every quiet point.",
    why="Nobody knows the driver's structures better.",
    bugs="Z01 Z03 F03 B05 B12", judged_by="sequential.harness:Machine._guard",
)  # fmt: skip

D55 = rule(
    "D55", MAY, "bounded waiting",
    "Callers of one slow operation do not queue behind each other without bound.",
    why="Under pressure every task of a machine calls the same shrinker.",
    kernel="mm/zsmalloc.c: zs_compact",
    bugs="Z13", kind=UNTESTED,
)  # fmt: skip

D61 = rule(
    "D61", MUST, "the machine's counters are as before",
    "After a driver's removal every counter of the zones, the nodes and the machine says what it said before the driver came.",
    why="What is counted once too often, or given back in another zone, adds up until the numbers mean nothing.",
    kernel="drivers/virtio/virtio_balloon.c: virtballoon_migratepage, mm/zsmalloc.c: zs_page_migrate",
    bugs="Z09 B14", judged_by="sequential.harness:Machine._teardown",
)  # fmt: skip

D62 = rule(
    "D62", MUST, "no final error again and again",
    "An idle page that nobody uses does not answer each MIGRATE_SYNC with an error that is final.",
    why="Such an error tells the core that trying on is no use, so the page is never moved and its block never free.",
    kernel="mm/migrate.c: migrate_pages",
    bugs="S03", judged_by="sequential.harness:Machine._final_errors",
)  # fmt: skip

D63 = rule(
    "D63", SHOULD, "wait for a count of one's own",
    "Who waits until a page is back waits for something that the driver changes before it wakes, not for PG_isolated.",
    why="The core clears PG_isolated only after migratepage or putback_page: a sleeper that the callback wakes may look too early, "
    "and is not woken again.",
    kernel="mm/migrate.c: putback_movable_page, mm/migrate.c: move_to_new_page",
    judged_by="concurrent.lost_wakeups:cause_of_sleep",
)  # fmt: skip

V20 = rule(
    "V20", SHOULD, "not counted as LRU pages",
    "Isolated pages of drivers do not count in NR_ISOLATED.",
    why="Reclaim waits when that number is large.",
    kernel="mm/migrate.c: unmap_and_move",
    bugs="C04 C06", judged_by="sequential.bookkeeping:Audit.books",
)  # fmt: skip

V32 = rule(
    "V32", MUST, "no page is lost",
    "Free, allocated, isolated-free and bad frames add up to the machine, and each is in one place.",
    why="Everything else is built on this.",
    kernel="mm/page_alloc.c",
    bugs="B05", judged_by="mm.validate:_findings",
)  # fmt: skip
