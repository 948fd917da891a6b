"""Small concurrent scenes under many schedules: no lost object, no lost page, no deadlock, no data race."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from movable import (
    GFP_HIGHUSER_MOVABLE,
    MIGRATE_SYNC,
    MR_COMPACTION,
    VM,
    AddressSpace,
    AtomicLong,
    ListHead,
    Mutex,
    Page,
    PageMovableHint,
    SpinLock,
    WaitQueue,
    Work,
    WorkQueue,
    bit_spin_trylock,
    isolate_movable_page,
    list_add_tail,
    migrate_pages,
    putback_movable_pages,
)
from movable.explore import Report, Scene, explore
from movable.explore.instrument.hooks import Hooks
from movable.mm.seam import Seam
from movable.mm.validate import validate_vm
from movable.registry import load
from movable_zsmalloc import Zsmalloc, compact, migrate, zspage_alloc
from movable_zsmalloc.handles import Handle
from movable_zsmalloc.obj import heads_in_page
from movable_zsmalloc.validate import validate_pool
from movable_zsmalloc.zspage import SizeClass, Zspage
from tests.drivers.movable_zsmalloc.movers import load as read
from tests.drivers.movable_zsmalloc.movers import pattern, store

Body = Callable[["Store"], object]
LOCKS = (Mutex, SpinLock, WaitQueue, WorkQueue, Work, AddressSpace, AtomicLong)


class Store:
    """A pool with a few objects, of which ``gone`` were freed; ``contents`` says what must be readable at the end."""

    def __init__(self, sizes: tuple[int, ...], gone: tuple[int, ...], kind: type[Zsmalloc]) -> None:
        self.vm = VM(32 << 12)
        self.zs: Zsmalloc = load(self.vm, kind)
        self.zs.zs_free(store(self.zs, bytes(3000)))  # frames that a scanner looks at exist
        self.handles = [store(self.zs, pattern(i, size)) for i, size in enumerate(sizes)]
        self.contents = {handle: pattern(i, size) for i, (handle, size) in enumerate(zip(self.handles, sizes, strict=True))}
        for number in gone:
            self.zs.zs_free(self.handles[number])
            del self.contents[self.handles[number]]

    def check(self) -> None:
        self.vm.install(None)
        validate_vm(self.vm, owner_refs=1)
        if self.zs.destroyed:
            assert self.vm.zones[0].nr_free == self.vm.nr_frames
            return
        self.vm.run_work()
        validate_pool(self.zs)
        for handle, content in self.contents.items():
            assert read(self.zs, handle, len(content)) == content, f"object {handle:#x} reads wrong"
        self.zs.remove()
        assert self.vm.zones[0].nr_free == self.vm.nr_frames, "pages are lost"


def isolated(world: Store, most: int) -> ListHead:
    taken = ListHead(f"isolated by {world.vm.current.name}")
    for pfn in sorted(world.vm.pages):
        page = world.vm.pages[pfn]
        if PageMovableHint(page) and isolate_movable_page(page, 0) == 0:
            list_add_tail(page.lru, taken)
            if len(taken) == most:
                break
    return taken


def scan(most: int) -> Body:
    """Compaction: isolate, migrate, put back the rest."""

    def body(world: Store) -> None:
        taken = isolated(world, most)
        target = lambda page, private: world.vm.alloc_page(GFP_HIGHUSER_MOVABLE)  # noqa: E731
        migrate_pages(taken, target, None, None, MIGRATE_SYNC, MR_COMPACTION)
        putback_movable_pages(taken)

    return body


def put_back(world: Store) -> None:
    putback_movable_pages(isolated(world, 2))


def free(*numbers: int) -> Body:
    def body(world: Store) -> None:
        for number in numbers:
            handle = world.handles[number]
            del world.contents[handle]
            world.zs.zs_free(handle)

    return body


def rewrite(number: int) -> Body:
    def body(world: Store) -> None:
        handle = world.handles[number]
        size = len(world.contents[handle])
        view = world.zs.zs_map_object(handle)
        assert bytes(view[:size]) == world.contents[handle]
        view[:size] = world.contents[handle] = pattern(100 + number, size)
        world.zs.zs_unmap_object(handle)

    return body


def allocate(size: int) -> Body:
    def body(world: Store) -> None:
        handle = store(world.zs, pattern(200, size))
        world.contents[handle] = pattern(200, size)

    return body


def compact_objects(world: Store) -> None:
    world.zs.zs_compact()


def remove(world: Store) -> None:
    world.zs.remove()


def scene(bodies: dict[str, Body], sizes: tuple[int, ...], gone: tuple[int, ...], kind: type[Zsmalloc]) -> Callable[[Any], Scene]:
    def program(scheduler: Any) -> Scene:
        world = Store(sizes, gone, kind)
        world.vm.install(Seam(scheduler))
        Hooks(scheduler, foreign=(Page,), fixed=(VM, ListHead, *LOCKS)).watch(world.zs, "zs")
        return Scene([(name, lambda body=body: body(world)) for name, body in bodies.items()], world.check)  # type: ignore[misc]

    return program


CHAIN = ((3000, 3000), ())
"""Two objects in a chain of three pages; the second spans the first two."""
PAIR = ((2000, 2000), ())
"""Two objects in one page."""
SPARSE = ((2000,) * 4, (0, 3))
"""Two pages with one object each, which object compaction brings together."""

SCENES: dict[str, tuple[tuple[tuple[int, ...], tuple[int, ...]], dict[str, Body]]] = {
    "free beside migration": (CHAIN, {"free": free(0, 1), "scan": scan(2)}),
    "free beside putback": (CHAIN, {"free": free(0, 1), "scan": put_back}),
    "rewrite beside migration": (CHAIN, {"rewrite": rewrite(1), "scan": scan(2)}),
    "rewrite beside migration of a huge object": (((4000,), ()), {"rewrite": rewrite(0), "scan": scan(1)}),
    "two rewrites": (PAIR, {"one": rewrite(0), "two": rewrite(1)}),
    "allocation beside migration": (CHAIN, {"allocate": allocate(3000), "scan": scan(2)}),
    "fresh zspage beside migration": (((), ()), {"allocate": allocate(3000), "scan": scan(2)}),
    "two migrations": (CHAIN, {"one": scan(2), "two": scan(2)}),
    "two frees in one page": (PAIR, {"one": free(0), "two": free(1)}),
    "free beside allocation": (((2000,), ()), {"free": free(0), "allocate": allocate(2000)}),
    "object compaction beside free": (SPARSE, {"compact": compact_objects, "free": free(2)}),
    "object compaction beside rewrite": (SPARSE, {"compact": compact_objects, "rewrite": rewrite(2)}),
    "object compaction beside migration": (SPARSE, {"compact": compact_objects, "scan": scan(2)}),
    "object compaction beside allocation": (SPARSE, {"compact": compact_objects, "allocate": allocate(2000)}),
    "two object compactions": (SPARSE, {"one": compact_objects, "two": compact_objects}),
    "free, rewrite and migration": (PAIR, {"free": free(0), "rewrite": rewrite(1), "scan": scan(1)}),
    "removal beside migration": (CHAIN, {"remove": remove, "scan": scan(2)}),
    "removal beside putback": (CHAIN, {"remove": remove, "scan": put_back}),
}


def search(name: str, kind: type[Zsmalloc] = Zsmalloc, executions: int = 60) -> Report:
    (sizes, gone), bodies = SCENES[name]
    return explore(scene(bodies, sizes, gone, kind), executions=executions, shrink=False)


@pytest.mark.parametrize("name", SCENES)
def test_every_schedule_ends_well(name: str) -> None:
    report = search(name)
    assert report.failure is None, str(report.failure)
    assert report.executions > 20 or report.complete


# --- what the search says of drivers that got it wrong ---


def move_pinned(pool: Zsmalloc, size_class: SizeClass, zspage: Zspage, page: Page) -> list[Handle]:
    """Goes on although somebody has an object of the page in hand."""
    cells = [pool.handles[handle] for _, handle in heads_in_page(size_class, page, zspage.number_of(page))]
    for cell in cells:
        if not bit_spin_trylock(0, cell):
            pool.vm.current.atomic += 1
    return cells


class Hasty(Zsmalloc):
    """Does not wait for isolated pages when the pool goes."""

    def zs_destroy_pool(self) -> None:
        self.free_queue.flush()
        self.free_queue.destroy()
        self.vm.free_address_space(self.mapping)
        self.vm.shrinkers.clear()
        self.destroyed = True


WRONG: dict[str, tuple[str, Any, str, Any]] = {
    "the move drops the pin": ("free beside migration", migrate, "PINNED", 0),
    "object compaction drops the pin": ("object compaction beside rewrite", compact, "PINNED", 0),
    "pinned objects move": ("free beside migration", migrate, "_pin_objects", move_pinned),
    "an empty zspage is forgotten": ("free beside migration", migrate, "kick_deferred_free", lambda pool: None),
    "a locked page is forgotten": ("free beside putback", zspage_alloc, "kick_deferred_free", lambda pool: None),
    "nobody wakes the destroyer": ("removal beside putback", migrate, "_forget_isolated", lambda pool: pool.isolated.add(-1)),
}


@pytest.mark.parametrize("wrong", WRONG)
def test_wrong_drivers_are_found_out(wrong: str, monkeypatch: pytest.MonkeyPatch) -> None:
    name, owner, attribute, value = WRONG[wrong]
    monkeypatch.setattr(owner, attribute, value)
    assert search(name, executions=300).failure is not None


@pytest.mark.parametrize("name", ["removal beside migration", "removal beside putback"])
def test_a_hasty_removal_is_found_out(name: str) -> None:
    assert search(name, Hasty, executions=300).failure is not None
