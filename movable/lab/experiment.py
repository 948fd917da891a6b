"""The experiment behind ``movable run``: perform the steps, and say what came of them.

A step that fails ends the run, but not before everything stored was read back, so that the error says what was lost. Nothing
that is printed or written depends on time, on the order of a set, or on an address of this process.
"""

from __future__ import annotations

import gzip
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO

from movable.errors import InvalidState, MovableError
from movable.files import whole, write_json, write_text
from movable.lab import report
from movable.lab.options import Options, check, readable
from movable.lab.run import Run, RunFailed, load_drivers, plan
from movable.lab.steps import STEPS
from movable.lab.svg import picture
from movable.lab.terminal import Terminal
from movable.lab.workloads import first_line
from movable.mm.events import Event, to_json


def main(options: Options) -> int:
    """Run the experiment; returns 0. Raises UsageError for bad input, and RunFailed when the run found something wrong."""
    settings = check(options)
    run = Run(settings)
    with events_to(run), Terminal(len(STEPS), quiet=settings.json == "-") as terminal:
        load_drivers(run)
        plan(run)
        for line in report.opening(run):
            terminal.say(line)
        failure = _perform(run, terminal)
        if failure is None:
            for line in report.summary(run):
                terminal.say(line)
    _write_files(run)
    if failure is not None:
        raise failure
    return 0


def _perform(run: Run, terminal: Terminal) -> RunFailed | None:
    """All steps; returns what stopped them, with the state of the stored data in its message."""
    for what, step in STEPS:
        terminal.step(what)
        try:
            step(run, terminal)
        except BrokenPipeError:  # whoever read our output left
            raise
        except (Exception, SystemExit) as error:  # a driver is somebody else's code and may raise anything
            failure = _failure(run, what, error)
            failure.__cause__ = error
            if not isinstance(error, RunFailed):
                for line in report.lost(run):
                    terminal.say(line)
            return failure
    return None


def _failure(run: Run, what: str, error: Exception | SystemExit) -> RunFailed:
    if isinstance(error, RunFailed):
        run.error = str(error)
    else:
        if run.wrong is None:
            run.compare()
        run.error = f"while {what}: {_one_line(error)}; {report.data_state(run)}"
    return RunFailed(run.error)


def _one_line(error: Exception | SystemExit) -> str:
    if isinstance(error, InvalidState):
        more = len(error.findings) - 1
        return error.findings[0] + (f" (and {more} more findings)" if more else "")
    return first_line(error) if isinstance(error, MovableError) else f"{type(error).__name__}: {first_line(error)}"


@contextmanager
def _saving(option: str, path: Path) -> Iterator[None]:
    """Name the file in an error that does not, such as that of a full disk."""
    try:
        yield
    except OSError as error:
        if error.filename is not None or isinstance(error, BrokenPipeError):
            raise
        raise MovableError(f"{option} {path}: {error.strerror}") from error


@contextmanager
def events_to(run: Run) -> Iterator[None]:
    """Write every event of the machine to the file that was asked for, compressed where its name ends in .gz."""
    path = run.settings.events
    if path is None:
        yield
        return
    with _saving("--events", path), whole(path) as place, place.open("wb") as raw:
        # No name and no time in the header: the same run gives the same bytes.
        packed = gzip.GzipFile("", "wb", 6, raw, mtime=0) if path.suffix == ".gz" else None
        stream: IO[bytes] = packed or raw  # type: ignore[assignment]

        def write(event: Event) -> None:
            stream.write(to_json(event).encode() + b"\n")

        run.vm.observe(write)
        try:
            yield
        finally:
            run.vm.install(None)
            if packed is not None:
                packed.close()


def _write_files(run: Run) -> None:
    settings = run.settings
    if settings.json is not None:
        with _saving("--json", Path(settings.json)):
            write_json(settings.json, report.record(run))
    if settings.svg is not None and run.maps:
        title = f"movable run: {readable(settings.memory)}, {report.many(settings.nodes, 'node')}, seed {settings.seed}"
        subtitle = f"drivers {', '.join(driver.label for driver in run.drivers)}; {report.stored_sentence(run)}"
        with _saving("--svg", settings.svg):
            write_text(str(settings.svg), picture(title, subtitle, run.maps))


__all__ = ["Options", "Run", "RunFailed", "main"]
