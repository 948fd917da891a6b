"""Writes down, while a failure is being explained, what each task saw and did: values behind the steps, and calls of the driver.

And says what a scenario does, with the handles that are meant by name.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Hashable
from itertools import pairwise
from typing import TYPE_CHECKING, Any

from movable.concurrent.globals import MISSING
from movable.concurrent.stage import Stage, Subject, operations
from movable.events import Event
from movable.explore.dependence import Part
from movable.explore.engine import OUTSIDE
from movable.explore.instrument.containers import LENGTH
from movable.introspection import vars_of
from movable.mm.page import Page
from movable.sequential.narrate import sentence
from movable.workload.action import Action
from movable.workload.action import show as core_words
from movable.workload.handle_names import assigned, call
from movable.workload.scenario import Scenario
from movable.workload.workload import Handle

if TYPE_CHECKING:
    from movable.concurrent.execution import Execution

__tracebackhide__ = True

ANNOTATED = {
    "isolate_page", "isolate_page_ret", "migratepage", "migratepage_ret", "putback_page", "putback_page_ret", "set_page_movable",
    "clear_page_movable", "alloc_page", "free_page", "bad_page", "released_isolated", "driver_remove", "note",
}  # fmt: skip
"""Kinds of events that become notes."""
MAX_CHARACTERS = 40


def in_words(subject: Subject, scenario: Scenario) -> str:
    """What a scenario does: ``after h0 = store(data=b'a'): free(h0) || compact the machine``."""
    stage = Stage(subject, scenario)
    live = stage.live or []
    ever = dict.fromkeys([*live, *(handle for there in stage.history for handle in there)])
    names = {handle: f"h{number}" for number, handle in enumerate(ever)}
    before = []
    for action, (there, then) in zip(scenario.prefix, pairwise([*stage.history, live]), strict=True):
        made = [names[handle] for handle in then if handle not in there]
        before.append(assigned(made, _action(subject, action, there, names)))
    tasks = (", ".join(_action(subject, action, live, names) for action in actions) for actions in scenario.tasks)
    return (f"after {', '.join(before)}: " if before else "") + " || ".join(tasks)


def _action(subject: Subject, action: Action, live: list[Any], names: dict[Any, str]) -> str:
    """An action; a number that means a handle becomes the name of that handle."""
    if action[0] != "op":
        return core_words(action)
    _, name, drawn = action
    operation = operations(subject.workload).get(name)
    kinds = {} if operation is None or not live else operation.arguments
    picked = {key: names[live[value % len(live)]] for key, value in drawn.items() if isinstance(kinds.get(key), Handle)}
    return call(name, drawn, picked)


class Annotator:
    """Stands between the tasks and a `Recorder`."""

    def __init__(self, recorder: Any, execution: Execution) -> None:
        self.recorder = recorder
        self.execution = execution
        self.spawn = recorder.spawn
        self._last: dict[str, tuple[str, Hashable]] = {}

    @property
    def current(self) -> str:
        """The running task."""
        name: str = self.recorder.current
        return name

    def point(self, op: str, key: Hashable) -> None:
        """As in Scheduler; before it, what the step that ends here has seen."""
        self._saw(op, key)
        self.recorder.point(op, key)

    def wait(self, key: Hashable, ready: Callable[[], bool], what: str, condition: Any = None, *, op: str = "wait") -> None:
        """As in Scheduler."""
        self._saw(op, key)
        self.recorder.wait(key, ready, what, condition, op=op)

    def note(self, text: str, **facts: object) -> None:
        """As in Scheduler."""
        self.recorder.note(text, **facts)

    def _saw(self, op: str, key: Hashable) -> None:
        seam = getattr(self.execution, "seam", None)
        if seam is not None and seam.tell is None:
            seam.tell = self._event
        task = self.current
        if task == OUTSIDE:
            return
        before = self._last.get(task)
        self._last[task] = (op, key)
        if before is not None:
            value = self._value(before[1])
            if value:
                self.note(("read " if before[0] in ("r", "ar", "mr", "xr") else "now ") + value)

    def _event(self, kind: str, page: Page | None, args: dict[str, Any]) -> None:
        if kind not in ANNOTATED or self.current == OUTSIDE:
            return
        flags, refs = (page._flags, page._refcount) if page is not None else (0, 0)
        event = Event(0, self.current, kind, -1 if page is None else page.pfn, flags, 0, refs, args)
        words = sentence(event, self.execution.trial.subject.words)
        if words:
            self.note(words)

    def _value(self, key: Hashable) -> str:
        """What a location holds now; "" where that says nothing."""
        if isinstance(key, tuple) and len(key) == 3 and key[0] == "page":
            return self._field(key[1], key[2])
        if self.execution.ambient:
            found = self.execution.ambient.value(key)
            if found is not MISSING:
                return show(found)
        base, item = (key.base, key.sub) if type(key) is Part else (key, None)
        if not isinstance(base, str):
            return ""
        owner, _, attribute = base.removesuffix("[]").rpartition(".")
        for seen in self.execution.hooks.seen.values():
            if seen.name == owner:
                value = vars_of(seen.obj).get(attribute)
                if item is not None:
                    value = _item(value, item)
                return show(value)
        return ""

    def _field(self, pfn: Any, field: Any) -> str:
        page = self.execution.stage.vm.page(pfn)
        if field == "data":
            return show(page._data[:12].tobytes()) if page._data is not None else ""
        return show(getattr(page, f"_{field}")) if field in ("private", "index") else ""


def _item(value: Any, item: Any) -> Any:
    """An item of a container, or its length; MISSING where there is none. Of a set or deque the container itself: no word."""
    kind = next((kind for kind in (dict, list, set, deque) if isinstance(value, kind)), None)
    if item == LENGTH and kind is not None:
        return kind.__len__(value)
    if kind is set or kind is deque:
        return value
    try:
        return dict.__getitem__(value, item) if kind is dict else list.__getitem__(value, item)
    except (KeyError, IndexError, TypeError):
        return MISSING


def show(value: Any) -> str:
    """A value in a few characters."""
    if value is MISSING:
        return "nothing"
    if isinstance(value, Page):
        return f"page {value.pfn}"
    if isinstance(value, dict | list | set | tuple | deque):
        return ""  # asking a watched one would be a step
    if value is None or isinstance(value, int | str | bytes | float):
        text = repr(value)
        return text if len(text) <= MAX_CHARACTERS else text[: MAX_CHARACTERS - 3] + "..."
    return type(value).__name__
