"""The museum: the kit catches every exhibit by its rule, and finds nothing wrong with its twin."""

from __future__ import annotations

import ast
from pathlib import Path

import pytest

from movable import Page, UsageError
from movable.cli import main
from movable.contract.museum import Exhibit, difference, exhibit, exhibits, folder, patched
from movable.contract.show.museum import caught_text, judge, render_markdown, twin_text
from movable.contract.verdict import HELD
from movable.mm import migrate
from movable.registry.filesystems import is_filesystem
from movable.rules.bugs import BUGS
from movable.rules.table import ALL_RULES as RULES
from movable.sequential.harness import Machine
from movable.sequential.search import Search

EVERY = exhibits()
FILESYSTEMS = [id for id, one in EVERY.items() if is_filesystem(one.broken)]
EXHIBITS = {id: one for id, one in EVERY.items() if one.depth == (1, 0) or id in FILESYSTEMS}
HISTORIC = "Z09 Z11 F01 F02 F03 F06 F08 F09 F16 B01 B03 B08 B09 B12 B14 B15 C02 C04 C06 C07 C09 C12 C13 C15 S01 S03 S04 S07".split()
INVENTED = (
    "N01 N02 N04 N05 N06 N07 N08 N11 N12 N14 N15 N16 N17 N20 N22 N23 N25 N28 N29 N30 N36 N38 N39 N40 N41 N42 N43 N44 N45 N46"
).split()
EXAMPLES = 250
"""Programs in which every exhibit must be caught; the search ends once it is."""
TWIN_EXAMPLES = 20
LONGEST = 80
"""Lines of code that an exhibit may take."""


def search(one: Exhibit, twin: bool = False) -> Search:
    """The programs of an exhibit, without the certificate."""
    driver, until = (one.twin, ()) if twin else (one.broken, one.rules)
    found = Search(one.workload, driver, one.era, 0, until=frozenset(until))
    with one.shown(twin):
        found.go(TWIN_EXAMPLES if twin else EXAMPLES)
    return found


@pytest.mark.parametrize("id", FILESYSTEMS)
def test_the_kit_catches_a_file_system_by_its_rule(id: str) -> None:
    one = EXHIBITS[id]
    broken, twin = judge(one, examples=24), judge(one, examples=24, twin=True)
    assert set(one.rules) <= set(broken.broken), caught_text(one, broken)
    assert not twin.broken, twin_text(one, twin)
    assert twin.callbacks["migratepage"] > 5


@pytest.mark.unmeasured
@pytest.mark.parametrize("id", [id for id in EXHIBITS if id not in FILESYSTEMS])
def test_the_kit_catches_the_bug_by_its_rule(id: str) -> None:
    one = EXHIBITS[id]
    found = search(one)
    assert set(one.rules) <= found.first.keys(), f"{sorted(found.first)} in {found.examples} examples"


@pytest.mark.parametrize("id", [id for id in EXHIBITS if id not in FILESYSTEMS])
def test_the_twin_holds_every_rule(id: str) -> None:
    found = search(EXHIBITS[id], twin=True)
    assert not found.first
    assert found.examples == TWIN_EXAMPLES
    assert found.callbacks["isolate_page"] > 5


@pytest.mark.campaign
@pytest.mark.parametrize("id", EXHIBITS)
def test_at_default_settings_the_bug_is_found_and_the_twin_is_whole(id: str) -> None:
    one = EXHIBITS[id]
    broken = judge(one)
    assert set(one.rules) <= set(broken.broken), caught_text(one, broken)
    twin = judge(one, twin=True)
    assert not twin.broken, twin_text(one, twin)


def test_every_bug_that_needs_no_second_task_is_shown() -> None:
    assert FILESYSTEMS == ["C12", "C15", "S01", "S03", "S04", "S07"]
    assert sorted(EXHIBITS) == sorted(HISTORIC + INVENTED)


@pytest.mark.parametrize("id", EVERY)
def test_an_exhibit_is_complete(id: str) -> None:
    one = EVERY[id]
    assert all((one.id, one.slug, one.layer, one.title, one.fix))
    assert 20 < len(one.story.split()) < 120
    assert set(one.rules) <= RULES.keys()
    assert one.rules
    assert bool(one.year) == (id[0] != "N")
    assert bool(one.kin) == (id[0] == "N")
    assert difference(one), "no difference between the bug and its twin"


