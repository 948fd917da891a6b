"""Locks and context: the page lock inside callbacks, the driver's own locks, and sleeping."""

from __future__ import annotations

from movable.eras import Era
from movable.events import Event
from movable.mm.gfp import GFP_DIRECT_RECLAIM
from movable.mm.migrate import MIGRATE_ASYNC
from movable.rules.isolation import D11
from movable.rules.rule import MAY, MUST, SHOULD, Check, Report, rule
from movable.rules.stream.history import ISOLATE, MIGRATE, Call, Lives, marked

D29 = rule(
    "D29", MUST, "the page locks are the core's",
    "migratepage and putback_page neither unlock nor lock nor free the pages that they are called for.",
    why="The core holds these locks on entry and drops them after; to try one again can only fail.",
    kernel="mm/migrate.c: unmap_and_move, mm/migrate.c: __unmap_and_move",
    bugs="F02", exercised_by="answers", trace="unlock_page migratepage migratepage_ret", ends="migratepage putback_page",
    two_tasks=True,
)  # fmt: skip

D35 = rule(
    "D35", MUST, "page lock first",
    "The page lock comes before the driver's locks, and those in one order; inside them a page is only tried.",
    why="The core calls with the page locked: the other order deadlocks.",
    kernel="mm/zsmalloc.c: zs_page_migrate, mm/balloon_compaction.c: balloon_page_dequeue",
    bugs="Z06 F02 C10", exercised_by="locks",
)  # fmt: skip

D36 = rule(
    "D36", SHOULD, "no waiting for an allocating lock",
    "A callback only tries a lock that the driver elsewhere holds over an allocation that may reclaim.",
    why="That allocation can compact memory, and so call this very callback in the same thread.",
    kernel="drivers/virtio/virtio_balloon.c: virtballoon_migratepage",
    bugs="B08 B09", exercised_by="locks",
)  # fmt: skip

D37 = rule(
    "D37", SHOULD, "no reclaim in callbacks",
    "A callback does not allocate memory in a way that may reclaim.",
    why="It runs on behalf of an allocation that found no memory.",
    kernel="mm/page_alloc.c: __alloc_pages_direct_compact",
    bugs="F16", exercised_by="watched_answers",
)  # fmt: skip

D38 = rule(
    "D38", MAY, "no sleeping in ASYNC",
    "migratepage does not sleep when the mode is MIGRATE_ASYNC.",
    why="Such a caller is in a hurry and would rather have no page than wait.",
    kernel="include/linux/migrate_mode.h",
    bugs="C10", exercised_by="watched_answers",
)  # fmt: skip

D47 = rule(
    "D47", MUST, "no lock left behind",
    "A callback returns with the locks held that were held when it was called, and no other.",
    why="The next user of a forgotten lock waits for ever.",
    kernel="mm/z3fold.c: z3fold_page_isolate",
    bugs="F09", exercised_by="returns",
)  # fmt: skip

D48 = rule(
    "D48", MUST, "no sleep under a spin lock",
    "Nothing that may sleep runs while a spin lock is held.",
    why="The holder leaves the processor, and everybody else spins.",
    kernel="kernel/sched/core.c: ___might_sleep",
    bugs="F16 S07", exercised_by="locks",
)  # fmt: skip


PAGE_LOCK = "the page lock"
MUTEX = "mutex"
EDGE_LIMIT = 4096
"""Pairs of locks that are remembered."""


SHARED = " (shared)"
"""What stands behind the name of a lock whose shared side is held: others who want that side do not wait for it."""


def without(names: tuple[str, ...], name: str) -> tuple[str, ...]:
    """The names without the last that is ``name``, which is among them."""
    if names[-1] == name:
        return names[:-1]
    at = len(names) - 1 - names[::-1].index(name)
    return names[:at] + names[at + 1 :]


def _waits(name: str) -> tuple[str, ...]:
    """Who holds a lock in these ways makes one wait who wants it as ``name`` says."""
    return (name.removesuffix(SHARED),) if name.endswith(SHARED) else (name, name + SHARED)


