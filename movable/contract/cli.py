"""``movable rules``, ``replay``, ``museum`` and ``new``; ``check`` is in cli_check.py.

Exit codes: 0 fine, 1 a must rule is broken, 2 bad usage.
"""

from __future__ import annotations

import argparse
import shlex
import sys
from pathlib import Path
from typing import TYPE_CHECKING

from movable.contract import cli_check
from movable.contract.cli_check import progress, seconds
from movable.eras import DEFAULT, ERAS, Era
from movable.eras import era as era_called
from movable.errors import UsageError

if TYPE_CHECKING:
    from movable.cli.verbs import Verbs


def add_arguments(verbs: Verbs) -> None:
    """Add the verbs of the contract room to a parser's commands."""
    _add_rules(verbs)
    cli_check.add_arguments(verbs)
    _add_replay(verbs)
    _add_museum(verbs)
    _add_port(verbs)
    _add_eras(verbs)
    _add_new(verbs)


def _add_rules(verbs: Verbs) -> None:
    verb = verbs.add_parser("rules", help="print the numbered rules, or one with its story")
    verb.add_argument("rule", nargs="?", metavar="ID", help="such as D17")
    verb.add_argument("--era", metavar="ERA", help="the rules that hold in this kernel, in its words")
    verb.set_defaults(run=_rules)


def _rules(arguments: argparse.Namespace) -> int:
    from movable.contract.show.rules import rule_text, rules_text

    era = None if arguments.era is None else era_called(arguments.era)
    print(rules_text(era=era) if arguments.rule is None else rule_text(arguments.rule, era=era))
    return 0


def _add_replay(verbs: Verbs) -> None:
    verb = verbs.add_parser("replay", help="run a failure again, step by step")
    verb.add_argument("target", metavar="TARGET", help="the driver, as it was given to check")
    verb.add_argument("token", metavar="TOKEN", help="the token of the replay line")
    verb.add_argument("--era", help="the kernel whose contract counts (default 4.19; for a driver in C what it is written for)")
    verb.add_argument("--workload", metavar="NAME", help="module:Class or file.py:Class, if it is not the driver's own")
    verb.add_argument("--pdb", type=int, metavar="STEP", help="of an interleaving: stop in the debugger before this step")
    verb.add_argument("--chrome", metavar="FILE", help="of an interleaving: write a trace that ui.perfetto.dev opens")
    verb.add_argument("--html", metavar="FILE", help="write the story as one HTML page, with a lane for each task")
    verb.set_defaults(run=_replay)


def _replay(arguments: argparse.Namespace) -> int:
    from movable.supervise.relay import relayed

    if arguments.pdb is not None:  # somebody stands at the terminal, and wants this very process
        return _replay_here(arguments)
    return relayed(lambda: _replay_here(arguments), "the replay")


def _replay_here(arguments: argparse.Namespace) -> int:
    from movable.contract.show.replay import html, replay
    from movable.files import write_text

    found = replay(arguments.target, arguments.token, era=arguments.era, workload=arguments.workload)
    if arguments.pdb is not None:
        found.debug(arguments.pdb)
        return 1 if found.broken else 0
    if arguments.chrome:
        found.chrome(arguments.chrome)
    _print_lines(found.lines())
    if arguments.html:
        write_text(arguments.html, html(found))
    return 1 if found.broken else 0


def _print_lines(lines: list[str]) -> None:
    """Print a story; a name with a line end in it makes no line of its own."""
    from movable.shown import shown

    print("\n".join(shown(line, 2000) for line in lines))


def _add_new(verbs: Verbs) -> None:
    verb = verbs.add_parser("new", help="write a complete driver distribution to begin with")
    verb.add_argument("name", metavar="NAME", help="of the distribution, such as my-driver")
    verb.add_argument("--c", action="store_true", help="a driver in C, with a description of its operations and a test")
    verb.add_argument("--filesystem", action="store_true", help="a file system, with a test")
    verb.add_argument("--era", default=None, help="the kernel that the driver is for (default 4.19, in C 6.1)")
    verb.set_defaults(run=_new)


def _new(arguments: argparse.Namespace) -> int:
    from movable.contract.new.scaffold import TEMPLATES, TEMPLATES_C, TEMPLATES_FILESYSTEM, scaffold
    from movable.contract.new.scaffold_c import C_DEFAULT

    if arguments.filesystem and (arguments.c or arguments.era is not None):
        raise UsageError("a file system is written in Python, in one form for all eras; leave --c and --era out")
    templates = TEMPLATES_C if arguments.c else TEMPLATES_FILESYSTEM if arguments.filesystem else TEMPLATES
    written = scaffold(arguments.name, Path(), templates, arguments.era or (C_DEFAULT if arguments.c else DEFAULT))
    for path in written:
        print(path)
    if arguments.c:
        print(f"next: cd {arguments.name} && movable check {arguments.name.replace('-', '_')}.c")
        return 0
    print(f"next: cd {arguments.name} && {shlex.quote(sys.executable)} -m pytest")
    return 0


