"""Isolation, put-back and the migration loop, against the tables of outcomes and the reference ledger."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from errno import EAGAIN, EBUSY, EINVAL, ENOMEM
from typing import Any

import pytest

from movable import (
    GFP_HIGHUSER_MOVABLE,
    GFP_KERNEL,
    ISOLATE_UNEVICTABLE,
    MIGRATE_ASYNC,
    MIGRATE_SYNC,
    MIGRATE_SYNC_LIGHT,
    MIGRATE_SYNC_NO_COPY,
    MR_COMPACTION,
    VM,
    DeadlockError,
    DriverError,
    ListHead,
    Page,
    PageIsolated,
    SetPageIsolated,
    VMBug,
    get_page,
    isolate_movable_page,
    list_add_tail,
    lock_page,
    migrate_pages,
    page_count,
    put_page,
    putback_movable_page,
    putback_movable_pages,
    unlock_page,
)
from movable.mm.page_flags import PG_writeback
from movable.mm.validate import validate_vm
from tests.drivers_for_tests.ring import Ring


class Machine:
    """A VM with a ring, a list to migrate, and a target allocator that keeps count."""

    def __init__(self) -> None:
        self.vm = VM()
        self.ring = Ring(self.vm)
        self.list = ListHead("to migrate")
        self.targets: list[Page] = []
        self.returned: list[Page] = []
        self.refuse_targets = 0

    def isolate(self, count: int = 1) -> list[Page]:
        pages = [self.ring.add(fill=number + 1) for number in range(count)]
        for page in pages:
            assert isolate_movable_page(page, ISOLATE_UNEVICTABLE) == 0
            list_add_tail(page.lru, self.list)
        return pages

    def get_new_page(self, page: Page, private: Any) -> Page | None:
        if self.refuse_targets:
            self.refuse_targets -= 1
            return None
        target = self.vm.alloc_page(GFP_HIGHUSER_MOVABLE)
        assert target is not None
        self.targets.append(target)
        return target

    def put_new_page(self, page: Page, private: Any) -> None:
        self.returned.append(page)
        put_page(page)

    def migrate(self, mode: int = MIGRATE_SYNC, put: bool = True) -> int:
        put_new_page = self.put_new_page if put else None
        return migrate_pages(self.list, self.get_new_page, put_new_page, None, mode, MR_COMPACTION)

    def finish(self) -> Counter[str]:
        """Put back what is left, check the machine, return its counters."""
        putback_movable_pages(self.list)
        validate_vm(self.vm, content=True)
        return self.vm.vmstat


@pytest.fixture
def machine() -> Machine:
    return Machine()


# --- isolation ---


def test_isolation_takes_a_reference_and_the_flag(machine: Machine) -> None:
    (page,) = machine.isolate()
    assert PageIsolated(page)
    assert page_count(page) == 2
    assert machine.ring.calls == [("isolate", page.pfn)]


def test_a_second_isolation_fails_without_asking_the_driver(machine: Machine) -> None:
    (page,) = machine.isolate()
    machine.ring.calls.clear()
    assert isolate_movable_page(page, 0) == -EBUSY
    assert page_count(page) == 2
    assert not machine.ring.calls


def test_isolation_never_waits_for_the_page_lock(machine: Machine) -> None:
    page = machine.ring.add()
    lock_page(page)
    assert isolate_movable_page(page, 0) == -EBUSY
    assert page_count(page) == 1
    unlock_page(page)


def test_free_unmarked_and_released_pages_are_refused(machine: Machine) -> None:
    free = machine.vm.alloc_page(GFP_KERNEL)
    assert free is not None
    put_page(free)
    assert isolate_movable_page(free, 0) == -EBUSY
    private = machine.vm.alloc_page(GFP_KERNEL)
    assert private is not None
    assert isolate_movable_page(private, 0) == -EBUSY
    page = machine.ring.add()
    get_page(page)
    machine.ring.release(page)
    assert isolate_movable_page(page, 0) == -EBUSY
    assert page_count(page) == 1


def test_a_refusal_by_the_driver_changes_nothing(machine: Machine) -> None:
    page = machine.ring.add()
    machine.ring.mapping.a_ops = machine.ring.mapping.a_ops._replace(isolate_page=lambda page, mode: False)
    assert isolate_movable_page(page, 0) == -EBUSY
    assert (page_count(page), PageIsolated(page)) == (1, False)
    validate_vm(machine.vm)


@pytest.mark.parametrize("answer", [None, 0, 1, -EBUSY, "yes"])
def test_only_a_bool_is_an_answer(machine: Machine, answer: object) -> None:
    page = machine.ring.add()
    machine.ring.mapping.a_ops = machine.ring.mapping.a_ops._replace(isolate_page=lambda page, mode: answer)  # type: ignore[arg-type,return-value]
    with pytest.raises(DriverError, match=r"D8: ring\.isolate_page: returned"):
        isolate_movable_page(page, 0)


def test_the_isolation_mode_reaches_the_driver(machine: Machine) -> None:
    page = machine.ring.add()
    seen: list[int] = []

    def refuse(page: Page, mode: int) -> bool:
        seen.append(mode)
        return False

    machine.ring.mapping.a_ops = machine.ring.mapping.a_ops._replace(isolate_page=refuse)
    isolate_movable_page(page, 0xC)
    assert seen == [0xC]


# --- put-back ---


def test_putback_gives_the_page_back(machine: Machine) -> None:
    pages = machine.isolate(2)
    machine.finish()
    assert list(machine.ring.pages) == pages
    assert all(page_count(page) == 1 and not PageIsolated(page) for page in pages)


def test_putback_calls_the_driver_with_the_flag_still_set(machine: Machine) -> None:
    machine.isolate()
    seen: list[bool] = []
    putback = machine.ring.mapping.a_ops.putback_page
    assert putback is not None

    def watch(page: Page) -> None:
        seen.append(PageIsolated(page))
        putback(page)

    machine.ring.mapping.a_ops = machine.ring.mapping.a_ops._replace(putback_page=watch)
    machine.finish()
    assert seen == [True]


def test_a_page_released_while_isolated_gets_no_putback(machine: Machine) -> None:
    (page,) = machine.isolate()
    machine.ring.release(page, isolated=True)
    stat = machine.finish()
    assert ("putback", page.pfn) not in machine.ring.calls
    assert page_count(page) == 0
    assert (stat["movable_released_isolated"], stat["movable_putback"]) == (1, 0)


def test_putting_back_what_is_not_isolated_is_a_bug(machine: Machine) -> None:
    page = machine.ring.add()
    lock_page(page)
    with pytest.raises(VMBug, match="V13"):
        putback_movable_page(page)
    unlock_page(page)
    stray = machine.vm.alloc_page(GFP_KERNEL)
    assert stray is not None
    list_add_tail(stray.lru, machine.list)
    with pytest.raises(VMBug, match="V19"):
        putback_movable_pages(machine.list)


def test_a_page_that_no_driver_marked_is_let_go(machine: Machine) -> None:
    """It is no isolation of a driver's page, and counts in none of their books."""
    stray = machine.vm.alloc_page(GFP_KERNEL)
    assert stray is not None
    get_page(stray)
    list_add_tail(stray.lru, machine.list)
    assert machine.migrate(MIGRATE_SYNC) == 1
    assert page_count(stray) == 1 and not machine.list
    alone = machine.vm.alloc_page(GFP_KERNEL)
    assert alone is not None
    list_add_tail(alone.lru, machine.list)
    assert machine.migrate(MIGRATE_SYNC) == 0
    assert page_count(alone) == 0
    assert machine.vm.vmstat["movable_released_isolated"] == 0
    validate_vm(machine.vm)


