"""What tests of C drivers share: a reason to skip where there is no compiler, and drivers made of a few lines."""

from __future__ import annotations

import textwrap
from pathlib import Path
from typing import Any

import pytest

from movable.c import Driver
from movable.c.build.toolchain import available
from movable.c.target import find
from movable.mm.vm import VM

DATA = Path(__file__).parent.parent / "data" / "c"
needs_compiler = pytest.mark.skipif(bool(available()), reason=available() or "there is a compiler")


def written(folder: Path, text: str, name: str = "driver.c") -> str:
    """The name of a file with this source, whose headers are the usual ones."""
    path = folder / name
    path.write_text("#include <linux/module.h>\n#include <linux/mm.h>\n#include <linux/slab.h>\n" + textwrap.dedent(text))
    return str(path)


def loaded(folder: Path, text: str, **params: Any) -> Driver:
    """A driver of this source on a small machine."""
    vm = VM(layout=[(0, "Normal", 64)], pageblock_order=2)
    return find(written(folder, text), "")(vm, **params)
