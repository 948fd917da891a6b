"""What a run does, step by step: fill memory, break it up, repair it, use it, and read everything back."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from typing import TYPE_CHECKING, Any

from movable.lab import report
from movable.lab.options import PAGEBLOCK_BYTES, PAGEBLOCK_ORDER
from movable.lab.state import TEXT_SHIFT, Loaded, Offlined, Run, RunFailed
from movable.lab.terminal import Terminal
from movable.lab.workloads import fill
from movable.mm.compaction import compact_memory
from movable.mm.gfp import GFP_TRANSHUGE_LIGHT
from movable.mm.memory_hotplug import offline_pages
from movable.mm.page import Page, put_page
from movable.mm.page_flags import PAGE_MAPPING_FLAGS
from movable.mm.validate import validate_vm
from movable.mm.vm import VM
from movable.shown import many

if TYPE_CHECKING:
    from movable.mm.address_space import AddressSpace

CYCLE_FRAMES = 184
"""Frames that a process and one driver take in turn: so few that no huge page fits between two drivers' pages."""

DISCARD_SHARE = 0.25
"""How much of what was stored is thrown away again."""

BUSY_SHIFT = 14
"""One page of the process, and one of a store, for so many frames (a power of 2) is in use while compaction comes by."""

MOVES_BETWEEN_BUSY = 64
"""After so many moves of its pages the host of a balloon is busy for one."""

MEMORY_BLOCK_BYTES = 128 << 20
"""Bytes that are taken offline at once, as on x86-64; an eighth of a node where that is less."""


