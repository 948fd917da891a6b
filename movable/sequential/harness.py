"""Runs one program on a fresh machine, and looks at everything after every step.

Invariants after each step: the census of frames, lists, counters and references (validate_vm), the poison of freed pages, the
content of every handle, and the rules of the monitor. At the end an idle page must be able to move, and after tear-down nothing
of the driver may be left. The first exception ends a program: what comes after it would be the story of a broken machine.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from errno import EAGAIN, ENOMEM
from typing import TYPE_CHECKING, Any

from movable.errors import Hang, InvalidState, UsageError, by_hand
from movable.events import Event
from movable.hookspecs import CALLBACKS
from movable.introspection import kit_raised, raised_at
from movable.mm.compaction import compact_memory
from movable.mm.gfp import GFP_HIGHUSER_MOVABLE, GFP_KERNEL
from movable.mm.list import ListHead, list_add_tail
from movable.mm.migrate import (
    MIGRATE_ASYNC,
    MIGRATE_SYNC,
    MIGRATE_SYNC_NO_COPY,
    isolate_movable_page,
)
from movable.mm.page import put_page
from movable.mm.page_alloc_contig import alloc_contig_range
from movable.mm.page_flags import (
    ISOLATED,
    PageIsolated,
    PG_slab,
    PG_swapbacked,
)
from movable.mm.validate import validate_vm
from movable.mm.vm import VM
from movable.mm.workqueue import Work
from movable.registry import bind
from movable.rules.stream.monitor import Monitor
from movable.sequential.answers import plain
from movable.sequential.bookkeeping import Audit
from movable.sequential.busy_waits import BusyWaits
from movable.sequential.counters import changed, machine_counters
from movable.sequential.faults import STRANGER, Faults, Stranger, delayed, watchdog
from movable.sequential.observers import CallbackObserver
from movable.shown import apart, shown
from movable.supervise import board
from movable.supervise.channel import cut
from movable.workload.action import TARGETS, show
from movable.workload.handle_names import HandleNames, assigned, call, meant
from movable.workload.perform import Performer, whole
from movable.workload.program import Program, Step
from movable.workload.workload import GenericWorkload, Workload

if TYPE_CHECKING:
    from movable.mm.migrate import GetNewPage
    from movable.mm.page import Page

MOVES_ASKED = 3
"""How often an idle page is asked to move before it counts as one that never does."""
HANDLES_READ_AT_ONCE = 12
"""Handles that are read after an operation, in turn; after a step that may have moved pages it is all of them."""
PROGRESS_PAGES = 4
ENDS = {
    "at the end: what is isolated is put back, queued work runs": "_settle",
    "at the end: each idle page is asked to move, twice": "_progress",
    "at the end: the driver is removed": "_teardown",
}
"""What follows every program, by the heading that its story gets."""
STRANGERS = (
    (1 << PG_slab, 0xDEAD_0000_0000_0122),
    (0, 0xFFFF_8880_0BAD_0001),
    (1 << PG_slab, 0xFFFF_8880_0BAD_0042),
    (1 << PG_swapbacked, 0xFFFF_8880_0BAD_0003),
)
"""Flags and mapping of pages that are no driver's: list poison and a pointer in slab pages, an anonymous page, a KSM page."""


