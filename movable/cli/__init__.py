"""The command line: argparse verbs, with every heavy import inside its verb.

Exit codes: 0 fine, 1 the run found something wrong, 2 bad usage or bad input, 130 interrupted (143 by SIGTERM, 129 by SIGHUP).
"""

from __future__ import annotations

import argparse
import os
import sys
from collections.abc import Callable, Sequence
from io import TextIOWrapper
from typing import TYPE_CHECKING, Any, NoReturn

from movable import __version__
from movable.eras import DEFAULT
from movable.eras import era as era_called

if TYPE_CHECKING:
    from movable.cli.verbs import Verbs

Run = Callable[[argparse.Namespace], int]


def main(argv: Sequence[str] | None = None) -> int:
    """Run one command; returns the exit code. Errors are one line on standard error, unless ``--debug`` is given."""
    from movable import early
    from movable.shown import visible_streams
    from movable.supervise.interrupt import code_of, raised

    _make_streams_safe()
    with visible_streams():
        try:
            with raised():
                return _run_verb(argv)
        except KeyboardInterrupt as error:  # which may say where it came
            return _complain(f"interrupted {error}".strip(), code_of(error))
        finally:
            early.over()


def _run_verb(argv: Sequence[str] | None) -> int:
    """The one boundary: whatever a command raises ends here."""
    from movable.files import abandon_stdout
    from movable.shown import STANDARD_OUTPUT
    from movable.supervise.interrupt import under

    arguments = argparse.Namespace(debug=False)
    try:
        arguments = build_parser().parse_args(argv)
        run: Run = arguments.run
        if getattr(arguments, "era", None) == "":  # a variable of a shell that is not set, and not the default
            era_called("")
        code = run(arguments)
        sys.stdout.flush()  # here, where a full disk can still be reported
        return code
    except BrokenPipeError:
        abandon_stdout()  # the reader left, as 'head' does
        return 0
    except (KeyboardInterrupt, _Typed):
        raise
    except BaseException as error:
        interruption = under(error)
        if interruption is not None:
            raise interruption from None
        if arguments.debug:
            raise
        if isinstance(error, OSError) and error.filename == STANDARD_OUTPUT:
            abandon_stdout()
            return _complain(f"{STANDARD_OUTPUT}: {error.strerror or error}", 1)
        from movable.boundary import complaint

        return _complain(*complaint(error))


def _complain(what: str, code: int) -> int:
    """Say what is wrong in one line, whatever names it holds."""
    _say("movable: " + "\\n".join(what.splitlines()))
    return code


def _say(line: str) -> None:
    from movable.files import abandon

    try:
        print(line, file=sys.stderr, flush=True)
    except OSError:  # nobody can hear it, and the exit code says it
        abandon(sys.stderr)


def _make_streams_safe() -> None:
    """A stream that is closed, or that cannot show a character, must not end a command."""
    for name in ("stdout", "stderr"):
        stream = getattr(sys, name)
        if stream is None:
            setattr(sys, name, open(os.devnull, "w"))  # noqa: SIM115  (for as long as the process runs)
        elif isinstance(stream, TextIOWrapper) and stream.errors == "strict":
            stream.reconfigure(errors="backslashreplace")
        if isinstance(stream, TextIOWrapper) and not _may_show_anything(stream):
            stream.reconfigure(encoding="utf-8")


def _may_show_anything(stream: TextIOWrapper) -> bool:
    """Whether the encoding of a stream can do what its way with errors asks; that of names of hosts (idna) cannot."""
    try:
        "a line of 0x80 = \x80\n".encode(stream.encoding, stream.errors or "strict")
    except (UnicodeError, LookupError):
        return False
    return True


def build_parser() -> argparse.ArgumentParser:
    """The parser with all verbs."""
    from movable.c import cli as c
    from movable.cli import completion
    from movable.contract import cli as contract
    from movable.explain import cli as explain
    from movable.lab import cli as lab
    from movable.numa import cli as numa
    from movable.sh import cli as sh
    from movable.trace import cli as trace

    parser: argparse.ArgumentParser = _Parser(
        prog="movable",
        description="The reference model of Linux page migration, and the kit that certifies movable-page drivers.",
    )
    parser.add_argument("--version", action="version", version=f"movable {__version__}")
    parser.add_argument("--debug", action="store_true", help="show a traceback instead of one line")
    verbs = parser.add_subparsers(title="commands", metavar="COMMAND", required=True)
    _add_run(verbs)
    _add_drivers(verbs)
    contract.add_arguments(verbs)
    trace.add_arguments(verbs)
    c.add_arguments(verbs)
    explain.add_arguments(verbs)
    sh.add_arguments(verbs)
    numa.add_arguments(verbs)
    lab.add_arguments(verbs)
    completion.add_arguments(verbs, build_parser)
    _finish(verbs)
    return parser


