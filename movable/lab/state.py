"""The state of one run: the machine, its drivers and the data, and what was seen on the way.

``load_drivers`` and ``plan`` make it ready, and refuse every input that cannot work before anything is done.
"""

from __future__ import annotations

from collections import Counter
from functools import partial
from pathlib import Path
from typing import Any, NamedTuple

from movable import registry
from movable.errors import MovableError, UsageError
from movable.lab.data import Data, read_input, read_standard_library
from movable.lab.draw import FIRST_DRIVER, FrameMap, kinds_for, take_map
from movable.lab.metrics import Tally, ZoneState, tally_callbacks, zone_states
from movable.lab.options import PAGEBLOCK_BYTES, PAGEBLOCK_ORDER, Settings
from movable.lab.page_owner import PageOwner
from movable.lab.workloads import Inflation, Population, Process, Store, Taker, grows_to_a_target, hands_out_stores
from movable.mm.fs import FileMapping
from movable.mm.memparse import readable, size_text
from movable.mm.page import PAGE_SIZE, Page
from movable.mm.vm import VM

DEFAULT_SHARE = 8
"""The standard library is read up to this fraction of the machine."""

TEXT_SHIFT = 12
"""One page of the data for so many frames, as a power of 2, is also a page of a file that the process maps."""

DRIVER_SHARE = 0.3
"""How much of the memory that is filled drivers get; a process has the rest, until it exits."""


class RunFailed(MovableError):
    """A run that found something wrong; the message says what, and what became of the stored data."""


class Loaded:
    """One driver of a run: its label, the target it was named by, the instance, its counts, and its kind on the map."""

    def __init__(self, label: str, target: str, kind: int) -> None:
        self.label = label
        self.target = target
        self.kind = kind
        self.instance: Any = None
        self.tally = Tally()


class Offlined(NamedTuple):
    """What taking a memory block offline came to: its frames, the movable pages in it before, and the return code."""

    start_pfn: int
    end_pfn: int
    pages: int
    ret: int


class Run:
    """Everything about one run, for its steps and for the report.

    ``failure`` says what stopped it, ``unwritten`` of every output that could not be written why. ``places`` are files that are
    being written. ``host_was_busy`` counts how often a balloon met its host at work. ``held`` and ``unmarked`` are the frames of
    each driver, and those of nobody known, when memory was full; ``page_owner`` knows who allocated what nobody marked.
    """

    def __init__(self, settings: Settings) -> None:
        self.settings = settings
        self.failure = ""
        self.vm = VM(settings.memory, nodes=settings.nodes, pageblock_order=PAGEBLOCK_ORDER, seed=settings.seed, era=settings.era)
        self.drivers = [Loaded(label, target, FIRST_DRIVER + i) for i, (label, target, _) in enumerate(settings.drivers)]
        self.kinds = kinds_for([driver.label for driver in self.drivers])
        self.owners: dict[int, int] = {}
        self.page_owner = PageOwner(self.vm)
        self.data: Data | None = None
        self.stores: list[Store] = []
        self.takers: list[Taker] = []
        self.process = Process(self.vm, 0)
        self.maps: list[FrameMap] = []
        self.states: dict[str, list[ZoneState]] = {}
        self.stored: list[dict[str, int]] = []
        self.swapped = 0
        self.held: dict[str, int] = {}
        self.unmarked = 0
        self.migrated: dict[str, int] = {}
        self.huge: list[Page] = []
        self.huge_wanted = self.huge_before = 0
        self.host_was_busy = 0
        self.offlined: Offlined | None = None
        self.wrong: list[tuple[int, str]] | None = None
        self.not_returned: int | None = None
        self.unwritten: list[str] = []
        self.places: set[Path] = set()

    # small things that several steps need

    def adopt(self, driver: Loaded) -> None:
        """Whatever address spaces are new belong to ``driver``: count their callbacks, and give them its colour."""
        for addr, mapping in self.vm.address_spaces.items():
            if addr not in self.owners and not isinstance(mapping, FileMapping):
                self.owners[addr] = driver.kind
                tally_callbacks(mapping, driver.tally)

    def look(self, moment: str) -> None:
        """Remember the zones and their counters at a moment."""
        self.states[moment] = zone_states(self.vm, PAGEBLOCK_ORDER)
        self.migrated[moment] = self.vm.vmstat["movable_migrated"]

    def map(self, title: str) -> FrameMap:
        """Draw the machine as it is."""
        process = set(self.process.frame_numbers)
        self.maps.append(take_map(self.vm, title, self.kinds, partial(self.page_owner.kind_of, owners=self.owners), process))
        return self.maps[-1]

    def held_frames(self) -> Counter[str]:
        """How many frames each driver has now: those that it has marked, and those that it allocated and did not mark."""
        owners, kind_of, held = self.owners, self.page_owner.kind_of, Counter[int | None]()
        for page in self.vm.pages.values():
            if page._refcount > 0:
                held[kind_of(page, owners)] += 1 << page.order
        return Counter({driver.label: held[driver.kind] for driver in self.drivers})

    def free(self) -> int:
        """Free frames of the whole machine."""
        return sum(zone.nr_free for zone in self.vm.zones)

    def compare(self) -> list[tuple[int, str]]:
        """Read everything that was stored; returns the pages that are not what they were."""
        self.wrong = sorted(finding for store in self.stores for finding in store.compare())
        return self.wrong

    @property
    def error(self) -> str:
        """All that went wrong, in one line, or ""."""
        return "; ".join([*([self.failure] if self.failure else []), *self.unwritten])

    @property
    def nr_stored(self) -> int:
        """How many pages were written."""
        return sum(len(store.stored) for store in self.stores)

    @property
    def nr_discarded(self) -> int:
        """How many of them were thrown away again."""
        return sum(len(store.discarded) for store in self.stores)


