"""A scenario as a program for the explorer: what is set up, what the tasks do, and what must be true in the end.

The model for what operations may answer and leave behind is the driver itself, running alone: an execution is right when *some*
order of its operations, one after the other, gives the same answers and the same readings (concurrent_orders.py).
"""

from __future__ import annotations

from collections import OrderedDict, defaultdict, deque
from collections.abc import Callable, Hashable
from functools import lru_cache
from typing import TYPE_CHECKING, Any

from movable.concurrent.globals import Traced
from movable.concurrent.linearizability import Orders, Span
from movable.concurrent.seam import START, DriverHooks, ScenarioSeam, Sharing, watch
from movable.concurrent.stage import Stage, Subject
from movable.errors import InvalidState, MovableError
from movable.explore import ExploreError, Scene
from movable.explore.engine import TaskExit
from movable.explore.instrument.attributes import vars_of
from movable.explore.program import Body
from movable.mm.isolation import putback_movable_pages
from movable.mm.page import Page
from movable.mm.validate import validate_vm
from movable.rules.monitor import Monitor, rule_of
from movable.sequential.faults import passes, place_of
from movable.workload.scenario import Scenario
from movable.workload.workload import Workload

if TYPE_CHECKING:
    from movable.concurrent.precheck import Watch
    from movable.events import Event
    from movable.explore.engine import Scheduler
    from movable.mm.vm import VM

__tracebackhide__ = True

FIRST, EVERY = 4, 8
"""The monitor watches the first executions, and then one in so many: it makes an execution half as long again."""
AGAIN = 16
"""An end state that was judged already is judged again in one execution of so many, for a fingerprint is not the whole state."""


class Broken(Exception):
    """A rule was broken in one execution. The subclass in use is named after the rule, so that failures of two rules differ."""

    rule = "D52"


@lru_cache(maxsize=256)
def broken(rule: str) -> type[Broken]:
    """The exception for a rule."""
    return type(rule, (Broken,), {"rule": rule})


class Trial:
    """A program for ``movable.explore``: one scenario of one driver.

    ``known`` are rules that are not reported, ``monitored`` makes the monitor watch every execution (None: some of them). ``tell``
    is given (kind, page, arguments) of each event of an execution that is being explained. ``exercised`` counts what was judged.
    ``judges_all`` looks at every end state, also where it looks like one that was right; searches do without.
    ``audited`` keeps end states for ``movable.explore.detect.commutativity``. ``unwatched`` collects what may change without
    scheduling points. ``watch``, if set, watches the tasks for what no schedule governs. ``last`` is the last execution.
    """

    def __init__(self, subject: Subject, scenario: Scenario, orders: Orders | None = None) -> None:
        self.subject = subject
        self.scenario = scenario
        self.names = scenario.task_names
        self._orders = orders
        self.sharing = Sharing()
        self.known: frozenset[str] = frozenset()
        self.monitored: bool | None = None
        self.judges_all = True
        self.audited = False
        self.exercised: dict[str, int] = {}
        self.unwatched: dict[str, None] = {}
        self.watch: Watch | None = None
        self.last: Execution | None = None
        self.count = 0
        self._seen: set[int] = set()
        self._removed = any(action[0] == "teardown" for actions in scenario.tasks for action in actions)

    def __call__(self, scheduler: Scheduler) -> Scene:
        """One execution."""
        self.count += 1
        watched = self.monitored if self.monitored is not None else self.count <= FIRST or not self.count % EVERY
        execution = self.last = Execution(self, scheduler, watched)
        close = execution.beside.reset if execution.beside else None
        return Scene(execution.tasks(), execution.check, (lambda: execution.ended) if self.audited else None, close)

    def judged(self, rule: str) -> None:
        """Count that a rule had a chance to be broken."""
        self.exercised[rule] = self.exercised.get(rule, 0) + 1

    def fresh(self, fingerprint: int) -> bool:
        """Whether an end state has to be looked at: it is new, or its turn has come again."""
        if fingerprint in self._seen and self.count % AGAIN and not self.judges_all:
            return False
        self._seen.add(fingerprint)
        return True

    @property
    def orders(self) -> Orders:
        """What the scenario may come to, found out when it is first asked for."""
        if self._orders is None:
            self._orders = Orders(self.subject, self.scenario)
        return self._orders

    @property
    def removed(self) -> bool:
        """Whether one of the tasks removes the driver."""
        return self._removed