def fill_memory(run: Run, terminal: Terminal) -> None:
    """Store the data, inflate the balloon and let a process touch memory, all in turns, until memory is full."""
    fill(run.takers, run.process, max(1, (run.vm.nr_frames // CYCLE_FRAMES)), run.vm.random)
    run.look("filled")
    run.stored = [store.device.stat._asdict() for store in run.stores]
    run.process.held = len(run.process.frame_numbers)
    run.held = run.held_frames()
    run.unmarked = run.vm.nr_frames - run.free() - run.process.frames - sum(run.held.values())
    for line in report.filled(run):
        terminal.say(line)


def free_part(run: Run, terminal: Terminal) -> None:
    """The process gives up most of its memory and a part of the stored pages is discarded: what is free now lies in pieces."""
    freed = run.process.give_up()
    for store in run.stores:
        store.discard(DISCARD_SHARE, run.vm.random)
    if run.stores:
        run.swapped = run.process.swap_out(run.stores[0].pool, run.vm.nr_frames >> TEXT_SHIFT)
    run.look("before")
    terminal.say(report.freed(run, freed))
    terminal.say()
    terminal.show(run.map("before compaction"))


def try_huge_pages(run: Run, terminal: Terminal) -> None:
    """Ask for huge pages that may not compact, and so show how few there are; give back what came."""
    run.huge_wanted = max(1, run.free() >> PAGEBLOCK_ORDER + 1)
    pages = allocate_huge(run.vm, run.huge_wanted)
    run.huge_before = len(pages)
    for page in pages:
        put_page(page)
    terminal.say()
    terminal.say(report.huge(run, len(pages)))


def compact(run: Run, terminal: Terminal) -> None:
    """Compact every node while others use what moves, and show the map again."""
    share = max(1, run.vm.nr_frames >> BUSY_SHIFT)
    with ExitStack() as uses:
        uses.enter_context(run.process.at_work(share))
        for store in run.stores:
            uses.enter_context(store.in_use())
        uses.enter_context(others_at_work(run, share))
        compact_memory(run.vm)
    run.look("after")
    terminal.say(report.compacted(run))
    terminal.say()
    terminal.show(run.map("after compaction"))


@contextmanager
def others_at_work(run: Run, times: int) -> Iterator[None]:
    """Inside the block others are at work too, each ``times`` times: while drivers move pages, or offer them in kernels that take
    every page of a batch from its process first, the process gives some of its own back, and the host of a balloon is busy."""
    before = {mapping: mapping.a_ops for mapping in run.vm.address_spaces.values() if mapping.a_ops.migratepage is not None}
    for mapping, ops in before.items():
        ours = ops._replace(migratepage=_giving_back(run, _busy_host(run, mapping, ops.migratepage, times), times))
        if run.vm.era.batch_pages and ops.isolate_page is not None:
            ours = ours._replace(isolate_page=_giving_back(run, ops.isolate_page, times))
        mapping.a_ops = ours
    try:
        yield
    finally:
        for mapping, ops in before.items():
            mapping.a_ops = ops


def _giving_back(run: Run, inner: Callable[..., Any], times: int) -> Callable[..., Any]:
    """An operation of a driver before which the process gives a page back, as long as it gave fewer than ``times``."""
    def operation(*arguments: Any) -> Any:
        if len(run.process.gone) < times:
            run.process.give_back_one([one for one in arguments if isinstance(one, Page)][-1])
        return inner(*arguments)

    return operation


def _busy_host(run: Run, mapping: AddressSpace, inner: Any, times: int) -> Callable[..., Any]:
    """``migratepage`` of a driver, whose host (where it has one) is busy for some calls, ``times`` in all."""
    owner = next((one.instance for one in run.drivers if one.kind == run.owners.get(mapping.addr)), None)
    busy = getattr(owner, "host_is_busy", None)
    calls = 0

    def migratepage(*arguments: Any) -> Any:
        nonlocal calls
        calls += 1
        if busy is None or run.host_was_busy == times or calls % MOVES_BETWEEN_BUSY:
            return inner(*arguments)
        run.host_was_busy += 1
        with busy():
            return inner(*arguments)

    return migratepage


def take_huge_pages(run: Run, terminal: Terminal) -> None:
    """Ask for the same huge pages again, and keep them."""
    run.huge = allocate_huge(run.vm, run.huge_wanted)
    terminal.say()
    terminal.say(report.huge(run, len(run.huge)))


def allocate_huge(vm: VM, count: int) -> list[Page]:
    """Up to ``count`` huge pages from all nodes in turn, without compaction or reclaim on their behalf."""
    pages = []
    for number in range(count):
        page = vm.alloc_pages(GFP_TRANSHUGE_LIGHT, PAGEBLOCK_ORDER, number % len(vm.nodes))
        if page is None:
            break
        pages.append(page)
    return pages


def offline_block(run: Run, terminal: Terminal) -> None:
    """Take the memory block with the most movable pages offline."""
    vm = run.vm
    size = min(MEMORY_BLOCK_BYTES, run.settings.memory // run.settings.nodes // 8)
    frames = max(1, size // PAGEBLOCK_BYTES) << PAGEBLOCK_ORDER
    start, pages = busiest_block(vm, frames, run.owners)
    if start >= 0:
        run.offlined = Offlined(start, start + frames, pages, offline_pages(vm, start, frames))
    run.look("end")
    terminal.say(report.offlined(run))
    run.map("at the end")


def busiest_block(vm: VM, frames: int, owners: dict[int, int]) -> tuple[int, int]:
    """(first frame, movable pages) of the aligned block with most movable pages and nothing immovable; (-1, 0) if none.

    A block without any movable page is chosen only where no other is left.
    """
    best = (-1, -1)
    for zone in vm.zones:
        for start in range(zone.start_pfn, zone.end_pfn - frames + 1, frames):
            used = [page for pfn in range(start, start + frames) if (page := vm.pages.get(pfn)) and page._refcount > 0]
            movable = sum(1 for page in used if page._mapping & ~PAGE_MAPPING_FLAGS in owners or page._mapcount >= 0)
            if movable == len(used) and movable > best[0]:
                best = movable, start
    return (best[1], best[0]) if best[0] >= 0 else (-1, 0)


def read_back(run: Run, terminal: Terminal) -> None:
    """Read every stored page and compare it. Raises RunFailed when one is lost, after saying which."""
    wrong = run.compare()
    lost = run.process.compare()
    if lost and not wrong:
        raise RunFailed(f"the process's memory is lost: {many(len(lost), 'page')}, the first is number {lost[0]}")
    for line in report.read_back(run):
        terminal.say(line)
    if wrong:
        raise RunFailed(report.data_state(run))


def validate(run: Run, terminal: Terminal) -> None:
    """Count the machine again from its parts. Raises InvalidState."""
    validate_vm(run.vm)


def may_keep(run: Run, staying: list[Loaded]) -> int:
    """How many frames drivers that stay may have: those that are known to be theirs, or as many as when memory was full.

    A driver need not mark its pages, and may allocate them when nobody looks: frames of nobody known count as those of drivers that
    stay.
    """
    if not staying:
        return 0
    held = run.held_frames()
    marked = sum(held[driver.label] for driver in staying)
    when_full = run.unmarked + sum(run.held[driver.label] for driver in staying)
    return max(marked, when_full)


def remove(run: Run, terminal: Terminal) -> None:
    """Give the huge pages back, and let every driver that has ``remove`` go. Raises RunFailed for frames that do not come back."""
    for page in run.huge:
        put_page(page)
    run.process.exit()
    staying = [driver for driver in run.drivers if not callable(getattr(driver.instance, "remove", None))]
    for driver in reversed(run.drivers):
        if driver not in staying:
            driver.instance.remove()
    run.vm.run_work()
    offline = sum(end - start for zone in run.vm.zones for start, end in zone.offline_ranges())
    run.not_returned = max(0, run.vm.nr_frames - offline - run.free() - may_keep(run, staying))
    validate_vm(run.vm)
    if run.not_returned:
        frames = many(run.not_returned, "frame")
        raise RunFailed(f"{frames} did not come back when the drivers went: one of them leaks pages; {report.data_state(run)}")


STEPS: tuple[tuple[str, Callable[[Run, Terminal], None]], ...] = (
    ("filling memory", fill_memory),
    ("freeing a part", free_part),
    ("trying huge pages", try_huge_pages),
    ("compacting", compact),
    ("allocating huge pages", take_huge_pages),
    ("taking a memory block offline", offline_block),
    ("reading everything back", read_back),
    ("checking the machine", validate),
    ("removing the drivers", remove),
)
"""What a run does, in order, with the words for the progress line."""
