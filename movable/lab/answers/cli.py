"""`movable lab answers FILE`."""

from __future__ import annotations

import argparse
import sys
import time

from movable.eras import era as era_called
from movable.files import check_place, write_json
from movable.lab.answers.compare import Difference, compare
from movable.lab.answers.lines import read_lines

SCHEMA = "movable.answers/1"
UPDATE_SECONDS = 0.2


def run(arguments: argparse.Namespace) -> int:
    """Play a file and report; 0 when every page is equal."""
    if arguments.era is not None:
        era_called(arguments.era)
    check_place(arguments.json)
    with _Counter() as counter:
        pages, differences = compare(read_lines(arguments.file), arguments.era, counter)
    equal = pages - len(differences)
    if arguments.json is not None:
        write_json(arguments.json, _record(arguments.file, pages, differences))
    if arguments.json != "-":
        for difference in differences:
            print(difference)
        print(f"{equal} of {pages} pages equal")
    return 0 if equal == pages else 1


def _record(file: str, pages: int, differences: list[Difference]) -> dict[str, object]:
    return {
        "schema": SCHEMA,
        "file": file,
        "pages": pages,
        "equal": pages - len(differences),
        "differences": [
            {"page": found.page, "line": found.line, "event": found.event, "here": found.here, "recorded": found.recorded}
            for found in differences
        ],
    }


class _Counter:
    """How many pages are done, on a terminal and nowhere else."""

    def __init__(self) -> None:
        self.shown = False
        self.next = time.monotonic() + UPDATE_SECONDS if sys.stderr.isatty() else float("inf")

    def __call__(self, done: int) -> None:
        if time.monotonic() >= self.next:
            self.next = time.monotonic() + UPDATE_SECONDS
            sys.stderr.write(f"\r{done} pages played ")
            sys.stderr.flush()
            self.shown = True

    def __enter__(self) -> _Counter:
        return self

    def __exit__(self, *error: object) -> None:
        if self.shown:
            sys.stderr.write("\r\x1b[K")
            sys.stderr.flush()
