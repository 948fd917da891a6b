"""The monitor: feeds events to the checks and keeps count of what was exercised and what was broken.

It knows nothing of where events come from. ``vm.observe(monitor.feed)`` watches a running machine; the same events read from a
file, or made from the trace of a real kernel, give the same verdicts.
"""

from __future__ import annotations

from collections import Counter, deque
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Any

from movable.eras import Era
from movable.eras import era as era_called
from movable.errors import DeadlockError, DriverError, UsageError, VMBug
from movable.events import KINDS, Event
from movable.rules.rule import MUST, Check
from movable.rules.stream.asserted import blamed
from movable.rules.stream.history import Lives
from movable.rules.table import CHECKS, RULES, rule
from movable.shown import said

HELD, BROKEN, UNPROVEN = "held", "broken", "unproven"

EVENTS_KEPT = 256
"""Events that are kept for the story of a violation."""
MAX_STORY = 40
"""Events of a page that a violation names at most."""
MAX_VIOLATIONS_KEPT = 20
"""Violations that are kept of one rule; further ones are counted."""

MEDDLING = frozenset(("D5", "D6", "D30"))
"""Rules on fields of the core's, which are not musts, but break the core's own promises."""

EXERCISES: dict[str, tuple[str, ...]] = {
    occasion: tuple(found.id for found in RULES.values() if occasion in found.exercised_by)
    for check in CHECKS
    for occasion in check.occasions
}
"""The rules that each occasion exercises."""

Handler = Callable[[Event], None]


@dataclass(frozen=True, slots=True)
class Violation:
    """A broken rule.

    ``text`` says in plain words what happened, ``seqs`` which events prove it: the page's life so far, as much as is kept, ending
    with the event that shows it. ``pfn`` is the page, -1 where none is concerned; ``task`` who did it.
    """

    rule: str
    text: str
    seqs: tuple[int, ...]
    pfn: int
    task: str


