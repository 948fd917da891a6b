"""The documentation is executed: every Python block runs, every command gives what the page shows.

In a page, ``<!-- not run: REASON -->`` in front of a block leaves it out, and ``<!-- file: NAME -->`` also saves it where the
page's commands find it; a script in sh is only saved. A block of commands has lines that begin with "$ ", each followed by what it
prints: nothing is compared where nothing is shown, a line "..." stands for any lines, "..." in a line for a part of
it. "[exit code N]" says how the command ends, which is with 0 otherwise. A block of text
behind ``<!-- printed above -->`` is a part of what the page's last command has printed, likewise.
"""

from __future__ import annotations

import os
import re
import shlex
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from textwrap import indent
from typing import Any, NamedTuple

import pytest

from movable.c.build.toolchain import available

ROOT = Path(__file__).parent.parent
PAGES = [ROOT / "README.md", ROOT / "CHANGELOG.md", *sorted((ROOT / "docs").rglob("*.md"))]
SHOWN_ONLY = {"json", "toml", "c", "diff"}
PRINTED = "<!-- printed above -->"
SHORTENED = "<!-- the lanes of docs/interleavings.md, shortened -->"
COMMANDS = {"movable", "cmp", "python"}
TIMEOUT = 300


class Block(NamedTuple):
    """One fenced block: its language, its text, the comment in front of it, and the line where it begins."""

    language: str
    text: str
    mark: str
    line: int


def blocks(page: str) -> Iterator[Block]:
    """The fenced blocks of a page."""
    lines = page.splitlines()
    start = -1
    language = mark = ""
    for number, line in enumerate(lines):
        if not line.lstrip().startswith("```"):
            continue
        if start < 0:
            start, language = number, line.strip().removeprefix("```").strip()
            before = lines[number - 1].strip() if number else ""
            mark = before if before.startswith("<!--") else ""
        else:
            yield Block(language, "\n".join(lines[start + 1 : number]) + "\n", mark, start + 1)
            start = -1
    assert start < 0, f"the block that begins at line {start + 1} has no end"


def problem(block: Block) -> str:
    """Why a block cannot be run although nothing says that it is not, or ""."""
    if re.fullmatch(r"<!-- not run: .+ -->", block.mark) or block.language in SHOWN_ONLY or _only_saved(block):
        return ""
    if block.language == "text":
        return "" if block.mark in (PRINTED, SHORTENED) else f"line {block.line}: nothing says where this text comes from"
    if block.mark and not re.fullmatch(r"<!-- file: \w+\.py -->", block.mark):
        return f"line {block.line}: unknown mark {block.mark}"
    if block.language == "python":
        return ""
    if block.language != "console":
        return f"line {block.line}: a block in {block.language or 'no language'} cannot be run; mark it, or use text"
    for command, _, _ in commands(block.text):
        if re.search(r"[|&;<>`]", command) or shlex.split(command)[0] not in COMMANDS:
            return f"line {block.line}: {command!r} cannot be run; mark the block"
    return ""


def _only_saved(block: Block) -> bool:
    """A script, or a source in C with its description, that the page's commands read."""
    return block.language in ("sh", "c", "toml") and re.fullmatch(rf"<!-- file: \w+\.{block.language} -->", block.mark) is not None


def commands(text: str) -> list[tuple[str, str, int]]:
    """(command, expected output, expected exit code) of a console block."""
    found: list[tuple[str, str, int]] = []
    for line in text.splitlines():
        if line.startswith("$ "):
            found.append((line[2:], "", 0))
            continue
        assert found, f"a console block begins with {line!r}, which is no command"
        command, output, code = found[-1]
        ends = re.fullmatch(r"\[exit code (\d+)\]", line)
        found[-1] = (command, output, int(ends[1])) if ends else (command, f"{output}{line}\n", code)
    return found


def as_pattern(expected: str) -> str:
    """The regular expression for expected output."""
    pattern = ""
    for line in expected.splitlines():
        if line.strip() == "...":
            pattern += r"(?:.*\n)*?"
        elif line.endswith("..."):
            pattern += re.escape(line[:-3]) + r".*\n"
        elif " ... " in line:
            pattern += r" .* ".join(map(re.escape, line.split(" ... "))) + r"\n"
        else:
            pattern += re.escape(line) + r"\n"
    return pattern


def run_block(block: Block, namespace: dict[str, Any], folder: Path) -> None:
    """Run one block. Python shares a namespace, commands share a folder; "printed" is what the last command has printed."""
    if block.mark == PRINTED:
        found = (re.search(as_pattern(indent(block.text, margin)), namespace["printed"]) for margin in ("", "    "))
        assert any(found), f"line {block.line}: what was printed is\n{namespace['printed']}"
        return
    if block.mark.startswith("<!-- file: "):
        (folder / block.mark.split()[2]).write_text(block.text)
    if _only_saved(block) or block.mark == SHORTENED:
        return
    if block.language == "python":
        exec(compile(block.text, f"line {block.line}", "exec"), namespace)
        return
    for command, expected, code in commands(block.text):
        words = shlex.split(command)
        if words[0] == "movable":
            words[:1] = [sys.executable, "-m", "movable.cli"]
        elif words[0] == "python":
            words[0] = sys.executable
        environment = {**os.environ, "COLUMNS": "132"}
        done = subprocess.run(words, cwd=folder, env=environment, capture_output=True, text=True, timeout=TIMEOUT)
        output = namespace["printed"] = done.stdout + done.stderr
        assert done.returncode == code, f"line {block.line}: {command!r} ended with {done.returncode}:\n{output}"
        assert not expected or re.fullmatch(as_pattern(expected), output), f"line {block.line}: {command!r} printed:\n{output}"


