"""Dynamic partial-order reduction with source sets and sleep sets: one execution per class of equivalent schedules, nearly.

Two schedules are equivalent when one becomes the other by exchanging neighbours that do not conflict. The search runs one
schedule, looks for *reversible races* in it, and plans for each a schedule in which the two came the other way round.

Source sets are those of Abdulla, Aronis, Jonsson and Sagonas, "Optimal Dynamic Partial Order Reduction", POPL 2014; sleep sets are
Godefroid's, "Partial-Order Methods for the Verification of Concurrent Systems", 1996; dynamic reduction began with Flanagan and
Godefroid, POPL 2005.

Words. ``nodes[i]`` is the choice before step i. ``past(j)`` is the set of steps that happen before step j: earlier in the
same task, the step that spawned the task, and earlier conflicting steps, transitively. Steps i < j race when they belong to
different tasks, conflict, and nothing else orders them. To reverse them at node i is to perform there the part of past(j)
that is not after i, and then j. Its *initials* are the tasks that can begin that: their first step in it has no other part
before it.

Invariants.
 1. Source sets: for each race (i, j) of each execution, ``nodes[i].backtrack`` holds an initial of its reversal. One is
    enough, since whatever schedule reverses the race can be rearranged to begin with it.
 2. Sleep sets: a task in ``nodes[i].sleep`` needs no trying at node i, since every schedule that begins with it was covered
    from an earlier sibling. A tried task goes to sleep; it wakes below a step that conflicts with its own. If a reversal has
    an initial that sleeps, that reversal is covered and nothing is added.
 3. A schedule whose enabled tasks all sleep is a rearranged part of an old one: it is given up, after its races were read.
 4. A node is dropped only when every task in its backtrack set was tried or sleeps. The path is searched deepest first, so
    nodes above the path's end still receive initials found below.

Waiting. A step that had to wait (``guarded``) is ordered after the step that let it go, so a race with an earlier step that
would have *kept* it from going is hidden: lock by A, unlock by A, lock by B. For a guarded step j every conflicting earlier i
counts that is not before j's predecessor in its own task, ordered or not. Before i the wait can begin with the task's own past;
if that is empty, with the task itself, provided it could go at node i. Where i is one of several readers, others may matter
for whether j can go, and the whole enabled set is added instead. Tasks that still wait when an execution ends are treated
the same way, as if their step came last. This rests on the promise that ``ready`` depends only on operations on its key.

Roots. A search may be confined below a given prefix, whose nodes are taken to be expanded fully elsewhere (see campaign.py);
races that would be reversed inside the prefix are then somebody else's.
"""

from collections.abc import Sequence
from typing import TYPE_CHECKING

from movable.explore.dependence import EXCLUSIVE, KINDS, READ, Order, bits, conflict
from movable.explore.schedulers.tree import NONE, Node, Sleep, Tree

if TYPE_CHECKING:
    from movable.explore.engine import Scheduler, Task


class Dpor(Tree):
    """Complete search over the classes of equivalent schedules."""

    name = "dpor"

    # the path

    def first(self, me: "Task | None", enabled: "Sequence[Task]", node: Node) -> "Task | None":
        """Go on if that does not sleep, else the first task that is awake."""
        if not node.sleep:
            return me if me is not None and me in enabled else enabled[0]
        if me is not None and me.index not in node.sleep and me in enabled:
            return me
        return next((task for task in enabled if task.index not in node.sleep), None)

    def rooted(self, enabled: "Sequence[Task]", node: Node, number: int) -> "Task | None":
        """As prescribed; the lower numbers were tried before, so they sleep."""
        if number in node.sleep:
            return None
        node.sleep = {**{task.index: (task.op, task.key) for task in enabled if task.index < number}, **node.sleep}
        return next((task for task in enabled if task.index == number), None)

    def asleep(self, before: Node) -> Sleep:
        """Whoever does not conflict with the step taken sleeps on."""
        step = (before.op, before.key)
        return {task: access for task, access in before.sleep.items() if not conflict(access, step)} or NONE

    def todo(self, node: Node) -> int | None:
        """The lowest task of the backtrack set that is awake."""
        if node.backtrack is None:
            return None
        left = [task for task in node.backtrack if task != node.chosen and task not in node.sleep]
        return min(left) if left else None

    def leave(self, node: Node) -> None:
        """The tried task goes to sleep."""
        node.sleep = {**node.sleep, node.chosen: (node.op, node.key)}

    # the races

    def learn(self, run: "Scheduler", known: int) -> None:
        """Find the races that the new steps complete, and plan their reversal."""
        nodes = self.nodes
        order = Order()
        for node in nodes[:known]:
            order.restore(node.chosen, node.op, node.key, node.past)
        past = order.past
        tasks = run.tasks
        for j in range(known, len(nodes)):
            node = nodes[j]
            born = tasks[node.chosen].born
            if node.guarded:
                self._guarded(j, node.chosen, node, order.own(node.chosen, born), past)
                order.add(node.chosen, node.op, node.key, born)
            else:
                for i in order.add(node.chosen, node.op, node.key, born):
                    if i >= self.floor:
                        self.reverse(i, self._initials(i, past[j] & ~(1 << j), node.chosen, past), node.chosen)
            node.past = past[j]
        if not run.pruned and not run.cut:
            for task in run.alive:
                if task.ready is not None:
                    waiting = Node(task.index, (), NONE, -1, 0)
                    waiting.op, waiting.key = task.op, task.key
                    self._guarded(len(nodes), task.index, waiting, order.own(task.index, task.born), past)

    def _initials(self, i: int, before: int, last: int, past: list[int]) -> set[int]:
        """The tasks that can begin at node i with: the steps of ``before`` that are not after i, then one of ``last``."""
        nodes = self.nodes
        before &= -1 << (i + 1)
        found: set[int] = set()
        part = 0
        for k in bits(before):
            if past[k] >> i & 1:
                continue
            if not past[k] & part:
                found.add(nodes[k].chosen)
            part |= 1 << k
        return found or {last}

    def _guarded(self, j: int, task: int, node: Node, own: int, past: list[int]) -> None:
        nodes = self.nodes
        step = (node.op, node.key)
        for i in range(j - 1, self.floor - 1, -1):
            rival = nodes[i]
            if own >> i & 1 or rival.chosen == task or not conflict((rival.op, rival.key), step):
                continue
            if KINDS[rival.op] >= EXCLUSIVE or KINDS[rival.op] == READ:
                initials = self._initials(i, own, task, past)
                if initials <= set(rival.enabled):
                    self.reverse(i, initials, task)
            else:
                for other in rival.enabled:
                    self.reverse(i, {other}, other)

    def reverse(self, i: int, initials: set[int], task: int) -> None:
        """Make sure that node i tries one of ``initials``, ``task`` for choice."""
        node = self.nodes[i]
        backtrack = node.backtrack
        if backtrack is None:
            if node.chosen in initials:
                return
            backtrack = node.backtrack = {node.chosen}
        if initials & backtrack or any(other in node.sleep for other in initials):
            return
        backtrack.add(task if task in initials else min(initials))
