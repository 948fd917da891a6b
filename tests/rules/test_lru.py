"""Rules about pages of processes: a recorded move breaks none, and each is broken by an edit of what was recorded."""

from __future__ import annotations

import pytest

from movable import VM
from movable.eras import ERAS
from movable.events import Event
from movable.mm import migrate_lru
from movable.mm.gup import get_user_pages
from movable.mm.mm_types import VM_READ, VM_WRITE
from movable.mm.mmap import do_mmap
from movable.mm.move_pages import UserArray, sys_move_pages
from movable.mm.page_flags import IN_SWAP_CACHE, PRIVATE
from movable.mm.pgtable import PTE_DIRTY, PTE_RW, PTE_SHIFT
from movable.mm.swap import lru_add_drain_all
from movable.mm.userspace import userspace
from movable.rules import lru
from movable.rules.stream.monitor import Monitor
from tests.streams.recorded import Edit, changed, dropped, inserted, judge, renumbered, where

START = 0x100000


def recorded(era: str = "6.1", ends: int = 0) -> list[Event]:
    """A process writes to a page, which moves to the other node and is read there; another page is pinned, and ends on a node."""
    vm = VM(1 << 20, nodes=2, era=era)
    task = userspace(vm).spawn("demo")
    do_mmap(task, START, 2 << 12, VM_READ | VM_WRITE)
    task.write(START, b"here")
    task.write(START + 4096, b"pinned")
    lru_add_drain_all(task.user)
    events: list[Event] = []
    vm.observe(events.append)
    sys_move_pages(task, 0, 1, UserArray([START]), UserArray([1]), UserArray([0]), 2)
    pinned = get_user_pages(task, START + 4096, 1)
    assert isinstance(pinned, list)
    sys_move_pages(task, 0, 1, UserArray([START + 4096]), UserArray([1]), UserArray([0]), 2)
    assert task.read(START, 4) == b"here" and task.mm is not None
    assert vm.pages[task.mm.pgtable[(START >> 12) + 1] >> PTE_SHIFT].node == ends
    return events


STREAM = recorded()


def without(kind: str, number: int = 0) -> Edit:
    return lambda events: dropped(events, where(events, kind, number))


def twice(kind: str) -> Edit:
    def edit(events: list[Event]) -> list[Event]:
        place = where(events, kind)
        return inserted(events, place, events[place])

    return edit


def other(kind: str, **new: object) -> Edit:
    """The first event of a kind with other values."""
    return lambda events: changed(events, where(events, kind), **new)


def late_access(events: list[Event]) -> list[Event]:
    """The process writes to the old page once it has handed its place over."""
    place, first = where(events, "move_mapping"), events[where(events, "access")]
    return inserted(events, place, first._replace(pfn=events[place].pfn, args={**first.args, "write": True}))


def early_access(events: list[Event]) -> list[Event]:
    """And to the new one before it was copied."""
    place, first = where(events, "move_mapping"), events[where(events, "access")]
    return inserted(events, place, first._replace(pfn=events[place].args["newpage"]))


def with_a_reader_behind_the_mappings(events: list[Event]) -> list[Event]:
    """The process looks at the new page as soon as it is mapped, while the move is not over."""
    place, first = where(events, "remove_migration_pte"), events[where(events, "access")]
    return inserted(events, place, first._replace(pfn=events[place].pfn))


def copied_first(events: list[Event], *between: Event) -> list[Event]:
    """The content goes over before the place, as it does in later kernels; ``between`` comes before the place."""
    copies = [event for event in events if event.kind in ("copy_lru_page", "copy_page")]
    rest = [event for event in events if event not in copies]
    place = where(rest, "move_mapping")
    return [*rest[:place], *copies, *between, *rest[place:]]


RESTORED = STREAM[where(STREAM, "remove_migration_pte")].args["pte"]
BREAKS: dict[str, list[Edit]] = {
    "V28": [other("move_mapping", refs=7)],
    "V29": [late_access, early_access],
    "V30": [other("remove_migration_pte", pte=RESTORED & ~PTE_DIRTY), other("remove_migration_pte", pte=RESTORED & ~PTE_RW)],
    "V31": [twice("mod_nr_isolated"), without("mod_nr_isolated", -1)],
    "V41": [without("remove_migration_pte"), without("remove_migration_pte", -1)],
    "V42": [without("putback_lru_page", -1)],
    "V43": [other("copy_lru_page", mapcount=1)],
    "V44": [twice("isolate_lru_page")],
}


def judged(events: list[Event]) -> Monitor:
    return judge(renumbered(events), era="6.1")


def test_what_was_recorded_breaks_nothing_and_exercises_all() -> None:
    monitor = judged(STREAM)
    assert monitor.broken == {}
    assert all(monitor.exercised[rule] for rule in lru.ABOUT_PROCESSES)


@pytest.mark.parametrize("rule", sorted(lru.ABOUT_PROCESSES))
def test_each_edit_breaks_its_rule_alone(rule: str) -> None:
    for edit in BREAKS[rule]:
        assert set(judged(edit(STREAM)).broken) == {rule}


@pytest.mark.parametrize("era", ERAS)
def test_a_core_that_expects_what_it_finds_is_caught(era: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """The judge counts for itself."""
    assert judge(recorded(era), era=era).broken == {}
    monkeypatch.setattr(migrate_lru, "expected_references", lambda mapping, page: page._refcount)
    broken = judge(recorded(era, ends=1), era=era).broken
    assert set(broken) == {"V28"}
    assert "moved with 2 references where 1 are expected" in broken["V28"][0].text


def edited(flags: int, mapping: int, expected: int) -> Event:
    return STREAM[where(STREAM, "move_mapping")]._replace(flags=flags, mapping=mapping, args={"expected": expected})


def test_what_a_page_may_have_is_told_by_the_page() -> None:
    anon, file = 0x41, 0x80
    swap = IN_SWAP_CACHE
    assert [lru.expected_references(edited(flags, anon, 9)) for flags in (0, swap, PRIVATE)] == [1, 2, 1]
    assert [lru.expected_references(edited(flags, file, 9)) for flags in (0, PRIVATE, swap | PRIVATE)] == [2, 3, 3]
    assert [lru.expected_references(edited(*unseen, 9)) for unseen in ((-1, anon), (0, -1))] == [9, 9]


def test_who_copies_first_has_copied() -> None:
    reader = with_a_reader_behind_the_mappings(STREAM)
    assert judged(reader).broken == {} and judged(copied_first(reader)).broken == {}
    by_hand = [event._replace(kind="write_data", args={}) if event.kind == "copy_page" else event for event in reader]
    by_hand = [event for event in by_hand if event.kind != "copy_lru_page"]
    assert judged(by_hand).broken == {}
    assert set(judged([event for event in reader if event.kind not in ("copy_page", "copy_lru_page")]).broken) == {"V29"}


def test_what_is_written_behind_a_copy_is_not_in_it() -> None:
    reader = with_a_reader_behind_the_mappings(STREAM)
    args = {"mm": "other", "vpn": 1, "write": True}
    late = reader[where(reader, "access")]._replace(pfn=reader[where(reader, "move_mapping")].pfn, args=args)
    assert set(judged(copied_first(reader, late)).broken) == {"V29"}
