"""Who uses the machine during a run: drivers that can be asked to take memory, and a process."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext
from typing import TYPE_CHECKING, Any, Protocol, cast

from movable.errors import MovableError, by_hand
from movable.lab.options import PAGEBLOCK_ORDER
from movable.mm.gfp import MAX_ORDER
from movable.mm.gup import get_user_pages
from movable.mm.madvise import madvise_dontneed
from movable.mm.memory import OutOfMemory
from movable.mm.mm_types import VM_READ, VM_SHARED, VM_WRITE
from movable.mm.mmap import do_mmap
from movable.mm.page import PAGE_SIZE, Page
from movable.mm.page_flags import LRU
from movable.mm.pgtable import PTE_SHIFT, PTE_THERE
from movable.mm.process import Signal
from movable.mm.rmap import PageAnon
from movable.mm.swap import lruvec
from movable.mm.swapfile import swapoff, swapon
from movable.mm.userspace import userspace
from movable.shown import literal

if TYPE_CHECKING:
    import random

    from movable.lab.data import Data
    from movable.mm.process import Process as Task
    from movable.mm.vm import VM


class Taker(Protocol):
    """Somebody who fills memory bit by bit. ``left`` is how many frames it still wants."""

    left: int

    def take(self, frames: int) -> None:
        """Take about ``frames`` more frames."""


# --- a process ---


KEEPS_ONE_IN = 64
"""Of so many of its pages the process keeps one when it gives up the rest."""
HEAP = 0x10000000
"""Where its memory begins, in bytes."""
FIRST = HEAP // PAGE_SIZE
"""The number of the page there."""


SCANS_BEFORE_SWAP = 4
"""How often pages are looked at before nothing else is swapped out."""
TEXT = 0x7000000
"""Where it maps the file that it reads, in bytes."""


class Process:
    """A process whose pages move as the kernel's LRU pages do: anonymous ones, and those of a file. Anonymous pages that it will
    keep hold their own numbers; the others it only touches.

    ``left`` is how many pages it still wants, ``text`` what the file holds, page by page. ``gone`` are the numbers of pages that it
    gave back while they were on their way.
    """

    def __init__(self, vm: VM, left: int) -> None:
        self.vm = vm
        self.left = left
        self.text: list[bytes] = []
        self.task: Task | None = None
        self.touched = 0
        self.gone: set[int] = set()
        self.stride = 1
        self.mapped = 0
        self.pinned = 0
        self.held = 0
        self.tally: Counter[str] = Counter()

    @property
    def frame_numbers(self) -> list[int]:
        """The numbers of the frames that hold its pages."""
        mm = None if self.task is None else self.task.mm
        return [] if mm is None else [pte >> PTE_SHIFT for pte in mm.pgtable.values() if pte & PTE_THERE]

    def take(self, frames: int) -> None:
        """Touch ``frames`` more pages; gives up for good where there are none."""
        if self.task is None and self.left:
            self.task = userspace(self.vm).spawn("work")
            self.tally = self.task.user.lru_tally
            do_mmap(self.task, HEAP, self.left * PAGE_SIZE, VM_READ | VM_WRITE)
            if self.text:
                do_mmap(self.task, TEXT, len(self.text) * PAGE_SIZE, VM_READ | VM_WRITE | VM_SHARED)
                self.stride = max(1, self.left // len(self.text) // 2)
        task = self.task
        for page in range(self.touched, self.touched + min(frames, self.left)):
            assert task is not None
            try:
                if page % KEEPS_ONE_IN:
                    task.touch(FIRST + page, True)
                else:
                    task.write(HEAP + page * PAGE_SIZE, _number(page))
            except OutOfMemory:
                self.left = 0
                return
            self.touched = page + 1
            self.left -= 1
            if self.text and not self.touched % self.stride:
                self._read_text()

    def _read_text(self) -> None:
        """The next page of the file, if it was not read yet."""
        if self.mapped < len(self.text) and self.task is not None:
            self.task.write(TEXT + self.mapped * PAGE_SIZE, self.text[self.mapped])
            self.mapped += 1

    def give_up(self) -> int:
        """Free all but one page in KEEPS_ONE_IN; returns how many pages were freed."""
        before = len(self.frame_numbers)
        for first in range(0, self.touched, KEEPS_ONE_IN):
            last = min(first + KEEPS_ONE_IN, self.touched)
            if self.task is not None and last - first > 1:
                madvise_dontneed(self.task, HEAP + (first + 1) * PAGE_SIZE, (last - first - 1) * PAGE_SIZE)
        if self.task is not None:
            self.task.user.lru_add_drain_all()  # a batch holds references
        return before - len(self.frame_numbers)

    def swap_out(self, pool: Any, count: int) -> int:
        """Let up to ``count`` of its pages go to a store on ``pool``, those that were not used for longest; how many are there."""
        if self.task is None or not count:
            return 0
        user = self.task.user
        space = swapon(user, pool.open_store(count), count)
        for _ in range(SCANS_BEFORE_SWAP):
            for node in self.vm.nodes:
                if space.free:
                    user.shrink_node(user, node, 0)
        return space.used

    @property
    def frames(self) -> int:
        """The frames that are in use for it: its pages, and the zero page."""
        return 0 if self.task is None else len(self.frame_numbers) + 1

    def compare(self) -> list[int]:
        """Read what it kept; returns the numbers of the pages that are not what it wrote."""
        if self.task is None:
            return []
        kept = (page for page in range(0, self.touched, KEEPS_ONE_IN) if page not in self.gone)
        lost = [page for page in kept if not self._holds(HEAP + page * PAGE_SIZE, _number(page))]
        text = enumerate(self.text[: self.mapped])
        return lost + [self.touched + at for at, page in text if not self._holds(TEXT + at * PAGE_SIZE, page)]

    def _holds(self, address: int, content: bytes) -> bool:
        """Whether it reads that; not where a store that it was swapped to cannot give it back."""
        try:
            return self.task is not None and self.task.read(address, len(content)) == content
        except Signal:
            return False

    @contextmanager
    def at_work(self, share: int) -> Iterator[None]:
        """Inside the block a pipe holds ``share`` pages of the file, and one other: those that compaction comes to first."""
        task = self.task
        if task is not None and task.mm is not None:
            there = {vpn: pte >> PTE_SHIFT for vpn, pte in task.mm.pgtable.items() if pte & PTE_THERE}
            first = sorted(there, key=there.__getitem__)
            text = [vpn for vpn in first if vpn < FIRST][:share]
            for vpn in text + [vpn for vpn in first if vpn >= FIRST][:1]:
                pinned = get_user_pages(task, vpn * PAGE_SIZE, 1)
                task.pins += pinned if isinstance(pinned, list) else []
            self.pinned = len(task.pins)
        try:
            yield
        finally:
            if task is not None:
                task.unpin()

    def give_back_one(self, near: Page) -> None:
        """Free one of its pages that somebody has isolated right now, if there is one in the pageblock of ``near``: compaction
        isolates a few pages of one pageblock at a time."""
        task = self.task
        if task is None or task.mm is None or not sum(lruvec(near.zone.node).nr_isolated):
            return
        first = near.pfn >> PAGEBLOCK_ORDER << PAGEBLOCK_ORDER
        for pfn in range(first, first + (1 << PAGEBLOCK_ORDER)):
            page = self.vm.pages.get(pfn)
            if page is None or page._flags & LRU or page._refcount != 2 or not PageAnon(page):
                continue
            number = page._index - FIRST
            if task.mm.pgtable.get(page._index, 0) >> PTE_SHIFT == pfn and number not in self.gone:
                madvise_dontneed(task, HEAP + number * PAGE_SIZE, PAGE_SIZE)
                self.gone.add(number)
                return

    def exit(self) -> None:
        """End, and give everything back, with what the machine needs to run processes."""
        if self.task is not None:
            self.tally = self.task.user.lru_tally
            self.task.exit()
            swapoff(self.task.user)
            self.task.user.shut_down()
            self.task = None


def _number(page: int) -> bytes:
    return page.to_bytes(16, "little")


# --- the compressed store ---

def hands_out_stores(driver: Any) -> bool:
    """Whether a driver is a pool that a block device can be put on: it has ``open_store(pages)`` and ``pages_for(contents)``."""
    return callable(getattr(driver, "open_store", None)) and callable(getattr(driver, "pages_for", None))


class Store:
    """A compressed block device on one pool. It holds every ``stride``-th page of the data, from ``first`` on.

    ``stored`` are the numbers of the pages written so far, ``discarded`` those of them that were thrown away again.
    """

    def __init__(self, pool: Any, data: Data, first: int, stride: int, pages_wanted: int) -> None:
        self.pool = pool
        self.data = data
        self.numbers = range(first, len(data.pages), stride)
        self.left = pages_wanted
        self.stored: list[int] = []
        self.discarded: set[int] = set()
        self.device = pool.open_store(max(1, len(self.numbers)))

    def take(self, frames: int) -> None:
        """Write pages until the pool has grown by ``frames``, or all are written."""
        before = self.pool.zs_get_total_pages()
        goal = before + frames
        while len(self.stored) < len(self.numbers) and self.pool.zs_get_total_pages() < goal:
            self._write()
        self.left = max(0, self.left - (self.pool.zs_get_total_pages() - before))

    def finish(self) -> None:
        """Write what is not written yet."""
        while len(self.stored) < len(self.numbers):
            self._write()
        self.left = 0

    def _write(self) -> None:
        number = self.numbers[len(self.stored)]
        self.device.write(len(self.stored), self.data.pages[number])
        self.stored.append(number)

    def in_use(self) -> AbstractContextManager[Any]:
        """Inside the block somebody has one of the stored pages mapped, if the device can do that (its method ``hold``)."""
        hold = getattr(self.device, "hold", None)
        kept = [slot for slot, number in enumerate(self.stored) if number not in self.discarded]
        return nullcontext() if hold is None else cast("AbstractContextManager[Any]", hold(kept))

    def discard(self, share: float, chance: random.Random) -> None:
        """Throw a random part of the pages away."""
        for slot in sorted(chance.sample(range(len(self.stored)), int(len(self.stored) * share))):
            self.device.discard(slot)
            self.discarded.add(self.stored[slot])

    def compare(self) -> list[tuple[int, str]]:
        """Read every page back; returns (page, what is wrong with it) for each that is not what was written."""
        wrong = []
        for slot, number in enumerate(self.stored):
            expected = bytes(PAGE_SIZE) if number in self.discarded else self.data.pages[number]
            try:
                content = self.device.read(slot)
            except BaseException as error:  # a broken driver can make reading fail in any way
                if by_hand(error):
                    raise
                wrong.append((number, f"cannot be read: {error_words(error)}"))
                continue
            if content != expected:
                at = next((i for i, (a, b) in enumerate(zip(content, expected, strict=False)) if a != b), len(content))
                wrong.append((number, f"differs from byte {at} on"))
        return wrong


# --- the balloon, and drivers of others ---


def grows_to_a_target(driver: Any) -> bool:
    """Whether a driver is a balloon, whose host can ask for a size: it has ``set_target(pages)`` and ``num_pages``."""
    return callable(getattr(driver, "set_target", None)) and hasattr(driver, "num_pages")


class Inflation:
    """A balloon whose host asks for more, step by step; ``allocating`` is entered while it works."""

    def __init__(self, balloon: Any, left: int, allocating: Callable[[], AbstractContextManager[None]] = nullcontext) -> None:
        self.balloon = balloon
        self.left = left
        self.allocating = allocating

    def take(self, frames: int) -> None:
        """Ask for ``frames`` more, and let the balloon's worker run; gives up for good where it gets nothing."""
        before = self.balloon.num_pages
        with self.allocating():
            self.balloon.set_target(before + min(frames, self.left))
            self.balloon.vm.run_work()
        grown = self.balloon.num_pages - before
        self.left = self.left - grown if grown > 0 else 0


