"""The file of a campaign: a line of JSON for each finished piece of work, with a checksum that binds it to this campaign.

Lines are only ever added, each with one write. A line that was cut, changed, or is another campaign's does not fit its checksum:
it is refused by its number, and that piece is done again.
"""

from __future__ import annotations

import hashlib
import json
import os
from pathlib import Path
from typing import Any

from movable.explore.failure import ExploreError
from movable.files import whole

Record = dict[str, Any]
MAX_LINE_BYTES = 16 << 20
"""Bytes of a line that are read."""


class Refused(ExploreError):
    """A file that a campaign cannot go on with."""


class RecordFile:
    """``records`` are the whole lines of ``path``, ``refused`` the numbers of the others.

    ``head`` says which campaign it is, in the first line. Where that line is damaged, the others still tell by their checksums.
    Raises Refused for a file of another one, and for what is no file.
    """

    def __init__(self, path: Path, head: Record, other: str, changed: str) -> None:
        self.path = path
        self.records: list[Record] = []
        self.refused: list[int] = []
        self._head = json.loads(json.dumps(head))
        self._key = _key(self._head)
        self._whole_line = True
        if os.path.lexists(path) and not os.path.isfile(path):
            raise Refused(f"{path}: is no regular file; use another place, or remove it")
        if path.exists() and path.stat().st_size:
            self._load(other, changed)
        else:
            with whole(path) as place:
                place.write_bytes(self._first_line())

    def _first_line(self) -> bytes:
        return json.dumps({**self._head, "sum": _sum_of_head(self._head)}).encode() + b"\n"

    def _load(self, other: str, changed: str) -> None:
        with self.path.open("rb") as file:
            first = file.readline(MAX_LINE_BYTES)
            self._whole_line = first.endswith(b"\n")
            self._look_at_head(first, other, changed)
            number = 1
            while line := file.readline(MAX_LINE_BYTES):
                number += 1
                self._whole_line = line.endswith(b"\n")
                record = self._read(line)
                if record is not None:
                    self.records.append(record)
                elif line.strip():
                    self.refused.append(number)
        if 1 in self.refused and not self.records and not self._first_line().startswith(first.rstrip(b"\n")):
            raise Refused(f"{self.path}: belongs to another campaign, or to none; use another file, or remove this one")

    def _look_at_head(self, line: bytes, other: str, changed: str) -> None:
        try:
            found = json.loads(line)
        except (ValueError, RecursionError):
            found = None
        if not isinstance(found, dict) or found.pop("sum", None) != _sum_of_head(found):
            self.refused.append(1)  # the others tell whose file it is
        elif found != self._head:
            differ = [name for name in self._head if found.get(name) != self._head[name]]
            what = changed if differ == ["code"] else other
            raise Refused(f"{self.path}: belongs to another campaign ({what}); use another file, or remove this one")

    def _read(self, line: bytes) -> Record | None:
        try:
            record = json.loads(line)
        except (ValueError, RecursionError):
            return None
        if not isinstance(record, dict):
            return None
        found = record.pop("sum", None)
        return record if found == self._sum(record) else None

    def _sum(self, record: Record) -> str:
        return hashlib.sha256(f"{self._key}{json.dumps(record, sort_keys=True)}".encode()).hexdigest()[:16]

    def add(self, record: Record) -> None:
        """Add a line. Raises OSError where that cannot be done, and then leaves the file as it was."""
        plain = json.loads(json.dumps(record))
        data = json.dumps({**plain, "sum": self._sum(plain)}).encode() + b"\n"
        if not self._whole_line:  # the line before was cut
            data = b"\n" + data
        descriptor = os.open(self.path, os.O_WRONLY | os.O_APPEND | os.O_CLOEXEC)
        try:
            size = os.fstat(descriptor).st_size
            try:
                if os.write(descriptor, data) != len(data):
                    raise OSError(28, os.strerror(28))
            except OSError as error:
                os.ftruncate(descriptor, size)
                raise OSError(error.errno, error.strerror, str(self.path)) from None
        finally:
            os.close(descriptor)
        self._whole_line = True


def _key(head: Record) -> str:
    return hashlib.sha256(json.dumps(head, sort_keys=True).encode()).hexdigest()


def _sum_of_head(head: Record) -> str:
    return _key(head)[:16]
