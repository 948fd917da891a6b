"""Counts of callbacks by their outcome, and the state of zones."""

from __future__ import annotations

from errno import EAGAIN, EBUSY
from typing import Any

import pytest

from movable import VM, AddressSpace, ClearPageMovable, ListHead, Page, list_add_tail, lock_page, put_page, unlock_page
from movable.lab.metrics import Tally, tally_callbacks, thousandths, zone_states
from movable.mm.address_space import MovableOperations
from movable.mm.gfp import GFP_HIGHUSER_MOVABLE, GFP_TRANSHUGE_LIGHT
from movable.mm.migrate import MIGRATE_SYNC, MR_COMPACTION, isolate_movable_page, migrate_pages, putback_movable_pages
from tests.lab.broken import Again, Pages, Pinned


def isolated_pages(vm: VM, driver: Pages) -> ListHead:
    """Every page of a driver that lets itself be isolated, on a list."""
    pages = ListHead("test")
    for page in list(vm.pages.values()):
        if page._refcount and isolate_movable_page(page, 0) == 0:
            list_add_tail(page.lru, pages)
    return pages


def migrate(vm: VM, driver: Pages) -> Tally:
    tally = Tally()
    tally_callbacks(driver.mapping, tally)
    driver.populate(3)
    pages = isolated_pages(vm, driver)
    target = lambda page, private: vm.alloc_page(GFP_HIGHUSER_MOVABLE)  # noqa: E731
    migrate_pages(pages, target, None, None, MIGRATE_SYNC, MR_COMPACTION)
    putback_movable_pages(pages)
    return tally


@pytest.mark.parametrize(
    ("kind", "expected"),
    [
        (Pages, {"isolated": 3, "migrated": 3}),
        (Again, {"isolated": 3, "eagain": 30, "putback": 3}),
        (Pinned, {"refused": 3}),
    ],
)
def test_each_outcome_is_counted(kind: type[Pages], expected: dict[str, int]) -> None:
    vm = VM()
    counts = migrate(vm, kind(vm)).record()
    assert {name: count for name, count in counts.items() if count} == expected
    assert tuple(counts) == Tally.FIELDS


def test_pages_released_while_isolated_are_counted_when_the_core_is_done() -> None:
    vm = VM()
    driver = Pages(vm)
    tally = Tally()
    tally_callbacks(driver.mapping, tally)
    driver.populate(1)
    pages = isolated_pages(vm, driver)
    page = next(iter(pages))
    lock_page(page)
    ClearPageMovable(page)
    unlock_page(page)
    put_page(page)
    assert (tally.released, tally.still_isolated) == (0, 1)
    putback_movable_pages(pages)
    assert (tally.released, tally.still_isolated, tally.putback, tally.isolated) == (1, 0, 0, 1)
    assert tally.released == vm.vmstat["movable_released_isolated"]


def test_a_frame_that_is_released_and_isolated_again_counts_twice() -> None:
    vm = VM()
    driver = Pages(vm)
    tally = Tally()
    tally_callbacks(driver.mapping, tally)
    for turn in (1, 2):
        driver.populate(1)
        pages = isolated_pages(vm, driver)
        (page,) = pages
        assert (tally.released, tally.still_isolated) == (turn - 1, 1)
        lock_page(page)
        ClearPageMovable(page)
        unlock_page(page)
        put_page(page)
        putback_movable_pages(pages)
    assert (tally.released, tally.still_isolated, vm.vmstat["movable_released_isolated"]) == (2, 0, 2)


def test_a_frame_that_another_driver_took_over_is_not_isolated_for_the_first() -> None:
    vm = VM()
    first, second = Pages(vm), Pages(vm)
    tallies = Tally(), Tally()
    for driver, tally in zip((first, second), tallies, strict=True):
        tally_callbacks(driver.mapping, tally)
    first.populate(1)
    pages = isolated_pages(vm, first)
    (page,) = pages
    lock_page(page)
    ClearPageMovable(page)
    unlock_page(page)
    put_page(page)
    putback_movable_pages(pages)
    second.populate(1)
    assert [other.pfn for other in isolated_pages(vm, second)] == [page.pfn]
    assert [(tally.released, tally.still_isolated) for tally in tallies] == [(1, 0), (0, 1)]


def test_answers_and_exceptions_pass_through() -> None:
    answers: list[Any] = [True, False, None, 1]
    codes: list[Any] = [0, -EAGAIN, -EBUSY, None]

    def putback(page: Page) -> None:
        raise ValueError("mine")

    inner = MovableOperations(lambda page, mode: answers[mode], lambda m, n, p, mode: codes[mode], putback)
    mapping = AddressSpace(64, "x", inner, None)
    tally = Tally()
    tally_callbacks(mapping, tally)
    ops: Any = mapping.a_ops
    assert [ops.isolate_page(None, mode) for mode in range(4)] == answers
    assert [ops.migratepage(mapping, None, None, mode) for mode in range(4)] == codes
    with pytest.raises(ValueError, match=r"^mine$"):
        ops.putback_page(None)
    assert (tally.isolated, tally.refused, tally.migrated, tally.eagain, tally.failed, tally.putback) == (1, 1, 1, 1, 2, 0)


def test_an_owner_without_callbacks_is_left_alone() -> None:
    mapping = AddressSpace(64, "x", MovableOperations(None, None, None), None)
    tally_callbacks(mapping, Tally())
    assert mapping.a_ops == MovableOperations(None, None, None)


def test_zones_at_a_moment() -> None:
    vm = VM(8 << 20, nodes=2, pageblock_order=9)
    fresh = zone_states(vm, 9)
    assert [state[:4] for state in fresh] == [(0, "Normal", 1024, 2), (1, "Normal", 1024, 2)]
    assert all(state.fragmentation_index == -1000 and state.unusable_index == 0 for state in fresh)
    assert vm.alloc_pages(GFP_TRANSHUGE_LIGHT, 9, 0) is not None
    assert vm.alloc_page(GFP_HIGHUSER_MOVABLE, 0) is not None
    used = zone_states(vm, 9)
    assert (used[0].free, used[0].blocks, used[0].unusable_index) == (511, 0, 1000)
    assert used[0].fragmentation_index > 0 and used[1] == fresh[1]


@pytest.mark.parametrize(("value", "text"), [(983, "0.983"), (-1000, "-1.000"), (5, "0.005"), (-1, "-0.001"), (1000, "1.000")])
def test_indices_for_people(value: int, text: str) -> None:
    assert thousandths(value) == text
