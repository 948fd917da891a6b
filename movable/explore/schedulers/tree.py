"""What the systematic strategies share: a path in the tree of schedules, replayed from the root and extended at its end."""

from collections.abc import Hashable, Sequence
from typing import TYPE_CHECKING

from movable.explore.dependence import Access
from movable.explore.failure import NonDeterminism
from movable.explore.schedulers.strategy import default

if TYPE_CHECKING:
    from movable.explore.engine import Scheduler, Task

Sleep = dict[int, Access]
NONE: Sleep = {}


class Node:
    """One choice on the path. ``chosen`` went on with ``op`` on ``key``; ``guarded`` when it was a wait that came true.

    ``enabled`` are the task numbers that could go; ``backtrack`` those to try here, None for just the chosen one; ``sleep`` those
    that need no trying, with the step they would take; ``last`` the task that went before, ``paid`` the pre-emptions up to here;
    ``past`` is the step's mask in the partial order.
    """

    __slots__ = ("backtrack", "chosen", "enabled", "guarded", "key", "last", "op", "paid", "past", "sleep")

    def __init__(self, chosen: int, enabled: tuple[int, ...], sleep: Sleep, last: int, paid: int) -> None:
        self.chosen = chosen
        self.op = ""
        self.key: Hashable = None
        self.guarded = False
        self.enabled = enabled
        self.backtrack: set[int] | None = None
        self.sleep = sleep
        self.last = last
        self.paid = paid
        self.past = 0

    def cost(self, task: int) -> int:
        """1 when letting ``task`` go here takes the processor away from one that could go on."""
        return int(task != self.last and self.last in self.enabled)


class Tree:
    """Depth-first search. A subclass says which choices to try at a node (`todo`) and learns in `learn`.

    Parameters: ``root``, task numbers of a schedule prefix below which to search. The nodes of the prefix are taken to be
    expanded fully by others: each of their enabled tasks has a search of its own.
    """

    name = "tree"

    def __init__(self, root: Sequence[int] = ()) -> None:
        self.nodes: list[Node] = []
        self.root = tuple(root)
        self.floor = len(self.root)
        self.complete = False
        self.cut = False
        self._known = 0  # nodes whose step was seen before and must come again
        self._fresh = True
        self._run: Scheduler | None = None

    @property
    def claim(self) -> str:
        """What has been covered."""
        return "all interleavings" if self.complete and not self.cut else "some interleavings"

    def begin(self, run: "Scheduler") -> bool:
        """Step back to the deepest node where something is left to try."""
        self._run = run
        if self._fresh:
            self._fresh = False
            return True
        nodes = self.nodes
        while len(nodes) > self.floor:
            node = nodes[-1]
            following = self.todo(node)
            if following is not None:
                self.leave(node)
                node.chosen = following
                self._known = len(nodes) - 1
                return True
            nodes.pop()
        self.complete = True
        return False

    def choose(self, me: "Task | None", enabled: "Sequence[Task]") -> "Task | None":
        """Follow the path, then extend it."""
        run = self._run
        assert run is not None
        nodes = self.nodes
        now = len(run.steps)
        if now < len(nodes):
            node = nodes[now]
            task = run.tasks[node.chosen] if node.chosen < len(run.tasks) else None
            if now < self._known:
                if task is None or task.op != node.op or task.key != node.key or task not in enabled:
                    raise NonDeterminism(diverged(now, task, node.chosen, node.op, node.key, task in enabled))
                return task
            if task is None or task not in enabled:
                raise NonDeterminism(diverged(now, task, node.chosen, "", None, False))
        else:
            numbers = tuple([task.index for task in enabled])
            last = me.index if me is not None else -1
            if nodes:
                before = nodes[-1]
                sleep = self.asleep(before) if before.sleep else NONE
                paid = before.paid + before.cost(before.chosen)
            else:
                sleep, paid = NONE, 0
            node = Node(-1, numbers, sleep, last, paid)
            task = self.first(me, enabled, node) if now >= self.floor else self.rooted(enabled, node, self.root[now])
            if task is None:
                return None
            node.chosen = task.index
            nodes.append(node)
        node.op = task.op
        node.key = task.key
        node.guarded = task.ready is not None
        return task

    def end(self, run: "Scheduler") -> None:
        """Take the execution in."""
        self.cut = self.cut or run.cut
        self.learn(run, self._known)
        self._known = len(self.nodes)

    def first(self, me: "Task | None", enabled: "Sequence[Task]", node: Node) -> "Task | None":
        """The first choice at a new node: go on without pre-emption. None: nothing here is worth trying."""
        return default(me, enabled)

    def rooted(self, enabled: "Sequence[Task]", node: Node, number: int) -> "Task | None":
        """The choice that the root prescribes at a new node; None when that part of the tree is empty."""
        return next((task for task in enabled if task.index == number), None)

    def asleep(self, before: Node) -> Sleep:
        """The tasks that still sleep after the step of ``before``."""
        return NONE

    def todo(self, node: Node) -> int | None:
        """The next task to try at ``node``, None when it is done."""
        raise NotImplementedError

    def leave(self, node: Node) -> None:
        """The chosen task of ``node`` has been tried."""

    def learn(self, run: "Scheduler", known: int) -> None:
        """Look at an execution whose steps from ``known`` on are new."""


def diverged(now: int, task: "Task | None", number: int, op: str, key: Hashable, able: bool) -> str:
    """Say what a replay found instead of what it had to find."""
    if task is None:
        what = f"task number {number} does not exist there"
    elif not able:
        what = f"{task.name} cannot run there" + (f", it waits for {task.what}" if task.ready is not None else "")
    else:
        what = f"{task.name} was about to do {op} {key!r} and is now about to do {task.op} {task.key!r}"
    return (
        f"the same schedule led elsewhere: at step {now} {what}. The program must depend on nothing but its arguments and the"
        " schedule: look for state kept between executions, unseeded random numbers, time, or names made from addresses"
    )
