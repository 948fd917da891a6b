"""How far the reading has come, on a terminal and nowhere else."""

from __future__ import annotations

import sys
import time
from types import TracebackType
from typing import TextIO

from movable import shown

SECONDS_BETWEEN_LINES = 0.2
"""Seconds between two updates."""


class Progress:
    """A line on standard error that is written over and over, and wiped at the end. A context manager.

    Call it with the bytes read and the bytes in total (0 where unknown). Silent where ``stream`` is no terminal.
    """

    def __init__(self, name: str, stream: TextIO | None = None) -> None:
        self._stream = shown.below(sys.stderr if stream is None else stream)
        self._name = shown.name(name)
        self._shown = False
        self._next = time.monotonic() + SECONDS_BETWEEN_LINES if self._stream.isatty() else float("inf")

    def __call__(self, done: int, total: int) -> None:
        now = time.monotonic()
        if now < self._next:
            return
        self._next = now + SECONDS_BETWEEN_LINES
        share = f"{100 * done // total:3d} %" if total else f"{done >> 20} MiB"
        self._stream.write(f"\r{self._name}: {share} read ")
        self._stream.flush()
        self._shown = True

    def __enter__(self) -> Progress:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._shown:
            self._stream.write("\r\x1b[K")
            self._stream.flush()
