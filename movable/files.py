"""Writes results: whole or not at all, to a file or to standard output."""

from __future__ import annotations

import json
import os
import stat
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from movable.errors import MovableError, UsageError


@contextmanager
def whole(path: Path) -> Iterator[Path]:
    """Where to write what must appear in ``path`` whole or not at all: when the block ends early, what was there stays.

    The place is a new file beside ``path``, which no other file is called like; an error of it names ``path``. What exists and
    is no regular file, such as /dev/null or a pipe, is written to as it is: renaming would replace it.
    """
    if path.exists() and not path.is_file():
        yield path
        return
    part = _new_beside(path)
    try:
        yield part
        part.replace(path.resolve())
    except OSError as error:
        if str(error.filename) != str(part):
            raise
        raise OSError(error.errno, error.strerror, str(path)) from None
    finally:
        part.unlink(missing_ok=True)


def _new_beside(path: Path) -> Path:
    """An empty file in the folder of ``path``, for nobody whom ``path`` is closed to. Its name is short: that of ``path`` may
    be as long as a name can be."""
    mode = stat.S_IMODE(path.stat().st_mode) | stat.S_IWUSR if path.exists() else 0o666
    while True:
        part = path.resolve().with_name(f".movable-{os.urandom(4).hex()}.part")
        try:
            part.touch(mode, exist_ok=False)
        except FileExistsError:
            continue
        except OSError as error:
            raise OSError(error.errno, error.strerror, str(path)) from None
        return part


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
    if not may_write(path):
        raise UsageError(f"{target}: not allowed to write there; check its permissions and those of its folder")


def may_write(path: Path) -> bool:
    """Whether ``whole`` can write there. A file is replaced, so that its folder has a say too."""
    if path.exists() and not os.access(path, os.W_OK):
        return False
    return (path.exists() and not path.is_file()) or os.access(path.resolve().parent, os.W_OK | os.X_OK)


def abandon_stdout() -> None:
    """What is still buffered cannot be written, and must not be tried again at exit."""
    try:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
    except (OSError, ValueError):  # a stream without a descriptor has nothing to do at exit
        pass


def write_json(target: str, record: dict[str, Any]) -> None:
    """Write a record as indented JSON; see ``write_text``."""
    write_text(target, to_json_text(record))


def to_json_text(record: dict[str, Any]) -> str:
    """A record as every verb writes it."""
    return json.dumps(record, indent=2) + "\n"
