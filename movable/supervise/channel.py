"""Findings on their way from a worker: lines of JSON behind a key that only the two ends know.

The worker's code may write anything to any descriptor. What does not begin with the key is counted as garbage and never read.
"""

from __future__ import annotations

from json import dumps, loads
from os import read, write
from typing import Any

Record = dict[str, Any]
LONGEST_TEXT_CHARACTERS = 64 << 10
"""Characters of one text in a record; the rest is cut off, and how much it was is said."""
LONGEST_LINE_BYTES = 8 << 20
"""Bytes of one record."""
MAX_DEPTH = 40
"""How far values in a record may lie in each other."""


class Closed(BaseException):
    """The other end has gone, or somebody closed the descriptor. Nobody who takes care of errors can do anything about it."""


def cut(text: str, longest: int = LONGEST_TEXT_CHARACTERS) -> str:
    """A text of a bounded length."""
    return text if len(text) <= longest else f"{text[:longest]}... and {len(text) - longest} characters more"


def plain(value: Any, depth: int = MAX_DEPTH) -> Any:
    """A value as JSON has it, every text cut; of what is no plain value its repr."""
    if value is None or isinstance(value, (bool, float)):
        return value
    if isinstance(value, int):
        return int(value)
    if isinstance(value, str):
        return cut(str(value))
    if depth <= 0:
        return "..."
    if isinstance(value, dict):
        return {cut(str(key)): plain(one, depth - 1) for key, one in value.items()}
    if isinstance(value, (list, tuple)):
        return [plain(one, depth - 1) for one in value]
    if isinstance(value, (set, frozenset)):
        return sorted((plain(one, depth - 1) for one in value), key=repr)
    return cut(repr(value))


class Sender:
    """The worker's end."""

    def __init__(self, descriptor: int, key: str) -> None:
        self._descriptor = descriptor
        self._key = key

    def __call__(self, kind: str, **fields: Any) -> None:
        """Send one record. Raises Closed where that cannot be done."""
        body = dumps({"kind": kind, **plain(fields)}, separators=(",", ":"))
        if len(body) > LONGEST_LINE_BYTES:
            body = dumps({"kind": "too long", "what": kind, "bytes": len(body)})
        data = memoryview(f"\n{self._key}{body}\n".encode())
        try:
            while data:
                data = data[write(self._descriptor, data) :]
        except OSError as error:
            raise Closed(str(error)) from None

    def ask(self, kind: str, **fields: Any) -> str:
        """Send one record and wait for the line that answers it. Raises Closed where that cannot be done."""
        self(kind, **fields)
        answer = bytearray()
        while not answer.endswith(b"\n"):
            try:
                data = read(self._descriptor, 1)
            except OSError as error:
                raise Closed(str(error)) from None
            if not data:
                raise Closed("nobody answers")
            answer += data
        return answer.decode().rstrip("\n")


class Receiver:
    """The supervisor's end: ``feed`` takes bytes as they come and gives the records that are whole."""

    def __init__(self, key: str) -> None:
        self._key = key.encode()
        self._rest = bytearray()
        self.garbage = 0
        """Bytes that belonged to no record."""

    def feed(self, data: bytes) -> list[Record]:
        """The records that end in ``data``."""
        lines = data.split(b"\n")
        self._rest += lines[0]
        found = []
        for following in lines[1:]:
            if self._rest:
                found.append(self._read(bytes(self._rest)))
            self._rest = bytearray(following)
        self._drop()
        return [record for record in found if record is not None]

    def _drop(self) -> None:
        """Of a line that has not ended yet, what cannot become a record."""
        if len(self._rest) > LONGEST_LINE_BYTES + 100 or (len(self._rest) > 1 << 12 and self._key not in self._rest[: 1 << 12]):
            self.garbage += len(self._rest)
            self._rest = self._rest[-len(self._key) :]

    def _read(self, line: bytes) -> Record | None:
        at = line.find(self._key)
        if at < 0:
            self.garbage += len(line)
            return None
        try:
            record = loads(line[at + len(self._key) :])
            if not isinstance(record, dict) or not isinstance(record.get("kind"), str):
                raise ValueError
        except (ValueError, RecursionError):
            self.garbage += len(line)
            return None
        return record