# --- before the run: everything that can be wrong with the input ---


def load_drivers(run: Run) -> None:
    """Make one instance of each driver. Raises UsageError as ``registry.load`` does."""
    for driver, (_, _, factory) in zip(run.drivers, run.settings.drivers, strict=True):
        with run.page_owner.allocating(driver.kind):
            driver.instance = registry.load(run.vm, factory)
        run.adopt(driver)


def plan(run: Run) -> None:
    """Read the data and share the machine out. Raises UsageError where there is nothing to store to, or too little memory."""
    settings, vm = run.settings, run.vm
    pools = [driver.instance for driver in run.drivers if hands_out_stores(driver.instance)]
    if settings.input is not None and not pools:
        raise UsageError("--input needs a driver to store data with; add zsmalloc to --drivers")
    if pools:
        run.data = _read(run)
    data = run.data or Data("nothing")
    wanted = [pool.pages_for(data.pages[i :: len(pools)]) for i, pool in enumerate(pools)]
    need = sum(wanted)
    if need * 2 > vm.nr_frames:
        raise UsageError(_too_small(settings, data, need))
    run.stores = [Store(pool, data, i, len(pools), wanted[i]) for i, pool in enumerate(pools)]
    room = vm.nr_frames - sum(zone.watermark[1] + 16 for zone in vm.zones)
    fillers = [driver for driver in run.drivers if driver.instance not in pools and _can_fill(driver.instance)]
    share = max(room // 20, int(room * DRIVER_SHARE) - need) // len(fillers) if fillers else 0
    run.takers = [*run.stores, *(_filler(run, driver, share) for driver in fillers)]
    run.process.text = data.pages[: vm.nr_frames >> TEXT_SHIFT]
    run.process.left = max(0, room - need - share * len(fillers) - len(run.process.text))


def _read(run: Run) -> Data:
    settings = run.settings
    if settings.input is not None:
        return read_input(settings.input, settings.outputs | run.places)
    return read_standard_library(settings.memory // DEFAULT_SHARE)


def _too_small(settings: Settings, data: Data, need: int) -> str:
    step = settings.nodes * PAGEBLOCK_BYTES
    least = -(-need * 2 * PAGE_SIZE // step) * step
    return (
        f"--memory {size_text(settings.memory)} is too small for the data: {readable(data.size)} need {readable(need * PAGE_SIZE)} "
        f"in the store, and a run leaves half of the machine free; use --memory {size_text(least)} or more"
    )


def _can_fill(instance: Any) -> bool:
    return grows_to_a_target(instance) or callable(getattr(instance, "populate", None))


def _filler(run: Run, driver: Loaded, share: int) -> Taker:
    allocating = partial(run.page_owner.allocating, driver.kind)
    if grows_to_a_target(driver.instance):
        return Inflation(driver.instance, share, allocating)

    def populate(count: int) -> Any:
        with allocating():
            answer = driver.instance.populate(count)
        run.adopt(driver)
        return answer

    return Population(driver.label, populate, share)
