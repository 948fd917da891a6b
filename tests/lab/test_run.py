"""Whole runs on small machines: what they do, what they say, and what they find."""

from __future__ import annotations

import json
import random
from pathlib import Path
from typing import Any

import pytest

from movable import GFP_HIGHUSER_MOVABLE, VM
from movable.errors import UsageError
from movable.lab import run as running
from movable.lab.options import Options
from movable.lab.run import main
from movable.lab.state import RunFailed
from movable.lab.steps import busiest_block
from movable.mm.compaction import compact_memory
from tests.lab.broken import Pages

BROKEN = Path(__file__).parent / "broken.py"
SMALL: dict[str, Any] = {"memory": "16M", "nodes": 1}


def record(tmp_path: Path, **options: Any) -> dict[str, Any]:
    """Run quietly and return the JSON record."""
    target = tmp_path / "record.json"
    main(Options(**{**SMALL, "json": str(target), **options}))
    found: dict[str, Any] = json.loads(target.read_text())
    return found


def failure(tmp_path: Path, **options: Any) -> tuple[str, dict[str, Any]]:
    """The message of a run that fails, and its record."""
    target = tmp_path / "record.json"
    with pytest.raises(RunFailed) as caught:
        main(Options(**{**SMALL, "json": str(target), **options}))
    assert "\n" not in str(caught.value)
    found: dict[str, Any] = json.loads(target.read_text())
    assert found["ok"] is False and found["error"] == str(caught.value)
    return str(caught.value), found


def test_a_run_wins_huge_pages_and_loses_nothing(tmp_path: Path) -> None:
    found = record(tmp_path, nodes=2, memory="64M")
    assert found["ok"] and found["error"] == ""
    huge = found["huge_pages"]
    assert huge["got_before"] == 0 and huge["got_after"] == huge["wanted"] > 5
    before, after = (found["zones"][moment] for moment in ("before", "after"))
    assert sum(zone["blocks"] for zone in before) == 0
    assert sum(zone["blocks"] for zone in after) >= huge["wanted"]
    assert all(zone["fragmentation_index"] > 900 for zone in before)
    process = found["process"]
    assert sum(zone["free"] for zone in after) == sum(zone["free"] for zone in before) + process["released"]
    assert all(process[name] > 0 for name in ("frames", "swapped", "migrated", "eagain", "putback", "refused"))
    zsmalloc, balloon = found["drivers"]
    assert zsmalloc["migrated"] > 100 and balloon["migrated"] > 1000
    assert found["vmstat"]["movable_migrated"] == zsmalloc["migrated"] + balloon["migrated"]
    assert found["offline"]["ret"] == 0 and found["offline"]["pages"] > 0
    assert found["check"] == {"read": found["data"]["stored"], "equal": found["data"]["stored"], "lost": []}
    assert found["data"]["discarded"] > 0
    assert found["not_returned"] == 0


def test_the_counts_are_those_of_the_core(tmp_path: Path) -> None:
    found = record(tmp_path, drivers=f"zsmalloc,balloon,{BROKEN}:Pinned")
    stat = found["vmstat"]
    for column, counter in (("isolated", "movable_isolated"), ("migrated", "movable_migrated"), ("putback", "movable_putback")):
        assert sum(driver[column] for driver in found["drivers"]) == stat[counter]
    assert stat["balloon_migrate"] == found["drivers"][1]["migrated"]
    assert found["drivers"][2]["refused"] > 0 and found["drivers"][2]["isolated"] == 0


def test_a_driver_that_always_says_again_costs_retries_but_no_data(tmp_path: Path) -> None:
    found = record(tmp_path, drivers=f"zsmalloc,{BROKEN}:Again")
    again = found["drivers"][1]
    assert again["migrated"] == 0 and again["eagain"] == 10 * again["isolated"] == 10 * again["putback"] > 0
    assert found["vmstat"]["migrate_retries"] == sum(one["eagain"] for one in (found["process"], *found["drivers"]))
    assert found["huge_pages"]["got_after"] == 0
    assert found["ok"] and found["offline"]["ret"] == -4


@pytest.mark.parametrize("name", ["Pages", "Late", "Removable"])
def test_a_driver_of_somebody_else_takes_part(name: str, tmp_path: Path) -> None:
    found = record(tmp_path, drivers=f"zsmalloc,{BROKEN}:{name}")
    other = found["drivers"][1]
    assert other["name"] == name and other["frames"] > 500 and other["migrated"] > 100
    assert found["not_returned"] == 0 and found["ok"]


def test_an_idle_driver_is_only_loaded(tmp_path: Path) -> None:
    found = record(tmp_path, drivers=f"zsmalloc,{BROKEN}:Idle")
    assert found["drivers"][1]["frames"] == 0 and found["ok"]


