"""Commands in odd surroundings: no home, strange encodings, a narrow terminal, standard output closed or full."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest

TRACE = str(Path(__file__).parent / "data" / "traces" / "soft" / "trace.txt.gz")
COMMANDS = {"rules": ["rules", "D17"], "summary": ["trace", "summary", TRACE], "help": ["check", "--help"]}
ODD = {
    "C locale": {"LC_ALL": "C", "PYTHONUTF8": "0", "PYTHONCOERCECLOCALE": "0"},
    "ascii": {"PYTHONIOENCODING": "ascii"},
    "latin-1": {"PYTHONIOENCODING": "latin-1"},
    "utf-16": {"PYTHONIOENCODING": "utf-16"},
    "EBCDIC": {"PYTHONIOENCODING": "cp037"},
    "names of hosts": {"PYTHONIOENCODING": "idna"},
    "no such locale": {"LANG": "xx_YY.bogus", "LC_ALL": "xx_YY.bogus", "PYTHONUTF8": "0"},
    "20 columns": {"COLUMNS": "20"},
}
pytestmark = pytest.mark.slow


def run(arguments: list[str], redirect: str = "", **surroundings: str) -> tuple[int, str]:
    """Exit code and standard error of a command without a home; ``redirect`` is the shell's."""
    kept = {name: value for name, value in os.environ.items() if name != "HOME" and not name.startswith(("LC_", "LANG", "PYTHON"))}
    command = ["sh", "-c", f'exec "$@" {redirect}', "sh", sys.executable, "-m", "movable", *arguments]
    done = subprocess.run(command, env=kept | surroundings, capture_output=True, timeout=120)
    return done.returncode, done.stderr.decode("latin-1")


@pytest.mark.parametrize("odd", ODD)
def test_odd_surroundings(odd: str) -> None:
    assert run(COMMANDS["summary"], **ODD[odd]) == (0, "")


@pytest.mark.parametrize("command", COMMANDS)
def test_standard_output_that_is_closed(command: str) -> None:
    code, err = run(COMMANDS[command], ">&-")
    assert code in (0, 1) and err.count("\n") <= 1 and "Traceback" not in err
    assert run(COMMANDS[command], ">&- 2>&-")[0] in (0, 1)


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="needs /dev/full")
def test_standard_output_that_is_full() -> None:
    for arguments in (COMMANDS["summary"], ["check", "--help"]):
        assert run(arguments, ">/dev/full") == (1, "movable: standard output: No space left on device\n")
    assert run(["rules", "D999"], "2>/dev/full") == (2, "")


def test_a_reader_that_leaves_before_the_help_comes() -> None:
    reads, writes = os.pipe()
    os.close(reads)
    env = {name: value for name, value in os.environ.items() if name != "PYTHONUNBUFFERED"}
    command = [sys.executable, "-m", "movable", "check", "--help"]
    done = subprocess.run(command, env=env, stdout=writes, stderr=subprocess.PIPE, timeout=120)
    os.close(writes)
    assert (done.returncode, done.stderr) == (0, b"")


def test_a_folder_that_is_gone_and_no_more_files_are_not_about_standard_output() -> None:
    check = ["check", "docs.drivers.ring:Ring", "--examples", "1"]
    gone = ["sh", "-c", 'mkdir gone && cd gone && rmdir ../gone && exec "$@"', "sh"]
    few = ["sh", "-c", 'ulimit -n 6 && exec "$@"', "sh"]
    root = Path(__file__).parents[1]
    for before, words in ((gone, "the folder that the command was started in is gone"), (few, "Too many open files")):
        with TemporaryDirectory() as folder:
            env = os.environ | {"PYTHONPATH": f"{root}:{root / 'drivers'}"}
            command = [*before, sys.executable, "-m", "movable", *check]
            done = subprocess.run(command, env=env, cwd=folder, capture_output=True, text=True, timeout=120)
        assert done.returncode == 2 and words in done.stderr.splitlines()[-1] and "Traceback" not in done.stderr
