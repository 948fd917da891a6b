"""One machine set up for one execution of a scenario, and what its tasks can do there.

Each task works through a copy of the workload with a model of its own: what one user of a driver knows does not include what the
others are doing at the moment. The copies share the machine and the driver.
"""

from __future__ import annotations

import copy
import inspect
from collections.abc import Callable, Mapping
from dataclasses import dataclass, fields, replace
from functools import lru_cache
from typing import TYPE_CHECKING, Any

from movable.concurrent.globals import AmbientState, ambient_state, reached
from movable.eras import Era
from movable.eras import era as era_called
from movable.errors import DeadlockError, UsageError, passes
from movable.explore.instrument.reachable import codes
from movable.mm.address_space import named_for
from movable.mm.gfp import GFP_HIGHUSER_MOVABLE
from movable.mm.list import ListHead
from movable.mm.migrate import MIGRATE_SYNC, putback_movable_pages
from movable.mm.page_flags import ISOLATED
from movable.mm.vm import VM
from movable.registry import bind
from movable.sequential.answers import plain
from movable.shown import said
from movable.supervise import board
from movable.workload.action import Action
from movable.workload.perform import Performer, Phase, whole
from movable.workload.scenario import Scenario
from movable.workload.workload import Operation, Workload, handle

if TYPE_CHECKING:
    from movable.mm.migrate import GetNewPage
    from movable.mm.page import Page

__tracebackhide__ = True

BLOCK_FRAMES = 4
"""Frames of a pageblock in interleavings."""
PLACES = {"zone", "zones", "zone_of", "node", "nodes"}
"""What code of a driver names that tells places of pages apart."""

Label = tuple[int | str, int]
"""A handle by where it came from: ("before", n) is the n-th of the prefix, (t, n) the n-th that task t made."""


@dataclass(frozen=True, slots=True, repr=False)
class HandleAnswer:
    """An answer that is a handle, or a number that looks like one: what it is called, and what was answered."""

    name: Label
    value: Any

    def __repr__(self) -> str:
        who, number = self.name
        if type(self.value) is int:  # or only a number that looks like one
            return repr(self.value)
        return f"h{number}" if who == "before" else "a new handle"


@dataclass(frozen=True)
class Subject:
    """What is explored: a driver, how to keep it busy, and the core's features that differ from the era's.

    The machine has ``Workload.scenario_frames`` frames: few, because it is built once for every execution. Half of them are
    another node's where the driver tells zones or nodes apart: what it keeps for each must meet what it keeps for another.
    """

    workload: type[Workload]
    factory: Callable[..., Any]
    era: str = "4.19"
    features: tuple[tuple[str, Any], ...] = ()
    seed: int = 0

    @property
    def ambient(self) -> AmbientState:
        """The state that the driver has in modules, classes and closures. Raises UsageError where it cannot be put back."""
        found: AmbientState = ambient_state(self.workload, self.factory)  # type: ignore[arg-type]
        return found

    @property
    def words(self) -> Callable[[str], str]:
        """What gives functions and flags the names of the era."""
        return named_for(self.factory, era_called(self.era))

    def machine(self) -> VM:
        """A fresh machine. PG_isolated is atomic unless ``features`` says otherwise: else its own race would hide the driver's."""
        known = _features(era_called(self.era), self.features)
        frames = self.workload.scenario_frames
        workload: Any = self.workload
        far = frames // 2 // BLOCK_FRAMES * BLOCK_FRAMES if asks_where_pages_lie(workload, self.factory) else 0
        layout = [(0, "Normal", frames - far), (1, "Normal", far)][: 2 if far else 1]
        vm = VM(layout=layout, pageblock_order=BLOCK_FRAMES.bit_length() - 1, era=known, seed=self.seed)
        vm.binder = bind
        return vm


def subject(
    workload: type[Workload],
    factory: Callable[..., Any],
    *,
    era: str = "4.19",
    features: Mapping[str, Any] | None = None,
    seed: int = 0,
) -> Subject:
    """A subject. Raises UsageError for an unknown feature, and for a value of another kind than the kernel's own."""
    known = {field.name for field in fields(Era)} - {"name"}
    for name, value in (features or {}).items():
        if name not in known:
            raise UsageError(f"unknown feature {name!r} of a kernel; known are {', '.join(sorted(known))}")
        usual = getattr(era_called(era), name)
        if type(value) is not type(usual):
            raise UsageError(f"feature {name} is {value!r}; it must be of the kind of {usual!r}")
    return Subject(workload, factory, era, tuple(sorted((features or {}).items())), seed)


BUILT = "built"
"""In the features of a token: what a driver that is compiled was compiled from."""


def token_features(subject: Subject) -> tuple[tuple[str, Any], ...]:
    """The features of a token: those of the subject, and what the driver was built from, if it was."""
    built = getattr(subject.factory, "built", None)
    return subject.features if built is None else (*subject.features, (BUILT, built(subject.era)))


