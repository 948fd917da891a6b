"""The scripted drivers: one with callbacks of its own, in either kind of mark, and a balloon on the balloon core.

Each page has an ``Item`` with its script, its place in the script, and the log of all that happened to it.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from movable.lab.answers.lines import Event, Line, Script
from movable.mm.balloon import BalloonDevInfo, balloon_page_alloc, balloon_page_enqueue, balloon_page_list_dequeue
from movable.mm.filemap import lock_page, unlock_page
from movable.mm.list import ListHead, list_del
from movable.mm.page import Page, get_page, put_page
from movable.mm.page_flags import (
    ISOLATED,
    LOCKED,
    ClearPageMovable,
    PageMovableHint,
    SetPageMovable,
)
from movable.mm.vm import VM


class Item:
    """One page of the recording, as it lives on the machine.

    ``page`` is its frame now, ``begun`` the frame that it had when the trigger began. ``owned`` is false once its owner released
    it. ``listed`` says whether its driver would let go of it. ``owed``: the owner's put of a release that comes after the trigger.
    """

    def __init__(self, line: Line, page: Page) -> None:
        self.line = line
        self.script: Script = line.script
        self.page = self.begun = page
        self.owned = self.listed = True
        self.owed = False
        self.answers = self.asked = 0  # answers consumed of mig and iso
        self.isolations = self.migrates = self.putbacks = self.triggers = 0
        self.releases_soon = False
        self.label = 0
        self.log: list[Event] = []
        self.dev_info: BalloonDevInfo | None = None

    def due(self, when: str, count: int) -> bool:
        """Whether the script has the page released now."""
        return self.owned and self.script.rel == (when, count)

    def iso_answer(self) -> int:
        """The next scripted answer of isolate_page; 1 after the last."""
        answers, self.asked = self.script.iso, self.asked + 1
        return answers[self.asked - 1] if self.asked <= len(answers) else 1

    def mig_answer(self) -> int:
        """The next scripted answer of the migrate callback."""
        answers, self.answers = self.script.mig, self.answers + 1
        return answers[self.answers - 1] if self.answers <= len(answers) else self.script.rest


def bits(page: Page) -> tuple[int, int, int]:
    """Locked, isolated, references."""
    return page._flags & LOCKED, int(bool(page._flags & ISOLATED)), page._refcount


class ScriptedDriver:
    """What both drivers share. ``emit(item, event)`` takes an event down, ``label(item, page)`` names a target."""

    shows_released = False

    def __init__(self, vm: VM) -> None:
        self.vm = vm
        self.items: dict[int, Item] = {}
        self.emit: Callable[[Item, Event], None] = lambda item, event: item.log.append(event)
        self.label: Callable[[Item, Page], int] = lambda item, page: 0
        self.after_call: Callable[[Item], None] = lambda item: None

    def item(self, page: Page) -> Item:
        """Whose page this is, or was until its owner released it."""
        return self.items[page.pfn]

    def new_item(self, line: Line) -> Item:
        """A page for a line of the recording."""
        page = self.make_page()
        item = self.items[page.pfn] = Item(line, page)
        self.own(item, page)
        return item

    def make_page(self) -> Page:
        """A fresh page."""
        page = balloon_page_alloc(self.vm)
        assert page is not None, "the machine of a recording has room for its pages"
        return page

    def own(self, item: Item, page: Page) -> None:
        """Make the page the driver's, and movable."""
        raise NotImplementedError

    def release(self, item: Item, when: str, locked: bool, put: bool) -> None:
        """The owner lets go of the page; ``locked`` where the core holds its lock already; without ``put`` it drops it later."""
        raise NotImplementedError

    def adopt(self, item: Item, newpage: Page) -> None:
        """The page has moved."""
        item.page = newpage
        item.listed = True
        self.items[newpage.pfn] = item


