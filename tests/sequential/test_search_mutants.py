"""Right drivers under other names, with idle locks, helpers, second references and pins: no must or should is held against them."""

from __future__ import annotations

import pytest

from movable.rules.rule import MAY
from movable.rules.table import RULES
from movable.sequential.search import Search
from tests.drivers_for_tests.mutate import CHANGES, DOCUMENTED, mutant, origins

ORIGINS = origins()


def blamed(origin_number: int, seed: int, examples: int) -> list[str]:
    """The rules that a mutant breaks, and what it is."""
    origin = ORIGINS[origin_number % len(ORIGINS)]
    with origin.shown():
        workload, factory, said = mutant(origin, seed)
        search = Search(workload, factory, origin.era, seed)
        search.go(examples)
    return [f"{id}: {origin.name}, seed {seed}: {'; '.join(said)}" for id in search.first if RULES[id].level != MAY]


@pytest.mark.parametrize("seed", range(8))
def test_a_mutant_of_a_right_driver_is_not_blamed(seed: int) -> None:
    assert not blamed(seed, seed, 4)


def test_a_seed_makes_the_same_mutant_again() -> None:
    assert mutant(ORIGINS[0], 3)[2] == mutant(ORIGINS[0], 3)[2]


def test_every_change_is_made() -> None:
    tried = [*ORIGINS, *ORIGINS[: len(DOCUMENTED)] * 8]  # some changes are for drivers in one file
    said = " ".join(part for seed, origin in enumerate(tried) for part in mutant(origin, seed)[2])
    assert len(CHANGES) == 6
    for words in ("renamed", "reordered", "idle locks", "copies of lists", "in a helper", "a second reference", "pinned"):
        assert words in said


@pytest.mark.campaign
def test_thousands_of_mutants_are_not_blamed() -> None:
    found = [words for number in range(5000) for words in blamed(number, number, 3)]
    assert not found, "\n".join(found)
