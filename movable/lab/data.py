"""The data that a run stores: files, cut into pages as a page cache would hold them."""

from __future__ import annotations

import os
import stat
import sysconfig
from bisect import bisect_right
from collections.abc import Collection, Iterator
from pathlib import Path
from typing import NamedTuple

from movable.errors import UsageError
from movable.mm.page import PAGE_SIZE

MAX_INPUT = 1 << 30
"""The most that is read, in bytes."""

FOREIGN = {"site-packages", "dist-packages", "__pycache__"}
"""Folders of the standard library's directory that are not part of it, or that change by themselves."""


class InputFile(NamedTuple):
    """One file: its name inside the input, the number of its first page, and its length in bytes."""

    name: str
    first_page: int
    size: int


class Data:
    """What was read.

    ``name`` is what reports call it, ``files`` its files in order of name, ``pages`` their content in pages of 4096 bytes, each
    file from a new page on, its last page filled up with zeros. ``size`` is the length of all files in bytes.
    """

    def __init__(self, name: str) -> None:
        self.name = name
        self.files: list[InputFile] = []
        self.pages: list[bytes] = []
        self.size = 0

    def add(self, name: str, content: bytes) -> None:
        """Append one file; an empty one is left out."""
        if not content:
            return
        self.files.append(InputFile(name, len(self.pages), len(content)))
        self.size += len(content)
        for start in range(0, len(content), PAGE_SIZE):
            self.pages.append(content[start : start + PAGE_SIZE].ljust(PAGE_SIZE, b"\0"))

    def place(self, page: int) -> tuple[str, int, int]:
        """(file, first byte, last byte) that a page holds."""
        name, first, size = self.files[bisect_right(self.files, page, key=lambda file: file.first_page) - 1]
        start = (page - first) * PAGE_SIZE
        return name, start, min(start + PAGE_SIZE, size) - 1


def read_input(path: Path, skip: Collection[Path] = ()) -> Data:
    """Read a file, or every regular file below a directory in order of name; links inside it are not followed.

    ``skip`` are resolved paths to leave out. Raises UsageError for what cannot be read, is empty, or is larger than 1 GiB.
    """
    data = Data(printable(str(path)))
    try:
        mode = path.stat().st_mode
        if stat.S_ISDIR(mode):
            for name, file in _walk(str(path)):
                if not skip or Path(file).resolve() not in skip:
                    data.add(printable(name), _read(Path(file), MAX_INPUT - data.size, path))
        elif stat.S_ISREG(mode):
            data.add(printable(path.name), _read(path, MAX_INPUT, path))
        else:
            raise UsageError(f"--input {path} is neither a file nor a directory; name one of these")
    except OSError as error:
        raise UsageError(f"--input {path}: cannot read {error.filename or path}: {error.strerror}") from None
    if not data.pages:
        raise UsageError(f"--input {path} holds no data; name a file or a directory with something in it")
    return data


def _read(file: Path, room: int, path: Path) -> bytes:
    with file.open("rb") as stream:
        content = stream.read(room + 1)
    if len(content) > room:
        raise UsageError(f"--input {path} holds more than 1 GiB; name a part of it")
    return content


def _walk(top: str, inside: str = "", prune: Collection[str] = ()) -> Iterator[tuple[str, str]]:
    """(name below ``top``, path) of every regular file, folder by folder, by the bytes of the names.

    That order is the same everywhere. Links are not followed; folders called as ``prune`` says are left out.
    """
    with os.scandir(os.path.join(top, inside)) as entries:
        ordered = sorted(entries, key=lambda entry: os.fsencode(entry.name))
    for entry in ordered:
        name = os.path.join(inside, entry.name)
        if entry.is_dir(follow_symlinks=False):
            if entry.name not in prune:
                yield from _walk(top, name, prune)
        elif entry.is_file(follow_symlinks=False):
            yield name, entry.path


def printable(name: str) -> str:
    """A file's name as text that fits on one line: what is no character, or none to be seen, is escaped."""
    text = os.fsencode(name).decode(errors="backslashreplace")
    return "".join(char if char.isprintable() else repr(char)[1:-1] for char in text)


def read_standard_library(limit: int) -> Data:
    """The source files of the running Python's standard library in order of name, as many as fit into ``limit`` bytes
    of pages.

    Raises UsageError where Python has none, as in a zipped distribution.
    """
    top = sysconfig.get_paths()["stdlib"]
    data = Data("Python's standard library")
    for name, path in _walk(top, prune=FOREIGN) if os.path.isdir(top) else ():
        if not name.endswith(".py"):
            continue
        try:
            content = Path(path).read_bytes()
        except OSError:
            continue
        if (len(data.pages) + -(-len(content) // PAGE_SIZE)) * PAGE_SIZE > limit:
            break
        data.add(name, content)
    if not data.pages:
        raise UsageError(f"{top} has no readable source files to store; name something with --input")
    return data
