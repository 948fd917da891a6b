"""The JSON record of a run is as the page says."""

from __future__ import annotations

import json
from pathlib import Path

from tests.lab.test_cli import BROKEN, SMALL, check_schema, run


def test_the_record_of_a_loss_is_as_documented(tmp_path: Path) -> None:
    done = run("run", "--memory", "32M", "--drivers", f"{BROKEN}:Corrupts,balloon", "--json", "r.json", folder=tmp_path)
    assert done.returncode == 1
    check_schema(json.loads((tmp_path / "r.json").read_text()), missing={"warnings[]"})


def test_the_record_of_a_run_with_warnings_is_as_documented(tmp_path: Path) -> None:
    done = run("run", *SMALL, "--drivers", f"zsmalloc,{BROKEN}:SetsIsolated", "--json", "r.json", folder=tmp_path)
    assert (done.returncode, done.stderr) == (0, "")
    check_schema(json.loads((tmp_path / "r.json").read_text()), missing={"check.lost[]"})


def test_the_record_of_an_early_failure_is_as_documented(tmp_path: Path) -> None:
    assert run("run", *SMALL, "--drivers", f"{BROKEN}:PopulateRaises", "--json", "r.json", folder=tmp_path).returncode == 1
    check_schema(
        json.loads((tmp_path / "r.json").read_text()), missing={"data.", "zones.", "migrated.", "offline.", "check.", "warnings[]"}
    )