def _apart(one: frozenset[str], two: frozenset[str]) -> bool:
    """Whether who holds ``one`` and who holds ``two`` cannot be where they are at the same time."""
    return any(not two.isdisjoint(_waits(name)) for name in one)


def _always(one: frozenset[str], two: frozenset[str]) -> frozenset[str]:
    """The locks that are among both; shared where one of them has the shared side."""
    names = {name.removesuffix(SHARED) for name in one} & {name.removesuffix(SHARED) for name in two}
    return frozenset(name if name in one and name in two else name + SHARED for name in names)


class Locks(Check):
    """Watches who takes which lock, in which order and in which context."""

    occasions = {
        "locks": "lock",
        "returns": "isolate_page_ret migratepage_ret putback_page_ret",
    }

    def __init__(self, lives: Lives, era: Era, report: Report) -> None:
        super().__init__(lives, era, report)
        self.held: dict[str, tuple[str, ...]] = {}
        self.orders: set[tuple[str, ...]] = set()
        self.inner_orders: set[tuple[str, ...]] = set()
        self.edges: dict[tuple[str, str], tuple[Event, frozenset[str]]] = {}
        self.over_allocation: set[str] = set()
        self.in_callback: set[str] = set()
        self.told: set[str] = set()
        self.locks = self.returns = 0

    # page locks

    def _page_lock(self, event: Event, verb: str) -> None:
        stack = self.calls.get(event.task)
        if stack is None:
            return
        call = stack[-1]
        if call.callback and (call.pfn == event.pfn or call.newpfn == event.pfn):
            broken = D11 if call.kind == ISOLATE else D29
            self.broken(broken, event, f"{call.kind} for page {call.pfn} {verb} page {event.pfn}, whose lock is the core's")

    def trylock_page(self, event: Event) -> None:
        """A callback must not try the lock of its own pages."""
        stack = self.calls.get(event.task)
        if stack is not None and stack[-1].callback:
            self._page_lock(event, "tried to lock")

    def lock_page(self, event: Event) -> None:
        """Waiting for a movable page under a driver's lock sets the order the wrong way round."""
        self._page_lock(event, "locked")
        mine = self.held.get(event.task)
        if mine and marked(event.mapping):
            self._order(event, mine, PAGE_LOCK)

    def free_page(self, event: Event) -> None:
        """A page is not freed under a callback that was called for it."""
        for stack in self.calls.values():
            for call in stack:
                if call.callback and (call.pfn == event.pfn or call.newpfn == event.pfn):
                    broken = D11 if call.kind == ISOLATE else D29
                    self.broken(broken, event, f"page {event.pfn} was freed while {call.kind} for page {call.pfn} ran")

    # the driver's locks

    def lock(self, event: Event) -> None:
        """A lock was taken: waiting for it, or by trying."""
        self.locks += 1
        args = event.args
        name = args.get("lock", "")
        mine = self.held.get(event.task, ())
        now = self.held[event.task] = (*mine, name + SHARED if args.get("shared") else name)
        stack = self.calls.get(event.task)
        if stack is not None and stack[-1].callback:
            call = stack[-1]
            call.locks += (name,)
            if not args.get("tried"):
                self._waited_for(event, call, mine, now)
        elif mine and now not in self.orders and not args.get("tried"):
            self._order(event, mine, now[-1])
            if len(self.orders) < EDGE_LIMIT:
                self.orders.add(now)

    def _waited_for(self, event: Event, call: Call, mine: tuple[str, ...], now: tuple[str, ...]) -> None:
        """A callback, which holds the page lock, waits for a lock."""
        if event.args.get("type") == MUTEX:
            self._sleeps(event, call)
        if now in self.inner_orders:
            return
        if len(self.inner_orders) < EDGE_LIMIT:
            self.inner_orders.add(now)
        self._order(event, (*mine, PAGE_LOCK), now[-1])
        name = now[-1].removesuffix(SHARED)
        if name not in self.in_callback:
            self.in_callback.add(name)
            self._over_allocation(event)

    def _sleeps(self, event: Event, call: Call) -> None:
        if call.kind == MIGRATE and call.event.args.get("mode") == MIGRATE_ASYNC:
            name = event.args.get("lock")
            self.broken(D38, event, f"migratepage for page {call.pfn} took mutex {name!r} in MIGRATE_ASYNC, and may sleep for it")

    def _order(self, event: Event, mine: tuple[str, ...], name: str) -> None:
        """Remember that ``name`` was taken inside each of ``mine``.

        Two locks that are taken both ways round, without a third around both, can deadlock. The page lock guards nothing: every
        page has its own; nor does a third whose shared side both hold.
        """
        for held in mine:
            known = self.edges.get((held, name))
            guards = frozenset(mine) - {held, PAGE_LOCK}
            if known is not None:
                guards = _always(guards, known[1])
            same = held.removesuffix(SHARED) == name.removesuffix(SHARED)
            if same or (known is not None and guards == known[1]) or len(self.edges) >= EDGE_LIMIT:
                continue
            self.edges[held, name] = (event, guards)
            for back in (self.edges.get((outer, inner)) for outer in _waits(name) for inner in _waits(held)):
                if back is not None and not _apart(back[1], guards):
                    names = held.removesuffix(SHARED), name.removesuffix(SHARED)
                    other = f"event {back[0].seq} took {names[0]} inside {names[1]}"
                    self.broken(D35, event, f"{event.task} takes {names[1]} inside {names[0]}; {other}: the two can deadlock")

    def unlock(self, event: Event) -> None:
        """A lock is released."""
        name = event.args.get("lock", "")
        stack = self.calls.get(event.task)
        if stack is not None and stack[-1].callback:
            call = stack[-1]
            if name in call.locks:
                call.locks = without(call.locks, name)
            else:
                call.strange += (name,)
        mine = self.held.get(event.task, ())
        for one in (name, name + SHARED):
            if one in mine:
                self.held[event.task] = without(mine, one)
                break

    def isolate_page_ret(self, event: Event) -> None:
        """A callback returns with the locks that it was called with."""
        self.returns += 1
        call = self.lives.call
        if call is None or not (call.locks or call.strange):
            return
        if call.locks:
            text = f"{call.kind} for page {call.pfn} left {', '.join(call.locks)} locked"
        else:
            text = f"{call.kind} for page {call.pfn} unlocked {', '.join(call.strange)}, which it had not locked"
        self.broken(D47, event, text)

    migratepage_ret = putback_page_ret = isolate_page_ret

    def alloc_page(self, event: Event) -> None:
        """An allocation that may reclaim: what is held over it must not be waited for in a callback."""
        if not event.args.get("gfp", 0) & GFP_DIRECT_RECLAIM:
            return
        mine = self.held.get(event.task)
        if mine and event.task not in self.calls and not self.over_allocation.issuperset(mine):
            self.over_allocation |= {*mine, *(name.removesuffix(SHARED) for name in mine)}
            self._over_allocation(event)

    def _over_allocation(self, event: Event) -> None:
        for name in self.over_allocation & self.in_callback - self.told:
            self.told.add(name)
            text = f"lock {name!r} is held over an allocation that may reclaim, and a callback waits for it"
            self.broken(D36, event, text)

    # context

    def alloc_in_callback(self, event: Event) -> None:
        """A driver allocates inside a callback; what a run nested in that allocation does is not the driver's."""
        call = self.lives.top(event.task)
        if call is not None and call.callback and event.args.get("gfp", 0) & GFP_DIRECT_RECLAIM:
            self.broken(D37, event, "a callback allocates memory in a way that may reclaim")

    def sleep(self, event: Event) -> None:
        """Something that may sleep runs."""
        call = self.lives.top(event.task)
        if event.args.get("atomic"):
            self.broken(D48, event, f"{event.task} may sleep ({event.args.get('what')}) while it holds a spin lock")
        if call is not None and call.kind == MIGRATE and call.event.args.get("mode") == MIGRATE_ASYNC:
            self.broken(D38, event, f"migratepage for page {call.pfn} may sleep in MIGRATE_ASYNC ({event.args.get('what')})")
