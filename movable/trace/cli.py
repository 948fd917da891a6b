"""``movable trace``: probes, check, summary and export. Exit codes: 0 fine, 1 a rule is broken, 2 bad usage or input."""

from __future__ import annotations

import argparse
import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO, TYPE_CHECKING

from movable.eras import ERAS
from movable.errors import UsageError
from movable.files import check_place, to_json_text, whole

if TYPE_CHECKING:
    from movable.cli.verbs import Verbs
    from movable.trace.judge.compaction import Compaction
    from movable.trace.show.progress import Progress
    from movable.trace.show.summary import Summary


def add_arguments(verbs: Verbs) -> None:
    """Add the verb ``trace`` with its four parts to a parser's commands."""
    trace = verbs.add_parser(
        "trace",
        help="record and judge a real kernel's driver",
        description="Record what a real kernel's driver does to its movable pages, and judge it by the rules of the contract.",
    )
    parts = trace.add_subparsers(title="parts", metavar="PART", required=True)
    _add_probes(parts)
    _add_check(parts)
    _add_summary(parts)
    _add_export(parts)


def _add_probes(parts: Verbs) -> None:
    verb = parts.add_parser(
        "probes",
        help="print the shell script that records a driver",
        description="Print a POSIX shell script that sets the probes for a driver, records, checks for lost events and removes "
        "the probes again. A driver that brings its probes is known by name; any other by the symbols of its three callbacks.",
    )
    verb.add_argument("driver", metavar="DRIVER", help="one that brings its probes, such as zsmalloc, or a short name of your own")
    verb.add_argument("--isolate", default="", metavar="SYM", help="its isolate_page function, as module:function or function")
    verb.add_argument("--migrate", default="", metavar="SYM", help="its migrate function")
    verb.add_argument("--putback", default="", metavar="SYM", help="its putback_page function")
    verb.add_argument("--era", default="6.1", help="4.19 (to 5.19), 6.1 (to 6.16), 6.17 or 7.3 (from 6.18); default 6.1")
    verb.add_argument("--arch", default="x86_64", choices=("x86_64", "aarch64"), help="of the test machine; default x86_64")
    verb.add_argument("--objects", action="store_true", help="zs_malloc, zs_free and the like too (many lines)")
    verb.add_argument("--base", action="store_true", help="show where the page array lies (exact frame numbers under KASLR)")
    verb.add_argument("--definitions", action="store_true", help="print only the lines for kprobe_events")
    verb.add_argument("-o", "--output", metavar="FILE", help="write to a file instead of standard output")
    verb.set_defaults(run=_probes)


def _add_input(verb: argparse.ArgumentParser) -> None:
    verb.add_argument("file", metavar="FILE", help="ftrace text (also .gz), trace.dat, model events, or - for standard input")
    verb.add_argument("--era", help=f"the kernel that was recorded, {', '.join(ERAS)} (default: worked out)")
    verb.add_argument("--vmemmap-base", type=_address, metavar="ADDRESS", help="where the page array lies (default: worked out)")


def _add_check(parts: Verbs) -> None:
    verb = parts.add_parser(
        "check",
        help="judge a trace by the rules of the contract",
        description="Judge a trace by the rules of the contract, as far as a trace can show them. Exit code 1 when one is broken.",
    )
    _add_input(verb)
    verb.add_argument("--driver", metavar="NAME", help="judge only the pages of this driver")
    verb.add_argument("--json", metavar="FILE", help="write the verdicts as JSON ('-' for standard output, and nothing else)")
    verb.add_argument("--html", metavar="FILE", help="write the verdicts as one HTML page")
    verb.set_defaults(run=_check)


def _add_summary(parts: Verbs) -> None:
    verb = parts.add_parser("summary", help="count what happened in a trace")
    _add_input(verb)
    verb.add_argument("--json", metavar="FILE", help="write the numbers as JSON ('-' for standard output, and nothing else)")
    verb.add_argument("--svg", metavar="FILE", help="draw isolated pages, or the scanners of compaction, over time")
    verb.add_argument("--html", metavar="FILE", help="write one HTML page with pictures over time")
    verb.set_defaults(run=_summary)


def _add_export(parts: Verbs) -> None:
    verb = parts.add_parser("export", help="write a trace in another form")
    _add_input(verb)
    form = verb.add_mutually_exclusive_group(required=True)
    form.add_argument("--chrome", metavar="OUT", help="Chrome trace JSON, for Perfetto: a track for each task, pages as slices")
    form.add_argument("--events", metavar="OUT", help="model events, a JSON object a line")
    form.add_argument("--ftrace", metavar="OUT", help="ftrace text, also from model events")
    verb.set_defaults(run=_export)


def _address(text: str) -> int:
    try:
        value = int(text, 16)
    except ValueError:
        raise argparse.ArgumentTypeError(f"{text!r} is no address; expected hexadecimal, such as 0xffffea0000000000") from None
    if not 0 <= value < 1 << 64:
        raise argparse.ArgumentTypeError(f"{text!r} does not fit 64 bits")
    return value


@contextmanager
def _output(path: str) -> Iterator[IO[str]]:
    """Standard output for ``-``, else the file. Raises UsageError where it cannot be written."""
    if path == "-":
        yield sys.stdout
        return
    try:
        with whole(Path(path)) as place, place.open("w", encoding="utf-8") as stream:
            yield stream
    except BrokenPipeError:
        raise
    except OSError as error:
        raise UsageError(f"{path}: cannot be written ({error.strerror}); give another place") from None


