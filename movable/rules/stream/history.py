"""What the events so far say: the life of every page, and which calls every task is inside of.

A stream may begin in the middle, so whatever has not been seen is unknown, and unknown is never held against anybody. Lives
that ended are forgotten, so memory grows with the pages that live at one time. What an event says about the page itself (flags,
mapping, references) is not kept here: it is in the event, as of its entry.
"""

from __future__ import annotations

from typing import Any

from movable.errors import UsageError
from movable.events import Event
from movable.mm.page_flags import PAGE_MAPPING_FLAGS, PAGE_MAPPING_MOVABLE

UNSEEN = -1
"""What ``flags``, ``mapping`` and ``refs`` hold where the source cannot tell."""
MAX_PAGES = 4 << 20
"""Pages that are known at once: 16 GiB of them, for which this program takes about 2 GiB."""
DEPTH_LIMIT = 64
"""Calls of one task that are remembered; more means that their ends were lost."""

NOTHING = ("", UNSEEN)
ALONE = "main"
"""The task of events from a machine that runs no tasks."""

ISOLATE, MIGRATE, PUTBACK = "isolate_page", "migratepage", "putback_page"
CALLBACKS = frozenset((ISOLATE, MIGRATE, PUTBACK))
RUN, ATTEMPT, ZONE = "migrate_pages", "isolate_movable_page", "compact_zone"

MIGRATED, PUT_BACK = "moved", "put back"


def marked(mapping: int) -> bool:
    """Whether a mapping word that was seen leads to an owner."""
    return mapping > PAGE_MAPPING_MOVABLE and mapping & PAGE_MAPPING_FLAGS == PAGE_MAPPING_MOVABLE


def unmarked(mapping: int) -> bool:
    """Whether a mapping word that was seen leads to no owner that could move the page."""
    return mapping >= 0 and not (mapping > PAGE_MAPPING_MOVABLE and mapping & PAGE_MAPPING_FLAGS == PAGE_MAPPING_MOVABLE)


def tagged(mapping: int) -> bool:
    """Whether a mapping word that was seen has the tag of a mark, with an owner or without."""
    return mapping >= 0 and mapping & PAGE_MAPPING_FLAGS == PAGE_MAPPING_MOVABLE


class Life:
    """One page. The class attributes say what is known at first sight: nothing.

    ``isolated`` is None while unknown, ``isolator`` the task that did it. ``lent`` means that ``page.lru`` belongs to the core,
    ``linked`` that the isolator has been seen to use it.
    ``flagged`` means that the stream shows PG_isolated being set, so that it is a model's. ``last`` is the callback return that
    nothing has followed yet, as (task, kind, ret). ``ops`` is whose mark the page carries, 0 for none, UNSEEN for unknown. ``gone``
    is the event that moved it away, to ``moved_to``; ``settled`` then says that nobody but the core holds it, ``blamed`` that its
    mark was left. ``spoiled``: as a target it was left otherwise than it came. Where marks stay, ``pointer`` says that the back
    pointer is known to be set, ``released`` that it was cleared.
    The other numbers are events too, for the story.

    ``held`` is how many references the owner surely holds, 0 while nobody can tell: what the page had when it was marked, without
    those that other tasks may give back, and less each one that was dropped by a task that had not taken it since. ``taken`` are
    the references that tasks have taken and not dropped, by task; None before the first of them.
    """

    isolated: bool | None = None
    lent = False
    linked = False
    flagged = False
    alloc_order = UNSEEN
    ops = UNSEEN
    held = 0
    taken: dict[str, int] | None = None
    driver = ""
    isolator = ""
    last: tuple[str, str, Any] | None = None
    gone = UNSEEN
    settled = False
    blamed = False
    spoiled = False
    released = False
    pointer = False
    moved_to = UNSEEN
    born_at = UNSEEN
    marked_at = UNSEEN
    isolated_at = UNSEEN
    asked_at = UNSEEN

    def __init__(self, pfn: int) -> None:
        self.pfn = pfn

    def milestones(self) -> list[int]:
        """Sequence numbers of what mattered in this life so far."""
        points = (self.born_at, self.marked_at, self.isolated_at, self.asked_at, self.gone)
        return [seq for seq in points if seq != UNSEEN]


