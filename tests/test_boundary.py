"""Whatever a command, a driver, a workload or a file raises is one line with its place; ``--debug`` shows all of it."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest

from movable.boundary import complaint
from movable.cli import main
from movable.errors import MovableError, UsageError


class Silent(Exception):
    """Cannot say what it is."""

    def __str__(self) -> str:
        raise ValueError


class EndsTheProgram(Exception):
    """Ends the program that asks what it is."""

    def __str__(self) -> str:
        raise SystemExit(0)


class Words(str):
    """A text that cannot be used as one."""

    def __getitem__(self, key: Any) -> str:
        raise SystemExit(0)

    __len__ = __str__ = __getitem__  # type: ignore[assignment]


class Wordy(Exception):
    """Says what it is in such a text."""

    def __str__(self) -> str:
        return Words("hello")


def caught(error: BaseException) -> BaseException:
    try:
        raise error
    except BaseException as found:
        return found


@pytest.mark.parametrize(
    ("error", "start", "code"),
    [
        (UsageError("do this"), "{here} caught: do this", 2),
        (MovableError("broken"), "broken", 1),
        (FileNotFoundError(2, "No such file", "x\ny"), "x\\ny: No such file", 2),
        (ValueError("a\nb\x1b"), "{here} caught: ValueError: a\\nb\\x1b", 2),
        (Silent(), "{here} caught: Silent: (Silent that cannot be shown", 2),
        (EndsTheProgram(), "{here} caught: EndsTheProgram: (EndsTheProgram that cannot be shown", 2),
        (Wordy(), "{here} caught: Wordy: hello", 2),
        (SystemExit(0), "{here} caught: SystemExit: it ends the program", 2),
        (RecursionError(), "{here} caught: RecursionError", 2),
        (KeyError("x" * 100_000), "{here} caught: KeyError: 'xxx", 2),
    ],
)
def test_one_line_with_the_place(error: BaseException, start: str, code: int) -> None:
    raised = caught(error)
    assert raised.__traceback__ is not None
    here = f"{__file__}:{raised.__traceback__.tb_lineno}"
    line, exit_code = complaint(raised)
    assert line.startswith(start.replace("{here}", here)) and exit_code == code
    assert "\n" not in line and "\x1b" not in line and len(line) < 2500


def test_a_fault_of_the_products_own_says_so(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    from movable.contract.show import rules as show_rules

    monkeypatch.setattr(show_rules, "textwrap", None)
    assert main(["rules"]) == 2
    line = capsys.readouterr().err
    assert line.count("\n") == 1 and "rules.py" in line and "a fault of movable's own" in line


@pytest.mark.parametrize("arguments", [["--debug", "rules", "D999"], ["rules", "D999", "--debug"]])
def test_debug_shows_all(arguments: list[str]) -> None:
    with pytest.raises(UsageError):
        main(arguments)


FILES = {
    "raises.py": "x = 1\n1 / 0\n",
    "ends.py": "import sys\nsys.exit(0)\n",
    "recursion.py": "def f():\n    f()\nf()\n",
    "syntax.py": "def f(:\n",
    "bytes.py": "x = '\\udc80'\nraise ValueError(x)\n",
    "escape.py": "raise ValueError('\\x1b[31m\\n\\n')\n",
    "group.py": "raise ExceptionGroup('g', [ValueError(1), TypeError(2)])\n",
    "base.py": "class Mine(BaseException):\n    pass\nraise Mine('x')\n",
}


@pytest.mark.parametrize("file", FILES)
def test_a_file_that_cannot_be_imported(
    file: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    Path(file).write_text(FILES[file])
    assert main(["check", f"{file}:Driver", "--examples", "1"]) == 2
    err = capsys.readouterr().err
    assert err.count("\n") == 1 and file in err and "Traceback" not in err and "\x1b" not in err


@pytest.mark.parametrize("words", [["numa", "run"], ["numa", "outcomes"], ["numa", "replay"], ["sh"], ["lab", "answers"]])
def test_a_script_that_is_no_text(words: list[str], tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "script").write_bytes(b"\x8a\xff\n" * 10)
    assert main([*words, str(tmp_path / "script")]) == 2
    error = capsys.readouterr().err
    assert error.count("\n") == 1 and "fault of movable's own" not in error and str(tmp_path) in error


@pytest.mark.parametrize("words", [["numa", "run"], ["numa", "outcomes"], ["sh", "--empty"], ["trace", "check", "-"]])
def test_a_standard_input_that_is_closed(
    words: list[str], monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr("sys.stdin", None)
    assert main(words) == 2
    assert "standard input is closed" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["run", "--jsn", "x"], "movable run: unrecognized arguments: --jsn x; did you mean --json?"),
        (["trace", "check", "x", "--zzz"], "movable trace check: unrecognized arguments: --zzz; 'movable trace check --help'"),
        (["check", "x", "--seeds", "1,0-9999999999"], "movable check: argument --seeds: '1,0-9999999999' are more than 1000"),
        (["numa", "run", "/no such"], "movable: /no such: No such file or directory; give a script, or - for standard input"),
    ],
)
def test_what_is_typed_wrong_is_said_by_its_verb(words: list[str], said: str, capsys: pytest.CaptureFixture[str]) -> None:
    try:
        code = main(words)
    except SystemExit as ended:
        code = int(str(ended.code))
    error = capsys.readouterr().err
    assert code == 2 and error.startswith(said) and error.count("\n") == 1


@pytest.mark.parametrize(
    ("file", "words"),
    [("/dev/zero", "/dev/zero(, line 1)?: more than [0-9]+ MiB"), ("/proc/self/mem", "/proc/self/mem: Input/output error")],
)
@pytest.mark.parametrize(
    "command",
    ["numa replay", "numa run", "numa outcomes", "lab answers", "check docs.drivers.ring:Ring --examples 1 --diff"],
)
def test_a_file_without_end_or_that_cannot_be_read(
    command: str, file: str, words: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main([*command.split(), file]) == 2
    assert re.fullmatch(f"movable: {words}[^\n]*\n", capsys.readouterr().err)
