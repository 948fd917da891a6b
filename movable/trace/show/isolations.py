"""Pages as a trace shows them: who owns each, whether it is isolated and since when, and how every isolation ended.

A page is forgotten when its life ends, so memory grows with the pages that live at one time, not with the trace.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from movable.errors import UsageError
from movable.events import Event
from movable.mm.page_flags import (
    ISOLATED,
    LOCKED,
    PAGE_MAPPING_FLAGS,
    PAGE_MAPPING_MOVABLE,
)
from movable.rules.stream import history
from movable.trace.read.vocabulary import UNSEEN

MIGRATED, PUT_BACK, FREED, OPEN = "migrated", "put back", "freed while isolated", "still isolated"
OUTCOMES = (MIGRATED, PUT_BACK, FREED, OPEN)

REASONS = (
    *("compact_zone", "soft_offline_page", "offline_pages", "syscall", "mempolicy", "numa_misplaced", "alloc_contig_range"),
    *("longterm_pin", "demotion"),
)
"""Who asks for a migration, by the ``reason`` that migrate_pages is given."""
TASKS_LIMIT = 4096
"""Tasks whose last reason is kept, and which are in the middle of an isolation."""
DRIVERS_LIMIT = 4096
"""Drivers, and different answers of theirs, that are told apart."""
UNTOLD = ("", "model", "unknown")
"""Callers that say nothing."""

REFUSED_BY_DRIVER = "by the driver"
REFUSED_CLEARED = "not movable any more (mapping cleared or other)"
REFUSED_LOCKED = "page locked by someone"
REFUSED_ISOLATED = "isolated already"
REFUSED_FREE = "no reference left (being freed)"
REFUSED_RACE = "lost a race after the call began"


class Life:
    """One page, from its mark (or the first time it is seen) to its release.

    ``ops`` is the address of the driver's operations (0 after the mark is cleared, -1 where unknown), ``driver`` its name,
    ``begun`` the line and time of the first sight. While isolated, ``isolated`` is the line (else 0), ``since`` the time,
    ``caller`` who asked, ``tries`` the calls of the migrate callback, ``last`` what it returned last.
    """

    __slots__ = ("begun", "begun_at", "caller", "driver", "isolated", "last", "ops", "pfn", "since", "tries")

    def __init__(self, pfn: int, line: int, stamp: float) -> None:
        self.pfn = pfn
        self.begun = line
        self.begun_at = stamp
        self.ops = UNSEEN
        self.driver = ""
        self.isolated = 0
        self.since = 0.0
        self.caller = ""
        self.tries = 0
        self.last = 0


@dataclass(frozen=True, slots=True)
class Isolation:
    """A finished isolation: of which page and driver, who asked, how it ended, after how many calls and how long.

    ``begun`` and ``ended`` are line numbers, ``since`` and ``until`` times in seconds, ``target`` the new page or -1,
    ``task`` who ended it.
    """

    pfn: int
    driver: str
    caller: str
    outcome: str
    tries: int
    last: int
    begun: int
    ended: int
    since: float
    until: float
    target: int
    task: str


@dataclass(frozen=True, slots=True)
class Refusal:
    """An isolation that did not come about: whose page, who asked, why, at which line."""

    driver: str
    caller: str
    reason: str
    line: int


class Lives:
    """Rebuilds pages from events. ``feed`` each event with its time and the isolating caller; listeners hear of endings.

    ``on_isolation`` gets every finished isolation, ``on_refusal`` every refusal, ``on_end`` every life that ended with the line
    and time of its end.
    """

    def __init__(
        self,
        on_isolation: Callable[[Isolation], None] | None = None,
        on_refusal: Callable[[Refusal], None] | None = None,
        on_end: Callable[[Life, int, float], None] | None = None,
    ) -> None:
        self.pages: dict[int, Life] = {}
        self.drivers: dict[int, str] = {}
        self.isolated: dict[str, int] = {}
        self._on_isolation = on_isolation
        self._on_refusal = on_refusal
        self._on_end = on_end
        self._asking: dict[str, tuple[Event, str]] = {}
        self._reasons: dict[str, tuple[int, str]] = {}

    def feed(self, event: Event, stamp: float, caller: str = "") -> None:
        """Take in one event."""
        handler = _HANDLERS.get(event.kind)
        if handler is None:
            if event.kind == "migrate_pages":
                self._reasoned(event)
            return
        life = self.pages.get(event.pfn)
        if life is None:
            if len(self.pages) >= history.MAX_PAGES:
                raise UsageError(f"more than {history.MAX_PAGES} pages take part at once; no driver has so many")
            life = self.pages[event.pfn] = Life(event.pfn, event.seq, stamp)
        if event.mapping > PAGE_MAPPING_FLAGS:
            life.ops = event.mapping - PAGE_MAPPING_MOVABLE
        handler(self, event, life, stamp, caller)

    def _reasoned(self, event: Event) -> None:
        """A task migrates what it isolated, and says why."""
        reason = event.args.get("reason")
        name = REASONS[reason] if isinstance(reason, int) and 0 <= reason < len(REASONS) else ""
        if len(self._reasons) > TASKS_LIMIT:
            self._reasons.clear()
        self._reasons[event.task] = (event.seq, name)

    def finish(self, line: int, stamp: float) -> None:
        """The trace ends: what is still isolated ends as such, and every life is told."""
        for life in list(self.pages.values()):
            if life.isolated:
                self._end_isolation(life, OPEN, line, stamp, UNSEEN, "")
            if self._on_end is not None:
                self._on_end(life, line, stamp)
        self.pages.clear()

    def name(self, life: Life) -> str:
        """The driver that a page belongs to, as far as the trace tells."""
        return life.driver or self.drivers.get(life.ops, "")

    # what each event does

    def _set(self, event: Event, life: Life, stamp: float, caller: str) -> None:
        if event.mapping == 0 and life.begun != event.seq:  # a fresh page: the end of the frame's last life was not seen
            self._end(life, event, stamp)
            life = self.pages[event.pfn] = Life(event.pfn, event.seq, stamp)
        life.ops = event.args.get("ops", UNSEEN)
        life.driver = event.args.get("owner", "")

    def _clear(self, event: Event, life: Life, stamp: float, caller: str) -> None:
        life.driver = self.name(life)
        life.ops = 0

    def _isolating(self, event: Event, life: Life, stamp: float, caller: str) -> None:
        if len(self._asking) > TASKS_LIMIT:
            self._asking.clear()
        self._asking[event.task] = (event, "")

    def _isolate_page(self, event: Event, life: Life, stamp: float, caller: str) -> None:
        self._learn(event, life)

    def _isolate_page_ret(self, event: Event, life: Life, stamp: float, caller: str) -> None:
        self._learn(event, life)
        if event.args.get("ret") is True:
            self._begin(life, event, stamp)
        elif event.task in self._asking:
            self._asking[event.task] = (self._asking[event.task][0], REFUSED_BY_DRIVER)

    def _isolating_ret(self, event: Event, life: Life, stamp: float, caller: str) -> None:
        asked, reason = self._asking.pop(event.task, (None, ""))
        if event.args.get("ret") == 0:
            if not life.isolated:
                self._begin(life, event, stamp)
            life.caller = caller
            return
        if self._on_refusal is not None:
            why = reason or (REFUSED_RACE if asked is None else refusal_reason(asked))
            self._on_refusal(Refusal(self.name(life), caller, why, event.seq))
        if life.ops == UNSEEN and not life.isolated:
            del self.pages[event.pfn]  # a page of somebody else that only looked movable

    def _migrate(self, event: Event, life: Life, stamp: float, caller: str) -> None:
        self._learn(event, life)
        if not life.isolated:
            self._begin(life, event, stamp)
        life.tries += 1

    def _migrate_ret(self, event: Event, life: Life, stamp: float, caller: str) -> None:
        life.last = event.args.get("ret", 0)
        if life.last == 0 and life.isolated:
            target = event.args.get("newpage", UNSEEN)
            self._end_isolation(life, MIGRATED, event.seq, stamp, target, event.task)

    def _putback(self, event: Event, life: Life, stamp: float, caller: str) -> None:
        self._learn(event, life)
        if not life.isolated:
            self._begin(life, event, stamp)
        self._end_isolation(life, PUT_BACK, event.seq, stamp, UNSEEN, event.task)

    def _free(self, event: Event, life: Life, stamp: float, caller: str) -> None:
        self._end(life, event, stamp)
        del self.pages[event.pfn]

    # shared steps

    def _learn(self, event: Event, life: Life) -> None:
        driver = event.args.get("driver", "")
        if driver:
            if len(self.drivers) > DRIVERS_LIMIT:
                raise UsageError(f"more than {DRIVERS_LIMIT} drivers take part; no machine has so many")
            life.driver = driver
            if event.mapping > PAGE_MAPPING_FLAGS:
                self.drivers[life.ops] = driver

    def _begin(self, life: Life, event: Event, stamp: float) -> None:
        life.isolated = event.seq
        life.since = stamp
        life.tries = life.last = 0
        life.caller = ""
        self.isolated[life.driver] = self.isolated.get(life.driver, 0) + 1

    def _end(self, life: Life, event: Event, stamp: float) -> None:
        if life.isolated:
            self._end_isolation(life, FREED, event.seq, stamp, UNSEEN, event.task)
        if self._on_end is not None:
            self._on_end(life, event.seq, stamp)

    def _end_isolation(self, life: Life, outcome: str, line: int, stamp: float, target: int, task: str) -> None:
        self.isolated[life.driver] = self.isolated.get(life.driver, 1) - 1
        asked_at, reason = self._reasons.get(task, (UNSEEN, ""))
        if life.caller in UNTOLD and asked_at > life.isolated:
            life.caller = reason
        if self._on_isolation is not None:
            self._on_isolation(
                Isolation(
                    life.pfn,
                    life.driver,
                    life.caller,
                    outcome,
                    life.tries,
                    life.last,
                    life.isolated,
                    line,
                    life.since,
                    stamp,
                    target,
                    task,
                )
            )
        life.isolated = 0


def refusal_reason(asked: Event) -> str:
    """Why isolate_movable_page said no without asking the driver, judged by the page as it was at the call."""
    if asked.refs == 0:
        return REFUSED_FREE
    mapping = asked.mapping
    if mapping != UNSEEN and (mapping == PAGE_MAPPING_MOVABLE or mapping & PAGE_MAPPING_FLAGS != PAGE_MAPPING_MOVABLE):
        return REFUSED_CLEARED
    if asked.flags != UNSEEN and asked.flags & LOCKED:
        return REFUSED_LOCKED
    if asked.flags != UNSEEN and asked.flags & ISOLATED:
        return REFUSED_ISOLATED
    return REFUSED_RACE


_HANDLERS: dict[str, Callable[[Lives, Event, Life, float, str], None]] = {
    "set_page_movable": Lives._set,
    "clear_page_movable": Lives._clear,
    "isolate_movable_page": Lives._isolating,
    "isolate_movable_page_ret": Lives._isolating_ret,
    "isolate_page": Lives._isolate_page,
    "isolate_page_ret": Lives._isolate_page_ret,
    "migratepage": Lives._migrate,
    "migratepage_ret": Lives._migrate_ret,
    "putback_page": Lives._putback,
    "free_page": Lives._free,
}
