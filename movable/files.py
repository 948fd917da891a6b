"""Writes results: whole or not at all, to a file or to standard output; and reads texts, up to a limit."""

from __future__ import annotations

import json
import os
import stat
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO, Any

from movable.errors import MovableError, UsageError

PART = ".movable-"
"""How the name of a file begins that is not whole yet."""
MAX_LINE = 4 << 20
"""Characters of a line of a record: what has none may be without end, or take all memory once it is unpacked."""
MAX_TEXT = 64 << 20
"""Characters of a text that is read whole."""


@contextmanager
def about(path: str) -> Iterator[None]:
    """An error of the system's inside the block that names no file is about this one."""
    try:
        yield
    except OSError as error:
        if error.errno is not None:
            error.filename = error.filename or path
        raise


@contextmanager
def unpacked(path: str) -> Iterator[IO[str]]:
    """The text of a file, plain or gzipped. Raises OSError about ``path``; in the block what `gzip` raises for damage."""
    import gzip  # here: few commands need it

    with about(path):
        with Path(path).open("rb") as raw:
            packed = raw.read(2) == b"\x1f\x8b"
        with gzip.open(path, "rt", encoding="utf-8") if packed else Path(path).open(encoding="utf-8") as stream:
            yield stream


def lines_of(stream: IO[str], name: str) -> Iterator[str]:
    """The lines of a text. Raises UsageError for one of more than MAX_LINE characters."""
    number = 0
    while line := stream.readline(MAX_LINE + 1):
        number += 1
        if len(line) > MAX_LINE:
            raise UsageError(f"{name}, line {number}: more than {MAX_LINE >> 20} MiB in one line; this is no such file")
        yield line


def text_of(path: str) -> str:
    """A whole text. Raises UsageError for more than MAX_TEXT characters."""
    with about(path), Path(path).open() as stream:
        text = stream.read(MAX_TEXT + 1)
    if len(text) > MAX_TEXT:
        raise UsageError(f"{path}: more than {MAX_TEXT >> 20} MiB; this is no such file")
    return text


@contextmanager
def whole(path: Path) -> Iterator[Path]:
    """Where to write what must appear in ``path`` whole or not at all: when the block ends early, what was there stays.

    The place is a file without a name where the system has such, so that nothing is left of it when this process is killed;
    elsewhere a new file beside ``path``, which no other file is called like. An error of it names ``path``. What exists and is no
    regular file, such as /dev/null or a pipe, is written to as it is: renaming would replace it.
    """
    if path.exists() and not path.is_file():
        yield path
        return
    unnamed = _unnamed_beside(path)
    part = _new_beside(path) if unnamed is None else Path(f"/proc/self/fd/{unnamed}")
    try:
        yield part
        if unnamed is None:
            part.replace(path.resolve())
        else:
            _name(unnamed, path.resolve())
    except OSError as error:
        if str(error.filename) != str(part) and not Path(str(error.filename)).name.startswith(PART):
            raise
        raise OSError(error.errno, error.strerror, str(path)) from None
    finally:
        if unnamed is None:
            part.unlink(missing_ok=True)
        else:
            os.close(unnamed)


def _mode_of(path: Path) -> int:
    """The permissions of what is written: for nobody whom ``path`` is closed to."""
    return stat.S_IMODE(path.stat().st_mode) | stat.S_IWUSR if path.exists() else 0o666


def _unnamed_beside(path: Path) -> int | None:
    """A descriptor of a new file without a name on the file system of ``path``; None where there is no such thing."""
    try:
        return os.open(path.resolve().parent, os.O_TMPFILE | os.O_RDWR | os.O_CLOEXEC, _mode_of(path))
    except OSError:  # whatever it is, the way with a name says it better
        return None


def _name(unnamed: int, path: Path) -> None:
    """Give a file its name, in place of what has it. For the moment in between it has another beside it."""
    while True:
        part = path.with_name(f"{PART}{os.urandom(4).hex()}.part")
        try:
            os.link(f"/proc/self/fd/{unnamed}", part, src_dir_fd=unnamed, follow_symlinks=True)
        except FileExistsError:
            continue
        break
    try:
        part.replace(path)
    finally:
        part.unlink(missing_ok=True)


def _new_beside(path: Path) -> Path:
    """An empty file in the folder of ``path``. Its name is short: that of ``path`` may be as long as a name can be."""
    mode = _mode_of(path)
    while True:
        part = path.resolve().with_name(f"{PART}{os.urandom(4).hex()}.part")
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
    abandon(sys.stdout)


def abandon(stream: Any) -> None:
    """The same of any stream."""
    try:
        os.dup2(os.open(os.devnull, os.O_WRONLY), stream.fileno())
    except (OSError, ValueError):  # a stream without a descriptor has nothing to do at exit
        pass


def write_json(target: str, record: dict[str, Any]) -> None:
    """Write a record as indented JSON; see ``write_text``."""
    write_text(target, to_json_text(record))


def to_json_text(record: dict[str, Any]) -> str:
    """A record as every verb writes it."""
    return json.dumps(record, indent=2) + "\n"