def _check_places(arguments: argparse.Namespace, *options: str) -> None:
    """Raises UsageError when an output cannot be written, or would overwrite the trace or another output; before reading."""
    taken = {"FILE": arguments.file}
    for option in options:
        path = getattr(arguments, option)
        check_place(path)
        for other, place in taken.items() if path is not None else ():
            if place != "-" and path != "-" and (place == path or _same_file(place, path)):
                raise UsageError(f"--{option} {path} would write over {other}; give another place")
        if path == "-" and taken.get("--json") == "-":
            raise UsageError(f"--{option} - and --json - both mean standard output; give one of them a file")
        if path is not None:
            taken[f"--{option}"] = path


def _same_file(one: str, other: str) -> bool:
    try:
        return os.path.isfile(one) and os.path.samefile(one, other)
    except OSError:
        return False


def _probes(arguments: argparse.Namespace) -> int:
    from movable.trace.record.probes import callbacks_of, probe_set
    from movable.trace.record.script import recording_script

    name, era, arch = arguments.driver, arguments.era, arguments.arch
    callbacks = callbacks_of(name, arguments.isolate, arguments.migrate, arguments.putback)
    if arguments.definitions:
        probes = probe_set(callbacks, era, objects=arguments.objects, base=arguments.base)
        text = "".join(probe.definition(arch) + "\n" for probe in probes)
    else:
        text = recording_script(callbacks, name, era, arch=arch, objects=arguments.objects, base=arguments.base)
    with _output(arguments.output or "-") as stream:
        stream.write(text)
    return 0


def _summary(arguments: argparse.Namespace) -> int:
    from movable.trace.show.compaction import compaction_svg, compaction_text
    from movable.trace.show.progress import Progress
    from movable.trace.show.summary import summary_text
    from movable.trace.show.summary_html import summary_html
    from movable.trace.show.svg import isolated_svg

    _check_places(arguments, "json", "svg", "html")
    if _is_a_log(arguments):
        return 0
    with Progress(arguments.file) as progress:
        summary, compaction = _summarised(arguments, progress)
    if arguments.json != "-":
        sys.stdout.write(summary_text(summary) if summary is not None else "")
        sys.stdout.writelines(line + "\n" for line in (compaction_text(compaction) if compaction is not None else ()))
    if arguments.json:
        record = summary.to_dict() if summary is not None else {}
        if compaction is not None:
            record = record | {"compaction": compaction.to_dict()} if record else compaction.to_dict()
        with _output(arguments.json) as stream:
            stream.write(to_json_text(record))
    if arguments.svg:
        with _output(arguments.svg) as stream:
            if summary is not None:
                stream.write(isolated_svg(summary))
            elif compaction is not None:
                stream.write(compaction_svg(compaction, arguments.file))
    if arguments.html:
        with _output(arguments.html) as stream:
            stream.write(summary_html(summary, compaction, arguments.file))
    return 0


def _is_a_log(arguments: argparse.Namespace) -> bool:
    """A kernel log without one line of a trace, but with messages about migration, is explained; whether it was one."""
    from movable.explain.cli import explain_log

    return arguments.file != "-" and explain_log(Path(arguments.file), arguments.json, arguments.html)


def _summarised(arguments: argparse.Namespace, progress: Progress) -> tuple[Summary | None, Compaction | None]:
    """Of a trace what its drivers did, and what its tracepoints of compaction tell; None for what it does not hold."""
    from movable.trace.judge.compaction import FollowedSource
    from movable.trace.read.era_signs import Contradicted, UnknownEra
    from movable.trace.read.ftrace import Reader
    from movable.trace.show.summary import summarise

    summary: Summary | None = None
    with FollowedSource(arguments.file, progress) as source:
        try:
            summary = summarise(Reader(source, era=arguments.era, vmemmap_base=arguments.vmemmap_base))
        except UsageError as error:
            if isinstance(error, UnknownEra | Contradicted) or not source.follower.found.events:
                raise
        return summary, source.follower.end() if source.follower.found.events else None


def _export(arguments: argparse.Namespace) -> int:
    from movable.events import write_events
    from movable.trace.read.model_file import model_events
    from movable.trace.read.source import Source
    from movable.trace.show.export import ChromeTrace, ftrace_of, knowing_reader
    from movable.trace.show.progress import Progress

    _check_places(arguments, "chrome", "events", "ftrace")
    out = arguments.chrome or arguments.events or arguments.ftrace
    with Progress(arguments.file) as progress, Source(arguments.file, progress) as source:
        reader = knowing_reader(source, arguments.era, arguments.vmemmap_base)
        with _output(out) as stream:
            if arguments.chrome:
                ChromeTrace(stream).write(reader)
            elif arguments.events:
                write_events(model_events(reader), stream)
            else:
                stream.writelines(ftrace_of(reader))
    return 0


def _check(arguments: argparse.Namespace) -> int:
    from movable.trace.judge.conformance import check_trace
    from movable.trace.show.progress import Progress
    from movable.trace.show.verdicts import verdicts_html, verdicts_text

    _check_places(arguments, "json", "html")
    with Progress(arguments.file) as progress:
        result = check_trace(
            arguments.file,
            era=arguments.era,
            vmemmap_base=arguments.vmemmap_base,
            driver=arguments.driver,
            progress=progress,
        )
    if arguments.json != "-":
        sys.stdout.write(verdicts_text(result))
    if arguments.json:
        with _output(arguments.json) as stream:
            stream.write(to_json_text(result.to_dict()))
    if arguments.html:
        with _output(arguments.html) as stream:
            stream.write(verdicts_html(result))
    return 0 if result.passed else 1
