"""Sets of frame numbers that follow the driver's pages, and those that do not."""

from __future__ import annotations

from typing import Any

import pytest

from docs.drivers.ring import Ring, RingWorkload
from movable import VM, AddressSpace, Page
from movable.sequential.harness import Machine
from movable.sequential.number_books import NumberBooks, number_sets


class Host:
    """The other end, in the driver's eyes."""

    def __init__(self) -> None:
        self.frames: set[int] = set()


class Told(Ring):
    """Tells its host of every page, and of every move."""

    def __init__(self, vm: VM) -> None:
        super().__init__(vm)
        self.host = Host()

    def write(self, slot: int, data: bytes) -> bool:
        done = super().write(slot, data)
        page = self.slots[slot]
        if page is not None:
            self.host.frames.add(page.pfn)
        return done

    def drop(self, slot: int) -> None:
        page = self.slots[slot]
        super().drop(slot)
        if page is not None:
            self.host.frames.discard(page.pfn)

    def migratepage(self, mapping: AddressSpace, newpage: Page, page: Page, mode: int) -> int:
        rc = super().migratepage(mapping, newpage, page, mode)
        if rc == 0:
            self.moved(page.pfn, newpage.pfn)
        return rc

    def moved(self, old: int, new: int) -> None:
        self.host.frames = self.host.frames - {old} | {new}


class Driver:
    def __init__(self) -> None:
        self.host = Host()
        self.ever: set[int] = set()
        self.later: set[int] = set()


BOTH = frozenset({40, 41})


def books(driver: Driver, *looks: tuple[set[int], set[int]]) -> tuple[NumberBooks, list[str]]:
    """Pages come and go, and the host hears of it; then looks at (pages, what the host has)."""
    found = NumberBooks(driver)
    said: list[str] = []
    for pages, frames in ((set(), set()), ({40}, {40}), (set(BOTH), set(BOTH)), ({40}, {40}), *looks):
        driver.host.frames = frames
        driver.ever |= frames
        said += found.look(frozenset(pages))
    return found, said


def test_a_book_that_does_not_follow_a_move_is_told_once_the_pages_changed_again() -> None:
    driver = Driver()
    found, said = books(driver)
    found.tried.append((40, 50, True))
    assert not said and not list(found.look(frozenset({50})))
    driver.host.frames = {40, 41}
    assert list(found.look(frozenset({50, 41}))) == [
        "Driver.host.frames named the driver's pages, and no other number; "
        "page 40 has moved to page 50, and it still names 40 and does not name 50"
    ]
    assert not list(found.look(frozenset({50})))


def test_a_book_that_takes_a_move_for_done_which_failed() -> None:
    driver = Driver()
    found, _ = books(driver)
    found.tried.append((40, 50, False))
    driver.host.frames = {50}
    assert not list(found.look(frozenset({40})))
    driver.host.frames = {50, 41}
    (said,) = found.look(frozenset({40, 41}))
    assert said.endswith("page 40 could not move to page 50, and it still names 50 and does not name 40")


@pytest.mark.parametrize(
    ("frames", "then", "later"),
    [
        ({50}, {50, 41}, set()),  # it follows
        ({40}, {50, 41}, set()),  # the next operation brings it up to date
        ({40}, {40, 41}, {40}),  # what is to be told is noted elsewhere
        ({40, 60}, {40, 60, 41}, set()),  # it names more than pages
        (set(), {41}, set()),  # a cache, from which the move took the old one out
    ],
)
def test_what_is_no_such_book(frames: set[int], then: set[int], later: set[int]) -> None:
    driver = Driver()
    found, _ = books(driver)
    found.tried.append((40, 50, True))
    driver.later = later
    for pages, named in (({50}, frames), ({50, 41}, then)):
        driver.host.frames = named
        assert not list(found.look(frozenset(pages)))


@pytest.mark.parametrize("noted", [[(40, 50)], {40: [50]}, {"name": 40}, {40: 50}])
def test_a_number_that_the_driver_notes_elsewhere_may_be_a_name(noted: object) -> None:
    """What is to be told, or what a page is called since its birth: a table leads to the page, or a word of its own names it."""
    driver: Any = Driver()
    found, _ = books(driver)
    found.tried.append((40, 50, True))
    driver.noted = noted
    for pages, named in (({50}, {40}), ({50, 41}, {40, 41})):
        driver.host.frames = named
        assert not list(found.look(frozenset(pages)))
    again, _ = books(Driver())
    again.tried.append((40, 50, True))
    again.driver.host.frames = {40, 41}
    assert not any(list(again.look(frozenset(pages), words=(40,))) for pages in ({50}, {50, 41}))


def test_a_listing_that_operations_make_anew_is_no_such_book() -> None:
    """It was right in between, and is behind another move now; or it was seen to be right before all was at rest."""
    driver = Driver()
    found, _ = books(driver)
    found.tried.append((40, 50, True))
    assert not list(found.look(frozenset({50})))
    driver.host.frames = {50, 41}
    found.tried.append((41, 42, True))
    assert not list(found.look(frozenset({50, 42})))
    again, _ = books(driver)
    again.tried.append((40, 50, True))
    assert not list(again.look(frozenset({50})))
    driver.host.frames = {50, 41}
    assert not list(again.look(frozenset({50, 41}), at_rest=False))
    assert again.books["host", "frames"].when is None


def test_numbers_that_may_be_slots_and_tables_of_objects_are_none() -> None:
    driver: Any = Driver()
    driver.table, driver.names = {40: Host()}, {40: "a"}
    assert set(number_sets(driver)) == {("host", "frames"), ("ever",), ("later",), ("names",)}
    driver.names[40] = 50
    assert ("names",) not in number_sets(driver, frozenset({50}))
    found = NumberBooks(driver)
    assert not list(found.look(frozenset({1}))) and not found.books


class Forgets(Told):
    """Tells its host of no move."""

    def moved(self, old: int, new: int) -> None:
        pass


STEPS = (
    *(("op", "write", {"slot": slot, "data": b"x"}) for slot in (0, 1, 2)),
    ("op", "drop", {"slot": 0}),
    ("migrate", 0, 2, "any"),
    ("op", "drop", {"slot": 2}),
)  # fmt: skip


@pytest.mark.parametrize("driver", [Told, Forgets])
def test_in_a_program(driver: type[Told]) -> None:
    machine = Machine(RingWorkload, driver, keep=True).run(STEPS)
    assert ("D14" in machine.monitor.broken) == (driver is Forgets)
