"""One machine: nodes, zones, frames, real memory, and what drivers get from it.

A VM is a value: no module state, no threads, the same seed gives the same behaviour. Nothing is built before it is used, so
that a test can boot a thousand small machines a second and a large one costs neither time nor memory.
"""

from __future__ import annotations

import mmap
import random
from collections import Counter
from collections.abc import Callable, Hashable, Sequence
from typing import TYPE_CHECKING, Any, Protocol
from weakref import WeakSet

from movable.eras import Era
from movable.eras import era as known_era
from movable.errors import DeadlockError, SleepInAtomic, UsageError, VMBug
from movable.mm import page_alloc
from movable.mm.address_space import AddressSpace, MovableOperations, migrate_form, without_mapping
from movable.mm.gfp import GFP_KERNEL
from movable.mm.locks import Mutex, RWLock, SpinLock
from movable.mm.migrate_batch import loop_of
from movable.mm.mmzone import Node, Zone
from movable.mm.movable_ops import TYPE_SHIFT, StickyPage, registered, set_movable_ops, stick, sticky_owner
from movable.mm.page import MAPPED, PAGE_SHIFT, PAGE_SIZE, Page
from movable.mm.page_alloc_watermarks import setup_per_zone_wmarks
from movable.mm.page_flags import movable_owner
from movable.mm.seam import Observer, Seam, Task, held
from movable.mm.wait import WaitQueue
from movable.mm.workqueue import WORK_LIMIT, WorkQueue

if TYPE_CHECKING:
    from movable.mm.blockdev import Disk
    from movable.mm.obstacles import Failure, Obstacle
    from movable.mm.userspace import Userspace
    from movable.mm.vmscan import Shrinker

Layout = Sequence[tuple[int, str, int]]

MAP_NORESERVE = 0x4000  # absent from the mmap module before Python 3.13
FIRST_ADDRESS = 0xFFFF_8880_0000_0000
ZONE_ORDER = ("DMA", "DMA32", "Normal", "Movable")
SEEDED: WeakSet[random.Random] = WeakSet()
"""The sources of randomness that a machine's seed governs."""


def bind_raw(driver: Any, era: Era) -> MovableOperations:
    """The three callbacks of an object, without validation; what a VM uses until a registry gives it something better."""
    form = migrate_form(driver, era)
    migrate = getattr(driver, form)
    return MovableOperations(
        driver.isolate_page, migrate if form == "migratepage" else without_mapping(migrate), driver.putback_page
    )


class Backing(Protocol):
    """What stands behind the pages of a machine whose struct pages lie elsewhere, as those of a C driver do."""

    def page_class(self, seam: Seam | None) -> type[Page]:
        """The class of pages while ``seam`` watches."""

    @property
    def constant(self) -> tuple[type, ...]:
        """Classes whose objects are the same for every machine, or that are put back here."""

    def installed(self, seam: Seam | None) -> None:
        """Somebody watches from now on, or nobody any more."""

    def keep(self) -> Any:
        """The memory as it is now, for `put_back`, but what pages hold."""

    def put_back(self, kept: Any) -> None:
        """The memory as it was, but what pages hold."""

    def words_of(self, page: Page) -> tuple[int, int, int, int]:
        """The number, flags, mapping and references of a page, read together."""

    def fingerprint(self) -> int:
        """A number for what an owner has in memory of its own."""


