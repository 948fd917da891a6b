"""A scenario as a program for the explorer: what is set up, what the tasks do, and what must be true in the end.

The model for what operations may answer and leave behind is the driver itself, running alone: an execution is right when *some*
order of its operations, one after the other, gives the same answers and the same readings (linearizability.py).
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Hashable
from functools import cached_property, lru_cache
from typing import TYPE_CHECKING, Any

from movable.concurrent.end_state import end_state, number
from movable.concurrent.fingerprint import Fingerprint
from movable.concurrent.globals import Traced
from movable.concurrent.journal import Endless, Entry, Rulings, ShortJournal, entry
from movable.concurrent.linearizability import Orders, asks_outside, precedence, refusal
from movable.concurrent.lost_wakeups import cause_of_sleep
from movable.concurrent.plan.transparency import Stuck, stuck
from movable.concurrent.real_time import History, Place, Span, refuted
from movable.concurrent.rewind import Rewind, keep
from movable.concurrent.seam import DriverHooks, Mapped, ScenarioSeam, watch
from movable.concurrent.stage import Stage, Subject
from movable.errors import InvalidState, MovableError, VMBug, passes
from movable.explore import ExploreError, Failure, Scene
from movable.explore.program import Body
from movable.explore.schedulers.shared_locations import START, Sharing
from movable.introspection import of_the_kit_alone, raised_at
from movable.mm.migrate import putback_movable_pages
from movable.mm.validate import validate_vm
from movable.rules.stream.monitor import rule_of
from movable.sequential.counters import changed, machine_counters
from movable.shown import first_line, said, shown
from movable.workload.scenario import Scenario
from movable.workload.workload import Workload

if TYPE_CHECKING:
    from movable.concurrent.plan.precheck import Watch
    from movable.explore.engine import Scheduler
    from movable.mm.page import Page
    from movable.mm.vm import VM

__tracebackhide__ = True

EXECUTIONS_BUILT_ANEW = 3
"""Executions that are built anew before what set-up has built is kept: for fewer that does not pay."""


class Broken(Exception):
    """A rule was broken in one execution. The subclass in use is named after the rule, so that failures of two rules differ.

    ``choices``: the tasks, step by step, of an equivalent schedule in which it shows; () for the one that ran.
    """

    rule = "D52"
    choices: tuple[int, ...] = ()


@lru_cache(maxsize=256)
def broken(rule: str) -> type[Broken]:
    """The exception for a rule."""
    return type(rule, (Broken,), {"rule": rule})


def shown_by(failure: Failure) -> Failure:
    """A failure with the schedule that shows it, where that is not the one that ran but one that is equivalent."""
    choices = failure.error.choices if isinstance(failure.error, Broken) else ()
    return failure.but(choices=choices) if choices else failure


class Trial:
    """A program for ``movable.explore``: one scenario of one driver.

    ``known`` are rules that are not reported, ``monitored`` says whether the monitor watches (None: yes). ``audited`` keeps end
    states for ``movable.explore.detect.commutativity``. ``unwatched`` collects what may change without scheduling points.
    ``watch``, if set, watches the tasks for what no schedule governs. ``last`` is the last execution. ``anew``: build the machine
    for the next ones, although what set-up has built could be put back. ``equivalents``: judge the real-time orders of all
    schedules that are equivalent to the one that runs, and not of that one alone. ``whole``: each execution keeps its whole state.
    """

    def __init__(self, subject: Subject, scenario: Scenario, orders: Orders | None = None) -> None:
        self.subject = subject
        self.scenario = scenario
        self.names = scenario.task_names
        self._orders = orders
        self.sharing = Sharing()
        self.known: frozenset[str] = frozenset()
        self.monitored: bool | None = None
        self.audited = False
        self.whole = False
        self.rulings = Rulings(subject.era)
        self._judged: Counter[str] = Counter()
        self.unwatched: dict[str, None] = {}
        self.watch: Watch | None = None
        self.last: Execution | None = None
        self.anew = False
        self.equivalents = True
        self.count = 0
        self._right: set[Hashable] = set()
        self._witnesses: dict[Hashable, tuple[tuple[Place, ...], ...]] = {}
        self._built = 0
        self._rewind: Rewind | None = None
        self._removed = any(action[0] == "teardown" for actions in scenario.tasks for action in actions)

    def __call__(self, scheduler: Scheduler) -> Scene:
        """One execution."""
        self.count += 1
        if self.last is not None:
            self.last.release()
        execution = self.last = self._execution(scheduler)
        close = execution.ambient.reset if execution.ambient else None
        state = (lambda: execution.ended) if self.audited else None
        return Scene(execution.tasks(), execution.check, state, close, lambda tasks: cause_of_sleep(execution, tasks))

    def _execution(self, scheduler: Scheduler) -> Execution:
        """From what set-up has built before, where that can be put back."""
        if self._rewind is not None and self.watch is None and not self.anew and not hasattr(scheduler, "lines"):
            return self._rewind.execution(scheduler)
        execution = Execution(self, scheduler)
        self._built += 1
        if self._built == EXECUTIONS_BUILT_ANEW:
            self._rewind = keep(execution, scheduler)
        return execution

    def judged(self, rule: str) -> None:
        """Count that a rule had a chance to be broken."""
        self._judged[rule] += 1

    def exercised(self) -> Counter[str]:
        """How often each rule had a chance to be broken since this was asked last."""
        total, self._judged = self._judged + self.rulings.exercised(), Counter()
        return total

    def count_anew(self) -> None:
        """Count as if nothing had been judged yet."""
        self._judged.clear()
        self._right.clear()
        self.rulings.count_anew()

    def was_right(self, ended: Hashable) -> bool:
        """Whether an execution that ended just so was found to be right."""
        return ended in self._right

    def right(self, ended: Hashable) -> None:
        """Remember that one that ended so is."""
        self._right.add(ended)

    def witnesses(self, execution: Execution, state: int | None) -> tuple[tuple[Place, ...], ...]:
        """The orders of operations that give what an execution gave; () where each of them may be told apart from none."""
        if state is None:
            return self.orders.witnesses(execution.stage, execution.answers)
        found = self._witnesses.get(execution.ended)
        if found is None:
            found = self._witnesses[execution.ended] = self.orders.witnesses(execution.stage, execution.answers)
        return found

    @property
    def orders(self) -> Orders:
        """What the scenario may come to, found out when it is first asked for."""
        if self._orders is None:
            self._orders = Orders(self.subject, self.scenario)
        return self._orders

    @cached_property
    def stuck(self) -> Stuck | None:
        """The operation that what the core does makes refuse for ever, found out when one refuses for the first time."""
        return stuck(self.subject, self.scenario)

    @cached_property
    def counters(self) -> dict[str, int]:
        """The machine's counters before there is a driver."""
        return machine_counters(self.subject.machine(), set())

    @property
    def removed(self) -> bool:
        """Whether one of the tasks removes the driver."""
        return self._removed


