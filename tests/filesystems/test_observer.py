"""File systems with ways of their own: no right one is blamed, and a wrong one by its rule."""

from __future__ import annotations

import pytest

from movable.contract.budget import Budget
from movable.contract.filesystem import check_filesystem
from movable.errors import UsageError, VMBug
from movable.filesystems import program
from movable.filesystems.observer import rule_of
from movable.filesystems.scenarios import explored
from movable.registry import validate
from movable.rules.stream import monitor
from movable_filesystems import Blockfs
from tests.drivers_for_tests.strange_filesystems import (
    CopiesByHand,
    CopiesFirst,
    CopiesUnasked,
    CutOffByTheCore,
    Drops,
    FreesBuffers,
    GivesUpByHand,
    HoldsASpinLock,
    KeepsOthersOut,
    LeadsBack,
    LeavesALock,
    LeavesTheFirst,
    LeftToTheCore,
    LosesItByHand,
    Releases,
    Shelf,
    ShowsWhatWasCutOff,
    Unlocked,
    UnlockedWhereItMayWait,
    WaitsForOthers,
    WritesAndLeaves,
    WritesItself,
)


def broken(fs: type, era: str) -> list[str]:
    return check_filesystem(fs, era, 0, Budget(len(program.OPENING) + 6, 0, None), {}, isolate=False).broken


RIGHT = (Shelf, LeftToTheCore, WritesItself, CopiesFirst, CopiesByHand, Releases, FreesBuffers, GivesUpByHand, KeepsOthersOut)


@pytest.mark.parametrize("era", ["4.19", "7.3"])
@pytest.mark.parametrize("fs", RIGHT)
def test_a_right_one_is_not_blamed(fs: type, era: str) -> None:
    validate(fs, fs.__name__)
    assert broken(fs, era) == []
    outcome = explored(fs, era, ("move", "store"), 12, 0)
    assert not outcome.rule, outcome


@pytest.mark.parametrize(
    ("fs", "rule"),
    [
        (Drops, "F6"), (Unlocked, "F10"), (LeadsBack, "F6"), (LeavesALock, "F15"), (LosesItByHand, "F14"), (CutOffByTheCore, "F14"),
        (WaitsForOthers, "F8"), (HoldsASpinLock, "F9"), (LeavesTheFirst, "F15"),
    ],
)  # fmt: skip
def test_a_wrong_one_is_named(fs: type, rule: str) -> None:
    assert broken(fs, "6.1") == [rule]


def test_a_write_that_is_begun_and_not_waited_for_keeps_its_buffers_locked() -> None:
    assert broken(WritesAndLeaves, "4.19") == []
    assert broken(WritesAndLeaves, "7.3") == ["F10"]


class KeepsItsBlocks(Blockfs):
    """F2, beside a disk: the blocks of what was cut off still belong to the file."""

    truncate = None  # type: ignore[assignment]


@pytest.mark.parametrize("fs", [KeepsItsBlocks, ShowsWhatWasCutOff])
def test_who_shows_what_was_cut_off_is_named(fs: type) -> None:
    found = program.run(fs, "6.1", program.OPENING[-1])
    assert (found.rule, found.what) == ("F2", "page 1 of /file0 reads as write 2; zeros was written last")
    assert broken(fs, "6.1")[0] == "F2"


def test_who_writes_into_a_buffer_under_its_lock_is_heard() -> None:
    assert not explored(Blockfs, "6.1", ("move", "hold"), 60, 0).rule
    assert explored(UnlockedWhereItMayWait, "6.1", ("move", "hold"), 60, 0).rule == "F2"
    assert broken(UnlockedWhereItMayWait, "6.1") == []


def test_who_writes_through_a_pin_is_heard() -> None:
    """The page is copied, the device writes its data and lets go, and then nothing is in the way."""
    assert explored(CopiesUnasked, "6.1", ("move", "dma"), 60, 0).rule == "F2"
    for fs in (CopiesFirst, Blockfs):
        assert not explored(fs, "7.3", ("move", "dma"), 60, 0).rule, "a page that is written to by another lost no dirty flag"


class Odd(Exception):
    """Says of its rule what no model does."""

    def __init__(self, rule: object) -> None:
        self.rule = rule


class Mute(Exception):
    @property
    def rule(self) -> str:
        raise ValueError("it has none")


@pytest.mark.parametrize("error", [Odd([]), Odd("F99"), Odd("F10"), Odd(None), Mute(), VMBug([], "x", "y"), KeyError("F10")])  # type: ignore[arg-type]
def test_an_exception_that_calls_anything_its_rule_breaks_the_one_against_exceptions(error: BaseException) -> None:
    assert rule_of(error) in ("F1", "F2")
    assert monitor.rule_of(error) == "D52"


@pytest.mark.parametrize(
    ("names", "words"),
    [
        (("read_folio",), "Meant.read_folio is never called; a file system calls it readpage"),
        (("migratepage", "releasepage"), "Meant has releasepage and no readpage"),
        (("write_page",), "Meant has write_page and no readpage"),
        (("migratepage",), "has no isolate_page"),
    ],
)
def test_who_seems_to_mean_a_file_system_is_told_what_it_needs(names: tuple[str, ...], words: str) -> None:
    meant = type("Meant", (), dict.fromkeys(names, lambda self, *arguments: 0))
    with pytest.raises(UsageError, match=words):
        validate(meant, "Meant")
