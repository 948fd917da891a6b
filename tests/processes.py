"""Processes that a test starts, of which none outlives it, whatever becomes of the test."""

from __future__ import annotations

import os
import signal
import subprocess
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from typing import Any

SECONDS = 120.0
"""Seconds that a process has to end by itself when the test is done with it."""


@contextmanager
def started(command: Sequence[str], **more: Any) -> Iterator[subprocess.Popen[Any]]:
    """As ``with subprocess.Popen(...)``, but what does not end by itself is ended, and so is all that it started."""
    process = subprocess.Popen(command, start_new_session=True, **more)
    try:
        yield process
        process.wait(SECONDS)
    finally:
        with suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)
        process.wait()
        for stream in (process.stdin, process.stdout, process.stderr):
            if stream is not None:
                with suppress(OSError):
                    stream.close()
