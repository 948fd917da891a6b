"""``movable sh``: a prompt on a model machine, or a script. Exit codes: 0 fine, 2 bad usage or an unknown command."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path
from typing import TYPE_CHECKING

from movable.eras import DEFAULT
from movable.errors import UsageError

if TYPE_CHECKING:
    from movable.cli.verbs import Verbs
    from movable.sh.commands import Shell

MAX_SCRIPT = 1 << 20


def add_arguments(verbs: Verbs) -> None:
    """Add the verb ``sh`` to a parser's commands."""
    verb = verbs.add_parser(
        "sh",
        help="a prompt on a model machine: cat /proc/buddyinfo, echo 1 > /proc/sys/vm/compact_memory",
        description="Boot a machine, fill it and break its memory up, and give a prompt with /proc and /sys of it. With SCRIPT, "
        "run the lines of a file and print each with its output.",
    )
    verb.add_argument("script", nargs="?", metavar="SCRIPT", help="file of commands, - for standard input (default: a prompt)")
    verb.add_argument("--memory", default="64M", metavar="SIZE", help="size of the machine (default 64M)")
    verb.add_argument("--nodes", type=int, default=1, metavar="N", help="NUMA nodes (default 1)")
    verb.add_argument("--drivers", default="zsmalloc,balloon", metavar="A,B", help="drivers to load (default zsmalloc,balloon)")
    verb.add_argument("--seed", type=int, default=0, metavar="N", help="the same seed gives the same machine (default 0)")
    verb.add_argument("--era", default=DEFAULT, help=f"kernel that the machine runs as (default {DEFAULT})")
    verb.add_argument("--empty", action="store_true", help="do not fill the machine")
    verb.set_defaults(run=run)


def run(arguments: argparse.Namespace) -> int:
    """Boot, then run the script or talk. A script runs in a worker; a person at a terminal is given this very process."""
    from movable.supervise.relay import MACHINE_MEMORY_BYTES, MACHINE_PATIENCE_SECONDS, relayed

    name = arguments.script
    if name is None and sys.stdin is not None and sys.stdin.isatty():
        from movable.sh.session import talk

        return talk(_shell(arguments))
    name = name or "-"
    lines = _read(name).splitlines()
    memory, patience = MACHINE_MEMORY_BYTES, MACHINE_PATIENCE_SECONDS
    return relayed(lambda: _play(arguments, lines, name), "the script", memory=memory, patience=patience)


def _shell(arguments: argparse.Namespace) -> Shell:
    from movable.sh.commands import Shell
    from movable.sh.machine import boot

    machine = boot(arguments.memory, arguments.nodes, arguments.drivers, arguments.seed, empty=arguments.empty, era=arguments.era)
    return Shell(machine)


def _play(arguments: argparse.Namespace, lines: list[str], name: str) -> int:
    from movable.sh.session import play

    try:
        shell = _shell(arguments)
        for output in play(shell, lines, "standard input" if name == "-" else name):
            sys.stdout.write(output)
    finally:
        sys.stdout.flush()  # what was played before a line that is no command
    return shell.status


def _read(name: str) -> str:
    if name == "-" and sys.stdin is None:
        raise UsageError("standard input is closed; give a file of commands")
    try:
        if name == "-":
            data = sys.stdin.buffer.read(MAX_SCRIPT + 1)
        else:
            with Path(name).open("rb") as stream:
                data = stream.read(MAX_SCRIPT + 1)
    except OSError as error:
        raise UsageError(f"{name}: {error.strerror}; give a file of commands, or - for standard input") from None
    if len(data) > MAX_SCRIPT:
        raise UsageError(f"{name}: more than {MAX_SCRIPT >> 20} MiB is no script of commands")
    try:
        return data.decode("utf-8")
    except UnicodeDecodeError:
        raise UsageError(f"{name}: is no text; give a file of commands") from None
