"""The museum's pieces in C: each bug beside its cure, and what the kit says of both."""

from __future__ import annotations

import pytest

from movable.contract.examine import check
from movable.contract.museum import exhibit, piece_in_c
from movable.contract.show.museum import story_text
from movable.rules.table import RULES
from tests.c.building import needs_compiler

PIECES = {"Z01": {"D35", "D46", "D53"}, "F01B": {"D46", "D53"}, "B05": {"D18", "D46", "D53"}, "B17": {"D46", "D53"}}
"""Exhibits, and rules that fit what is wrong in them: one must be broken, and told with a line of C."""
UNTIL = {"Z01": "D35"}
"""The rule after which a search may end, where it is not D53."""


@needs_compiler
@pytest.mark.parametrize("id", PIECES)
def test_the_bug_is_caught_in_c(id: str) -> None:
    path = piece_in_c(exhibit(id))
    report = check(f"{path}:-DBROKEN", examples=3, executions=160, era="6.1", until={UNTIL.get(id, "D53")})
    assert report.refused == ""
    found = sorted(set(report.broken) & PIECES[id])
    assert found, report.broken
    verdict = report.verdicts[found[0]]
    assert f"{id.lower()}.c:" in f"{verdict.what} {verdict.lanes}"


@needs_compiler
@pytest.mark.parametrize("id", PIECES)
def test_the_cure_is_right_in_c(id: str) -> None:
    report = check(str(piece_in_c(exhibit(id))), examples=2, executions=20, era="6.1")
    assert report.refused == ""
    assert [(rule, report.verdicts[rule].what) for rule in report.broken if RULES[rule].level == "must"] == []


def test_the_story_names_the_piece() -> None:
    assert "z01.c:-DBROKEN" in story_text(exhibit("Z01"))
    assert "in C:" not in story_text(exhibit("F02"))
