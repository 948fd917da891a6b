"""Calls within calls tell of the same page twice: the core's function and the driver's callback inside it must agree.

So must the lines within a callback: its pages are locked when it begins, and stay so until somebody is seen to unlock them. Behind
a move, what the core unlocks next is the new page or the old one.
"""

from __future__ import annotations

from collections.abc import Callable
from errno import ENOENT

from movable.events import Event
from movable.mm.page_flags import ISOLATED, LOCKED
from movable.rules.stream.history import UNSEEN

INSIDE = {"isolate_page": "isolate_movable_page", "migratepage": "move_to_new_page"}
"""Callbacks, and the function of the core that calls each."""
CALLS = frozenset(
    (*INSIDE, *INSIDE.values(), *(f"{kind}_ret" for pair in INSIDE.items() for kind in pair), "balloon_hook_ret")
)
"""Kinds of events that open and close calls."""
WITHIN = frozenset(("unlock_page", "set_page_movable", "clear_page_movable"))
"""Kinds of events that are looked at within callbacks."""
FIELDS = {"isolate_page": ("mode",), "migratepage": ("mode", "newpage")}

Disagree = Callable[[Event, int, str], None]
"""Called with an event, the line that it disagrees with, and words."""


class Nesting:
    """Compares the lines of calls within calls, task by task; ``disagree`` hears of those that cannot both be right.

    ``callbacks`` leads from tasks to the callback that they are in, where its page was locked.
    """

    def __init__(self, disagree: Disagree) -> None:
        self._disagree = disagree
        self._outer: dict[str, Event] = {}
        self.callbacks: dict[str, Event] = {}
        self._answer: dict[str, Event] = {}
        self._hook: dict[str, Event] = {}
        self._moved: dict[str, tuple[Event, int]] = {}

    def feed(self, event: Event) -> None:
        """Take in one event of CALLS."""
        kind, task = event.kind, event.task
        if kind in INSIDE:
            self._begin(event)
        elif kind in ("isolate_movable_page", "move_to_new_page"):
            self._outer[task] = event
            self._answer.pop(task, None)
        elif kind == "balloon_hook_ret":
            self._hook[task] = event
        elif kind in ("migratepage_ret", "isolate_page_ret"):
            self._of_the_core(event, self._hook.pop(task, None))
            self.callbacks.pop(task, None)
            self._answer[task] = event
            if kind == "migratepage_ret" and event.args.get("ret") == 0:
                self._moved[task] = (event, event.args.get("newpage", UNSEEN))
            else:
                self._moved.pop(task, None)
        elif kind == "move_to_new_page_ret":
            self._end(event)
        elif kind == "isolate_movable_page_ret":
            self._outer.pop(task, None)

    def _begin(self, event: Event) -> None:
        outer = self._outer.get(event.task)
        if outer is not None and outer.kind == INSIDE[event.kind]:
            if outer.pfn != event.pfn:
                self._disagree(event, outer.seq, f"is given to {event.kind}; the call around it is about page {outer.pfn}")
            for name in FIELDS[event.kind]:
                one, two = outer.args.get(name), event.args.get(name)
                if one is not None and two is not None and one != two:
                    self._disagree(event, outer.seq, f"has {name}={two} in {event.kind}, and {one} in the call around it")
        if event.flags >= 0 and event.flags & LOCKED:
            self.callbacks[event.task] = event

    def _end(self, event: Event) -> None:
        self._outer.pop(event.task, None)
        answer = self._answer.pop(event.task, None)
        if answer is None or answer.kind != "migratepage_ret" or answer.pfn != event.pfn:
            return
        one, two = answer.args.get("ret"), event.args.get("ret")
        if one is not None and two is not None and one != two:
            self._disagree(event, answer.seq, f"was moved with {two}; its driver had answered {one}")

    def _of_the_core(self, event: Event, hook: Event | None) -> None:
        """The balloon core answers what the hook of the device said, but for a page that was deflated instead."""
        if hook is None or hook.pfn != event.pfn:
            return
        said, answer = hook.args.get("ret"), event.args.get("ret")
        if type(said) is int and type(answer) is int and said <= 0 and answer != (0 if said == -ENOENT else said):
            self._disagree(event, hook.seq, f"was moved with {answer}; the hook of its device had answered {said}")

    def change(self, event: Event) -> None:
        """Take in one event of WITHIN."""
        call = self.callbacks.get(event.task)
        if call is not None:
            self._within(event, call)
        elif event.kind == "unlock_page":
            moved, newpage = self._moved.pop(event.task, (None, UNSEEN))
            if moved is not None and event.pfn not in (moved.pfn, newpage):
                words = f"is unlocked where page {moved.pfn}, which has just been moved, or its target should be"
                self._disagree(event, moved.seq, words)

    def _within(self, event: Event, call: Event) -> None:
        """One event of a task that is in a callback."""
        if event.pfn not in (call.pfn, call.args.get("newpage")):
            return
        hook = self._hook.get(event.task)
        if hook is not None and event.kind == "set_page_movable" and hook.args.get("ret") not in (0, None):
            self._disagree(event, hook.seq, f"gets a mark of the balloon core; the hook had answered {hook.args['ret']}")
        if event.kind == "unlock_page":
            if call.kind == "isolate_page" and event.pfn == call.pfn and event.flags > 0 and event.flags & ISOLATED:
                self._disagree(event, call.seq, "is isolated and unlocked before its driver has agreed to that")
            del self.callbacks[event.task]
        elif event.flags >= 0 and not event.flags & LOCKED:
            words = "is not locked; it was when the callback began, and the lines between tell of no unlock"
            self._disagree(event, call.seq, words)