class ScriptedOps(ScriptedDriver):
    """Callbacks of its own: randmov in kernels whose marks are cleared, randops where they stay."""

    def __init__(self, vm: VM) -> None:
        super().__init__(vm)
        self.shows_released = vm.era.sticky_mark
        self.mapping = vm.address_space(self, "scripted")

    def own(self, item: Item, page: Page) -> None:
        lock_page(page)
        page.private = item
        SetPageMovable(page, self.mapping)
        unlock_page(page)

    def disown(self, page: Page) -> None:
        """The page lock is held."""
        if not self.vm.era.sticky_mark:
            ClearPageMovable(page)
        page.private = 0

    def release(self, item: Item, when: str, locked: bool, put: bool) -> None:
        page = item.page
        if not locked:
            lock_page(page)
        self.disown(page)
        item.owned = False
        self.emit(item, ["rel", when, *bits(page)])
        if not locked:
            unlock_page(page)
        if put:
            put_page(page)
        else:
            item.owed = True

    def isolate_page(self, page: Page, mode: int) -> bool:
        item, state = self.item(page), bits(page)
        answer = item.iso_answer() if page.private and item.listed else 0
        self.emit(item, ["iso", mode, *state, answer])
        if answer:
            item.listed = False
            item.isolations += 1
            item.releases_soon = item.due("iso", item.isolations)
        return bool(answer)

    def migratepage(self, mapping: Any, newpage: Page, page: Page, mode: int) -> int:
        return self.migrate_page(newpage, page, mode)

    def migrate_page(self, newpage: Page, page: Page, mode: int) -> int:
        item = self.item(page)
        released = not page.private
        answer = 0 if released else item.mig_answer()
        locked, _, refs = bits(newpage)
        seen = ["mig", mode, self.label(item, newpage), *bits(page), locked, refs, answer]
        self.emit(item, [*seen, int(released)] if self.shows_released else seen)
        self.after_call(item)
        if released:
            return 0
        item.migrates += 1
        if answer:
            if item.due("mig", item.migrates):
                self.release(item, "mig", locked=True, put=True)
            return answer
        get_page(newpage)
        newpage.private = item
        SetPageMovable(newpage, self.mapping)
        self.disown(page)
        self.adopt(item, newpage)
        put_page(page)
        return 0

    def putback_page(self, page: Page) -> None:
        item = self.item(page)
        released = not page.private
        item.putbacks += 1
        self.emit(item, ["put", *bits(page), int(released)] if self.shows_released else ["put", *bits(page)])
        if released:
            return
        item.listed = item.script.relist
        if item.due("put", item.putbacks):
            self.release(item, "put", locked=True, put=True)


class ScriptedBalloon(ScriptedDriver):
    """A balloon of one page for each line: the balloon core answers, only its device's hook goes by the script."""

    def __init__(self, vm: VM) -> None:
        super().__init__(vm)
        self.core = BalloonDevInfo(vm, self.hook).core
        ops = vm.movable_ops[vm.era.page_types["offline"] >> 24]
        self.inner = ops.a_ops
        ops.a_ops = ops.a_ops._replace(isolate_page=self.isolate, migratepage=self.migrate, putback_page=self.putback)
        self.answer = 0

    def own(self, item: Item, page: Page) -> None:
        item.dev_info = BalloonDevInfo(self.vm, self.hook)
        balloon_page_enqueue(item.dev_info, page)

    def release(self, item: Item, when: str, locked: bool, put: bool) -> None:
        assert item.dev_info is not None
        page, taken = item.page, ListHead("released")
        if not balloon_page_list_dequeue(item.dev_info, taken, 1):
            return
        list_del(page.lru)
        item.owned = False
        self.emit(item, ["rel", when, *bits(page)])
        item.owed = True

    def isolate(self, page: Page, mode: int) -> bool:
        item, state = self.item(page), bits(page)
        answer = bool(self.inner.isolate_page(page, mode))  # type: ignore[misc]
        self.emit(item, ["iso", mode, *state, int(answer)])
        item.isolations += answer
        return answer

    def hook(self, dev_info: BalloonDevInfo, newpage: Page, page: Page, mode: int) -> int:
        item = self.item(page)
        self.answer = item.mig_answer()
        item.migrates += 1
        return self.answer

    def migrate(self, mapping: Any, newpage: Page, page: Page, mode: int) -> int:
        item, state = self.item(page), bits(page)
        locked, _, refs = bits(newpage)
        label = self.label(item, newpage)
        rc = self.inner.migratepage(mapping, newpage, page, mode)  # type: ignore[misc]
        self.emit(item, ["mig", mode, label, *state, locked, refs, self.answer, rc])
        if rc == 0 and self.answer == 0:
            self.adopt(item, newpage)
        elif rc == 0:
            item.owned = False
        self.after_call(item)
        return rc

    def putback(self, page: Page) -> None:
        item = self.item(page)
        item.putbacks += 1
        self.emit(item, ["put", *bits(page)])
        self.inner.putback_page(page)  # type: ignore[misc]


def end_of(item: Item) -> dict[str, int]:
    """Where a page stands when its recording is over."""
    page = item.page
    return {
        "owned": int(item.owned),
        "movable": int(PageMovableHint(page)) if item.owned else -1,
        "isolated": bits(page)[1] if item.owned else -1,
        "refs": page._refcount if item.owned else -1,
        "isolations": item.isolations,
        "migrates": item.migrates,
        "putbacks": item.putbacks,
    }


def scripted(drv: str, vm: VM) -> ScriptedDriver:
    """The driver that is called ``drv`` in recordings."""
    return ScriptedBalloon(vm) if drv == "randball" else ScriptedOps(vm)
