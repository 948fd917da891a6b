"""A command line taken apart: words, pipes, a redirection, and several commands in one line."""

from __future__ import annotations

import shlex
from collections.abc import Iterator
from dataclasses import dataclass, field

from movable.errors import UsageError

MAX_CHARACTERS = 4096


@dataclass(slots=True)
class Pipeline:
    """Commands whose output goes into the next one; the last one's into a file where ``target`` is not empty."""

    commands: list[list[str]] = field(default_factory=lambda: [[]])
    target: str = ""
    only_after_success: bool = False


def parse(text: str) -> Iterator[Pipeline]:
    """The pipelines of one line. Raises UsageError for quotes without an end, and for what this shell does not know."""
    if len(text) > MAX_CHARACTERS:
        raise UsageError(f"a line of {len(text)} characters; {MAX_CHARACTERS} are the most")
    lexer = shlex.shlex(text, posix=True, punctuation_chars="|&;<>")
    lexer.whitespace_split = True
    try:
        words = list(lexer)
    except ValueError as error:
        raise UsageError(f"{str(error).lower()} in {text.strip()!r}") from None
    now, redirected = Pipeline(), False
    for word in words:
        if redirected:
            now.target, redirected = word, False
        elif word in (">", ">>"):
            redirected = True
        elif word == "|":
            now.commands.append([])
        elif word in (";", "&&"):
            yield _whole(now, text)
            now = Pipeline(only_after_success=word == "&&")
        elif set(word) <= set("|&;<>"):
            raise UsageError(f"{word!r} is not known here; there are | > >> ; and &&")
        else:
            now.commands[-1].append(word)
    if redirected:
        raise UsageError(f"no file after > in {text.strip()!r}")
    if now.commands != [[]] or now.only_after_success:
        yield _whole(now, text)


def _whole(pipeline: Pipeline, text: str) -> Pipeline:
    if not all(pipeline.commands):
        raise UsageError(f"a command is missing in {text.strip()!r}")
    return pipeline
