"""Certificates as pytest items, in a pytest of their own."""

from __future__ import annotations

import os
import shlex
import subprocess
import sys
from pathlib import Path
from xml.etree import ElementTree

import pytest

ROOT = Path(__file__).parent.parent.parent


def run_pytest(folder: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    command = [sys.executable, "-m", "pytest", "-p", "no:cacheprovider", "-q", "-rs", *arguments]
    return subprocess.run(command, cwd=folder, capture_output=True, text=True, env=environment, timeout=120, check=False)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "test_drivers.py").write_text(
        "from docs.drivers.ring import Ring\n"
        "from movable.contract import certify\n"
        "from tests.drivers_for_tests.bad_drivers import Half\n"
        "test_ring = certify(Ring, examples=10)\n"
        "test_half = certify(Half, examples=10)\n"
        "test_excused = certify(Half, examples=10, waive={'D15': 'the tail is never used'})\n"
        "not_a_test = certify(Half, examples=10)\n"
    )
    return tmp_path


def test_one_test_for_each_rule(folder: Path) -> None:
    listing = run_pytest(folder, "--collect-only")
    assert "test_drivers.py::test_ring::D17" in listing.stdout
    assert "not_a_test" not in listing.stdout
    assert "D19b" not in listing.stdout


def test_verdicts_are_outcomes(folder: Path) -> None:
    passing = run_pytest(folder, "-k", "test_ring")
    assert passing.returncode == 0, passing.stdout
    assert "never exercised" in passing.stdout
    failing = run_pytest(folder, "test_drivers.py::test_half", "--junitxml", "junit.xml")
    assert failing.returncode == 1
    junit_tells_every_rule(folder / "junit.xml")
    assert "BROKEN D15 (must)" in failing.stdout
    assert "movable replay" in failing.stdout
    excused = run_pytest(folder, "test_drivers.py::test_excused::D15")
    assert "1 xfailed" in excused.stdout


def junit_tells_every_rule(file: Path) -> None:
    """What other programs read: a case for each rule, with its failure or the reason why it was skipped."""
    cases = {case.get("name"): case for case in ElementTree.parse(file).iter("testcase")}
    assert {"D15", "D17", "V7"} <= cases.keys()
    failure = cases["D15"].find("failure")
    assert failure is not None and "BROKEN D15 (must): content survives" in f"{failure.get('message')}{failure.text}"
    assert cases["D17"].find("failure") is None and cases["D17"].find("skipped") is None
    skipped = cases["D43"].find("skipped")
    assert skipped is not None and "never exercised" in f"{skipped.get('message')}"


def test_installed_drivers_are_certified_on_request(tmp_path: Path) -> None:
    (tmp_path / "test_nothing.py").write_text("def test_nothing(): pass\n")
    assert "1 passed" in run_pytest(tmp_path).stdout
    (tmp_path / "pyproject.toml").write_text("[tool.movable.excuse]\nballoon = 'not ours'\n[tool.pytest.ini_options]\n")
    result = run_pytest(tmp_path, "--movable", "--movable-budget", "1", "--collect-only")
    assert "movable/zsmalloc/D17" in result.stdout
    assert "movable/balloon" not in result.stdout
    (tmp_path / "pyproject.toml").write_text("[tool.movable.excuse]\nballoon = ''\n[tool.pytest.ini_options]\n")
    assert "needs a reason" in run_pytest(tmp_path, "--movable").stderr


def test_a_driver_that_cannot_be_loaded_is_one_error(tmp_path: Path) -> None:
    (tmp_path / "test_gone.py").write_text(
        "from movable.contract import certify\ntest_gone = certify('nosuch:Driver')\ndef test_other(): pass\n"
    )
    result = run_pytest(tmp_path)
    assert "unknown driver 'nosuch:Driver'" in result.stdout
    assert "Traceback" not in result.stdout
    assert result.stdout.splitlines()[-1].startswith("1 error in ")
    (tmp_path / "test_gone.py").write_text("")
    ghost = tmp_path / "ghost-1.0.dist-info"
    ghost.mkdir()
    (ghost / "METADATA").write_text("Metadata-Version: 2.1\nName: ghost\nVersion: 1.0\n")
    (ghost / "entry_points.txt").write_text("[movable.drivers]\nghost = no_such_module:Ghost\n")
    result = run_pytest(tmp_path, "--movable", "-k", "ghost")
    assert "movable/ghost/load" in result.stdout
    assert "cannot be imported: ModuleNotFoundError" in result.stdout
    assert result.stdout.splitlines()[-1].startswith("1 failed, ")


def test_the_replay_line_of_a_test_works_in_a_terminal(tmp_path: Path) -> None:
    (tmp_path / "drivers").mkdir()
    (tmp_path / "drivers" / "test_mine.py").write_text(
        "from docs.drivers.ring import Ring, RingWorkload\n"
        "from movable.contract import certify\n"
        "from tests.drivers_for_tests.bad_drivers import Half\n"
        "class Mine(Half):\n"
        "    workload = None\n"
        "class Work(RingWorkload): pass\n"
        "test_mine = certify(Mine, workload=Work, examples=10)\n"
    )
    failed = run_pytest(tmp_path, "-k", "D15").stdout
    line = next(line for line in failed.splitlines() if "See it again: " in line)
    command = shlex.split(line.partition("See it again: ")[2])
    assert command[:5] == ["movable", "replay", "--workload", "drivers/test_mine.py:Work", "drivers/test_mine.py:Mine"]
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    again = subprocess.run(
        [sys.executable, "-m", "movable.cli", *command[1:]],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        env=environment,
        check=False,
    )
    assert again.returncode == 1, again.stderr
    assert "BROKEN D15 (must)" in again.stdout


def test_the_plug_in_costs_nothing_when_unused() -> None:
    seen = "sorted(name for name in sys.modules if name.startswith('movable.contract'))"
    code = f"import sys, movable.pytest_plugin; print({seen}, 'hypothesis' in sys.modules)"
    result = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert result.stdout.strip() == "[] False"
