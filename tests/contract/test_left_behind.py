"""Where a check runs: it leaves nothing behind, here and on a cluster."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from movable.cli import main
from movable.contract.examine import ExecutorFactory
from movable.errors import UsageError

ROOT = Path(__file__).parent.parent.parent
TARGET = "tests.drivers_for_tests.racy_drivers:CopiesAndWrites"


def test_a_check_leaves_no_folder_behind(tmp_path: Path) -> None:
    """No bytecode of what the driver imports, no examples of Hypothesis, nothing for later; only the kit's own bytecode is kept."""
    (tmp_path / "first.py").write_text("from docs.drivers.ring import Ring, RingWorkload as Base\n")
    (tmp_path / "second.py").write_text(
        "from first import Base, Ring\n\n\nclass Mine(Ring):\n    pass\n\n\nclass MineWorkload(Base):\n    factory = Mine\n"
    )
    kept = tmp_path.with_name("bytecode")
    environment = {**os.environ, "PYTHONPATH": str(ROOT), "TMPDIR": str(tmp_path), "PYTHONPYCACHEPREFIX": str(kept)}
    environment.pop("PYTHONDONTWRITEBYTECODE", None)
    command = [sys.executable, "-m", "movable.cli", "check", "second.py:Mine", "--examples", "2", "--executions", "20"]
    done = subprocess.run(command, cwd=tmp_path, env=environment, capture_output=True, text=True, timeout=150)
    assert done.returncode == 0, done.stdout + done.stderr
    assert sorted(path.name for path in tmp_path.iterdir()) == ["first.py", "second.py"]
    modules = {path.name.partition(".")[0] for path in kept.rglob("*.pyc")}
    assert {"linearizability", "harness", "keeper"} <= modules and not {"first", "second", "ring"} & modules


def cluster(folder: Path) -> Any:
    distributed = pytest.importorskip("distributed")
    return distributed.LocalCluster(n_workers=1, threads_per_worker=1, dashboard_address=None, local_directory=str(folder))


@pytest.mark.slow
def test_a_check_gets_the_hands_of_a_cluster(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def check(target: str, *, executor: ExecutorFactory, **more: object) -> None:
        with executor() as hands:
            raise UsageError(f"{target} gets {hands.submit(pow, 2, 5).result(60)}")

    monkeypatch.setattr("movable.contract.examine.check", check)
    monkeypatch.setattr("movable.supervise.cluster.CONNECT_SECONDS", 100.0)
    with cluster(tmp_path) as one:
        assert main(["check", TARGET, "--era", "4.19", "--dask", one.scheduler_address]) == 2
    assert f"{TARGET} gets 32" in capsys.readouterr().err


@pytest.mark.campaign
def test_a_check_on_a_cluster_finds_what_processes_here_find(tmp_path: Path) -> None:
    with cluster(tmp_path / "dask") as one:
        file = tmp_path / "c.json"
        words = ["--examples", "2", "--executions", "60", "--campaign", str(tmp_path / "pieces"), "--json", str(file)]
        assert main(["check", TARGET, "--dask", one.scheduler_address, *words]) == 1
    record = json.loads(file.read_text())
    assert "D53" in {one["id"] for one in record["rules"] if one["verdict"] == "broken"}
    assert record["interleavings"]["executions"] >= 60
    assert list((tmp_path / "pieces").glob("*.jsonl"))
