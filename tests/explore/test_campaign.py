"""Campaigns: the same verdict for any number of workers, and a killed one goes on where it was."""

import json
import os
import random
import subprocess
import sys
import time
from concurrent.futures import Executor, Future, ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest

from movable.explore import ExploreError, Named, Report, replay
from movable.explore.campaign import campaign, plan, planned
from movable.explore.failure import ENDED, HUNG
from movable.explore.runner import Options
from movable.supervise.crew import Crew

ROOT = Path(__file__).parents[2]
TOYS = str(Path(__file__).parent / "toys.py")
PLAIN = Options(order=False)
BUGGY = Named(f"{TOYS}:depth_three", (False, 4))
CLEAN = Named(f"{TOYS}:depth_three", (True, 2))


class Inline(Executor):
    """Runs at once, in this process. ``stop`` kills the campaign after so many chunks."""

    def __init__(self, stop: int = 10**9) -> None:
        self.left = stop
        self.ran = 0

    def submit(self, fn: Any, /, *args: Any, **more: Any) -> Future[Any]:
        future: Future[Any] = Future()
        if fn is planned:
            future.set_result(fn(*args, **more))
            return future
        if self.left <= 0:
            raise KeyboardInterrupt
        self.left -= 1
        self.ran += 1
        future.set_result(fn(*args, **more))
        return future


def told(report: Report) -> dict[str, Any]:
    """Everything about a report but the time."""
    return {
        name: getattr(report, name) for name in ("covered", "complete", "executions", "redundant", "steps", "failures")
    }  # fmt: skip


@pytest.mark.parametrize("program", [BUGGY, CLEAN])
def test_the_verdict_is_the_same_for_any_number_of_workers(program: Named) -> None:
    expected = told(campaign(program, Inline(), executions=1500, options=PLAIN))
    for workers in (1, 2):
        with Crew(workers) as pool:
            assert told(campaign(program, pool, executions=1500, options=PLAIN)) == expected


@pytest.mark.parametrize(
    ("how", "kind", "apart"), [("os._exit(0)", ENDED, False), ("time.sleep(99)", HUNG, False), ("os._exit(0)", ENDED, True)]
)
def test_a_schedule_that_ends_its_process_is_a_failure(how: str, kind: str, apart: bool, tmp_path: Path) -> None:
    """On the project's own workers, and on those of somebody else."""
    program = Named(f"{TOYS}:ends_itself", (how,))
    for _ in range(2):  # the second time from the file
        with ThreadPoolExecutor(1) if apart else Crew(1, patience=1.5) as pool:
            report = campaign(program, pool, executions=300, options=PLAIN, file=tmp_path / "c", apart=apart)
        assert report.failure is not None and report.failure.kind == kind
        assert report.failure.choices == (0, 1)
    assert report.executions < 300


def test_a_failure_comes_back_shrunk_and_replayable() -> None:
    report = campaign(BUGGY, Inline(), executions=3000, options=PLAIN)
    assert report.failure is not None
    assert report.failure.preemptions == 2
    again = replay(BUGGY.load(), report.failure.token, PLAIN)
    assert again.failure is not None
    assert again.failure.message == report.failure.message


def test_a_clean_program_is_proved() -> None:
    report = campaign(CLEAN, Inline(), executions=4000, options=PLAIN)
    assert report.failure is None
    assert (report.complete, report.covered) == (True, "all interleavings")


def test_a_small_budget_claims_samples() -> None:
    report = campaign(Named(f"{TOYS}:counter"), Inline(), executions=1200, options=PLAIN)
    assert report.failure is None
    assert not report.complete
    assert report.covered == "all interleavings with at most 0 pre-emptions and 360 samples"


def test_a_killed_campaign_goes_on(tmp_path: Path) -> None:
    file = tmp_path / "campaign.jsonl"
    program = Named(f"{TOYS}:counter")
    expected = told(campaign(program, Inline(), executions=1200, options=PLAIN))
    with pytest.raises(KeyboardInterrupt):
        campaign(program, Inline(stop=2), executions=1200, options=PLAIN, file=file)
    # the driver of the first campaign died before it wrote; nothing is lost but work
    one = Inline()
    assert told(campaign(program, one, executions=1200, options=PLAIN, file=file)) == expected
    chunks = one.ran
    lines = file.read_text().splitlines()
    assert len(lines) == 1 + chunks
    file.write_text("\n".join(lines[:-3]) + "\n" + lines[-1][:20])  # killed while writing a line
    rest = Inline()
    assert told(campaign(program, rest, executions=1200, options=PLAIN, file=file)) == expected
    assert rest.ran == 3
    done = Inline()
    assert told(campaign(program, done, executions=1200, options=PLAIN, file=file)) == expected
    assert done.ran == 0


def test_a_file_of_another_campaign_is_refused(tmp_path: Path) -> None:
    file = tmp_path / "campaign.jsonl"
    campaign(CLEAN, Inline(), executions=100, options=PLAIN, file=file)
    for other in ({"executions": 200}, {"executions": 100, "seed": 1}, {"executions": 100, "options": Options()}):
        with pytest.raises(ExploreError, match="belongs to another campaign"):
            campaign(CLEAN, Inline(), **{"options": PLAIN, "file": file, **other})  # type: ignore[arg-type]
    file.write_text("rubbish\n")
    with pytest.raises(ExploreError, match="belongs to another campaign"):
        campaign(CLEAN, Inline(), executions=100, options=PLAIN, file=file)