class Call:
    """A call that a task is inside of: a callback of a driver, or an entry point of the core.

    ``event`` is the entry; ``callback`` tells a driver's from the core's; ``run`` and ``zone`` are the migrate_pages and the
    compact_zone around it. ``old_refs`` and ``new_refs`` are references taken less references dropped by this task, inside this
    very call, on the page and on the new page. ``old_mark`` and ``new_mark`` say what it last did to their marks: True for
    marked, False for un-marked, None for nothing. ``clears`` counts how often it un-marked the page. ``locks`` are the locks
    that it took and still holds, ``strange`` those that it released without having taken them. ``yes`` is the answer of
    isolate_page. ``touched`` and ``foreign`` say that this task, or another, has used ``page.lru`` meanwhile; ``filled`` that this
    task has written to the new page or its fields.
    ``hook`` is what a balloon's device answered inside; ``freed`` says that the page was freed there.
    """

    newpfn = UNSEEN
    old_refs = 0
    new_refs = 0
    old_mark: bool | None = None
    new_mark: bool | None = None
    clears = 0
    locks: tuple[str, ...] = ()
    strange: tuple[str, ...] = ()
    run: Run | None = None
    zone: Run | None = None
    yes = False
    touched = False
    foreign = False
    filled = False
    hook: Any = None
    freed = False

    def __init__(self, kind: str, event: Event) -> None:
        self.kind = kind
        self.callback = kind in CALLBACKS
        self.event = event
        self.pfn = event.pfn


class Run(Call):
    """A call of migrate_pages, or of compact_zone.

    ``tries``, ``answers`` and ``modes`` hold the attempts, the last answer and its mode by frame, ``targets`` the target on
    offer by old frame (``offers``: the stream shows targets), ``waited`` the frame whose lock was waited for, ``moving`` the
    frames that are being moved, ``ended`` the frame whose -ENOMEM ended the run. ``moved`` and ``released`` count pages. Of
    compaction, ``taken`` holds what it isolated and ``batch`` counts it since the last migration.
    """

    def __init__(self, kind: str, event: Event) -> None:
        super().__init__(kind, event)
        self.pfn = UNSEEN
        self.mode: int = event.args.get("mode", UNSEEN)
        self.tries: dict[int, int] = {}
        self.answers: dict[int, Any] = {}
        self.modes: dict[int, int] = {}
        self.targets: dict[int, int] = {}
        self.offers = False
        self.waited = UNSEEN
        self.ended = UNSEEN
        self.moved = 0
        self.released = 0
        self.moving: set[int] = set()
        self.batch = 0
        self.taken: set[int] = set()


