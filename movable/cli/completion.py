"""``movable completion SHELL``: the script that makes a shell complete commands and options, written by shtab from the parser."""

from __future__ import annotations

import argparse
from collections.abc import Callable
from importlib import import_module
from typing import TYPE_CHECKING, Any

from movable.errors import UsageError

if TYPE_CHECKING:
    from movable.cli.verbs import Verbs

SHELLS = ("bash", "zsh", "fish")
FILES = frozenset(("FILE", "DIR", "OLD.json", "PATH", "TARGET", "TRACE"))
"""Words for arguments that may be files."""


def add_arguments(verbs: Verbs, whole: Callable[[], argparse.ArgumentParser]) -> None:
    """Add the verb to a parser's commands; ``whole`` makes that parser."""
    verb = verbs.add_parser(
        "completion",
        help="print what makes a shell complete commands and options",
        description='Print a script for a shell. In bash: eval "$(movable completion bash)", best in ~/.bashrc.',
    )
    verb.add_argument("shell", choices=SHELLS, help="the shell")
    verb.set_defaults(run=lambda arguments: _show(whole(), arguments.shell))


def _show(parser: argparse.ArgumentParser, shell: str) -> int:
    print(script(parser, shell))
    return 0


def script(parser: argparse.ArgumentParser, shell: str) -> str:
    """The script. Raises UsageError where shtab is missing."""
    try:
        shtab: Any = import_module("shtab")
    except ImportError:
        raise UsageError("completion needs the package shtab: pip install 'movable[completion]'") from None
    _complete_files(parser, shtab.FILE)
    made: str = shtab.complete(parser, shell)
    return made


def _complete_files(parser: argparse.ArgumentParser, files: Any) -> None:
    """Arguments that may be files complete as such."""
    for action in parser._actions:
        if isinstance(action, argparse._SubParsersAction):
            for inner in action.choices.values():
                _complete_files(inner, files)
        elif action.metavar in FILES:
            action.complete = files  # type: ignore[attr-defined]