class VM:
    """A machine.

    ``memory`` is in bytes, divided evenly over ``nodes``, and inside each node over ``zones`` (names in the kernel's order).
    ``layout`` gives full control instead: (node, zone name, frames) in order of frame number. ``pageblock_order`` is 9 as on
    x86-64; smaller machines get the largest order that leaves four blocks in the smallest zone. ``era`` names the kernel whose
    behaviour is modelled, or is an Era itself. ``page_poisoning`` overwrites what is freed. ``nobody_else`` stands for others where
    no tasks run: it is called before a wait that queued work did not end, and says whether it did something.

    What an era does differently is bound here, once: ``owner_of`` says whose a marked page is, ``migrate_loop`` moves a list.

    Raises UsageError for sizes that are no multiple of a pageblock and for an unknown era.
    """

    def __init__(  # long: every attribute of the machine, with its type
        self,
        memory: int = 64 << PAGE_SHIFT,
        *,
        nodes: int = 1,
        zones: Sequence[str] = ("Normal",),
        layout: Layout | None = None,
        pageblock_order: int | None = None,
        era: str | Era = "4.19",
        seed: int = 0,
        page_poisoning: bool = True,
    ) -> None:
        if layout is None:
            layout = _even_layout(memory, nodes, zones)
        if pageblock_order is None:
            pageblock_order = usual_pageblock_order(min(frames for _, _, frames in layout))
        _check_layout(layout, pageblock_order)
        self.era = known_era(era)
        self.seed = seed
        self.pageblock_order = pageblock_order
        self.page_poisoning = page_poisoning
        self.seam: Seam | None = None
        self.page_class: type[Page] = StickyPage if self.era.sticky_mark else Page
        self.owner_of = sticky_owner if self.era.sticky_mark else movable_owner
        self.migrate_loop = loop_of(self.era)
        self.types_stay = self.era.sticky_mark
        self.movable_ops: dict[int, AddressSpace] = {}
        self.enable_soft_offline = True  # vm.enable_soft_offline, of eras that have it
        self.balloon: Any = None  # the balloon core, once a balloon is there (mm/balloon.py)
        self.backing: Backing | None = None
        self.pages: dict[int, Page] = {}
        self.nodes: list[Node] = []
        self.zones: list[Zone] = []
        self.nr_frames = 0
        self._build(layout)
        self.vmstat: Counter[str] = Counter()
        self.bad_pages: list[tuple[int, str]] = []
        self.warnings: list[str] = []
        self.object_fails: Callable[[int], bool] | None = None  # a fault: whether an allocation of an object, by its gfp, fails
        self.address_spaces: dict[int, AddressSpace] = {}
        self.swap_space: AddressSpace | None = None
        self.page_wakes: dict[int, int] = {}
        self.last_failure: Failure | None = None
        self.oom_notifiers: list[Callable[[], int]] = []
        self.shrinkers: list[Shrinker] = []
        self.workqueues: list[WorkQueue] = []
        self.disks: list[Disk] = []
        self.drivers: list[Any] = []
        self.userspace: Userspace | None = None
        self.binder: Callable[[Any, Era], MovableOperations] = bind_raw
        self.nobody_else: Callable[[], bool] | None = None
        self.meanwhile: Callable[[], None] | None = None  # what others do when the running task has left its last lock
        self._task = Task("main")
        self._next_address = FIRST_ADDRESS
        self._memory: memoryview | None = None
        self._map: mmap.mmap | None = None
        self._random: random.Random | None = None

    def _build(self, layout: Layout) -> None:
        for nid in range(max(nid for nid, _, _ in layout) + 1):
            self.nodes.append(Node(self, nid))
        for nid, name, frames in layout:
            node = self.nodes[nid]
            zone = Zone(self, node, name, self.nr_frames, frames)
            zone.init_free()
            node.zones.append(zone)
            self.zones.append(zone)
            self.nr_frames += frames
        setup_per_zone_wmarks(self)

    @property
    def obstacles(self) -> list[Obstacle]:
        """The frames that were in the way of the last contiguous allocation, offline request or huge page that failed."""
        from movable.mm.obstacles import obstacles

        return obstacles(self)

    # frames

    def page(self, pfn: int) -> Page:
        """The page with frame number ``pfn``, made on first use (pfn_to_page). Raises UsageError outside the machine.

        While the kit watches that is a VMBug: a driver has followed a number that it did not keep up to date.
        """
        page = self.pages.get(pfn)
        if page is None:
            if self.seam is not None and not 0 <= pfn < self.nr_frames:
                raise VMBug("D52", f"page frame {pfn} does not exist", f"one of the frames 0 to {self.nr_frames - 1}")
            page = self.pages[pfn] = self.page_class(pfn, self.zone_of(pfn), self, self.seam)
        return page

    def zone_of(self, pfn: int) -> Zone:
        """The zone that a frame lies in (page_zone)."""
        for zone in self.zones:
            if zone.start_pfn <= pfn < zone.end_pfn:
                return zone
        raise UsageError(f"page frame {pfn} does not exist; this machine has frames 0 to {self.nr_frames - 1}")

    def map_page(self, page: Page) -> memoryview:
        """The content of a frame, mapped on first use."""
        memory = self._memory
        if memory is None:
            flags = mmap.MAP_PRIVATE | mmap.MAP_ANONYMOUS | MAP_NORESERVE
            self._map = mmap.mmap(-1, self.nr_frames * PAGE_SIZE, flags=flags)
            memory = self._memory = memoryview(self._map)
        page._state |= MAPPED
        start = page.pfn << PAGE_SHIFT
        return memory[start : start + PAGE_SIZE]

    def copy_frame(self, to: Page, source: Page) -> None:
        """Copy the content of a frame. Nothing is written where neither was ever mapped: both read as zeros."""
        memory = self._map
        if memory is not None and to._state & source._state & MAPPED:
            memory.move(to.pfn << PAGE_SHIFT, source.pfn << PAGE_SHIFT, PAGE_SIZE)  # without two views
        elif (source._state | to._state) & MAPPED:
            self.map_page(to)[:] = self.map_page(source)

    def host_discard(self, page: Page) -> None:
        """Give the frame's memory back to the operating system: resident memory falls, the content reads as zeros.

        What nobody ever looked at reads so already, and holds no memory."""
        if self._map is not None and page._state & MAPPED:
            self._map.madvise(mmap.MADV_DONTNEED, page.pfn << PAGE_SHIFT, PAGE_SIZE)

    # allocation

    alloc_pages = page_alloc.alloc_pages
    free_pages_ok = page_alloc.free_pages_ok

    def alloc_page(self, gfp: int = GFP_KERNEL, nid: int | None = None) -> Page | None:
        """A page with one reference, or None (alloc_page)."""
        return page_alloc.alloc_pages(self, gfp, 0, nid)

    def direct_compact(self, order: int, gfp: int, priority: int, nid: int | None, captured: list[int]) -> int:
        """Compact on behalf of an allocation; returns a compact_result. The block that is its own goes to ``captured``."""
        from movable.mm.compaction import try_to_compact_pages

        return try_to_compact_pages(self, gfp, order, priority, nid, captured)

    # owners

    def address_space(self, driver: Any, name: str = "") -> AddressSpace:
        """What a driver marks its pages with. Raises UsageError where a callback is missing or misnamed.

        In a kernel whose marks stay this takes one of the two slots for operations; UsageError where both are taken.
        """
        return registered(self, driver, name) if self.era.sticky_mark else self.new_address_space(driver, name)

    def set_movable_ops(self, driver: Any, page_type: str, name: str = "") -> int:
        """Register a driver's callbacks for a page type; 0, -EBUSY or -EINVAL (see movable_ops.set_movable_ops)."""
        return set_movable_ops(self, driver, page_type, name)

    def movable_ops_of(self, page_type: str) -> AddressSpace | None:
        """What is registered for a page type, None where nothing is."""
        return self.movable_ops.get(self.era.page_types[page_type] >> TYPE_SHIFT)

    def new_address_space(self, driver: Any, name: str) -> AddressSpace:
        """Bound callbacks at an address of their own."""
        addr = self._next_address
        self._next_address += 0x40
        mapping = AddressSpace(addr, name or type(driver).__name__, self.binder(driver, self.era), driver)
        self.address_spaces[addr] = mapping
        return mapping

    def free_address_space(self, mapping: AddressSpace) -> None:
        """The owner goes; a page that still names it leads nowhere from now on. Raises VMBug when it is gone already."""
        if self.seam is not None:
            self.seam.owners("xw")
        if self.address_spaces.pop(mapping.addr, None) is None:
            raise VMBug("D41", f"{mapping!r} freed twice", "one owner, freed once")
        if mapping.page_type:
            self.movable_ops.pop(mapping.page_type >> TYPE_SHIFT, None)
        if self.seam is not None:
            self.seam.event("driver_remove", driver=mapping.name, ops=mapping.addr)

    stick = staticmethod(stick)

    # locks, queues

    def spinlock(self, name: str) -> SpinLock:
        """A spin lock."""
        return SpinLock(self, name)

    def mutex(self, name: str) -> Mutex:
        """A mutex."""
        return Mutex(self, name)

    def rwlock(self, name: str) -> RWLock:
        """A spinning read-write lock."""
        return RWLock(self, name)

    def wait_queue(self, name: str) -> WaitQueue:
        """A wait queue."""
        return WaitQueue(self, name)

    def workqueue(self, name: str) -> WorkQueue:
        """A work queue with one worker."""
        queue = WorkQueue(self, name)
        self.workqueues.append(queue)
        return queue

    def run_work(self, limit: int = WORK_LIMIT) -> int:
        """Run queued work items until there are none; returns how many ran. For machines without a scheduler."""
        done = 0
        while done < limit:
            queue = next((queue for queue in self.workqueues if queue.items), None)
            if queue is None:
                return done
            queue.run_one()
            done += 1
        raise DeadlockError(f"{limit} work items ran and more are queued: an item queues itself for ever")

    # tasks

    @property
    def current(self) -> Task:
        """The running task."""
        seam = self.seam
        return self._task if seam is None else seam.task

    def might_sleep(self, what: object) -> None:
        """Say that the caller takes ``what`` and may have to wait for it. Raises SleepInAtomic under a spin lock (might_sleep)."""
        task = self.current
        if task.atomic:
            raise SleepInAtomic("D48", f"{task.name} locks {what} while it holds {held(task)}", "no spin lock held")

    def wait(
        self, key: Hashable, ready: Callable[[], bool], what: str, condition: Callable[[], bool] | None = None
    ) -> None:
        """Sleep until ``ready()``; other tasks, queued work, or else ``nobody_else``, run meanwhile.

        Raises DeadlockError where that cannot help.
        """
        seam = self.seam
        if seam is not None and seam.scheduler is not None:
            seam.wait(key, ready, what, condition)
            return
        task = self.current
        if task.atomic:
            raise SleepInAtomic("D48", f"task {task.name} waits for {what} while it holds {held(task)}", "no spin lock held")
        for _ in range(WORK_LIMIT):
            if ready():
                return
            queue = next((queue for queue in self.workqueues if queue.items), None)
            if queue is not None:
                queue.run_one()
            elif self.nobody_else is None or not self.nobody_else():
                break
        raise DeadlockError(f"task {task.name} waits for {what} for ever; it holds {held(task)}, and nobody else runs")

    def warn(self, rule: str, page: Page, what: str) -> None:
        """What the kernel would print as a warning; kept in ``warnings``."""
        self.warnings.append(f"{rule}: {page!r}: {what}")

    # the seam

    def install(self, seam: Seam | None) -> None:
        """Watch this machine through ``seam``, or stop watching it."""
        from movable.mm.watched import WatchedPage, WatchedStickyPage

        self.seam = seam
        backing = self.backing
        if backing is not None:
            self.page_class = backing.page_class(seam)
        elif self.era.sticky_mark:
            self.page_class = StickyPage if seam is None else WatchedStickyPage
        else:
            self.page_class = Page if seam is None else WatchedPage
        for page in self.pages.values():
            page.seam = page._lru.seam = seam
            page.__class__ = self.page_class
        if backing is not None:
            backing.installed(seam)

    def observe(self, observer: Observer) -> Seam:
        """Call ``observer(event)`` for every event from now on; returns the seam."""
        seam = self.seam
        if seam is None:
            seam = Seam()
            seam.tasks["main"] = self._task
            self.install(seam)
        seam.observers.append(observer)
        return seam

    @property
    def random(self) -> random.Random:
        """The machine's source of randomness, from its seed."""
        if self._random is None:
            self._random = random.Random(self.seed)
            SEEDED.add(self._random)
        return self._random