class Lives:
    """Rebuilds lives and calls from events. Its handlers run before every check.

    A check finds the call at hand in ``call`` and the life at hand in ``at``, for the kinds that have a handler here.
    ``sees_refs`` tells that the stream shows references being taken, as only a model does. ``twice`` tells that the end of an
    isolation at hand is one too many. ``freed`` is the task and the frame of the last free, if nothing else was freed or handed
    out since.
    """

    def __init__(self) -> None:
        self.pages: dict[int, Life] = {}
        self.calls: dict[str, list[Call]] = {}
        self.call: Call | None = None
        self.sees_refs = False
        self.twice = False
        self.freed = NOTHING
        self.at = Life(UNSEEN)

    def life(self, pfn: int) -> Life:
        """The life of a frame, unknown if it was never seen."""
        life = self.pages.get(pfn)
        return self.begin(pfn) if life is None else life

    def begin(self, pfn: int) -> Life:
        """A new life of a frame. Raises UsageError where there are too many at once."""
        if len(self.pages) >= MAX_PAGES:
            raise UsageError(f"more than {MAX_PAGES} pages have events at once; no driver has so many")
        life = self.pages[pfn] = Life(pfn)
        return life

    def top(self, task: str) -> Call | None:
        """The innermost call of a task."""
        stack = self.calls.get(task)
        return stack[-1] if stack else None

    def run(self, task: str) -> Run | None:
        """The innermost migrate_pages of a task."""
        stack = self.calls.get(task)
        if stack is None:
            return None
        call = stack[-1]
        return call if call.kind == RUN and isinstance(call, Run) else call.run

    def zone_run(self, task: str) -> Run | None:
        """The innermost compact_zone of a task."""
        stack = self.calls.get(task)
        if stack is None:
            return None
        call = stack[-1]
        return call if call.kind == ZONE and isinstance(call, Run) else call.zone

    def others(self, event: Event, kinds: frozenset[str]) -> list[Call]:
        """Calls of other tasks for the same frame."""
        if len(self.calls) == 1 and event.task in self.calls:
            return []
        return [
            call
            for task, stack in self.calls.items()
            if task != event.task
            for call in stack
            if call.kind in kinds and event.pfn in (call.pfn, call.newpfn)
        ]

    def unwound(self) -> None:
        """An exception left an unknown number of calls."""
        self.calls.clear()

    # calls

    def _enter(self, task: str, call: Call) -> None:
        self.call = call
        stack = self.calls.get(task)
        if stack is None:
            self.calls[task] = [call]
            return
        outer = stack[-1]
        call.run = outer.run
        call.zone = outer.zone
        if isinstance(outer, Run):
            if outer.kind == RUN:
                call.run = outer
            else:
                call.zone = outer
        stack.append(call)
        if len(stack) > DEPTH_LIMIT:
            del stack[0]

    def _leave(self, task: str, kind: str) -> None:
        stack = self.calls.get(task)
        self.call = None
        if stack is None:
            return
        if stack[-1].kind == kind:
            self.call = stack.pop()
        else:
            for index in range(len(stack) - 1, -1, -1):
                if stack[index].kind == kind:
                    self.call = stack[index]
                    del stack[index:]
                    break
        if not stack:
            del self.calls[task]

    def isolate_movable_page(self, event: Event) -> None:
        """The core begins to isolate."""
        self._enter(event.task, Call(ATTEMPT, event))

    def isolate_movable_page_ret(self, event: Event) -> None:
        """The core has tried to isolate."""
        self._leave(event.task, ATTEMPT)
        if event.args.get("ret") == 0 and event.pfn >= 0:
            life = self.life(event.pfn)
            life.isolator = event.task
            if life.isolated is not True:
                life.isolated = True
                life.isolated_at = event.seq

    def migrate_pages(self, event: Event) -> None:
        """A run over a list begins."""
        self._enter(event.task, Run(RUN, event))

    def migrate_pages_ret(self, event: Event) -> None:
        """A run over a list ends."""
        self._leave(event.task, RUN)

    def compact_zone(self, event: Event) -> None:
        """A compaction run begins."""
        self._enter(event.task, Run(ZONE, event))

    def compact_zone_ret(self, event: Event) -> None:
        """A compaction run ends."""
        self._leave(event.task, ZONE)

    # callbacks

    def isolate_page(self, event: Event) -> None:
        """A driver is asked to let go of a page."""
        self._enter(event.task, Call(ISOLATE, event))
        life = self._reused(event.pfn) if event.mapping > PAGE_MAPPING_FLAGS else self.life(event.pfn)
        self.at = life
        life.asked_at = event.seq
        life.driver = event.args.get("driver", "") or life.driver

    def isolate_page_ret(self, event: Event) -> None:
        """A driver has answered."""
        self._leave(event.task, ISOLATE)
        if event.args.get("ret") is not True:
            return
        outer = self.top(event.task)
        if outer is not None and outer.kind == ATTEMPT:
            outer.yes = True
        life = self.life(event.pfn)
        life.lent = True
        life.linked = False
        life.last = (event.task, ISOLATE, True)

    def migratepage(self, event: Event) -> None:
        """A driver is asked to move a page."""
        call = Call(MIGRATE, event)
        call.newpfn = event.args.get("newpage", UNSEEN)
        if call.newpfn != UNSEEN:
            self._reused(call.newpfn)
        self._enter(event.task, call)
        pfn = event.pfn
        life = self.pages.get(pfn)
        if life is None:
            life = self.pages[pfn] = Life(pfn)
        self.at = life
        life.driver = event.args.get("driver", "") or life.driver
        life.last = None
        if life.isolated is None:
            life.isolated_at = event.seq
        run = call.run
        if run is not None:
            run.tries[pfn] = run.tries.get(pfn, 0) + 1

    def migratepage_ret(self, event: Event) -> None:
        """A driver has moved a page, or not."""
        self._leave(event.task, MIGRATE)
        ret = event.args.get("ret")
        life = self.at = self.life(event.pfn)
        life.last = (event.task, MIGRATE, ret)
        call = self.call
        newpfn = event.args.get("newpage", UNSEEN if call is None else call.newpfn)
        if ret == 0 and ret is not False:
            life.isolated = False
            life.gone = event.seq
            life.moved_to = newpfn
            life.settled = call is not None and call.freed
            if newpfn >= 0:
                target = self.life(newpfn)
                target.last = (event.task, "target", ret)
                target.held = 0 if call is None else call.new_refs

    def putback_page(self, event: Event) -> None:
        """A driver gets a page back."""
        self._enter(event.task, Call(PUTBACK, event))
        life = self.at = self.life(event.pfn)
        life.lent = False
        life.driver = event.args.get("driver", "") or life.driver
        if life.isolated is None:
            life.isolated_at = event.seq

    def putback_page_ret(self, event: Event) -> None:
        """A driver has taken a page back."""
        self._leave(event.task, PUTBACK)
        life = self.at = self.life(event.pfn)
        life.last = (event.task, PUTBACK, None)
        life.isolated = False

    def released_isolated(self, event: Event) -> None:
        """The owner had released the page; its isolation is over."""
        life = self.at = self.life(event.pfn)
        self.twice = life.isolated is False
        life.isolated = False

    def _reused(self, pfn: int) -> Life:
        """The life of a frame that is in use now: a new one if the last one that was seen is over."""
        life = self.pages.get(pfn)
        return self.begin(pfn) if life is None or life.gone != UNSEEN else life

    # marks, references

    def set_page_movable(self, event: Event) -> None:
        """A page is marked."""
        life = self.pages.get(event.pfn)
        if life is None or (event.mapping == 0 and (life.marked_at != UNSEEN or life.born_at == UNSEEN)):
            life = self.begin(event.pfn)  # the allocator wiped it: the end of its last life was not seen
        self.freed = NOTHING
        life.ops = event.args.get("ops", UNSEEN)
        life.driver = event.args.get("owner", "") or life.driver
        life.marked_at = event.seq
        self.at = life
        if life.taken:
            life.taken.pop(event.task, None)
        if event.task == ALONE and life.born_at != UNSEEN:
            life.held = max(0, event.refs - sum((life.taken or {}).values()))
        elif life.held:
            life.held = 0  # where tasks run, some of it may be for a moment only
        stack = self.calls.get(event.task)
        if stack is not None:
            call = stack[-1]
            if call.newpfn == event.pfn:
                call.new_mark = True
            elif call.pfn == event.pfn:
                call.old_mark = True

    def clear_page_movable(self, event: Event) -> None:
        """A page is un-marked."""
        life = self.pages.get(event.pfn)
        if life is not None:
            life.ops = 0
        stack = self.calls.get(event.task)
        if stack is not None:
            call = stack[-1]
            if call.pfn == event.pfn:
                call.old_mark = False
                call.clears += 1
            elif call.newpfn == event.pfn:
                call.new_mark = False

    def clear_private(self, event: Event) -> None:
        """Where marks stay: the owner lets go of the page."""
        life = self.life(event.pfn)
        life.released, life.pointer = True, False
        stack = self.calls.get(event.task)
        if stack is not None and stack[-1].pfn == event.pfn:
            stack[-1].old_mark = False

    def balloon_hook_ret(self, event: Event) -> None:
        """A balloon's device has answered, inside the migrate callback of the balloon core."""
        stack = self.calls.get(event.task)
        if stack is not None:
            stack[-1].hook = event.args.get("ret")

    def set_private(self, event: Event) -> None:
        """Where marks stay: a page has an owner."""
        life = self.life(event.pfn)
        life.released, life.pointer = False, True

    def set_page_isolated(self, event: Event) -> None:
        """PG_isolated is set."""
        life = self.at = self.life(event.pfn)
        life.flagged = True
        call = self.top(event.task)
        if call is not None and call.callback and call.pfn == event.pfn:
            return  # the driver's doing: no isolation begins
        life.isolated = True
        life.isolator = event.task
        life.isolated_at = event.seq

    # frames

    def alloc_page(self, event: Event) -> None:
        """A frame begins a life."""
        life = self.at = self.begin(event.pfn)
        self.freed = NOTHING
        life.born_at = event.seq
        life.taken = {event.task: 1}
        life.isolated = False
        life.ops = 0
        life.alloc_order = event.args.get("order", UNSEEN)

    # after the checks

    def after_free_page(self, event: Event) -> None:
        """A frame's life has ended, and every check has seen it."""
        self.pages.pop(event.pfn, None)
        self.freed = (event.task, event.pfn)
        call = self.top(event.task)
        if call is not None and call.pfn == event.pfn:
            call.freed = True