class Machine(Performer):
    """One run: ``monitor`` holds the verdicts, ``events`` the story when ``keep`` is set, ``steps`` how many steps ran."""

    isolation_mode = 8
    offline_passes = MOVES_ASKED

    def __init__(  # long: every attribute of a run, with its type
        self, workload: type[Workload], factory: Callable[..., Any], *, era: str = "4.19", seed: int = 0, keep: bool = False
    ) -> None:
        self._block_order = workload.pageblock_order
        quarter = max(workload.frames // 4, 1 << self._block_order)
        layout = [(0, "DMA32", quarter), (0, "Normal", quarter), (1, "Normal", 2 * quarter)]
        self.vm = VM(layout=layout, pageblock_order=self._block_order, era=era, seed=seed)
        self.monitor = Monitor(era=era)
        self.events: list[Event] = []
        self.callbacks: Counter[str] = Counter()
        self.operations: Counter[str] = Counter()
        self.grown: Counter[str] = Counter()
        self.shrunk: Counter[str] = Counter()
        self.states: set[int] = set()
        self.steps = 0
        self.stopped = self.migrating = False
        self.held = ListHead("isolated pages")
        self.fillers: list[Page] = []
        self.holes = False
        self.thorough = True
        self.checks = 0
        self.leave = 0
        self.levels: set[str] = set()
        self.vmstat: dict[str, int] = {}
        self.answers: list[int] = []
        self.idle: dict[int, bool] = {}  # idle pages, and whether they moved when they were first asked to
        self.unmoved: set[tuple[int, bool]] = set()  # idle pages: in which round, and whether isolate_page refused them
        self.names = HandleNames()
        self.note: dict[str, Any] = {"text": ""}
        self.busy_waits = BusyWaits(self.vm, self.held, self._end_isolations)
        self._until = self.busy_waits.begin(0)
        self._feed = self.monitor.feed
        self._notices = dict.fromkeys(CALLBACKS, self._count) | {"migratepage_ret": self._answer}
        if keep:
            self.vm.observe(self.events.append)
        self.seam = self.vm.observe(self._observe)
        self.vm.nobody_else = self._end_isolations
        self.faults = Faults(self.vm)
        self.put_target = self.faults.put_target
        self._workload = workload
        self._factory = factory
        self.declared = workload.operations()
        self.workload: Workload | None = None
        self.audit: Audit | None = None
        self.variant = 0

    def _observe(self, event: Event) -> None:
        if event[0] >= self._until:
            self._until = self.busy_waits.late(event[0])
        self._feed(event)
        notice = self._notices.get(event[2])
        if notice is not None:
            notice(event)

    def _count(self, event: Event) -> None:
        self.callbacks[event.kind] += 1

    def _answer(self, event: Event) -> None:
        ret = event.args["ret"]
        if type(ret) is int:
            self.answers.append(ret)
        if self.audit is not None:
            self.audit.asked_to_move(event)

    def _marks_for_a_stranger(self, event: Event) -> None:
        if event.args["owner"] == STRANGER and not self.stopped:
            self._broken("D60", f"page {event.pfn} is marked for the operations of another driver, which has the slot of its type")

    def _audited(self, event: Event) -> None:
        for found in getattr(self.audit, event.kind)(event):
            self.say(*found)

    # running

    def run(self, program: Program) -> Machine:
        """Run a whole program, the check of progress and the tear-down."""
        try:
            with watchdog():
                self._perform(program)
        except Hang as error:  # a finalizer or a handler of the driver's kept it to itself until now
            if not self.stopped:
                self._broken("D51", f"stopped after {error}")
        if not self.stopped:
            self.monitor.finish(quiescent=True)
        return self

    def _perform(self, program: Program) -> None:
        if program and program[0][0] == "variant":
            self.variant = program[0][1]
        plugins = delayed(self.vm) if any(step[:2] == ("fault", "delay") for step in program) else None
        self.vm.binder = lambda driver, era: bind(driver, era, plugins)
        if ("taken",) in program and self.vm.era.movable_types:
            self._notices["set_page_movable"] = self._marks_for_a_stranger
            Stranger(self.vm)
        board.at("setup")
        self._guard("setup", self._setup)
        for number, step in enumerate(program, 1):
            if self.stopped:
                break
            self.steps += 1
            self._heading(f"step {number}: ", self._words(step))
            self._guard(step[0], lambda step=step: self._step(step))  # type: ignore[misc]
            self._name_handles()
        for heading, end in ENDS.items():
            if not self.stopped:
                board.at(heading)
                self.seam.event("note", text=heading)
                self._guard(heading, getattr(self, end))

    def _words(self, step: Step) -> str:
        """A step, with handles by name."""
        if step[0] != "op" or self.workload is None:
            return show(step)
        _, name, drawn = step
        return call(name, drawn, meant(self.declared.get(name), drawn, self.workload.model, self.names))

    def _heading(self, number: str, words: str) -> None:
        board.at(number + words)
        self.note = {"text": number + words}
        self.seam.event("note", **self.note)
        self.note = self.events[-1].args if self.events else self.note

    def _name_handles(self) -> None:
        """What a step made gets its names, and the step's heading tells them."""
        made = [] if self.workload is None else self.names.meet(self.workload.model)
        number, found, words = self.note["text"].partition(": ")
        self.note["text"] = number + found + assigned(made, words)

    def _guard(self, where: str, work: Callable[[], object]) -> None:
        """Do one thing; whatever goes wrong becomes a broken rule, never a crash."""
        self._until = self.busy_waits.begin(self.seam.seq)
        try:
            work()
            if where != "setup" and ENDS.get(where) != "_teardown":
                self._check()
            self._warned()
        except Hang as error:
            self._broken("D51", f"{where}: stopped after {error}")
        except AssertionError as error:
            self._broken("D54", f"{where}: {shown(error, 500) or 'an assertion failed'} at {raised_at(error)}")
        except BaseException as error:  # whatever else it is, it must not end the search
            if by_hand(error):
                raise
            if kit_raised(error) or (where == "setup" and isinstance(error, UsageError)):  # it says that it cannot be made here
                self._stop(error)
                return
            self._broken("D52", f"{where}: raised {type(error).__name__}: {shown(error, 500)} at {raised_at(error)}")

    def _warned(self) -> None:
        """What a driver said of itself in the kernel's log: its own expectation does not hold."""
        found = next((text for text in self.vm.warnings if text.startswith("D52: ")), "")
        if found and not self.stopped:
            self._broken("D52", found.partition(": ")[2])

    def _stop(self, error: BaseException) -> None:
        self.stopped = True
        self.monitor.caught(error)

    def _broken(self, rule: str, what: str) -> None:
        self.stopped = True
        self.seam.muted = 0
        self._until = self.busy_waits.anew(self.seam.seq)
        self.say(rule, False, what)

    def say(self, rule: str, ok: bool, what: str) -> None:
        """One observation of the machine itself."""
        self.seam.event("observation", rule=rule, ok=ok, what=cut(what))

    # the parts

    def _setup(self) -> None:
        self.baseline = self.frames_in_use()
        self.counters = machine_counters(self.vm, self.levels)
        options = self._workload.variants[self.variant % len(self._workload.variants)]
        try:
            self.workload = self._workload(self.vm, self._factory, options)
        except Exception:
            if "set_page_movable" not in self._notices:
                raise
            self.stopped = True  # it finds the slot of its page type taken, and says so
            return
        self.audit = audit = Audit(self.vm, self.workload)
        self._notices |= {"alloc_page": audit.alloc_page, "balloon_hook": audit.balloon_hook}
        self._notices |= dict.fromkeys(("free_page", "balloon_hook_ret"), self._audited)
        self.names.meet(self.workload.model)
        self.observer = CallbackObserver(self.vm, self.workload)
        self.observer.watch()

    def _step(self, step: Step) -> None:
        assert self.workload is not None
        name = step[0]
        self.thorough = name != "op"
        self.do(self.workload, step)
        if name != "fault":
            self.faults.clear()

    def _check(self) -> None:
        """Everything that must hold between two steps."""
        with self.seam.quiet():
            try:
                validate_vm(self.vm, quiescent=False, content=True)
            except InvalidState as error:
                problem = f"{error.rule}\0{error}"
            else:
                problem = ""
            problem = problem or self._unreadable()
            findings = [] if problem or self.audit is None else list(self.audit.books())
            if not problem and self._workload.invariant is not Workload.invariant:
                findings.append(("D54", True, ""))
        now = dict(self.vm.vmstat)
        self.levels |= {name for name, count in now.items() if count < self.vmstat.get(name, count)}
        self.vmstat = now
        for finding in findings:
            self.say(*finding)
        if problem:
            rule, what = problem.split("\0")
            self._broken(rule, what)
        else:
            self.observer.read_back()
            self.say("V32", True, "")
            self.states.add(self._fingerprint())

    def _fingerprint(self) -> int:
        """A number for the state of the machine: frames in use with their flags, references and marks."""
        pages = self.vm.pages
        used = [(page.pfn, page._flags, page._refcount, page._mapping) for page in pages.values() if page._refcount]
        return hash(frozenset(used))

    def _unreadable(self) -> str:
        """The first handle that does not read back, as rule and words."""
        workload = self.workload
        assert workload is not None
        self.checks += 1
        everything = self.thorough or len(workload.model) <= HANDLES_READ_AT_ONCE
        if workload.preserves_content:
            keys = list(workload.model)
            if not everything:
                start = self.checks * HANDLES_READ_AT_ONCE % len(keys)
                keys = (keys[start:] + keys[:start])[:HANDLES_READ_AT_ONCE]
            for key in keys:
                found, expected = plain(workload.read(key)), workload.model[key]
                if found != expected:
                    self.names.meet(workload.model)
                    why = f"; {self.observer.differs}" if self.observer.differs else ""
                    one, two = apart(found, expected)
                    return f"D15\0{self.names.of(key)} reads {one}; {two} was stored{why}"
        if everything or not self.checks % 4:
            workload.invariant()
        return ""

    # steps

    def handles(self, user: Workload) -> list[Any]:
        """As in Performer."""
        return list(user.model)

    def call(self, user: Workload, name: str, arguments: dict[str, Any]) -> None:
        """As in Performer; the books know that the driver works now, and what came of it."""
        assert self.audit is not None
        self.observer.changes += 1
        self.operations[name] += 1
        self.audit.operating = self.observer.operating = True
        held, used = len(user.model), self.frames_in_use()
        try:
            user.run(name, arguments)
        finally:
            self.audit.operating = self.observer.operating = False
        self._note_role(name, len(user.model) - held, used)
        self.observer.watch()
        self.observer.homes.look(self.observer.look())

    def _note_role(self, name: str, more: int, used: int) -> None:
        """Whether an operation made the driver hold more or less: things of its model, or else frames."""
        more = more or self.frames_in_use() - used
        if more > 0:
            self.grown[name] += 1
        elif more < 0:
            self.shrunk[name] += 1

    def page(self, number: int) -> Page | None:
        """As in Performer, of those pages that are not isolated."""
        assert self.workload is not None
        with self.seam.quiet():
            pages = [page for page in self.workload.pages() if not PageIsolated(page)]
        return pages[number % len(pages)] if pages else None

    def fresh(self, name: str) -> ListHead:
        """As in Performer: there is one task, so what it isolates is on one list."""
        return self.held

    def target(self, where: str) -> GetNewPage:
        """As in Performer."""
        return self.faults.targets(where)

    def withhold(self, short: int) -> None:
        """As in Performer."""
        if short:
            self.faults.arm("alloc", short)

    def take(self, page: Page | None, taken: ListHead, mode: int = 0) -> None:
        """As in Performer; somebody else may have the page's lock."""
        if page is not None:
            with self.faults.page_locked(page):
                super().take(page, taken, mode)

    def move(self, taken: ListHead, mode: int, where: str = TARGETS[0]) -> int:
        """As in Performer; somebody else may have the first page's lock, and a mode that the kernel does not have is another."""
        first = taken.next.owner
        if first is None:
            return 0
        if mode == MIGRATE_SYNC_NO_COPY and not self.vm.era.no_copy_mode:
            mode = MIGRATE_SYNC
        with self.faults.page_locked(first, mode == MIGRATE_ASYNC and first._refcount > 1):
            return self._move(mode, where)

    def _move(self, mode: int, where: str = TARGETS[0]) -> int:
        self.migrating = True
        try:
            return super().move(self.held, mode, where)
        finally:
            self.migrating = False

    def block(self, number: int) -> int:
        """As in Performer; without a page it is the pageblock of that number."""
        found = super().block(number)
        return number << self._block_order if found is None else found

    def _end_isolations(self) -> bool:
        """Somebody waits, and nobody else runs: the core gives back what it holds, as it would sooner or later.

        A run over these pages that is under way cannot end before the wait does.
        """
        if not self.held or self.migrating:
            return False
        self.give_back()
        return True

    @whole
    def _do_compact(self) -> None:
        self._make_holes()
        compact_memory(self.vm)

    def _make_holes(self) -> None:
        """Take every second frame of the last pageblock of each zone: compaction moves pages to holes, not to empty blocks."""
        size = 1 << self._block_order
        for zone in () if self.holes else self.vm.zones:
            start = zone.end_pfn - size
            if alloc_contig_range(self.vm, start, zone.end_pfn) == 0:
                self.fillers += [self.vm.page(pfn) for pfn in range(start, zone.end_pfn, 2)]
                for pfn in range(start + 1, zone.end_pfn, 2):
                    put_page(self.vm.page(pfn))
        self.holes = True

    @whole
    def _do_fragment(self, count: int) -> None:
        """Take pages that cannot move, and give every second one back."""
        taken = [self.vm.alloc_page(GFP_KERNEL if number % 4 else GFP_HIGHUSER_MOVABLE) for number in range(count)]
        pages = [page for page in taken if page is not None]
        for page in pages[::2]:
            put_page(page)
        self.fillers += pages[1::2]

    @whole
    def _do_fault(self, kind: str, number: int) -> None:
        assert self.workload is not None
        self.observer.changes += 1
        if kind == "hostile":
            for name in self.workload.hostile[(number - 1) % max(1, len(self.workload.hostile)) :][:1]:
                self.operations[name] += 1
                self.workload.run(name, {})
        else:
            if kind == "reenter":
                self._make_holes()
            self.faults.arm(kind, number)

    @whole
    def _do_work(self, items: int = 0) -> None:
        """Do so many queued work items, 0 for all."""
        self.observer.changes += 1
        if not items:
            self.vm.run_work()
        for _ in range(items):
            queue = next((queue for queue in self.vm.workqueues if queue.items), None)
            if queue is not None:
                queue.run_one()

    @whole
    def _do_variant(self, number: int) -> None:
        """The configuration, which was chosen before the first step."""

    @whole
    def _do_taken(self) -> None:
        """Somebody else has every slot of operations since before the first step, in kernels that have slots."""

    @whole
    def _do_leave(self, pages: int) -> None:
        """So many pages will be isolated when the driver is removed, and come back while it waits for them."""
        self.leave = pages

    @whole
    def _do_strange(self, number: int) -> None:
        """A page of somebody else, whose words look a little like a mark, comes in the way of the core."""
        page = self.vm.alloc_page(GFP_KERNEL)
        if page is None:
            return
        page._flags, page._mapping = STRANGERS[number % len(STRANGERS)]
        isolated = isolate_movable_page(page, 0) == 0
        compact_memory(self.vm)
        self.say("V24", not isolated, f"page {page.pfn}, which is no driver's, was isolated")
        page._flags = page._mapping = 0
        put_page(page)

    # the end

    def _settle(self) -> None:
        assert self.audit is not None
        self.give_back()
        self.vm.run_work()
        while self.fillers:
            put_page(self.fillers.pop())
        self.holes = False
        forgotten = [page.pfn for page in self.vm.pages.values() if page._flags & ISOLATED and page._refcount]
        self.say("V19", not forgotten, f"all is quiet, and page {forgotten[:1]} is still isolated")
        with self.seam.quiet():
            findings = list(self.audit.settled())
            findings += [("D44", kept, what) for kept, what in self.observer.ends.settled()]
        for finding in findings:
            self.say(*finding)

    def _progress(self) -> None:
        """Each idle page, moved twice: a page that stops being movable after its first move shows in the second round.

        A driver may give pages up meanwhile, as a balloon does when no target can be had; those are free, and not counted.
        """
        assert self.workload is not None
        for time in range(2):
            with self.seam.quiet():
                pages = list(self.workload.pages())
                mapped = {page.pfn for page in self.workload.mapped()}
            in_use = self.frames_in_use()
            for page in [page for page in pages if page.pfn not in mapped][:PROGRESS_PAGES]:
                self.answers.clear()
                short = self.faults.short_of_targets
                moved = any(self._try_move(page) for _ in range(MOVES_ASKED))
                self.idle.setdefault(page.pfn, moved)
                self._final_errors(page)
                if not moved and not self._is_the_drivers(page):
                    continue  # given up by a move that half failed
                if not self.workload.may_refuse and self.faults.short_of_targets == short:
                    if not moved:
                        self.unmoved.add((time, not self.answers))
                    self.say("D50", moved, f"page {page.pfn} is idle and did not move in {MOVES_ASKED} tries of ten passes each")
            self._check()
            with self.seam.quiet():
                left = len(list(self.workload.pages()))
            given_up = max(0, in_use - self.frames_in_use())
            if left + given_up < len(pages) and not self.workload.may_release_isolated:
                self.say("D16", False, f"{len(pages)} pages were movable, {left} are after each moved once")

    def _is_the_drivers(self, page: Page) -> bool:
        assert self.workload is not None
        with self.seam.quiet():
            return any(other is page for other in self.workload.pages())

    def _final_errors(self, page: Page) -> None:
        """What the driver answered each time that an idle page was asked to move."""
        declared = self._workload.may_refuse and not issubclass(self._workload, GenericWorkload)
        if not self.answers or declared:
            return
        final = all(answer < 0 and answer not in (-EAGAIN, -ENOMEM) for answer in self.answers)
        often = final and len(self.answers) >= MOVES_ASKED
        text = f"page {page.pfn} is idle, and {len(self.answers)} times in MIGRATE_SYNC the driver answered {self.answers[-1:]}"
        self.say("D62", not often, text)

    def _try_move(self, page: Page) -> bool:
        if isolate_movable_page(page, self.isolation_mode) != 0:
            return False
        list_add_tail(page._lru, self.held)
        left = self._move(MIGRATE_SYNC)
        self.give_back()
        return left == 0

    def _teardown(self) -> None:
        assert self.workload is not None
        for number in range(self.leave):
            self.take(self.page(number), self.held, self.isolation_mode)
        if self.held:
            self.vm.workqueue("core").queue_work(Work(self.give_back, "put back"))
        self.observer.changes += 1
        self.seam.event("driver_remove", driver=type(self.workload.driver).__name__)
        self.workload.finish()
        self.vm.run_work()
        with self.seam.quiet():
            try:
                validate_vm(self.vm, content=True)
            except InvalidState as error:
                found = error.rule, str(error)
            else:
                found = "", ""
        if found[0]:
            self._broken(found[0], f"after tear-down: {found[1]}")
            return
        differ = changed(self.counters, machine_counters(self.vm, self.levels))
        self.say("D61", not differ, f"after the driver was removed, {'; '.join(differ[:3])}")
        left = self.frames_in_use() - self.baseline
        where = self.workload.left_behind() if left else ""
        self.say("D34", left == 0, f"{left} page(s) are still in use after the driver was removed{where}")