def test_a_positive_answer_is_an_error_and_a_warning(machine: Machine) -> None:
    machine.isolate()
    machine.ring.mapping.a_ops = machine.ring.mapping.a_ops._replace(migratepage=lambda mapping, newpage, page, mode: 5)
    assert machine.migrate(MIGRATE_SYNC) == 1
    assert "D23" in machine.vm.warnings[0] and "returned 5" in machine.vm.warnings[0]


def test_what_a_callback_raises_is_told_in_one_line(machine: Machine) -> None:
    def raises(mapping: Any, newpage: Page, page: Page, mode: int) -> int:
        raise ValueError("first\nsecond")

    machine.isolate()
    machine.ring.mapping.a_ops = machine.ring.mapping.a_ops._replace(migratepage=raises)
    with pytest.raises(DriverError, match=r"raised ValueError: first at test_migrate\.py:\d+") as caught:
        machine.migrate(MIGRATE_SYNC)
    assert "second" not in str(caught.value)


# --- success ---


@pytest.mark.parametrize("mode", [MIGRATE_ASYNC, MIGRATE_SYNC_LIGHT, MIGRATE_SYNC])
def test_success_moves_content_and_references(machine: Machine, mode: int) -> None:
    (old,) = machine.isolate()
    inside: list[tuple[int, int]] = []
    migrate = machine.ring.mapping.a_ops.migratepage
    assert migrate is not None

    def watch(mapping: Any, newpage: Page, page: Page, mode: int) -> int:
        rc = migrate(mapping, newpage, page, mode)
        inside.append((page_count(page), page_count(newpage)))
        return rc

    machine.ring.mapping.a_ops = machine.ring.mapping.a_ops._replace(migratepage=watch)
    assert machine.migrate(mode) == 0
    (new,) = machine.targets
    assert inside == [(1, 2)]
    assert (page_count(old), page_count(new)) == (0, 1)
    assert list(machine.ring.pages) == [new]
    assert new.data == b"\x01" * 4096
    assert not machine.list
    stat = machine.finish()
    assert (stat["pgmigrate_success"], stat["pgmigrate_fail"], stat["movable_migrated"]) == (1, 0, 1)
    assert not machine.returned


