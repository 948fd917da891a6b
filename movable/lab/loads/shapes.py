"""The workloads: each ages a machine in its own way. What the generators yield is the name of the phase that a step was in."""

from __future__ import annotations

from collections.abc import Callable, Iterator

from movable.lab.loads.bench import Bench
from movable.mm.cma import Cma, cma_alloc, cma_init_reserved_mem, cma_release
from movable.mm.compaction import compact_memory
from movable.mm.gfp import GFP_TRANSHUGE_LIGHT
from movable.mm.memory_hotplug import offline_pages, online_pages
from movable.mm.page import Page, get_page, put_page

Workload = Callable[[Bench, int], Iterator[str]]


def mixed_server(bench: Bench, steps: int) -> Iterator[str]:
    """A process, a swap store and the kernel share memory. Each step replaces a tenth of everything, then asks for huge pages."""
    frames = bench.frames
    bench.open_store(frames // 2)
    for part in range(4):
        bench.touch(frames // 10)
        bench.keep(frames // 50, part % 3)
        for slot in range(part * frames // 20, (part + 1) * frames // 20):
            bench.write(slot)
    bench.touch_all_but(0.18)
    yield "fill"
    for _ in range(steps):
        bench.free_huge()
        bench.give_up(0.1)
        bench.let_go(0.2)
        for slot in bench.chance.sample(sorted(bench.slots), len(bench.slots) // 10):
            bench.discard(slot)
        bench.keep(frames // 60, bench.chance.randrange(3))
        for slot in range(frames // 5):
            if slot not in bench.slots:
                bench.write(slot)
        bench.touch_all_but(0.18)
        bench.ask_huge(2)
        yield "serve"


def compressed_swap(bench: Bench, steps: int) -> Iterator[str]:
    """A store takes most of what a process gives up; each step throws a tenth away and writes as much; every fifth compacts."""
    frames = bench.frames
    bench.open_store(frames)
    bench.touch(frames * 6 // 10)
    for slot in range(frames // 3):
        bench.write(slot)
    bench.give_up(0.5)
    yield "fill"
    for step in range(steps):
        for slot in bench.chance.sample(sorted(bench.slots), len(bench.slots) // 10):
            bench.discard(slot)
        bench.touch(frames // 40)
        if step % 5 == 4:
            compact_memory(bench.vm)
            bench.ask_huge(4, GFP_TRANSHUGE_LIGHT)
            bench.free_huge()
        for slot in range(frames // 3):
            if slot not in bench.slots and bench.chance.random() < 0.7:
                bench.write(slot)
        yield "compact" if step % 5 == 4 else "swap"


def balloon_host(bench: Bench, steps: int) -> Iterator[str]:
    """A host takes memory from a guest and gives it back, by turns; the guest's process grows into what is left."""
    frames = bench.frames
    bench.touch(frames // 3)
    yield "fill"
    for step in range(steps):
        up = step % 2 == 0
        bench.inflate(frames * (4 if up else 1) // 10)
        if up:
            bench.give_up(0.3)
        else:
            bench.touch(frames // 10)
        bench.touch_all_but(0.15)
        bench.ask_huge(2)
        bench.free_huge()
        yield "inflate" if up else "deflate"


def fragmenter(bench: Bench, steps: int) -> Iterator[str]:
    """Memory is taken page by page until none is left, and all but one page of each 16 freed; one in 32 of those that stay is
    the kernel's, taken while memory was short. Then huge pages are asked for, a few each step, with compaction."""
    while bench.touch(bench.frames):
        pass
    yield "fill"
    bench.give_up(1 / 512)
    bench.keep(bench.frames // 512)
    bench.unmap(sorted(page for page in bench.touched if page % 16))
    yield "free"
    wanted = max(1, bench.frames >> 10)
    for _ in range(steps):
        bench.ask_huge(max(1, wanted // steps))
        yield "ask"


def cma_camera(bench: Bench, steps: int) -> Iterator[str]:
    """A contiguous area of an eighth of memory is lent to a process; a camera wants buffers of it each step. Now and then somebody
    holds a page of it, as a reader of its memory does."""
    vm, frames = bench.vm, bench.frames
    size = max(1024, frames // 8 // 1024 * 1024)
    zone = vm.zones[-1]
    area = cma_init_reserved_mem(vm, (zone.end_pfn - size) // 1024 * 1024, size, 0, "camera")
    bench.touch_all_but(0.08)
    yield "fill"
    for _ in range(steps):
        held = _reader(bench, area) if bench.chance.random() < 0.5 else None
        buffers = []
        for count in (size // 4, size // 8, size // 8):
            bench.asked += 1
            page = cma_alloc(area, count, 4)
            if page is not None:
                bench.got += 1
                buffers.append((page, count))
        yield "record"
        for page, count in buffers:
            cma_release(area, page, count)
        if held is not None:
            put_page(held)
        bench.give_up(0.05)
        bench.touch_all_but(0.08)


def _reader(bench: Bench, area: Cma) -> Page | None:
    """Hold a page that was lent, with one more reference."""
    pages = bench.vm.pages
    lent = [pages[pfn] for pfn in range(area.base_pfn, area.base_pfn + area.count) if pfn in pages and pages[pfn]._mapcount >= 0]
    if not lent:
        return None
    page = bench.chance.choice(lent)
    get_page(page)
    return page


def memory_hot_unplug(bench: Bench, steps: int) -> Iterator[str]:
    """A machine with a store and a little of the kernel in it is taken offline block by block, then brought back."""
    vm, frames = bench.vm, bench.frames
    bench.open_store(frames // 4)
    for slot in range(frames // 10):
        bench.write(slot)
    bench.keep(frames // 100)
    bench.touch(frames // 4)
    yield "fill"
    size = 1 << vm.pageblock_order
    blocks = [zone.start_pfn + size * n for zone in vm.zones for n in range((zone.end_pfn - zone.start_pfn) // size)]
    gone: list[int] = []
    bench.chance.shuffle(blocks)
    for step in range(steps):
        if step < steps * 2 // 3 and blocks:
            for start in [blocks.pop() for _ in range(min(2, len(blocks)))]:
                bench.asked += 1
                if offline_pages(vm, start, size) == 0:
                    bench.got += 1
                    gone.append(start)
            yield "unplug"
        else:
            for start in [gone.pop() for _ in range(min(4, len(gone)))]:
                online_pages(vm, start, size)
            yield "plug"


WORKLOADS: dict[str, Workload] = {
    "mixed-server": mixed_server, "compressed-swap": compressed_swap, "balloon-host": balloon_host, "fragmenter": fragmenter,
    "cma-camera": cma_camera, "memory-hot-unplug": memory_hot_unplug,
}  # fmt: skip
"""Workloads by the names that people type."""
