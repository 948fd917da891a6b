"""A script from beginning to end, or a person at a prompt."""

from __future__ import annotations

import sys
from collections.abc import Iterable, Iterator
from typing import TYPE_CHECKING, Any

from movable.errors import UsageError
from movable.sh.commands import Shell, entries
from movable.sh.failure import CommandFailed

if TYPE_CHECKING:
    from prompt_toolkit.completion import Completer

PROMPT = "# "


def play(shell: Shell, lines: Iterable[str], name: str) -> Iterator[str]:
    """Run a script: each command with its prompt, then what it prints. The last answer of a command is ``shell.failed``.

    A command that fails is told and the script goes on, as in any shell. Raises UsageError with the line of what is no command.
    """
    for number, line in enumerate(lines, 1):
        text = line.rstrip("\n")
        yield f"{PROMPT}{text}\n" if text.strip() and not text.lstrip().startswith("#") else f"{text}\n"
        try:
            yield shell.run(text)
        except CommandFailed as error:
            yield error.output
        except UsageError as error:
            raise UsageError(f"{name}:{number}: {error}") from None


def talk(shell: Shell) -> int:
    """Read lines from a person until the end of input, with history and completion. Returns the exit code."""
    from prompt_toolkit import PromptSession
    from prompt_toolkit.history import InMemoryHistory

    session: PromptSession[str] = PromptSession(history=InMemoryHistory(), completer=_completer(shell))
    print("a model machine; 'help' lists the commands, Ctrl-D ends")
    while True:
        try:
            text = session.prompt(PROMPT)
        except KeyboardInterrupt:
            continue
        except EOFError:
            return 0
        if text.strip() in ("exit", "quit"):
            return 0
        try:
            sys.stdout.write(shell.run(text))
        except CommandFailed as error:
            sys.stdout.write(error.output)
        except UsageError as error:
            print(f"sh: {error}")


def completions(shell: Shell, text: str) -> list[tuple[str, int]]:
    """(completion, how many characters it replaces) for a line so far: commands first, then paths."""
    words = text.split(" ")
    last = words[-1]
    if len(words) == 1 or words[-2] in ("|", ";", "&&"):
        return [(name, len(last)) for name in sorted(shell.commands) if name.startswith(last)]
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