def test_a_driver_of_higher_order_takes_part_and_its_unmarked_frames_are_known(tmp_path: Path) -> None:
    found = record(tmp_path, memory="64M", drivers=f"zsmalloc,{BROKEN}:Blocks", svg=str(tmp_path / "map.svg"))
    frames = found["drivers"][1]["frames"]
    assert found["ok"] and frames > 1000 and frames % 64 == 0 and found["drivers"][1]["migrated"] == 0
    assert "Blocks" in (tmp_path / "map.svg").read_text()


def test_frames_that_a_driver_leaks_are_counted_and_fail_the_run(tmp_path: Path) -> None:
    message, found = failure(tmp_path, drivers=f"{BROKEN}:Leaky")
    assert message.startswith("3 frames did not come back when the drivers went: one of them leaks pages; ")
    assert found["not_returned"] == 3


@pytest.mark.parametrize("name", ["KeepsOne", "MarksLater"])
@pytest.mark.parametrize("others", ["", "zsmalloc,", f"{BROKEN}:Removable,"])
def test_unmarked_pages_of_a_driver_that_stays_are_no_leak(name: str, others: str, tmp_path: Path) -> None:
    found = record(tmp_path, drivers=f"{others}{BROKEN}:{name}")
    assert found["not_returned"] == 0 and found["ok"] and found["drivers"][-1]["migrated"] > 100


@pytest.mark.parametrize("others", ["", f"{BROKEN}:MarksLater,"])
def test_pages_that_get_lost_after_memory_was_full_are_a_leak(others: str, tmp_path: Path) -> None:
    message, found = failure(tmp_path, drivers=f"{others}{BROKEN}:KeepsOneAndLeaks")
    assert message.startswith("3 frames did not come back") and found["not_returned"] == 3


def test_what_is_still_isolated_was_not_released(tmp_path: Path) -> None:
    """A callback that raises ends the run while compaction holds pages."""
    _, found = failure(tmp_path, drivers=f"zsmalloc,{BROKEN}:Raises")
    for counter in ("released", "still_isolated"):
        assert all(counter in driver for driver in found["drivers"])
    assert found["vmstat"]["movable_released_isolated"] == sum(driver["released"] for driver in found["drivers"]) == 0
    for driver in found["drivers"]:
        assert driver["still_isolated"] == driver["isolated"] - driver["migrated"] - driver["putback"]
    assert found["drivers"][1]["still_isolated"] > 0


def test_warnings_of_the_core_are_shown(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    found = record(tmp_path, drivers=f"{BROKEN}:SetsIsolated")
    assert len(found["warnings"]) == found["drivers"][0]["isolated"] > 100
    assert found["warnings"][0].startswith("D30: page ") and found["ok"]
    (line,) = (line for line in capsys.readouterr().out.splitlines() if "warnings" in line)
    assert line == f"  warnings of the core           {len(found['warnings'])}, the first: {found['warnings'][0]}"


def test_warnings_of_a_run_that_fails_are_shown_too(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    _, found = failure(tmp_path, drivers=f"{BROKEN}:SetsIsolated,{BROKEN}:RemoveRaises")
    assert found["warnings"] and "  warnings of the core           " in capsys.readouterr().out


def test_without_a_store_there_is_no_data(tmp_path: Path) -> None:
    found = record(tmp_path, drivers="balloon")
    assert found["data"] is None and found["check"] is None and found["ok"]


def test_two_stores_share_the_data(tmp_path: Path) -> None:
    found = record(tmp_path, drivers=f"zsmalloc,balloon,{Path(__file__).parent / 'second_store.py'}:Second")
    first, _, second = found["drivers"]
    assert first["frames"] > 50 and second["frames"] > 50
    assert found["check"]["equal"] == found["data"]["pages"]


# what goes wrong


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("ReturnsNone", "while compacting: D23: ReturnsNone.migratepage: returned None; it must return 0 or a negative errno"),
        ("Raises", "while compacting: D23: Raises.migratepage: raised KeyError: 'no such page' at broken.py:"),
        ("Exits", "while compacting: D23: Exits.migratepage: raised SystemExit: 0 at broken.py:"),
        ("IsolatesWithOne", "while compacting: D8: IsolatesWithOne.isolate_page: returned 1; it must return True or False"),
        ("PutbackRaises", "while compacting: D32: PutbackRaises.putback_page: raised ValueError: not mine"),
        ("RemoveRaises", "while removing the drivers: ZeroDivisionError; "),
        ("RemoveExits", "while removing the drivers: SystemExit: 0"),
        ("RemoveQuits", "while removing the drivers: Quits: for good; "),
        ("ReaderLeft", "while removing the drivers: BrokenPipeError: [Errno 32] Broken pipe; "),
        ("KeepsALock", "is locked and nobody is at work"),
    ],
)
def test_a_driver_that_fails_is_named_and_the_data_checked(name: str, message: str, tmp_path: Path) -> None:
    text, found = failure(tmp_path, drivers=f"zsmalloc,{BROKEN}:{name}")
    assert message in text
    assert text.endswith(f"; stored data is intact: {found['data']['stored']} pages read back and equal")
    assert found["check"]["equal"] == found["data"]["stored"] > 0