def test_an_empty_list_is_done_at_once(machine: Machine) -> None:
    assert machine.migrate() == 0


# --- -EAGAIN ---


def test_eagain_is_tried_ten_times_then_left_on_the_list(machine: Machine) -> None:
    (page,) = machine.isolate()
    machine.ring.answers = [-EAGAIN] * 100
    assert machine.migrate() == 1
    assert machine.ring.calls.count(("migrate", page.pfn)) == 10
    assert PageIsolated(page)
    assert page_count(page) == 2
    assert list(machine.list) == [page]
    assert len(machine.targets) == len(machine.returned) == 10
    stat = machine.finish()
    assert (stat["pgmigrate_success"], stat["pgmigrate_fail"], stat["movable_putback"]) == (0, 1, 1)


def test_eagain_keeps_the_order_of_the_list_and_ends_with_success(machine: Machine) -> None:
    pages = machine.isolate(3)
    machine.ring.answers = [-EAGAIN] * 3
    machine.migrate()
    migrations = [pfn for call, pfn in machine.ring.calls if call == "migrate"]
    assert migrations == [page.pfn for page in pages] * 2
    assert machine.finish()["pgmigrate_success"] == 3


def test_the_last_pass_alone_counts_as_failed(machine: Machine) -> None:
    machine.isolate(2)
    machine.ring.answers = [-EAGAIN] * 19  # the second page gets through in its tenth try
    assert machine.migrate() == 1
    stat = machine.finish()
    assert (stat["pgmigrate_success"], stat["pgmigrate_fail"]) == (1, 1)


# --- other errors ---


@pytest.mark.parametrize("error", [-EBUSY, -EINVAL, -5, 7])
def test_other_errors_are_put_back_at_once(machine: Machine, error: int) -> None:
    first, second = machine.isolate(2)
    machine.ring.answers = [error]
    assert machine.migrate() == 1
    assert not machine.list
    assert machine.ring.calls.count(("migrate", first.pfn)) == 1
    assert machine.ring.calls.count(("putback", first.pfn)) == 1
    assert page_count(first) == 1
    assert page_count(second) == 0
    assert len(machine.returned) == 1
    machine.finish()


def test_enomem_from_the_driver_ends_the_run(machine: Machine) -> None:
    pages = machine.isolate(3)
    machine.ring.answers = [-ENOMEM]
    assert machine.migrate() == -ENOMEM
    assert list(machine.list) == pages[1:]
    stat = machine.finish()
    assert (stat["pgmigrate_fail"], stat["movable_putback"]) == (1, 3)


def test_a_run_that_ends_early_does_not_count_who_would_be_asked_again(machine: Machine) -> None:
    again, _ = machine.isolate(2)
    machine.ring.answers = [-EAGAIN, -ENOMEM]
    assert machine.migrate() == -ENOMEM
    assert list(machine.list) == [again]
    assert machine.finish()["pgmigrate_fail"] == 1


