"""The files that a run writes: each by itself, so that one that cannot be written costs no other.

An output that fails is noted in ``Run.unwritten`` and ends nothing. A reader that leaves, as ``head`` does, is no failure.
"""

from __future__ import annotations

import gzip
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO

from movable.events import Event, machine_note, to_json
from movable.files import abandon_stdout, to_json_text, whole
from movable.lab import report
from movable.lab.state import Run
from movable.lab.svg import picture
from movable.mm.memparse import readable
from movable.shown import many


def note(run: Run, what: str, error: OSError | None) -> None:
    """Remember that an output could not be written; None is no error."""
    if error is not None and not isinstance(error, BrokenPipeError):
        run.unwritten.append(f"{what}: {error.strerror or error}")


# --- events ---


class _EventFile:
    """Events as lines of JSON, compressed if ``packed``. The first error ends the writing, and is kept."""

    def __init__(self, place: Path, packed: bool) -> None:
        self.error: OSError | None = None
        self.raw = place.open("wb")
        # No name and no time in the header: the same run gives the same bytes.
        self.stream: IO[bytes] = gzip.GzipFile("", "wb", 6, self.raw, mtime=0) if packed else self.raw  # type: ignore[assignment]

    def write(self, event: Event) -> None:
        if self.error is None:
            try:
                self.stream.write(to_json(event).encode() + b"\n")
            except OSError as error:
                self.error = error

    def close(self) -> None:
        for stream in (self.stream, self.raw):
            try:
                stream.close()
            except OSError as error:
                self.error = self.error or error


@contextmanager
def events_to(run: Run) -> Iterator[None]:
    """Write every event of the machine to the file that was asked for. Raises OSError when it cannot be opened."""
    path = run.settings.events
    if path is None:
        yield
        return
    over = False
    try:
        with whole(path) as place:
            run.places.add(place)
            file = _EventFile(place, path.suffix == ".gz")
            file.write(machine_note(run.vm.era.name))
            run.vm.observe(file.write)
            try:
                yield
            finally:
                run.vm.install(None)
                file.close()
            over = True
            if file.error is not None:
                raise file.error  # what is not whole must not appear
    except OSError as error:
        if not over:
            raise
        note(run, f"--events {path}", error)


# --- after the run ---


def write_picture(run: Run) -> None:
    """The maps as a picture, if it was asked for and the run came to a map."""
    settings = run.settings
    if settings.svg is None or not run.maps:
        return
    title = f"movable run: {readable(settings.memory)}, {many(settings.nodes, 'node')}, seed {settings.seed}"
    subtitle = f"drivers {', '.join(driver.label for driver in run.drivers)}; {report.stored_sentence(run)}"
    _save(run, "--svg", settings.svg, picture(title, subtitle, run.maps))


def write_record(run: Run) -> None:
    """The record, if it was asked for; last of all, because it says what went wrong before."""
    settings = run.settings
    if settings.json is None:
        return
    text = to_json_text(report.record(run))
    if settings.json_path is not None:
        _save(run, "--json", settings.json_path, text)
        return
    try:
        print(text, end="", flush=True)
    except OSError as error:
        note(run, "standard output", error)
        abandon_stdout()


def _save(run: Run, option: str, path: Path, text: str) -> None:
    try:
        with whole(path) as place:
            place.write_text(text, encoding="utf-8")
    except OSError as error:
        note(run, f"{option} {path}", error)
