"""The parser with all verbs: what its help says."""

from __future__ import annotations

import argparse
from collections.abc import Iterator

from movable.cli import build_parser


def parsers(parser: argparse.ArgumentParser) -> Iterator[argparse.ArgumentParser]:
    """A parser, and those of its verbs and their parts."""
    yield parser
    for action in parser._actions:
        if isinstance(action, argparse._SubParsersAction):
            for below in action.choices.values():
                yield from parsers(below)


def test_the_help_of_each_verb_says_what_it_does_and_what_each_option_means() -> None:
    every = list(parsers(build_parser()))
    assert len(every) > 25
    assert [one.prog for one in every if not (one.description or "").endswith(".")] == []
    options = [(one.prog, action) for one in every for action in one._actions if not isinstance(action, argparse._SubParsersAction)]
    assert [(prog, action.dest) for prog, action in options if not action.help] == []
