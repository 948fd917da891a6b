"""The engine: runs the tasks of a scene as greenlets, one step at a time, in the order a strategy chooses.

How a step works. A task announces its next operation at a scheduling point (``task.op``, ``task.key``); the strategy picks
who goes next, knowing what everybody is about to do; the pick is written down *before* the operation runs. The task that
stands at the point switches straight to the pick, and staying costs no switch. Code before a task's first point runs when
the task is made. So at every choice each task has an operation announced, and

    steps[n] == (task, op, key)    means: step n let that task perform that operation and run on to its next point.

Rules kept here: one execution is deterministic from its choices; nothing is chosen while set-up, check or teardown run; the
garbage collector is off while tasks run, because a finaliser that reaches a scheduling point would make the step count
depend on memory; teardown of blocked tasks is bounded, whatever their ``finally`` blocks do.
"""

from collections.abc import Callable, Hashable, Sequence
from typing import Any

from greenlet import getcurrent, greenlet

from movable.errors import Halt
from movable.explore import failure as kinds
from movable.explore.dependence import KINDS as OPS
from movable.explore.dependence import Step
from movable.explore.detect.data_races import HappensBefore
from movable.explore.detect.lock_order import ACQUIRES, LOCK_OPS, Locks
from movable.explore.failure import ExploreError, Failure
from movable.explore.program import Program, Scene
from movable.explore.schedulers.strategy import Strategy
from movable.introspection import no_collection
from movable.shown import said
from movable.supervise import board

LONGEST_WORDS_CHARACTERS = 4000
"""Characters of what an exception says that are kept."""

OUTSIDE = "main"
"""What `Scheduler.current` says while no task runs: set-up, check, teardown."""

_POINTS_IN_TEARDOWN = 10_000  # points that a task may pass in teardown before it is told to exit again
_KILLS = 100  # how often it is told before it is given up
_given_up: list[Any] = []  # kept for ever: collecting such a greenlet would run its endless code again


class TaskExit(Halt):
    """Thrown into a task that has to end because the execution is over."""


class Task:
    """One task of an execution. ``op`` and ``key`` are the step it would take next.

    ``ready`` is its wake-up test while it is blocked, else None; ``steps`` counts the steps taken; ``born`` is the step in which
    it was spawned (-1: at the start); ``name`` does not depend on the schedule, ``index`` does for spawned tasks; ``passed`` are
    the uses of locations that are no points, see ``movable.explore.schedulers.shared_locations.Reduced``.
    """

    __slots__ = (
        "born", "children", "condition", "daemon", "fn", "glet", "index", "key", "name", "op", "passed", "ready", "steps",
        "switch", "what",
    )  # fmt: skip

    def __init__(self, index: int, name: str, fn: Callable[[], object], born: int, daemon: bool) -> None:
        self.index = index
        self.name = name
        self.fn = fn
        self.born = born
        self.daemon = daemon
        self.op = ""
        self.key: Hashable = None
        self.ready: Callable[[], bool] | None = None
        self.condition: Callable[[], bool] | None = None
        self.what = ""
        self.steps = 0
        self.children: dict[str, int] = {}
        self.passed: set[tuple[str, Hashable]] | None = None
        self.glet: Any = None
        self.switch: Callable[[], object] = _unstarted

    def __repr__(self) -> str:
        return f"<task {self.name}: {self.op} {self.key}>"


def _unstarted() -> None:
    raise AssertionError("a task was switched to before it was made")


