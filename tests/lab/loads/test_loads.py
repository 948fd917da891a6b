"""Workloads by name, and sweeps of them."""

from __future__ import annotations

import csv
import io
import json
import os
from concurrent.futures import BrokenExecutor, Executor, Future, ThreadPoolExecutor
from dataclasses import asdict
from functools import partial
from pathlib import Path
from typing import Any

import pytest

from movable.cli import main
from movable.errors import MovableError, UsageError
from movable.lab.loads import sweep as sweeps
from movable.lab.loads.bench import Bench, content
from movable.lab.loads.cli import processes
from movable.lab.loads.samples import Sample
from movable.lab.loads.shapes import WORKLOADS
from movable.lab.loads.show import csv_text, svg, table
from movable.lab.loads.sweep import Job, Outcome, outcome, run_job, sweep

SMALL = 16 << 20


@pytest.mark.unmeasured
@pytest.mark.parametrize("name", WORKLOADS)
def test_each_workload_asks_for_something_and_loses_nothing(name: str) -> None:
    job = Job(name, 1, SMALL, steps=5)
    found = outcome(run_job(job))
    assert found.error == "" and len(found.samples) == 6 + (name == "fragmenter")
    end = found.samples[-1]
    assert 0 <= end.got <= end.asked and end.asked > 0 and end.free < 4096
    assert run_job(job) == run_job(job) != run_job(Job(name, 2, SMALL, steps=5))
    assert json.loads(json.dumps(run_job(job))) == run_job(job)


def test_what_is_wrong_is_told() -> None:
    bench = Bench(SMALL, 1, "6.1", 0)
    bench.open_store(64)
    for slot in range(8):
        bench.write(slot)
    assert bench.problems() == []
    bench.slots[3] = (bench.slots[3] + 1) % 64
    assert bench.problems() == ["1 stored pages are not what was written, the first is 3"]
    assert len(content(1, 20)) == 4096 and content(1, 0) == bytes(4096)


