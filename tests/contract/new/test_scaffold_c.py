"""movable new --c: what it writes is certified as it is."""

from __future__ import annotations

from pathlib import Path

import pytest

from movable.cli import main
from movable.contract.examine import check
from tests.c.building import needs_compiler


@needs_compiler
@pytest.mark.parametrize("era", ["4.19", "6.17", "7.3"])
def test_each_kernel_has_a_form_of_its_own(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, era: str) -> None:
    monkeypatch.chdir(tmp_path)
    assert main(["new", "--c", "my-pool", "--era", era]) == 0
    assert f'era = "{era}"' in Path("my-pool/movable.toml").read_text()
    report = check("my-pool/my_pool.c", examples=6, executions=40, era=era)
    assert (report.refused, report.broken) == ("", [])
    assert report.verdicts["D15"].verdict == "held"


@needs_compiler
def test_a_new_driver_is_certified_at_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    assert main(["new", "--c", "my-pool"]) == 0
    report = check("my-pool/my_pool.c", examples=8, executions=60, era="6.1")
    assert report.refused == ""
    assert report.broken == []
    assert report.passed()
    assert main(["new", "--c", "my-pool"]) == 2  # nothing is overwritten