class _Typed(SystemExit):
    """The end of a command that is no verb's: help was asked for, or something cannot be understood."""


class _Parser(argparse.ArgumentParser):
    """Complains in one line about what was typed, whatever was typed."""

    def exit(self, status: int = 0, message: str | None = None) -> NoReturn:
        """As in ArgumentParser, once the help has reached its reader. Raises OSError where it cannot."""
        if message:
            _say(message)
        sys.stdout.flush()
        raise _Typed(status)

    def _print_message(self, message: str, file: Any = None) -> None:
        (file or sys.stderr).write(message)  # argparse keeps silent about a full disk

    def error(self, message: str) -> NoReturn:
        """As in ArgumentParser."""
        from movable.shown import shown

        self.exit(2, f"{self.prog}: {shown(message)}; '{self.prog} --help' lists what there is")

    def parse_known_args(self, args: Any = None, namespace: Any = None) -> tuple[Any, list[str]]:
        """As in ArgumentParser, but what a verb does not know is said by the verb, with the option that is most like it."""
        found, unknown = super().parse_known_args(args, namespace)
        if unknown:
            import difflib

            near = difflib.get_close_matches(unknown[0].partition("=")[0], self._option_string_actions, 1)
            self.error(f"unrecognized arguments: {' '.join(unknown)}" + (f"; did you mean {near[0]}?" if near else ""))
        return found, unknown


def _finish(verbs: Verbs) -> None:
    """``--debug`` may stand behind the verb too; and the help of each verb says first what it does."""
    for listed in verbs._choices_actions:
        parser = verbs.choices[listed.dest]
        if parser.description is None and listed.help:
            parser.description = f"{listed.help[0].upper()}{listed.help[1:]}."
        parser.add_argument("--debug", action="store_true", default=argparse.SUPPRESS, help=argparse.SUPPRESS)
        for action in parser._actions:
            if isinstance(action, argparse._SubParsersAction):
                _finish(action)


def _add_run(verbs: Verbs) -> None:
    verb = verbs.add_parser(
        "run",
        help="boot a machine, store real data, fragment memory, compact, and check every byte",
        description="Boot a machine, load drivers, store real data in the compressed store, inflate the balloon, free a part so "
        "that memory is fragmented, fail to get huge pages, compact, get them, offline a block, and read everything back.",
    )
    verb.add_argument("--memory", default="256M", metavar="SIZE", help="size of the machine, such as 256M or 1G (default 256M)")
    verb.add_argument("--nodes", type=int, default=2, metavar="N", help="NUMA nodes (default 2)")
    verb.add_argument("--drivers", default="zsmalloc,balloon", metavar="A,B", help="drivers to load (default zsmalloc,balloon)")
    verb.add_argument("--input", metavar="PATH", help="file or directory to store (default: this Python's standard library)")
    verb.add_argument("--seed", type=int, default=0, metavar="N", help="the same seed gives the same output (default 0)")
    verb.add_argument("--era", default=DEFAULT, help=f"kernel that the machine runs as (default {DEFAULT})")
    verb.add_argument("--json", metavar="FILE", help="write the summary as JSON ('-' for standard output, and nothing else)")
    verb.add_argument("--events", metavar="FILE", help="write every event as a line of JSON")
    verb.add_argument("--svg", metavar="FILE", help="write the memory map before and after as a picture")
    verb.set_defaults(run=_run)


def _run(arguments: argparse.Namespace) -> int:
    import gc

    from movable.lab.run import Options, main
    from movable.supervise.relay import MACHINE_MEMORY_BYTES, MACHINE_PATIENCE_SECONDS, relayed, status_line

    options = Options(
        memory=arguments.memory,
        nodes=arguments.nodes,
        drivers=arguments.drivers,
        input=arguments.input,
        seed=arguments.seed,
        json=arguments.json,
        events=arguments.events,
        svg=arguments.svg,
        era=arguments.era,
    )

    def work() -> int:
        gc.disable()  # the worker ends with the run, and no collection of millions of pages is of use to anybody
        return main(options)

    with status_line() as show:
        return relayed(work, "the run", memory=MACHINE_MEMORY_BYTES, patience=MACHINE_PATIENCE_SECONDS, show=show)


def _add_drivers(verbs: Verbs) -> None:
    verb = verbs.add_parser("drivers", help="list the drivers that are installed")
    verb.add_argument("--json", metavar="FILE", help="write the list as JSON ('-' for standard output)")
    verb.set_defaults(run=_drivers)


def _drivers(arguments: argparse.Namespace) -> int:
    from movable.cli.drivers import show

    return show(arguments.json)