class Execution:
    """One run of a trial on a fresh machine."""

    def __init__(self, trial: Trial, scheduler: Scheduler, watched: bool) -> None:
        self.trial = trial
        self.monitor = Monitor(era=trial.subject.era) if watched else None
        observe = self.monitor.feed if self.monitor is not None else None
        self.stage = Stage(trial.subject, trial.scenario, lambda vm: _before(vm, observe, trial.watch))
        self.beside = trial.subject.beside
        self.scheduler = _teller(scheduler, self)
        self.traced = Traced(self.scheduler, self.beside.spots) if self.beside.spots else None
        self.wrappers = [part.wrap for part in (self.traced, trial.watch) if part is not None]
        if self.wrappers:
            _wrap_spawned(self.scheduler, self._wrapped)
        self.seam: ScenarioSeam
        self.hooks: DriverHooks
        self.seam, self.hooks = watch(self.scheduler, self.stage.vm, self.stage.workload)
        if self.beside:
            self.beside.watch(self.hooks)
        if observe is not None:
            self.seam.observers.append(observe)
        self.answers: list[list[Any]] = [[] for _ in trial.scenario.tasks]
        self.spans: list[list[Span]] = [[] for _ in trial.scenario.tasks]
        self.steps = scheduler.steps
        self.ended: Hashable = None

    # the tasks

    def tasks(self) -> list[tuple[str, Callable[[], object]]]:
        """(name, what it does) of each task."""
        found: list[Body] = [(lambda number=number: self._run(number)) for number in range(len(self.trial.names))]  # type: ignore[misc]
        return list(zip(self.trial.names, map(self._wrapped, found) if self.wrappers else found, strict=True))

    def _wrapped(self, body: Body) -> Body:
        for wrap in self.wrappers:
            body = wrap(body)
        return body

    def _run(self, number: int) -> None:
        self.scheduler.point("r", START)
        user = self.stage.users[number]
        for action in self.trial.scenario.tasks[number]:
            began = len(self.steps)
            try:
                answer = self.stage.do(user, action)
            except TaskExit:
                raise
            except BaseException as error:
                if passes(error):
                    raise
                told = unfit(error) or named(error)
                raise told from (None if told is error else error)
            if action[0] == "op":
                self.answers[number].append(self.stage.plain(number, answer))
                self.spans[number].append((began, len(self.steps)))

    # the end

    def check(self) -> None:
        """Raise `Broken` where the execution went wrong."""
        vm = self.stage.vm
        vm.install(None)
        self.hooks.check()
        if self.hooks.unwatched_kinds:
            left = [one for one in self.hooks.unwatched_kinds if not self.beside.watches(*one)]
            self.trial.unwatched.update(dict.fromkeys(f"{name} ({kind})" for name, kind in left))
        try:
            vm.run_work()
            if self.stage.held:
                putback_movable_pages(self.stage.held)
        except MovableError as error:
            raise named(error) from error
        self._judge_rules()
        self.ended = (self.state(), repr(self.answers))
        fresh = self.trial.fresh(hash(self.ended))
        self._judge_answers(fresh)
        if fresh:
            self._judge_machine()

    def _judge_rules(self) -> None:
        monitor = self.monitor
        if monitor is None:
            return
        monitor.finish(quiescent=False)
        for rule, count in monitor.exercised.items():
            self.trial.exercised[rule] = self.trial.exercised.get(rule, 0) + count
        for rule, found in monitor.broken.items():
            if rule not in self.trial.known:
                raise broken(rule)(found[0].text)

    def _judge_answers(self, fresh: bool) -> None:
        trial = self.trial
        wrong = trial.orders.judge(self.stage, self.answers, self.spans, fresh)
        if trial.orders.outcomes:
            trial.judged("D15" if trial.subject.workload.preserves_content else "D54")
        if fresh and trial.subject.workload.invariant is not Workload.invariant:
            trial.judged("D54")
        if wrong is not None and wrong[0] not in trial.known:
            raise broken(wrong[0])(wrong[1])

    def _judge_machine(self) -> None:
        """The census, and the removal of the driver after which nothing may be left."""
        stage, trial = self.stage, self.trial
        self._validate("when all tasks had ended")
        if not trial.removed and trial.orders.removable:
            try:
                stage.workload.finish()
                stage.vm.run_work()
            except Exception as error:
                raise named(error, "the removal of the driver afterwards") from error
            self._validate("after the removal of the driver")
        if trial.removed or trial.orders.removable:
            left = stage.frames_in_use()
            trial.judged("D34")
            if left and "D34" not in trial.known:
                raise broken("D34")(f"{left} page(s) are still in use after the driver was removed")

    def _validate(self, when: str) -> None:
        try:
            validate_vm(self.stage.vm, content=True)
        except InvalidState as error:
            if error.rule not in self.trial.known:
                raise broken(error.rule)(f"{when}: {error}") from None

    # the end state

    def state(self) -> Hashable:
        """The frames, and every plain value of the driver's that is watched."""
        vm = self.stage.vm
        frames = tuple([(page.pfn, page._flags, page._refcount, page._mapping) for page in vm.pages.values()])
        values = [(seen.name, *_plain(vars_of(seen.obj))) for seen in self.hooks.seen.values()]
        if self.beside:
            values.append(("beside", *_plain(dict(self.beside.values()))))
        return (frames, vm.zones[0].nr_free, len(vm.bad_pages), tuple(values))


