"""``movable c``: what belongs to drivers in C alone."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import TYPE_CHECKING

from movable.errors import UsageError

if TYPE_CHECKING:
    from movable.cli.verbs import Verbs


def add_arguments(verbs: Verbs) -> None:
    """Add the verb ``c`` to a parser's commands."""
    verb = verbs.add_parser("c", help="drivers in C: what their headers have, and what a file needs")
    parts = verb.add_subparsers(title="commands", metavar="COMMAND", required=True)
    lacks = parts.add_parser("missing", help="list the names that a file uses and the headers lack, with lines")
    lacks.add_argument("file", metavar="FILE.c", help="the driver")
    lacks.add_argument(
        "-I", dest="include", action="append", default=[], metavar="DIR", help="look for headers there, after ours"
    )
    lacks.add_argument("-D", dest="define", action="append", default=[], metavar="NAME[=VALUE]", help="define a macro")
    lacks.add_argument("--kernel-tree", metavar="DIR", help="headers private to the driver come from this kernel's sources")
    lacks.add_argument("--era", help="the kernel that it is built for, if the file's own calls do not say it")
    lacks.add_argument("--json", metavar="FILE", help="write the list as JSON ('-' for standard output)")
    lacks.set_defaults(run=_missing)
    names = parts.add_parser("api", help="print every name of the headers: modelled, ignored or refused")
    names.set_defaults(run=_api)


def _missing(arguments: argparse.Namespace) -> int:
    from movable.c.build.recipe import Recipe
    from movable.c.build.source import read, style
    from movable.c.missing import missing, record, text
    from movable.eras import era as known_era
    from movable.files import write_json

    path = Path(arguments.file)
    if path.suffix != ".c":
        raise UsageError(f"{arguments.file} is no C file; name one that ends in .c")
    tree = Path(arguments.kernel_tree) if arguments.kernel_tree else None
    era = known_era(arguments.era).name if arguments.era else style(read(path))
    recipe = Recipe((path,), tuple(arguments.define), tuple(Path(one) for one in arguments.include), tree, era)
    found = missing(recipe)
    if arguments.json:
        write_json(arguments.json, record(path, found))
    if arguments.json != "-":
        print(text(path, found))
    return 0 if found.complete else 1


def _api(arguments: argparse.Namespace) -> int:
    from movable.c.api import page

    print(page(), end="")
    return 0
