"""A script from beginning to end, or a person at a prompt."""

from __future__ import annotations

import re
import sys
from collections.abc import Iterable, Iterator
from typing import TYPE_CHECKING, Any

from movable.errors import UsageError
from movable.sh.commands import Shell, entries
from movable.sh.failure import CommandFailed
from movable.sh.interpret import Exit, NoCommand
from movable.sh.line import Incomplete, parse

if TYPE_CHECKING:
    from prompt_toolkit.completion import Completer

PROMPT, MORE = "# ", "> "
_PASTED = re.compile(r"^\s*(?:\$|\[?[\w.-]+@[\w.-]+[^#$'\"|;]{0,60}[#$])\s+(?=\S)")
"""The prompt of another shell before a command that was copied from it."""


def play(shell: Shell, lines: Iterable[str], name: str) -> Iterator[str]:
    """Run a script: each command with its prompt, then what it prints. ``exit`` ends it, with ``Shell.status``.

    A command that fails is told and the script goes on, as in any shell, unless `set -e` stands before. Raises UsageError with the
    line of what is no command.
    """
    begun = ""
    number = first = 0
    for number, line in enumerate(lines, 1):
        text = _PASTED.sub("", line.rstrip("\n")) if not begun else line.rstrip("\n")
        prompt = MORE if begun else PROMPT
        yield f"{prompt}{text}\n" if begun or (text.strip() and not text.lstrip().startswith("#")) else f"{text}\n"
        first = first if begun else number
        begun = f"{begun}\n{text}" if begun else text
        try:
            if goes_on(begun):
                continue
            yield shell.run(begun)
        except CommandFailed as error:
            yield error.output
        except Exit as end:
            shell.status = end.status
            yield end.output
            return
        except UsageError as error:
            yield error.output if isinstance(error, NoCommand) else ""
            raise UsageError(f"{name}:{first}: {error}") from None
        begun = ""
    if begun:
        try:
            parse(begun)
        except UsageError as error:
            raise UsageError(f"{name}:{first}: {error}") from None


def goes_on(text: str) -> bool:
    """Whether lines are the beginning of a command only: a loop, a bracket or a quote is open, or a backslash ends them."""
    if text.endswith("\\") and not text.endswith("\\\\"):
        return True
    if text.lstrip().startswith("#") and "\n" not in text:
        return False
    try:
        parse(text)
    except Incomplete:
        return True
    except UsageError:
        return False
    return False


def talk(shell: Shell) -> int:
    """Read lines from a person until the end of input, with history and completion. Returns the exit code."""
    from prompt_toolkit import PromptSession
    from prompt_toolkit.history import InMemoryHistory

    session: PromptSession[str] = PromptSession(history=InMemoryHistory(), completer=_completer(shell))
    print("a model machine; 'help' lists the commands, Ctrl-D ends")
    begun = ""
    while True:
        try:
            text = begun + session.prompt(MORE if begun else PROMPT)
        except KeyboardInterrupt:
            begun = ""
            continue
        except EOFError:
            return 0
        if text.strip() == "quit":
            return 0
        begun = f"{text}\n" if goes_on(text) else ""
        if begun:
            continue
        try:
            sys.stdout.write(shell.run(text))
        except CommandFailed as error:
            sys.stdout.write(error.output)
        except Exit as end:
            sys.stdout.write(end.output)
            return end.status
        except UsageError as error:
            sys.stdout.write(error.output if isinstance(error, NoCommand) else "")
            print(f"sh: {error}")


def completions(shell: Shell, text: str) -> list[tuple[str, int]]:
    """(completion, how many characters it replaces) for a line so far: commands first, then paths."""
    words = text.split(" ")
    last = words[-1]
    if len(words) == 1 or words[-2] in ("|", ";", "&&"):
        return [(name, len(last)) for name in sorted({*shell.commands, *shell.interpreter.builtins}) if name.startswith(last)]
    if not last.startswith("/"):
        return []
    folder, _, begun = last.rpartition("/")
    files = shell.files
    names = sorted(name for name in entries(files, folder or "/") if name.startswith(begun))
    return [(name if f"{folder}/{name}" in files else f"{name}/", len(begun)) for name in names]


def _completer(shell: Shell) -> Completer:
    from prompt_toolkit.completion import Completer, Completion

    class Names(Completer):
        """Completes commands and paths."""

        def get_completions(self, document: Any, complete_event: Any) -> Iterator[Completion]:
            for name, length in completions(shell, document.text_before_cursor):
                yield Completion(name, start_position=-length)

    return Names()
