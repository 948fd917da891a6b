"""Calls that tasks of the traced machine are inside of; entries and returns pair up by PID, as a stack, since they may sleep."""

from __future__ import annotations

from bisect import bisect_right
from operator import itemgetter

from movable.trace.read.vocabulary import UNSEEN

STACK_LIMIT = 64
"""Calls open in one task; more means that returns are missing."""
NOTE_EVERY_LINES = 500
"""Lines after which open calls are noted again; in a long trace more."""
MAX_NOTES = 2000
"""Notes that are kept."""


class Frame:
    """An open call: what joins it with its return, the page and target, the driver, and the raw flag word."""

    __slots__ = ("call", "driver", "newpage", "pfn", "word")

    def __init__(self, call: str, pfn: int = UNSEEN, newpage: int = UNSEEN, driver: str = "", word: str = "") -> None:
        self.call = call
        self.pfn = pfn
        self.newpage = newpage
        self.driver = driver
        self.word = word


class Task:
    """One task: its name as events carry it, and the calls that it is inside of, innermost last.

    ``freed`` is the page that it has just released, with ``freed_flags`` and ``freed_mapping`` in line ``freed_at``;
    ``unlocks`` how many unlocks still belong to a callback that returned, ``calls`` how many calls of it were seen to begin.
    ``unpaired`` counts its calls that never returned, by function.
    """

    __slots__ = ("calls", "freed", "freed_at", "freed_flags", "freed_mapping", "name", "stack", "unlocks", "unpaired")

    def __init__(self, name: str) -> None:
        self.name = name
        self.stack: list[Frame] = []
        self.freed = self.freed_flags = self.freed_mapping = UNSEEN
        self.freed_at = 0
        self.unlocks = 0
        self.calls = 0
        self.unpaired: dict[str, int] = {}

    def push(self, frame: Frame) -> None:
        """A call begins."""
        stack = self.stack
        self.calls += 1
        for index, open_ in enumerate(stack):
            if open_.call == frame.call:  # none of them calls itself: the return of the older one was missed
                self._cut(index)
                break
        if len(stack) >= STACK_LIMIT:
            stack.clear()
        stack.append(frame)

    def pop(self, call: str) -> Frame | None:
        """The innermost open call of a function, with its return; None where the trace does not show the entry."""
        stack = self.stack
        for index in range(len(stack) - 1, -1, -1):
            if stack[index].call == call:
                if index < len(stack) - 1:
                    self._cut(index + 1)
                return stack.pop()
        return None

    def _cut(self, index: int) -> None:
        """Calls that never returned, as far as the trace shows."""
        for frame in self.stack[index:]:
            self.unpaired[frame.call] = self.unpaired.get(frame.call, 0) + 1
        del self.stack[index:]


class OpenCalls:
    """The calls that were open at some lines, so that a trace can be looked at from there on."""

    def __init__(self) -> None:
        self._every = NOTE_EVERY_LINES
        self._notes: list[tuple[int, dict[str, tuple[str, tuple[Frame, ...]]]]] = [(0, {})]

    def note(self, line: int, tasks: dict[str, Task]) -> None:
        """Remember what tasks, by PID, are inside of behind this line, unless that was done a little before."""
        if line < self._notes[-1][0] + self._every:
            return
        self._notes.append((line, {pid: (task.name, tuple(task.stack)) for pid, task in tasks.items() if task.stack}))
        if len(self._notes) > MAX_NOTES:
            del self._notes[1::2]
            self._every *= 2

    def before(self, line: int) -> tuple[int, dict[str, Task]]:
        """The last line before this one at which they are known, and the tasks as they were then."""
        at, known = self._notes[max(0, bisect_right(self._notes, line, key=itemgetter(0)) - 1)]
        tasks = {pid: Task(name) for pid, (name, _) in known.items()}
        for pid, (_, stack) in known.items():
            tasks[pid].stack = list(stack)
        return at, tasks
