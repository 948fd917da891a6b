"""Many runs: every seed with every size, on any executor, with a file that lets a sweep that was ended go on."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from concurrent.futures import FIRST_COMPLETED, BrokenExecutor, Executor, Future, wait
from contextlib import AbstractContextManager
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from movable.errors import MovableError, UsageError
from movable.explore.failure import ExploreError
from movable.explore.record_file import RecordFile
from movable.lab.loads.bench import Bench
from movable.lab.loads.samples import Sample, sample
from movable.lab.loads.shapes import WORKLOADS
from movable.lab.workloads import error_words
from movable.mm.memory import OutOfMemory

SCHEMA = "movable.lab/1"
ENDED = "a process that did the runs ended by itself"
MANY = 0
"""As many workers as before."""
RUNS_AHEAD = 16
"""Runs handed out before the first of them is back."""
OTHER = "workload, seeds, sizes, nodes, steps or era differ"
CHANGED = "movable was changed since"


@dataclass(frozen=True, slots=True)
class Job:
    """One run: a workload on a machine of ``memory`` bytes and ``nodes`` nodes, for ``steps`` steps after it was filled."""

    workload: str
    seed: int
    memory: int
    nodes: int = 1
    steps: int = 20
    era: str = "6.1"


@dataclass(slots=True)
class Outcome:
    """What came of a run: its samples, and what went wrong, if anything did."""

    job: Job
    samples: list[Sample]
    error: str = ""


def run_job(job: Job) -> dict[str, Any]:
    """One run, as plain values; runs in a worker. A step that fails ends the run, and what came before is kept."""
    samples: list[Sample] = []
    error = ""
    try:
        bench = Bench(job.memory, job.nodes, job.era, job.seed)
        for step, phase in enumerate(WORKLOADS[job.workload](bench, job.steps)):
            samples.append(sample(bench.vm, step, phase, bench.asked, bench.got))
        error = "; ".join(bench.problems())
    except UsageError:
        raise
    except (MovableError, OutOfMemory, ArithmeticError, LookupError) as failure:
        error = error_words(failure)
    return {"job": asdict(job), "samples": [list(one) for one in samples], "error": error}


def outcome(record: dict[str, Any]) -> Outcome:
    """The value of a record that ``run_job`` made. Raises TypeError or KeyError for another one."""
    return Outcome(Job(**record["job"]), [Sample(*one) for one in record["samples"]], record["error"])


Fresh = Callable[[int], AbstractContextManager[Executor]]
"""Makes another executor with so many workers."""


def sweep(
    jobs: list[Job], executor: Executor | None, file: Path | None, report: Callable[[int], None], fresh: Fresh | None = None
) -> Iterator[Outcome]:
    """The outcomes in the order of the jobs. ``report`` is called with how many are done.

    Without an executor the runs are done here, one after the other. ``file`` keeps finished runs, and gives those of an earlier
    sweep back. With ``fresh`` a worker that dies costs the run that it did, and no other. Raises UsageError for a file of another
    sweep.
    """
    log, done = _opened(jobs, file)
    report(len(done))
    todo = [job for job in jobs if job not in done]

    def take(record: dict[str, Any]) -> None:
        one = outcome(record)
        done[one.job] = one
        if log is not None:
            log.add(record)
        report(len(done))

    if executor is None:
        for job in todo:
            take(run_job(job))
    else:
        out, rest = _spread(todo, executor, take)
        while out:
            if fresh is None:
                raise MovableError(f"{ENDED}; --resume FILE keeps what was finished")
            for job in out:
                with fresh(1) as alone:
                    take(_alone(job, alone))
            with fresh(MANY) as another:
                out, rest = _spread(rest, another, take)
    yield from (done[job] for job in jobs)


def _opened(jobs: list[Job], file: Path | None) -> tuple[RecordFile | None, dict[Job, Outcome]]:
    if file is None:
        return None, {}
    try:
        log = RecordFile(file, {"sweep": SCHEMA, "jobs": [asdict(job) for job in jobs]}, OTHER, CHANGED)
    except ExploreError as error:
        raise UsageError(str(error).replace("another campaign", "another sweep")) from None
    except OSError as error:
        raise UsageError(f"{file}: {error.strerror}; name another file for --resume") from None
    done = {}
    for record in log.records:
        try:
            one = outcome(record)
        except (TypeError, KeyError):
            continue
        done[one.job] = one
    return log, {job: done[job] for job in jobs if job in done}


def _alone(job: Job, executor: Executor) -> dict[str, Any]:
    """A run that was out when a worker died, done again by itself: one that ends its worker is told as that."""
    try:
        return executor.submit(run_job, job).result()
    except BrokenExecutor:
        return {"job": asdict(job), "samples": [], "error": ENDED}


def _spread(todo: list[Job], executor: Executor, take: Callable[[dict[str, Any]], None]) -> tuple[list[Job], list[Job]]:
    """Keep the executor busy until all is done; what waits is given up when this is left early.

    Returns the runs that were out when a worker died, and those that nobody had begun: both empty where none did.
    """
    waiting: dict[Future[dict[str, Any]], Job] = {}
    rest, out = list(reversed(todo)), list[Job]()
    try:
        while waiting or (rest and not out):
            while rest and len(waiting) < RUNS_AHEAD and not out:
                job = rest.pop()
                try:
                    waiting[executor.submit(run_job, job)] = job
                except BrokenExecutor:
                    out.append(job)
            for future in wait(waiting, return_when=FIRST_COMPLETED).done if waiting else ():
                job = waiting.pop(future)
                try:
                    take(future.result())
                except BrokenExecutor:
                    out.append(job)
    finally:
        for future in waiting:
            future.cancel()
    return out, rest[::-1]
