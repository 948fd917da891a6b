"""Playing scripts on a machine: pages in groups that the caller migrates itself, pages soft-offlined, pages of ranges that go."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from errno import ENOMEM
from itertools import pairwise
from typing import Any, NamedTuple

from movable.eras import Era
from movable.errors import UsageError
from movable.events import Event as VMEvent
from movable.lab.answers.drivers import Item, ScriptedDriver, bits, scripted
from movable.lab.answers.lines import DRIVERS, Event, Group, Line
from movable.mm.compaction import compact_memory
from movable.mm.filemap import lock_page, unlock_page
from movable.mm.gfp import GFP_HIGHUSER_MOVABLE
from movable.mm.list import ListHead, list_add_tail
from movable.mm.memory_failure import soft_offline_page
from movable.mm.memory_hotplug import MAX_PASSES, offline_pages
from movable.mm.migrate import isolate_movable_page, migrate_pages, putback_movable_pages
from movable.mm.page import Page, get_page, put_page
from movable.mm.page_alloc_contig import alloc_contig_range
from movable.mm.page_flags import LOCKED, PageMovableHint, PG_hwpoison
from movable.mm.vm import VM

FRAMES_OF_A_PAGE = 64
"""Frames of a machine for one page."""


class Player:
    """What every part has in common: how a trigger of a page begins and ends."""

    def __init__(self, lines: Sequence[Line], era: Era, frames: int) -> None:
        first = lines[0]
        sticky_recording = DRIVERS[first.drv] != "6.1"
        if sticky_recording is not era.sticky_mark:
            raise UsageError(f"{first.drv} cannot run in era {era.name}: its kernel was {DRIVERS[first.drv]}")
        self.era = era
        self.vm = VM(memory=frames << 12, era=era, pageblock_order=min(9, max(3, frames.bit_length() - 4)))
        self.driver: ScriptedDriver = scripted(first.drv, self.vm)
        self.driver.label = self.label
        self.items = [self.driver.new_item(line) for line in lines]
        self.frames: dict[int, int] = {}  # labels of targets, by frame

    def label(self, item: Item, page: Page) -> int:
        """A target's number in its trigger, by frame in order of first appearance."""
        return self.frames.setdefault(page.pfn, len(self.frames) + 1)

    def emit(self, item: Item, event: Event) -> None:
        """Take an event down."""
        self.driver.emit(item, event)

    def begin(self, item: Item) -> None:
        """A trigger of a page begins."""
        item.triggers += 1
        item.begun = item.page
        item.label = 0
        self.emit(item, ["t", item.triggers])
        if item.due("pre", item.triggers):
            self.driver.release(item, "pre", locked=False, put=False)
        if item.script.xref:
            get_page(item.begun)

    def finish(self, item: Item, ret: int) -> None:
        """It ends: references of bystanders go, and the owner's of a page released before."""
        if item.script.xref:
            put_page(item.begun)
        if item.owed:
            item.owed = False
            put_page(item.begun)
        item.releases_soon = False
        self.emit(item, ["ret", ret])
        self.emit(item, self.state(item))

    def state(self, item: Item) -> Event:
        """How page and frame stand right after a trigger."""
        page, old = item.page, item.begun
        moved = page is not old
        left = moved or not item.owned
        gone = left and self.is_gone(item, old)
        seen = -1 if gone or not left else old._refcount
        mark = int(PageMovableHint(page)) if item.owned else -1
        isolated = bits(page)[1] if item.owned else -1 if gone else bits(old)[1]
        refs = page._refcount if item.owned else -1
        poison = int(not gone and bool(old._flags >> PG_hwpoison & 1))
        return ["st", int(item.owned), int(moved), mark, isolated, refs, int(gone), seen, poison]

    def is_gone(self, item: Item, old: Page) -> bool:
        """Whether the frame that a page had is free, or somebody else's."""
        return old._refcount == 0 or self.driver.items.get(old.pfn) is not item

    def release_soon(self, item: Item) -> None:
        """The owner had it in mind when the page was isolated."""
        if item.releases_soon:
            item.releases_soon = False
            self.driver.release(item, "iso", locked=False, put=True)


