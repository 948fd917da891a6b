"""The page that says where things are is right: every file that it names has what it says."""

from __future__ import annotations

import argparse
import ast
import inspect
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

from movable.cli import build_parser
from movable.rules.table import ALL_RULES, declared_in
from tests.test_tidy import ARROWS

ROOT = Path(__file__).parents[1]
PAGE = (ROOT / "docs" / "rooms.md").read_text()
ROWS = re.findall(r"^\| .+ \| `(movable/\S+\.py)` \| `(\w+)` \|$", PAGE, re.MULTILINE)


@pytest.mark.parametrize(("file", "name"), ROWS)
def test_a_file_has_what_the_page_says(file: str, name: str) -> None:
    body = ast.parse((ROOT / file).read_text()).body
    defined = {node.name for node in body if isinstance(node, ast.FunctionDef | ast.ClassDef)}
    assigned = (found for node in body if isinstance(node, ast.Assign | ast.AnnAssign) for found in ast.walk(node))
    defined |= {found.id for found in assigned if isinstance(found, ast.Name)}
    assert name in defined


def test_each_rule_has_its_file_on_the_page() -> None:
    files: dict[str, list[str]] = {}
    for found in ALL_RULES.values():
        files.setdefault(declared_in(found), []).append(found.id)
    rows = [f"| `{file}` | {' '.join(rules)} |" for file, rules in sorted(files.items())]
    assert "\n".join(["| file | rules |", "|---|---|", *rows]) in PAGE


def test_every_room_is_on_the_page_with_what_it_may_use() -> None:
    rooms = {path.name for path in (ROOT / "movable").iterdir() if (path / "__init__.py").is_file()}
    rows = dict(re.findall(r"^\| `movable/(\w+)` \| .+ \| (.*) \|$", PAGE, re.MULTILINE))
    assert rows.keys() == rooms and len(ROWS) > 20
    for room, arrows in ARROWS.items():
        assert set(re.findall(r"`(\w+)`", rows[room])) == arrows - {room, "names"}, room


def mirrored(folder: Path) -> dict[str, list[str]]:
    """The kernel's files with ours, by what the first paragraph of each of ours says it mirrors."""
    ours: dict[str, list[str]] = {}
    for path in sorted(folder.rglob("*.py")):
        head = (ast.get_docstring(ast.parse(path.read_text())) or "").partition("\n\n")[0]
        for name in re.findall(r"[\w./-]+/[\w./-]+\.[ch]\b", head):
            ours.setdefault(name, []).append(str(path.relative_to(folder)))
    return dict(sorted(ours.items()))


def test_the_kernels_files_lead_to_ours() -> None:
    ours = mirrored(ROOT / "movable" / "mm")
    told = {name: f"{Path(name).stem.replace('-', '_')}.py" for name in ours}
    unlike = [(name, files) for name, files in sorted(ours.items()) if files != [told[name]]]
    rows = [f"| `{name}` | {' '.join(f'`{file}`' for file in files)} |" for name, files in unlike]
    assert "\n".join(["| in the kernel | here |", "|---|---|", *rows]) + "\n\n" in PAGE
    of_drivers = [f"| `{name}` | {' '.join(f'`{file}`' for file in files)} |" for name, files in mirrored(ROOT / "drivers").items()]
    assert "\n".join(["| in the kernel | there |", "|---|---|", *of_drivers]) + "\n\n" in PAGE


@pytest.mark.parametrize(
    ("file", "authors"),
    [
        ("explore/dependence.py", "Mazurkiewicz"),
        ("explore/schedulers/dpor.py", "Flanagan Godefroid Abdulla"),
        ("explore/schedulers/preemption_bounded.py", "Musuvathi"),
        ("explore/schedulers/pos.py", "Yuan"),
        ("explore/schedulers/surw.py", "Zhao"),
        ("explore/schedulers/urw.py", "Zhao"),
        ("explore/detect/data_races.py", "Lamport Fidge Mattern Flanagan"),
        ("explore/failures/shrink.py", "Zeller"),
        ("concurrent/linearizability.py", "Herlihy"),
        ("workload/generate.py", "Groce"),
    ],
)
def test_an_algorithm_cites_the_papers_of_the_glossary(file: str, authors: str) -> None:
    head = ast.get_docstring(ast.parse((ROOT / "movable" / file).read_text())) or ""
    glossary = (ROOT / "docs" / "glossary.md").read_text()
    assert len(re.findall(r"^\| \*\*", glossary, re.MULTILINE)) >= 30
    assert not [author for author in authors.split() if author not in head or author not in glossary]


def commands(parser: argparse.ArgumentParser, name: str) -> Iterator[tuple[str, argparse.ArgumentParser]]:
    """Every command with its parser."""
    inner = next((action for action in parser._actions if isinstance(action, argparse._SubParsersAction)), None)
    if inner is None:
        yield name, parser
    for word, below in inner.choices.items() if inner is not None else ():
        yield from commands(below, f"{name} {word}")


def test_every_command_leads_to_its_file() -> None:
    rows = re.findall(r"^\| `(movable[\w ]+)` \| `(\S+)` \| `(\S+)` \|$", PAGE, re.MULTILINE)
    runs = {name: inspect.getsourcefile(parser.get_default("run")) for name, parser in commands(build_parser(), "movable")}
    assert {name: file for name, file, _ in rows} == {name: str(Path(run or "").relative_to(ROOT)) for name, run in runs.items()}
    assert not [work for _, _, work in rows if not (ROOT / work).is_file()]


def test_names_that_stand_in_several_rooms() -> None:
    """Of the files that the table names it has every folder, and it names all that are in three rooms or more."""
    table = PAGE.split("## One name in several rooms")[1].split("## ")[0]
    named: list[str] = []
    folders: dict[str, set[Path]] = {}
    for row in table.splitlines()[4:]:
        first, where = row.split("|")[1:3] if row.startswith("|") else ("", "")
        named = re.findall(r"`(\w+\.py)`", first) or named
        for name in named:
            folders.setdefault(name, set()).update(ROOT / folder for folder in re.findall(r"`(\S+)`", where))
    assert len(folders) > 3
    for name, there in folders.items():
        found = {path.parent for room in ("movable", "drivers") for path in (ROOT / room).rglob(name)}
        assert found <= there, name
    rooms: dict[str, set[str]] = {}
    for top in (ROOT / "movable", ROOT / "drivers"):
        for path in top.rglob("*.py"):
            rooms.setdefault(path.name, set()).add(path.relative_to(top).parts[0])
    assert {name for name, where in rooms.items() if len(where) > 2} <= {*folders, "__init__.py", "cli.py"}