def test_no_target_ends_the_run_and_leaves_the_page(machine: Machine) -> None:
    pages = machine.isolate(2)
    machine.refuse_targets = 1
    assert machine.migrate() == -ENOMEM
    assert list(machine.list) == pages
    assert not any(call == "migrate" for call, _ in machine.ring.calls)
    machine.finish()


def test_no_copy_is_refused_by_the_driver(machine: Machine) -> None:
    machine.isolate()
    assert machine.migrate(MIGRATE_SYNC_NO_COPY) == 1
    machine.finish()


def test_without_put_new_page_the_target_is_freed(machine: Machine) -> None:
    machine.isolate()
    machine.ring.answers = [-EBUSY]
    assert machine.migrate(put=False) == 1
    assert page_count(machine.targets[0]) == 0
    machine.finish()


@pytest.mark.parametrize("answer", [None, True, "0", 0.0])
def test_only_an_int_is_a_return_code(machine: Machine, answer: object) -> None:
    machine.isolate()
    machine.ring.answers = [answer]  # type: ignore[list-item]
    with pytest.raises(DriverError, match=r"D23: ring\.migratepage: returned"):
        machine.migrate()


# --- released while isolated ---


def test_release_before_migration_counts_as_success(machine: Machine) -> None:
    (page,) = machine.isolate()
    machine.ring.release(page, isolated=True)
    assert machine.migrate() == 0
    assert not any(call == "migrate" for call, _ in machine.ring.calls)
    assert page_count(page) == 0
    assert len(machine.returned) == 1
    stat = machine.finish()
    assert (stat["pgmigrate_success"], stat["movable_migrated"], stat["movable_released_isolated"]) == (1, 0, 1)


def test_release_seen_under_the_lock_counts_as_success_too(machine: Machine) -> None:
    (page,) = machine.isolate()
    get_page(page)  # a third holder hides the release from the reference test
    machine.ring.release(page, isolated=True)
    assert machine.migrate() == 0
    assert page_count(machine.targets[0]) == 0
    assert not machine.returned
    assert page_count(page) == 1
    put_page(page)
    assert machine.finish()["movable_released_isolated"] == 1


def test_release_inside_a_failing_callback(machine: Machine) -> None:
    (page,) = machine.isolate()

    def release_and_fail(mapping: Any, newpage: Page, page: Page, mode: int) -> int:
        from movable import ClearPageMovable

        ClearPageMovable(page)
        put_page(page)
        return -EBUSY

    machine.ring.mapping.a_ops = machine.ring.mapping.a_ops._replace(migratepage=release_and_fail)
    assert machine.migrate() == 1
    assert page_count(page) == 0
    assert ("putback", page.pfn) not in machine.ring.calls
    assert machine.finish()["movable_released_isolated"] == 1


# --- contention, modes ---


def test_a_locked_page_is_not_waited_for_in_async_mode(machine: Machine) -> None:
    (page,) = machine.isolate()
    lock_page(page)
    assert machine.migrate(MIGRATE_ASYNC) == 1
    assert len(machine.targets) == 10
    unlock_page(page)
    machine.finish()


def test_a_locked_page_is_waited_for_once_forced(machine: Machine) -> None:
    (page,) = machine.isolate()
    lock_page(page)
    with pytest.raises(DeadlockError):
        machine.migrate(MIGRATE_SYNC)
    assert len(machine.targets) == 4  # the fourth pass is the first that waits


def test_a_reclaiming_task_never_waits(machine: Machine) -> None:
    (page,) = machine.isolate()
    lock_page(page)
    machine.vm.current.memalloc = True
    assert machine.migrate(MIGRATE_SYNC) == 1
    machine.vm.current.memalloc = False
    unlock_page(page)
    machine.finish()


@pytest.mark.parametrize(
    ("mode", "attempts"),
    [(MIGRATE_ASYNC, 1), (MIGRATE_SYNC_LIGHT, 1), (MIGRATE_SYNC, 4), (MIGRATE_SYNC_NO_COPY, 4)],
    ids=["async", "light", "sync", "no copy"],
)
def test_writeback_is_waited_for_by_sync_alone(machine: Machine, mode: int, attempts: int) -> None:
    (page,) = machine.isolate()
    page.flags |= 1 << PG_writeback
    if mode in (MIGRATE_SYNC, MIGRATE_SYNC_NO_COPY):
        with pytest.raises(DeadlockError, match="writeback"):
            machine.migrate(mode)
    else:
        assert machine.migrate(mode) == 1
    assert len(machine.targets) == attempts


