"""What is seen of each primitive while somebody watches: which location it uses and how, and the event that tells of it.

A primitive of the memory manager has one line about being watched, as a kernel function has one line ``trace_...()``::

    if page.seam is not None:
        page.seam.put_page(page)

The method stands before the effect of the primitive: first the scheduling point, where another task may run, then the event. What
needs two steps, because two locations are used, says so.
"""

from __future__ import annotations

from collections.abc import Callable, Hashable
from typing import TYPE_CHECKING, Any

from movable.mm.list import list_name
from movable.mm.page import FROZEN
from movable.mm.page_flags import ISOLATED, LOCKED, PAGE_MAPPING_FLAGS, PAGE_MAPPING_MOVABLE, PG_NAMES, WAITERS
from movable.mm.pgtable import PTE_MIGRATION, PTE_SHIFT, PTE_THERE
from movable.shown import literal

if TYPE_CHECKING:
    from movable.mm.address_space import AddressSpace
    from movable.mm.locks import Lock, RWLock
    from movable.mm.mm_types import VMA
    from movable.mm.page import Page
    from movable.mm.seam import Scheduler, Task

__tracebackhide__ = True


WIPED = ("data", "private", "index", "lock", "lru", "flags", "type")
"""What of a page anybody may use, and only until it is freed: then it is checked, and wiped."""