@lru_cache(maxsize=64)
def asks_where_pages_lie(workload: Any, factory: Any) -> bool:
    """Whether code of a driver, or of its workload, names zones or nodes."""
    functions = reached(workload, factory).functions
    return any(PLACES & set(code.co_names) for function in functions for code in codes(function.__code__))


@lru_cache(maxsize=64)
def _features(era: Era, features: tuple[tuple[str, Any], ...]) -> Era:
    return replace(era, **{"atomic_isolated_flag": True, **dict(features)})


def operations(workload: Any) -> dict[str, Operation]:
    """The operations of a workload."""
    return _operations(workload)


@lru_cache(maxsize=256)
def _operations(workload: Any) -> dict[str, Operation]:
    found: dict[str, Operation] = workload.operations()  # looking for them takes as long as an execution
    return found


def reading(workload: Any) -> Operation | None:
    """The workload's ``read`` as an operation; None where it has none, or one that is an operation of its own."""
    return _with_reading(workload).get("read") if "read" not in operations(workload) else None


@lru_cache(maxsize=256)
def _with_reading(workload: Any) -> dict[str, Operation]:
    found = operations(workload)
    if workload.read is Workload.read or "read" in found:
        return found
    names = list(inspect.signature(workload.read).parameters)
    return {**found, "read": Operation(workload.read, {names[1]: handle()})} if len(names) == 2 else found


class Knowledge(dict[Any, Any]):
    """What one task knows: a model that begins as it was ``before``.

    ``written`` are the handles that the task wrote, in their order; True where it knew the handle then, False where it made it.
    """

    __slots__ = ("written",)

    def __init__(self, before: dict[Any, Any]) -> None:
        super().__init__(before)
        self.written: dict[Any, bool] = {}

    def __setitem__(self, key: Any, value: Any) -> None:
        known = key in self
        if not known:
            self.written.pop(key, None)
        self.written.setdefault(key, known)
        super().__setitem__(key, value)