@pytest.mark.parametrize("id", [id for id in EXHIBITS if id in BUGS])
def test_an_exhibit_and_the_rule_table_tell_the_same_of_a_bug(id: str) -> None:
    one, bug = EVERY[id], BUGS[id]
    assert (one.slug, one.year, one.commit) == (bug.slug, bug.year, bug.commit)
    for rule in one.rules:
        assert id in RULES[rule].bugs, f"{rule} does not name {id}"


@pytest.mark.parametrize("path", sorted(folder().glob("[!r]*.py")), ids=lambda path: path.stem)
def test_an_exhibit_is_short(path: Path) -> None:
    tree = ast.parse(path.read_text())
    shown = sum(isinstance(node, ast.Call) and ast.unparse(node.func) == "Exhibit" for node in ast.walk(tree))
    assert len(path.read_text().splitlines()) <= LONGEST * max(1, shown)


def test_a_patch_ends_with_its_block() -> None:
    right = migrate.end_isolation

    def wrong(page: Page) -> None:
        raise AssertionError

    with pytest.raises(KeyError), patched({right: wrong}):
        assert migrate.end_isolation is wrong
        raise KeyError
    assert migrate.end_isolation is right
    with pytest.raises(UsageError, match="nowhere"), patched({wrong: right}):
        pass


def test_an_exhibit_is_found_by_id_and_by_slug() -> None:
    assert exhibit("f02") is exhibit("z3-trylock-self") is EVERY["F02"]
    with pytest.raises(UsageError, match=r"did you mean .*F02"):
        exhibit("F020")
    with pytest.raises(UsageError, match="lists all"):
        exhibit("???")


def test_the_command_lists_the_exhibits(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["museum"]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert len(lines) == len(EVERY) + 2
    assert lines[-1].startswith(f"{len(EVERY)} exhibits")


@pytest.mark.unmeasured
def test_the_command_tells_shows_and_replays(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    monkeypatch.setattr("movable.contract.budget.DEFAULT_PROGRAMS", 60)
    monkeypatch.setattr("movable.contract.budget.EXECUTIONS", 200)
    assert main(["museum", "F02"]) == 0
    out = capsys.readouterr().out
    assert "2019, commit be03074c9af2" in out
    assert "+    if not trylock_page(page):" in out
    assert "BROKEN D50 (should): progress" in out
    assert "which is right: no rule is broken." in out
    token = next(line.split()[-1] for line in out.splitlines() if "movable museum F02 m3." in line)
    assert main(["museum", "F02", token]) == 1
    assert "BROKEN D50" in capsys.readouterr().out


def test_a_bug_of_the_core_is_replayed_in_that_core(capsys: pytest.CaptureFixture[str]) -> None:
    broken = judge(EVERY["C04"], 5.0)
    assert main(["museum", "C04", broken.verdicts["V20"].token]) == 1
    capsys.readouterr()
    assert judge(EVERY["C04"], twin=True, examples=3).verdicts["V20"].verdict == HELD


def test_what_is_not_caught_is_said() -> None:
    one = EVERY["N17"]
    missed = judge(one, examples=1)
    assert "NOT CAUGHT D38" in caught_text(one, missed)


def test_the_page_lists_every_exhibit() -> None:
    page = Path(__file__).parents[2] / "docs" / "museum.md"
    again = "python -c 'from movable.contract.show.museum import render_markdown as r; print(r(), end=\"\")' > docs/museum.md"
    assert page.read_text() == render_markdown(), f"write it again: {again}"


def test_the_page_of_what_was_tried_counts_the_exhibits() -> None:
    page = (Path(__file__).parents[2] / "docs" / "reliability.md").read_text()
    assert f"| museum pieces | {len(EVERY)}, " in page
    assert f"| twins of the museum's races | {len(EVERY) - len(EXHIBITS)} twins, " in page


def test_an_unknown_exhibit_is_one_line(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["museum", "Q77"]) == 2
    assert capsys.readouterr().err.count("\n") == 1


def test_pages_given_up_for_a_target_did_not_stop_being_movable() -> None:
    """A balloon that holds nearly all memory shrinks when the core asks for a target."""
    one = EVERY["C07"]
    machine = Machine(one.workload, one.twin).run((("op", "inflate", {"count": 40}),) * 12)
    assert not machine.monitor.broken
    assert machine.monitor.exercised["D50"] >= 8