class Monitor:
    """Judges a stream of events by the rules.

    ``rules`` are the numbers to judge (None: all that hold in ``era``); raises UsageError for an unknown one. In events, ``flags``,
    ``mapping`` and ``refs`` are -1 where the source cannot tell; flag bits are those of ``movable.mm.page_flags``. A stream may
    begin and end anywhere. ``feed`` takes in one event; kinds that no rule looks at are ignored. ``broken`` holds violations by
    rule, ``times`` how many there were.
    """

    def __init__(self, rules: Iterable[str] | None = None, era: str | Era = "4.19") -> None:
        known = era_called(era)
        chosen = RULES.values() if rules is None else [rule(id) for id in rules]
        self.judged = {found.id for found in chosen if known.name in found.eras}
        self.broken: dict[str, list[Violation]] = {}
        self.times: Counter[str] = Counter()
        self.lives = Lives()
        self.observed: Counter[str] = Counter()
        self.finished = False
        self.accused: set[int] = set()
        self._unwound = False
        self._recent: deque[Event] = deque(maxlen=EVENTS_KEPT)
        self.checks: list[Check] = [check(self.lives, known, self._report) for check in CHECKS if check.concerns(known)]
        self.feed = feeder(self._compile(), self._recent)

    def _compile(self) -> dict[str, tuple[Handler, ...]]:
        """Which methods run for each kind of event: what happened first, then the checks, then what is over."""
        table: dict[str, tuple[Handler, ...]] = {}
        for kind in KINDS:
            methods: list[Handler | None] = [getattr(self.lives, kind, None)]
            methods += [getattr(check, kind, None) for check in self.checks]
            methods.append(getattr(self.lives, f"after_{kind}", None))
            found = tuple(method for method in methods if method is not None)
            if found:
                table[kind] = found
        table["observation"] = (self._observation,)
        return table

    # feeding

    def _observation(self, event: Event) -> None:
        args = event.args
        id = args.get("rule", "")
        if args.get("error") == "ListCorruption":
            id = self._rule_of_list(event)
        self.observed[id] += 1
        if not args.get("ok", True):
            self._report(id, event, str(args.get("what", "")))
        if args.get("error"):
            self.lives.unwound()
            self._unwound = True

    def _rule_of_list(self, event: Event) -> str:
        """A node that is lent is the core's (D12). Any other list is the driver's own affair, which a put-back must restore."""
        life = self.lives.pages.get(event.pfn)
        if life is None or life.lent:
            return "D12"
        call = self.lives.top(event.task)
        return "D31" if call is not None and call.kind == "putback_page" else "D54"

    def caught(self, error: BaseException, task: str = "main") -> Event:
        """Put an exception that ended a run on record under its rule; returns the observation that says so.

        Raises ``error`` itself when it is a UsageError, which breaks no rule.
        """
        last = self._recent[-1].seq if self._recent else -1
        event = error_event(error, last + 1, task)
        self.feed(event)
        return event

    def finish(self, quiescent: bool = False) -> None:
        """The stream ends. ``quiescent`` says that nothing was under way: no isolation open, no work queued.

        Only then are leaks judged, and never after an exception.
        """
        if self.finished:
            return
        self.finished = True
        last = self._recent[-1] if self._recent else Event(0, "", "note", -1, 0, 0, 0, {})
        for check in self.checks:
            check.finish(last, quiescent and not self._unwound)

    def _report(self, id: str, event: Event, text: str) -> None:
        if id not in self.judged or (id[0] == "V" and self._follows(event)):
            return
        if id[0] == "D" and (id in MEDDLING or RULES[id].level == MUST):
            self.accused |= {event.pfn, event.args.get("newpage", event.pfn)}
        self.times[id] += 1
        kept = self.broken.setdefault(id, [])
        if len(kept) < MAX_VIOLATIONS_KEPT:
            kept.append(Violation(id, text, self._story(event), event.pfn, event.task))

    def _follows(self, event: Event) -> bool:
        """Whether what looks like the core's fault follows from what a driver did to the page, or, where none is named, to any.

        Only a model shows every act of a driver, so only there is the first fault the cause.
        """
        if not self.lives.sees_refs or not self.accused:
            return False
        return event.pfn in self.accused or (event.pfn < 0 and event.kind == "observation")

    def _story(self, event: Event) -> tuple[int, ...]:
        """The page's life up to an event, as sequence numbers: what was seen since, where it is told late, proves nothing."""
        pfns = {event.pfn, event.args.get("newpage", event.pfn)}
        seqs = [other.seq for other in self._recent if other.pfn in pfns or other.args.get("newpage", -1) in pfns]
        if event.pfn < 0:
            seqs = [other.seq for other in self._recent if other.task == event.task]
        life = self.lives.pages.get(event.pfn)
        milestones = [] if life is None else life.milestones()
        seqs = [seq for seq in seqs if seq <= event.seq]
        return tuple(sorted({*[seq for seq in milestones if seq <= event.seq], *seqs[-MAX_STORY:], event.seq}))

    # verdicts

    @property
    def exercised(self) -> Counter[str]:
        """How often each rule had a chance to be broken."""
        total = Counter(self.observed)
        for check in self.checks:
            for occasion in check.occasions:
                count = getattr(check, occasion)
                for id in EXERCISES.get(occasion, ()) if count else ():
                    total[id] += count
        return Counter({id: count for id, count in total.items() if count and id in self.judged})

    def verdict(self, id: str) -> str:
        """``held``, ``broken``, or ``unproven`` for a rule that was never exercised or is not judged."""
        found = rule(id)
        if found.id in self.broken:
            return BROKEN
        return HELD if self.exercised[found.id] else UNPROVEN


def feeder(handlers: dict[str, tuple[Handler, ...]], recent: deque[Event]) -> Handler:
    """The function that takes in events: a closure, since it runs for every event and has no time to look up attributes."""
    keep = recent.append
    of_kind = handlers.get

    def feed(event: Event) -> None:
        found = of_kind(event[2])
        if found is not None:
            keep(event)
            for handler in found:
                handler(event)

    return feed


def rule_of(error: BaseException) -> str:
    """The number of the rule that an exception tells of: the core's own say it, any other is a stray one (D52).

    An assertion of the core that fails is told as what the driver has broken, see ``asserted``.
    """
    if isinstance(error, DeadlockError):
        return "D49"
    if isinstance(error, (VMBug, DriverError)):
        rule = vars(error).get("rule")  # a driver may raise one of its own making
        return blamed(rule) if type(rule) is str and rule in RULES else "D52"
    return "D52"


def error_event(error: BaseException, seq: int, task: str = "main") -> Event:
    """The observation that stands for an exception in a stream of events. Raises a UsageError as it is."""
    if isinstance(error, UsageError):
        raise error
    what = said(error) or type(error).__name__
    if rule_of(error) == "D52":
        what = f"{type(error).__name__}: {what}"
    page: Any = getattr(error, "page", None)
    args = {"rule": rule_of(error), "ok": False, "what": what, "error": type(error).__name__}
    if page is None:
        return Event(seq, task, "observation", -1, 0, 0, 0, args)
    return Event(seq, task, "observation", page.pfn, page._flags, page._mapping, page._refcount, args)