class Execution:
    """One run of a trial on a fresh machine, or on one that was put back: then its end has a ``fingerprint``."""

    fingerprint: Fingerprint | None = None

    def __init__(self, trial: Trial, scheduler: Scheduler) -> None:
        self.trial = trial
        self.journal: list[Entry] = []
        self.stage = Stage(trial.subject, trial.scenario, self._before)
        self.start = len(self.journal)
        self.ambient = trial.subject.ambient
        self.scheduler = _annotator(scheduler, self)
        self.traced = Traced(self.scheduler, self.ambient.spots) if self.ambient.spots else None
        self.wrappers = [part.wrap for part in (self.traced, trial.watch) if part is not None]
        if self.wrappers:
            _wrap_spawned(self.scheduler, self._wrapped)
        self.seam: ScenarioSeam
        self.hooks: DriverHooks
        self.seam, self.hooks = watch(self.scheduler, self.stage.vm, self.stage.workload)
        if self.ambient:
            self.ambient.watch(self.hooks)
        if trial.monitored is not False:
            self.seam.journal = self.journal
        self.begin(scheduler)

    def begin(self, scheduler: Scheduler) -> None:
        """Nothing has been done yet."""
        del self.journal[self.start :]
        self.answers: list[list[Any]] = [[] for _ in self.trial.scenario.tasks]
        self.spans: list[list[Span]] = [[] for _ in self.trial.scenario.tasks]
        self.steps = scheduler.steps
        self.run_tasks = scheduler.tasks
        self.ended: Hashable = None
        self.seam.starved.clear()
        self.stage.starved.clear()
        self.state: list[Any] | None = None
        self.seam.freed = self._freed if asks_outside(self.trial.subject.workload) else None
        asked = self.trial.subject.workload.mapped is not Workload.mapped and "D39" not in self.trial.known
        self.seam.mapped = Mapped(self._mapped, self.trial.judged) if asked else None

    def release(self) -> None:
        """Let go of the run, which leads back here: so both end by themselves, and not in a collection of garbage."""
        self.scheduler = None
        self.steps, self.run_tasks = [], []

    def _freed(self, page: Page) -> None:
        """A page is about to be free; breaks D43 where the outside world still has it. To ask is no step of the task."""
        seam = self.seam
        if page.pfn in self._asked(lambda: set(self.stage.workload.outside())) and "D43" not in self.trial.known:
            raise VMBug("D43", f"{seam.task.name} frees it, and the outside world still has it", "the outside told first", page)

    def _mapped(self) -> set[int]:
        return self._asked(lambda: {page.pfn for page in self.stage.workload.mapped()})

    def _asked(self, ask: Callable[[], set[int]]) -> set[int]:
        """What the workload answers, which is no step of any task; where it has to wait for one, no work is done meanwhile."""
        hooks, seam, vm = self.hooks, self.seam, self.stage.vm
        before = hooks.point, seam.scheduler, vm.workqueues
        hooks.point, seam.scheduler, vm.workqueues = _no_step, None, []
        try:
            with seam.quiet():
                return ask()
        finally:
            hooks.point, seam.scheduler, vm.workqueues = before

    def _before(self, vm: VM) -> None:
        """What is to be known of a machine before there is a driver on it."""
        if self.trial.monitored is not False:
            vm.observe(lambda event: self.journal.append(entry(event)))

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
        user, starved, name = self.stage.users[number], self.seam.starved, self.scheduler.current
        for action in self.trial.scenario.tasks[number]:
            starved.discard(name)
            began = len(self.steps)
            mapped = self.seam.mapped if action[0] in ("op", "teardown") else None
            try:
                if mapped is not None:
                    mapped.action(1)
                answer = self.stage.do(user, action)
                if mapped is not None:
                    mapped.action(-1)
            except BaseException as error:
                if passes(error):
                    raise
                fitting = unfit(error) or named(error)
                raise fitting from (None if fitting is error else error)
            if action[0] == "op":
                if name in starved:
                    self.stage.starved.add((number, len(self.spans[number])))
                self.answers[number].append(self.stage.plain(number, answer))
            self.spans[number].append((began, len(self.steps)))

    # the end

    def check(self) -> None:
        """Raise `Broken` where the execution went wrong, and ExploreError where it is the kit that went wrong in judging it."""
        try:
            self._check()
        except Exception as error:
            if isinstance(error, (Broken, MovableError, ExploreError)) or not of_the_kit_alone(error):
                raise
            what = f"{type(error).__name__}: {first_line(error)}, raised at {raised_at(error)}"
            raise ExploreError(f"a mistake of the kit's own, not of the driver, when an execution was judged ({what})") from error

    def _check(self) -> None:
        vm, trial = self.stage.vm, self.trial
        self.seam.scheduler = None
        self.hooks.check()
        if self.hooks.unwatched_kinds:
            left = [one for one in self.hooks.unwatched_kinds if not self.ambient.watches(*one)]
            trial.unwatched.update(dict.fromkeys(f"{name} ({kind})" for name, kind in left))
        try:
            vm.run_work()
            if self.stage.held:
                putback_movable_pages(self.stage.held)
        except MovableError as error:
            raise named(error) from error
        vm.install(None)
        self._judge_rules()
        ambient = list(self.ambient.values()) if self.ambient else []
        state = self._number(ambient)
        self.ended = (state, repr(self.answers), *sorted(self.stage.starved))
        ended = (self.ended, precedence(self.spans))
        if state is not None and trial.was_right(ended):
            trial.judged(self._reading_rule())
            self._judge_equivalents(state)
            return
        self._judge_answers()
        accepted = self.stage.workload.model  # that of an order that fits; equivalent schedules ask for others
        self._judge_equivalents(state)
        self.stage.workload.model = accepted
        self._judge_machine()
        if state is not None:
            trial.right(ended)

    def _number(self, ambient: list[Any]) -> int | None:
        """The number of the state in the end, from its fingerprint where one that ended so has been read before."""
        known = None if self.fingerprint is None or self.trial.whole else self.fingerprint.of(ambient)
        if known is not None and self.fingerprint is not None and known in self.fingerprint.numbers:
            return self.fingerprint.numbers[known]
        self.state = end_state(self.stage, ambient)
        state = number(self.state)
        if known is not None and self.fingerprint is not None:
            self.fingerprint.numbers[known] = state
        return state

    def _judge_rules(self, closed: bool = False) -> None:
        if self.trial.monitored is False:
            return
        for rule, what in self.trial.rulings.judge(self.journal, self.start, closed):
            if rule not in self.trial.known:
                raise broken(rule)(what)
        for warning in self.stage.vm.warnings:
            rule, _, what = warning.partition(": ")
            if rule[0] == "D" and rule not in self.trial.known:
                raise broken(rule)(what)

    def _reading_rule(self) -> str:
        return "D15" if self.trial.subject.workload.preserves_content else "D54"

    def _judge_answers(self) -> None:
        trial = self.trial
        wrong = trial.orders.judge(self.stage, self.answers, self.spans) or self._stuck()
        if trial.orders.outcomes:
            trial.judged(self._reading_rule())
        if trial.subject.workload.invariant is not Workload.invariant:
            trial.judged("D54")
        if asks_outside(trial.subject.workload):
            trial.judged("D43")
        if wrong is not None and wrong[0] not in trial.known:
            raise broken(wrong[0])(wrong[1])

    def _stuck(self) -> tuple[str, str] | None:
        """The rule that is broken where an operation was not done, and never would be again."""
        if self.stage.starved or not any(refusal(answer) for answers in self.answers for answer in answers):
            return None
        found = self.trial.stuck
        return None if found is None or found.rule in self.trial.known else (found.rule, found.what)

    def _judge_equivalents(self, state: int | None) -> None:
        """The answers and readings again, by the real-time orders of all schedules that are equivalent to this one."""
        trial = self.trial
        if not trial.equivalents or self._reading_rule() in trial.known:
            return
        if trial.sharing.grew or trial.subject.workload.unwatched:  # steps are missing: nobody can say what must come first
            return
        witnesses = trial.witnesses(self, state)
        if not witnesses:
            return
        history = History(self.steps, self.spans, [task.born for task in self.run_tasks])
        pairs = refuted(witnesses, history)
        if pairs is not None:
            rule, what = trial.orders.out_of_time(pairs, self.answers, self.stage)
            error = broken(rule)(what)
            error.choices = history.rearranged(pairs)
            raise error

    def _judge_machine(self) -> None:
        """The census, and the removal of the driver after which nothing may be left."""
        stage, trial = self.stage, self.trial
        self._validate("when all tasks had ended")
        if not trial.removed and trial.orders.removable:
            stage.vm.install(self.seam)
            written, self.seam.journal = self.seam.journal, ShortJournal(self.seam.journal)
            try:
                stage.workload.finish()
                stage.vm.run_work()
            except Endless as error:
                raise broken("D51")(f"the removal of the driver afterwards does not end: {error} at {raised_at(error)}") from error
            except BaseException as error:
                if passes(error):
                    raise
                raise named(error, "the removal of the driver afterwards") from error
            finally:
                self.seam.journal = written
            stage.vm.install(None)
            self._validate("after the removal of the driver")
        if trial.removed or trial.orders.removable:
            self._judge_rules(closed=True)
            left = stage.frames_in_use()
            trial.judged("D34")
            if left and "D34" not in trial.known:
                where = stage.workload.left_behind()
                raise broken("D34")(f"{left} page(s) are still in use after the driver was removed{where}")
            trial.judged("D61")
            differ = changed(trial.counters, machine_counters(stage.vm, set()))
            if differ and "D61" not in trial.known:
                raise broken("D61")(f"after the driver was removed, {'; '.join(differ[:3])}")

    def _validate(self, when: str) -> None:
        try:
            validate_vm(self.stage.vm, content=True)
        except InvalidState as error:
            if error.rule not in self.trial.known:
                raise broken(error.rule)(f"{when}: {error}") from None


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
        return broken("D54")(f"{prefix}{shown(error, 1000) or 'an assertion failed'} at {raised_at(error)}")
    rule = rule_of(error)
    own = said(error).removeprefix(f"{rule}: ")  # the exception returned begins with the rule by its name
    text = own if rule != "D52" else f"raised {shown(type(error).__name__)}: {shown(error, 1000)} at {raised_at(error)}"
    return broken(rule)(prefix + text)


def _no_step(op: str, key: Hashable) -> None:
    pass


def _wrap_spawned(scheduler: Any, wrap: Callable[[Body], Body]) -> None:
    """Let the tasks that tasks spawn be traced and watched as well."""
    spawn = scheduler.spawn
    scheduler.spawn = lambda name, fn, **more: spawn(name, wrap(fn), **more)


def _annotator(scheduler: Any, execution: Execution) -> Any:
    """The scheduler that tasks speak to: one that also notes what they saw, where the execution is being written down."""
    if not hasattr(scheduler, "lines"):
        return scheduler
    from movable.concurrent.failures.annotate import Annotator

    return Annotator(scheduler, execution)