_PLAIN = frozenset((int, str, bytes, float, bool, type(None)))


def _plain(attributes: dict[str, Any]) -> list[Any]:
    """The values that say something about a state, in order; Pages as their numbers, containers by their plain items."""
    found: list[Any] = []
    for value in attributes.values():
        kind = type(value)
        if kind in _PLAIN:
            found.append(value)
            continue
        raw: Any = getattr(kind, "raw", kind)
        if raw in _CONTAINERS:
            found.append(raw.__len__(value))
            parts = () if raw is set else dict.values(value) if issubclass(raw, dict) else raw.__iter__(value)
            for part in parts:
                if type(part) in _PLAIN:
                    found.append(part)
                elif isinstance(part, Page):
                    found.append(part.pfn)
        elif issubclass(kind, Page):
            found.append(value.pfn)
    return found


_CONTAINERS = frozenset((dict, OrderedDict, defaultdict, list, tuple, set, deque))


def unfit(error: BaseException | None) -> ExploreError | None:
    """The explorer's own complaint about the driver, if an exception is one or comes from one: it breaks no rule."""
    met: list[BaseException] = []
    while error is not None and not isinstance(error, ExploreError) and error not in met:  # a chain may be a ring
        met.append(error)
        error = error.__cause__ or error.__context__
    return error if isinstance(error, ExploreError) else None


def named(error: BaseException, where: str = "") -> Broken:
    """An exception under the name of the rule that it breaks; raises nothing itself."""
    if isinstance(error, Broken):
        return error
    prefix = f"{where}: " if where else ""
    if isinstance(error, AssertionError):
        return broken("D54")(f"{prefix}{str(error) or 'an assertion failed'} at {place_of(error)}")
    rule = rule_of(error)
    text = str(error) if rule != "D52" else f"raised {type(error).__name__}: {error} at {place_of(error)}"
    return broken(rule)(prefix + text)


def _before(vm: VM, observe: Callable[[Event], None] | None, look: Watch | None) -> None:
    """What is to be known of a machine before there is a driver on it."""
    if observe is not None:
        vm.observe(observe)
    if look is not None:
        look.machine(vm)


def _wrap_spawned(scheduler: Any, wrap: Callable[[Body], Body]) -> None:
    """Let the tasks that tasks spawn be traced and watched as well."""
    spawn = scheduler.spawn
    scheduler.spawn = lambda name, fn, **more: spawn(name, wrap(fn), **more)


def _teller(scheduler: Any, execution: Execution) -> Any:
    """The scheduler that tasks speak to: one that also notes what they saw, where the execution is being written down."""
    if not hasattr(scheduler, "lines"):
        return scheduler
    from movable.concurrent.annotate import Teller

    return Teller(scheduler, execution)