class Stage(Performer):
    """A machine after the prefix of ``scenario``; ``watch`` is called with the machine before the driver comes.

    ``live`` are the handles of the prefix, ``history`` those that there were before each of its actions, ``pages`` the frame
    numbers of the driver's pages, ``users`` the copies of the workload,
    ``held`` the list of pages that the prefix isolated. ``starved`` are the (task, number) of operations that got no memory.
    """

    offline_passes = 2

    def __init__(self, subject: Subject, scenario: Scenario, watch: Callable[[VM], object] | None = None) -> None:
        self.subject = subject
        if subject.ambient:
            subject.ambient.reset()
        self.vm = vm = subject.machine()
        if watch is not None:
            watch(vm)
        self.held = ListHead("isolated before")
        self.pages: list[int] | None = None
        self.live: list[Any] | None = None
        self.history: list[list[Any]] = []
        variants = subject.workload.variants
        board.tick()  # a driver that takes its time to be made is none that hangs
        self.workload = subject.workload(vm, subject.factory, variants[scenario.variant % len(variants)])
        workload: Any = subject.workload
        self.declared = _with_reading(workload)
        for action in scenario.prefix:
            self.history.append(list(self.workload.model))
            if scenario.settled and action[0] == "isolate_all":
                vm.run_work()  # a thread or a work item may be what makes the pages
            self.do(self.workload, action)
        if scenario.settled:
            vm.run_work()
        self.live = list(self.workload.model)
        self.pages = [page.pfn for page in self.workload.pages()]
        self.before = dict(self.workload.model)
        self.users = [self._user() for _ in scenario.tasks]
        self.starved: set[tuple[int, int]] = set()

    def _user(self) -> Workload:
        user = copy.copy(self.workload)
        user.model = Knowledge(self.before)
        user.alone = False
        return user

    # what tasks do

    def do(self, user: Workload, action: Action) -> object:
        """As in Performer; a supervisor sees that it goes on."""
        board.tick()
        return super().do(user, action)

    def page(self, number: int) -> Page | None:
        """As in Performer; once the tasks have begun, a number means the page that it meant when they did."""
        pages = self.pages if self.pages is not None else [page.pfn for page in self.workload.pages()]
        return self.vm.page(pages[number % len(pages)]) if pages else None

    def handles(self, user: Workload) -> list[Any]:
        """As in Performer; a handle is picked when the tasks begin, so that two tasks can mean the same one."""
        return self.live if self.live is not None else list(user.model)

    def target(self, where: str) -> GetNewPage:
        """As in Performer; targets come from the other node where there are two, else from anywhere."""
        return self._new_page

    def _new_page(self, page: Page, private: object) -> Page | None:
        nid = next((zone.node.nid for zone in self.vm.zones if zone is not page.zone), None)
        return self.vm.alloc_page(GFP_HIGHUSER_MOVABLE, nid)

    def _do_migrate_frame(self, user: Workload, pfn: int, mode: int = MIGRATE_SYNC) -> list[Phase]:
        return self._migrate(self.vm.page(pfn), mode)

    def _do_put_back_frame(self, user: Workload, pfn: int) -> list[Phase]:
        return self._put_back(self.vm.page(pfn))

    def held_a_while(self, number: int | None, moves: bool) -> list[Phase]:
        """What a compaction may be to an operation: one page (None: every page) is isolated, perhaps moved, and given back."""
        taken = ListHead("pages held a while")
        take = (lambda: self._take_all(taken)) if number is None else (lambda: self.take(self.page(number), taken))
        move: list[Phase] = [lambda: self.move(taken, MIGRATE_SYNC)] if moves else []
        return [take, *move, lambda: putback_movable_pages(taken)]

    @whole
    def _do_isolate_all(self) -> None:
        self._take_all(self.held)

    def _take_all(self, taken: ListHead) -> None:
        for page in list(self.workload.pages()):
            if not page._flags & ISOLATED:
                self.take(page, taken)

    def _do_teardown(self, user: Workload) -> list[Phase]:
        return [user.finish]

    # what came of it

    def label(self, task: int, key: Any) -> Label | None:
        """The name of a handle as ``task`` knows it, None for anything else."""
        assert self.live is not None
        user = self.users[task]
        try:
            if key in self.before and _one_of(self.live, key):
                return ("before", self.live.index(key))
            if key in user.model:
                made = [made for made in user.model if made not in self.before]
                return (task, made.index(key)) if _one_of(made, key) else None
        except TypeError:  # cannot be a handle
            pass
        return None

    def plain(self, task: int, value: Any) -> Any:
        """An answer in a form that can be compared between two executions."""
        name = self.label(task, value)
        if name is not None:
            return HandleAnswer(name, value)
        if isinstance(value, list | tuple):
            return tuple(self.plain(task, part) for part in value)
        if isinstance(value, dict):
            return tuple(sorted((repr(self.plain(task, key)), self.plain(task, part)) for key, part in value.items()))
        if isinstance(value, int | float | str | bytes | None):
            return plain(value)
        return type(value).__name__

    def merged(self, order: tuple[int, ...]) -> dict[Any, Any]:
        """What all users know together, when the changes of the tasks are applied in ``order``."""
        model, before = dict(self.before), self.before
        for task in order:
            mine, written = self.users[task].model, self._written(task)
            for key in [key for key in before if key not in mine]:
                model.pop(key, None)
            model.update({key: mine[key] for key in mine if key not in before or key in written or before[key] is not mine[key]})
        return model

    def _written(self, task: int) -> dict[Any, bool]:
        model = self.users[task].model
        return model.written if isinstance(model, Knowledge) else {}  # a workload may have put another one in its place

    def readings(self, order: tuple[int, ...]) -> tuple[tuple[Label, Any], ...]:
        """Every handle by name, and what the driver says about it now; the base workload gets the model of ``order``."""
        workload = self.workload
        workload.model = self.merged(order)
        names = self._handed_out_again()
        for task in range(len(self.users)):
            for key in self.users[task].model:
                name = self.label(task, key)
                if name is not None:
                    names.setdefault(key, name)
        found = [(names[key], _reading(workload, key)) for key in workload.model if key in names]
        return tuple(sorted(found, key=lambda pair: (str(pair[0][0]), pair[0][1])))

    def _handed_out_again(self) -> dict[Any, Label]:
        """Names for handles of the prefix that one task gave back and another, or the same, was given: those of new ones.

        In another order a driver may have a new handle in its place, and both are what the task made.
        """
        models = [user.model for user in self.users]
        given_back = {key for key in self.before if any(key not in model for model in models)}
        names: dict[Any, Label] = {}
        for task, model in enumerate(models):
            written = self._written(task)
            mine = [key for key in written if key in model and (key not in self.before or key in given_back or not written[key])]
            if any(key in self.before for key in mine):
                names = {**{key: (task, number) for number, key in enumerate(mine)}, **names}
        return names


def _one_of(handles: list[Any], answer: Any) -> bool:
    """Whether an answer is one of the handles, and not only equal to one: False is not handle 0, and True not handle 1."""
    return any(type(one) is type(answer) and one == answer for one in handles)


def _reading(workload: Workload, key: Any) -> Any:
    try:
        return plain(workload.read(key))
    except BaseException as error:
        if passes(error):
            raise
        what = said(error)
        if isinstance(error, DeadlockError):  # who has what it waits for has other names in each order
            what = what.partition(", ")[0]
        return ("raised", type(error).__name__, what)