def test_a_step_that_fails_keeps_what_came_before(monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(bench: Bench, steps: int) -> Any:
        yield "fill"
        raise LookupError("gone")

    monkeypatch.setitem(WORKLOADS, "broken", broken)
    found = outcome(run_job(Job("broken", 0, SMALL)))
    assert found.error == "LookupError: gone" and len(found.samples) == 1


def done(job: Job) -> dict[str, Any]:
    return {"job": asdict(job), "samples": [[0] * 12], "error": ""}


def test_any_executor_gives_the_same_in_the_same_order(monkeypatch: pytest.MonkeyPatch) -> None:
    jobs = [Job("fragmenter", seed, SMALL, steps=2) for seed in range(20)]
    monkeypatch.setattr(sweeps, "run_job", done)
    seen: list[int] = []
    with ThreadPoolExecutor(3) as executor:
        spread = list(sweep(jobs, executor, None, seen.append))
    assert spread == list(sweep(jobs, None, None, lambda count: None)) and seen == list(range(21))


def test_a_sweep_goes_on_where_it_ended(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    jobs = [Job("fragmenter", seed, SMALL) for seed in range(4)]
    asked: list[int] = []

    def some(job: Job) -> dict[str, Any]:
        asked.append(job.seed)
        if len(asked) == 3:
            raise KeyboardInterrupt
        return done(job)

    monkeypatch.setattr(sweeps, "run_job", some)
    file = tmp_path / "sweep.jsonl"
    with pytest.raises(KeyboardInterrupt):
        list(sweep(jobs, None, file, lambda count: None))
    text = file.read_text().splitlines()
    file.write_text("\n".join([text[0], text[1], text[2].replace('"seed": 1', '"seed": 9')]) + "\n")
    assert len(list(sweep(jobs, None, file, lambda count: None))) == 4
    assert asked == [0, 1, 2, 1, 2, 3]  # the line that was changed is done again
    with pytest.raises(UsageError, match="belongs to another sweep"):
        list(sweep(jobs[:2], None, file, lambda count: None))


def test_waiting_runs_are_given_up(monkeypatch: pytest.MonkeyPatch) -> None:
    class Never(Executor):
        def __init__(self) -> None:
            self.futures: list[Future[Any]] = []

        def submit(self, *arguments: Any, **named: Any) -> Future[Any]:
            self.futures.append(Future())
            if len(self.futures) == 1:
                self.futures[0].set_exception(UsageError("bad"))
            return self.futures[-1]

    executor = Never()
    with pytest.raises(UsageError, match="bad"):
        list(sweep([Job("fragmenter", seed, SMALL) for seed in range(40)], executor, None, lambda count: None))
    assert len(executor.futures) == sweeps.RUNS_AHEAD and all(future.cancelled() for future in executor.futures[1:])


def test_a_worker_that_is_gone_is_told_in_a_line() -> None:
    class Gone(Executor):
        def submit(self, *arguments: Any, **named: Any) -> Future[Any]:
            future: Future[Any] = Future()
            future.set_exception(BrokenExecutor("it died"))
            return future

    with pytest.raises(MovableError, match="ended by itself"):
        list(sweep([Job("fragmenter", 0, SMALL)], Gone(), None, lambda count: None))


def deadly(job: Job) -> dict[str, Any]:
    if job.seed == 3:
        os._exit(9)
    return done(job)


def test_a_worker_that_dies_costs_one_row(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sweeps, "run_job", deadly)
    jobs = [Job("fragmenter", seed, SMALL) for seed in range(24)]
    seen: list[int] = []
    with processes(2, 0) as executor:
        found = list(sweep(jobs, executor, None, seen.append, partial(processes, 2)))
    assert [one.job.seed for one in found] == list(range(24)) and seen[-1] == 24
    assert {one.job.seed: one.error for one in found if one.error} == {3: "a process that did the runs ended by itself"}


def test_tables_and_pictures() -> None:
    row = Sample(0, "fill", 10, 0, 991, 1000, 4, 1, 7, 0, 9, 0)
    found = [Outcome(Job("fragmenter", 0, SMALL), [row]), Outcome(Job("cma-camera", 1, SMALL), [], "it broke")]
    lines = list(table(found))
    assert "0.991" in lines[1] and "1/4" in lines[1] and lines[2].endswith("failed: it broke")
    rows = list(csv.DictReader(io.StringIO(csv_text(found))))
    assert len(rows) == 1 and rows[0]["migrated"] == "7" and rows[0]["phase"] == "fill"
    assert svg(found).count("<polyline") == 8 and "cma-camera 16M" in svg(found)


def test_the_command(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    outputs = {name: tmp_path / name for name in ("json", "csv", "svg")}
    words = [word for name, path in outputs.items() for word in (f"--{name}", str(path))]
    assert main(["lab", "run", "fragmenter", "--memory", "16M", "--steps", "2", "--seeds", "0,2", "--jobs", "1", *words]) == 0
    out = capsys.readouterr().out
    assert out.count("fragmenter") == 2
    record = json.loads(outputs["json"].read_text())
    assert record["schema"] == "movable.lab/1" and [one["seed"] for one in record["runs"]] == [0, 2]
    assert outputs["csv"].read_text().count("\n") == 9 and outputs["svg"].read_text().startswith("<svg")
    assert main(["lab", "run", "--list"]) == 0
    listed = capsys.readouterr().out
    assert all(name in listed for name in WORKLOADS) and "page by page until none is left" in listed


@pytest.mark.parametrize(
    ("words", "said"),
    [
        ([], "give a workload: mixed-server"),
        (["nothing"], "there is no workload 'nothing'"),
        (["fragmenter", "--seeds", "5-1"], "--seeds '5-1'"),
        (["fragmenter", "--steps", "0"], "--steps 0"),
        (["fragmenter", "--jobs", "0"], "--jobs 0"),
        (["fragmenter", "--memory", "16M,x"], "'x' is not a size"),
        (["fragmenter", "--era", "2.6"], "unknown era"),
        (["all", "--seeds", "0-9998"], "10000 are the most"),
        (["fragmenter", "--memory", "16M", "--resume", "/nowhere/x"], "/nowhere/x"),
        (["fragmenter", "--dask", "tcp://127.0.0.1:1"], "no cluster answers there"),
    ],
)
def test_bad_usage_is_one_line(
    words: list[str], said: str, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("movable.supervise.cluster.CONNECT_SECONDS", 0.3)
    assert main(["lab", "run", *words]) == 2
    err = capsys.readouterr().err
    assert said in err and err.count("\n") == 1
