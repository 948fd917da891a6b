"""Counts false alarms: every correct driver at hand, many examples, and no rule may come out broken.

``python -m tests.campaign_false_alarms --examples 200000`` shares them out among the bundled drivers, the exemplary ones and
the twins of the museum. Each run of examples has a seed of its own; the last line counts.
"""

from __future__ import annotations

import argparse
import sys
import time
from collections.abc import Iterator
from concurrent.futures import ProcessPoolExecutor, as_completed
from contextlib import AbstractContextManager, nullcontext

from movable.contract.museum import exhibits
from movable.registry import find
from movable.sequential.search import Search
from movable.workload.program import encode
from movable.workload.workload import workload_for

EXEMPLARY = ("docs/drivers/ring.py:Ring", "docs/drivers/slab.py:SlabCache", "docs/drivers/aio_ring.py:AioRing")
BUNDLED = ("zsmalloc", "balloon")
RUN = 100
"""Examples in one run. Programs grow longer with every example of a run, up to their limit."""

Found = tuple[str, int, int, int, int, int, list[str]]
"""A driver and the seed, then examples, steps, distinct states and calls, and the alarms."""


def drivers() -> list[str]:
    """Everything that must pass: names of drivers, and ids of exhibits for their twins, each twin once."""
    twins: dict[tuple[object, ...], str] = {}
    for one in exhibits().values():
        twins.setdefault((one.twin, one.workload, one.era, *one.twin_patch.values()), f"twin of {one.id}")
    return [*BUNDLED, *EXEMPLARY, *twins.values()]


def run(driver: str, seed: int, examples: int) -> Found:
    """One run of examples."""
    if driver.startswith("twin of "):
        one = exhibits()[driver.removeprefix("twin of ")]
        search = Search(one.workload, one.twin, one.era, seed)
        core: AbstractContextManager[None] = one.shown(twin=True)
    else:
        factory = find(driver)
        search, core = Search(workload_for(factory), factory, "4.19", seed), nullcontext()
    with core:
        search.go(examples)
    alarms = [f"{driver} {id} {encode(program, seed)}" for id, program in search.first.items()]
    return driver, seed, search.examples, search.steps, len(search.states), search.callbacks.total(), alarms


def shares(examples: int, seed: int = 0, run_length: int = RUN) -> Iterator[tuple[str, int, int]]:
    """(driver, seed, examples) of every run: all drivers take turns, and each turn has the next seed."""
    names = drivers()
    left = examples
    while left > 0:
        for name in names:
            if left > 0:
                yield name, seed, min(run_length, left)
                left -= run_length
        seed += 1


def campaign(examples: int, workers: int, budget: float = float("inf"), seed: int = 0) -> dict[str, list[int]]:
    """Run everything and print what happens; returns examples, steps, states, calls and alarms by driver."""
    totals: dict[str, list[int]] = {}
    started = time.monotonic()
    done = 0
    with ProcessPoolExecutor(workers) as pool:
        futures = [pool.submit(run, *share) for share in shares(examples, seed)]
        for future in as_completed(futures):
            if future.cancelled():
                continue
            driver, _, *counts, alarms = future.result()
            numbers = [int(count) for count in counts if isinstance(count, int)] + [len(alarms)]
            before = totals.get(driver, [0] * len(numbers))
            totals[driver] = [one + two for one, two in zip(before, numbers, strict=True)]
            for alarm in alarms:
                print(f"ALARM {alarm}", flush=True)
            done += numbers[0]
            if sys.stderr.isatty():
                print(f"\r{done} examples", end="", file=sys.stderr, flush=True)
            if time.monotonic() - started > budget:
                for other in futures:
                    other.cancel()
    return totals


def main(arguments: list[str] | None = None) -> int:
    """The command; returns 1 when there was an alarm."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--examples", type=int, default=200_000)
    parser.add_argument("--workers", type=int, default=2)
    parser.add_argument("--minutes", type=float, default=float("inf"), help="stop after so long, and say how far it came")
    parser.add_argument("--seed", type=int, default=0, help="of the first turn; another one makes another campaign")
    options = parser.parse_args(arguments)
    started = time.monotonic()
    totals = campaign(options.examples, options.workers, options.minutes * 60, options.seed)
    print(f"{'driver':34} {'examples':>9} {'steps':>10} {'states':>9} {'callbacks':>10} alarms")
    for driver, (examples, steps, states, calls, alarms) in sorted(totals.items()):
        print(f"{driver:34} {examples:9} {steps:10} {states:9} {calls:10} {alarms}")
    examples, steps, states, calls, alarms = (sum(column) for column in zip(*totals.values(), strict=True))
    seconds = time.monotonic() - started
    print(f"{alarms} false alarms in {examples} examples, {steps} steps, {states} states, {calls} callbacks, {seconds:.0f} s")
    return 1 if alarms else 0


if __name__ == "__main__":
    sys.exit(main())
