"""Writes results: whole or not at all, to a file or to standard output."""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from movable.errors import MovableError, UsageError


def part_of(path: Path) -> Path:
    """The neighbour of a file that is written first, and renamed when it is whole."""
    target = path.resolve()
    return target.with_name(target.name + ".part")


@contextmanager
def whole(path: Path) -> Iterator[Path]:
    """Where to write what must appear in ``path`` whole or not at all: when the block ends early, what was there stays.

    What exists and is no regular file, such as /dev/null or a pipe, is written to as it is: renaming would replace it.
    """
    if path.exists() and not path.is_file():
        yield path
        return
    part = part_of(path)
    try:
        yield part
        part.replace(path.resolve())
    finally:
        part.unlink(missing_ok=True)


def write_text(target: str, text: str) -> None:
    """Write to a file, whole or not at all; "-" is standard output.

    Raises OSError when it cannot be opened, and MovableError when it cannot take the text, as a full disk.
    """
    if target == "-":
        sys.stdout.write(text)
        return
    try:
        with whole(Path(target)) as place:
            place.write_text(text, encoding="utf-8")
    except OSError as error:
        if error.filename is None:
            raise MovableError(f"{target}: {error.strerror}") from None
        raise


def check_place(target: str | None) -> None:
    """Raises UsageError when a result cannot be written there, before anybody works for it. None and "-" are fine."""
    if target is None or target == "-":
        return
    path = Path(target)
    if not target or path.is_dir():
        raise UsageError(f"{target!r} is no file to write to; name one")
    if not path.parent.is_dir():
        raise UsageError(f"{target}: there is no directory {str(path.parent)!r}; make it first")
    if not os.access(path if path.exists() else path.parent, os.W_OK):
        raise UsageError(f"{target}: not allowed to write there")


def write_json(target: str, record: dict[str, Any]) -> None:
    """Write a record as indented JSON; see ``write_text``."""
    write_text(target, json.dumps(record, indent=2) + "\n")
