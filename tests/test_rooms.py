"""The page that says where things are is right: every file that it names has what it says."""

from __future__ import annotations

import ast
import re
from pathlib import Path

import pytest

from movable.rules.table import ALL_RULES, declared_in

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


def test_every_room_is_on_the_page() -> None:
    rooms = {path.name for path in (ROOT / "movable").iterdir() if (path / "__init__.py").is_file()}
    assert len(ROWS) > 20 and not {room for room in rooms if f"`movable/{room}`" not in PAGE}