class Scheduler:
    """One execution of a program under a strategy; the tasks see it as their scheduler.

    Parameters: ``limit``, steps after which the rest runs under a fair schedule (``cut`` is then true), and twice of which is a
    livelock; ``races``, look for data races; ``order``, look at lock order; ``stop``, end the execution at the first failure.
    After `run`: ``steps``, ``tasks``, ``failure``, ``pruned``, ``cut``, ``scene``.
    """

    def __init__(
        self, program: Program, strategy: Strategy, *,
        limit: int = 20_000, races: bool = True, order: bool = True, stop: bool = True,
    ) -> None:  # fmt: skip
        self.program = program
        self.strategy = strategy
        self.limit = limit
        self.steps: list[Step] = []
        self.tasks: list[Task] = []
        self.failure: Failure | None = None
        self.pruned = False
        self.cut = False
        self.current = OUTSIDE
        self.state: Hashable = None
        self.scene: Scene | None = None
        self.alive: list[Task] = []  # replaced, never changed in place
        self._early: list[tuple[str, Callable[[], object], bool]] = []
        self._order = order
        self._stop = stop
        self._running: Task | None = None
        self._starter: Any = None
        self._handoff: Task | None = None
        self._choose: Callable[[Task | None, Sequence[Task]], Task | None] = _nobody
        self._log = self.steps.append
        self.left_out = 0
        """Points since the last step at which nobody was asked; see ``movable.explore.schedulers.shared_locations.Reduced``."""
        self._asleep = 0
        self._crash: BaseException | None = None
        self._races = HappensBefore() if races else None
        self.locks = Locks()
        self._locking = False
        self._main: Any = None
        self._idle = 0
        self._closing = False

    # what tasks call

    def point(self, op: str, key: Hashable) -> None:
        """A scheduling point before the operation ``op`` on the location ``key``: another task may run first.

        ``op`` is one of `dependence.KINDS`. Does nothing outside tasks. Raises ExploreError for an unknown operation.
        """
        me = self._running
        if me is None:
            if self._closing:
                self._linger()
            return
        if op not in OPS:
            raise ExploreError(f"task {me.name}: unknown operation {op!r} on {key!r}; known are {', '.join(OPS)}")
        me.op = op
        me.key = key
        following = self._pick(me)
        if following is not me:
            self._go(following)

    def wait(
        self,
        key: Hashable,
        ready: Callable[[], bool],
        what: str,
        condition: Callable[[], bool] | None = None,
        *,
        op: str = "wait",
        daemon: bool = False,
    ) -> None:
        """Block the task until ``ready()``, and return in the step in which it is true.

        ``ready`` must depend on nothing but what operations on ``key`` change. ``what`` says for reports what is awaited.
        ``condition`` is what the task really waits for: true while the task sleeps for ever means a lost wake-up. ``op`` is
        what is done on waking: with ``op="lock"`` an acquire that waits is a single step. A ``daemon`` wait may last for ever.
        """
        me = self._running
        if me is None:
            if self._closing:
                self._linger(_POINTS_IN_TEARDOWN // _KILLS)
                raise TaskExit
            if not ready():
                raise ExploreError(f"outside any task nobody can end the wait for {what}")
            return
        me.op = op
        me.key = key
        me.ready = ready
        me.what = what
        me.condition = condition
        was, me.daemon = me.daemon, me.daemon or daemon
        self._asleep += 1
        following = self._pick(me)
        if following is not me:
            self._go(following)
        self._asleep -= 1
        me.ready = me.condition = None
        me.daemon = was

    def spawn(self, name: str, fn: Callable[[], object], *, daemon: bool = False) -> None:
        """Start a task from inside a task; it runs to its first point at once. A ``daemon`` may sleep when all others are done.

        The task is called ``parent/name``, with ``#n`` after the n-th of that name, so that its name is the same in every schedule.
        In set-up it joins the tasks of the scene, with ``main`` for parent. Raises ExploreError once the tasks have ended.
        """
        me = self._running
        if me is None:
            if self.scene is not None:
                raise ExploreError(f"spawn({name!r}) after the tasks have ended: nobody will run it")
            self._early.append((name, fn, daemon))
            return
        nth = me.children[name] = me.children.get(name, 0) + 1
        full = f"{me.name}/{name}" if nth == 1 else f"{me.name}/{name}#{nth}"
        self._begin(full, fn, me, daemon)

    def note(self, text: str, **facts: object) -> None:
        """Attach a line to the timeline at the current step; kept only while a failure is being explained."""

    # one execution

    def run(self) -> None:
        """Run the program once. Raises what set-up raises, and NonDeterminism from a replay that diverges."""
        trail = board.schedule()
        if trail is not None:
            self._log = self._written(trail)
        with no_collection():
            self._main = getcurrent()
            try:
                self._run()
            finally:
                self._close()
        if self._crash is not None:
            raise self._crash

    def _written(self, trail: Callable[[int, int, int], None]) -> Callable[[Step], None]:
        """Each step is written where it survives this process, too."""
        steps = self.steps

        def log(step: Step) -> None:
            trail(len(steps), step[0], self.left_out)
            self.left_out = 0
            steps.append(step)

        return log

    def _run(self) -> None:
        self._choose = self.strategy.choose
        scene = self.scene = self.program(self)
        names = [name for name, _ in scene.tasks]
        if len(set(names)) != len(names) or OUTSIDE in names:
            raise ExploreError(f"tasks need distinct names other than {OUTSIDE!r}, not {names}")
        for name, fn in scene.tasks:
            self._begin(name, fn, None, False)
        for nth, (name, fn, daemon) in enumerate(self._early, 1):
            self._begin(f"{OUTSIDE}/{name}" if nth == 1 else f"{OUTSIDE}/{name}#{nth}", fn, None, daemon)
        following = self._pick(None)
        while following is not None:
            self._handoff = None
            self._running = following
            self.current = following.name
            following.switch()
            following = self._handoff
        self._running = None
        self.current = OUTSIDE
        if self._crash is None and not self.pruned:
            self._judge(scene)

    def _judge(self, scene: Scene) -> None:
        if self._order and self._locking and self.failure is None:
            self._judge_order()
        if self.failure is not None:
            return
        if scene.check is not None:
            try:
                scene.check()
            except Exception as error:
                self.fail(kinds.CHECK, f"{_words(error)}", error=error)
        if scene.state is not None:
            self.state = scene.state()

    def _judge_order(self) -> None:
        ring = self.locks.ring()
        if ring:
            parts = [f"{self.tasks[e.task].name} takes {_key(e.wants)} while holding {_key(e.holds)}" for e in ring]
            steps = tuple(step for e in ring for step in (e.since, e.step))
            self.fail(kinds.LOCK_ORDER, "; ".join(parts) + ": together they can wait for each other", steps)

    # tasks

    def _begin(self, name: str, fn: Callable[[], object], parent: Task | None, daemon: bool) -> None:
        task = Task(len(self.tasks), name, fn, len(self.steps) - 1 if parent is not None else -1, daemon)
        if self._races is not None:
            self._races.task(parent.index if parent is not None else -1)
        self.tasks.append(task)
        self.alive = [*self.alive, task]
        here = getcurrent()
        before = self._starter
        self._starter = here
        task.glet = greenlet(lambda: self._body(task), here)
        task.switch = task.glet.switch
        self._running = task
        self.current = name
        task.switch()
        self._starter = before
        if not task.glet.dead:
            task.glet.parent = self._main
        self._running = parent
        self.current = parent.name if parent is not None else OUTSIDE

    def _body(self, task: Task) -> None:
        self._enter(task)
        try:
            task.fn()
        except TaskExit:
            return
        except Exception as error:
            if not self._closing:  # else it is only what became of being ended in the middle
                self.fail(kinds.EXCEPTION, f"{task.name}: {_words(error)}", error=error)
        except BaseException as error:
            self._crash = error
            self._choose = _nobody
        self.alive = [other for other in self.alive if other is not task]
        if self._closing or (self._starter is not None and self._starter is task.glet.parent):
            return
        self._handoff = self._pick(task)

    def _enter(self, task: Task) -> None:
        """Called inside the greenlet of a task before its code; a place for tracing."""

    def _go(self, following: Task | None) -> None:
        """Leave the running task for ``following``; None ends the execution."""
        if following is None:
            self._handoff = None
            self._main.switch()
        elif following is _START:
            self._starter.switch()
        else:
            self._running = following
            self.current = following.name
            following.switch()

    # choosing

    def _pick(self, me: Task | None) -> Task | None:
        """Choose who takes the next step and write it down. None: the execution is over."""
        if self._starter is not None:
            return _START
        enabled = self.alive
        if self._asleep:
            try:
                enabled = [task for task in enabled if task.ready is None or task.ready()]
            except BaseException as error:
                return self._fall(error)
        if not enabled:
            self._stuck()
            return None
        now = len(self.steps)
        if now >= self.limit and self._choose is not _nobody and not self._fair():
            return None
        try:
            task = self._choose(me, enabled)
        except BaseException as error:  # must not surface inside the code under test
            return self._fall(error)
        if task is None:
            self.pruned = self.failure is None and self._crash is None
            return None
        op = task.op
        key = task.key
        self._log((task.index, op, key))
        task.steps += 1
        if op in LOCK_OPS:
            self._locking = True
            if self.locks.step(task.index, op, key, now) and not self._twice(task, now):
                return None
        if self._races is not None:
            race = self._races.step(task.index, op, key, now)
            if race is not None and not self._racy(race, key):
                return None
        return task

    def _fall(self, error: BaseException) -> Task | None:
        self._crash = self._crash or error
        self._choose = _nobody
        return None

    def _fair(self) -> bool:
        """Past the limit: take turns, and judge a livelock after as many steps again."""
        if not self.cut:
            self.cut = True
            self._choose = _turns
        elif len(self.steps) >= 2 * self.limit:
            names = ", ".join(task.name for task in self.alive)
            self.fail(kinds.LIVELOCK, f"no end after {len(self.steps)} steps, the later half in fair turns; still running: {names}")
            return False
        return True

    # failing

    def fail(
        self, kind: str, message: str, steps: tuple[int, ...] = (), error: BaseException | None = None, cause: str = ""
    ) -> None:
        """Record the first failure of this execution; with ``stop`` no further step is chosen."""
        if self.failure is None:
            cause = cause if error is None else type(error).__name__
            self.failure = Failure(kind, message, tuple([step[0] for step in self.steps]), steps, cause, error)
        if self._stop:
            self._choose = _nobody

    def _twice(self, task: Task, now: int) -> bool:
        self.fail(kinds.SELF_DEADLOCK, f"{task.name} asks for {_key(task.key)}, which it holds already", (now,))
        return not self._stop

    def _racy(self, race: tuple[int, int], key: Hashable) -> bool:
        (one, first, where), (two, second, _) = self.steps[race[0]], self.steps[race[1]]
        self.fail(
            kinds.RACE,
            f"{self.tasks[one].name} ({_VERBS[first]} {_key(where)}) and {self.tasks[two].name} ({_VERBS[second]} {_key(key)})"
            " with nothing that orders them",
            race,
        )
        return not self._stop

    def _stuck(self) -> None:
        """Nobody can run: the end, or a deadlock."""
        sleepers = [task for task in self.alive if not task.daemon]
        if not sleepers:
            return
        running, self._running = self._running, None  # a condition may pass scheduling points: nobody goes on from these
        try:
            lost = [task for task in sleepers if task.condition is not None and task.condition()]
            cause = self.scene.lost(lost) if lost and self.scene is not None and self.scene.lost is not None else ""
        except Exception as error:
            self.fail(kinds.EXCEPTION, f"what a task waits for was looked at, and raised {_words(error)}", error=error)
            return
        except BaseException as error:  # must not surface inside the code under test
            self._fall(error)
            return
        finally:
            self._running = running
        own = [task for task in sleepers if task.op in ACQUIRES and self.locks.twice(task.index, task.op, task.key)]
        if own:
            kind, who = kinds.SELF_DEADLOCK, own
        elif lost:
            kind, who = kinds.LOST_WAKEUP, lost
        else:
            kind, who = kinds.DEADLOCK, sleepers
        text = "; ".join(self._waits(task) for task in who)
        if lost and not own:
            text += ": what it waits for has come, but nobody wakes it"
        self.fail(kind, text, cause="" if own else cause)

    def _waits(self, task: Task) -> str:
        text = f"{task.name} waits for {task.what}"
        held = [_key(key) for key in self.locks.held(task.index) if key != task.key]
        return f"{text} (holding {', '.join(held)})" if held else text

    # teardown

    def _close(self) -> None:
        self._running = None
        self.current = OUTSIDE
        self._closing = True
        for task in self.tasks:
            self._idle = 0
            glet = task.glet
            for _ in range(_KILLS):
                if glet is None or glet.dead:
                    break
                glet.parent = self._main
                glet.throw(TaskExit)
            else:
                _given_up.append(glet)
            task.switch = _unstarted
            task.glet = None
        scene = self.scene
        if scene is not None and scene.close is not None:
            scene.close()

    def _linger(self, cost: int = 1) -> None:
        """A task passes a point while it is being ended."""
        self._idle += cost
        if self._idle > 2 * _POINTS_IN_TEARDOWN:
            self._main.switch()
        if self._idle > _POINTS_IN_TEARDOWN:
            raise TaskExit


_START = Task(-1, "", _unstarted, -1, False)
"""Stands for: go back to whoever is making this task."""

_VERBS = {
    "r": "reads", "w": "writes", "ar": "atomically reads", "aw": "atomically changes", "mr": "reads (marked)",
    "xr": "reads (excused)", "xw": "writes (excused)",
}  # fmt: skip


def _nobody(me: Task | None, enabled: Sequence[Task]) -> Task | None:
    return None


def _turns(me: Task | None, enabled: Sequence[Task]) -> Task:
    last = me.index if me is not None else -1
    return next((task for task in enabled if task.index > last), enabled[0])


def _key(key: Hashable) -> str:
    """A location in words."""
    if isinstance(key, tuple) and type(key).__str__ is tuple.__str__:
        return " ".join(str(part) for part in key)
    return str(key)


def _words(error: BaseException) -> str:
    text = said(error)[:LONGEST_WORDS_CHARACTERS]
    name = type(error).__name__[:LONGEST_WORDS_CHARACTERS]
    return f"{name}: {text}" if text else name