def test_a_plan_depends_on_its_arguments_alone_and_spends_the_budget() -> None:
    program = Named(f"{TOYS}:counter")
    chunks = plan(program.load(), 2000, 7, PLAIN)
    assert chunks == plan(program.load(), 2000, 7, PLAIN)
    assert [chunk.number for chunk in chunks] == list(range(len(chunks)))
    assert sum(chunk.executions for chunk in chunks) == 2000
    assert {chunk.kind for chunk in chunks} == {"bounded", "dpor", "surw", "urw", "pos"}
    json.dumps([chunk.root for chunk in chunks])


@pytest.mark.parametrize(
    ("name", "words"),
    [
        ("nonsense", "write it as"),
        ("no.such.module:f", "cannot be imported"),
        ("movable.explore:nothing", "has no function 'nothing'"),
        ("/no/such/file.py:f", "does not exist"),
    ],
)
def test_a_program_name_that_leads_nowhere_says_so(name: str, words: str) -> None:
    with pytest.raises(ValueError, match=words):
        Named(name).load()


def test_a_named_program_is_a_program() -> None:
    from movable.explore import explore

    assert explore(CLEAN, options=PLAIN).complete


@pytest.mark.slow
def test_a_dask_cluster_gives_the_same_verdict(tmp_path: Path) -> None:
    distributed = pytest.importorskip("distributed")
    expected = told(campaign(BUGGY, Inline(), executions=1500, options=PLAIN))
    cluster = distributed.LocalCluster(
        n_workers=2, threads_per_worker=1, dashboard_address=None, local_directory=str(tmp_path)
    )
    with cluster, distributed.Client(cluster) as client, client.get_executor() as pool:
        assert told(campaign(BUGGY, pool, executions=1500, options=PLAIN)) == expected


def test_a_campaign_does_not_go_on_when_the_source_was_changed(tmp_path: Path) -> None:
    """A resumed campaign would report the verdicts of the older program."""
    source, near = tmp_path / "edited_program.py", tmp_path / "edited_neighbour.py"
    near.write_text("STEPS = 2\n")
    source.write_text(
        "import edited_neighbour\nfrom movable.explore import Scene\n\n\ndef make():\n    def program(scheduler):\n"
        "        body = lambda: [scheduler.point('aw', 'x') for _ in range(edited_neighbour.STEPS)]\n"
        "        return Scene([('a', body), ('b', body)])\n    return program\n"
    )
    script = (
        f"import sys; sys.path[:0] = [{str(tmp_path)!r}, {str(Path.cwd())!r}]\n"
        "from movable.explore import ExploreError, Named\nfrom movable.explore.campaign import campaign\n"
        "from tests.explore.test_campaign import Inline\n"
        "try:\n"
        f"    campaign(Named('edited_program:make'), Inline(), executions=60, file={str(tmp_path / 'c.jsonl')!r})\n"
        "    print('went on')\n"
        "except ExploreError as error:\n    print(error)\n"
    )

    def once() -> str:
        command = [sys.executable, "-B", "-c", script]
        return subprocess.run(command, capture_output=True, text=True, check=True, timeout=100).stdout

    assert once() == "went on\n"
    assert once() == "went on\n"
    near.write_text("STEPS = 3\n")
    assert "belongs to another campaign (the source of the program, or of movable, was changed since)" in once()
    near.write_text("STEPS = 2\n")
    assert once() == "went on\n"
    source.write_text(source.read_text() + "# another\n")
    assert "was changed since" in once()


KILLED = """
import json, sys
from tests.explore.test_campaign import Inline, PLAIN, TOYS, told
from movable.explore import Named
from movable.explore.campaign import campaign
print("ready", flush=True)
sys.stdin.readline()
print(json.dumps(told(campaign(Named(f"{TOYS}:counter"), Inline(), executions=1200, options=PLAIN, file=sys.argv[1])), default=str))
"""


@pytest.mark.campaign
@pytest.mark.parametrize("seed", range(4))
def test_a_campaign_killed_at_random_moments_comes_to_the_same(seed: int, tmp_path: Path) -> None:
    """Fifty kills for each seed, each while the campaign is at work, and then one that is let alone."""

    def run(file: Path, seconds: float | None) -> str:
        command = [sys.executable, "-c", KILLED, str(file)]
        with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, cwd=ROOT) as process:
            assert process.stdin is not None and process.stdout is not None and process.stdout.readline() == "ready\n"
            process.stdin.write("\n")
            process.stdin.flush()
            if seconds is not None:
                time.sleep(seconds)
                process.kill()
            return process.stdout.read()

    began = time.monotonic()
    expected = run(tmp_path / "undisturbed", None)
    length = time.monotonic() - began
    rng = random.Random(seed)
    for kill in range(50):
        file = tmp_path / f"killed-{kill // 5}"  # five kills of each, some before its first line
        run(file, rng.uniform(0, length / 3))
        if kill % 5 == 4:
            assert run(file, None) == expected
            assert not [name for name in os.listdir(tmp_path) if name.startswith(".")]
