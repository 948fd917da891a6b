"""The seam: events in order, as JSON lines and back; watched pages; and nothing at all when it is not installed."""

from __future__ import annotations

import hashlib
import io
import operator
import struct
import zlib
from collections.abc import Callable, Hashable

import pytest

from movable import (
    GFP_HIGHUSER_MOVABLE,
    MIGRATE_SYNC,
    MR_COMPACTION,
    VM,
    AtomicLong,
    DeadlockError,
    ListHead,
    Page,
    UsageError,
    Work,
    bit_spin_lock,
    bit_spin_unlock,
    copy_highpage,
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
from movable.events import KINDS, Event, from_json, read_events, to_json, write_events
from movable.mm.list import list_add_after, watch
from movable.mm.mm_types import VM_READ, VM_WRITE
from movable.mm.mmap import do_mmap
from movable.mm.page_flags import WAITERS
from movable.mm.seam import Seam
from movable.mm.userspace import userspace
from movable.mm.watched import WatchedData
from tests.drivers_for_tests.ring import Ring


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
    assert [op for op, _ in recorder.points] == ["aw", "ar", "try", "ar", "xr", "ar", "w", "w", "r", "w", "unlock"]


def test_a_fault_looks_at_the_nodes_that_its_task_may_use() -> None:
    vm = VM(1 << 20, nodes=2)
    task = userspace(vm).spawn("work")
    do_mmap(task, 1 << 20, 1 << 12, VM_READ | VM_WRITE)
    recorder = Recorder()
    vm.install(Seam(recorder))
    task.write(1 << 20, b"x")
    assert ("ar", ("mems_allowed", task.pid)) in recorder.points


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
    node = ("page", page.pfn, "lru")
    assert recorder.points == [("w", node), ("w", ("list", "shared"))]
    watch(head, seam)
    for look in (list_empty, list_first, bool, len, list):
        recorder.points.clear()
        look(head)
        assert recorder.points[0] == ("r", ("list", "shared")), look
    recorder.points.clear()
    assert head.next is head.prev
    assert recorder.points == [("r", ("list", "shared"))] * 2
    recorder.points.clear()
    list_del(page._lru)
    assert recorder.points == [("w", node), ("w", ("list", "shared"))]
    assert head.next is head


def test_looking_at_the_node_of_a_page_is_a_point() -> None:
    vm = VM()
    recorder = Recorder()
    page, other = vm.alloc_page(), vm.alloc_page()
    assert page is not None
    assert other is not None
    vm.install(Seam(recorder))
    node = ("page", page.pfn, "lru")
    assert list_empty(page.lru)
    assert page.lru.list is None
    assert recorder.points == [("r", node)] * 2
    list_add_tail(page.lru, ListHead("some list"))
    recorder.points.clear()
    list_add_after(other.lru, page.lru)
    assert recorder.points == [("r", node), ("w", ("page", other.pfn, "lru")), ("w", ("list", "some list"))]
    recorder.points.clear()
    page.lru.next = page.lru  # who breaks a list is seen doing it
    assert recorder.points == [("w", node)]
    vm.install(None)
    recorder.points.clear()
    assert not list_empty(page.lru)
    assert page.lru.list is not None
    assert not recorder.points


def test_what_changes_two_places_shows_each_change_before_the_next_step() -> None:
    """Else the second step of a task would do what its first one was announced for, after others had looked."""
    vm = VM()
    recorder = Recorder()
    source, target = vm.alloc_page(), vm.alloc_page()
    assert source is not None
    assert target is not None
    source.data[:1] = b"a"
    vm.install(Seam(recorder))
    seen: list[object] = []

    def look(op: str, key: Hashable) -> None:
        if key == ("page", target.pfn, "data"):
            source._data[:1] = b"b"  # type: ignore[index]
        if key == ("list", "one"):
            seen.append(source._lru._list)

    recorder.point = look  # type: ignore[method-assign]
    copy_highpage(target, source)
    assert target._data is not None
    assert target._data[0] == ord("a")
    one = ListHead("one")
    list_add_tail(source.lru, one)
    list_del(source.lru)
    assert seen == [one, None]


def peeks(vm: VM) -> dict[str, tuple[Callable[[], object], Hashable]]:
    """Every public look at something of the machine, and the location that it reads."""
    lock, rw, queue, works, count = vm.mutex("m"), vm.rwlock("rw"), vm.wait_queue("q"), vm.workqueue("w"), AtomicLong(vm, "n")
    work = Work(lambda: None)
    works.queue_work(work)
    return {
        "owner": (lambda: lock.owner, ("lock", "m")),
        "held": (lambda: lock.held, ("lock", "m")),
        "readers": (lambda: rw.readers, ("lock", "rw")),
        "writer": (lambda: rw.writer, ("lock", "rw")),
        "wakes": (lambda: queue.wakes, ("queue", "q")),
        "counter": (lambda: count.counter, ("word", "n")),
        "items": (lambda: len(works.items), ("work", "w")),
        "destroyed": (lambda: works.destroyed, ("work", "w")),
        "pending": (lambda: work.pending, ("work", "w")),
        "running": (lambda: work.running, ("work", "w")),
    }


@pytest.mark.parametrize("name", peeks(VM()))
def test_a_look_from_outside_is_an_atomic_read(name: str) -> None:
    vm = VM()
    look, key = peeks(vm)[name]
    before = look()
    recorder = Recorder()
    vm.install(Seam(recorder))
    assert look() == before
    assert recorder.points == [("ar", key)]


def test_work_that_never_was_queued_may_be_on_any_queue() -> None:
    vm = VM()
    recorder = Recorder()
    first, second = vm.workqueue("first"), vm.workqueue("second")
    work = Work(lambda: None)
    work.vm = vm
    vm.install(Seam(recorder))
    assert not work.pending
    assert recorder.points == [("ar", ("work", "first")), ("ar", ("work", "second"))]
    recorder.spawn = lambda name, fn: None  # type: ignore[method-assign]
    first.queue_work(work)

    def move(op: str, key: Hashable) -> None:
        if key == ("work", "second") and work._pending:
            first._items.clear()
            work._pending = False

    recorder.point = move  # type: ignore[method-assign]
    assert work.pending, "the answer is what was true in the step that looked at its queue"
    assert second.items == type(second.items)()


# --- the content of a page, watched ---


def content() -> tuple[Page, Recorder, list[Event]]:
    """A page that holds the numbers from 0 on, watched."""
    vm = VM()
    page = vm.alloc_page()
    assert page is not None
    page.data[:] = bytes(range(256)) * 16
    recorder = Recorder()
    seam = Seam(recorder)
    events: list[Event] = []
    seam.observers.append(events.append)
    vm.install(seam)
    return page, recorder, events


USES: dict[str, tuple[Callable[[memoryview], object], str]] = {
    "take": (lambda data: data[2:5][1:], ""),
    "length": (lambda data: (len(data[4:]), data.nbytes, data.format, data.shape, data.readonly), ""),
    "isinstance": (lambda data: isinstance(data, memoryview), ""),
    "item": (lambda data: data[3], "r"),
    "item of a slice": (lambda data: data[2:9][1], "r"),
    "bytes": (lambda data: bytes(data[:6]), "r"),
    "bytearray": (lambda data: bytearray(data[:6]), "r"),
    "tobytes": (lambda data: data[:6].tobytes(), "r"),
    "tolist": (lambda data: data[:6].tolist(), "r"),
    "hex": (lambda data: data[:6].hex(":"), "r"),
    "every other": (lambda data: bytes(data[0:10:2]), "r"),
    "equal": (lambda data: operator.eq(data[1:3], b"\x01\x02"), "r"),
    "equal from the left": (lambda data: operator.eq(b"\x01\x02", data[1:3]), "r"),
    "equal to a view": (lambda data: memoryview(b"\x01\x02") == data[1:3], "r"),
    "equal to itself": (lambda data: data[:4] == data[256:260], "rr"),
    "not equal": (lambda data: operator.ne(data[:4], b""), "r"),
    "iteration": (lambda data: list(data[:5]), "r"),
    "in": (lambda data: 4 in data[:5], "r"),
    "join": (lambda data: b"-".join([data[:2], data[5:7]]), "rr"),
    "concatenation": (lambda data: b"x" + data[:2], "r"),
    "crc32": (lambda data: zlib.crc32(data), "r"),
    "sha1": (lambda data: hashlib.sha1(data[:77]).hexdigest(), "r"),
    "unpack": (lambda data: struct.unpack("<I", data[4:8]), "r"),
    "unpack_from": (lambda data: struct.unpack_from("<I", data, 4), "r"),
    "from_bytes": (lambda data: int.from_bytes(data[:8], "little"), "r"),
    "a view of it": (lambda data: bytes(memoryview(data)[2:4]), "r"),
    "cast": (lambda data: data.cast("I")[1], "r"),
    "into a view": (lambda data: memoryview(bytearray(4)).__setitem__(slice(None), data[:4]), "r"),
    "with": (lambda data: data.__enter__()[1], "r"),
    "assign": (lambda data: data.__setitem__(slice(0, 2), b"ab"), "w"),
    "assign later": (lambda data: data[0:2].__setitem__(slice(None), b"ab"), "w"),
    "assign an item": (lambda data: data.__setitem__(7, 1), "w"),
    "assign a slice of it": (lambda data: data.__setitem__(slice(0, 2), data[5:7]), "rw"),
    "add to an item": (lambda data: data.__setitem__(2, data[2] + 1), "rw"),
    "pack_into": (lambda data: struct.pack_into("<I", data, 4, 77), "w"),
    "readinto": (lambda data: io.BytesIO(b"abcd").readinto(data[:4]), "w"),
}


@pytest.mark.parametrize("name", USES)
def test_watched_content_does_what_a_view_does_and_says_so(name: str) -> None:
    use, ops = USES[name]
    page, recorder, events = content()
    plain = memoryview(bytearray(range(256)) * 16)
    expected = use(plain)
    found = use(page.data)
    assert recorder.points == [(op, ("page", page.pfn, "data")) for op in ops]
    assert [event.kind for event in events] == ["write_data"] * ops.count("w")
    assert found == expected
    assert page._data == plain


def test_who_wants_to_write_into_what_is_only_readable_is_refused() -> None:
    page, _, _ = content()
    data = WatchedData(page, page.vm.map_page(page).toreadonly())
    with pytest.raises((BufferError, TypeError, SystemError)):
        struct.pack_into("<I", data, 0, 1)
    assert memoryview(data).readonly


def test_what_cannot_be_raised_while_a_buffer_is_given_out_is_raised_later() -> None:
    page, recorder, _ = content()

    def refuse(op: str, key: Hashable) -> None:
        raise DeadlockError("not now")

    recorder.point = refuse  # type: ignore[method-assign]
    try:
        zlib.crc32(page.data)
    except DeadlockError:
        return  # from Python 3.12 on
    assert page.seam is not None
    assert str(page.seam.late["a"]) == "not now"


def test_a_page_and_its_content_that_nobody_watches_is_a_plain_view() -> None:
    page, _, _ = content()
    page.vm.install(None)
    assert type(page.data) is memoryview
