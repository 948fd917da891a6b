"""The table of docs/fidelity.md: what badmov.c breaks on the model, and in recordings of a real kernel."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from movable.trace.judge.conformance import check_trace
from tests.c.test_badmov import LEGAL, WRONG

ROOT = Path(__file__).parents[2]
RECORDED = (0, 1, 2, 5, 8, 9, 10, 11, 14, 16, 21)


def rows() -> dict[int, tuple[set[str], set[str]]]:
    """By mode: rules of the model, and of the recording."""
    page = (ROOT / "docs" / "fidelity.md").read_text().partition("## One C source in two worlds")[2].partition("badball.c")[0]
    found: dict[int, tuple[set[str], set[str]]] = {}
    for line in page.splitlines():
        cells = [cell.strip() for cell in line.strip("|").split("|")]
        if re.fullmatch(r"\d+(, \d+)*", cells[0]):
            for mode in cells[0].split(", "):
                found[int(mode)] = (set(re.findall(r"D\d+", cells[2])), set(re.findall(r"D\d+", cells[3])))
    return found


def test_the_table_says_what_the_tests_of_the_model_say() -> None:
    table = rows()
    assert sorted(table) == list(range(23))
    for mode, rules in WRONG.items():
        assert table[mode][0] == rules, mode
    assert all(table[mode][0] <= {"D25"} for mode in LEGAL)


@pytest.mark.parametrize("mode", RECORDED)
def test_the_table_says_what_the_recording_says(mode: int) -> None:
    result = check_trace(str(ROOT / "tests" / "data" / "traces" / "bad" / f"mode_{mode:02}" / "trace.txt.gz"))
    assert set(result.broken) == rows()[mode][1]
