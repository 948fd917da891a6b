"""Marks that stay, and what comes of it: D56 to D60 and V36 to V40, and their judge, which eras with such marks have.

An owner lets go of a page by clearing its back pointer; the core does not look, and asks the driver. A loop in two parts asks a
driver again that failed for good in the first. A balloon core owns what each device owned before.
"""

from __future__ import annotations

from errno import EAGAIN, ENOMEM
from typing import ClassVar

from movable.eras import ERAS, Era
from movable.events import Event
from movable.mm.migrate import MIGRATE_ASYNC
from movable.mm.page_flags import (
    ISOLATED,
    LOCKED,
    PAGE_MAPPING_MOVABLE,
)
from movable.rules.isolation import D30
from movable.rules.rule import MUST, SHOULD, STICKY, Check, Report, rule, who
from movable.rules.stream.history import MIGRATE, UNSEEN, Call, Lives, Run, tagged

CORE_BALLOON = tuple(name for name, era in ERAS.items() if era.balloon_core)
ASKS_RELEASED = tuple(name for name, era in ERAS.items() if era.sticky_mark and not era.released_by_refs)

D56 = rule(
    "D56", MUST, "a released page is left alone",
    "For a page whose back pointer is clear, isolate_page answers False, the migrate callback returns 0 and touches neither page, "
    "and putback_page does nothing.",
    why="The core no longer looks whether the owner has released a page that it holds isolated, so it asks about nobody's page.",
    kernel="mm/zsmalloc.c: zs_page_migrate, mm/migrate.c: migrate_movable_ops_page",
    eras=STICKY, exercised_by="asked_about_released", ends="migratepage", breaks_only=True,
)  # fmt: skip

D57 = rule(
    "D57", MUST, "a balloon's hook only tells its host",
    "The hook of a balloon device neither lists, marks, references nor counts a page. It returns 0, -ENOENT once the old page is "
    "deflated and the new one is not inflated, or another negative errno with the old page still inflated.",
    why="The balloon core does all that itself after the hook. Anything that is not negative is read as a page that left.",
    kernel="mm/balloon.c: balloon_page_migrate",
    eras=CORE_BALLOON, exercised_by="hooks", ends="balloon_hook migratepage", breaks_only=True,
)  # fmt: skip

D58 = rule(
    "D58", SHOULD, "mark the target last",
    "The migrate callback marks the new page only when it can no longer fail.",
    why="Type and mark cannot be taken back: a target that is given back with them is not fresh.",
    kernel="mm/zsmalloc.c: zs_page_migrate",
    eras=STICKY, exercised_by="failed_moves", ends="migratepage", breaks_only=True,
)  # fmt: skip

D59 = rule(
    "D59", MUST, "clear the back pointer before letting go",
    "An owner clears the back pointer of a page before it drops its reference, and that of an isolated page under the page lock.",
    why="Only the back pointer says whether a marked page has an owner. A page that its owner gives up while isolated, beside "
    "its callbacks, is moved and put back for somebody who no longer has it.",
    kernel="mm/zsmalloc.c: reset_zpdesc, mm/balloon.c: balloon_page_list_dequeue",
    eras=STICKY, exercised_by="pointers", ends="migratepage", breaks_only=True,
)  # fmt: skip

D60 = rule(
    "D60", SHOULD, "registering can fail",
    "A driver handles -EBUSY and -EINVAL of set_movable_ops, and takes no operations away while pages of the type exist.",
    why="There are two slots. Emptying one waits for nobody.",
    kernel="mm/migrate.c: set_movable_ops",
    eras=STICKY, exercised_by="registrations",
)  # fmt: skip

V36 = rule(
    "V36", SHOULD, "a final error is asked once more",
    "For a caller that may wait, a page that failed for good in the asynchronous part is tried again in the caller's own mode.",
    why="The first part is in a hurry, and so may its answers be.",
    kernel="mm/migrate.c: migrate_pages_sync",
    eras=STICKY, exercised_by="second_parts",
)  # fmt: skip

V37 = rule(
    "V37", SHOULD, "a batch is locked together",
    "In the asynchronous part both pages of every pair of a batch stay locked until each has its answer.",
    why="A driver that waits there for the lock of another page of its own waits for the core, which waits for it.",
    kernel="mm/migrate.c: migrate_pages_batch",
    eras=STICKY, exercised_by="batches",
)  # fmt: skip

V38 = rule(
    "V38", MUST, "a target that was not adopted is dropped",
    "After success a target is never given back to the caller: the core drops its one reference.",
    why="Whoever adopted it holds another; whoever did not leaves it to be freed.",
    kernel="mm/migrate.c: migrate_folio_move",
    eras=STICKY, exercised_by="moved_pages",
)  # fmt: skip

