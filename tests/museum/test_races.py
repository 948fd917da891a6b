"""The museum's concurrent wing: the kit finds every race by its rule, and nothing wrong with the twins."""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable
from functools import cache
from typing import TypeVar

import pytest

from movable.concurrent.search import Interleavings, interleavings
from movable.concurrent.stage import subject
from movable.contract.museum import Exhibit, exhibits
from movable.contract.show.museum import judge, replay_exhibit
from movable.registry.filesystems import is_filesystem

RACES = {id: one for id, one in exhibits().items() if one.depth[0] > 1 and not is_filesystem(one.broken)}
EXECUTIONS = 2500
"""Interleavings within which every race must be found; the search ends once it is."""
SECONDS = 30.0
MEDIAN = 3.0

Found = TypeVar("Found")


def explore(one: Exhibit, executions: int, *, twin: bool = False) -> Interleavings:
    """The interleavings of an exhibit, without the programs that come before them in a check."""
    driver, features = (one.twin, {}) if twin else (one.broken, one.features)
    with one.shown(twin):
        chosen = subject(one.workload, driver, era=one.era, features=features)
        return interleavings(chosen, executions=executions, until=frozenset(() if twin else one.rules))


@cache
def caught(id: str) -> Interleavings:
    """What the search on a broken exhibit came to."""
    return explore(RACES[id], EXECUTIONS)


@pytest.mark.unmeasured
@pytest.mark.parametrize("id", RACES)
def test_the_search_finds_the_race_by_its_rule(id: str) -> None:
    one, found = RACES[id], caught(id)
    assert set(one.rules) <= found.broken.keys(), f"{sorted(found.broken)} in {found.executions} executions; {found.refused}"
    for rule in one.rules:
        told = found.broken[rule]
        assert 0 <= told.preemptions <= one.depth[1] + 1, f"{rule}: {told.what}"
        assert told.token and told.lines


@pytest.mark.unmeasured
@pytest.mark.parametrize("id", RACES)
def test_the_twin_holds_as_long_as_the_race_took(id: str) -> None:
    one = RACES[id]
    wanted = caught(id).executions
    found = explore(one, wanted, twin=True)
    assert not found.broken, "; ".join(f"{rule}: {told.what}" for rule, told in found.broken.items())
    assert not found.refused and not [each.name for each in found.scenarios if each.left_out]
    assert found.executions >= wanted or all(each.complete for each in found.scenarios)


@pytest.mark.parametrize("id", RACES)
def test_the_token_shows_the_race_again(id: str) -> None:
    one = RACES[id]
    for rule in one.rules:
        lines, rules = replay_exhibit(one, caught(id).broken[rule].token)
        assert rules == [rule] and lines[-1].startswith(f"BROKEN {rule}")


def test_the_wing_is_whole() -> None:
    wanted = "Z01 Z03 Z04 Z06 Z13 F01B F11 F13 B02 B05 B09B B17 C01 C02B C10 C14 A01 N32".split()
    assert sorted(wanted) == sorted(RACES)


@pytest.mark.campaign
def test_the_whole_wing_at_default_settings(capsys: pytest.CaptureFixture[str]) -> None:
    """Prints the table: what it took to find each race, with everything as an author has it. Seconds are the processor's."""
    rows, alone, wrong = [], [], []
    for one in RACES.values():
        found, seconds = _timed(lambda one=one: explore(one, EXECUTIONS))  # type: ignore[misc]
        report, whole = _timed(lambda one=one: judge(one))  # type: ignore[misc]
        twin = judge(one, twin=True)
        if not set(one.rules) <= set(report.broken) or whole > SECONDS or twin.broken:
            wrong.append(f"{one.id}: {report.broken} in {whole:.1f} s; the twin: {twin.broken}")
        alone.append(seconds)
        told = [found.broken[rule] for rule in one.rules]
        first = min(told, key=lambda each: each.preemptions)
        rows.append(
            f"{one.id:5} {' '.join(one.rules):9} {found.executions:10} {seconds:8.1f} {whole:9.1f}"
            f" {max(each.preemptions for each in told):13} {one.depth[0]}/{one.depth[1]:<4} {first.scenario.name}"
        )
    with capsys.disabled():
        print("\nid    rules     executions  seconds  in check  pre-emptions depth scenario")
        print("\n".join(rows))
        print(f"median {statistics.median(alone):.1f} s; twins that held: {len(RACES) - len(wrong)} of {len(RACES)}")
    assert not wrong
    assert statistics.median(alone) < MEDIAN


def _timed(work: Callable[[], Found]) -> tuple[Found, float]:
    began = time.process_time()
    return work(), time.process_time() - began
