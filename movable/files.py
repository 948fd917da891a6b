"""Writes results: whole or not at all, to a file or to standard output."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any


def write_text(target: str, text: str) -> None:
    """Write to a file through a neighbour that is renamed at the end; "-" is standard output. Raises OSError.

    What exists and is no regular file, such as /dev/null or a pipe, is written to as it is: renaming would replace it.
    """
    if target == "-":
        sys.stdout.write(text)
        return
    path = Path(target)
    if path.exists() and not path.is_file():
        path.write_text(text, encoding="utf-8")
        return
    part = path.with_name(path.name + ".part")
    part.write_text(text, encoding="utf-8")
    part.replace(path)


def write_json(target: str, record: dict[str, Any]) -> None:
    """Write a record as indented JSON; see ``write_text``."""
    write_text(target, json.dumps(record, indent=2) + "\n")
