"""One page's life: what the table, the picture and the record say is what happened."""

from __future__ import annotations

import json
from pathlib import Path
from xml.etree import ElementTree

import pytest

from movable.cli import main
from movable.eras import ERAS
from movable.mm.migrate import step_order
from movable.numa.steps import ENTRY, KINDS, NEW, OLD, Life, follow, table
from movable.numa.steps_svg import picture

ROOT = Path(__file__).parents[2]


def test_a_page_of_a_file_from_the_old_frame_to_the_new_one() -> None:
    rows = follow().rows
    assert [row.step for row in rows] == [0, *range(1, 17), 19, 20]
    at = {row.step: row for row in rows}
    assert [step for step in at if at[step].table == ENTRY] == [*range(4, 16)]
    assert [step for step in at if at[step].tree == NEW] == [*range(9, 17), 19, 20]
    assert [step for step in at if at[step].old.refs == 0] == [7, 8, 9]
    assert [step for step in at if at[step].old.locked] == [*range(1, 17)]
    assert [step for step in at if at[step].new.locked] == [*range(3, 17)]
    assert [step for step in at if at[step].new.content] == [*range(12, 17), 19, 20]
    assert (at[0].old.refs, at[0].new.refs, at[20].old.refs, at[20].new.refs) == (3, 1, 1, 2)


@pytest.mark.parametrize("era", ERAS)
@pytest.mark.parametrize("kind", KINDS)
def test_every_kind_moves_in_the_order_of_its_era(kind: str, era: str) -> None:
    life = follow(kind, era)
    without = {5, 7, 9, 10, 11} if kind == "anon" else set()
    assert life.status == 1 and life.attempts == 1
    assert [row.step for row in life.rows[1:]] == [step for step in step_order(ERAS[era]) if step not in without]
    assert life.rows[-1].table == NEW and life.rows[-1].old.refs == 1


@pytest.mark.parametrize("era", ERAS)
@pytest.mark.parametrize("kind", KINDS)
def test_a_pinned_page_stays(kind: str, era: str) -> None:
    life = follow(kind, era, pinned=True)
    assert life.status == 0 and life.attempts == 10
    counted = 4 if kind == "buffers" and ERAS[era].buffers_count_first else 6  # from 5.0 on before the tree is locked
    assert [row.step for row in life.rows[-2:]] == [counted, 16] and life.rows[-1].table == OLD and not life.rows[-1].new.content
    assert list(table(life))[-1] == "A reference too many: the page stays on node 0. It was tried 10 times."


def test_the_picture_of_the_documentation_is_that_of_a_run() -> None:
    assert (ROOT / "docs" / "migration.svg").read_text() == picture(follow()), "movable numa steps --svg docs/migration.svg"


def words(life: Life) -> list[str]:
    return [element.text or "" for element in ElementTree.fromstring(picture(life)).iter() if element.tag.endswith("}text")]


def test_the_picture_says_what_the_rows_say() -> None:
    life = follow("anon")
    found = words(life)
    assert [word for word in found if word.isdigit()] == [str(row.step) for row in life.rows if row.step]
    assert "tree" not in found and found.count("entry") == sum(row.table == ENTRY for row in life.rows)
    assert "tree" in words(follow("swap"))


def test_the_command(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    drawn, record = tmp_path / "life.svg", tmp_path / "life.json"
    assert main(["numa", "steps", "--page", "swap", "--era", "6.1", "--svg", str(drawn), "--json", str(record)]) == 0
    life = follow("swap", "6.1")
    assert capsys.readouterr().out.splitlines() == list(table(life))
    assert drawn.read_text() == picture(life)
    written = json.loads(record.read_text())
    assert written["rows"][0] == {
        "step": 0, "what": "before", "table": "old", "tree": "old", "old": {"refs": 3, "locked": False, "content": True},
        "new": {"refs": 1, "locked": False, "content": False},
    }  # fmt: skip
    assert main(["numa", "steps", "--json", "-"]) == 0
    shown = json.loads(capsys.readouterr().out)
    assert (shown["schema"], shown["attempts"]) == ("movable.numa.steps/1", 1)


@pytest.mark.parametrize("wrong", [("--page", "huge"), ("--era", "5.0"), ("--svg", "/nowhere/at/all.svg")])
def test_bad_input_is_one_line(wrong: tuple[str, str], capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["numa", "steps", *wrong]) == 2
    error = capsys.readouterr().err
    assert error.count("\n") == 1 and wrong[1].split("/")[-1] in error