V39 = rule(
    "V39", SHOULD, "no isolated page is freed",
    "The isolated bit is clear when a page reaches the allocator.",
    why="The core holds a reference as long as the bit is set, and clears it first.",
    kernel="mm/migrate.c: migrate_movable_ops_page",
    eras=ASKS_RELEASED, exercised_by="freed_marked", trace="free_page.flags bits", breaks_only=True,
)  # fmt: skip

V40 = rule(
    "V40", SHOULD, "the hook is called without the balloon lock",
    "The balloon core calls the hook of a device without its own lock.",
    why="The hook sleeps until the host has answered.",
    kernel="mm/balloon.c: balloon_page_migrate",
    eras=CORE_BALLOON, exercised_by="hooks",
)  # fmt: skip

FRESH_AND_OWNED = 2
"""References on a new page that the balloon core has put into a balloon: the core's and the owner's."""
SEVERAL = 3
AMONG_OTHERS = 2
"""The second page that is asked about shows that a part has more than one."""
BALLOON_LOCK = "balloon_pages_lock"


class Part:
    """One part of a run: whether it is in a hurry, the pages with a target whose driver was not asked yet, and how many were."""

    __slots__ = ("asked", "hurried", "waiting")

    def __init__(self, hurried: bool) -> None:
        self.hurried = hurried
        self.waiting: set[int] = set()
        self.asked = 0


