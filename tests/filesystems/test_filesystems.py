"""Each F rule is broken by a file system that breaks it, and held by those that are right."""

from __future__ import annotations

import importlib
import inspect
from pathlib import Path

import pytest

from movable.contract import certify, check
from movable.contract.budget import Budget
from movable.contract.filesystem import check_filesystem
from movable.contract.new.scaffold import TEMPLATES_FILESYSTEM, scaffold
from movable.contract.report import Report, text, to_json
from movable.contract.show.replay import replay
from movable.contract.show.rules import rule_text, rules_text
from movable.contract.verdict import BROKEN, HELD, WAIVED
from movable.errors import UsageError
from movable.filesystems import program, scenarios
from movable.filesystems.observer import Observer
from movable.registry import find
from movable.registry.filesystems import OPERATIONS
from movable.rules.rule import LEVELS
from movable.rules.table import FILESYSTEM_RULES, RULES, render_markdown, rule
from movable_filesystems import Blockfs, Ramfs
from tests.drivers_for_tests import bad_filesystems
from tests.drivers_for_tests.bad_filesystems import Budgeted, Raises


def searched(fs: type, programs: int, era: str = "6.1", executions: int = 0, waive: dict[str, str] | None = None) -> Report:
    return check_filesystem(fs, era, 0, Budget(programs, executions, None), waive or {}, isolate=False)


@pytest.mark.parametrize("id", FILESYSTEM_RULES)
def test_a_file_system_that_breaks_it_is_named(id: str) -> None:
    report = searched(getattr(bad_filesystems, id), len(program.OPENING))
    assert id in report.broken
    verdict = report.verdicts[id]
    again = replay(f"tests.drivers_for_tests.bad_filesystems:{id}", verdict.token, era="6.1")
    assert again.broken == [id]
    assert verdict.what in again.lines()[-1]
    assert report.passed() == (FILESYSTEM_RULES[id].level != "must")


@pytest.mark.parametrize("era", ["4.19", "6.1", "6.17", "7.3"])
@pytest.mark.parametrize("fs", [Blockfs, Ramfs, Budgeted])
def test_a_right_one_holds_them_all(fs: type, era: str) -> None:
    report = searched(fs, 40, era)
    assert not report.broken, text(report)
    exercised = {id for id, found in report.verdicts.items() if found.verdict == HELD}
    assert exercised >= set(FILESYSTEM_RULES) - {"F9", "F11", "F16"}
    if fs is Blockfs:
        assert report.count(HELD) == len(FILESYSTEM_RULES)


def test_what_raises_breaks_f1() -> None:
    assert searched(Raises, 1).broken == ["F1"]


def test_a_rule_is_whole() -> None:
    assert list(FILESYSTEM_RULES) == [f"F{number}" for number in range(1, 17)]
    assert not FILESYSTEM_RULES.keys() & RULES.keys()
    page = render_markdown()
    for id, found in FILESYSTEM_RULES.items():
        room, _, name = found.judged_by.partition(":")
        code: object = importlib.import_module(f"movable.{room}")
        for part in name.split("."):
            code = getattr(code, part)
        assert f'"{id}"' in inspect.getsource(code), id  # type: ignore[arg-type]
        assert found.level in LEVELS
        assert found.scope == "file system"
        assert f"### {id}\n" in page
        assert "binds file systems" in rule_text(id)
        assert f"\n{id} " in rules_text()
    assert rule("f12") is FILESYSTEM_RULES["F12"]


def test_operations_are_those_of_the_core() -> None:
    from movable.mm.fs import FileOperations

    assert FileOperations._fields == OPERATIONS
    assert {"migratepage", "releasepage", "invalidatepage"} <= vars(Observer).keys()


def test_a_waiver_excuses_what_is_broken_and_nothing_else() -> None:
    report = searched(bad_filesystems.F12, 8, waive={"F12": "it is lazy"})
    assert report.verdicts["F12"].verdict == WAIVED
    report = searched(Ramfs, 8, waive={"F12": "it is lazy"})
    assert report.verdicts["F12"].verdict == BROKEN
    assert report.verdicts["F12"].stale
    with pytest.raises(UsageError, match="D17 binds no file system"):
        check(Ramfs, waive={"D17": "why"}, examples=1)


def test_interleavings_find_a_write_that_is_lost() -> None:
    """A copy before the page is taken from those who map it is right alone, and loses a write beside one."""
    assert searched(Ramfs, 0, executions=4).executions == 4
    report = searched(Ramfs, 0, executions=15)
    assert not report.broken
    assert [one.name for one in report.scenarios][:2] == ["move || write", "move || store"]
    assert all(one.executions for one in report.scenarios)
    assert len(scenarios.SCENARIOS) == 15


def test_it_is_checked_in_a_process_of_its_own() -> None:
    report = check("tests.drivers_for_tests.bad_filesystems:F6", examples=3, executions=0, era="6.1")
    assert report.broken == ["F6"]
    assert to_json(report)["callbacks"]["readpage"] > 0
    assert " migratepage" in report.summary and "migrate_page" not in report.summary  # its name in every era
    assert "movable replay --era 6.1 tests.drivers_for_tests.bad_filesystems:F6 m3." in text(report)


@pytest.mark.parametrize("token", ["", "m3.", "m3.AAAA", "f1.AAAA", "m1.x", "f1." + "A" * 9000, program.encode([("read", (9, 9))])])
def test_a_bad_token_is_refused(token: str) -> None:
    with pytest.raises(UsageError, match="token"):
        program.decode(token)


def test_a_new_one_is_right_as_it_is_written(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    written = scaffold("my-files", tmp_path, TEMPLATES_FILESYSTEM)
    monkeypatch.syspath_prepend(str(tmp_path / "my-files" / "src"))
    fs = find("my_files:MyFiles")
    assert {path.name for path in written} >= {"filesystem.py", "pyproject.toml", "test_my_files.py"}
    certificate = certify(fs, examples=20, executions=12)
    assert certificate.is_filesystem
    assert list(certificate.rules) == list(FILESYSTEM_RULES)
    report = certificate.report
    assert report.count(HELD) == len(FILESYSTEM_RULES), text(report)


def test_a_program_comes_back_from_its_token() -> None:
    for number in range(30):
        steps = program.draw(7, number)
        assert program.decode(program.encode(steps)) == steps