class DirectPlayer(Player):
    """A group of pages: isolated one by one, migrated as a list, put back; round after round."""

    def __init__(self, lines: Sequence[Line], era: Era) -> None:
        assert lines[0].grp is not None
        self.group: Group = lines[0].grp
        most = len(lines) * (2 + era.passes * self.group.calls)  # no target is given twice in a round
        super().__init__(lines, era, max(256, 2 << most.bit_length()))
        self.seq = 0
        self.driver.emit = self._emit
        self.driver.after_call = self._peer if self.group.g % 3 == 1 else lambda item: None
        self.at: dict[int, int] = {id(item): place for place, item in enumerate(self.items)}
        self.given: dict[int, tuple[Item, int]] = {}
        self.aside: list[Page] = []
        self.taken: list[Item] = []
        self.targets = 0

    def _emit(self, item: Item, event: Event) -> None:
        item.log.append([*event, self.seq])
        self.seq += 1

    def label(self, item: Item, page: Page) -> int:
        """Here the caller numbers its targets itself."""
        return self.given[page.pfn][1]

    def play(self) -> None:
        """All rounds."""
        for _ in range(self.group.rounds):
            self._round()

    def _round(self) -> None:
        self.seq = self.targets = 0
        self.given.clear()
        self.taken = []
        pages = ListHead("pages of the group")
        running = [item for item in self.items if item.owned]
        for item in running:
            self._isolate(item, pages)
        ret = self._migrate(pages)
        for item in self.taken:
            if item.script.hold == "mig":
                unlock_page(item.begun)
        if pages:
            for page in pages:
                self.emit(self.driver.item(page), ["pbl"])
            putback_movable_pages(pages)
        for item in running:
            self.finish(item, ret)
        for page in self.aside:
            put_page(page)
        self.aside.clear()

    def _isolate(self, item: Item, pages: ListHead) -> None:
        self.begin(item)
        page = item.begun
        if item.script.hold == "iso":
            lock_page(page)
        error = isolate_movable_page(page, self.group.isomode)
        self.emit(item, ["isor", int(error == 0) if self.era.sticky_mark else error])
        if item.script.hold == "iso":
            unlock_page(page)
        if error:
            return
        list_add_tail(page._lru, pages)
        self.taken.append(item)
        if item.script.hold == "mig":
            lock_page(page)

    def _migrate(self, pages: ListHead) -> int:
        ret = 0
        group = self.group
        for _ in range(group.calls):
            batch = [self.driver.item(page) for page in pages]
            if not batch:
                break
            for item in batch:
                self.emit(item, ["mp", group.mode, group.reason, len(batch)])
                self.release_soon(item)
            ret = migrate_pages(pages, self._new, self._put if group.putcb else None, None, group.mode, group.reason)
            for item in sorted(batch, key=lambda item: item.line.id):
                self.emit(item, ["mpr", ret])
            if ret <= 0:
                break
        return ret

    def _new(self, page: Page, private: Any) -> Page | None:
        item = self.driver.item(page)
        if 0 <= self.group.ntgt <= self.targets:
            self.emit(item, ["new", 0])
            return None
        self.targets += 1
        item.label += 1
        newpage = self._fresh()
        self.given[newpage.pfn] = (item, item.label)
        self.emit(item, ["new", item.label])
        return newpage

    def _fresh(self) -> Page:
        """A frame that nobody had in this round, so that what became of the old ones can be told."""
        while True:
            page = self.driver.make_page()
            if all(item.begun is not page for item in self.taken):
                return page
            self.aside.append(page)

    def is_gone(self, item: Item, old: Page) -> bool:
        """What is set aside is nobody's any more."""
        return super().is_gone(item, old) or old in self.aside

    def _put(self, newpage: Page, private: Any) -> None:
        item, label = self.given[newpage.pfn]
        locked, _, refs = bits(newpage)
        self.emit(item, ["tput", label, locked, refs])
        self.aside.append(newpage)

    def _peer(self, item: Item) -> None:
        place = self.at[id(item)] + 1
        if place == len(self.items):
            return
        peer = self.items[place]
        if peer in self.taken and peer.owned and peer.page is peer.begun:
            self.emit(item, ["peer", peer.page._flags & LOCKED])


class LonePlayer(Player):
    """One page; what others of the list did is not on record."""

    def __init__(self, line: Line, era: Era) -> None:
        super().__init__([line], era, FRAMES_OF_A_PAGE)
        self.line = line
        self.item = self.items[0]
        self.with_length = True
        self.vm.observe(self._observe)

    def _observe(self, event: VMEvent) -> None:
        if event.kind not in ("migrate_pages", "migrate_pages_ret", "putback_movable_pages"):
            return
        item = self.item
        if event.kind == "migrate_pages":
            length = [event.args["nr"]] if self.with_length else []
            self.emit(item, ["mp", event.args["mode"], event.args["reason"], *length])
            self.release_soon(item)
        elif event.kind == "migrate_pages_ret":
            self.returned(event.args["ret"])
        elif event.args["nr"]:
            self.emit(item, ["pbl"])

    def returned(self, ret: int) -> None:
        """migrate_pages came back."""
        self.emit(self.item, ["mpr", ret])