LARGEST_BLOCK = 1 << MAX_ORDER - 1
"""Frames that a driver of any order can use."""


class Population:
    """A driver with a method ``populate(count)`` that allocates up to ``count`` pages and returns how many it got.

    A driver of higher order gets nothing out of a small share: what it did not get is asked for again with the next one, until a
    block of any order would fit.
    """

    def __init__(self, name: str, populate: Callable[[int], Any], left: int) -> None:
        self.name = name
        self.populate = populate
        self.left = left
        self.saved = 0

    def take(self, frames: int) -> None:
        """Ask for ``frames`` more; gives up for good where there are none. Raises MovableError for any answer but a count."""
        frames = min(frames + self.saved, self.left)
        if not frames:
            return
        try:
            got = self.populate(frames)
        except BaseException as error:
            if by_hand(error) or isinstance(error, MovableError):
                raise
            raise MovableError(f"{self.name}.populate raised {error_words(error)}") from error
        if type(got) is not int or not 0 <= got <= frames:
            raise MovableError(f"{self.name}.populate returned {literal(got)}; it must return how many of {frames} pages it got")
        self.saved = frames - got
        gives_up = not got and frames >= min(self.left, LARGEST_BLOCK)
        self.left = 0 if gives_up else self.left - got


def fill(takers: list[Taker], process: Process, cycles: int, chance: random.Random) -> None:
    """Let the process and, in turns drawn by ``chance``, the others take memory, so that their frames lie mixed."""
    for cycle in range(cycles):
        rest = cycles - cycle
        process.take(_jitter(process.left, rest, chance))
        wanting = [taker for taker in takers if taker.left]
        if wanting:
            taker = chance.choices(wanting, [taker.left for taker in wanting])[0]
            taker.take(_jitter(sum(taker.left for taker in wanting), rest, chance))
    process.take(process.left)
    for taker in takers:
        if isinstance(taker, Store):
            taker.finish()
        elif taker.left:
            taker.take(taker.left)


def _jitter(left: int, rest: int, chance: random.Random) -> int:
    """An equal share of what is left, half more or less."""
    share = -(-left // rest)
    return chance.randint(share - share // 2, share + share // 2)


def first_line(error: BaseException) -> str:
    """The first line of what an exception says."""
    return (str(error).splitlines() or [""])[0]


def error_words(error: BaseException) -> str:
    """An exception in one line: its type, and what it says if it says anything."""
    return ": ".join(filter(None, [type(error).__name__, first_line(error)]))