def test_a_locked_target_is_tried_again(machine: Machine) -> None:
    machine.isolate()
    get_new_page = machine.get_new_page

    def locked_target(page: Page, private: Any) -> Page | None:
        target = get_new_page(page, private)
        assert target is not None
        if len(machine.targets) == 1:
            lock_page(target)
        return target

    def put_new_page(page: Page, private: Any) -> None:
        unlock_page(page)
        put_page(page)

    assert migrate_pages(machine.list, locked_target, put_new_page, None, MIGRATE_SYNC, MR_COMPACTION) == 0
    assert len(machine.targets) == 2
    machine.finish()


# --- what the core notices about a driver ---


def test_an_unmarked_target_takes_the_lru_detour(machine: Machine) -> None:
    machine.isolate()
    ops = machine.ring.mapping.a_ops
    assert ops.migratepage is not None
    clear: Callable[[Page], None] = lambda page: setattr(page, "_mapping", 0)  # noqa: E731

    def forget_the_mark(mapping: Any, newpage: Page, page: Page, mode: int) -> int:
        assert ops.migratepage is not None
        rc = ops.migratepage(mapping, newpage, page, mode)
        clear(newpage)
        return rc

    machine.ring.mapping.a_ops = ops._replace(migratepage=forget_the_mark)
    assert machine.migrate() == 0
    assert machine.targets[0].flags == 1 << 5  # PG_lru on a driver's page


def test_a_driver_that_sets_the_isolated_flag_is_warned_about(machine: Machine) -> None:
    ops = machine.ring.mapping.a_ops

    def sets(page: Page, mode: int) -> bool:
        SetPageIsolated(page)
        return True

    machine.ring.mapping.a_ops = ops._replace(isolate_page=sets)
    assert isolate_movable_page(machine.ring.add(), 0) == 0
    assert [warning[:3] for warning in machine.vm.warnings] == ["D30"]


def test_a_driver_that_clears_the_isolated_flag_is_warned_about(machine: Machine) -> None:
    machine.isolate()
    ops = machine.ring.mapping.a_ops

    def clears(mapping: Any, newpage: Page, page: Page, mode: int) -> int:
        from movable import ClearPageIsolated

        assert ops.migratepage is not None
        rc = ops.migratepage(mapping, newpage, page, mode)
        ClearPageIsolated(page)
        return rc

    machine.ring.mapping.a_ops = ops._replace(migratepage=clears)
    assert machine.migrate() == 0
    assert [warning[:3] for warning in machine.vm.warnings] == ["D30"]


@pytest.mark.parametrize("error", [KeyError, SystemExit])
@pytest.mark.parametrize("callback", ["isolate_page", "migratepage", "putback_page"])
def test_an_exception_in_a_callback_names_the_driver_and_the_place(
    machine: Machine, callback: str, error: type[BaseException]
) -> None:
    def raises(*arguments: Any) -> Any:
        raise error("no such handle")

    if callback != "isolate_page":
        machine.isolate()
    machine.ring.mapping.a_ops = machine.ring.mapping.a_ops._replace(**{callback: raises})
    message = rf"ring\.{callback}: raised {error.__name__}: '?no such handle'? at test_migrate\.py:\d+"
    with pytest.raises(DriverError, match=message):
        if callback == "isolate_page":
            machine.isolate()
        elif callback == "migratepage":
            machine.migrate()
        else:
            putback_movable_pages(machine.list)


@pytest.mark.parametrize("callback", ["isolate_page", "migratepage"])
@pytest.mark.parametrize("by_a_person", [True, False])
def test_an_interruption_is_the_drivers_own_unless_a_person_asked_for_it(
    callback: str, by_a_person: bool, machine: Machine, monkeypatch: pytest.MonkeyPatch
) -> None:
    def stops(*arguments: Any) -> Any:
        raise KeyboardInterrupt

    monkeypatch.setattr("movable.errors.interrupted_from_outside", lambda: by_a_person)
    machine.ring.mapping.a_ops = machine.ring.mapping.a_ops._replace(**{callback: stops})
    with pytest.raises(KeyboardInterrupt if by_a_person else DriverError):
        machine.isolate()
        machine.migrate()
