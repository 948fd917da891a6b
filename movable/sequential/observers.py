"""Looks at a driver before and after each callback, and tells the monitor what it saw.

These are the rules that no event shows: what a refusal must leave alone, what a success must have moved, how a fresh target must
come back. The looking is quiet: it is no part of the story.
"""

from __future__ import annotations

from contextlib import nullcontext
from typing import TYPE_CHECKING, Any

from movable.mm.address_space import AddressSpace, MovableOperations
from movable.mm.page import Page
from movable.mm.page_flags import (
    LOCKED,
    PAGE_MAPPING_FLAGS,
    PAGE_MAPPING_MOVABLE,
)
from movable.sequential.bookkeeping import outside_books
from movable.sequential.counters import Ends
from movable.sequential.homes import Homes, home
from movable.workload.workload import Workload, named, snapshot

if TYPE_CHECKING:
    from movable.mm.vm import VM


class CallbackObserver:
    """Stands between the core and the callbacks of one workload's driver."""

    def __init__(self, vm: VM, workload: Workload) -> None:
        self.vm = vm
        self.workload = workload
        self.before_isolation: dict[int, tuple[int, object]] = {}
        self.led_back: set[int] = set()  # isolated pages whose ``private`` was set: an owner that gives one up clears it
        self.changes = 0
        self.operating = False  # the driver is in the middle of an operation, and its books need not agree
        self.reads_back = workload.reads_back()
        self.differs = ""
        self.ends = Ends(workload.driver)
        self.homes = Homes()

    def watch(self) -> None:
        """Wrap the callbacks of every address space that the driver owns now."""
        for space in self.vm.address_spaces.values():
            if space.host is self.workload.driver and not isinstance(space.a_ops, _Watched):
                missing = [name for name, callback in space.a_ops._asdict().items() if callback is None]
                self.say(None, "D1", not missing, f"{space.name} has no {', '.join(missing)}")
                if not missing:
                    space.a_ops = self._wrap(space.a_ops)

    def _wrap(self, raw: Any) -> _Watched:
        def isolate_page(page: Page, mode: int) -> bool:
            return self._isolate(raw, page, mode)

        def migratepage(mapping: AddressSpace, newpage: Page, page: Page, mode: int) -> int:
            return self._migrate(raw, mapping, newpage, page, mode)

        def putback_page(page: Page) -> None:
            self._putback(raw, page)

        return _Watched(isolate_page, migratepage, putback_page)

    def say(self, page: Page | None, rule: str, ok: bool, what: str) -> None:
        """One observation."""
        if self.vm.seam is not None:
            self.vm.seam.event("observation", page, rule=rule, ok=ok, what=what)

    def look(self) -> object:
        """Where the driver keeps pages now, without a trace in the story."""
        if self.vm.seam is None:
            return self.workload.snapshot()
        with self.vm.seam.quiet():
            return self.workload.snapshot()

    # the three callbacks

    def _isolate(self, raw: Any, page: Page, mode: int) -> bool:
        before, held, refs, word = self.look(), list(self.vm.current.held), page._refcount, page._mapping
        self.ends.before()
        answer: bool = raw.isolate_page(page, mode)
        self.ends.isolated(page.pfn) if answer is True else self.ends.other()
        self._locks(page, "isolate_page", held)
        if answer is True:
            self.say(page, "D9", page._lru.list is None, "isolate_page returned True with the page still on a list")
            self.changes += 1
            (self.led_back.add if page._private else self.led_back.discard)(page.pfn)
            self.before_isolation[page.pfn] = (self.changes, before)
            self.homes.look(before)
        elif answer is False:
            after = self.look()
            self.say(page, "D10", before == after, difference("isolate_page refused, and left a change behind", before, after))
        same = (page._refcount, page._mapping) == (refs, word) and bool(page._flags & LOCKED)
        self.say(page, "D11", same, "isolate_page changed the page's references, mark or lock")
        return answer

    def _migrate(self, raw: Any, mapping: AddressSpace, newpage: Page, page: Page, mode: int) -> int:
        before, held, content = self.look(), list(self.vm.current.held), self._content(page)
        state = (page._refcount, page._mapping, page._private, page._lru.list)
        pinned = {user.pfn for user in self.workload.mapped()}
        self.changes += 1
        self.ends.before()
        released = self._released(page)
        rc: int = raw.migratepage(mapping, newpage, page, mode)
        self.ends.ended(page.pfn, "moved") if rc == 0 and not released else self.ends.other()
        self._locks(page, "migratepage", held)
        if page.pfn in pinned:
            self.say(page, "D39", rc != 0, f"migratepage moved page {page.pfn} while a user has an object of it mapped")
        if rc == 0 and state[1] == PAGE_MAPPING_MOVABLE:
            pass  # the owner had released the page, in a kernel that asks all the same: nothing was to be moved
        elif rc == 0:
            self._moved(newpage, page, content, max(0, page._refcount - 1), before)
        else:
            self._refused(newpage, page, before, state)
        if mode == 3:
            self.say(page, "D28", rc != 0, "migratepage accepted MIGRATE_SYNC_NO_COPY, which asks it not to copy")
        return rc

    def _putback(self, raw: Any, page: Page) -> None:
        held = list(self.vm.current.held)
        stamp, before = self.before_isolation.pop(page.pfn, (0, None))
        self.ends.before()
        already = self._released(page)
        raw.putback_page(page)
        self.ends.other() if already else self.ends.ended(page.pfn, "put back")
        self._locks(page, "putback_page", held)
        released = page._mapping == PAGE_MAPPING_MOVABLE  # which a put-back may do
        later = any(queue._items for queue in self.vm.workqueues)  # the rest of it may be a worker's
        if stamp and stamp == self.changes and not released and not later:
            after = self.look()
            was, now = ("; ".join(" ".join(place) for place in home(state, page.pfn)) for state in (before, after))
            text = f"page {page.pfn} was at home in [{was}], and after putback_page in [{now}]"
            self.say(page, "D31", self.homes.restores(before, after, page.pfn), text)
        self.homes.put_back(page.pfn)
        self.changes += 1

    def _released(self, page: Page) -> bool:
        """Whether the owner had given a page up before it is asked about it, as it is in the last kernels all the same."""
        sticky = self.vm.era.sticky_mark and page.pfn in self.led_back
        return page._mapping == PAGE_MAPPING_MOVABLE or (sticky and not page._private)

    # what each of them owes

    def _locks(self, page: Page, callback: str, before: list[Any]) -> None:
        held = self.vm.current.held
        left = ", ".join(str(lock) for lock in held if lock not in before) or "a lock of its caller"
        self.say(page, "D47", held == before, f"{callback} returned with {left} held or lost")

    def _content(self, page: Page) -> bytes:
        return self.vm.map_page(page).tobytes()

    def _moved(self, newpage: Page, page: Page, content: bytes, held: int, before: object) -> None:
        """``held`` is how many references beside the core's are on the old page still: short-lived ones, which name it rightly."""
        after = self.look()
        places = named(after, page.pfn)
        if self.workload.stale_words and places < named(before, page.pfn) and named(after, newpage.pfn):
            places = 0  # a place has followed the page; another one may be an array's, beyond its count. Its use would be told
        self.say(page, "D14", places <= held, f"migratepage returned 0, and the driver still keeps page {page.pfn}")
        if places <= held:
            leads = bool(named(snapshot(list(self.workload.model)), page.pfn))
            self.say(page, "D14", not leads, f"migratepage returned 0, and a handle of the driver still leads to page {page.pfn}")
        if self._given_up(newpage, page) and not named(after, newpage.pfn):
            return
        if self.workload.preserves_content:
            self._compare(newpage, page, content)
        marked = newpage._mapping & PAGE_MAPPING_FLAGS == PAGE_MAPPING_MOVABLE and newpage._mapping != PAGE_MAPPING_MOVABLE
        self.say(newpage, "D16", marked, "migratepage returned 0 without marking the new page movable")

    def _given_up(self, newpage: Page, page: Page) -> bool:
        """Whether the owner released the old page and left the target as it came."""
        fresh = (newpage._refcount, newpage._mapping, newpage._lru.list, newpage._private) == (1, 0, None, 0)
        return fresh and (page._mapping == PAGE_MAPPING_MOVABLE or self.vm.era.sticky_mark)

    def _compare(self, newpage: Page, page: Page, content: bytes) -> None:
        """Where a workload reads its handles back, these say which bytes are promised: see ``read_back``. Else all are."""
        now = self._content(newpage)
        at = next((place for place in range(len(now)) if now[place] != content[place]), -1) if now != content else -1
        if at < 0 or not self.reads_back:
            self.say(page, "D15", at < 0, f"the new page differs from the old one from byte {at} on")
        elif not self.differs:
            self.differs = f"page {newpage.pfn} differs from page {page.pfn}, which moved there, from byte {at} on"

    def read_back(self) -> None:
        """Every handle reads as it should: what a copy left out was promised to nobody."""
        if self.differs:
            self.differs = ""
            self.say(None, "D15", True, "")

    def _refused(self, newpage: Page, page: Page, before: object, state: tuple[Any, ...]) -> None:
        fresh = (newpage._refcount, newpage._mapping, newpage._mapcount, newpage._lru.list) == (1, 0, -1, None)
        fresh = fresh and newpage._private == 0 and not newpage._flags & ~LOCKED
        self.say(newpage, "D27", fresh, f"migratepage failed, and left its target {newpage!r} with private {newpage._private!r}")
        if page._mapping == PAGE_MAPPING_MOVABLE and self.workload.may_release_isolated:
            return  # the owner released the page inside the callback, which is its right
        now = (page._refcount, page._mapping, page._private, page._lru.list)
        after = self.look()
        what = difference("migratepage failed, and left a change behind", before, after)
        self.say(page, "D26", now == state and before == after, what)
        if not self.operating and type(self.workload).outside is not Workload.outside:
            self._books_after_refusal(page)

    def _books_after_refusal(self, page: Page) -> None:
        """What the outside world was told of a move is taken back where the move failed: another try may hide that it was not."""
        with self.vm.seam.quiet() if self.vm.seam is not None else nullcontext():
            wrong = next((what for _, kept, what in outside_books(self.workload) if not kept), "")
        self.say(page, "D43", not wrong, f"migratepage failed, and {wrong}")


class _Watched(MovableOperations):
    """Callbacks that are wrapped already."""

    __slots__ = ()


def difference(what: str, before: object, after: object) -> str:
    """``what``, and the two states in short."""
    return f"{what}: {_short(before)} became {_short(after)}" if before != after else what


def _short(state: object) -> str:
    text = repr(state)
    return text if len(text) <= 160 else text[:157] + "..."
