"""The museum: the kit catches every exhibit of one task by its rule, and finds nothing wrong with its twin."""

from __future__ import annotations

import pytest

from movable.contract.examine import Search
from movable.contract.museum import Exhibit, exhibits

EXHIBITS = {id: one for id, one in exhibits().items() if one.depth == (1, 0)}
EXAMPLES = 250
"""Programs that every exhibit must be caught in; the search ends once it is."""
TWIN_EXAMPLES = 25


def search(one: Exhibit, twin: bool = False) -> Search:
    """The programs of an exhibit, without the certificate."""
    found = Search(one.workload, one.twin if twin else one.broken, one.era, 0, until=frozenset(() if twin else one.rules))
    with one.shown(twin):
        found.go(1000.0, TWIN_EXAMPLES if twin else EXAMPLES)
    return found


@pytest.mark.parametrize("id", EXHIBITS)
def test_the_kit_catches_the_bug_by_its_rule(id: str) -> None:
    one = EXHIBITS[id]
    found = search(one)
    assert set(one.rules) <= found.first.keys(), f"{sorted(found.first)} in {found.examples} examples"


@pytest.mark.parametrize("id", EXHIBITS)
def test_the_twin_holds_every_rule(id: str) -> None:
    found = search(EXHIBITS[id], twin=True)
    assert not found.first
    assert found.examples == TWIN_EXAMPLES
    assert found.callbacks["isolate_page"] > 5
