"""Programs meet what a driver meets in a life: every fault in every moment, the full and the empty again, the old."""

from __future__ import annotations

import subprocess
import sys
from collections import Counter
from itertools import islice, pairwise
from pathlib import Path

import pytest

from docs.drivers.ring import RingWorkload
from movable.registry import find
from movable.rules.table import RULES
from movable.sequential.search import Search
from movable.workload.action import FAULTS
from movable.workload.generate import Roles, fill, matrix, programs
from movable.workload.workload import Workload, workload_for
from tests.drivers_for_tests.sequential_bugs import BUGS, Bins, BinsWorkload

PROGRAMS = 300


def search(driver: type, seed: int = 0, count: int = PROGRAMS) -> Search:
    """Programs until a must rule breaks."""
    found = Search(BinsWorkload, driver, "4.19", seed)
    while found.examples < count and not any(RULES[id].level == "must" for id in found.first):
        found.go(found.examples + 1)
    return found


SOON = {"ThirdReserveIsDropped", "TenthMove", "SeventhWrapsAround", "TrimOfTwo", "LaterMoved"}
QUICK = [bug for bug in BUGS if bug.__name__ in SOON]


@pytest.mark.parametrize("driver", QUICK, ids=lambda driver: driver.__name__)
def test_a_bug_is_met_soon(driver: type) -> None:
    assert search(driver).first


@pytest.mark.campaign
def test_nearly_every_bug_is_met_with_nearly_every_seed() -> None:
    missed = [(bug.__name__, seed) for bug in BUGS for seed in range(5) if not search(bug, seed, 400).first]
    assert len(missed) <= len(BUGS) * 5 // 20, missed


def test_the_twin_is_not_blamed() -> None:
    found = search(Bins, count=120)
    assert not found.first, found.first
    assert found.roles.grown["store"] and found.roles.shrunk["free"]


def test_the_matrix_has_every_fault_with_every_kind_of_step() -> None:
    balloon: type[Workload] = workload_for(find("balloon"))
    seen: Counter[tuple[object, ...]] = Counter()
    for program in islice(programs(balloon, 0), 700):
        for fault, step in pairwise(program):
            if fault[0] == "fault":
                seen[(fault[1], fault[2] if fault[1] == "hostile" else 0, step[1] if step[0] == "op" else step[0])] += 1
    for kind in FAULTS:
        numbers = range(1, len(balloon.hostile) + 1) if kind == "hostile" else [0]
        for number in numbers:
            assert {"migrate", "isolate", "compact"} <= {step for *what, step in seen if what == [kind, number]}, (kind, number)
            if kind != "locked":
                assert {"inflate", "deflate"} <= {step for *what, step in seen if what == [kind, number]}, (kind, number)


def test_what_grows_is_learnt() -> None:
    roles = Roles(Counter(b=3, a=3, c=9), Counter())
    assert roles.growing(RingWorkload) == ["c", "a", "b"]
    assert roles.shrinking(RingWorkload) == ["drop", "overwrite"]


def test_programs_are_the_same_in_any_process_with_any_hash_seed() -> None:
    code = (
        "from itertools import islice\nfrom docs.drivers.ring import RingWorkload\n"
        "from movable.workload.generate import programs\nprint(hash('a') and '')\n"
        "print(list(islice(programs(RingWorkload, 3), 150)))\n"
    )
    root = Path(__file__).parent.parent.parent

    def run(seed: str) -> bytes:
        places = {"PYTHONHASHSEED": seed, "PYTHONPATH": f"{root}:{root}/drivers"}
        return subprocess.run([sys.executable, "-c", code], env=places, capture_output=True, check=True, cwd=root).stdout

    assert run("1") == run("2")


def test_filling_comes_twice_and_empties_between() -> None:
    from movable.workload.generate import Steps

    roles = Roles(Counter(store=5), Counter(free=5))
    program = fill(Steps(BinsWorkload, 4), roles, 100)
    names = [step[1] if step[0] == "op" else step[0] for step in program]
    first, last = names.index("free"), len(names) - 1 - names[::-1].index("store")
    assert names[:3] == ["store"] * 3 and first < last
    assert len(list(matrix(Steps(BinsWorkload, 0), roles, [None, ("fault", "locked", 1)]))) == 10 + 8
