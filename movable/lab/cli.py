"""The verbs of `movable lab`: experiments that compare a machine with a real kernel. What a verb needs is imported when it runs."""

from __future__ import annotations

import argparse
from typing import Any


def add_arguments(verbs: Any) -> None:
    """Add `lab` and what belongs to it to a parser."""
    lab = verbs.add_parser("lab", help="compare the machine with what a real kernel did")
    inner = lab.add_subparsers(title="experiments", metavar="EXPERIMENT", required=True)
    verb = inner.add_parser(
        "answers",
        help="play drivers that answer by script, and compare every event with a kernel's",
        description="Play the pages of FILE (JSON lines, plain or gzipped; docs/answers.md) on a machine of the era that they were "
        "recorded in, and compare every event. Prints what differs first for each page, and how many are equal.",
    )
    verb.add_argument("file", metavar="FILE", help="recorded answers")
    verb.add_argument("--era", metavar="E", help="play on a machine of this era instead, to see what differs")
    verb.add_argument("--json", metavar="FILE", help="write the differences as JSON ('-' for standard output, and nothing else)")
    verb.set_defaults(run=_answers)


def _answers(arguments: argparse.Namespace) -> int:
    from movable.lab.answers.cli import run

    return run(arguments)
