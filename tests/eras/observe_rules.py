"""What can be seen of the features of an era that its callers, its rules and its traces have."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from errno import EAGAIN, ENOMEM
from types import SimpleNamespace
from typing import Any, cast
from unittest.mock import patch

from movable import (
    VM,
    AddressSpace,
    ClearPageMovable,
    DeadlockError,
    Event,
    ListHead,
    Page,
    SetPageBalloon,
    get_page,
    lock_page,
    put_page,
)
from movable.eras import ERAS, Era
from movable.mm.compaction import compact_finished, compact_memory, reset_zone_hints, try_to_compact_pages
from movable.mm.compaction_control import COMPACT_PRIO_SYNC_FULL, CompactControl
from movable.mm.compaction_proactive import fragmentation_score_wmark
from movable.mm.gfp import GFP_HIGHUSER_MOVABLE, GFP_KERNEL
from movable.mm.memory_hotplug import do_migrate_range
from movable.mm.migrate import MIGRATE_SYNC, MR_COMPACTION, migrate_pages
from movable.mm.node_files import meminfo
from movable.mm.page_alloc_contig import alloc_contig_range
from movable.mm.proc import pagetypeinfo, vmstat
from movable.mm.userspace import userspace
from movable.rules.stream.monitor import Monitor
from movable.sh.files import tree
from movable.sh.machine import Machine
from movable.trace.read.era_signs import Signs
from movable.trace.read.vocabulary import FLAG_LAYOUTS, model_flags
from movable_zsmalloc import Zsmalloc
from tests.mm.test_compaction_fast import first_source, first_target, looked_at
from tests.mm.test_migrate_batch import Scripted, half_empty, isolated, run


def flags_of(era: Era) -> int:
    with patch.dict(FLAG_LAYOUTS, {era.name: era.flag_names}):
        return model_flags(1 << 18, era.name)


def reads_and_writes(era: Era) -> list[str]:
    """The steps in which the core sets PG_isolated, when somebody may come between them."""
    vm = VM(64 << 12, era=era)
    driver = Scripted(vm)
    page = driver.add(1)[0]
    steps: list[str] = []
    seam = vm.observe(lambda event: None)
    with patch.object(type(seam), "point", lambda self, kind, key, *rest: steps.append(kind) if key[-1] == "flags" else None):
        isolated([page])
    return steps


def locked_target_passes(era: Era) -> int:
    """How many targets are asked for before the core waits for the lock of a page; nobody is there who could give it back."""
    vm = VM(64 << 12, era=era)
    driver = Scripted(vm)
    pages = isolated(list(driver.add(1)))
    lock_page(driver.pages[0])
    asked: list[int] = []

    def new(page: Page, private: Any) -> Page | None:
        asked.append(page.pfn)
        return vm.alloc_page()

    try:
        migrate_pages(pages, new, None, None, MIGRATE_SYNC, MR_COMPACTION)
    except DeadlockError:
        return len(asked)
    return -1


class Unmarked(Scripted):
    """Moves its page and forgets to mark the new one."""

    def migratepage(self, mapping: AddressSpace, newpage: Page, page: Page, mode: int) -> int:
        get_page(newpage)
        ClearPageMovable(page)
        put_page(page)
        return 0


def unmarked_target(era: Era) -> list[str]:
    vm = VM(64 << 12, era=era)
    pages = isolated(list(Unmarked(vm).add(1)))
    seen: list[str] = []
    vm.observe(lambda event: seen.append(event.args.get("field", "")))
    migrate_pages(pages, lambda page, vm: vm.alloc_page(), None, vm, MIGRATE_SYNC, MR_COMPACTION)
    return [field for field in seen if field == "flag lru"]


def judged(era: Era, answers: dict[int, list[int]], like: str = "", pages: int = 2) -> set[str]:
    """The rules of ``era`` on what a machine of the era called ``like`` does."""
    vm = VM(64 << 12, era=like or era)
    monitor = Monitor(era=era)
    vm.observe(monitor.feed)
    driver = Scripted(vm, answers)
    taken = isolated(list(driver.add(pages)))
    migrate_pages(taken, lambda page, vm: vm.alloc_page(), None, vm, MIGRATE_SYNC, MR_COMPACTION)
    return set(monitor.broken)


def overfilled(era: Era) -> set[str]:
    """Compaction isolates 33 pages before it migrates any."""
    monitor = Monitor(["V34"], era)
    events = [Event(1, "kcompactd", "compact_zone", -1, -1, -1, -1, {"node": 0, "zone": "Normal", "order": -1, "mode": 2})]
    for pfn in range(33):
        events.append(Event(len(events), "kcompactd", "isolate_movable_page", pfn, 0, -1, 1, {"mode": 8}))
        events.append(Event(len(events), "kcompactd", "isolate_movable_page_ret", pfn, 0, -1, 2, {"ret": 0}))
    for event in events:
        monitor.feed(event)
    return set(monitor.broken)


def counted_calls(era: Era, work: Callable[[VM, Scripted], object], answers: dict[int, list[int]], pages: int = 6) -> object:
    vm = VM(64 << 12, era=era, pageblock_order=4)
    driver = Scripted(vm, answers)
    driver.add(pages)
    calls: Counter[str] = Counter()
    vm.observe(lambda event: calls.update([event.kind]))
    return work(vm, driver), calls["migrate_pages"], calls["isolate_page"], calls["putback_page"]


def contig_without_targets(vm: VM, driver: Scripted) -> int:
    with patch("movable.mm.page_alloc_contig.alloc_migrate_target", lambda page, private: None):
        return alloc_contig_range(vm, 0, 16)


def unused_targets(era: Era) -> list[str]:
    """How compaction takes a target back that was not needed."""
    vm = VM(64 << 12, era=era, pageblock_order=3)
    Scripted(vm).add(4)
    ways: list[str] = []

    def noted(pages: ListHead, alloc: Any, give_back: Callable[..., None], *rest: Any) -> int:
        ways.append(give_back.__name__)
        return migrate_pages(pages, alloc, give_back, *rest)

    with patch("movable.mm.compaction.migrate_pages", noted):
        compact_memory(vm)
    return ways


def offline_with_a_refusal(vm: VM, driver: Scripted) -> int:
    driver.pages[2].private = 0  # which makes it refuse
    return do_migrate_range(vm, 0, 32)


def busy(era: Era) -> int:
    """What the migrate callback answers while somebody reads an object of the zspage."""
    vm = VM(16 << 20, era=era)
    pool = Zsmalloc(vm)
    key = pool.zs_malloc(100)
    page, newpage = vm.page(pool.handles[key].location[0]), vm.alloc_page()
    assert newpage is not None
    page.private.lock.read_lock()
    lock_page(page)
    lock_page(newpage)
    answer: int = pool.way.migrate(pool, newpage, page, 2)
    return answer


def locks_of_a_free(era: Era) -> list[tuple[str, object]]:
    """The locks that a free takes, and where in between its page goes back."""
    vm = VM(16 << 20, era=era)
    pool = Zsmalloc(vm)
    key = pool.zs_malloc(4096)
    seen: list[tuple[str, object]] = []
    vm.observe(lambda event: seen.append((event.kind, event.args.get("lock", event.args.get("name")))))
    pool.zs_free(key)
    return seen


def typed(era: Era) -> int:
    vm = VM(64 << 12, era=era)
    page = vm.alloc_page()
    assert page is not None
    SetPageBalloon(page)
    return page._mapcount


def tracepoint(era: Era) -> str:
    line = "sh-1 [001] ..... 47.7: mm_migrate_pages: nr_succeeded=4 nr_failed=0 mode=MIGRATE_SYNC reason=compaction\n"
    signs = Signs()
    signs.see([line])
    with patch.dict(ERAS, {era.name: era}):
        return signs.era


def enomem(era: Era) -> object:
    driver, rc, left = run(era, {0: [-ENOMEM]}, mode=MIGRATE_SYNC)
    return driver.log, rc, left


def free_list(era: Era) -> str:
    vm = VM(64 << 12, era=era)
    pages = [vm.alloc_page() for _ in range(8)]
    for page in pages[::2]:
        assert page is not None
        put_page(page)
    return pagetypeinfo(vm)


def memory_of_a_node(era: Era) -> str:
    vm = VM(64 << 12, era=era)
    return meminfo(userspace(vm), vm.nodes[0])


def written(era: Era, path: str, text: str) -> object:
    """What a write to a file of the prompt's machine does; an OSError's number where it is refused."""
    machine = SimpleNamespace(vm=VM(64 << 12, era=era), huge=[], proactiveness=20, run=SimpleNamespace(drivers=[]))
    files = tree(cast(Machine, machine))
    if path not in files:
        return "no such file"
    write = files[path].write
    assert write is not None
    try:
        write(text)
    except OSError as error:
        return error.errno
    return 0


def in_the_middle(era: Era) -> int:
    """Whether compaction for a request goes on in the middle of a block although a page for it is there."""
    vm = VM(64 << 12, era=era, pageblock_order=3)
    cc = CompactControl(vm.zones[0], 0, GFP_HIGHUSER_MOVABLE, MIGRATE_SYNC)
    cc.migrate_pfn = 5
    return compact_finished(cc)


def captured(era: Era) -> list[int]:
    """The block that compaction hands to who asked for it."""
    found: list[int] = []
    try_to_compact_pages(half_empty(era), GFP_HIGHUSER_MOVABLE, 5, COMPACT_PRIO_SYNC_FULL, captured=found)
    return found


def forgotten(era: Era) -> bytes:
    """Which skip bits are left."""
    zone = VM(64 << 12, era=era, pageblock_order=3).zones[0]
    zone.skip[:] = b"\1" * len(zone.skip)
    reset_zone_hints(zone)
    return bytes(zone.skip)


LATE = ("nr_succeeded", "nr_failed", "nr_late")
SHOWN: dict[str, tuple[str, Any, Callable[[Era], object]]] = {
    "flag_names": ("6.1", ERAS["7.3"].flag_names, flags_of),
    "atomic_isolated_flag": ("6.1", False, reads_and_writes),
    "page_types": ("6.1", {**ERAS["6.1"].page_types, "balloon": ~0x800}, typed),
    "force_after": ("6.1", 5, locked_target_passes),
    "core_puts_back": ("4.19", False, lambda era: judged(era, {0: [-1] * 9}, like="4.19")),
    "enomem_aborts": ("4.19", False, enomem),
    "target_lru_detour": ("4.19", False, unmarked_target),
    "migrate_trace_fields": ("4.19", LATE, tracepoint),
    "weaker_modes": ("7.3", False, lambda era: judged(era, {}, like="7.3")),
    "compaction_captures": ("4.19", True, captured),
    "compaction_fast_sources": ("6.1", False, first_source),
    "compaction_fast_huge": ("6.17", False, lambda era: first_source(era, gfp=GFP_KERNEL)),
    "compaction_fast_targets": ("6.1", False, first_target),
    "compaction_strides": ("6.1", False, looked_at),
    "compaction_frees_targets": ("7.3", False, unused_targets),
    "compaction_finishes_block": ("6.1", False, in_the_middle),
    "skip_bits_sampled": ("6.1", False, forgotten),
    "compaction_overfills": ("4.19", True, overfilled),
    "contig_ends_on_enomem": ("6.1", False, lambda era: counted_calls(era, contig_without_targets, {})),
    "offline_pages_at_once": ("4.19", 2, lambda era: counted_calls(era, lambda vm, driver: do_migrate_range(vm, 0, 32), {})),
    "offline_stops_at_refusal": ("4.19", False, lambda era: counted_calls(era, offline_with_a_refusal, {})),
    "proactive_floor": ("6.1", 0, lambda era: fragmentation_score_wmark(VM(64 << 12, era=era), 100, True)),
    "proactive_gap_halved": ("7.3", False, lambda era: fragmentation_score_wmark(VM(64 << 12, era=era), 90, False)),
    "compact_memory_wants_one": ("7.3", False, lambda era: written(era, "/proc/sys/vm/compact_memory", "2")),
    "soft_offline_switch": ("7.3", False, lambda era: written(era, "/proc/sys/vm/enable_soft_offline", "0")),
    "free_list_limit": ("6.1", 3, free_list),
    "node_meminfo": ("4.19", ("MemTotal",), memory_of_a_node),
    "counts_free_blocks": ("7.3", False, lambda era: vmstat(VM(64 << 12, era=era))),
    "zs_busy_error": ("7.3", -EAGAIN, busy),
    "zs_free_takes_pool_lock": ("7.3", True, locks_of_a_free),
    "zs_frees_outside_lock": ("7.3", False, locks_of_a_free),
}
