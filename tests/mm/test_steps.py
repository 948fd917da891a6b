"""The seam: events in order, as JSON lines and back; watched pages; and nothing at all when it is not installed."""

from __future__ import annotations

import io
from collections.abc import Callable, Hashable

import pytest

from movable import (
    GFP_HIGHUSER_MOVABLE,
    MIGRATE_SYNC,
    MR_COMPACTION,
    VM,
    DeadlockError,
    ListHead,
    Page,
    UsageError,
    bit_spin_lock,
    bit_spin_unlock,
    isolate_movable_page,
    list_add_tail,
    list_del,
    list_empty,
    list_first,
    lock_page,
    migrate_pages,
    put_page,
    unlock_page,
)
from movable.mm.events import KINDS, Event, from_json, read_events, to_json, write_events
from movable.mm.page import WAITERS
from movable.mm.steps import Seam
from tests.ring import Ring


def migrate_one(vm: VM, ring: Ring) -> tuple[Page, Page]:
    page = ring.add(fill=7)
    pages = ListHead("to migrate")
    assert isolate_movable_page(page, 8) == 0
    list_add_tail(page._lru, pages)

    def get_new_page(page: Page, private: object) -> Page | None:
        return vm.alloc_page(GFP_HIGHUSER_MOVABLE)

    assert migrate_pages(pages, get_new_page, None, None, MIGRATE_SYNC, MR_COMPACTION) == 0
    new = next(iter(ring.pages))
    return page, new


def test_a_migration_as_events() -> None:
    vm = VM()
    ring = Ring(vm)
    events: list[Event] = []
    vm.observe(events.append)
    old, new = migrate_one(vm, ring)
    story = [event.kind for event in events if event.pfn == old.pfn and event.kind not in ("get_page", "put_page", "touch")]
    assert story == [
        *("alloc_page", "write_data", "lock_page", "set_page_movable", "unlock_page"),
        *("isolate_movable_page", "trylock_page", "isolate_page", "isolate_page_ret", "set_page_isolated", "unlock_page"),
        *("isolate_movable_page_ret", "get_new_page", "trylock_page", "move_to_new_page", "migratepage", "clear_page_movable"),
        *("migratepage_ret", "clear_page_isolated", "migrated", "move_to_new_page_ret", "unlock_page", "free_page"),
    ]
    assert [event.seq for event in events] == list(range(len(events)))
    migrate = next(event for event in events if event.kind == "migratepage")
    assert migrate.args["newpage"] == new.pfn
    assert (migrate.refs, migrate.args["new_refs"], migrate.mapping) == (2, 1, ring.mapping.addr + 2)


def test_every_event_is_in_the_vocabulary() -> None:
    vm = VM()
    events: list[Event] = []
    vm.observe(events.append)
    migrate_one(vm, Ring(vm))
    with vm.spinlock("some lock"):
        pass
    for event in events:
        assert set(event.args) == set(KINDS[event.kind][1]), event.kind


def test_events_survive_a_file() -> None:
    vm = VM()
    events: list[Event] = []
    vm.observe(events.append)
    migrate_one(vm, Ring(vm))
    stream = io.StringIO()
    assert write_events(events, stream) == len(events)
    assert list(read_events(stream.getvalue().splitlines())) == events


UNKNOWN_KIND = '{"seq":0,"task":"t","kind":"x","pfn":0,"flags":0,"mapping":0,"refs":0}'


@pytest.mark.parametrize("line", ["", "{", "[]", "3", '{"seq":1}', UNKNOWN_KIND])
def test_a_line_that_is_no_event(line: str) -> None:
    with pytest.raises(UsageError, match="line 9: "):
        from_json(line, 9)


def test_the_same_run_gives_the_same_events() -> None:
    runs = []
    for _ in range(2):
        vm = VM()
        lines: list[str] = []
        vm.observe(lambda event, lines=lines: lines.append(to_json(event)))  # type: ignore[misc]
        migrate_one(vm, Ring(vm))
        runs.append(lines)
    assert runs[0] == runs[1]


def test_quiet_looks_are_no_events() -> None:
    vm = VM()
    events: list[Event] = []
    seam = vm.observe(events.append)
    with seam.quiet():
        migrate_one(vm, Ring(vm))
    assert not events


def test_a_watched_page_is_the_same_page() -> None:
    vm = VM()
    ring = Ring(vm)
    page = ring.add(fill=3)
    events: list[Event] = []
    vm.observe(events.append)
    assert page.private is ring
    page.private = "mine"
    assert page.private == "mine"
    page.index = 4
    assert page.index == 4
    assert page.data == b"\x03" * 4096
    page.data[0:2] = b"ab"
    assert page.data[0] == ord("a")
    assert len(page.data) == 4096
    assert bytes(page.data[:3]) == b"ab\x03"
    assert page.data.tobytes()[:1] == b"a"
    assert list(page.data)[1] == ord("b")
    page.flags |= 1 << 12
    assert page.mapping == ring.mapping.addr + 2
    page.mapping = page.mapping
    touched = [(event.args["field"], event.args["write"]) for event in events if event.kind == "touch"]
    assert touched == [("flags", False), ("flags", True), ("mapping", False), ("mapping", False), ("mapping", True)]
    vm.install(None)
    assert type(page) is Page
    assert page.private == "mine"