class Sticky(Check):
    """Watches pages that are released while they are isolated, hooks of balloons, and the second part of a run."""

    occasions: ClassVar[dict[str, str]] = {
        "asked_about_released": "isolate_page_ret migratepage_ret putback_page_ret",
        "hooks": "balloon_hook",
        "failed_moves": "migratepage_ret",
        "pointers": "clear_private",
        "let_go_isolated": "clear_private",
        "second_parts": "migratepage_ret",
        "moved_pages": "migratepage_ret",
        "freed_marked": "free_page",
        "batches": "move_to_new_page",
        "registrations": "set_movable_ops",
    }

    def __init__(self, lives: Lives, era: Era, report: Report) -> None:
        super().__init__(lives, era, report)
        self.asked_about_released = self.failed_moves = self.pointers = self.hooks = 0
        self.second_parts = self.moved_pages = self.freed_marked = self.let_go_isolated = 0
        self.owed: dict[str, set[int]] = {}
        self.in_hook: dict[str, Event] = {}
        self.balloon_locked: set[str] = set()
        self.new_pages: dict[str, int] = {}
        self.inserted = 0
        self.held_more: list[Event] = []
        self.batches = self.registrations = 0
        self.parts: dict[int, Part] = {}  # by the number of the event with which the run began

    @classmethod
    def concerns(cls, era: Era) -> bool:
        """Only eras whose marks stay."""
        return era.sticky_mark

    # slots of operations

    def set_movable_ops(self, event: Event) -> None:
        """Somebody registers, or takes its operations away."""
        self.registrations += 1
        let_go = [life for life in self.pages.values() if life.gone != UNSEEN or (life.released and not life.isolated)]
        left = event.args.get("pages", 0) - len(let_go)  # others drop those, for which no driver can wait
        if left > 0:
            text = f"the operations of the {event.args.get('type')} type are taken away while it has {left} movable page(s)"
            self.broken(D60, event, text)

    # released pages

    def isolate_page_ret(self, event: Event) -> None:
        """Whether the driver let go of a page that it no longer has."""
        call, ret = self.lives.call, event.args.get("ret")
        if call is None or call.event.mapping != PAGE_MAPPING_MOVABLE:
            return
        self.asked_about_released += 1
        if ret is True:
            text = f"page {event.pfn} had been released, and {who(event)} answered True to isolate_page: nobody's page is isolated"
            self.broken(D56, event, text)

    def migratepage_ret(self, event: Event) -> None:
        """What the driver did about a page that is nobody's, and what a failure left behind."""
        call, ret = self.lives.call, event.args.get("ret")
        if call is None:
            return
        if call.event.mapping == PAGE_MAPPING_MOVABLE:
            self.asked_about_released += 1
            if ret != 0 or call.old_refs or call.new_refs or call.new_mark or call.filled:
                did = "wrote to the new page" if call.filled else "took or dropped references, or marked a page"
                did = did if ret == 0 else f"answered {ret}"
                text = f"page {event.pfn} had been released, and {who(event)} {did} instead of returning 0 and touching nothing"
                self.broken(D56, event, text)
        elif ret == 0:
            self.moved_pages += 1
            self.new_pages[event.task] = call.newpfn
        else:
            self.failed_moves += 1
            if call.new_mark:
                self.broken(D58, event, f"{who(event)} marked target {call.newpfn} movable and then answered {ret}")
            self._owes_second_part(event, call, ret)

    def putback_page_ret(self, event: Event) -> None:
        """The same for put-back."""
        call = self.lives.call
        if call is None or call.event.mapping != PAGE_MAPPING_MOVABLE:
            return
        self.asked_about_released += 1
        if call.old_refs or (call.touched and not call.foreign):
            did = "changed its references" if call.old_refs else "used its lru"
            text = f"page {event.pfn} had been released, and {who(event)} {did} in putback_page instead of doing nothing"
            self.broken(D56, event, text)

    # the back pointer

    def set_private(self, event: Event) -> None:
        """Nobody's page, or the target that was offered for it, gets an owner in a callback."""
        call = self.lives.top(event.task)
        if call is not None and call.callback and call.event.mapping == PAGE_MAPPING_MOVABLE:
            text = f"page {call.pfn} had been released, and {call.kind} gave page {event.pfn} a back pointer, and should do nothing"
            self.broken(D56, event, text)

    def clear_private(self, event: Event) -> None:
        """An owner lets go of a page."""
        self.pointers += 1
        life = self.pages.get(event.pfn)
        call = self.lives.top(event.task)
        self.let_go_isolated += life is not None and life.isolated is True and not (call is not None and call.callback)
        if life is not None and life.isolated is True and not event.flags & LOCKED:
            what = f"{event.task} released page {event.pfn} while it is isolated, without its lock"
            text = f"{what}: it is still to be moved or put back"
            self.broken(D59, event, text)
        if event.task in self.in_hook:
            self._in_hook(event, "cleared the back pointer of")

    def free_page(self, event: Event) -> None:
        """A page reaches the allocator."""
        if not tagged(event.mapping) or self.lives.freed == (event.task, event.pfn):
            return
        self.freed_marked += 1
        life = self.pages.get(event.pfn)
        if life is not None and life.pointer:
            self.broken(D59, event, f"page {event.pfn} is freed with its back pointer still set")
        call = self.lives.top(event.task)
        inside = call is not None and call.callback  # then it is a driver's drop too many
        if call is not None and call.kind == MIGRATE and call.pfn == event.pfn and call.hook is not None:
            text = f"page {event.pfn} is freed while it is isolated: the hook dropped a reference that is not its own"
            self.broken(D57, event, text)
        if event.flags >= 0 and event.flags & ISOLATED and not inside:
            self.broken(V39, event, f"page {event.pfn} is freed while its isolated bit is set")

    # flags that are the core's

    def set_page_isolated(self, event: Event) -> None:
        """The core sets the bit; a hook has nothing to do with it."""
        if self.in_hook:
            self._in_hook(event, "set the isolated bit of")

    def clear_page_isolated(self, event: Event) -> None:
        """The core clears the bit at the end of an isolation, and finds it as it left it."""
        if self.in_hook:
            self._in_hook(event, "cleared the isolated bit of")
        if event.flags >= 0 and not event.flags & ISOLATED:
            self.broken(D30, event, f"the isolated bit of page {event.pfn} was cleared before the core did")

    def unlock_page(self, event: Event) -> None:
        """A target leaves the loop; a page whose driver is still to be asked does not."""
        part = self._part(event)
        if part is not None and part.asked and event.pfn in part.waiting and not self.lives.calls[event.task][-1].callback:
            text = f"page {event.pfn} is unlocked before its driver was asked, while others of its batch were"
            self.broken(V37, event, text)
        if self.new_pages.get(event.task) == event.pfn:
            del self.new_pages[event.task]
            if event.flags >= 0 and event.flags & ISOLATED:
                self.broken(D30, event, f"the isolated bit of page {event.pfn} is set, which has just been moved to")

    # the second part of a run

    def _owes_second_part(self, event: Event, call: Call, ret: object) -> None:
        run = call.run
        if run is None or run.mode <= MIGRATE_ASYNC or not run.offers or ret == -EAGAIN:
            return
        if call.event.args.get("mode") != MIGRATE_ASYNC:
            return
        self.second_parts += 1
        self.owed.setdefault(event.task, set()).add(event.pfn)

    def get_new_page(self, event: Event) -> None:
        """A page has another try."""
        self.released_isolated(event)
        part = self._part(event)
        if part is None or not part.hurried:
            return
        if part.asked:
            text = f"page {event.pfn} gets its target after a driver was asked about another page of the batch"
            self.broken(V37, event, f"{text}: they are not locked together")
        if tagged(event.mapping):  # pages of the LRU lists move among them, and no driver is asked about those
            part.waiting.add(event.pfn)

    def released_isolated(self, event: Event) -> None:
        """Nothing is owed any more."""
        owed = self.owed.get(event.task)
        if owed:
            owed.discard(event.pfn)

    # batches

    def migrate_pass(self, event: Event) -> None:
        """The first pass of a part begins it."""
        run = self.lives.run(event.task)
        if run is not None and event.args.get("nr_pass") == 0:
            self.parts[run.event.seq] = Part(event.args.get("mode") == MIGRATE_ASYNC)

    def move_to_new_page(self, event: Event) -> None:
        """A driver is asked."""
        part = self._part(event)
        if part is not None:
            part.asked += 1
            part.waiting.discard(event.pfn)
            self.batches += part.hurried and part.asked == AMONG_OTHERS

    def _part(self, event: Event) -> Part | None:
        run = self.lives.run(event.task) if self.parts else None
        return None if run is None else self.parts.get(run.event.seq)

    def put_new_page(self, event: Event) -> None:
        """A target goes back: not after success."""
        run = self.lives.run(event.task)
        part = self._part(event)
        if part is not None:
            part.waiting.discard(event.pfn)
        if run is not None and run.answers.get(event.pfn) == 0 and event.pfn not in run.moving:
            text = f"the target of page {event.pfn} went back to the caller although the driver had answered 0"
            self.broken(V38, event, text)

    def migrate_pages_ret(self, event: Event) -> None:
        """A run is over."""
        owed = self.owed.pop(event.task, None)
        if isinstance(self.lives.call, Run):
            self.parts.pop(self.lives.call.event.seq, None)
        if owed and event.args.get("ret") != -ENOMEM and isinstance(self.lives.call, Run):
            pfn = min(owed)
            text = f"page {pfn} failed for good in MIGRATE_ASYNC and was not tried again in the mode that the caller asked for"
            self.broken(V36, event._replace(pfn=pfn), text)

    # hooks of balloons

    def lock(self, event: Event) -> None:
        """Who has the balloon lock."""
        if event.args.get("lock") == BALLOON_LOCK:
            self.balloon_locked.add(event.task)

    def unlock(self, event: Event) -> None:
        """Who has it no more."""
        if event.args.get("lock") == BALLOON_LOCK:
            self.balloon_locked.discard(event.task)

    def balloon_hook(self, event: Event) -> None:
        """A device is called."""
        self.hooks += 1
        self.in_hook[event.task] = event
        if event.task in self.balloon_locked:
            self.broken(V40, event, f"the hook for page {event.pfn} is called with {BALLOON_LOCK} held")

    def balloon_hook_ret(self, event: Event) -> None:
        """And answers."""
        self.in_hook.pop(event.task, None)
        ret = event.args.get("ret")
        if type(ret) is not int or ret > 0:
            text = f"the hook answered {ret!r} for page {event.pfn}, which is read as a page that left the balloon"
            self.broken(D57, event, text)

    def _in_hook(self, event: Event, did: str) -> None:
        hook = self.in_hook.get(event.task)
        call = self.lives.top(event.task)
        if hook is None or call is None or call.kind != MIGRATE:
            return
        if event.pfn in (hook.pfn, hook.args.get("newpage", UNSEEN)):
            self.broken(D57, event, f"the hook for page {hook.pfn} {did} page {event.pfn}, which is the balloon core's to do")

    def get_page(self, event: Event) -> None:
        """References are not the hook's."""
        if self.in_hook:
            self._in_hook(event, "took a reference on")

    def put_page(self, event: Event) -> None:
        """Nor are the core's."""
        if self.in_hook:
            self._in_hook(event, "dropped a reference of")

    def set_page_movable(self, event: Event) -> None:
        """Nor are marks."""
        if self.in_hook:
            self._in_hook(event, "marked")
        call = self.lives.top(event.task)
        if call is not None and call.kind == MIGRATE and call.hook == 0 and call.newpfn == event.pfn:
            self.inserted += 1  # by the balloon core, which has just taken the owner's reference
            if event.refs > FRESH_AND_OWNED:
                self.held_more.append(event)

    def finish(self, last: Event, quiescent: bool) -> None:
        """A new page that is held once more may have a passer-by; most of them have none."""
        if len(self.held_more) >= SEVERAL and 2 * len(self.held_more) > self.inserted:
            for event in self.held_more:
                text = f"page {event.pfn} has {event.refs} references as it goes into the balloon: the hook took one more"
                self.broken(D57, event, text)

    def touch(self, event: Event) -> None:
        """Nor are lists."""
        if self.in_hook and event.args.get("field") == "lru":
            self._in_hook(event, "used the lru of")