class Tracepoints:
    """A method for each primitive, by its name; `movable.mm.seam.Seam` says what a point and an event are."""

    if TYPE_CHECKING:

        scheduler: Scheduler | None

        @property
        def task(self) -> Task: ...

        def point(self, op: str, key: Hashable) -> None: ...

        def event(self, kind: str, page: Page | None = None, **args: Any) -> None: ...

    # any part of a page

    def peek(self, page: Page, part: str) -> None:
        """An atomic look at one part of a page: flags, lock, refs, mapping, type."""
        if self.scheduler is not None:
            self.scheduler.point("ar", ("page", page.pfn, part))

    def owners(self, op: str = "xr") -> None:
        """Somebody looks up whose a page is ("xr"), or an owner goes ("xw")."""
        if self.scheduler is not None:
            self.scheduler.point(op, ("owners",))

    def change(self, page: Page, part: str) -> None:
        """An atomic change of one part of a page, of which no event tells."""
        if self.scheduler is not None:
            self.scheduler.point("aw", ("page", page.pfn, part))

    def remove_mapping(self, page: Page, where: Hashable) -> None:
        """Somebody takes a page out of its file or the swap cache if nobody else holds it: two steps, one for each location."""
        self.point("aw", where)
        self.change(page, "refs")

    def isolate_lru_page(self, page: Page) -> None:
        """Somebody takes a page off its list, with a reference: two steps, one for each location. That it did is an event."""
        self.change(page, "flags")
        self.change(page, "refs")

    def transfer(self, block: Hashable, content: Hashable | None) -> None:
        """A block is read, or written from a page's ``content``: two steps, one for each location."""
        self.point("aw", block)
        if content is not None:
            self.point("ar", content)

    # references

    def get_page(self, page: Page) -> None:
        """Somebody takes a reference."""
        if self.scheduler is not None:
            self.scheduler.point("aw", ("page", page.pfn, "refs"))
        self.event("get_page", page)

    def get_page_unless_zero(self, page: Page) -> None:
        """Somebody takes a reference if there is one; a try that fails is no event."""
        if self.scheduler is not None:
            self.scheduler.point("aw", ("page", page.pfn, "refs"))
        if page._refcount and not page._state & FROZEN:
            self.event("get_page", page)

    def put_page(self, page: Page) -> None:
        """Somebody drops a reference."""
        if self.scheduler is not None:
            self.scheduler.point("aw", ("page", page.pfn, "refs"))
        self.event("put_page", page)

    # the page lock

    def trylock_page(self, page: Page) -> None:
        """Somebody tries for the page lock, and holds it if it is free."""
        if self.scheduler is not None:
            self.scheduler.point("try", ("page", page.pfn, "lock"))
        free = not page._flags & LOCKED
        self.event("trylock_page", page, ret=free)
        if free:
            page.lock_owner = self.task.name

    def unlock_page(self, page: Page) -> None:
        """Somebody unlocks a page; sleepers are woken only where they have set PG_waiters."""
        if self.scheduler is not None:
            self.scheduler.point("unlock", ("page", page.pfn, "lock"))
        self.event("unlock_page", page)
        page.lock_owner = ""
        if page._flags & WAITERS:
            page._flags &= ~WAITERS
            page.vm.page_wakes[page.pfn] = page.vm.page_wakes.get(page.pfn, 0) + 1

    # marks and flags

    def set_page_movable(self, page: Page, mapping: AddressSpace | None) -> None:
        """A page is marked movable; None: for operations that nobody has registered."""
        if self.scheduler is not None:
            self.scheduler.point("aw", ("page", page.pfn, "mapping"))
        ops, owner = (0, "") if mapping is None else (mapping.addr, mapping.name)
        self.event("set_page_movable", page, ops=ops, owner=owner)

    def clear_page_movable(self, page: Page) -> None:
        """A mark is taken back."""
        if self.scheduler is not None:
            self.scheduler.point("aw", ("page", page.pfn, "mapping"))
        self.event("clear_page_movable", page)

    def change_isolated(self, page: Page, on: bool) -> None:
        """PG_isolated is set or cleared: by a plain load and store before 6.0, so that a bit set in between is lost."""
        key = ("page", page.pfn, "flags")
        if page.vm.era.atomic_isolated_flag:
            self.point("aw", key)
            flags = page._flags
        else:
            self.point("r", key)
            flags = page._flags
            self.point("w", key)
        callbacks = self.task.callbacks
        self.event("set_page_isolated" if on else "clear_page_isolated", page, by=callbacks[-1][0] if callbacks else "")
        page._flags = flags | ISOLATED if on else flags & ~ISOLATED

    def change_flag(self, page: Page, bit: int, on: bool) -> None:
        """A flag that owners may use is set or cleared."""
        if self.scheduler is not None:
            self.scheduler.point("aw", ("page", page.pfn, "flags"))
        changed = (page._flags ^ on << bit) & 1 << bit
        self.event("touch", page, field=f"flag {PG_NAMES[bit]}", write=True, changed=changed, list="")

    # content

    def copy_page(self, to: Page, source: Page) -> bytes:
        """A page is copied in two steps: what is read, and returned, is what was there at the first one."""
        if self.scheduler is not None:
            self.scheduler.point("r", ("page", source.pfn, "data"))
        content = bytes(to.vm.map_page(source))
        if self.scheduler is not None:
            self.scheduler.point("w", ("page", to.pfn, "data"))
        self.event("copy_page", to, source=source.pfn)
        return content

    def write_data(self, page: Page) -> None:
        """The whole of a page is written."""
        if self.scheduler is not None:
            self.scheduler.point("w", ("page", page.pfn, "data"))
        self.event("write_data", page)

    # the allocator

    def alloc_failed(self) -> None:
        """An allocation came to nothing."""

    def alloc_pages(self, gfp: int) -> None:
        """The allocator is asked; from within a callback that is an event of the page it is about."""
        if self.scheduler is not None:
            self.scheduler.point("aw", ("buddy",))
        callbacks = self.task.callbacks
        if callbacks:
            self.event("alloc_in_callback", callbacks[-1][2], gfp=gfp)

    def free_pages(self, page: Page) -> None:
        """A page without references goes back to the allocator: whatever else is done with it comes before, or too late."""
        if self.scheduler is not None:
            for part in WIPED:
                self.scheduler.point("xw", ("page", page.pfn, part))
            self.scheduler.point("aw", ("buddy",))

    def prep_new_page(self, page: Page, order: int, gfp: int) -> None:
        """A block gets its first reference; whoever holds only the frame's number may be trying for one."""
        if self.scheduler is not None:
            self.scheduler.point("aw", ("page", page.pfn, "refs"))
        self.event("alloc_page", page, order=order, gfp=gfp, zone=page.zone.name)

    # locks

    def unlock(self, lock: Lock | RWLock, op: str) -> None:
        """A lock is left; ``op`` says which side of it."""
        self.point(op, ("lock", lock.name))
        self.event("unlock", lock=lock.name, type=lock.kind)

    # pages of processes

    def lru_cache_add(self, cpu: int) -> None:
        """A page comes into the batch of a CPU, unless there are no batches now."""
        self.point("ar", ("lru_disable",))
        self.point("aw", ("lru_add", cpu))

    def set_migration_pte(self, page: Page, vma: VMA, vpn: int) -> int:
        """An entry that maps the page becomes a migration entry; returns what it is at this step, 0 if it maps the page no more."""
        self.point("aw", vma.location(vpn))
        pte = vma.mm.pgtable.get(vpn, 0)
        if not pte & PTE_THERE or pte >> PTE_SHIFT != page.pfn:
            return 0
        self.event("set_migration_pte", page, mm=vma.mm.name, vpn=vpn, pte=pte)
        return pte

    def migration_pte(self, vma: VMA, vpn: int, pfn: int) -> int:
        """A migration entry for a frame is about to go; returns what it is at this step, 0 if it is for the frame no more."""
        self.point("aw", vma.location(vpn))
        entry = vma.mm.pgtable.get(vpn, 0)
        return entry if entry & PTE_MIGRATION and entry >> PTE_SHIFT == pfn else 0

    # the migration loop

    def migration_step(self, step: int, page: Page, newpage: Page, part: str = "") -> None:
        """A step of movable.mm.migrate.STEPS begins, which looks at a part of the page; a driver's page has no such steps."""
        if part:
            self.peek(page, part)
        if page.vm.userspace is not None and page._mapping & PAGE_MAPPING_FLAGS != PAGE_MAPPING_MOVABLE:
            self.event("migration_step", page, step=step, newpage=newpage.pfn)

    def get_new_page(self, page: Page, newpage: Page | None) -> None:
        """A target is there, or is not; next comes a look whether the owner has released the page."""
        self.event("get_new_page", page, newpage=newpage.pfn if newpage is not None else -1)
        self.peek(page, "refs")

    def moved_to_new_page(self, page: Page, newpage: Page, ret: int, by_driver: bool) -> None:
        """A move has ended with ``ret``; one that a driver made, and not its absence, is a migration."""
        if ret == 0 and by_driver:
            self.event("migrated", page, newpage=newpage.pfn)
        self.event("move_to_new_page_ret", page, newpage=newpage.pfn, ret=ret)

    def copy_lru_page(self, newpage: Page, page: Page) -> None:
        """The content of a page goes to the target of its move (step 12)."""
        self.migration_step(12, page, newpage)
        self.event("copy_lru_page", newpage, source=page.pfn, mapcount=page._mapcount + 1)

    # calls of a driver

    def callback(
        self, name: str, call: Callable[[], Any], mapping: AddressSpace, page: Page, newpage: Page | None, mode: int | None
    ) -> Any:
        """Call the callback ``name`` of a driver between its two events; one without a mode has no answer either."""
        task = self.task
        self.event(name, page, **_state(mapping, page, newpage, {} if mode is None else {"mode": mode}))
        task.callbacks.append((mapping.name, name, page))
        try:
            answer = call()
        finally:
            task.callbacks.pop()
        self.event(f"{name}_ret", page, **_state(mapping, page, newpage, {} if mode is None else {"ret": _told(answer)}))
        return answer


PLAIN = frozenset((int, bool, float, str, bytes, type(None)))
"""Types of answers that an event may hold as they are."""


class Words(str):
    """What an object looks like, without the object."""

    __slots__ = ()
    __repr__ = str.__str__


def _told(answer: Any) -> Any:
    """An answer as an event tells it: whoever reads it later must not run code of the driver's."""
    return answer if type(answer) in PLAIN else Words(literal(answer))


def _state(mapping: AddressSpace, page: Page, newpage: Page | None, more: dict[str, Any]) -> dict[str, Any]:
    """What an event of a callback shows: the driver, the list that the page is on, and of a migration both pages."""
    about = {"driver": mapping.name, "list": list_name(page._lru)}
    if newpage is None:
        return {**more, **about}
    private = newpage._private
    return {
        "newpage": newpage.pfn,
        **about,
        "new_flags": newpage._flags,
        "new_mapping": newpage._mapping,
        "new_refs": newpage._refcount,
        "new_list": list_name(newpage._lru),
        "new_private": type(private) is not int or private != 0,
        **more,
    }