@pytest.mark.unmeasured
@pytest.mark.parametrize("page", PAGES, ids=[str(page.relative_to(ROOT)) for page in PAGES])
def test_page_does_what_it_says(page: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    if page.stem == "c-drivers" and available():
        pytest.skip(available())
    monkeypatch.chdir(tmp_path)
    monkeypatch.syspath_prepend(tmp_path)  # a block may import what another one has saved
    namespace: dict[str, Any] = {"__name__": page.stem}
    for block in blocks(page.read_text()):
        assert not problem(block)
        if (block.language in {"python", "console", "text"} or _only_saved(block)) and not block.mark.startswith("<!-- not run"):
            run_block(block, namespace, tmp_path)


@pytest.mark.parametrize("page", PAGES, ids=[str(page.relative_to(ROOT)) for page in PAGES])
def test_links_lead_somewhere(page: Path) -> None:
    targets = re.findall(r"\]\(([^)\s#]+)(?:#[^)]*)?\)", page.read_text())
    assert not [target for target in targets if "://" not in target and not (page.parent / target).exists()]
    files = re.findall(r"(?<![\w./-])((?:movable|tests|docs)/[\w./-]*\w)", page.read_text())
    assert not [file for file in files if not (ROOT / file).exists()]


def test_the_readme_shows_the_race_of_the_guide() -> None:
    """Its steps, with their numbers, and what came of them."""
    (lanes,) = (block.text for block in blocks((ROOT / "README.md").read_text()) if block.mark == SHORTENED)
    whole = next(block.text for block in blocks((ROOT / "docs" / "interleavings.md").read_text()) if block.mark == PRINTED)
    steps = re.findall(r"^ +(\d+) +(.*?)(?:   .*)?$", lanes, re.MULTILINE)
    assert len(steps) == 5 and len(lanes.splitlines()) <= 11
    assert re.search(".*".join(rf"\b{number} +{re.escape(step)}" for number, step in steps), whole, re.DOTALL)
    assert lanes.splitlines()[-1].partition(": ")[2] in whole


def test_the_readme_says_how_to_set_up_and_what_a_pass_proves() -> None:
    """The two commands are the ones that .ci/run gives to a fresh environment."""
    readme, script = (ROOT / "README.md").read_text(), (ROOT / ".ci" / "run").read_text()
    assert "$ python3 -m venv .venv && .venv/bin/pip install . && .venv/bin/movable run\n" in readme
    assert "$ python3 -m venv .venv && .venv/bin/pip install -e '.[test]' && .venv/bin/python -m pytest\n" in readme
    for part in ("python3 -m venv", 'pip" install', "'.[test]'", "-m pytest", "movable run"):
        assert part in script
    assert "does not prove" in readme.split("## Where to read on")[0].replace("\n", " ")


def test_the_readme_leads_to_every_page_by_need() -> None:
    """Each page once, under one of the four kinds of documentation."""
    parts = (ROOT / "README.md").read_text().split("## Where to read on")[1].split("\n### ")[1:]
    assert [part.split()[0].rstrip(":") for part in parts] == ["Tutorials", "How-to", "Reference", "Explanation"]
    led = [page for part in parts for page in re.findall(r"^\| \[(docs/[\w-]+\.md)\]", part, re.MULTILINE)]
    assert sorted(led) == sorted(str(path.relative_to(ROOT)) for path in (ROOT / "docs").glob("*.md"))


# the checker itself


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("```sh\nls\n```\n", "a block in sh cannot be run"),
        ("```\nx\n```\n", "a block in no language cannot be run"),
        ("```console\n$ ls\n```\n", "'ls' cannot be run"),
        ("```console\n$ movable drivers | head\n```\n", "cannot be run"),
        ("<!-- not run -->\n```python\n1/0\n```\n", "unknown mark"),
        ("<!-- not run: why not -->\n```sh\nls\n```\n", ""),
        ("```text\nx\n```\n", "nothing says where this text comes from"),
        ("<!-- printed above -->\n```text\nx\n```\n", ""),
        ("```python\nx = 1\n```\n", ""),
    ],
)
def test_a_block_that_cannot_run_must_say_so(text: str, expected: str) -> None:
    (block,) = blocks(text)
    assert expected in problem(block)
    assert bool(expected) == bool(problem(block))


def test_a_python_block_that_fails_fails_the_page(tmp_path: Path) -> None:
    (block,) = blocks("```python\n1 / 0\n```\n")
    with pytest.raises(ZeroDivisionError):
        run_block(block, {}, tmp_path)


@pytest.mark.parametrize(
    ("text", "good"),
    [
        ("$ movable --version\n", True),
        ("$ movable --version\nmovable ...\n", True),
        ("$ movable --version\n...\n", True),
        ("$ movable --version\nsomething else\n", False),
        ("$ movable --version\nmovable ...\nmore\n", False),
        ("$ movable --version\n[exit code 2]\n", False),
        ("$ movable no-such-command\n", False),
        ("$ movable no-such-command\n...\n[exit code 2]\n", True),
    ],
)
def test_output_and_exit_code_are_compared(text: str, good: bool, tmp_path: Path) -> None:
    (block,) = blocks(f"```console\n{text}```\n")
    assert not problem(block)
    if good:
        run_block(block, {}, tmp_path)
    else:
        with pytest.raises(AssertionError):
            run_block(block, {}, tmp_path)


def test_cmp_is_there() -> None:
    assert shutil.which("cmp"), "docs/running.md compares files with cmp, which comes with diffutils"