class SoftPlayer(LonePlayer):
    """The page's frame is soft-offlined, and then the frame that it moved to."""

    def play(self) -> None:
        """All triggers."""
        for _ in range(self.line.script.trig):
            if not self.item.owned:
                return
            self.frames.clear()
            self.begin(self.item)
            self.finish(self.item, soft_offline_page(self.vm, self.item.begun.pfn))


class ListPlayer(LonePlayer):
    """A caller that empties ranges of memory comes by, as often as it came by the recorded page.

    Where the recorded call ended without memory for targets, it does so here, at the same place, and where offlining was given up,
    it is given up after as many passes: that was the neighbours' doing.
    """

    def __init__(self, line: Line, era: Era) -> None:
        super().__init__(line, era)
        self.with_length = False
        self.calls = _calls(line.log)
        self.call = -1
        self.loop = self.vm.migrate_loop
        self.vm.migrate_loop = self._loop
        self._fragment()

    def _fragment(self) -> None:
        """Fill every second frame away from the page: compaction takes no targets from pageblocks that are free as a whole.

        The pageblock of the page and the one beside it are its own, since ranges are closed in pairs of pageblocks.
        """
        vm, size = self.vm, 2 << self.vm.pageblock_order
        start = self.item.begun.pfn & -size
        spare = []
        while (page := vm.alloc_page(GFP_HIGHUSER_MOVABLE)) is not None:
            if start <= page.pfn < start + size or page.pfn & 1:
                spare.append(page)
        for page in spare:
            put_page(page)

    def _loop(self, vm: VM, pages: ListHead, get: Any, put: Any, private: Any, mode: int, reason: int) -> int:
        self.call += 1
        call = self._recorded()
        if not call.short or not call.stays:
            ret = self.loop(vm, pages, get, put, private, mode, reason)
        elif not call.asked:
            ret = 0
            self.returned(ret)
        elif self.era.async_first:
            ret = self.loop(vm, pages, self._until(call.asked, get), put, private, mode, reason)
        else:
            vm.era = replace(self.era, passes=call.asked)
            ret = self.loop(vm, pages, get, put, private, mode, reason)
            vm.era = self.era
        return -ENOMEM if call.short else ret

    def _recorded(self) -> _Call:
        return self.calls[self.call] if self.call < len(self.calls) else _Call(0, False, False)

    def _until(self, asked: int, get: Any) -> Any:
        """Targets for a page whose driver is asked ``asked`` times; then a neighbour finds none."""
        before = self.item.migrates

        def new(page: Page, private: Any) -> Page | None:
            if self.item.migrates - before >= asked:
                return None
            found: Page | None = get(page, private)
            return found

        return new

    def returned(self, ret: int) -> None:
        """Only whether a list failed as a whole is on record."""
        self.emit(self.item, ["mpr", -ENOMEM if self._recorded().short else min(ret, 0)])

    def play(self) -> None:
        """As many triggers as are on record."""
        for passes in _passes(self.line.log):
            if not self.item.owned:
                return
            self.frames.clear()
            self.begin(self.item)
            self.finish(self.item, self._trigger(passes))

    def state(self, item: Item) -> Event:
        """A shorter form, and nothing about the frame of a page that is nobody's any more."""
        short = super().state(item)[:6]
        return short if item.owned else [*short[:3], -1, -1, -1]

    def _trigger(self, passes: int) -> int:
        vm, pfn = self.vm, self.item.begun.pfn
        if self.line.how == "compact_memory":
            compact_memory(vm)
            return 0
        size = 1 << vm.pageblock_order
        start = pfn & -size
        if self.line.how == "offline":
            return offline_pages(vm, start, size, passes)
        return alloc_contig_range(vm, start, start + size)


class _Call(NamedTuple):
    """A recorded call of migrate_pages: how often the driver was ``asked``, whether the call ran out of targets and was ``short``,
    and whether the page ``stays`` on the list after it.
    """

    asked: int
    short: bool
    stays: bool


def _calls(log: list[Event]) -> list[_Call]:
    calls: list[_Call] = []
    asked = 0
    for event, after in pairwise([*log, ["end"]]):
        if event[0] == "mp":
            asked = 0
        elif event[0] == "mig":
            asked += 1
        elif event[0] == "mpr":
            calls.append(_Call(asked, event[1] is not None and event[1] < 0, after[0] in ("mp", "pbl")))
    return calls


def _passes(log: list[Event]) -> list[int]:
    """Of each recorded trigger, how often the caller may come by a page in vain: as often as it did where the page stayed."""
    passes: list[int] = []
    seen = 0
    for event in log:
        if event[0] == "t":
            passes.append(MAX_PASSES)
            seen = 0
        elif event[0] == "iso":
            seen += 1
        elif event[0] == "st" and event[1] and not event[2]:
            passes[-1] = seen
    return passes
