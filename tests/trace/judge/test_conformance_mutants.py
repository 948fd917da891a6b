"""Hundreds of mutants of correct traces: caught by a rule, noticed as a hole in the recording, or passed for a known reason."""

from __future__ import annotations

from collections import Counter
from pathlib import Path

import pytest

from movable.trace.judge.conformance import check_trace
from tests.trace.mutants import BASES, LONGER, REASONS, judge, mutants, reason, window

DOCS = Path(__file__).parents[3] / "docs" / "tracing.md"
CAUGHT, NOTICED, PASSED = "caught", "noticed", "passed"


def fates(seed: int, each: int, folder: Path) -> dict[tuple[str, str], Counter[str]]:
    """What became of the mutants, by kind of mutation and event."""
    found: dict[tuple[str, str], Counter[str]] = {}
    for mutant in mutants(seed, each):
        result = judge(mutant, folder)
        fate = CAUGHT if result.broken else NOTICED if result.holes else PASSED
        found.setdefault((mutant.kind, mutant.event), Counter())[fate] += 1
        assert fate != PASSED or reason(mutant), f"{mutant.kind} of {mutant.event} at {mutant.base}:{mutant.line} passed"
    return found


@pytest.mark.parametrize(("name", "first", "count"), BASES)
def test_bases_are_right(name: str, first: int, count: int, tmp_path: Path) -> None:
    path = tmp_path / "t.txt"
    path.write_text("\n".join(window(name, first, count)) + "\n", encoding="latin-1")
    result = check_trace(str(path))
    assert not result.broken and not result.holes


@pytest.mark.unmeasured
def test_mutants(tmp_path: Path) -> None:
    found = fates(1, 1, tmp_path)
    total = sum((counter for counter in found.values()), Counter())
    assert total.total() > 100
    for event in ("isolate_page", "migrate_page", "putback_page"):
        for kind in ("drop", "double", "alter lock bit", "alter isolated bit"):
            assert not found[kind, event][PASSED]
        for kind in ("drop", "double", "other task"):
            assert f"{event}_ret" not in {e for (k, e), fate in found.items() if k == kind and fate[PASSED]}
    assert not found["alter tag in the mapping", "set_page_movable"][PASSED]
    assert not found["free twice", "folio_put_final"][PASSED]
    assert {event for kind, event in found if kind == "keep a reference"} == set(LONGER) - {"folio_put_final"}
    assert not found["alter ret to positive", "migrate_page_ret"][PASSED]


@pytest.mark.campaign
def test_many_mutants(tmp_path: Path) -> None:
    fates(2, 40, tmp_path)


def test_the_documentation_names_every_reason() -> None:
    text = " ".join(DOCS.read_text().split())
    assert not [why for _, _, _, why in REASONS if why not in text]


def test_the_same_seed_gives_the_same_mutants() -> None:
    assert list(mutants(5, 1)) == list(mutants(5, 1)) != list(mutants(6, 1))
