"""``movable new``: what it writes installs into a fresh environment, and its tests pass there."""

from __future__ import annotations

import os
import shlex
import subprocess
import sys
from pathlib import Path

import pytest

from movable import UsageError
from movable.cli import main
from movable.contract import check
from movable.contract.new.scaffold import scaffold

ROOT = Path(__file__).parents[3]


def test_what_it_writes(tmp_path: Path) -> None:
    written = scaffold("my-driver", tmp_path)
    names = [str(path.relative_to(tmp_path / "my-driver")) for path in written]
    assert sorted(names) == [
        "README.md",
        "pyproject.toml",
        "src/my_driver/__init__.py",
        "src/my_driver/driver.py",
        "src/my_driver/workload.py",
        "tests/test_my_driver.py",
    ]
    assert len(written[-1].read_text().splitlines()) == 4
    assert not [path for path in written if "${" in path.read_text() or "$$" in path.read_text()]


@pytest.mark.parametrize("era", ["6.17", "7.3"])
def test_the_driver_of_a_later_kernel_is_right_too(era: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Also when it is removed while a page of its that was dropped is still isolated: the operations of the type stay (D41)."""
    name = f"boxes{era.replace('.', '')}"
    written = scaffold(name, tmp_path, era=era)
    text = (tmp_path / name / "README.md").read_text()
    assert text.count("movable check ") == text.count(f"movable check --era {era} boxes") == 2
    monkeypatch.syspath_prepend(str(tmp_path / name / "src"))
    assert check(f"{name}:{name.capitalize()}", era=era, examples=8, executions=60).broken == []
    assert f'examples=100, era="{era}")' in written[-1].read_text()


def test_the_driver_is_certified_as_it_is(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    scaffold("boxes", tmp_path)
    monkeypatch.syspath_prepend(str(tmp_path / "boxes" / "src"))
    report = check("boxes:Boxes", examples=40)
    assert report.workload == "BoxesWorkload"
    assert not report.broken


@pytest.mark.parametrize("name", ["json", "", "9lives", "My", "a b", "class", "movable", "test-me", "../up"])
def test_names_that_cannot_be(name: str, tmp_path: Path) -> None:
    with pytest.raises(UsageError, match=r"cannot name a driver|hide another package"):
        scaffold(name, tmp_path)
    assert not list(tmp_path.iterdir())


def test_nothing_is_overwritten(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    monkeypatch.chdir(tmp_path)
    assert main(["new", "boxes"]) == 0
    assert "boxes/pyproject.toml" in capsys.readouterr().out
    before = (tmp_path / "boxes" / "README.md").read_text()
    assert main(["new", "boxes"]) == 2
    assert "exists; nothing was written" in capsys.readouterr().err
    assert (tmp_path / "boxes" / "README.md").read_text() == before


def test_what_it_says_works_without_a_network(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    assert main(["new", "boxes"]) == 0
    where, command = capsys.readouterr().out.splitlines()[-1].removeprefix("next: cd ").split(" && ")
    environment = {name: value for name, value in os.environ.items() if not name.startswith(("PYTHON", "COV", "PYTEST"))}
    environment["PIP_NO_INDEX"] = "1"
    result = subprocess.run(
        [*shlex.split(command), "-q", "-p", "no:cacheprovider", "-k", "search or D15"],
        cwd=tmp_path / where, capture_output=True, text=True, timeout=600, check=False, env=environment,
    )  # fmt: skip
    assert result.returncode == 0 and "2 passed" in result.stdout, result.stdout + result.stderr


@pytest.mark.unmeasured
@pytest.mark.slow
def test_in_a_fresh_environment(tmp_path: Path) -> None:
    scaffold("my-driver", tmp_path)
    project = tmp_path / "my-driver"

    def run(*command: str) -> str:
        environment = {name: value for name, value in os.environ.items() if not name.startswith(("PYTHON", "COV", "PYTEST"))}
        result = subprocess.run(command, cwd=project, capture_output=True, text=True, timeout=600, check=False, env=environment)
        assert result.returncode == 0, result.stdout + result.stderr
        return result.stdout

    run(sys.executable, "-m", "venv", ".venv")
    python = str(project / ".venv" / "bin" / "python")
    run(python, "-m", "pip", "install", "-q", str(ROOT), "-e", ".")
    assert "passed" in run(python, "-m", "pytest", "-q")
    assert "my-driver" in run(str(project / ".venv" / "bin" / "movable"), "drivers")
    assert " 0 broken" in run(str(project / ".venv" / "bin" / "movable"), "check", "my-driver", "--examples", "20")