@pytest.mark.parametrize(
    "name", ["PopulateRaises", "PopulateExits", "PopulateQuits", "PopulateReturnsNone", "PopulateReturnsTooMany"]
)
def test_a_driver_that_cannot_fill_is_named(name: str, tmp_path: Path) -> None:
    text, _ = failure(tmp_path, drivers=f"{BROKEN}:{name}")
    assert text.startswith(f"while filling memory: {name}.populate r") and text.endswith("; nothing was stored")
    assert ": ;" not in text


def test_a_driver_that_corrupts_is_found_and_the_loss_listed(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    text, found = failure(tmp_path, drivers=f"{BROKEN}:Corrupts,balloon", memory="32M")
    lost = found["check"]["lost"]
    assert lost and found["check"]["equal"] == found["data"]["stored"] - len(lost)
    assert text.startswith(f"stored data is lost: {len(lost)} of {found['data']['stored']} pages: page {lost[0]['page']} (")
    printed = [line for line in capsys.readouterr().out.splitlines() if line.startswith("  lost: ")]
    assert len(printed) == len(lost)
    for line, entry in zip(printed, lost, strict=True):
        assert f"page {entry['page']} ({entry['file']}, bytes {entry['first_byte']} to {entry['last_byte']})" in line


def test_a_driver_that_corrupts_and_then_raises_is_found_too(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    text, found = failure(tmp_path, drivers=f"{BROKEN}:CorruptsAndRaises,balloon", memory="32M")
    assert text.startswith("while compacting: D23: ") and "RuntimeError: enough" in text
    assert f"; stored data is lost: {len(found['check']['lost'])} of " in text
    assert "  lost: page " in capsys.readouterr().out


def test_a_store_whose_reader_quits_has_lost_its_data(tmp_path: Path) -> None:
    text, found = failure(tmp_path, drivers=f"{BROKEN}:ReadQuits,balloon", memory="32M")
    assert text.startswith("stored data is lost: ")
    assert {entry["what"] for entry in found["check"]["lost"]} == {"cannot be read: Quits: unreadable"}


def test_a_machine_that_does_not_add_up_is_a_failure(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def compact_and_lose(vm: Any) -> None:
        compact_memory(vm)
        vm.zones[0].nr_free -= 7

    monkeypatch.setattr("movable.lab.steps.compact_memory", compact_and_lose)
    text, _ = failure(tmp_path)
    assert "while checking the machine: zone Normal of node 0: nr_free says " in text


def test_bad_input_is_found_before_anything_runs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(running, "_perform", lambda *arguments: pytest.fail("the run began"))
    big = tmp_path / "big"
    big.write_bytes(bytes(range(1, 256)) * 4)
    noise = tmp_path / "noise"
    noise.write_bytes(random.Random(0).randbytes(9 << 20))
    for options, message in (
        ({"input": str(tmp_path / "none")}, "cannot read"),
        ({"input": str(big), "drivers": "balloon"}, "--input needs a driver to store data with; add zsmalloc to --drivers"),
        ({"input": str(noise)}, "--memory 16M is too small for the data: 9 MiB need 9 MiB in the store"),
        ({"drivers": f"{BROKEN}:NotMade"}, "failed: RuntimeError: not today"),
        ({"drivers": f"{BROKEN}:ExitsWhenMade"}, "failed: SystemExit: 0"),
        ({"drivers": f"{BROKEN}:QuitsWhenMade"}, "failed: Quits: at once"),
    ):
        with pytest.raises(UsageError) as caught:
            main(Options(**{**SMALL, **options}))
        assert message in str(caught.value)


def test_the_memory_that_is_asked_for_is_enough(tmp_path: Path) -> None:
    noise = tmp_path / "noise"
    noise.write_bytes(random.Random(0).randbytes(9 << 20))
    with pytest.raises(UsageError) as caught:
        main(Options(**SMALL, input=str(noise)))
    size = str(caught.value).rpartition("use --memory ")[2].removesuffix(" or more")
    found = record(tmp_path, memory=size, input=str(noise))
    assert found["ok"] and found["data"]["stored"] == (9 << 20) // 4096 == found["data"]["incompressible"]


# the memory block that goes offline


def test_the_busiest_block_has_nothing_that_cannot_move() -> None:
    vm = VM(16 << 20, pageblock_order=9)
    driver = Pages(vm)
    owners = {driver.mapping.addr: 6}
    assert busiest_block(vm, 512, owners) == (0, 0)
    driver.populate(700)  # of the last 1024 frames, from below
    assert busiest_block(vm, 512, owners) == (3072, 512)
    assert busiest_block(vm, 1024, owners) == (3072, 700)
    kept = vm.alloc_page(GFP_HIGHUSER_MOVABLE)
    assert kept is not None and kept.pfn >= 3584
    assert busiest_block(vm, 1024, owners) == (0, 0)
    while vm.zones[0].nr_free > vm.zones[0].watermark[0] and vm.alloc_page(GFP_HIGHUSER_MOVABLE) is not None:
        pass
    assert busiest_block(vm, 4096, owners) == (-1, 0)
