"""Streams of events for tests: recorded from a small correct driver, and edited by hand."""

from __future__ import annotations

from collections.abc import Callable
from errno import EAGAIN, EBUSY
from typing import Any

import movable
from movable import (
    MIGRATE_ASYNC,
    MIGRATE_SYNC_LIGHT,
    MIGRATE_SYNC_NO_COPY,
    VM,
    AddressSpace,
    ListHead,
    Page,
    isolate_movable_page,
    list_add_tail,
    list_del,
    migrate_pages,
    putback_movable_pages,
)
from movable.events import Event
from movable.rules.stream.monitor import Monitor
from tests.drivers_for_tests.ring import Ring


class LockedRing(Ring):
    """A ring with a lock, and pages that it will not let go of; ``gate`` is a mutex that it only tries in callbacks."""

    def __init__(self, vm: VM) -> None:
        super().__init__(vm)
        self.lock = vm.spinlock("ring lock")
        self.gate = vm.mutex("ring gate")
        self.keeps: set[int] = set()

    def add(self, fill: int = 0, nid: int | None = None) -> Page:
        """Allocate under the gate."""
        with self.gate:
            return super().add(fill, nid)

    @movable.hookimpl
    def isolate_page(self, page: Page, mode: int) -> bool:
        with self.lock:
            list_del(page.lru)
            if page.pfn in self.keeps:
                list_add_tail(page.lru, self.pages)
                return False
            return True

    @movable.hookimpl
    def migratepage(self, mapping: AddressSpace, newpage: Page, page: Page, mode: int) -> int:
        if not self.gate.trylock():
            return -EAGAIN
        try:
            with self.lock:
                return super().migratepage(mapping, newpage, page, mode)
        finally:
            self.gate.unlock()

    @movable.hookimpl
    def putback_page(self, page: Page) -> None:
        with self.lock:
            list_add_tail(page.lru, self.pages)


class Scene:
    """A machine with one ring, whose events are kept in ``events``."""

    def __init__(self, ring: type[Ring] = LockedRing, pages: int = 6) -> None:
        self.vm = VM()
        self.events: list[Event] = []
        self.vm.observe(self.events.append)
        self.ring = ring(self.vm)
        self.isolated = ListHead("isolated")
        self.pages = [self.ring.add(n) for n in range(pages)]

    def isolate(self, *pages: Page) -> None:
        """Isolate pages; they must let go."""
        for page in pages:
            assert isolate_movable_page(page, 0) == 0
            list_add_tail(page._lru, self.isolated)

    def migrate(self, *answers: int, mode: int = MIGRATE_SYNC_LIGHT) -> int:
        """Migrate what is isolated. The ring's first answers are ``answers``, after which it succeeds."""
        self.ring.answers = list(answers)
        return migrate_pages(self.isolated, lambda page, private: self.vm.alloc_page(), None, None, mode, 0)

    def put_back(self) -> None:
        """Put back what is isolated."""
        putback_movable_pages(self.isolated)

    def end(self) -> list[Event]:
        """The driver goes; the events."""
        self.put_back()
        for page in list(self.ring.pages):
            self.ring.release(page)
        self.vm.free_address_space(self.ring.mapping)
        return self.events


def everything() -> list[Event]:
    """A run in which most things happen once."""
    scene = Scene()
    first, second, third, fourth, fifth, sixth = scene.pages
    assert isinstance(scene.ring, LockedRing)
    scene.ring.keeps = {sixth.pfn}
    assert isolate_movable_page(sixth, 0) == -EBUSY
    scene.isolate(first)
    assert isolate_movable_page(first, 0) == -EBUSY
    scene.migrate()
    scene.isolate(second)
    scene.migrate(-EAGAIN, mode=MIGRATE_ASYNC)
    scene.isolate(third)
    scene.migrate(-EBUSY)
    scene.isolate(fourth)
    scene.migrate(mode=MIGRATE_SYNC_NO_COPY)
    scene.isolate(fifth)
    scene.ring.release(fifth, isolated=True)
    scene.migrate()
    scene.isolate(third)
    scene.put_back()
    return scene.end()


# --- judging ---


def judge(events: list[Event], quiescent: bool = True, era: str = "4.19") -> Monitor:
    """The monitor after a stream."""
    monitor = Monitor(era=era)
    for event in events:
        monitor.feed(event)
    monitor.finish(quiescent)
    return monitor


# --- editing ---


def where(events: list[Event], kind: str, nth: int = 0, after: int = -1, **wanted: Any) -> int:
    """The index of the nth event of a kind behind ``after`` whose fields or arguments have the values wanted."""
    found = [
        index
        for index, event in enumerate(events)
        if index > after and event.kind == kind and all(_value(event, name) == value for name, value in wanted.items())
    ]
    return found[nth]


def _value(event: Event, name: str) -> Any:
    return getattr(event, name) if name in Event._fields else event.args.get(name)


def changed(events: list[Event], index: int, **new: Any) -> list[Event]:
    """The stream with fields or arguments of one event replaced."""
    event = events[index]
    fields = {name: value for name, value in new.items() if name in Event._fields}
    args = {name: value for name, value in new.items() if name not in Event._fields}
    return [*events[:index], event._replace(**fields, args={**event.args, **args}), *events[index + 1 :]]


def dropped(events: list[Event], *indices: int) -> list[Event]:
    """The stream without some events."""
    return [event for index, event in enumerate(events) if index not in indices]


def inserted(events: list[Event], index: int, *kinds: str | Event, **new: Any) -> list[Event]:
    """The stream with events behind ``index``: about the same page in the same state, changed by ``new``."""
    like = events[index]
    fields = {name: value for name, value in new.items() if name in Event._fields}
    args = {name: value for name, value in new.items() if name not in Event._fields}
    extra = [
        kind if isinstance(kind, Event) else like._replace(kind=kind, args=args)._replace(**fields) for kind in kinds
    ]
    return renumbered([*events[: index + 1], *extra, *events[index + 1 :]])


def renumbered(events: list[Event]) -> list[Event]:
    """The stream with fresh sequence numbers."""
    return [event._replace(seq=seq) for seq, event in enumerate(events)]


Edit = Callable[[list[Event]], list[Event]]

# --- traces ---

SHOWN = {
    **dict.fromkeys(("set_page_movable", "clear_page_movable", "unlock_page", "free_page"), ("ops",)),
    **dict.fromkeys(("isolate_movable_page", "isolate_page"), ("mode", "driver")),
    **dict.fromkeys(("isolate_movable_page_ret", "isolate_page_ret", "migrate_pages_ret"), ("ret", "driver")),
    "migratepage": ("newpage", "mode", "driver", "new_flags"),
    "migratepage_ret": ("newpage", "ret", "driver"),
    "putback_page": ("driver",),
    "putback_page_ret": ("driver",),
    "migrate_pages": ("mode", "reason"),
    "move_to_new_page": ("newpage", "mode"),
    "move_to_new_page_ret": ("newpage", "ret"),
}
"""The kinds that a trace of a real kernel shows, and the arguments that it shows of each."""


def as_trace(events: list[Event]) -> list[Event]:
    """What a trace would show of the stream: fewer kinds, only movable pages, nothing about the page when a call returns."""
    shown = []
    for event in events:
        names = SHOWN.get(event.kind)
        if names is None or (event.kind in ("unlock_page", "free_page") and event.mapping & 3 != 2):
            continue
        args = {name: value for name, value in event.args.items() if name in names}
        if event.kind.endswith("_ret"):
            event = event._replace(flags=-1, mapping=-1, refs=-1)
        shown.append(event._replace(args=args))
    return shown
