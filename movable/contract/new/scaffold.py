"""``movable new NAME``: a complete driver distribution whose tests pass as they are written."""

from __future__ import annotations

import keyword
import re
import sys
from pathlib import Path
from string import Template

from movable.contract.new import scaffold_c
from movable.contract.new.scaffold_era import for_era
from movable.eras import DEFAULT
from movable.eras import era as era_called
from movable.errors import UsageError

TEMPLATES = Path(__file__).parent / "templates"
TEMPLATES_C = Path(__file__).parents[2] / "c" / "templates"
"""Of a driver in C: its source, what its operations are, a test."""
TEMPLATES_FILESYSTEM = Path(__file__).parent / "filesystem"


def scaffold(name: str, parent: Path, templates: Path = TEMPLATES, era: str = DEFAULT) -> list[Path]:
    """Write a distribution called ``name`` into a new folder of that name below ``parent``; returns the files.

    ``templates`` are those of a Python driver, of one in C, or of a file system. ``era`` is the kernel that a driver is for.
    Raises UsageError for a name that is no Python package name, and for a folder that exists: nothing is overwritten.
    """
    known = era_called(era)
    package = name.replace("-", "_")
    if not re.fullmatch(r"[a-z][a-z0-9_]*", package) or keyword.iskeyword(package):
        raise UsageError(f"{name!r} cannot name a driver; use small letters, digits and dashes, a letter first")
    if package == "movable" or package.startswith("test") or package in sys.stdlib_module_names:
        raise UsageError(f"{name!r} would hide another package; choose another name")
    root = parent / name
    if root.exists():
        raise UsageError(f"{root} exists; nothing was written. Choose another name, or move it away")
    words = {"name": name, "package": package, "Class": "".join(part.capitalize() for part in package.split("_"))}
    written = []
    for template in sorted(templates.rglob("*.txt")):
        relative = template.relative_to(templates).with_suffix("")
        path = root / Template(str(relative)).substitute(words)
        path.parent.mkdir(parents=True, exist_ok=True)
        text = Template(template.read_text()).substitute(words)
        path.write_text(scaffold_c.for_era(text, package, known) if templates == TEMPLATES_C else for_era(text, known))
        written.append(path)
    return written