def usual_pageblock_order(frames: int) -> int:
    """The order of pageblocks where nobody says, by the frames of the smallest zone."""
    return min(9, max(0, frames.bit_length() - 3))


def _even_layout(memory: int, nodes: int, zones: Sequence[str]) -> Layout:
    """Every node the same size, every zone of a node the same size, the rest of the division in the last zone."""
    if nodes < 1 or not zones:
        raise UsageError("a machine needs at least one node and one zone")
    frames, rest = divmod(memory, PAGE_SIZE)
    if rest or not frames or frames % (nodes * len(zones)):
        raise UsageError(
            f"{memory} bytes cannot be divided into {nodes} node(s) of {len(zones)} zone(s) of whole pages; "
            f"use a multiple of {nodes * len(zones) * PAGE_SIZE}"
        )
    share = frames // (nodes * len(zones))
    return [(nid, name, share) for nid in range(nodes) for name in zones]


def _check_layout(layout: Layout, pageblock_order: int) -> None:
    if not 0 <= pageblock_order <= 10:
        raise UsageError(f"pageblock order {pageblock_order} is not possible; use 0 to 10")
    block = 1 << pageblock_order
    for nid, name, frames in layout:
        if name not in ZONE_ORDER:
            raise UsageError(f"unknown zone {name!r}; zones are {', '.join(ZONE_ORDER)}")
        if frames <= 0 or frames % block:
            raise UsageError(
                f"zone {name} of node {nid} has {frames} frames, which is no multiple of a pageblock of {block}; "
                f"use a multiple of {block * PAGE_SIZE} bytes"
            )
