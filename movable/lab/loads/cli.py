"""``movable lab run``: workloads by name, alone or in sweeps. Exit codes: 0 fine, 1 a run found something wrong, 2 bad usage."""

from __future__ import annotations

import argparse
import os
import re
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from itertools import product
from pathlib import Path
from typing import TYPE_CHECKING

from movable.errors import UsageError

if TYPE_CHECKING:
    from concurrent.futures import Executor

    from movable.cli.verbs import Verbs
    from movable.lab.loads.sweep import Job

MAX_RUNS = 10_000
MAX_STEPS = 10_000


def add_arguments(inner: Verbs) -> None:
    """Add the verb ``run`` to the experiments."""
    verb = inner.add_parser(
        "run",
        help="age a machine with a workload, and measure it step by step; sweeps over seeds and sizes",
        description="Run workloads (--list says what each does) and measure free memory, fragmentation, "
        "migration and what the workload asked for and got after each step. Several seeds and sizes make a sweep, which is spread "
        "over processes or a dask cluster. Exit code 1 where stored data or the machine is found wrong.",
    )
    verb.add_argument("names", nargs="?", metavar="NAME", help="workloads with commas between, or all")
    verb.add_argument("--list", action="store_true", help="say which workloads there are and what each does")
    verb.add_argument("--seeds", default="0", metavar="N-M", help="seeds, such as 3, 0-9 or 1,5 (default 0)")
    verb.add_argument("--memory", default="64M", metavar="SIZES", help="sizes with commas between, such as 64M,256M (default 64M)")
    verb.add_argument("--nodes", type=int, default=1, metavar="N", help="NUMA nodes (default 1)")
    verb.add_argument("--steps", type=int, default=20, metavar="N", help="steps after memory was filled (default 20)")
    verb.add_argument("--era", default="6.1", metavar="ERA", help="the kernel that is modelled (default 6.1)")
    verb.add_argument("--jobs", type=int, metavar="N", help="processes (default: one for each CPU)")
    verb.add_argument("--dask", metavar="ADDRESS", help="spread the runs over a dask cluster, such as tcp://scheduler:8786")
    verb.add_argument("--resume", metavar="FILE", help="keep finished runs there, and go on where an earlier sweep ended")
    verb.add_argument("--json", metavar="FILE", help="write every sample as JSON ('-' for standard output, and nothing else)")
    verb.add_argument("--csv", metavar="FILE", help="write every sample as CSV ('-' for standard output, and nothing else)")
    verb.add_argument("--svg", metavar="FILE", help="draw the numbers over time")
    verb.set_defaults(run=run)


def run(arguments: argparse.Namespace) -> int:
    """Plan, run, show."""
    from movable.files import check_place, write_json, write_text
    from movable.lab.loads.show import csv_text, record, svg, table
    from movable.lab.loads.sweep import sweep

    if arguments.list:
        write_text("-", _listed())
        return 0
    jobs = _jobs(arguments)
    for place in (arguments.json, arguments.csv, arguments.svg):
        check_place(place)
    workers = 0 if arguments.dask else min(arguments.jobs or os.cpu_count() or 1, len(jobs))
    fresh = partial(processes, workers) if workers > 1 else None
    with _executor(arguments, workers) as executor, _progress(len(jobs)) as report:
        resume = None if arguments.resume is None else Path(arguments.resume)
        outcomes = list(sweep(jobs, executor, resume, report, fresh))
    if arguments.json:
        write_json(arguments.json, record(outcomes))
    if arguments.csv:
        write_text(arguments.csv, csv_text(outcomes))
    if arguments.svg:
        write_text(arguments.svg, svg(outcomes))
    if "-" not in (arguments.json, arguments.csv):
        write_text("-", "\n".join(table(outcomes)) + "\n")
    return 1 if any(one.error for one in outcomes) else 0


def _listed() -> str:
    from movable.lab.loads.shapes import WORKLOADS

    return "".join(f"{name:<18} {' '.join((work.__doc__ or '').split())}\n" for name, work in WORKLOADS.items())


def _jobs(arguments: argparse.Namespace) -> list[Job]:
    """Every workload with every size and seed. Raises UsageError for what cannot be."""
    from movable.eras import era
    from movable.lab.loads.shapes import WORKLOADS
    from movable.lab.loads.sweep import Job
    from movable.lab.options import check_memory

    if not arguments.names:
        raise UsageError(f"give a workload: {', '.join(WORKLOADS)}, or all; --list says what each does")
    names = list(WORKLOADS) if arguments.names == "all" else arguments.names.split(",")
    for name in names:
        if name not in WORKLOADS:
            raise UsageError(f"there is no workload {name!r}; there are {', '.join(WORKLOADS)}, and all")
    if not 1 <= arguments.steps <= MAX_STEPS:
        raise UsageError(f"--steps {arguments.steps}: use 1 to {MAX_STEPS}")
    if arguments.jobs is not None and arguments.jobs < 1:
        raise UsageError(f"--jobs {arguments.jobs}: use 1 or more")
    sizes = [check_memory(text, arguments.nodes) for text in arguments.memory.split(",")]
    era(arguments.era)
    jobs = [
        Job(name, seed, memory, arguments.nodes, arguments.steps, arguments.era)
        for name, memory, seed in product(names, sizes, _seeds(arguments.seeds))
    ]
    if len(jobs) > MAX_RUNS:
        raise UsageError(f"{len(jobs)} runs; {MAX_RUNS} are the most")
    return list(dict.fromkeys(jobs))


def _seeds(text: str) -> list[int]:
    found: list[int] = []
    for part in text.split(","):
        ends = re.fullmatch(r"(\d{1,9})(?:-(\d{1,9}))?", part.strip())
        first, last = (int(ends[1]), int(ends[2] or ends[1])) if ends else (1, 0)
        if first > last or last - first >= MAX_RUNS:
            raise UsageError(f"--seeds {text!r}: write numbers such as 3, 0-9 or 1,5")
        found += range(first, last + 1)
    return found


@contextmanager
def _executor(arguments: argparse.Namespace, workers: int) -> Iterator[Executor | None]:
    """Where the runs are done: a dask cluster, processes, or here where there is one run or one process."""
    if arguments.dask:
        from movable.supervise.cluster import dask

        with dask(arguments.dask) as cluster:
            yield cluster
        return
    if workers == 1:
        yield None
        return
    with processes(workers, 0) as executor:
        yield executor


@contextmanager
def processes(usual: int, workers: int) -> Iterator[Executor]:
    """Processes that end with this one, however that ends; ``usual`` many where ``workers`` is 0."""
    from concurrent.futures import ProcessPoolExecutor

    from movable.supervise.limits import die_with_parent

    executor = ProcessPoolExecutor(workers or usual, initializer=die_with_parent, initargs=(os.getpid(),))
    try:
        yield executor
    finally:
        executor.shutdown(wait=False, cancel_futures=True)


@contextmanager
def _progress(runs: int) -> Iterator[Callable[[int], None]]:
    """A line that counts finished runs, on a terminal only."""
    shows = sys.stderr.isatty() and runs > 1

    def report(done: int) -> None:
        if shows:
            sys.stderr.write(f"\r{done} of {runs} runs are done ")
            sys.stderr.flush()

    try:
        yield report
    finally:
        if shows:
            sys.stderr.write("\r" + " " * 40 + "\r")
            sys.stderr.flush()
