"""Processes that a test starts, of which none outlives it, whatever becomes of the test."""

from __future__ import annotations

import os
import resource
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


def seconds_of(command: Sequence[str], seconds: float = 300.0) -> float:
    """Seconds of the processor that a command takes, with all that it waits for; it has to succeed, within so many on the clock."""
    before = _waited_for()
    subprocess.run(command, check=True, stdout=subprocess.DEVNULL, timeout=seconds)
    return _waited_for() - before


def _waited_for() -> float:
    children = resource.getrusage(resource.RUSAGE_CHILDREN)
    return children.ru_utime + children.ru_stime