class Recorder:
    """A scheduler that never switches and writes down what it is asked."""

    current = "a"

    def __init__(self) -> None:
        self.points: list[tuple[str, Hashable]] = []
        self.waits: list[str] = []
        self.on_wait: Callable[[], None] = lambda: None

    def point(self, op: str, key: Hashable) -> None:
        self.points.append((op, key))

    def wait(
        self, key: Hashable, ready: Callable[[], bool], what: str, condition: Callable[[], bool] | None = None, *, op: str = "wait"
    ) -> None:
        if op != "wait":
            self.points.append((op, key))
        self.waits.append(what)
        self.on_wait()
        if not ready():
            raise DeadlockError(what)

    def spawn(self, name: str, fn: Callable[[], object]) -> None:
        fn()

    def note(self, text: str, **facts: object) -> None:
        pass


def test_a_scheduler_sees_every_shared_access() -> None:
    vm = VM()
    ring = Ring(vm)
    page = ring.add()
    recorder = Recorder()
    vm.install(Seam(recorder))
    lock_page(page)
    unlock_page(page)
    pfn = page.pfn
    assert recorder.points == [("lock", ("page", pfn, "lock")), ("unlock", ("page", pfn, "lock"))]
    recorder.points.clear()
    assert isolate_movable_page(page, 0) == 0
    assert [op for op, _ in recorder.points] == ["aw", "ar", "try", "ar", "ar", "w", "r", "w", "unlock"]


def test_a_sleeper_sets_the_waiters_flag_and_is_woken_by_unlock() -> None:
    vm = VM()
    page = vm.alloc_page()
    assert page is not None
    recorder = Recorder()
    vm.install(Seam(recorder))
    lock_page(page)
    flags: list[int] = []

    def other_task_unlocks() -> None:
        flags.append(page._flags & WAITERS)
        unlock_page(page)

    recorder.on_wait = other_task_unlocks
    lock_page(page)
    assert flags == [WAITERS]
    assert recorder.waits == [f"the page lock of page {page.pfn}, held by a"]


def test_a_lost_waiters_flag_is_a_lost_wake_up() -> None:
    vm = VM()
    page = vm.alloc_page()
    assert page is not None
    recorder = Recorder()
    vm.install(Seam(recorder))
    lock_page(page)

    def other_task_overwrites_the_word_and_unlocks() -> None:
        page._flags &= ~WAITERS
        unlock_page(page)

    recorder.on_wait = other_task_overwrites_the_word_and_unlocks
    with pytest.raises(DeadlockError):
        lock_page(page)
    unlocked = not page._flags & 1
    assert unlocked


def test_a_queue_with_a_scheduler_starts_a_worker() -> None:
    from movable import Work

    vm = VM()
    vm.install(Seam(Recorder()))
    ran: list[int] = []
    vm.workqueue("wq").queue_work(Work(lambda: ran.append(1)))
    assert ran == [1]


def test_without_a_seam_nothing_is_recorded() -> None:
    vm = VM()
    page = vm.alloc_page()
    assert page is not None
    assert page.seam is None
    put_page(page)
    assert vm.seam is None


class Cell:
    """A word with a lock bit."""

    name = "cell"

    def __init__(self, vm: VM) -> None:
        self.vm = vm
        self.word = 0


def test_taking_a_lock_is_one_step_under_a_scheduler() -> None:
    vm = VM()
    spin, rw = vm.spinlock("spin"), vm.rwlock("rw")
    cell = Cell(vm)
    recorder = Recorder()
    vm.install(Seam(recorder))
    with spin, rw.read():
        bit_spin_lock(0, cell)
        bit_spin_unlock(0, cell)
    with rw.write():
        pass
    taken = [(op, key) for op, key in recorder.points if op in ("lock", "rlock")]
    assert taken == [("lock", ("lock", "spin")), ("rlock", ("lock", "rw")), ("lock", ("word", "cell")), ("lock", ("lock", "rw"))]
    assert recorder.waits == ["spin lock 'spin'", "rwlock 'rw'", "the lock bit of cell", "rwlock 'rw'"]
    with spin, pytest.raises(DeadlockError, match="which it holds itself"):
        spin.lock()


def test_looking_at_a_list_that_tasks_share_is_a_point_too() -> None:
    vm = VM()
    recorder = Recorder()
    seam = Seam(recorder)
    head = ListHead("shared")
    page = vm.alloc_page()
    assert page is not None
    vm.install(seam)
    list_add_tail(page._lru, head)
    assert recorder.points == [("w", ("list", "shared"))]
    head.seam = seam
    for look in (list_empty, list_first, bool, len, list):
        recorder.points.clear()
        look(head)
        assert recorder.points[0] == ("r", ("list", "shared")), look
    list_del(page._lru)
    assert recorder.points[-1] == ("w", ("list", "shared"))
