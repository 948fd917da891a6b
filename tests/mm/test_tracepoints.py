"""A primitive has one line about being watched, and every tracepoint has a primitive."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

from movable.mm.tracepoints import Tracepoints

MM = Path(__file__).parents[2] / "movable" / "mm"


def watched(name: str) -> Iterator[ast.If]:
    """Each ``if ... seam is not None`` of a file."""
    for node in ast.walk(ast.parse((MM / name).read_text())):
        if isinstance(node, ast.If) and ast.unparse(node.test).endswith("seam is not None"):
            yield node


PRIMITIVES = "page page_flags filemap list migrate movable_ops page_alloc locks swap rmap memory migrate_lru"


@pytest.mark.parametrize("name", [f"{stem}.py" for stem in PRIMITIVES.split()])
def test_one_line_says_that_a_primitive_is_watched(name: str) -> None:
    long = [
        f"{name}:{node.lineno}"
        for node in watched(name)
        if len([line for line in node.body if not isinstance(line, ast.Return)]) > 1
    ]
    assert not long


def test_every_tracepoint_is_somebodys() -> None:
    text = "".join(path.read_text() for path in MM.glob("*.py"))
    unused = [name for name in vars(Tracepoints) if not name.startswith("_") and f"seam.{name}(" not in text]
    assert not unused
