"""What a driver was built from: asked of the compiler once, and again when a header has changed."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path

import pytest

from movable.c.build import toolchain
from movable.c.build.recipe import Recipe, mark
from tests.c.building import needs_compiler


@needs_compiler
def test_a_mark_changes_with_the_headers_and_costs_a_compiler_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    runs: list[list[str]] = []
    run = toolchain.run

    def counted(command: list[str], text: str = "") -> subprocess.CompletedProcess[str]:
        runs.append(command)
        return run(command, text)

    monkeypatch.setattr(toolchain, "run", counted)
    (tmp_path / "outer.h").write_text('#include "inner.h"\n')
    (tmp_path / "driver.c").write_text('#include "outer.h"\nint n = INNER;\n')
    recipe = Recipe((tmp_path / "driver.c",), era="6.1")
    missing = mark(recipe)
    (tmp_path / "inner.h").write_text("#define INNER 1\n")
    one = mark(recipe)
    before = len(runs)
    assert mark(recipe) == one != missing and len(runs) == before
    (tmp_path / "inner.h").write_text("#define INNER 2\n")
    two = mark(recipe)
    os.unlink(tmp_path / "inner.h")
    assert len({missing, one, two}) == 3 and mark(recipe) == missing
