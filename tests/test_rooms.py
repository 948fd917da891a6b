"""The page that says where things are is right: every file that it names has what it says."""

from __future__ import annotations

import ast
import re
from pathlib import Path

import pytest

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


def test_every_room_is_on_the_page() -> None:
    rooms = {path.name for path in (ROOT / "movable").iterdir() if (path / "__init__.py").is_file()}
    assert len(ROWS) > 20 and not {room for room in rooms if f"`movable/{room}`" not in PAGE}
