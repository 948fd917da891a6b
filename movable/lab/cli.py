"""The verbs of `movable lab`: experiments that compare a machine with a real kernel. What a verb needs is imported when it runs."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import TYPE_CHECKING

from movable.lab.loads.cli import add_arguments as add_run

if TYPE_CHECKING:
    from movable.cli.verbs import Verbs


def add_arguments(verbs: Verbs) -> None:
    """Add `lab` and what belongs to it to a parser."""
    lab = verbs.add_parser("lab", help="age a machine by named workloads; compare the model with what a real kernel did")
    inner = lab.add_subparsers(title="experiments", metavar="EXPERIMENT", required=True)
    verb = inner.add_parser(
        "answers",
        help="play drivers that answer by script, and compare every event with a kernel's",
        description="Play the pages of FILE (JSON lines, plain or gzipped; docs/answers.md) on a machine of the era that they were "
        "recorded in, and compare every event. Prints what differs first for each page, and how many are equal.",
    )
    verb.add_argument("file", metavar="FILE", help="recorded answers")
    verb.add_argument("--era", metavar="ERA", help="play on a machine of this era instead, to see what differs")
    verb.add_argument("--json", metavar="FILE", help="write the differences as JSON ('-' for standard output, and nothing else)")
    verb.set_defaults(run=_answers)
    verb = inner.add_parser(
        "hostages",
        help="each pageblock of a real machine by what keeps it from being a huge page",
        description="Read /proc/kpageflags and /proc/zoneinfo, saved in a folder or of this machine (--live, as root), and count "
        "for each zone which pageblocks are free, which compaction could empty, and which are held, by whom.",
    )
    verb.add_argument("folder", nargs="?", metavar="DIR", help="folder with kpageflags and zoneinfo, plain or .gz")
    verb.add_argument("--live", action="store_true", help="this machine, as root")
    verb.add_argument("--json", metavar="FILE", help="write the counts as JSON ('-' for standard output, and nothing else)")
    verb.set_defaults(run=_hostages)
    _add_import(inner)
    add_run(inner)


def _add_import(inner: Verbs) -> None:
    verb = inner.add_parser(
        "import",
        help="make a machine with the layout of a real one, compact it, and compare with what the real kernel did",
        description="Read kpageflags, zoneinfo and, where they are, buddyinfo, pagetypeinfo and vmstat, saved in a folder or of "
        "this machine (--live, as root). Make a machine with the same zones, free blocks and frames in use, compact it, and print "
        "free blocks by order. With the files saved later (--after, or folders before and after in DIR) the two are compared.",
    )
    verb.add_argument("folder", nargs="?", metavar="DIR", help="folder with the files, or with folders before and after")
    verb.add_argument("--live", action="store_true", help="this machine, as root")
    verb.add_argument("--after", metavar="DIR", help="the files of the real machine after its compaction")
    verb.add_argument("--era", metavar="ERA", help="the kernel whose compaction is played (default: what uname says there, or 6.1)")
    verb.add_argument("--no-compact", action="store_true", help="import and show, and compact nothing")
    verb.add_argument("--json", metavar="FILE", help="write the result as JSON ('-' for standard output, and nothing else)")
    verb.set_defaults(run=_import)


def _folder(arguments: argparse.Namespace) -> Path:
    """Where the files of the real machine are. Raises UsageError for a folder beside --live, and for neither."""
    from movable.errors import UsageError
    from movable.frames.snapshot import PROC

    if arguments.live == (arguments.folder is not None):
        raise UsageError("give a folder with kpageflags and zoneinfo, or --live for this machine, and not both")
    return PROC if arguments.live else Path(arguments.folder)


def _import(arguments: argparse.Namespace) -> int:
    from movable.files import check_place, write_json, write_text
    from movable.frames.imported import lines, play, record
    from movable.frames.snapshot import era_of, take

    folder = _folder(arguments)
    check_place(arguments.json)
    after = None if arguments.after is None else Path(arguments.after)
    if (folder / "before").is_dir():
        folder, after = folder / "before", after or ((folder / "after") if (folder / "after").is_dir() else None)
    before = take(folder)
    later = None if after is None else take(after, flags=False)
    played = play(before, later, arguments.era or era_of(folder), compact=not arguments.no_compact)
    if arguments.json != "-":
        write_text("-", "\n".join(lines(played)) + "\n")
    if arguments.json:
        write_json(arguments.json, record(played))
    return 0


def _answers(arguments: argparse.Namespace) -> int:
    from movable.lab.answers.cli import run

    return run(arguments)


def _hostages(arguments: argparse.Namespace) -> int:
    from movable.files import check_place, write_json, write_text
    from movable.frames.hostages import count, lines, record
    from movable.frames.snapshot import take

    folder = _folder(arguments)
    check_place(arguments.json)
    snapshot = take(folder)
    zones = count(snapshot)
    if arguments.json != "-":
        write_text("-", "\n".join(lines(zones, snapshot.pageblock_order)))
    if arguments.json:
        write_json(arguments.json, record(zones, snapshot.name, snapshot.pageblock_order))
    return 0