def _add_port(verbs: Verbs) -> None:
    verb = verbs.add_parser(
        "port",
        help="say what a driver has to change for another kernel",
        description="Say what the contract of another kernel asks a driver to change, rule by rule, with the lines that it "
        "concerns.",
    )
    verb.add_argument("target", metavar="DRIVER", help="an installed name, module:Class or file.py:Class")
    verb.add_argument("--from", dest="old", required=True, metavar="ERA", help="the kernel that it is written for")
    verb.add_argument("--to", dest="new", required=True, metavar="ERA", help="the kernel that it shall be for")
    verb.set_defaults(run=_port)


def _port(arguments: argparse.Namespace) -> int:
    from movable.supervise.relay import relayed

    old, new = era_called(arguments.old), era_called(arguments.new)
    if old is new:
        raise UsageError(f"--from and --to are both {old.name}: there is nothing to change")
    return relayed(lambda: _port_here(arguments.target, old, new), arguments.target)


def _port_here(target: str, old: Era, new: Era) -> int:
    from movable.contract.new.port import report
    from movable.registry import find

    print(report(find(target), old, new))
    return 0


def _add_eras(verbs: Verbs) -> None:
    verb = verbs.add_parser(
        "eras",
        help="show what differs between the kernels that the machine runs as",
        description="Show what differs between the kernels that the machine runs as: all of them, or those that are named; of one "
        "alone, everything that it says.",
    )
    verb.add_argument("eras", nargs="*", metavar="ERA", help="such as 6.1 7.3")
    verb.add_argument("--json", metavar="FILE", help="write the values as JSON ('-' for standard output, and nothing else)")
    verb.set_defaults(run=_eras)


def _eras(arguments: argparse.Namespace) -> int:
    from movable.eras.table import markdown, to_json
    from movable.files import write_json

    eras = [era_called(name) for name in dict.fromkeys(arguments.eras or ERAS)]
    if arguments.json:
        write_json(arguments.json, to_json(eras))
    if arguments.json != "-":
        print(markdown(eras), end="")
    return 0


def _add_museum(verbs: Verbs) -> None:
    verb = verbs.add_parser(
        "museum",
        help="list the historic bugs, or show the kit catching one",
        description="List the historic bugs of page migration kept here as small broken drivers; or tell the story of one, "
        "show its code beside the code that is right, and run the kit on both.",
    )
    verb.add_argument("exhibit", nargs="?", metavar="ID", help="such as F02")
    verb.add_argument("token", nargs="?", metavar="TOKEN", help="run the failure of this token again, step by step")
    verb.add_argument("--budget", type=seconds, metavar="30s", help="search each of the two for so long, instead of by work")
    verb.add_argument("--era", metavar="ERA", help="those that are bugs in this kernel; with ID: on a machine that runs as it")
    verb.set_defaults(run=_museum)


def _museum(arguments: argparse.Namespace) -> int:
    from movable.supervise.relay import relayed, status_line

    with status_line() as show:
        return relayed(lambda: _museum_here(arguments), "the museum", show=show)


def _museum_here(arguments: argparse.Namespace) -> int:
    from movable.contract.museum import exhibit
    from movable.contract.show.museum import caught_text, judge, museum_text, replay_exhibit, story_text, twin_text

    era = None if arguments.era is None else era_called(arguments.era).name
    if arguments.exhibit is None:
        print(museum_text(era))
        return 0
    chosen = exhibit(arguments.exhibit)
    if era is not None and era not in chosen.eras:
        raise UsageError(f"{chosen.id} is no bug in kernels of era {era}; it is one in {', '.join(chosen.eras)}")
    if arguments.token is not None:
        lines, broken_rules = replay_exhibit(chosen, arguments.token)
        _print_lines(lines)
        return 1 if broken_rules else 0
    print(story_text(chosen), flush=True)
    budget = arguments.budget
    with progress(chosen.id) as step:
        broken = judge(chosen, budget, era=era, progress=step)
    print(caught_text(chosen, broken), flush=True)
    if broken.interrupted:
        raise KeyboardInterrupt
    with progress(f"the twin of {chosen.id}") as step:
        twin = judge(chosen, budget, twin=True, era=era, progress=step)
    print(twin_text(chosen, twin), flush=True)
    if twin.interrupted:
        raise KeyboardInterrupt
    return 0 if set(chosen.rules) <= set(broken.broken) and not twin.broken else 1
