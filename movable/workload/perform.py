"""Performs actions on a machine with one driver: one interpreter for sequences (sequential/harness.py) and for the tasks of
interleavings (concurrent/stage.py), which differ only in the methods that come first here.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any, ClassVar, Concatenate, ParamSpec, TypeVar

from movable.errors import UsageError
from movable.mm.compaction import compact_memory
from movable.mm.list import ListHead, list_add_tail
from movable.mm.memory_hotplug import offline_pages, online_pages
from movable.mm.migrate import MIGRATE_SYNC, MR_COMPACTION, isolate_movable_page, migrate_pages, putback_movable_pages
from movable.mm.page_alloc_contig import alloc_contig_range, free_contig_range
from movable.workload.action import TARGETS, Action
from movable.workload.workload import Operation, Workload

if TYPE_CHECKING:
    from movable.mm.migrate import GetNewPage, PutNewPage
    from movable.mm.page import Page
    from movable.mm.vm import VM

__tracebackhide__ = True

Phase = Callable[[], object]
Arguments = ParamSpec("Arguments")
Self = TypeVar("Self", bound="Performer")

PHASES = {"migrate": 3, "migrate_frame": 3, "put_back": 2, "put_back_frame": 2, "finish": 2}
"""In how many phases an action is done, where that is not one."""


def whole(method: Callable[Concatenate[Self, Arguments], object]) -> Callable[..., list[Phase]]:
    """An action in one phase that is no business of the user's."""

    def phases(self: Self, user: Workload, *rest: Arguments.args, **named: Arguments.kwargs) -> list[Phase]:
        return [lambda: method(self, *rest, **named)]

    return phases


class Performer:
    """What the core does on ``vm``. ``held`` are the pages that stay isolated, ``declared`` the operations of the workload."""

    vm: VM
    held: ListHead
    declared: dict[str, Operation]
    put_target: PutNewPage | None = None
    isolation_mode: ClassVar[int] = 0
    """The mode in which pages are isolated that are moved at once."""
    offline_passes: ClassVar[int]
    """Passes in which offlining may move nothing before it gives up, as if the operator did."""

    # where a sequence and an interleaving differ

    def page(self, number: int) -> Page | None:
        """The n-th page of the driver, counted around; None where it has none."""
        raise NotImplementedError

    def handles(self, user: Workload) -> Sequence[Any]:
        """The handles that numbers mean."""
        raise NotImplementedError

    def target(self, where: str) -> GetNewPage:
        """What finds a target for each page; ``where`` is one of TARGETS."""
        raise NotImplementedError

    def call(self, user: Workload, name: str, arguments: dict[str, Any]) -> object:
        """Run an operation of the workload."""
        return user.run(name, arguments)

    def fresh(self, name: str) -> ListHead:
        """The list for pages that are isolated and moved at once."""
        return ListHead(name)

    def withhold(self, short: int) -> None:
        """The ``short``-th target of the action is not there, unless that is 0."""

    def take(self, page: Page | None, taken: ListHead, mode: int = 0) -> None:
        """Isolate a page, and put it on a list if that went well."""
        if page is not None and isolate_movable_page(page, mode) == 0:
            list_add_tail(page._lru, taken)

    def move(self, taken: ListHead, mode: int, where: str = TARGETS[0]) -> int:
        """Migrate what is on a list; returns how many pages stayed."""
        return migrate_pages(taken, self.target(where), self.put_target, None, mode, MR_COMPACTION)

    def block(self, number: int) -> int | None:
        """The first frame of the pageblock that holds the n-th page of the driver."""
        page = self.page(number)
        return None if page is None else page.pfn >> self.vm.pageblock_order << self.vm.pageblock_order

    def frames_in_use(self) -> int:
        """How many frames somebody owns."""
        return sum(1 << page.order for page in self.vm.pages.values() if page._refcount > 0)

    # the actions

    def do(self, user: Workload, action: Action) -> object:
        """Do one action as a whole, and return what it answers."""
        answer: object = None
        for phase in self.phases(user, action):
            answer = phase()
        return answer

    def phases(self, user: Workload, action: Action) -> list[Phase]:
        """An action as the parts that count as one step each where nothing else runs at the same time."""
        name, *rest = action
        phases: list[Phase] = getattr(self, f"_do_{name}")(user, *rest)
        return phases

    def give_back(self) -> None:
        """Put back every page that is held."""
        putback_movable_pages(self.held)

    def _do_op(self, user: Workload, name: str, arguments: dict[str, Any]) -> list[Phase]:
        operation = self.declared.get(name)
        if not callable(getattr(user, name, None)):
            raise UsageError(f"{type(user).__name__} has no operation {name!r}")
        if operation is None or not operation.needs_handle:
            return [lambda: self.call(user, name, arguments)]
        live = self.handles(user)
        return [lambda: self.call(user, name, operation.resolve(live, arguments))] if live else []

    def _do_migrate(self, user: Workload, number: int, mode: int = MIGRATE_SYNC, where: str = TARGETS[0]) -> list[Phase]:
        return self._migrate(self.page(number), mode, where)

    def _migrate(self, page: Page | None, mode: int, where: str = TARGETS[0]) -> list[Phase]:
        taken = self.fresh("pages to migrate")
        return [
            lambda: self.take(page, taken, self.isolation_mode),
            lambda: self.move(taken, mode, where),
            lambda: putback_movable_pages(taken),
        ]

    def _do_put_back(self, user: Workload, number: int) -> list[Phase]:
        return self._put_back(self.page(number))

    def _put_back(self, page: Page | None) -> list[Phase]:
        taken = self.fresh("pages to put back")
        return [lambda: self.take(page, taken, self.isolation_mode), lambda: putback_movable_pages(taken)]

    @whole
    def _do_isolate(self, number: int, mode: int = 0) -> None:
        self.take(self.page(number), self.held, mode)

    def _do_finish(self, user: Workload, mode: int = MIGRATE_SYNC, where: str = TARGETS[0]) -> list[Phase]:
        return [lambda: self.move(self.held, mode, where), self.give_back]

    @whole
    def _do_give_back(self) -> None:
        self.give_back()

    @whole
    def _do_compact(self) -> None:
        compact_memory(self.vm)

    @whole
    def _do_contig(self, number: int, short: int = 0) -> None:
        start, size = self.block(number), 1 << self.vm.pageblock_order
        self.withhold(short)
        if start is not None and alloc_contig_range(self.vm, start, start + size) == 0:
            free_contig_range(self.vm, start, size)

    @whole
    def _do_offline(self, number: int, short: int = 0) -> None:
        start, size = self.block(number), 1 << self.vm.pageblock_order
        self.withhold(short)
        if start is not None and offline_pages(self.vm, start, size, max_passes=self.offline_passes) == 0:
            online_pages(self.vm, start, size)
